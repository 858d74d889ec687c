//! Consecutive frames with the same label become one cue.
//!
//! The input is the time of each frame and its classification; the output is a sequence of
//! [`Cue`]s. Cues do not overlap, with one exception: a cue of a single frame that is complete at
//! once has the duration of its frame, and the next frame may come earlier. Frames without a
//! classification become cues without text, because a consumer may wait for them, too.

use gst::ClockTime;
use serde::Serialize;

use crate::metadata::ClassificationFields;

/// A cue ends if frames are missing for longer than this.
const MAX_MISSING: ClockTime = ClockTime::SECOND;

/// A cue continues over a signaled gap of at most this duration. It is the default of the
/// hysteresis `hold` of `catdogfilter`, below which a label does not change; the element's actual
/// `hold` is not known here.
const MAX_GAP: ClockTime = ClockTime::from_mseconds(300);

/// The time of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Its presentation time.
    pub start: Option<ClockTime>,
    /// Its duration.
    pub duration: Option<ClockTime>,
}

/// An interval of time with one label.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// Presentation time of its first frame; `None` if frames have no timestamps.
    pub start: Option<ClockTime>,
    /// End of its last frame; `None` if the duration of that frame is not known.
    pub end: Option<ClockTime>,
    /// The classification of its frames; `None` if they have none.
    pub classification: Option<MeanClassification>,
    /// Presentation time of its newest frame.
    newest: Option<ClockTime>,
}

/// The classification of several frames with the same label, with sums over the frames.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanClassification {
    label: String,
    index: i32,
    frames: u64,
    inferences: u64,
    /// Sum of the confidences.
    confidence: f64,
    /// The classes with the sums of their confidences.
    results: Vec<(String, f64)>,
    newest_is_fresh: bool,
    model: String,
    element: String,
}

/// Turns frames into cues.
#[derive(Clone, Debug, Default)]
pub struct Cues {
    open: Option<Cue>,
    /// `None` = no limit.
    max_duration: Option<ClockTime>,
}

impl Cues {
    /// Sets the maximum duration of a cue. With zero, each frame is a cue that is complete at once.
    pub fn set_max_duration(&mut self, max_duration: Option<ClockTime>) {
        self.max_duration = max_duration;
    }

    /// Adds the next frame with its classification. Appends the cues that are complete after it to
    /// `complete`: at most the previous cue and its own.
    pub fn add(
        &mut self,
        frame: &Frame,
        classification: Option<&ClassificationFields<'_>>,
        complete: &mut Vec<Cue>,
    ) {
        let max_duration = self.max_duration;
        let open = self.open.as_mut();
        match open.filter(|open| open.continues_with(frame, classification, max_duration)) {
            Some(open) => open.extend(frame, classification),
            None => {
                complete.extend(self.close_before(frame.start));
                self.open = Some(Cue::new(frame, classification));
            }
        }
        // A frame without a timestamp cannot be compared with the next one.
        let is_complete = frame.start.is_none()
            || (max_duration == Some(ClockTime::ZERO) && frame.end().is_some());
        if is_complete {
            complete.extend(self.close());
        }
    }

    /// Returns whether a cue is open: it may continue with the next frame.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Returns the start of the open cue.
    pub fn start(&self) -> Option<ClockTime> {
        self.open.as_ref()?.start
    }

    /// Returns the end of the open cue, as far as it is known.
    pub fn end(&self) -> Option<ClockTime> {
        self.open.as_ref()?.last_known()
    }

    /// Returns the label of the open cue.
    pub fn label(&self) -> Option<&str> {
        Some(&self.open.as_ref()?.classification.as_ref()?.label)
    }

    /// Returns whether the open cue continues over a gap that ends at `end`.
    pub fn bridges_gap(&self, end: ClockTime) -> bool {
        self.end().is_some_and(|cue_end| end <= cue_end.saturating_add(MAX_GAP))
    }

    /// Ends the open cue.
    pub fn close(&mut self) -> Option<Cue> {
        self.open.take()
    }

