//! TFLite metadata: the normalization of the input and the labels of the output.
//!
//! The metadata is a second flatbuffer in one of the buffers of the model. The files that it names
//! are entries of a ZIP archive that is appended to the model file.

use std::fmt::Display;
use std::io::{Cursor, Read};

use super::error::ModelError;
use super::reader::{Flatbuffer, Table};
use super::schema::{
    METADATA_IDENTIFIER, METADATA_NAME, associated_file, associated_file_type, buffer, metadata,
    model, model_metadata, normalization_options, process_unit, process_unit_options,
    sub_graph_metadata, tensor_metadata,
};

/// The normalization of an input: a pixel value becomes (pixel value - mean) / std.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// One mean for all channels, or three (R, G, B).
    pub mean: Vec<f32>,
    /// One standard deviation for all channels, or three (R, G, B); never 0.
    pub std: Vec<f32>,
}

/// The metadata that catdog uses. Both parts are optional.
#[derive(Default)]
pub struct Metadata {
    /// The labels of the first output, or the reason why they cannot be read.
    pub labels: Option<Result<Vec<String>, ModelError>>,
    /// The normalization of the first input.
    pub normalization: Option<Normalization>,
}

/// Size limit of an unpacked labels file: 1 MiB holds the 21,843 names of ImageNet-21k twice. It
/// protects against an archive that unpacks to gigabytes.
const MAX_LABELS_BYTES: u64 = 1 << 20;

impl Metadata {
    /// Reads the metadata of `root`, the root table of the model `file`. A model without metadata
    /// is not an error.
    pub fn read(file: &[u8], root: Table<'_>) -> Self {
        let Some(bytes) = metadata_buffer(root) else { return Self::default() };
        let Some(root) = Flatbuffer::root(bytes, METADATA_IDENTIFIER) else {
            let damaged = Err(ModelError::Damaged("its TFLite metadata"));
            return Self { labels: Some(damaged), normalization: None };
        };
        let graphs = root.tables(model_metadata::SUBGRAPH_METADATA);
        let Some(graph) = graphs.first() else { return Self::default() };
        let inputs = graph.tables(sub_graph_metadata::INPUT_TENSOR_METADATA);
        let outputs = graph.tables(sub_graph_metadata::OUTPUT_TENSOR_METADATA);
        let labels_name = outputs.first().and_then(|output| labels_name(*output));
        Self {
            labels: labels_name.map(|name| unpack_labels(file, name)),
            normalization: inputs.first().and_then(|input| normalization(*input)),
        }
    }
}

/// Returns the buffer of the model that holds the metadata.
fn metadata_buffer(root: Table<'_>) -> Option<&[u8]> {
    let entries = root.tables(model::METADATA);
    let entry = entries.iter().find(|e| e.string(metadata::NAME) == Some(METADATA_NAME))?;
    let buffers = root.tables(model::BUFFERS);
    buffers.get(entry.u32(metadata::BUFFER) as usize)?.byte_vector(buffer::DATA)
}

/// Returns the normalization in a table `TensorMetadata`; `None` if its values cannot be used.
fn normalization(tensor: Table<'_>) -> Option<Normalization> {
    let units = tensor.tables(tensor_metadata::PROCESS_UNITS);
    let unit = units.iter().find(|unit| {
        unit.u8(process_unit::OPTIONS_TYPE) == process_unit_options::NORMALIZATION_OPTIONS
    })?;
    let options = unit.table(process_unit::OPTIONS)?;
    let mean = options.f32_vector(normalization_options::MEAN);
    let std = options.f32_vector(normalization_options::STD);
    let sane = [&mean, &std].iter().all(|values| {
        matches!(values.len(), 1 | 3) && values.iter().all(|value| value.is_finite())
    });
    (sane && std.iter().all(|std| std.is_normal())).then_some(Normalization { mean, std })
}

/// Returns the name of the labels file in a table `TensorMetadata`.
fn labels_name(tensor: Table<'_>) -> Option<&str> {
    let files = tensor.tables(tensor_metadata::ASSOCIATED_FILES);
    let labels = files
        .iter()
        .find(|file| file.u8(associated_file::TYPE) == associated_file_type::TENSOR_AXIS_LABELS)?;
    labels.string(associated_file::NAME)
}

/// Reads the labels file `name` from the archive at the end of `file`. Empty lines are skipped.
fn unpack_labels(file: &[u8], name: &str) -> Result<Vec<String>, ModelError> {
    let unreadable = |error: &dyn Display| ModelError::MetadataFile {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).map_err(|e| unreadable(&e))?;
    let entry = archive.by_name(name).map_err(|e| unreadable(&e))?;
    let mut text = String::new();
    entry.take(MAX_LABELS_BYTES).read_to_string(&mut text).map_err(|e| unreadable(&e))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}
