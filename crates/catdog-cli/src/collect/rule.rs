//! Which frames are saved, why, and where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::class_folder::folder_name;
use crate::frame::Frame;

/// The folder for photos that the user sorts into the class folders. The training does not read it.
pub const TO_SORT: &str = "to-sort";

/// What the user asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// A frame is doubtful if its best confidence is below this.
    pub below: f64,
    /// A frame is doubtful if the best class leads by less than this.
    pub margin: f64,
    /// The time between frames that are saved whatever they show.
    pub every: Option<Duration>,
    /// The class of all photos.
    pub class: Option<String>,
    /// The least time between doubtful frames that are saved.
    pub min_gap: Duration,
    /// The number of photos.
    pub limit: u64,
}

/// Why a frame is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The model is not sure.
    Doubtful,
    /// The label changes at this frame.
    Change,
    /// The time of `--every` has passed.
    Interval,
    /// The user pressed a key.
    Key,
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A photo for this class.
    Class(String),
    /// A photo that the user sorts later.
    ToSort,
}

/// A frame that is to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Why.
    pub reason: Reason,
    /// The folder, relative to that of the collection.
    pub folder: PathBuf,
}

/// Chooses the frames of one stream.
#[derive(Debug)]
pub struct Rule {
    wish: Wish,
    /// How many photos are still wanted.
    left: u64,
    /// The label of the last frame with a result of its own.
    label: Option<String>,
    /// When the next frame of `--every` is due.
    due: Option<Duration>,
    /// When the last frame was saved.
    last: Option<Duration>,
    /// When the last frame was saved for another reason than doubt.
    last_certain: Option<Duration>,
}

impl Rule {
    /// Returns the rule at the start of a stream.
    pub fn new(wish: Wish) -> Self {
        let left = wish.limit;
        Self { wish, left, label: None, due: None, last: None, last_certain: None }
    }

    /// Returns why and where `frame` is saved, or `None`. A `key` that was pressed is always followed.
    pub fn decide(&mut self, frame: &Frame, key: Option<&Key>) -> Option<Choice> {
        if self.left == 0 {
            return None;
        }
        let is_change = self.note_label(frame);
        let reason = if key.is_some() {
            Reason::Key
        } else if self.is_due(frame) {
            Reason::Interval
        } else if is_change && self.has_passed(self.last_certain, frame) {
            // The doubtful frame before a change does not replace the change.
            Reason::Change
        } else if self.is_doubtful(frame) && self.has_passed(self.last, frame) {
            Reason::Doubtful
        } else {
            return None;
        };
        self.left -= 1;
        self.last = Some(frame.time);
        if reason != Reason::Doubtful {
            self.last_certain = self.last;
        }
        Some(Choice { reason, folder: self.folder(frame, reason, key) })
    }

    /// Returns whether the label changes at `frame`. The first label is not a change.
    fn note_label(&mut self, frame: &Frame) -> bool {
        if !frame.is_fresh {
            return false;
        }
        let before = self.label.replace(frame.label.clone());
        before.is_some_and(|before| before != frame.label)
    }

    /// Returns whether a frame of `--every` is due, and if so, plans the next one.
    fn is_due(&mut self, frame: &Frame) -> bool {
        let Some(every) = self.wish.every else { return false };
        // Only a result tells the class.
        if self.wish.class.is_none() && !frame.is_fresh {
            return false;
        }
        let due = self.due.unwrap_or(frame.time);
        // Timestamps may start again.
        let is_restarted = due.saturating_sub(frame.time) > every;
        if frame.time < due && !is_restarted {
            return false;
        }
        // Times of frames are no multiples of the interval; a plan keeps the mean right.
        let late = frame.time.saturating_sub(due);
        self.due = Some(if is_restarted || late > every { frame.time } else { due } + every);
        true
    }

    fn is_doubtful(&self, frame: &Frame) -> bool {
        if !frame.is_fresh || frame.ranked.is_empty() {
            return false;
        }
        let (_, best) = frame.best();
        let lead = frame.ranked.get(1).map_or(1.0, |(_, second)| best - second);
        // Several classes of a multi-label model may be certain.
        best < self.wish.below || (lead < self.wish.margin && !frame.is_multi_label)
    }

    fn has_passed(&self, since: Option<Duration>, frame: &Frame) -> bool {
        since.is_none_or(|since| frame.time.abs_diff(since) >= self.wish.min_gap)
    }

