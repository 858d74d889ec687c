//! What a `.tflite` file says about itself, read before the runtime sees it: the classifier's
//! input and output, the activation its graph ends in, and its labels and normalisation if it
//! carries TFLite metadata.
//!
//! The runtime could be asked for most of this, but only after it has accepted the file; reading
//! it here gives one error that says what is wrong with the model instead of a status number, and
//! keeps files away from the runtime that it is known to crash on (`verify`).
//!
//! Field numbers: `schema.fbs` of TensorFlow Lite (version 3) and `metadata_schema.fbs` of TFLite
//! Support.

mod error;
mod metadata;
mod optimize;
mod reader;
mod verify;

use reader::{Bytes, Table};

use crate::tensor::{ElementType, Quantization, TensorInfo};

pub use error::ModelError;
pub use metadata::Normalization;
pub use optimize::{Optimized, optimize};

/// The activation that a graph applies to its scores by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphActivation {
    /// The scores are raw logits (or log-probabilities).
    None,
    /// The last operator is LOGISTIC.
    Logistic,
    /// The last operator is SOFTMAX.
    Softmax,
}

/// A classifier, as its file describes it.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Key of the signature to run; `None` where the file has no signatures.
    pub signature: Option<String>,
    /// The one input, `[1, height, width, 3]`.
    pub input: TensorInfo,
    /// Whether the file leaves the batch open (-1), so that it must be set to 1.
    pub dynamic_batch: bool,
    /// The one output, all of its dimensions 1 but the last.
    pub output: TensorInfo,
    /// What the graph ends in.
    pub activation: GraphActivation,
    /// Labels in the file's metadata, or why they cannot be read: no reason to refuse a model whose
    /// labels come from elsewhere.
    pub labels: Option<Result<Vec<String>, ModelError>>,
    /// Normalisation in the file's metadata.
    pub normalization: Option<Normalization>,
}

impl ModelInfo {
    /// Reads and checks `file`.
    ///
    /// # Errors
    ///
    /// [`ModelError`] where it is not a `.tflite` file, is damaged, or is not an image classifier
    /// that catdog can feed.
    pub fn parse(file: &[u8]) -> Result<Self, ModelError> {
        refuse_other_formats(file)?;
        let model = Bytes(file).root(b"TFL3").ok_or(ModelError::Damaged("its root table"))?;
        let subgraphs = model.tables(SUBGRAPHS);
        let entry = EntryPoint::choose(model, &subgraphs)?;
        verify::verify(file, model, &subgraphs)?;
        let graph = entry.graph;
        let tensors = graph.tables(GRAPH_TENSORS);
        let (input_name, input_index) = one(&entry.inputs, ModelError::Inputs)?;
        let (output_name, output_index) = one(&entry.outputs, ModelError::Outputs)?;
        let (input, dynamic_batch) = input_info(&tensors, input_name, *input_index)?;
        let output = output_info(&tensors, output_name, *output_index)?;
        let metadata = metadata::read(file, model);
        Ok(Self {
            signature: entry.key,
            input,
            dynamic_batch,
            activation: graph_activation(model, graph, *output_index),
            output,
            labels: metadata.labels,
            normalization: metadata.normalization,
        })
    }
}

