//! What catdogtext writes.

use serde::Deserialize;

/// A line of JSON of catdogtext, as far as it is needed: the time in which a label does not change.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Cue {
    /// Nanoseconds since the start of the video.
    pub pts: Option<u64>,
    /// Nanoseconds.
    pub duration: Option<u64>,
    /// The accepted class, or the unknown label.
    pub label: String,
    /// The average over the frames, 0..1.
    pub confidence: f64,
    /// The index of the class; -1 if every class is rejected.
    pub index: i32,
    /// The number of frames with this label.
    pub frames: u64,
}
