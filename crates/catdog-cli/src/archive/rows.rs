//! The rows of the results.

use super::table::{Column, Row, Values};

/// What all rows of a video share.
#[derive(Clone, Debug)]
pub struct Common {
    /// The path of the video inside the folder that the user named.
    pub video: String,
    /// SHA-256 of the model.
    pub model: String,
}

/// The version of this program, which each row has.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A frame with its classification. The guide describes the columns; they do not change their meaning.
#[derive(Clone, Debug)]
pub struct FrameRow {
    /// What all rows share.
    pub common: std::sync::Arc<Common>,
    /// Seconds since the start of the video.
    pub time: Option<f64>,
    /// The accepted class, or the unknown label.
    pub label: String,
    /// The confidence of the best class, 0..1.
    pub confidence: f64,
    /// The best classes with their confidences, best first.
    pub confidences: Vec<(String, f64)>,
}

impl Row for FrameRow {
    const SCHEMA: &'static str = "message frames {
        required binary video (UTF8);
        optional double time;
        required binary label (UTF8);
        required float confidence;
        required group confidences (MAP) {
            repeated group key_value {
                required binary key (UTF8);
                required float value;
            }
        }
        required binary model (UTF8);
        required binary catdog (UTF8);
    }";

    fn columns(rows: &[Self]) -> Vec<Column> {
        let [keys, values] = Column::map(rows.iter().map(|row| &*row.confidences));
        vec![
            Column::texts(rows.iter().map(|row| &*row.common.video)),
            Column::optional(rows.iter().map(|row| row.time)),
            Column::texts(rows.iter().map(|row| &*row.label)),
            Column::required(Values::Float(rows.iter().map(|row| row.confidence as f32).collect())),
            keys,
            values,
            Column::texts(rows.iter().map(|row| &*row.common.model)),
            Column::texts(rows.iter().map(|_| VERSION)),
        ]
    }
}

/// A time in which the label does not change. The guide describes the columns; they do not change
/// their meaning.
#[derive(Clone, Debug)]
pub struct CueRow {
    /// What all rows share.
    pub common: std::sync::Arc<Common>,
    /// Seconds since the start of the video.
    pub start: Option<f64>,
    /// Seconds since the start of the video.
    pub end: Option<f64>,
    /// The accepted class, or the unknown label.
    pub label: String,
    /// The average over the frames, 0..1.
    pub confidence: f64,
    /// The number of frames.
    pub frames: u64,
}

impl Row for CueRow {
    const SCHEMA: &'static str = "message cues {
        required binary video (UTF8);
        optional double start;
        optional double end;
        required binary label (UTF8);
        required float confidence;
        required int64 frames;
        required binary model (UTF8);
        required binary catdog (UTF8);
    }";

    fn columns(rows: &[Self]) -> Vec<Column> {
        vec![
            Column::texts(rows.iter().map(|row| &*row.common.video)),
            Column::optional(rows.iter().map(|row| row.start)),
            Column::optional(rows.iter().map(|row| row.end)),
            Column::texts(rows.iter().map(|row| &*row.label)),
            Column::required(Values::Float(rows.iter().map(|row| row.confidence as f32).collect())),
            Column::required(Values::Long(
                rows.iter().map(|row| i64::try_from(row.frames).unwrap_or(i64::MAX)).collect(),
            )),
            Column::texts(rows.iter().map(|row| &*row.common.model)),
            Column::texts(rows.iter().map(|_| VERSION)),
        ]
    }
}

/// A video that could not be classified.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureRow {
    /// The video, as in the name of the file of its results.
    pub video: String,
    /// Why, in one line.
    pub reason: String,
    /// The version of the program.
    pub catdog: String,
}

impl FailureRow {
    /// Returns the row of a video that this program could not classify.
    pub fn new(video: String, reason: String) -> Self {
        Self { video, reason, catdog: VERSION.into() }
    }
}

impl Row for FailureRow {
    const SCHEMA: &'static str = "message failures {
        required binary video (UTF8);
        required binary reason (UTF8);
        required binary catdog (UTF8);
    }";

    fn columns(rows: &[Self]) -> Vec<Column> {
        vec![
            Column::texts(rows.iter().map(|row| &*row.video)),
            Column::texts(rows.iter().map(|row| &*row.reason)),
            Column::texts(rows.iter().map(|row| &*row.catdog)),
        ]
    }
}