// Field numbers of the tables in `schema.fbs`.
const OPERATOR_CODES: usize = 1;
const SUBGRAPHS: usize = 2;
const BUFFERS: usize = 4;
const METADATA: usize = 6;
const SIGNATURES: usize = 7;
const GRAPH_TENSORS: usize = 0;
const GRAPH_INPUTS: usize = 1;
const GRAPH_OUTPUTS: usize = 2;
const GRAPH_OPERATORS: usize = 3;
const TENSOR_SHAPE: usize = 0;
const TENSOR_TYPE: usize = 1;
const TENSOR_BUFFER: usize = 2;
const TENSOR_NAME: usize = 3;
const TENSOR_QUANTIZATION: usize = 4;
const TENSOR_SHAPE_SIGNATURE: usize = 7;
const QUANTIZATION_SCALE: usize = 2;
const QUANTIZATION_ZERO_POINT: usize = 3;
const OPERATOR_CODE: usize = 0;
const OPERATOR_INPUTS: usize = 1;
const OPERATOR_OUTPUTS: usize = 2;
const CODE_DEPRECATED_BUILTIN: usize = 0;
const CODE_BUILTIN: usize = 3;
const SIGNATURE_INPUTS: usize = 0;
const SIGNATURE_OUTPUTS: usize = 1;
const SIGNATURE_KEY: usize = 2;
const SIGNATURE_SUBGRAPH: usize = 4;

// `BuiltinOperator`.
const OP_DEQUANTIZE: i32 = 6;
const OP_LOGISTIC: i32 = 14;
const OP_RESHAPE: i32 = 22;
const OP_SOFTMAX: i32 = 25;
const OP_SQUEEZE: i32 = 43;
const OP_QUANTIZE: i32 = 114;

/// The signature that Keras and SavedModel exports give the forward pass.
const DEFAULT_SIGNATURE: &str = "serving_default";

/// Names the file's real format where it is recognised as another one.
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
    if file.get(4..8) != Some(b"TFL3") {
        return Err(ModelError::NotTflite);
    }
    Ok(())
}

/// The subgraph to run and its named inputs and outputs.
struct EntryPoint<'a> {
    key: Option<String>,
    graph: Table<'a>,
    inputs: Vec<(Option<String>, usize)>,
    outputs: Vec<(Option<String>, usize)>,
}

impl<'a> EntryPoint<'a> {
    /// `serving_default` where there is one, else the first signature, else the first subgraph.
    fn choose(model: Table<'a>, subgraphs: &[Table<'a>]) -> Result<Self, ModelError> {
        let signatures = model.tables(SIGNATURES);
        let default =
            signatures.iter().find(|s| s.string(SIGNATURE_KEY) == Some(DEFAULT_SIGNATURE));
        let Some(signature) = default.or(signatures.first()) else {
            let graph = *subgraphs.first().ok_or(ModelError::Damaged("its list of subgraphs"))?;
            let unnamed = |id| {
                let indices = graph.i32_vector(id).into_iter();
                indices.map(|index| (None, usize::try_from(index).unwrap_or(usize::MAX))).collect()
            };
            let (inputs, outputs) = (unnamed(GRAPH_INPUTS), unnamed(GRAPH_OUTPUTS));
            return Ok(Self { key: None, graph, inputs, outputs });
        };
        let index = signature.u32(SIGNATURE_SUBGRAPH) as usize;
        let graph = *subgraphs.get(index).ok_or(ModelError::Damaged("a signature's subgraph"))?;
        let named = |id| {
            let maps = signature.tables(id).into_iter();
            maps.map(|map| (map.string(0).map(str::to_owned), map.u32(1) as usize)).collect()
        };
        Ok(Self {
            key: signature.string(SIGNATURE_KEY).map(str::to_owned),
            graph,
            inputs: named(SIGNATURE_INPUTS),
            outputs: named(SIGNATURE_OUTPUTS),
        })
    }
}

fn one<T>(items: &[T], error: fn(usize) -> ModelError) -> Result<&T, ModelError> {
    match items {
        [item] => Ok(item),
        _ => Err(error(items.len())),
    }
}

