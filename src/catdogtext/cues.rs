//! From frames to cues: frames in a row that say the same become one.
//!
//! Input is the time of each frame and what was seen in it, output are [`Cue`]s in their order. They
//! do not overlap, but for those of a single frame that are complete at once: the next frame may come
//! earlier than that one said. Frames of which nothing was said make cues without words: somebody may
//! wait for news of that time, too.

use gst::ClockTime;
use serde::Serialize;

use crate::metadata::ClassificationFields;

/// Frames further apart than this are not of one cue.
const LONGEST_HOLE: ClockTime = ClockTime::SECOND;

/// When one frame is shown.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Its presentation time.
    pub start: Option<ClockTime>,
    /// How long it lasts.
    pub duration: Option<ClockTime>,
}

/// A stretch of time of which one thing is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// Presentation time of its first frame; `None` where frames have none.
    pub start: Option<ClockTime>,
    /// Until when it is true; `None` where that is not known: the last frame's duration is not.
    pub end: Option<ClockTime>,
    /// What is said; `None` is silence.
    pub told: Option<Told>,
    /// Presentation time of its newest frame.
    newest: Option<ClockTime>,
}

/// What is said of the frames of a cue.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    label: String,
    index: i32,
    frames: u64,
    inferences: u64,
    /// Sums over the frames.
    confidence: f64,
    results: Vec<(String, f64)>,
    newest_is_fresh: bool,
    model: String,
    element: String,
}

/// Makes cues of frames.
#[derive(Clone, Debug, Default)]
pub struct Cues {
    open: Option<Cue>,
    /// `None`: as long as it is true.
    longest: Option<ClockTime>,
}

impl Cues {
    /// How long a cue may be. Zero: each frame is a cue by itself, and complete at once.
    pub fn set_longest(&mut self, longest: Option<ClockTime>) {
        self.longest = longest;
    }

    /// Takes the next frame in, with what was seen in it. `done` gets what is complete by that: at
    /// most the cue before it, and its own.
    pub fn add(
        &mut self,
        frame: &Frame,
        said: Option<&ClassificationFields<'_>>,
        done: &mut Vec<Cue>,
    ) {
        let longest = self.longest;
        match self.open.as_mut().filter(|open| open.goes_on_with(frame, said, longest)) {
            Some(open) => open.extend(frame, said),
            None => {
                done.extend(self.close_before(frame.start));
                self.open = Some(Cue::of(frame, said));
            }
        }
        // Without times there is nothing to go by.
        let alone =
            frame.start.is_none() || (longest == Some(ClockTime::ZERO) && frame.end().is_some());
        if alone {
            done.extend(self.close());
        }
    }

    /// Whether there is a cue that waits for what comes next.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Where it starts.
    pub fn start(&self) -> Option<ClockTime> {
        self.open.as_ref()?.start
    }

    /// Ends the cue at hand.
    pub fn close(&mut self) -> Option<Cue> {
        self.open.take()
    }

    /// Ends the cue at hand, the newest frame by itself: whoever takes the second knows all that was
    /// said before the newest frame.
    pub fn close_by_frame(&mut self) -> [Option<Cue>; 2] {
        let Some(mut cue) = self.close() else { return [None, None] };
        let newest = cue.split_newest();
        [Some(cue), newest]
    }

    /// Ends it where the next one begins, if that is near.
    fn close_before(&mut self, next: Option<ClockTime>) -> Option<Cue> {
        let mut cue = self.close()?;
        if let Some(next) = next
            && cue.start.is_some_and(|start| next > start)
            && cue.last_known().is_some_and(|end| next <= end.saturating_add(LONGEST_HOLE))
        {
            cue.end = Some(next);
        }
        Some(cue)
    }
}

impl Cue {
    fn of(frame: &Frame, said: Option<&ClassificationFields<'_>>) -> Self {
        Self {
            start: frame.start,
            end: frame.end(),
            newest: frame.start,
            told: said.map(|said| {
                let mut told = Told {
                    label: said.label.to_owned(),
                    index: said.index,
                    frames: 0,
                    inferences: 0,
                    confidence: 0.0,
                    results: Vec::new(),
                    newest_is_fresh: false,
                    model: said.model.to_owned(),
                    element: said.element.to_owned(),
                };
                told.add(said);
                told
            }),
        }
    }

