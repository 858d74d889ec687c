//! When an event begins and ends: pure rules over label changes and times.

use catdog_core::model::labels::is_background;
use gst::ClockTime;

/// Which labels make an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Every class of the model but the background.
    AnyClass,
    /// These labels.
    Labels(Vec<String>),
}

impl When {
    /// Parses the value of `--when`: labels, separated by commas, or `any`.
    ///
    /// # Errors
    ///
    /// The message if there is no label.
    pub fn parse(text: &str) -> Result<Self, String> {
        let labels = text.split(',').map(str::trim).filter(|label| !label.is_empty());
        let labels: Vec<_> = labels.map(str::to_owned).collect();
        match &labels[..] {
            [] => Err("write labels of the model, such as cat or cat,dog, or any".into()),
            [any] if any == "any" => Ok(Self::AnyClass),
            _ => Ok(Self::Labels(labels)),
        }
    }

    /// Returns whether `label`, which is accepted, makes an event.
    pub fn includes(&self, label: &str) -> bool {
        match self {
            Self::AnyClass => !is_background(label),
            Self::Labels(labels) => labels.iter().any(|wanted| wanted == label),
        }
    }

    /// Returns the labels that are not in `classes`.
    pub fn unknown<'a>(&'a self, classes: &[String]) -> Vec<&'a str> {
        match self {
            Self::AnyClass => Vec::new(),
            Self::Labels(labels) => {
                let unknown = labels.iter().filter(|label| !classes.contains(label));
                unknown.map(String::as_str).collect()
            }
        }
    }
}

/// What to do with an encoded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It belongs to what is recorded, if something is.
    Stay,
    /// A clip begins with the pictures since this time.
    Begin(ClockTime),
    /// The clip ends before it.
    End,
    /// The clip ends before it, and another one begins with it.
    Split,
}

/// Decides when clips begin and end.
#[derive(Clone, Debug)]
pub struct Events {
    before: ClockTime,
    after: ClockTime,
    longest: ClockTime,
    /// Whether the present label makes an event.
    is_present: bool,
    /// When that began or ended.
    changed: ClockTime,
    /// The time of the first picture after the start of the clip that is recorded.
    clip: Option<ClockTime>,
}

impl Events {
    /// Returns rules for clips that begin `before` the label, end `after` it, and are split after
    /// `longest`.
    pub fn new(before: ClockTime, after: ClockTime, longest: ClockTime) -> Self {
        let changed = ClockTime::ZERO;
        Self { before, after, longest, is_present: false, changed, clip: None }
    }

    /// Notes that the label changed at `time` to one that makes an event, or to another one.
    pub fn label_changed(&mut self, time: ClockTime, is_event: bool) {
        if is_event != std::mem::replace(&mut self.is_present, is_event) {
            self.changed = time;
        }
    }

    /// Decides about the encoded picture at `time`. Pictures come in their order.
    pub fn picture(&mut self, time: ClockTime, is_keyframe: bool) -> Step {
        match self.clip {
            None if self.is_present && time >= self.changed => {
                self.clip = Some(time);
                Step::Begin(self.changed.saturating_sub(self.before))
            }
            Some(_) if !self.is_present && time > self.changed + self.after => {
                self.clip = None;
                Step::End
            }
            Some(start) if is_keyframe && time >= start + self.longest => {
                self.clip = Some(time);
                Step::Split
            }
            _ => Step::Stay,
        }
    }

    /// Gives up the clip, because it cannot be written. There is no other one before the label has
    /// gone.
    pub fn give_up(&mut self) {
        self.clip = None;
        self.is_present = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(time: u64) -> ClockTime {
        ClockTime::from_seconds(time)
    }

    /// Returns the steps other than `Stay` of pictures at each second; every second one is a
    /// keyframe. `labels` has the times at which the label of an event begins or ends.
    fn steps(events: &mut Events, labels: &[u64]) -> Vec<(u64, Step)> {
        let mut found = Vec::new();
        let mut is_event = false;
        for time in 0..40 {
            if labels.contains(&time) {
                is_event = !is_event;
                events.label_changed(seconds(time), is_event);
            }
            match events.picture(seconds(time), time % 2 == 0) {
                Step::Stay => {}
                step => found.push((time, step)),
            }
        }
        found
    }

    #[test]
    fn a_clip_lasts_from_before_the_label_until_after_it() {
        let mut events = Events::new(seconds(5), seconds(3), seconds(100));
        let found = steps(&mut events, &[2, 4, 20, 25]);
        // The label returns after the end of the first clip.
        let begin = |time| Step::Begin(seconds(time));
        assert_eq!(found, [(2, begin(0)), (8, Step::End), (20, begin(15)), (29, Step::End)]);
    }

    #[test]
    fn a_label_that_returns_in_time_continues_the_clip() {
        let mut events = Events::new(seconds(1), seconds(5), seconds(100));
        let found = steps(&mut events, &[10, 12, 16, 20]);
        assert_eq!(found, [(10, Step::Begin(seconds(9))), (26, Step::End)]);
    }

    #[test]
    fn a_long_clip_is_split_at_a_keyframe() {
        let mut events = Events::new(seconds(1), seconds(1), seconds(10));
        let found = steps(&mut events, &[3]);
        let split = |time| (time, Step::Split);
        assert_eq!(found, [(3, Step::Begin(seconds(2))), split(14), split(24), split(34)]);
    }

    #[test]
    fn after_a_clip_that_was_given_up_the_next_label_begins_one() {
        let mut events = Events::new(seconds(1), seconds(1), seconds(10));
        events.label_changed(seconds(1), true);
        assert_eq!(events.picture(seconds(1), true), Step::Begin(seconds(0)));
        events.give_up();
        assert_eq!(events.picture(seconds(2), true), Step::Stay);
        events.label_changed(seconds(3), false);
        events.label_changed(seconds(4), true);
        assert_eq!(events.picture(seconds(4), true), Step::Begin(seconds(3)));
    }

    #[test]
    fn labels_and_any_make_events() {
        let when = When::parse(" cat, dog").unwrap();
        assert!(when.includes("dog") && !when.includes("neither"));
        assert_eq!(when.unknown(&["cat".into()]), ["dog"]);
        let any = When::parse("any").unwrap();
        assert!(any.includes("mug") && !any.includes("neither") && !any.includes("background"));
        assert!(When::parse(" ,").is_err());
    }
}
