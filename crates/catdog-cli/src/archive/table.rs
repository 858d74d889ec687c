//! Tables in Parquet files, whose rows are written in groups while a video plays.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Rows that are written at a time. An hour of video with 30 frames a second has 108,000.
const GROUP: usize = 50_000;

/// A row of a table.
pub trait Row: Sized {
    /// The columns, in the language of Parquet's message types.
    const SCHEMA: &'static str;

    /// Returns the columns of some rows, in the order of the schema.
    fn columns(rows: &[Self]) -> Vec<Column>;
}

/// A column of some rows, with the levels that Parquet has for values that may be missing or repeat.
#[derive(Debug)]
pub struct Column {
    values: Values,
    definition: Option<Vec<i16>>,
    repetition: Option<Vec<i16>>,
}

/// The values of a column. Missing ones are left out.
#[derive(Debug)]
pub enum Values {
    /// UTF-8.
    Text(Vec<ByteArray>),
    /// 64-bit numbers.
    Double(Vec<f64>),
    /// 32-bit numbers.
    Float(Vec<f32>),
    /// 64-bit integers.
    Long(Vec<i64>),
}

impl Column {
    /// Returns a column of which each row has a value.
    pub fn required(values: Values) -> Self {
        Self { values, definition: None, repetition: None }
    }

    /// Returns a column of texts.
    pub fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        Self::required(Values::Text(texts.map(ByteArray::from).collect()))
    }

    /// Returns a column of numbers that may be missing.
    pub fn optional(numbers: impl Iterator<Item = Option<f64>>) -> Self {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        for number in numbers {
            levels.push(i16::from(number.is_some()));
            values.extend(number);
        }
        Self { values: Values::Double(values), definition: Some(levels), repetition: None }
    }

    /// Returns the two columns of a map from texts to numbers: its keys and its values.
    pub fn map<'a>(maps: impl Iterator<Item = &'a [(String, f64)]>) -> [Self; 2] {
        let (mut keys, mut numbers) = (Vec::new(), Vec::new());
        let (mut definition, mut repetition) = (Vec::new(), Vec::new());
        for map in maps {
            if map.is_empty() {
                definition.push(0);
                repetition.push(0);
            }
            for (number, (key, value)) in map.iter().enumerate() {
                keys.push(ByteArray::from(key.as_str()));
                numbers.push(*value as f32);
                definition.push(1);
                repetition.push(i16::from(number > 0));
            }
        }
        [Values::Text(keys), Values::Float(numbers)].map(|values| Self {
            values,
            definition: Some(definition.clone()),
            repetition: Some(repetition.clone()),
        })
    }

    fn write(&self, column: &mut ColumnWriter<'_>) -> Result<()> {
        let (definition, repetition) = (self.definition.as_deref(), self.repetition.as_deref());
        match (column, &self.values) {
            (ColumnWriter::ByteArrayColumnWriter(column), Values::Text(values)) => {
                column.write_batch(values, definition, repetition)
            }
            (ColumnWriter::DoubleColumnWriter(column), Values::Double(values)) => {
                column.write_batch(values, definition, repetition)
            }
            (ColumnWriter::FloatColumnWriter(column), Values::Float(values)) => {
                column.write_batch(values, definition, repetition)
            }
            (ColumnWriter::Int64ColumnWriter(column), Values::Long(values)) => {
                column.write_batch(values, definition, repetition)
            }
            _ => Err(ParquetError::General("a column has another type than the schema".into())),
        }
        .map(|_| ())
    }
}

/// A Parquet file that is written.
pub struct Table<R> {
    writer: SerializedFileWriter<File>,
    rows: Vec<R>,
    count: u64,
}

impl<R: Row> Table<R> {
    /// Begins a file. `about` is stored in it, under [`KEY`].
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn new(file: File, about: String) -> Result<Self> {
        let schema = Arc::new(parse_message_type(R::SCHEMA)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), about)]))
            .build();
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(Self { writer, rows: Vec::new(), count: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn push(&mut self, row: R) -> Result<()> {
        self.rows.push(row);
        self.count += 1;
        if self.rows.len() >= GROUP { self.write_group() } else { Ok(()) }
    }

    /// Returns the number of rows so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.writer.close().map(|_| ())
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        let columns = R::columns(&self.rows);
        let mut columns = columns.iter();
        while let Some(mut column) = group.next_column()? {
            let values = columns.next().ok_or_else(|| {
                ParquetError::General("a row has fewer columns than the schema".into())
            })?;
            values.write(column.untyped())?;
            column.close()?;
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

/// The key in the metadata of a file under which [`Table`] stores what the file is about.
pub const KEY: &str = "catdog";

/// Opens a Parquet file. Returns it with what is stored under [`KEY`]; `None` if nothing is.
///
/// # Errors
///
/// It cannot be read, or is not a Parquet file.
pub fn open(path: &Path) -> Result<(SerializedFileReader<File>, Option<String>)> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    let stored = reader.metadata().file_metadata().key_value_metadata();
    let mut stored: HashMap<_, _> =
        stored.into_iter().flatten().map(|pair| (pair.key.clone(), pair.value.clone())).collect();
    let about = stored.remove(KEY).flatten();
    Ok((reader, about))
}
