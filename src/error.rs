//! What can go wrong, one enum a stage. Every text names the thing and says what to do about it;
//! the element adds nothing but the class of the error.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::frame::PixelFormat;
use crate::model::ModelSource;

/// A buffer that does not hold the frame its caps promise.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The memory cannot be read.
    #[error("its memory cannot be mapped for reading")]
    Map,
    /// Too few or too many planes.
    #[error("the buffer has {got} planes where its format has {want}")]
    PlaneCount {
        /// Planes in the buffer.
        got: usize,
        /// Planes of the format.
        want: usize,
    },
    /// A stride shorter than a row.
    #[error("plane {plane} has a stride of {got} bytes where a row takes {want}")]
    Stride {
        /// Index of the plane.
        plane: usize,
        /// Bytes from row to row.
        got: usize,
        /// Bytes of a row.
        want: usize,
    },
    /// A plane that ends early.
    #[error("plane {plane} has {got} bytes where its rows take {want}")]
    PlaneSize {
        /// Index of the plane.
        plane: usize,
        /// Bytes there are.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
}

/// Why a frame cannot become the input tensor.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PreprocessError {
    /// A side that is zero or longer than the plan can index.
    #[error("the {what} is {width}x{height} where each side must be 1 to {max}")]
    Size {
        /// "frame" or "input tensor".
        what: &'static str,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// The longest side.
        max: usize,
    },
    /// A pixel-aspect-ratio with a zero.
    #[error("the pixel-aspect-ratio is {width}/{height} where both numbers must be positive")]
    PixelAspectRatio {
        /// Its numerator.
        width: u32,
        /// Its denominator.
        height: u32,
    },
    /// Luma coefficients from which no Y'CbCr matrix follows.
    #[error(
        "the colour matrix cannot be used; set colorimetry to bt601, bt709 or bt2020 in the caps"
    )]
    ColorMatrix,
    /// Normalisation or quantisation that gives no element of the tensor's type.
    #[error("channel {channel} of the {element} input tensor cannot be filled: {reason}")]
    Values {
        /// 0 red, 1 green, 2 blue.
        channel: usize,
        /// Type of the elements.
        element: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A frame of another format.
    #[error("the frame is {got:?} where the caps said {want:?}")]
    FrameFormat {
        /// Format of the frame.
        got: PixelFormat,
        /// Format of the caps.
        want: PixelFormat,
    },
    /// A plane smaller than the caps say.
    #[error("plane {plane} has {got} bytes where {want} are read")]
    FramePlane {
        /// Index of the plane.
        plane: usize,
        /// Bytes there are.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
    /// A tensor of another element type.
    #[error("the input tensor is {got} where the model said {want}")]
    TensorElement {
        /// Type of the tensor's elements.
        got: &'static str,
        /// Type the model declares.
        want: &'static str,
    },
    /// A tensor of another size.
    #[error("the input tensor has {got} elements where the model said {want}")]
    TensorLength {
        /// Elements of the tensor.
        got: usize,
        /// Height x width x 3.
        want: usize,
    },
}

/// A file that was tried as the LiteRT runtime, and why it was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLibrary {
    /// The file, or the bare name that the dynamic loader searched for.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// No usable LiteRT runtime.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct RuntimeError {
    /// Every place that was looked at.
    pub refused: Vec<RefusedLibrary>,
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no usable LiteRT runtime (libLiteRt.so, 2.1.6 or newer). Looked at: ")?;
        for (index, RefusedLibrary { path, reason }) in self.refused.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} ({reason})", path.display())?;
        }
        f.write_str(
            ". Install it with scripts/fetch-runtime.sh of the catdog sources, or set \
             CATDOG_LITERT_LIBRARY to the file",
        )
    }
}