    /// How long it lasts, where that is known.
    pub fn duration(&self) -> Option<ClockTime> {
        self.end?.checked_sub(self.start?)
    }

    fn last_known(&self) -> Option<ClockTime> {
        self.end.or(self.start)
    }

    fn goes_on_with(
        &self,
        frame: &Frame,
        said: Option<&ClassificationFields<'_>>,
        longest: Option<ClockTime>,
    ) -> bool {
        let (Some(from), Some(until), Some(start)) = (self.start, self.last_known(), frame.start)
        else {
            return false;
        };
        let same = match (&self.told, said) {
            (Some(told), Some(said)) => told.is_of(said),
            (None, None) => true,
            _ => false,
        };
        let end = frame.end().unwrap_or(start);
        let fits = longest.is_none_or(|longest| end <= from.saturating_add(longest));
        same && fits && start > from && start <= until.saturating_add(LONGEST_HOLE)
    }

    fn extend(&mut self, frame: &Frame, said: Option<&ClassificationFields<'_>>) {
        self.end = frame.end().or(frame.start).max(self.end);
        self.newest = frame.start;
        if let (Some(told), Some(said)) = (&mut self.told, said) {
            told.add(said);
        }
    }

    /// Takes the newest frame off a cue that has others. What is said of it is the mean over all.
    fn split_newest(&mut self) -> Option<Self> {
        let newest = self.newest.filter(|newest| Some(*newest) > self.start)?;
        let told = self.told.as_mut().map(Told::split_newest);
        let end = self.end.replace(newest);
        Some(Self { start: Some(newest), end, told, newest: Some(newest) })
    }
}

impl Frame {
    fn end(&self) -> Option<ClockTime> {
        self.start?.checked_add(self.duration?)
    }
}

impl Told {
    fn is_of(&self, said: &ClassificationFields<'_>) -> bool {
        (&*self.label, self.index, &*self.model, &*self.element)
            == (said.label, said.index, said.model, said.element)
    }

    fn add(&mut self, said: &ClassificationFields<'_>) {
        self.frames += 1;
        self.inferences += u64::from(said.fresh);
        self.newest_is_fresh = said.fresh;
        self.confidence += said.confidence;
        for (label, confidence) in said.results {
            match self.results.iter_mut().find(|(known, _)| known == label) {
                Some((_, sum)) => *sum += confidence,
                None => self.results.push(((*label).to_owned(), *confidence)),
            }
        }
    }

    fn split_newest(&mut self) -> Self {
        let mut newest = self.clone();
        newest.frames = 1;
        newest.inferences = u64::from(self.newest_is_fresh);
        self.frames -= newest.frames;
        self.inferences -= newest.inferences;
        let share = 1.0 / (self.frames + newest.frames) as f64;
        for (part, share) in [(self, 1.0 - share), (&mut newest, share)] {
            part.confidence *= share;
            part.results.iter_mut().for_each(|(_, sum)| *sum *= share);
        }
        newest
    }

    /// The classes by falling confidence, the mean over all frames; a class that was not among the
    /// listed ones of a frame had 0 there.
    fn results(&self) -> Vec<(&str, f64)> {
        let mut results: Vec<(&str, f64)> =
            self.results.iter().map(|(label, sum)| (label.as_str(), self.mean(*sum))).collect();
        results.sort_by(|a, b| b.1.total_cmp(&a.1));
        results
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.frames as f64
    }

    /// Calls `render` with the fields that a text can show: the means over the frames.
    pub fn with_fields<T>(&self, render: impl FnOnce(&ClassificationFields<'_>) -> T) -> T {
        render(&ClassificationFields {
            label: &self.label,
            confidence: self.mean(self.confidence),
            index: self.index,
            results: &self.results(),
            fresh: self.newest_is_fresh,
            model: &self.model,
            element: &self.element,
        })
    }
}

/// A cue as a JSON object; the names are those of the metadata.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    label: &'a str,
    index: i32,
    confidence: f64,
    labels: Vec<&'a str>,
    confidences: Vec<f64>,
    frames: u64,
    inferences: u64,
    model: &'a str,
    element: &'a str,
}