    /// Ends the open cue, with its newest frame as a cue of its own: a consumer that has the second
    /// cue knows that the first one is complete.
    pub fn close_by_frame(&mut self) -> [Option<Cue>; 2] {
        let Some(mut cue) = self.close() else { return [None, None] };
        let newest = cue.split_newest();
        [Some(cue), newest]
    }

    /// Ends the open cue where the next one begins, unless frames are missing between them.
    fn close_before(&mut self, next: Option<ClockTime>) -> Option<Cue> {
        let mut cue = self.close()?;
        if let Some(next) = next
            && cue.start.is_some_and(|start| next > start)
            && cue.last_known().is_some_and(|end| next <= end.saturating_add(MAX_MISSING))
        {
            cue.end = Some(next);
        }
        Some(cue)
    }
}

impl Cue {
    fn new(frame: &Frame, classification: Option<&ClassificationFields<'_>>) -> Self {
        Self {
            start: frame.start,
            end: frame.end(),
            newest: frame.start,
            classification: classification.map(MeanClassification::new),
        }
    }

    /// Returns its duration, if it is known.
    pub fn duration(&self) -> Option<ClockTime> {
        self.end?.checked_sub(self.start?)
    }

    fn last_known(&self) -> Option<ClockTime> {
        self.end.or(self.start)
    }

    fn continues_with(
        &self,
        frame: &Frame,
        classification: Option<&ClassificationFields<'_>>,
        max_duration: Option<ClockTime>,
    ) -> bool {
        let (Some(from), Some(until), Some(start)) = (self.start, self.last_known(), frame.start)
        else {
            return false;
        };
        let is_same = match (&self.classification, classification) {
            (Some(mean), Some(classification)) => mean.has_label_of(classification),
            (None, None) => true,
            _ => false,
        };
        let end = frame.end().unwrap_or(start);
        let fits = max_duration.is_none_or(|duration| end <= from.saturating_add(duration));
        is_same && fits && start > from && start <= until.saturating_add(MAX_MISSING)
    }

    fn extend(&mut self, frame: &Frame, classification: Option<&ClassificationFields<'_>>) {
        self.end = frame.end().or(frame.start).max(self.end);
        self.newest = frame.start;
        if let (Some(mean), Some(classification)) = (&mut self.classification, classification) {
            mean.add(classification);
        }
    }

    /// Splits off the newest frame of a cue that has others. Both cues get the mean over all
    /// frames.
    fn split_newest(&mut self) -> Option<Self> {
        let newest = self.newest.filter(|newest| Some(*newest) > self.start)?;
        let classification = self.classification.as_mut().map(MeanClassification::split_newest);
        let end = self.end.replace(newest);
        Some(Self { start: Some(newest), end, classification, newest: Some(newest) })
    }
}

impl Frame {
    fn end(&self) -> Option<ClockTime> {
        self.start?.checked_add(self.duration?)
    }
}

impl MeanClassification {
    fn new(classification: &ClassificationFields<'_>) -> Self {
        let mut mean = Self {
            label: classification.label.to_owned(),
            index: classification.index,
            frames: 0,
            inferences: 0,
            confidence: 0.0,
            results: Vec::new(),
            newest_is_fresh: false,
            model: classification.model.to_owned(),
            element: classification.element.to_owned(),
        };
        mean.add(classification);
        mean
    }

    fn has_label_of(&self, classification: &ClassificationFields<'_>) -> bool {
        let ClassificationFields { label, index, model, element, .. } = *classification;
        (&*self.label, self.index, &*self.model, &*self.element) == (label, index, model, element)
    }