/// A file that is no image classifier catdog can run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// Zero bytes.
    #[error("the file is empty; copy the model again")]
    Empty,
    /// Recognised as something else.
    #[error("it is {0}, not a .tflite image classifier; export the classifier to .tflite")]
    OtherFormat(&'static str),
    /// No flatbuffer with the TFLite identifier.
    #[error("it is not a .tflite file (the identifier TFL3 is missing); check the path")]
    NotTflite,
    /// The identifier is there, the content does not hold together.
    #[error("the file is damaged ({0} cannot be right); copy or export the model again")]
    Damaged(&'static str),
    /// Another number of inputs than one.
    #[error("it has {0} inputs; choose an image classifier, which has one, [1, height, width, 3]")]
    Inputs(usize),
    /// Another number of outputs than one.
    #[error(
        "it has {0} outputs (detection models have four); choose an image classifier, which has \
         one row of scores"
    )]
    Outputs(usize),
    /// An element type that is not fed or read.
    #[error(
        "its tensor '{name}' is {element}; catdog feeds and reads float32, uint8 and int8: convert \
         the model with one of these as input and output type"
    )]
    Element {
        /// The tensor.
        name: String,
        /// Its type.
        element: &'static str,
    },
    /// An input that is no RGB picture.
    #[error(
        "its input has shape {shape:?}: {reason}; export it with an input of [1, height, width, 3]"
    )]
    InputShape {
        /// Dimensions as stored.
        shape: Vec<i32>,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// An output that is no row of scores.
    #[error("its output has shape {shape:?}: {reason}; export it with one row of scores")]
    OutputShape {
        /// Dimensions as stored.
        shape: Vec<i32>,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// A labels file that the metadata names and that cannot be unpacked.
    #[error("its metadata names the labels file '{name}', which cannot be read: {reason}")]
    MetadataFile {
        /// Name in the archive.
        name: String,
        /// What the archive reader says.
        reason: String,
    },
}

/// LiteRT refused or failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EngineError {
    /// While the model was being set up.
    #[error("LiteRT cannot run it: {stage}: {}{}", status_name(*.status), after_colon(.detail))]
    Create {
        /// What was being made.
        stage: &'static str,
        /// `LiteRtStatus`.
        status: i32,
        /// LiteRT's own text, if any.
        detail: String,
    },
    /// During an inference.
    #[error("inference failed: {}{}", status_name(*.status), after_colon(.detail))]
    Invoke {
        /// `LiteRtStatus`.
        status: i32,
        /// LiteRT's own text, if any.
        detail: String,
    },
    /// The system gives no thread to run it on.
    #[error("inference needs a thread, and the system gives none; see `ulimit -u`")]
    NoThread,
    /// A bug, in the runtime or here.
    #[error("inference panicked{}; please report it", after_colon(.detail))]
    Panicked {
        /// What the panic said.
        detail: String,
    },
}

/// A model could not be made ready.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    /// No runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Not a model for us.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// LiteRT does not take it.
    #[error("{0}; export it again with LiteRT's built-in operators")]
    Engine(#[from] EngineError),
}

/// Labels that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LabelsError {
    /// The file cannot be read.
    #[error("labels file '{}' cannot be read: {reason}; check labels-file", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is no text.
    #[error(
        "labels file '{}' is not UTF-8 (byte {position}); save it as UTF-8 text",
        .file.display()
    )]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// Offset of the first wrong byte.
        position: usize,
    },
    /// A class without a name.
    #[error(
        "labels file '{}' has nothing in line {line}; give every class a name, one a line",
        .file.display()
    )]
    EmptyLine {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A class without a name in the property `labels`.
    #[error("the property labels has an empty name at place {index}; write it as \"cat,dog\"")]
    EmptyName {
        /// The place, counted from 1.
        index: usize,
    },
    /// A label that no GStreamer string or line of text can hold.
    #[error("{source_name}: label {index} has a control character in it; remove it")]
    Unprintable {
        /// The property, file or metadata.
        source_name: String,
        /// The label, counted from 1.
        index: usize,
    },
    /// The labels in the model's own metadata.
    #[error("the model's labels cannot be used: {0}; set labels or labels-file")]
    Metadata(ModelError),
    /// Too few or too many names.
    #[error(
        "{source_name} has {got} labels where the model has {classes} classes ({scores} scores); give \
         {classes} names, by labels or labels-file{}",
        if *.scores == 1 { ", that of a score below zero first" } else { "" }
    )]
    Count {
        /// The property, file or metadata.
        source_name: String,
        /// Names there are.
        got: usize,
        /// Scores of the model.
        scores: usize,
        /// Names needed: one a score, two for a single one.
        classes: usize,
    },
}

