//! The description of an image classifier, read from its file: input, output, activation, labels
//! and normalization.
//!
//! LiteRT could report most of this, but only after it has accepted the file. This module reads the
//! file first, so that one error says what is wrong with the model; LiteRT returns a status code
//! only.

use super::entry_point::{EntryPoint, Port};
use super::error::ModelError;
use super::graph_activation::GraphActivation;
use super::metadata::{Metadata, Normalization};
use super::reader::{Flatbuffer, Table};
use super::schema::{
    DYNAMIC_DIMENSION, MODEL_IDENTIFIER, TensorType, model, quantization_parameters, sub_graph,
    tensor,
};
use super::verify::verify;
use crate::tensor::{ElementType, Quantization, TensorInfo};

/// Limit for the height and width of an input, in pixels: several times the input of the largest
/// published image classifiers. A damaged file can contain any number.
const MAX_SIDE: usize = 4096;
/// Limit for the number of scores; ImageNet-21k has 21,843 classes.
const MAX_SCORES: usize = 1 << 20;

/// The description of an image classifier, from its file.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Key of the signature to run; `None` if the file has no signatures.
    pub signature: Option<String>,
    /// The input, of shape `[1, height, width, 3]`.
    pub input: TensorInfo,
    /// The batch size is dynamic (-1) in the file and must be set to 1.
    pub dynamic_batch: bool,
    /// The output. All dimensions except the last are 1.
    pub output: TensorInfo,
    /// The activation at the end of the graph.
    pub activation: GraphActivation,
    /// The labels in the metadata of the file, or the reason why they cannot be read. Unreadable
    /// labels are no error of the model, because other sources can define them.
    pub labels: Option<Result<Vec<String>, ModelError>>,
    /// The normalization in the metadata of the file.
    pub normalization: Option<Normalization>,
}

impl ModelInfo {
    /// Reads and checks the model `file`.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if the file is not a `.tflite` file, is damaged, contains a graph on which
    /// LiteRT crashes, or is not an image classifier with one RGB input and one row of scores.
    pub fn parse(file: &[u8]) -> Result<Self, ModelError> {
        refuse_other_formats(file)?;
        let root = Flatbuffer::root(file, MODEL_IDENTIFIER);
        let root = root.ok_or(ModelError::Damaged("its root table"))?;
        let subgraphs = root.tables(model::SUBGRAPHS);
        let entry = EntryPoint::choose(root, &subgraphs)?;
        verify(file, root, &subgraphs)?;
        let tensors = entry.graph.tables(sub_graph::TENSORS);
        let input_port = the_only(&entry.inputs, ModelError::Inputs)?;
        let output_port = the_only(&entry.outputs, ModelError::Outputs)?;
        let (input, dynamic_batch) = input_info(&tensors, input_port)?;
        let output = output_info(&tensors, output_port)?;
        let metadata = Metadata::read(file, root);
        Ok(Self {
            signature: entry.key,
            input,
            dynamic_batch,
            output,
            activation: GraphActivation::find(root, entry.graph, output_port.tensor),
            labels: metadata.labels,
            normalization: metadata.normalization,
        })
    }
}

/// Refuses files that are not flatbuffers of `schema.fbs`. The error names the format if it is
/// another known model format.
fn refuse_other_formats(file: &[u8]) -> Result<(), ModelError> {
    if file.is_empty() {
        return Err(ModelError::Empty);
    }
    if file.starts_with(b"LITERTLM") {
        return Err(ModelError::OtherFormat("a LiteRT-LM bundle (a language model)"));
    }
    if file.starts_with(b"PK\x03\x04") {
        return Err(ModelError::OtherFormat("a ZIP archive, such as a MediaPipe .task bundle"));
    }
    if file.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Err(ModelError::OtherFormat("an HDF5 file, such as a Keras .h5 model"));
    }
    if !Flatbuffer::has_identifier(file, MODEL_IDENTIFIER) {
        return Err(ModelError::NotTflite);
    }
    Ok(())
}