    fn add(&mut self, classification: &ClassificationFields<'_>) {
        self.frames += 1;
        self.inferences += u64::from(classification.fresh);
        self.newest_is_fresh = classification.fresh;
        self.confidence += classification.confidence;
        for (label, confidence) in classification.results {
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

    /// Returns the classes with their mean confidences, best first. A class that is not in the
    /// metadata of a frame counts as 0 there.
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

/// A cue as a JSON object; the fields are named like those of the metadata.
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

/// Returns `cue` with its classification `mean` as a line of JSON, with the line feed. Times are in
/// ns, confidences are means over the frames.
pub fn json_line(cue: &Cue, mean: &MeanClassification) -> Option<String> {
    let (labels, confidences): (Vec<&str>, Vec<f64>) = mean.results().into_iter().unzip();
    let line = Line {
        pts: cue.start.map(ClockTime::nseconds),
        duration: cue.duration().map(ClockTime::nseconds),
        label: &mean.label,
        index: mean.index,
        confidence: rounded(mean.mean(mean.confidence)),
        labels,
        confidences: confidences.into_iter().map(rounded).collect(),
        frames: mean.frames,
        inferences: mean.inferences,
        model: &mean.model,
        element: &mean.element,
    };
    // Serializing numbers and strings does not fail.
    serde_json::to_string(&line).ok().map(|line| line + "\n")
}

/// Rounds to ten-thousandths; the steps of a quantized model are larger.
fn rounded(confidence: f64) -> f64 {
    (confidence * 1e4).round() / 1e4
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);

    fn classification(label: &str, confidence: f64) -> ClassificationFields<'_> {
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
        let labels =
            cues.iter().map(|cue| cue.classification.as_ref().map(|mean| mean.label.as_str()));
        labels.zip(cues).map(|(label, cue)| (label, span(cue).0, span(cue).1)).collect()
    }

    /// The cues of consecutive frames with these labels; "" is a frame without a classification.
    fn cues_of(labels: &[&str], max_duration: Option<ClockTime>) -> Vec<Cue> {
        let mut cues = Cues::default();
        cues.set_max_duration(max_duration);
        let mut complete = Vec::new();
        for (index, label) in (0..).zip(labels) {
            let classification = classification(label, 0.5);
            cues.add(&at(index), (!label.is_empty()).then_some(&classification), &mut complete);
        }
        complete.extend(cues.close());
        complete
    }

    #[test]
    fn frames_with_the_same_label_are_one_cue() {
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
    fn cue_is_not_longer_than_the_maximum_duration() {
        let cues = cues_of(&["cat"; 5], Some(2 * FRAME));
        let want = [(Some("cat"), 0, 80), (Some("cat"), 80, 160), (Some("cat"), 160, 200)];
        assert_eq!(spans(&cues), want);
        assert_eq!(
            spans(&cues_of(&["cat"; 3], Some(FRAME / 2))).len(),
            3,
            "a cue has at least one frame"
        );
        assert_eq!(cues_of(&["cat"; 5], Some(ClockTime::ZERO)).len(), 5);
    }

    #[test]
    fn newest_frame_can_be_split_off() {
        let mut cues = Cues::default();
        let mut complete = Vec::new();
        for (index, fresh) in [(0, true), (1, true), (2, false)] {
            cues.add(
                &at(index),
                Some(&ClassificationFields { fresh, ..classification("cat", 0.5) }),
                &mut complete,
            );
        }
        let parts: Vec<Cue> = cues.close_by_frame().into_iter().flatten().collect();
        assert_eq!(spans(&parts), [(Some("cat"), 0, 80), (Some("cat"), 80, 120)]);
        let sums = |part: &Cue| {
            let mean = part.classification.as_ref().unwrap();
            (mean.frames, mean.inferences, (mean.mean(mean.confidence) * 1e6).round())
        };
        assert_eq!(parts.iter().map(sums).collect::<Vec<_>>(), [(2, 2, 5e5), (1, 0, 5e5)]);
        cues.add(&at(3), None, &mut complete);
        assert_eq!(
            cues.close_by_frame().into_iter().flatten().count(),
            1,
            "one frame cannot be split"
        );
        assert!(cues.close_by_frame().into_iter().flatten().next().is_none());
    }

    #[test]
    fn classification_of_a_cue_is_the_mean_over_its_frames() {
        let mut cues = Cues::default();
        let mut complete = Vec::new();
        let second = ClassificationFields {
            results: &[("cat", 1.0)],
            fresh: false,
            ..classification("cat", 1.0)
        };
        cues.add(&at(0), Some(&classification("cat", 0.75)), &mut complete);
        cues.add(&at(1), Some(&second), &mut complete);
        let cue = cues.close().unwrap();
        let line = json_line(&cue, cue.classification.as_ref().unwrap()).unwrap();
        let want = concat!(
            r#"{"pts":0,"duration":80000000,"label":"cat","index":0,"confidence":0.875,"#,
            r#""labels":["cat","dog"],"confidences":[0.875,0.125],"frames":2,"inferences":1,"#,
            r#""model":"m.tflite","element":"filter"}"#,
            "\n"
        );
        assert_eq!(line, want);
    }

    #[test]
    fn cue_lasts_until_the_next_one_unless_frames_are_missing() {
        let mut cues = Cues::default();
        let mut complete = Vec::new();
        // Frames without a duration, then a late one, then two seconds without frames.
        for (label, ms) in [("cat", 0), ("cat", 40), ("dog", 100), ("cat", 200), ("cat", 2200)] {
            let frame = Frame { start: Some(ClockTime::from_mseconds(ms)), duration: None };
            cues.add(&frame, Some(&classification(label, 0.5)), &mut complete);
        }
        assert_eq!(complete[2].end, None, "its duration is not known");
        complete.remove(2);
        assert_eq!(spans(&complete), [(Some("cat"), 0, 100), (Some("dog"), 100, 200)]);
    }

    #[test]
    fn cue_continues_over_a_short_gap_only() {
        let mut cues = Cues::default();
        let mut complete = Vec::new();
        assert!(!cues.bridges_gap(FRAME));
        cues.add(&at(0), Some(&classification("cat", 0.5)), &mut complete);
        assert!(cues.bridges_gap(FRAME + MAX_GAP));
        assert!(!cues.bridges_gap(FRAME + MAX_GAP + ClockTime::from_nseconds(1)));
    }

    #[test]
    fn frame_without_a_timestamp_is_a_cue_without_one() {
        let mut cues = Cues::default();
        let mut complete = Vec::new();
        let timeless = Frame { start: None, duration: Some(FRAME) };
        cues.add(&at(0), Some(&classification("cat", 0.5)), &mut complete);
        cues.add(&timeless, Some(&classification("cat", 0.5)), &mut complete);
        cues.add(&timeless, Some(&classification("cat", 0.5)), &mut complete);
        assert_eq!(
            complete.iter().map(|cue| cue.start).collect::<Vec<_>>(),
            [at(0).start, None, None]
        );
        assert!(!cues.is_open());
    }

    proptest! {
        #[test]
        fn cues_do_not_overlap_and_contain_every_frame_once(
            steps in prop::collection::vec(
                // Broken streams repeat timestamps or skip some.
                (prop_oneof![1 => Just(0), 8 => 10u64..80, 1 => 900u64..3000],
                 prop::option::of(0u64..100), 0usize..4),
                1..80,
            ),
            max_duration in prop::option::of(0u64..500),
        ) {
            let mut cues = Cues::default();
            cues.set_max_duration(max_duration.map(ClockTime::from_mseconds));
            let (mut complete, mut now, mut classified) = (Vec::new(), 0, 0);
            for (step, duration, label) in &steps {
                now += step;
                let duration = duration.map(ClockTime::from_mseconds);
                let frame = Frame { start: Some(ClockTime::from_mseconds(now)), duration };
                let label = ["", "cat", "dog", "unknown"][*label];
                let classification = classification(label, 0.5);
                classified += u64::from(!label.is_empty());
                cues.add(&frame, (!label.is_empty()).then_some(&classification), &mut complete);
            }
            complete.extend(cues.close());
            let frames: u64 =
                complete.iter().filter_map(|cue| Some(cue.classification.as_ref()?.frames)).sum();
            prop_assert_eq!(frames, classified);
            for cue in &complete {
                prop_assert!(cue.end.is_none_or(|end| end >= cue.start.unwrap()));
            }
            for pair in complete.windows(2) {
                prop_assert!(pair[0].start <= pair[1].start);
                // A cue that is complete at once ends before the time of the next frame is known.
                if max_duration.is_none() && pair[0].start < pair[1].start {
                    let end = pair[0].end.or(pair[0].start);
                    prop_assert!(end <= pair[1].start, "{pair:?}");
                }
            }
        }
    }
}
