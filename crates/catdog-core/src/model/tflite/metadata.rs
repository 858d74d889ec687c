//! TFLite metadata: the normalization of the input and the labels of the output.
//!
//! The metadata is a second flatbuffer in one of the buffers of the model. The files that it names
//! are entries of a ZIP archive that is appended to the model file.

use std::fmt::Display;
use std::io::{Cursor, Read};

use super::contents::short;
use super::error::ModelError;
use super::reader::{Flatbuffer, Table};
use super::schema::{
    METADATA_IDENTIFIER, METADATA_NAME, associated_file, associated_file_type, buffer, metadata,
    model, model_metadata, normalization_options, process_unit, process_unit_options,
    sub_graph_metadata, tensor_metadata,
};
use super::scores_output::MAX_OUTPUTS;

/// The normalization of an input: a pixel value becomes (pixel value - mean) / std.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// One mean for all channels, or three (R, G, B).
    pub mean: Vec<f32>,
    /// One standard deviation for all channels, or three (R, G, B); never 0.
    pub std: Vec<f32>,
}

/// A labels file inside a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelsEntry {
    /// The start of its name in the archive, at most 200 characters.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// The normalization in the metadata is not one or three finite means and positive standard
/// deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableNormalization;

/// The metadata that catdog uses. Both parts are optional.
#[derive(Default)]
pub struct Metadata {
    /// The labels file of the output with the scores, or the reason why it cannot be read.
    pub labels: Option<Result<LabelsEntry, ModelError>>,
    /// The normalization of the first input; `Err` if its values cannot be used.
    pub normalization: Option<Result<Normalization, UnusableNormalization>>,
}

/// Size limit of an unpacked labels file: 1 MiB holds the 21,843 names of ImageNet-21k twice. It
/// protects against an archive that unpacks to gigabytes.
const MAX_LABELS_BYTES: u64 = 1 << 20;
/// Names of labels files in an archive that no metadata describes. Ultralytics appends
/// `metadata.json` (since version 8.3) or `temp_meta.txt` to a model.
const UNDESCRIBED: [&str; 3] = ["labels.txt", "temp_meta.txt", "metadata.json"];
/// Start of the last record of a ZIP archive, and the largest distance from there to the end of the
/// file: 22 bytes and a comment of 65,535.
const ZIP_END: &[u8] = b"PK\x05\x06";
const MAX_ZIP_END_BYTES: usize = 22 + 0xffff;

impl Metadata {
    /// Reads the metadata of `root`, the root table of the model `file`, whose scores are the output
    /// with the index `output` of the subgraph with the index `subgraph`. A model without metadata
    /// is not an error.
    pub fn read(file: &[u8], root: Table<'_>, subgraph: usize, output: usize) -> Self {
        let Some(bytes) = metadata_buffer(root) else {
            return Self { labels: undescribed_labels(file, &[]), normalization: None };
        };
        let Some(root) = Flatbuffer::root(bytes, METADATA_IDENTIFIER) else {
            let damaged = Err(ModelError::Damaged("its TFLite metadata"));
            return Self { labels: Some(damaged), normalization: None };
        };
        let graphs = root.tables(model_metadata::SUBGRAPH_METADATA);
        let tensors = |id| graphs.get(subgraph).map(|graph| graph.tables(id)).unwrap_or_default();
        let inputs = tensors(sub_graph_metadata::INPUT_TENSOR_METADATA);
        let outputs = tensors(sub_graph_metadata::OUTPUT_TENSOR_METADATA);
        // Writers describe the outputs in the order of the subgraph.
        let labels = match outputs.get(output).and_then(|output| labels_name(*output)) {
            Some(name) => Some(unpack(file, name)),
            None => undescribed_labels(file, &described_files(&outputs)),
        };
        Self { labels, normalization: inputs.first().and_then(|input| normalization(*input)) }
    }
}

/// Returns the buffer of the model that holds the metadata.
fn metadata_buffer(root: Table<'_>) -> Option<&[u8]> {
    let entries = root.tables(model::METADATA);
    let name = Some(METADATA_NAME.as_bytes());
    let entry = entries.iter().find(|entry| entry.byte_vector(metadata::NAME) == name)?;
    let buffers = root.tables(model::BUFFERS);
    buffers.get(entry.u32(metadata::BUFFER) as usize)?.byte_vector(buffer::DATA)
}