    fn folder(&self, frame: &Frame, reason: Reason, key: Option<&Key>) -> PathBuf {
        let is_certain =
            reason == Reason::Interval && frame.is_accepted && !self.is_doubtful(frame);
        match (key, &self.wish.class) {
            (Some(Key::Class(class)), _) => folder_name(class).into(),
            (None, Some(class)) => folder_name(class).into(),
            (None, None) if is_certain => folder_name(&frame.label).into(),
            // The best class is a proposal, also if no class is accepted.
            _ => Path::new(TO_SORT).join(folder_name(frame.best().0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish {
            below: 0.9,
            margin: 0.2,
            every: None,
            class: None,
            min_gap: Duration::from_secs(1),
            limit: 100,
        }
    }

    /// A frame at `time` ms that shows `label`.
    fn frame(time: u64, label: &str, confidence: f64) -> Frame {
        let other = if label == "cat" { "dog" } else { "cat" };
        Frame {
            time: Duration::from_millis(time),
            is_fresh: true,
            label: if confidence < 0.5 { "unknown".into() } else { label.into() },
            is_accepted: confidence >= 0.5,
            ranked: vec![(label.into(), confidence), (other.into(), 1.0 - confidence)],
            ..Frame::default()
        }
    }

    /// Returns reason and folder for each frame that is saved.
    fn choices(wish: Wish, frames: &[Frame]) -> Vec<(u64, Reason, String)> {
        let mut rule = Rule::new(wish);
        let choice = |frame: &Frame| {
            let Choice { reason, folder } = rule.decide(frame, None)?;
            Some((frame.time.as_millis() as u64, reason, folder.display().to_string()))
        };
        frames.iter().filter_map(choice).collect()
    }

    #[test]
    fn a_doubtful_frame_is_saved_to_be_sorted_and_at_most_one_in_a_gap() {
        let frames = [
            frame(0, "cat", 0.99),
            frame(100, "cat", 0.7),
            frame(200, "cat", 0.7),
            frame(1099, "cat", 0.7),
            frame(1100, "cat", 0.7),
        ];
        let saved = |time| (time, Reason::Doubtful, "to-sort/cat".to_owned());
        assert_eq!(choices(wish(), &frames), [saved(100), saved(1100)]);
        let certain = Wish { below: 0.6, ..wish() };
        assert_eq!(choices(certain, &frames), []);
        let close = Wish { below: 0.6, margin: 0.5, ..wish() };
        assert_eq!(choices(close.clone(), &frames).len(), 2);
        let multi_label = frames.map(|frame| Frame { is_multi_label: true, ..frame });
        assert_eq!(choices(close, &multi_label), []);
    }

    #[test]
    fn a_change_is_saved_also_soon_after_a_doubtful_frame() {
        let frames = [
            frame(0, "cat", 0.99),
            frame(100, "cat", 0.6),
            frame(200, "dog", 0.95),
            frame(300, "cat", 0.95),
            frame(1300, "dog", 0.4),
        ];
        let expected = [
            (100, Reason::Doubtful, "to-sort/cat".to_owned()),
            (200, Reason::Change, "to-sort/dog".to_owned()),
            // The label is unknown; the folder proposes the best class.
            (1300, Reason::Change, "to-sort/dog".to_owned()),
        ];
        assert_eq!(choices(wish(), &frames), expected);
    }

    #[test]
    fn only_results_of_the_frame_itself_count() {
        let held = Frame { is_fresh: false, ..frame(0, "cat", 0.6) };
        let none = Frame { ranked: Vec::new(), ..frame(0, "unknown", 0.0) };
        let wish = Wish { every: Some(Duration::from_millis(1)), ..wish() };
        assert_eq!(choices(Wish { every: None, ..wish.clone() }, &[held.clone(), none]), []);
        assert_eq!(choices(wish.clone(), std::slice::from_ref(&held)), []);
        // The user says what the frame shows.
        let wish = Wish { class: Some("mug".into()), ..wish };
        assert_eq!(choices(wish, &[held]), [(0, Reason::Interval, "mug".to_owned())]);
    }

    #[test]
    fn the_interval_is_kept_on_average_and_the_class_is_the_folder() {
        let every = Some(Duration::from_millis(500));
        let frames: Vec<_> = (0..500).map(|number| frame(number * 40, "cat", 0.95)).collect();
        let saved = choices(Wish { every, ..wish() }, &frames);
        assert_eq!(saved.len(), 40);
        assert_eq!(saved[1], (520, Reason::Interval, "cat".to_owned()));
        // Doubtful frames and changes are among them, and do not come on top.
        let mixed: Vec<_> = (0..500)
            .map(|number| frame(number * 40, if number % 9 < 5 { "cat" } else { "dog" }, 0.6))
            .collect();
        let saved = choices(Wish { every, class: Some("mug".into()), ..wish() }, &mixed);
        assert_eq!(saved.len(), 40);
        assert!(saved.iter().all(|(_, _, folder)| folder == "mug"));
        let unsure = choices(Wish { every, ..wish() }, &mixed);
        assert!(unsure.iter().all(|(_, _, folder)| folder.starts_with("to-sort/")));
    }

    #[test]
    fn the_interval_survives_a_pause_and_timestamps_that_restart() {
        let wish = Wish { every: Some(Duration::from_secs(1)), ..wish() };
        let times = [50_000, 50_400, 51_000, 90_000, 90_900, 91_000, 0, 900, 1000];
        let saved = choices(wish, &times.map(|time| frame(time, "cat", 0.95)));
        let times: Vec<_> = saved.iter().map(|(time, ..)| *time).collect();
        assert_eq!(times, [50_000, 51_000, 90_000, 91_000, 0, 1000]);
    }

    #[test]
    fn a_key_saves_any_frame_until_the_limit() {
        let mut rule = Rule::new(Wish { limit: 2, class: Some("mug".into()), ..wish() });
        let held = Frame { is_fresh: false, ..frame(0, "cat", 0.99) };
        let mut press = |key| rule.decide(&held, Some(&key)).map(|choice| choice.folder);
        assert_eq!(press(Key::Class("a/b".into())), Some("a_b".into()));
        assert_eq!(press(Key::ToSort), Some("to-sort/cat".into()));
        assert_eq!(press(Key::ToSort), None);
    }
}