/// Returns the only element of `items`, or the error with the number of elements.
fn the_only<T>(items: &[T], error: fn(usize) -> ModelError) -> Result<&T, ModelError> {
    match items {
        [item] => Ok(item),
        _ => Err(error(items.len())),
    }
}

/// Describes the input, and returns whether its batch size is dynamic.
fn input_info(tensors: &[Table<'_>], port: &Port) -> Result<(TensorInfo, bool), ModelError> {
    let (mut info, shape) = tensor_info(tensors, port)?;
    let wrong = |reason| ModelError::InputShape { shape: shape.clone(), reason };
    let signature = tensors[port.tensor].i32_vector(tensor::SHAPE_SIGNATURE);
    let is_dynamic = |dimension: usize| {
        [&shape, &signature].iter().any(|sizes| sizes.get(dimension) == Some(&DYNAMIC_DIMENSION))
    };
    let &[batch, height, width, channels] = &info.shape[..] else {
        return Err(wrong("it does not have four dimensions"));
    };
    let dynamic_batch = is_dynamic(0);
    if (1..4).any(is_dynamic) {
        return Err(wrong("its height, width or number of channels is not fixed"));
    }
    if height == 3 && channels != 3 {
        return Err(wrong("the channels are its second dimension (NCHW)"));
    }
    if channels != 3 {
        return Err(wrong("its last dimension is not the three channels of RGB"));
    }
    if !dynamic_batch && batch != 1 {
        return Err(wrong("its batch size is fixed to a number other than 1"));
    }
    if [height, width].iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
        return Err(wrong("its height or width is not between 1 and 4096"));
    }
    info.shape[0] = 1;
    Ok((info, dynamic_batch))
}

/// Describes the output.
fn output_info(tensors: &[Table<'_>], port: &Port) -> Result<TensorInfo, ModelError> {
    let (mut info, shape) = tensor_info(tensors, port)?;
    let wrong = |reason| ModelError::OutputShape { shape: shape.clone(), reason };
    let Some((scores, leading)) = shape.split_last() else {
        return Err(wrong("it has no dimensions"));
    };
    // The first dimension is dynamic if the batch size of the input is.
    if leading.iter().any(|&dimension| dimension != 1 && dimension != DYNAMIC_DIMENSION) {
        return Err(wrong("the model may be a detector or a segmenter"));
    }
    if !usize::try_from(*scores).is_ok_and(|n| (1..=MAX_SCORES).contains(&n)) {
        return Err(wrong("the number of scores is not between 1 and 1048576"));
    }
    for dimension in info.shape.iter_mut().rev().skip(1) {
        *dimension = 1;
    }
    Ok(info)
}

/// Describes a tensor, and returns its shape as stored in the file.
fn tensor_info(tensors: &[Table<'_>], port: &Port) -> Result<(TensorInfo, Vec<i32>), ModelError> {
    let tensor = tensors.get(port.tensor).ok_or(ModelError::Damaged("the index of a tensor"))?;
    let name = port.name.as_deref().or(tensor.string(tensor::NAME)).unwrap_or("").to_owned();
    let shape = tensor.i32_vector(tensor::SHAPE);
    let element = match TensorType::of(*tensor) {
        TensorType::FLOAT32 => ElementType::F32,
        TensorType::UINT8 => ElementType::U8,
        TensorType::INT8 => ElementType::I8,
        other => return Err(ModelError::Element { name, element: other.name() }),
    };
    let quantization = match element {
        ElementType::F32 | ElementType::F16 => None,
        ElementType::U8 | ElementType::I8 => quantization(*tensor),
    };
    let dimensions = shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect();
    Ok((TensorInfo { name, shape: dimensions, element, quantization }, shape))
}

/// Returns the per-tensor quantization; `None` if there is none, or it cannot be used.
fn quantization(tensor: Table<'_>) -> Option<Quantization> {
    let parameters = tensor.table(tensor::QUANTIZATION)?;
    let scale = *parameters.f32_vector(quantization_parameters::SCALE).first()?;
    let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
    let zero_point = i32::try_from(zero_points.first().copied().unwrap_or(0)).ok()?;
    (scale.is_finite() && scale > 0.0).then_some(Quantization { scale, zero_point })
}
