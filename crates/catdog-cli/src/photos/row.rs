//! The result for one photo, and how it is written: as a line of a table, of CSV or of JSON.

use std::fs::Metadata;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::disk::size_and_time;
use crate::output::{percent, printable};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    Table,
    /// Comma-separated values (RFC 4180), with a header
    Csv,
    /// One JSON object per line
    Jsonl,
}

/// The result for one photo. The guide describes the fields; they do not change their meaning.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Row {
    /// The path, as the user named it or its folder. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The accepted class, or `unknown`.
    pub label: String,
    /// Confidence of the accepted class, otherwise of the best one, 0..1.
    pub confidence: f32,
    /// Where the class is: x,y,width,height in fractions of the photo; empty if that is not known.
    #[serde(rename = "box")]
    pub location: String,
    /// Bytes of the file.
    pub size: u64,
    /// When the file was changed, in seconds since 1970.
    pub modified: u64,
    /// File name of the model.
    pub model: String,
}

/// The header of CSV: the names of the fields.
const HEADER: &str = "path,label,confidence,box,size,modified,model";

impl Row {
    /// Returns whether the row is about the file at `path` as it is, with this model.
    pub fn is_of(&self, path: &Path, metadata: &Metadata, model: &str) -> bool {
        self.path == path.to_string_lossy()
            && self.model == model
            && (self.size, self.modified) == size_and_time(metadata)
    }

    /// Returns the line of the row.
    pub fn line(&self, format: Format) -> String {
        match format {
            Format::Table => {
                let percent = percent(self.confidence.into());
                format!("{:<12} {percent:>5}  {}\n", printable(&self.label), printable(&self.path))
            }
            // Strings and numbers can always be written, as CSV and as JSON.
            Format::Csv => csv_line(self).unwrap_or_default(),
            Format::Jsonl => serde_json::to_string(self).unwrap_or_default() + "\n",
        }
    }
}

impl Format {
    /// Returns the line above the rows.
    pub fn header(self) -> String {
        match self {
            Self::Table | Self::Jsonl => String::new(),
            Self::Csv => format!("{HEADER}\n"),
        }
    }

    /// Returns the rows of a file that the command wrote, and how many bytes they take. A killed run
    /// may have left the beginning of a row after them.
    ///
    /// # Errors
    ///
    /// The message, with the number of the row, if the file was not written by the command.
    pub fn read(self, text: &str) -> Result<(Vec<Row>, usize), String> {
        match self {
            Self::Table => Err("a table for people cannot be continued; use .csv or .jsonl".into()),
            Self::Jsonl => {
                let complete = text.rfind('\n').map_or(0, |end| end + 1);
                let lines = text[..complete].lines().zip(1..);
                let row = |(line, number)| {
                    serde_json::from_str(line).map_err(|error| format!("row {number}: {error}"))
                };
                Ok((lines.map(row).collect::<Result<_, _>>()?, complete))
            }
            Self::Csv => read_csv(text),
        }
    }
}

fn csv_line(row: &Row) -> Option<String> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.serialize(row).ok()?;
    String::from_utf8(writer.into_inner().ok()?).ok()
}

fn read_csv(text: &str) -> Result<(Vec<Row>, usize), String> {
    // A row that is cut off has fewer fields.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    if text.is_empty() {
        return Ok((Vec::new(), 0));
    }
    if headers.iter().ne(HEADER.split(',')) {
        return Err(format!("the first line is not {HEADER}"));
    }
    let (mut rows, mut record) = (Vec::new(), csv::StringRecord::new());
    let mut complete = reader.position().byte() as usize;
    loop {
        let read = reader.read_record(&mut record);
        let end = reader.position().byte() as usize;
        let is_cut = end >= text.len() && !text.ends_with('\n');
        let row = match read {
            Ok(false) => return Ok((rows, complete)),
            Ok(true) => {
                record.deserialize::<Row>(Some(&headers)).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if is_cut {
            return Ok((rows, complete));
        }
        rows.push(row.map_err(|error| format!("row {}: {error}", rows.len() + 1))?);
        complete = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str) -> Row {
        Row {
            path: path.into(),
            label: "cat".into(),
            confidence: 0.9876,
            location: "0.1,0.2,0.3,0.4".into(),
            size: 7,
            modified: 1_700_000_000,
            model: "catdog.tflite".into(),
        }
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let rows = [row("a.jpg"), row("b, \"c\"\n-.png"), row("größer")];
        for format in [Format::Csv, Format::Jsonl] {
            let mut text = format.header();
            rows.iter().for_each(|row| text += &row.line(format));
            assert_eq!(format.read(&text).unwrap(), (rows.to_vec(), text.len()), "{text}");
            let start = text[..text.rfind("größer").unwrap()].rfind('\n').unwrap() + 1;
            for cut in [start, start + 1, start + 12, text.len() - 1] {
                let cut = &text[..text.floor_char_boundary(cut)];
                assert_eq!(format.read(cut).unwrap(), (rows[..2].to_vec(), start), "{cut}");
            }
        }
        assert_eq!(Format::Csv.read("").unwrap(), (Vec::new(), 0));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(Format::Csv.read("name,age\nx,1\n").unwrap_err().contains("first line"));
        let damaged = format!("{HEADER}\na,b\n");
        assert!(Format::Csv.read(&damaged).unwrap_err().starts_with("row 1: "));
        assert!(Format::Jsonl.read("{}\n").unwrap_err().starts_with("row 1: missing field"));
    }

    #[test]
    fn the_table_shows_no_control_characters() {
        assert_eq!(row("a\u{1b}.jpg").line(Format::Table), "cat           99 %  a\u{fffd}.jpg\n");
    }
}