/// `told` of `cue` as a JSON object with a line feed behind it: times in ns, confidences the means
/// over the frames.
pub fn json_line(cue: &Cue, told: &Told) -> Option<String> {
    let (labels, confidences): (Vec<&str>, Vec<f64>) = told.results().into_iter().unzip();
    let line = Line {
        pts: cue.start.map(ClockTime::nseconds),
        duration: cue.duration().map(ClockTime::nseconds),
        label: &told.label,
        index: told.index,
        confidence: readable(told.mean(told.confidence)),
        labels,
        confidences: confidences.into_iter().map(readable).collect(),
        frames: told.frames,
        inferences: told.inferences,
        model: &told.model,
        element: &told.element,
    };
    // Numbers and strings can always be written.
    serde_json::to_string(&line).ok().map(|line| line + "\n")
}

/// In ten-thousandths: a quantised model's steps are larger.
fn readable(confidence: f64) -> f64 {
    (confidence * 1e4).round() / 1e4
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);

    fn said(label: &str, confidence: f64) -> ClassificationFields<'_> {
        ClassificationFields {
            label,
            confidence,
            index: if label == "unknown" { -1 } else { 0 },
            results: &[("cat", 0.75), ("dog", 0.25)],
            fresh: true,
            model: "m.tflite",
            element: "filter",
        }
    }

    fn at(index: u64) -> Frame {
        Frame { start: Some(FRAME * index), duration: Some(FRAME) }
    }

    /// Label, start and end of each cue, in ms.
    fn spans(cues: &[Cue]) -> Vec<(Option<&str>, u64, u64)> {
        let ms = |time: Option<ClockTime>| time.unwrap().mseconds();
        let span = |cue: &Cue| (ms(cue.start), ms(cue.end));
        let labels = cues.iter().map(|cue| cue.told.as_ref().map(|told| told.label.as_str()));
        labels.zip(cues).map(|(label, cue)| (label, span(cue).0, span(cue).1)).collect()
    }

    /// The cues of frames in a row with these labels; "" is a frame of which nothing is said.
    fn cues_of(labels: &[&str], longest: Option<ClockTime>) -> Vec<Cue> {
        let mut cues = Cues::default();
        cues.set_longest(longest);
        let mut done = Vec::new();
        for (index, label) in (0..).zip(labels) {
            let said = said(label, 0.5);
            cues.add(&at(index), (!label.is_empty()).then_some(&said), &mut done);
        }
        done.extend(cues.close());
        done
    }

    #[test]
    fn frames_that_say_the_same_are_one_cue() {
        let cues = cues_of(&["cat", "cat", "cat", "dog", "", "", "cat"], None);
        let want = [
            (Some("cat"), 0, 120),
            (Some("dog"), 120, 160),
            (None, 160, 240),
            (Some("cat"), 240, 280),
        ];
        assert_eq!(spans(&cues), want);
    }

    #[test]
    fn a_cue_is_no_longer_than_it_may_be() {
        let cues = cues_of(&["cat"; 5], Some(2 * FRAME));
        let want = [(Some("cat"), 0, 80), (Some("cat"), 80, 160), (Some("cat"), 160, 200)];
        assert_eq!(spans(&cues), want);
        assert_eq!(spans(&cues_of(&["cat"; 3], Some(FRAME / 2))).len(), 3, "a frame at least");
        assert_eq!(cues_of(&["cat"; 5], Some(ClockTime::ZERO)).len(), 5);
    }

    #[test]
    fn the_newest_frame_can_be_told_by_itself() {
        let mut cues = Cues::default();
        let mut done = Vec::new();
        for (index, fresh) in [(0, true), (1, true), (2, false)] {
            cues.add(
                &at(index),
                Some(&ClassificationFields { fresh, ..said("cat", 0.5) }),
                &mut done,
            );
        }
        let parts: Vec<Cue> = cues.close_by_frame().into_iter().flatten().collect();
        assert_eq!(spans(&parts), [(Some("cat"), 0, 80), (Some("cat"), 80, 120)]);
        let told = |part: &Cue| {
            let told = part.told.as_ref().unwrap();
            (told.frames, told.inferences, (told.mean(told.confidence) * 1e6).round())
        };
        assert_eq!(parts.iter().map(told).collect::<Vec<_>>(), [(2, 2, 5e5), (1, 0, 5e5)]);
        cues.add(&at(3), None, &mut done);
        assert_eq!(cues.close_by_frame().into_iter().flatten().count(), 1, "one frame is one cue");
        assert!(cues.close_by_frame().into_iter().flatten().next().is_none());
    }

    #[test]
    fn what_is_said_is_the_mean_over_the_frames() {
        let mut cues = Cues::default();
        let mut done = Vec::new();
        let second =
            ClassificationFields { results: &[("cat", 1.0)], fresh: false, ..said("cat", 1.0) };
        cues.add(&at(0), Some(&said("cat", 0.75)), &mut done);
        cues.add(&at(1), Some(&second), &mut done);
        let cue = cues.close().unwrap();
        let line = json_line(&cue, cue.told.as_ref().unwrap()).unwrap();
        let want = concat!(
            r#"{"pts":0,"duration":80000000,"label":"cat","index":0,"confidence":0.875,"#,
            r#""labels":["cat","dog"],"confidences":[0.875,0.125],"frames":2,"inferences":1,"#,
            r#""model":"m.tflite","element":"filter"}"#,
            "\n"
        );
        assert_eq!(line, want);
    }

    #[test]
    fn a_cue_lasts_until_the_next_unless_frames_are_missing() {
        let mut cues = Cues::default();
        let mut done = Vec::new();
        // Frames without a duration, then one that comes late, then two seconds of nothing.
        for (label, ms) in [("cat", 0), ("cat", 40), ("dog", 100), ("cat", 200), ("cat", 2200)] {
            let frame = Frame { start: Some(ClockTime::from_mseconds(ms)), duration: None };
            cues.add(&frame, Some(&said(label, 0.5)), &mut done);
        }
        assert_eq!(done[2].end, None, "nobody knows for how long");
        done.remove(2);
        assert_eq!(spans(&done), [(Some("cat"), 0, 100), (Some("dog"), 100, 200)]);
    }

    #[test]
    fn a_frame_without_a_time_is_a_cue_without_one() {
        let mut cues = Cues::default();
        let mut done = Vec::new();
        let timeless = Frame { start: None, duration: Some(FRAME) };
        cues.add(&at(0), Some(&said("cat", 0.5)), &mut done);
        cues.add(&timeless, Some(&said("cat", 0.5)), &mut done);
        cues.add(&timeless, Some(&said("cat", 0.5)), &mut done);
        assert_eq!(done.iter().map(|cue| cue.start).collect::<Vec<_>>(), [at(0).start, None, None]);
        assert!(!cues.is_open());
    }

    proptest! {
        #[test]
        fn cues_follow_each_other_and_hold_every_frame_once(
            steps in prop::collection::vec(
                // Time stands still now and then, or leaps, as that of broken streams does.
                (prop_oneof![1 => Just(0), 8 => 10u64..80, 1 => 900u64..3000],
                 prop::option::of(0u64..100), 0usize..4),
                1..80,
            ),
            longest in prop::option::of(0u64..500),
        ) {
            let mut cues = Cues::default();
            cues.set_longest(longest.map(ClockTime::from_mseconds));
            let (mut done, mut now, mut words) = (Vec::new(), 0, 0);
            for (step, duration, label) in &steps {
                now += step;
                let duration = duration.map(ClockTime::from_mseconds);
                let frame = Frame { start: Some(ClockTime::from_mseconds(now)), duration };
                let label = ["", "cat", "dog", "unknown"][*label];
                let said = said(label, 0.5);
                words += u64::from(!label.is_empty());
                cues.add(&frame, (!label.is_empty()).then_some(&said), &mut done);
            }
            done.extend(cues.close());
            let told: u64 = done.iter().filter_map(|cue| Some(cue.told.as_ref()?.frames)).sum();
            prop_assert_eq!(told, words);
            for cue in &done {
                prop_assert!(cue.end.is_none_or(|end| end >= cue.start.unwrap()));
            }
            for pair in done.windows(2) {
                prop_assert!(pair[0].start <= pair[1].start);
                // Where time moves, and nothing was cut short before the next frame was known.
                if longest.is_none() && pair[0].start < pair[1].start {
                    let end = pair[0].end.or(pair[0].start);
                    prop_assert!(end <= pair[1].start, "{pair:?}");
                }
            }
        }
    }
}
