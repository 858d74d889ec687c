//! The error for a file that is not an image classifier that catdog can run.

use thiserror::Error;

/// A file is not an image classifier that catdog can run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// The file has zero bytes.
    #[error("the file is empty; copy the model again")]
    Empty,
    /// The file has another known format.
    #[error("it is {0}, not a .tflite image classifier; export the classifier to .tflite")]
    OtherFormat(&'static str),
    /// The file is not a flatbuffer with the TFLite identifier.
    #[error("it is not a .tflite file (the identifier TFL3 is missing); check the path")]
    NotTflite,
    /// The file has the TFLite identifier, but its contents are inconsistent. The text is the name
    /// of the inconsistent part.
    #[error("the file is damaged (invalid: {0}); copy or export the model again")]
    Damaged(&'static str),
    /// The model has an operator that catdog does not run.
    #[error("it uses the operator {name}, {reason}")]
    UnsupportedOperator {
        /// Name of the operator.
        name: String,
        /// What it is for and what to do, as a clause.
        reason: &'static str,
    },
    /// A tensor has an element type that its operator does not take.
    #[error(
        "its operator {operator} does not take the tensor '{tensor}', which is {element}; copy or \
         export the model again"
    )]
    OperatorType {
        /// Name of the operator.
        operator: &'static str,
        /// Name of the tensor.
        tensor: String,
        /// Name of its element type in TensorFlow.
        element: &'static str,
    },
    /// An operator cannot be computed.
    #[error(
        "its operator {operator}, which computes '{tensor}', is invalid: {reason}; copy or export \
         the model again"
    )]
    Operator {
        /// Name of the operator.
        operator: &'static str,
        /// Name of its first result.
        tensor: String,
        /// What is wrong, as a clause.
        reason: &'static str,
    },
    /// The size of a tensor depends on the picture.
    #[error(
        "the size of '{tensor}', which its operator {operator} computes, is not fixed; export it \
         with fixed sizes"
    )]
    DataDependent {
        /// Name of the operator.
        operator: &'static str,
        /// Name of the tensor.
        tensor: String,
    },
    /// The model needs more memory than its input and its weights explain.
    #[error(
        "its operator {operator}, which computes '{tensor}', needs {mebibytes} MiB, far more than \
         a classifier with this input; choose an image classifier or export it again"
    )]
    TooLarge {
        /// Name of the operator.
        operator: &'static str,
        /// Name of its first result.
        tensor: String,
        /// Memory for the activations, in MiB.
        mebibytes: u64,
    },
    /// The model needs more time than its input and its weights explain.
    #[error(
        "its operators up to {operator}, which computes '{tensor}', take far longer than a \
         classifier with this input; choose an image classifier or export it again"
    )]
    TooSlow {
        /// Name of the operator.
        operator: &'static str,
        /// Name of its first result.
        tensor: String,
    },
    /// A weight tensor is stored without its zeros.
    #[error(
        "its tensor '{tensor}' has sparse weights, which catdog does not run; export it without \
         sparsity"
    )]
    SparseWeights {
        /// Name of the tensor.
        tensor: String,
    },
    /// The quantization of a tensor is invalid.
    #[error(
        "the quantization of its tensor '{tensor}' is invalid: {reason}; copy or export the model \
         again"
    )]
    Quantization {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong, as a clause.
        reason: &'static str,
    },
    /// The model does not have exactly one input.
    #[error(
        "it has {0} inputs; choose an image classifier, which has one input [1, height, width, 3]"
    )]
    Inputs(usize),
    /// The model has several outputs, and none of them can be a row of scores.
    #[error(
        "it has {0} outputs, none of which is a row of scores; choose an image classifier, which has \
         one row of scores"
    )]
    Outputs(usize),
    /// One of several outputs has boxes, as that of a detector.
    #[error(
        "it has an output for boxes, so it may be a detector; choose an image classifier, or if one of \
         its outputs is a row of scores, set output to it: {outputs}"
    )]
    Boxes {
        /// Index, name and shape of all outputs, separated by commas.
        outputs: String,
    },
    /// Two outputs have the same name.
    #[error("two of its outputs have the name '{name}'; export it with different names")]
    EqualNames {
        /// The name.
        name: String,
    },
    /// The model has too many outputs.
    #[error("it has {count} outputs, but {limit} are the limit; export it with one row of scores")]
    TooManyOutputs {
        /// The number of outputs.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The model has several outputs that can be a row of scores.
    #[error("it has several outputs that can be scores: {outputs}; set output to one of them")]
    SeveralOutputs {
        /// Index, name and shape of each, separated by commas.
        outputs: String,
    },
    /// The model does not have the output that the user has chosen.
    #[error("it has no output '{chosen}'; set output to the index or name of one of {outputs}")]
    NoSuchOutput {
        /// The name or index.
        chosen: String,
        /// Index, name and shape of all outputs, separated by commas.
        outputs: String,
    },
    /// A tensor has an element type that catdog does not support.
    #[error(
        "its tensor '{name}' is {element}; catdog supports float32, float16, uint8 and int8: if \
         the model is an image classifier, convert it with one of these as input and output type"
    )]
    Element {
        /// Name of the tensor.
        name: String,
        /// Name of its element type in TensorFlow.
        element: &'static str,
    },
    /// The input is not a picture.
    #[error(
        "its input has shape {shape:?}: {reason}; export it with an input of [1, height, width, 3]"
    )]
    InputShape {
        /// Dimensions as stored in the file.
        shape: Vec<i32>,
        /// What is wrong with them, as a clause.
        reason: &'static str,
    },
    /// The user has chosen another size than the one that the file fixes.
    #[error(
        "its input has {}x{} pixels, and input-size is {}x{}; unset input-size", .fixed.0, .fixed.1,
        .chosen.0, .chosen.1
    )]
    InputSize {
        /// Width and height in the file; the chosen ones where the file leaves them open.
        fixed: (usize, usize),
        /// Width and height that the user has chosen.
        chosen: (usize, usize),
    },
    /// The user has chosen an order of colors for a model that takes gray pictures.
    #[error("its input has one channel, so that it takes gray pictures; unset color-order")]
    GrayInput,
    /// The output is not a row of scores.
    #[error("its output has shape {shape:?}: {reason}; export it with one row of scores")]
    OutputShape {
        /// Dimensions as stored in the file.
        shape: Vec<i32>,
        /// What is wrong with them, as a clause.
        reason: &'static str,
    },
    /// The metadata names a labels file that cannot be unpacked.
    #[error("its metadata names the labels file '{name}', which cannot be read: {reason}")]
    MetadataFile {
        /// Name of the file in the archive.
        name: String,
        /// The message of the archive reader.
        reason: String,
    },
}

/// Returns the error [`ModelError::Damaged`] with `part`, unless `holds`.
pub(super) fn require(holds: bool, part: &'static str) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Damaged(part)) }
}