/// Returns the normalization in a table `TensorMetadata`; `None` if it has none.
fn normalization(tensor: Table<'_>) -> Option<Result<Normalization, UnusableNormalization>> {
    let units = tensor.tables(tensor_metadata::PROCESS_UNITS);
    let unit = units.iter().find(|unit| {
        unit.u8(process_unit::OPTIONS_TYPE) == process_unit_options::NORMALIZATION_OPTIONS
    })?;
    let options = unit.table(process_unit::OPTIONS)?;
    let is_short = |id| options.list_len(id, size_of::<f32>()).is_none_or(|len| len <= 3);
    if !is_short(normalization_options::MEAN) || !is_short(normalization_options::STD) {
        return Some(Err(UnusableNormalization));
    }
    let mean = options.f32_vector(normalization_options::MEAN);
    let std = options.f32_vector(normalization_options::STD);
    let sane = [&mean, &std].iter().all(|values| {
        matches!(values.len(), 1 | 3) && values.iter().all(|value| value.is_finite())
    });
    // Values so large that black and white become the same number cannot be meant.
    let separates = |(mean, std): (&f32, &f32)| (0.0 - mean) / std != (255.0 - mean) / std;
    let usable = sane
        && std.iter().all(|std| std.is_normal() && *std > 0.0)
        && mean.iter().zip(std.iter().cycle()).all(separates);
    Some(if usable { Ok(Normalization { mean, std }) } else { Err(UnusableNormalization) })
}

/// Returns the name of the labels file in a table `TensorMetadata`.
fn labels_name(tensor: Table<'_>) -> Option<&str> {
    let files = tensor.tables(tensor_metadata::ASSOCIATED_FILES);
    let labels = files
        .iter()
        .find(|file| file.u8(associated_file::TYPE) == associated_file_type::TENSOR_AXIS_LABELS)?;
    labels.string(associated_file::NAME)
}

/// Returns the names of the files that belong to one of `outputs`. Outputs that share long lists of
/// files are not those of a classifier.
fn described_files<'a>(outputs: &[Table<'a>]) -> Vec<&'a [u8]> {
    let files = outputs
        .iter()
        .take(MAX_OUTPUTS)
        .flat_map(|output| output.tables(tensor_metadata::ASSOCIATED_FILES).into_iter().take(8));
    files.filter_map(|file| file.byte_vector(associated_file::NAME)).collect()
}

/// Reads the labels file `name` from the archive at the end of `file`.
fn unpack(file: &[u8], name: &str) -> Result<LabelsEntry, ModelError> {
    let unreadable = |error: &dyn Display| ModelError::MetadataFile {
        name: short(name),
        reason: error.to_string(),
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).map_err(|e| unreadable(&e))?;
    let entry = archive.by_name(name).map_err(|e| unreadable(&e))?;
    let mut bytes = Vec::new();
    entry.take(MAX_LABELS_BYTES + 1).read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
    if bytes.len() as u64 > MAX_LABELS_BYTES {
        return Err(unreadable(&format_args!("it has more than {MAX_LABELS_BYTES} bytes")));
    }
    Ok(LabelsEntry { name: short(name), bytes })
}

/// Reads a labels file that is in the archive at the end of `file`, but not in `described`, the files
/// that the metadata assign to the outputs.
fn undescribed_labels(file: &[u8], described: &[&[u8]]) -> Option<Result<LabelsEntry, ModelError>> {
    let tail = &file[file.len().saturating_sub(MAX_ZIP_END_BYTES)..];
    if !tail.windows(ZIP_END.len()).any(|bytes| bytes == ZIP_END) {
        return None;
    }
    let archive = zip::ZipArchive::new(Cursor::new(file)).ok()?;
    let is_undescribed = |name: &&str| {
        archive.index_for_name(name).is_some() && !described.contains(&name.as_bytes())
    };
    let name = UNDESCRIBED.into_iter().find(is_undescribed)?;
    Some(unpack(file, name))
}