/// A tensor's stored shape, its type and its quantisation.
fn tensor_info(
    tensors: &[Table<'_>],
    name: &Option<String>,
    index: usize,
) -> Result<(TensorInfo, Vec<i32>), ModelError> {
    let tensor = tensors.get(index).ok_or(ModelError::Damaged("a tensor index"))?;
    let name = name.as_deref().or(tensor.string(TENSOR_NAME)).unwrap_or("").to_owned();
    let shape = tensor.i32_vector(TENSOR_SHAPE);
    let element = match tensor.u8(TENSOR_TYPE) {
        0 => ElementType::F32,
        3 => ElementType::U8,
        9 => ElementType::I8,
        other => return Err(ModelError::Element { name, element: element_name(other) }),
    };
    let quantization = match element {
        ElementType::F32 => None,
        ElementType::U8 | ElementType::I8 => quantization(*tensor),
    };
    let dimensions = shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect();
    Ok((TensorInfo { name, shape: dimensions, element, quantization }, shape))
}

fn quantization(tensor: Table<'_>) -> Option<Quantization> {
    let parameters = tensor.table(TENSOR_QUANTIZATION)?;
    let scale = *parameters.f32_vector(QUANTIZATION_SCALE).first()?;
    let zero_point = parameters.i64_vector(QUANTIZATION_ZERO_POINT).first().copied().unwrap_or(0);
    let zero_point = i32::try_from(zero_point).ok()?;
    (scale.is_finite() && scale > 0.0).then_some(Quantization { scale, zero_point })
}

/// The largest side that a model's input may have: 4096 pixels is eight times what the largest
/// published image classifiers take, and a damaged file may claim anything.
const MAX_SIDE: usize = 4096;
/// More scores than any published classifier has (ImageNet-21k: 21,843).
const MAX_SCORES: usize = 1 << 20;

fn input_info(
    tensors: &[Table<'_>],
    name: &Option<String>,
    index: usize,
) -> Result<(TensorInfo, bool), ModelError> {
    let (mut info, shape) = tensor_info(tensors, name, index)?;
    let wrong = |reason| ModelError::InputShape { shape: shape.clone(), reason };
    let signature = tensors[index].i32_vector(TENSOR_SHAPE_SIGNATURE);
    let open = |dimension: usize| {
        shape.get(dimension) == Some(&-1) || signature.get(dimension) == Some(&-1)
    };
    if shape.len() != 4 {
        return Err(wrong("it has not the four dimensions [1, height, width, 3]"));
    }
    let dynamic_batch = open(0);
    if (1..4).any(open) {
        return Err(wrong("its height, width or channels are left open"));
    }
    if info.shape[1] == 3 && info.shape[3] != 3 {
        return Err(wrong("its channels come first (NCHW)"));
    }
    if info.shape[3] != 3 {
        return Err(wrong("its last dimension is not the three channels of RGB"));
    }
    if !dynamic_batch && info.shape[0] != 1 {
        return Err(wrong("its batch is fixed at another number than 1"));
    }
    if !(1..=MAX_SIDE).contains(&info.shape[1]) || !(1..=MAX_SIDE).contains(&info.shape[2]) {
        return Err(wrong("its height or width is not between 1 and 4096"));
    }
    info.shape[0] = 1;
    Ok((info, dynamic_batch))
}

fn output_info(
    tensors: &[Table<'_>],
    name: &Option<String>,
    index: usize,
) -> Result<TensorInfo, ModelError> {
    let (mut info, shape) = tensor_info(tensors, name, index)?;
    let wrong = |reason| ModelError::OutputShape { shape: shape.clone(), reason };
    let Some((scores, leading)) = shape.split_last() else {
        return Err(wrong("it is a single number without dimensions"));
    };
    // A dynamic batch leaves the first dimension open; it follows the input's.
    if leading.iter().any(|&dimension| dimension != 1 && dimension != -1) {
        return Err(wrong("it may be a detector or a segmenter"));
    }
    if !usize::try_from(*scores).is_ok_and(|n| (1..=MAX_SCORES).contains(&n)) {
        return Err(wrong("the number of its scores is left open or absurd"));
    }
    for dimension in info.shape.iter_mut().rev().skip(1) {
        *dimension = 1;
    }
    Ok(info)
}

/// More operators than any exporter puts behind the activation.
const MAX_TRAILING_OPERATORS: usize = 16;

/// Walks back from the output over operators that only change type or shape.
fn graph_activation(model: Table<'_>, graph: Table<'_>, output: usize) -> GraphActivation {
    let codes = model.tables(OPERATOR_CODES);
    let operators = graph.tables(GRAPH_OPERATORS);
    let mut tensor = i32::try_from(output).unwrap_or(-1);
    for _ in 0..MAX_TRAILING_OPERATORS {
        let producer = operators.iter().find(|o| o.i32_vector(OPERATOR_OUTPUTS).contains(&tensor));
        let Some(producer) = producer else { break };
        match builtin_code(&codes, *producer) {
            Some(OP_LOGISTIC) => return GraphActivation::Logistic,
            Some(OP_SOFTMAX) => return GraphActivation::Softmax,
            Some(OP_DEQUANTIZE | OP_QUANTIZE | OP_RESHAPE | OP_SQUEEZE) => {}
            _ => break,
        }
        let Some(&source) = producer.i32_vector(OPERATOR_INPUTS).first() else { break };
        tensor = source;
    }
    GraphActivation::None
}

fn builtin_code(codes: &[Table<'_>], operator: Table<'_>) -> Option<i32> {
    codes.get(operator.u32(OPERATOR_CODE) as usize).map(|code| builtin_operator(*code))
}

/// The `BuiltinOperator` of an operator code. The schema keeps codes up to 127 in a byte of their
/// own for old readers; the larger of the two fields is the code.
fn builtin_operator(code: Table<'_>) -> i32 {
    let deprecated = i32::from(code.u8(CODE_DEPRECATED_BUILTIN) as i8);
    code.i32(CODE_BUILTIN, 0).max(deprecated)
}

/// `TensorType` as text.
fn element_name(code: u8) -> &'static str {
    const NAMES: [&str; 20] = [
        "float32",
        "float16",
        "int32",
        "uint8",
        "int64",
        "string",
        "bool",
        "int16",
        "complex64",
        "int8",
        "float64",
        "complex128",
        "uint64",
        "resource",
        "variant",
        "uint32",
        "uint16",
        "int4",
        "bfloat16",
        "int2",
    ];
    NAMES.get(usize::from(code)).copied().unwrap_or("of an unknown type")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn models_in(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut models: Vec<_> = files
            .filter(|file| file.is_file() && file.extension().is_none_or(|e| e != "py"))
            .collect();
        models.sort();
        assert!(!models.is_empty());
        models
    }

    #[test]
    fn undamaged_models_are_not_refused() {
        for model in models_in("tests/models") {
            let info = ModelInfo::parse(&std::fs::read(&model).unwrap());
            assert!(info.is_ok(), "{}: {}", model.display(), info.unwrap_err());
        }
    }

    #[test]
    fn a_model_cut_anywhere_is_refused_or_whole_enough() {
        let file = std::fs::read(models_in("tests/models").remove(0)).unwrap();
        for len in 0..file.len() {
            // Must return, whatever it says: every access is checked.
            let _ = ModelInfo::parse(&file[..len]);
        }
    }

    #[test]
    fn models_that_are_no_image_classifier_are_refused_or_left_to_litert() {
        let passed: Vec<String> = models_in("tests/models/bad")
            .iter()
            .filter(|model| ModelInfo::parse(&std::fs::read(model).unwrap()).is_ok())
            .map(|model| model.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(passed, LEFT_TO_LITERT);
    }

    /// Structurally sound, but not computable: LiteRT says so without harm (`tests/bad_input.rs`).
    const LEFT_TO_LITERT: [&str; 7] = [
        "graph_depth_multiplier_zero",
        "graph_intermediate_shape_wrong",
        "graph_mean_axis_out_of_range",
        "graph_opcode_version_future",
        "graph_reshape_wrong_size",
        "graph_sparsity_garbage",
        "unknown_custom_op",
    ];
}