/// Settings that contradict themselves or each other.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A number outside its range.
    #[error("{property}={value} is out of range; set it to {range}")]
    Range {
        /// The property.
        property: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A mean or standard deviation that is none.
    #[error(
        "{property}=\"{value}\" is not one number or three (red, green, blue){hint}; write it as \
         127.5 or \"123.7,116.3,103.5\""
    )]
    Numbers {
        /// The property.
        property: &'static str,
        /// What it was set to.
        value: String,
        /// What else to mind.
        hint: &'static str,
    },
    /// Only one of mean and standard deviation.
    #[error("{given} is set but {missing} is not; set both or neither")]
    HalfNormalization {
        /// The property that is set.
        given: &'static str,
        /// The other one.
        missing: &'static str,
    },
    /// A placeholder that does not exist.
    #[error(
        "text-format=\"{format}\" has an unknown placeholder {placeholder}; there are {{label}}, \
         {{percent}}, {{confidence}} and {{results}}"
    )]
    Placeholder {
        /// The whole format.
        format: String,
        /// What is unknown in it.
        placeholder: String,
    },
    /// A text that is none.
    #[error("{property} is not UTF-8 text and stays as it was; set it to text")]
    NotUtf8 {
        /// The property.
        property: String,
    },
    /// A property of which this build can do nothing.
    #[error(
        "{property} needs analytics metadata, which this build of catdog has not; build it with \
         --features analytics, against GStreamer 1.24 or newer"
    )]
    WithoutAnalytics {
        /// The property and its value.
        property: &'static str,
    },
    /// Softmax of a single score is always 1.
    #[error(
        "output-activation=softmax makes 1 of the single score of {model}; use sigmoid or auto"
    )]
    SoftmaxOfOne {
        /// The model.
        model: ModelSource,
    },
}

/// Everything that keeps the element from starting.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The model file cannot be read.
    #[error("{model} cannot be read: {reason}; check the path")]
    Unreadable {
        /// The model.
        model: ModelSource,
        /// What the system says.
        reason: String,
    },
    /// No runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The accelerator is not there, or does not take the model.
    #[error(
        "accelerator={name} cannot run {model}: {source}; set accelerator=cpu, or put LiteRT's \
         accelerator library beside libLiteRt.so"
    )]
    Accelerator {
        /// Its name.
        name: &'static str,
        /// The model.
        model: ModelSource,
        /// What LiteRT says.
        source: EngineError,
    },
    /// The model cannot be loaded.
    #[error("{model}: {source}")]
    Model {
        /// The model.
        model: ModelSource,
        /// Why.
        source: LoadError,
    },
    /// The labels.
    #[error(transparent)]
    Labels(#[from] LabelsError),
}

/// Everything that can go wrong with one frame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameFault {
    /// A frame before any caps.
    #[error("a frame came before its format; link the element behind one that sets video caps")]
    NoFormat,
    /// The buffer is not what the caps say.
    #[error("a buffer does not fit the caps: {0}; look at the element upstream")]
    Frame(#[from] FrameError),
    /// The preprocessing refuses it.
    #[error("a frame cannot be preprocessed: {0}; look at the caps upstream")]
    Preprocess(#[from] PreprocessError),
    /// The result cannot be put on the buffer.
    #[error("the result cannot be attached: {0}; load catdog as a GStreamer plugin")]
    Metadata(String),
    /// The engine failed.
    #[error("{0}; CATDOG_LITERT_LOG=1 in the environment shows what LiteRT says of it")]
    Engine(#[from] EngineError),
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

/// The meaning of a `LiteRtStatus` (source: `litert_common.h`).
fn status_name(status: i32) -> String {
    let name = match status {
        1 => "invalid argument",
        2 => "out of memory",
        3 => "runtime failure",
        4 => "missing input tensor",
        5 => "unsupported",
        6 => "not found",
        7 => "timeout",
        8 => "wrong version",
        9 => "unknown error",
        500 => "file i/o",
        501 => "invalid flatbuffer",
        502 => "an accelerator's library cannot be loaded",
        504 => "compilation failed",
        _ => return format!("LiteRT status {status}"),
    };
    format!("{name} (LiteRT status {status})")
}
