//! TFLite metadata: normalisation of the input, and the labels file packed behind the model.
//!
//! The metadata is a second flatbuffer (identifier `M001`) in one of the model's buffers; the
//! files that it refers to are entries of a ZIP archive appended to the model file.

use std::io::{Cursor, Read};

use super::ModelError;
use super::reader::{Bytes, Table};
use super::{BUFFERS, METADATA};

/// Levels 0..255 become (level - mean) / std, per channel or alike for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// One mean, or three (R, G, B).
    pub mean: Vec<f32>,
    /// One standard deviation, or three; never 0.
    pub std: Vec<f32>,
}

#[derive(Default)]
pub(super) struct Metadata {
    pub labels: Option<Result<Vec<String>, ModelError>>,
    pub normalization: Option<Normalization>,
}

// Field numbers of the tables in `metadata_schema.fbs`.
const MODEL_SUBGRAPHS: usize = 3;
const GRAPH_INPUTS: usize = 2;
const GRAPH_OUTPUTS: usize = 3;
const TENSOR_PROCESS_UNITS: usize = 4;
const TENSOR_ASSOCIATED_FILES: usize = 6;
const UNIT_TYPE: usize = 0;
const UNIT_OPTIONS: usize = 1;
const UNIT_NORMALIZATION: u8 = 1;
const FILE_NAME: usize = 0;
const FILE_TYPE: usize = 2;
const FILE_TENSOR_AXIS_LABELS: u8 = 2;

/// A labels file is short: 1 MiB holds 21,843 ImageNet names twice over. The limit keeps a
/// damaged or hostile archive from unpacking without end.
const MAX_LABELS_BYTES: u64 = 1 << 20;

/// Reads what metadata there is; none at all is no error.
pub(super) fn read(file: &[u8], model: Table<'_>) -> Metadata {
    let Some(bytes) = metadata_buffer(model) else { return Metadata::default() };
    let Some(root) = Bytes(bytes).root(b"M001") else {
        let damaged = Err(ModelError::Damaged("its TFLite metadata"));
        return Metadata { labels: Some(damaged), normalization: None };
    };
    let graphs = root.tables(MODEL_SUBGRAPHS);
    let Some(graph) = graphs.first() else { return Metadata::default() };
    let outputs = graph.tables(GRAPH_OUTPUTS);
    Metadata {
        labels: outputs.first().and_then(|t| labels_file(*t)).map(|name| unpack_labels(file, name)),
        normalization: graph.tables(GRAPH_INPUTS).first().and_then(|t| normalization(*t)),
    }
}

fn metadata_buffer(model: Table<'_>) -> Option<&[u8]> {
    let entries = model.tables(METADATA);
    let entry = entries.iter().find(|entry| entry.string(0) == Some("TFLITE_METADATA"))?;
    model.tables(BUFFERS).get(entry.u32(1) as usize)?.byte_vector(0)
}

fn normalization(tensor: Table<'_>) -> Option<Normalization> {
    let units = tensor.tables(TENSOR_PROCESS_UNITS);
    let unit = units.iter().find(|unit| unit.u8(UNIT_TYPE) == UNIT_NORMALIZATION)?;
    let options = unit.table(UNIT_OPTIONS)?;
    let (mean, std) = (options.f32_vector(0), options.f32_vector(1));
    let sane = [&mean, &std].iter().all(|values| {
        matches!(values.len(), 1 | 3) && values.iter().all(|value| value.is_finite())
    });
    (sane && std.iter().all(|std| std.is_normal())).then_some(Normalization { mean, std })
}

fn labels_file(tensor: Table<'_>) -> Option<&str> {
    let files = tensor.tables(TENSOR_ASSOCIATED_FILES);
    let labels = files.iter().find(|file| file.u8(FILE_TYPE) == FILE_TENSOR_AXIS_LABELS)?;
    labels.string(FILE_NAME)
}

fn unpack_labels(file: &[u8], name: &str) -> Result<Vec<String>, ModelError> {
    let unreadable = |error: &dyn std::fmt::Display| ModelError::MetadataFile {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).map_err(|e| unreadable(&e))?;
    let entry = archive.by_name(name).map_err(|e| unreadable(&e))?;
    let mut text = String::new();
    entry.take(MAX_LABELS_BYTES).read_to_string(&mut text).map_err(|e| unreadable(&e))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}
