//! The list of labels as CSV.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::Serialize;

use crate::Failure;
use crate::cue::Cue;

/// A row of the list. The guide describes the columns; they do not change their meaning.
#[derive(Debug, Serialize)]
struct Row {
    /// Seconds since the start of the video.
    start: Option<String>,
    /// Seconds since the start of the video.
    end: Option<String>,
    label: String,
    /// The average over the frames, 0..1.
    confidence: f64,
    /// The index of the class; -1 if every class is rejected.
    index: i32,
    /// The number of frames with this label.
    frames: u64,
}

/// Writes the lines of JSON in `lines` to `out` as CSV with a header.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn write(lines: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    writer.write_record(["start", "end", "label", "confidence", "index", "frames"])?;
    for line in BufReader::new(File::open(lines)?).lines() {
        let cue: Cue = serde_json::from_str(&line?)?;
        let seconds = |time: u64| format!("{:.3}", time as f64 / 1e9);
        writer.serialize(Row {
            start: cue.pts.map(seconds),
            end: cue.pts.zip(cue.duration).map(|(start, duration)| seconds(start + duration)),
            label: cue.label,
            confidence: cue.confidence,
            index: cue.index,
            frames: cue.frames,
        })?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_becomes_a_row_with_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let lines = folder.path().join("lines");
        let json = r#"{"pts":1500000000,"duration":250000000,"label":"a, \"b\"","confidence":0.9877,"index":0,"frames":6,"model":"m"}
{"label":"unknown","confidence":0.5,"index":-1,"frames":1}
"#;
        std::fs::write(&lines, json).unwrap();
        let mut out = Vec::new();
        write(&lines, &mut out).unwrap();
        let expected = "start,end,label,confidence,index,frames\n\
                        1.500,1.750,\"a, \"\"b\"\"\",0.9877,0,6\n,,unknown,0.5,-1,1\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
