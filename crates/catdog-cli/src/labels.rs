//! The label changes that catdogfilter reports, and how they are printed.

use gstcatdog::metadata;
use serde::Serialize;

use crate::Failure;
use crate::output::{Sink, percent, printable};

/// How a label change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelFormat {
    /// `0:00:03.2  cat  99 %`
    Text,
    /// A JSON object
    Json,
}

/// A label change. The guide describes the fields; they do not change their meaning.
#[derive(Clone, Debug, Serialize)]
pub struct LabelChange {
    /// Seconds since the start of the stream; `None` if the frames have no timestamps.
    pub time: Option<f64>,
    /// The accepted class, or the unknown label.
    pub label: String,
    /// Confidence of the accepted class, otherwise of the best one, 0..1.
    pub confidence: f64,
    /// Index of the accepted class; -1 if every class is rejected.
    pub index: i32,
    /// Where the class is: x,y,width,height in fractions of the picture; `None` if that is not known.
    #[serde(rename = "box")]
    pub location: Option<String>,
}

impl LabelChange {
    /// Returns the label change that a message of catdogfilter reports.
    pub fn of(structure: &gst::StructureRef) -> Option<Self> {
        if structure.name() != metadata::MESSAGE_NAME {
            return None;
        }
        let pts: Option<u64> = structure.get(metadata::FIELD_PTS).ok();
        Some(Self {
            time: pts.map(|pts| pts as f64 / 1e9),
            label: structure.get(metadata::FIELD_LABEL).ok()?,
            confidence: structure.get(metadata::FIELD_CONFIDENCE).ok()?,
            index: structure.get(metadata::FIELD_INDEX).ok()?,
            location: structure.get(metadata::FIELD_BOX).ok(),
        })
    }

    /// Returns the change as a line of text.
    fn line(&self, format: LabelFormat) -> String {
        match format {
            LabelFormat::Json => serde_json::to_string(self).unwrap_or_default() + "\n",
            LabelFormat::Text => {
                let percent = match self.index {
                    ..0 => String::new(),
                    _ => format!("  {}", percent(self.confidence)),
                };
                format!("{}  {}{percent}\n", clock(self.time), printable(&self.label))
            }
        }
    }
}

/// Returns a time in seconds as hours, minutes, seconds and tenths.
pub fn clock(time: Option<f64>) -> String {
    let Some(seconds) = time else { return "-:--:--.-".into() };
    let tenths = (seconds * 10.0) as u64;
    let (hours, minutes) = (tenths / 36_000, tenths / 600 % 60);
    format!("{hours}:{minutes:02}:{:02}.{}", tenths / 10 % 60, tenths % 10)
}

/// Prints label changes to stdout as they happen.
pub struct Printer {
    stdout: Sink,
    format: LabelFormat,
}

impl Printer {
    /// Returns a printer that writes in `format`.
    pub fn new(format: LabelFormat) -> Self {
        Self { stdout: Sink::stdout(), format }
    }

    /// Prints a change.
    ///
    /// # Errors
    ///
    /// As [`Sink::write`].
    pub fn print(&mut self, change: &LabelChange) -> Result<(), Failure> {
        self.stdout.write(&change.line(self.format))?;
        self.stdout.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_change_is_one_line() {
        let mut change = LabelChange {
            time: Some(3723.29),
            label: "cat".into(),
            confidence: 0.9999,
            index: 0,
            location: None,
        };
        assert_eq!(change.line(LabelFormat::Text), "1:02:03.2  cat  99 %\n");
        let json = r#"{"time":3723.29,"label":"cat","confidence":0.9999,"index":0,"box":null}"#;
        assert_eq!(change.line(LabelFormat::Json), format!("{json}\n"));
        change = LabelChange { time: None, label: "un\x1bknown".into(), index: -1, ..change };
        assert_eq!(change.line(LabelFormat::Text), "-:--:--.-  un\u{fffd}known\n");
    }
}
