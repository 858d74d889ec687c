//! The facts about a model, read from its file.

use catdog_core::classifier::{
    ActivationSource, Config, InputRange, Interpretation, LoadError, ScalingSource,
};
use catdog_core::model::labels::LabelSource;
use catdog_core::model::tflite::{self, EvidenceOutput, ImageInput, Listing, ModelInfo};
use catdog_core::preprocess::{ChannelOrder, Channels};
use catdog_core::tensor::{self, TensorInfo};
use serde::Serialize;

use crate::output::path_text;

/// The facts about a model. The guide describes the keys; they do not change their meaning.
#[derive(Debug, Serialize)]
pub struct Report {
    /// File name.
    pub name: String,
    /// Path; `None` for the built-in model.
    pub path: Option<String>,
    /// Bytes of the file.
    pub size: usize,
    /// Whether the element runs the model.
    pub usable: bool,
    /// Why not, and the remedy.
    pub error: Option<String>,
    /// Key of the signature that runs; `None` if the file has no signatures.
    pub signature: Option<String>,
    /// All signatures.
    pub signatures: Vec<Signature>,
    /// Number of subgraphs.
    pub subgraphs: usize,
    /// The inputs, as in the file.
    pub inputs: Vec<Tensor<i32>>,
    /// The outputs, as in the file.
    pub outputs: Vec<Tensor<i32>>,
    /// The operators of the subgraph that runs, the most frequent first.
    pub operators: Vec<Operator>,
    /// How XNNPACK divides the graph; `None` if that is unknown.
    pub xnnpack: Option<Xnnpack>,
    /// The constants of the subgraph that runs.
    pub weights: Weights,
    /// How the element interprets the model; `None` if it refuses it.
    #[serde(flatten)]
    pub interpretation: Option<Interpreted>,
}

/// How the element interprets a model.
#[derive(Debug, Serialize)]
pub struct Interpreted {
    /// The input for one picture.
    pub input: Tensor<usize>,
    pub layout: Layout,
    /// The scores of one picture.
    pub output: Tensor<usize>,
    /// Index of the output with the scores.
    pub output_index: usize,
    /// The output that tells where the accepted class is; `None` if the model has none.
    pub evidence: Option<Evidence>,
    pub activation: Activation,
    pub labels: Labels,
    pub input_range: Range,
    pub optimization: Optimization,
    /// Why the runtime cannot be used. What only inferences tell is then assumed.
    pub runtime_error: Option<String>,
    pub warnings: Vec<String>,
}

/// The meaning of the dimensions of the input.
#[derive(Debug, Serialize)]
pub struct Layout {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `rgb` or `gray`.
    pub channels: &'static str,
    /// `last` (NHWC) or `first` (NCHW).
    pub channel_order: &'static str,
    /// Pictures per inference; more than 1 if the file fixes it, and one picture is used.
    pub batch: usize,
    /// A dimension is open in the file, so that catdog sets it.
    pub open: bool,
}

/// The output from which the box of the accepted class is computed.
#[derive(Debug, Serialize)]
pub struct Evidence {
    /// Index of the output.
    pub index: usize,
    /// Rows of places.
    pub rows: usize,
    /// Columns of places.
    pub columns: usize,
}

/// A signature of the file.
#[derive(Debug, Serialize)]
pub struct Signature {
    pub key: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    /// Whether the element runs it.
    pub runs: bool,
    /// Why it runs or not.
    pub reason: &'static str,
}

/// An input or output. In the file, an open dimension is -1.
#[derive(Debug, Serialize)]
pub struct Tensor<T> {
    pub name: String,
    pub shape: Vec<T>,
    #[serde(rename = "type")]
    pub element: &'static str,
    pub quantization: Option<Quantization>,
}

/// real = scale * (stored - zero_point).
#[derive(Debug, Serialize)]
pub struct Quantization {
    pub scale: f32,
    pub zero_point: i32,
}

/// An operator of the graph.
#[derive(Debug, Serialize)]
pub struct Operator {
    pub name: String,
    pub count: usize,
}

/// An estimate of how XNNPACK divides the graph.
#[derive(Debug, Serialize)]
pub struct Xnnpack {
    /// Number of operators.
    pub operators: usize,
    /// Number of operators that XNNPACK runs.
    pub accelerated: usize,
    /// Number of partitions.
    pub partitions: usize,
    /// Number of partitions that XNNPACK runs.
    pub accelerated_partitions: usize,
    /// The operators that XNNPACK does not run.
    pub refused: Vec<RefusedOperator>,
    /// How the numbers are known: `estimate`, from the file.
    pub source: &'static str,
}

/// Operators that XNNPACK does not run.
#[derive(Debug, Serialize)]
pub struct RefusedOperator {
    pub name: String,
    pub count: usize,
    pub reason: &'static str,
}

/// The constants of the graph.
#[derive(Debug, Serialize)]
pub struct Weights {
    pub bytes: u64,
    /// Number of elements; shapes and axes count, too.
    pub parameters: u64,
    pub types: Vec<WeightType>,
}

/// The constants of one element type.
#[derive(Debug, Serialize)]
pub struct WeightType {
    #[serde(rename = "type")]
    pub element: &'static str,
    pub tensors: usize,
    pub parameters: u64,
    pub bytes: u64,
}

/// How scores become confidences.
#[derive(Debug, Serialize)]
pub struct Activation {
    /// What the graph ends in: `none`, `logistic`, `softmax`, `log-softmax` or a description.
    pub graph: String,
    /// What catdog applies to the scores: `none`, `sigmoid`, `softmax` or `exp`.
    pub applied: String,
    /// Why.
    pub reason: String,
    /// The classes do not exclude each other.
    pub multi_label: bool,
}

#[derive(Debug, Serialize)]
pub struct Labels {
    pub names: Vec<String>,
    /// `labels`, `labels-file`, `metadata`, the name of a file next to the model, `file-name`,
    /// `default` or `numbers`.
    pub source: String,
    /// The source in words.
    pub reason: String,
}

/// The elements that black and white become in the input tensor, for red, green and blue.
#[derive(Debug, Serialize)]
pub struct Range {
    pub black: [f32; 3],
    pub white: [f32; 3],
    /// `properties`, `metadata`, `modelinfo`, `graph`, `probe`, `element-type` or `default`.
    pub source: &'static str,
    /// The source in words.
    pub reason: String,
    #[serde(skip)]
    pub range: InputRange,
}

/// What the optimization changes when the model is loaded.
#[derive(Debug, Serialize)]
pub struct Optimization {
    /// Number of int8 depthwise weight tensors that are converted to float.
    pub converted_weights: usize,
    /// Number of partitions afterwards; `None` if that is unknown.
    pub partitions: Option<usize>,
}

impl Report {
    /// Gathers the facts about the model of `config`, whose bytes are `file`. If the element refuses
    /// the model, the second value is its error.
    pub fn new(config: &Config, file: &[u8]) -> (Self, Option<LoadError>) {
        let (interpretation, refusal) = match interpret(config, file) {
            Ok(interpreted) => (Some(interpreted), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let listing = Listing::read(file).unwrap_or_default();
        let operators = tflite::operator_counts(file).into_iter();
        let report = Self {
            name: config.model.name().into_owned(),
            path: config.model.file().map(path_text),
            size: file.len(),
            usable: refusal.is_none(),
            error: refusal.as_ref().map(LoadError::to_string),
            signature: listing.signatures.iter().find(|s| s.runs).map(|s| s.key.clone()),
            signatures: signatures(&listing),
            subgraphs: listing.subgraphs,
            inputs: listing.inputs.iter().map(Tensor::listed).collect(),
            outputs: listing.outputs.iter().map(Tensor::listed).collect(),
            operators: operators.map(|(name, count)| Operator { name, count }).collect(),
            xnnpack: tflite::xnnpack_partitions(file).map(Xnnpack::new),
            weights: Weights::new(&listing),
            interpretation,
        };
        (report, refusal)
    }
}

/// Interprets the model, as a classifier with this configuration does. Without a runtime, what only
/// inferences tell is assumed.
fn interpret(config: &Config, file: &[u8]) -> Result<Interpreted, LoadError> {
    let info = ModelInfo::parse_with(file, &config.model_options)
        .map_err(|error| LoadError::Model { model: config.model.clone(), source: error.into() })?;
    let (interpretation, runtime_error) = match Interpretation::load(config) {
        Err(LoadError::Runtime(error)) => {
            (Interpretation::new(config, &info, None)?, Some(error.to_string()))
        }
        interpretation => (interpretation?, None),
    };
    let optimized = tflite::optimize(file);
    let Interpretation { labels, scaling, scaling_source, .. } = &interpretation;
    Ok(Interpreted {
        input: Tensor::of_model(&info.input.tensor),
        layout: Layout::new(&info.input),
        output: Tensor::of_model(&info.output),
        output_index: info.output_index,
        evidence: info.evidence.as_ref().and_then(Evidence::new),
        activation: Activation {
            graph: info.activation.to_string(),
            applied: interpretation.activation.to_string(),
            reason: activation_reason(interpretation.activation_source, &info),
            multi_label: interpretation.multi_label,
        },
        labels: Labels {
            names: labels.names.clone(),
            source: labels_name(&labels.source),
            reason: labels.source.to_string(),
        },
        input_range: Range::new(scaling.range(&info.input.tensor), scaling_source),
        optimization: Optimization {
            converted_weights: optimized.as_ref().map_or(0, |optimized| optimized.weights),
            partitions: optimized
                .and_then(|optimized| tflite::xnnpack_partitions(&optimized.file))
                .map(|partitions| partitions.partitions),
        },
        runtime_error,
        warnings: interpretation.warnings,
    })
}

/// Returns why the activation is applied.
fn activation_reason(source: ActivationSource, info: &ModelInfo) -> String {
    match source {
        ActivationSource::NumberOfScores if info.output.len() == 1 => {
            "the graph ends without an activation, and it has one score".to_owned()
        }
        ActivationSource::NumberOfScores => {
            "the graph ends without an activation, and it has several scores".to_owned()
        }
        ActivationSource::Graph(_) => "the graph contains the activation".to_owned(),
        ActivationSource::Property | ActivationSource::Probe => source.to_string(),
    }
}

impl Evidence {
    fn new(output: &EvidenceOutput) -> Option<Self> {
        let [_, rows, columns, _] = output.tensor.shape[..] else { return None };
        Some(Self { index: output.index, rows, columns })
    }
}

impl Layout {
    fn new(input: &ImageInput) -> Self {
        let (width, height) = input.size;
        Self {
            width,
            height,
            channels: match input.channels {
                Channels::Rgb => "rgb",
                Channels::Bgr => "bgr",
                Channels::Gray => "gray",
            },
            channel_order: match input.order {
                ChannelOrder::Last => "last",
                ChannelOrder::First => "first",
            },
            batch: input.batch(),
            open: input.is_open,
        }
    }
}

/// Returns the signatures with the reason why one runs.
fn signatures(listing: &Listing) -> Vec<Signature> {
    let none_runs = listing.signatures.iter().all(|signature| !signature.runs);
    let reason = |runs: bool, key: &str| match (runs, key) {
        _ if none_runs => "a signature names tensors that are not those of the graph",
        (true, "serving_default") => "it is the forward pass of models from Keras and SavedModel",
        (true, _) => "it is the first one, and none is named serving_default",
        (false, _) => "one signature runs",
    };
    let signatures = listing.signatures.iter();
    signatures
        .map(|signature| Signature {
            key: signature.key.clone(),
            inputs: signature.inputs.clone(),
            outputs: signature.outputs.clone(),
            runs: signature.runs,
            reason: reason(signature.runs, &signature.key),
        })
        .collect()
}

impl Tensor<i32> {
    fn listed(tensor: &tflite::ListedTensor) -> Self {
        Self {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            element: tensor.element,
            quantization: tensor.quantization.map(Quantization::new),
        }
    }
}

impl Tensor<usize> {
    fn of_model(info: &TensorInfo) -> Self {
        Self {
            name: info.name.clone(),
            shape: info.shape.clone(),
            element: info.element.name(),
            quantization: info.quantization.map(Quantization::new),
        }
    }
}

impl Quantization {
    fn new(quantization: tensor::Quantization) -> Self {
        Self { scale: quantization.scale, zero_point: quantization.zero_point }
    }
}

impl Xnnpack {
    fn new(partitions: tflite::Partitions) -> Self {
        let refused = partitions.refused.into_iter();
        Self {
            operators: partitions.operators,
            accelerated: partitions.accelerated,
            partitions: partitions.partitions,
            accelerated_partitions: partitions.accelerated_partitions,
            refused: refused
                .map(|tflite::RefusedOperator { name, count, reason }| RefusedOperator {
                    name,
                    count,
                    reason,
                })
                .collect(),
            source: "estimate",
        }
    }
}

impl Weights {
    fn new(listing: &Listing) -> Self {
        let constants = listing.constants.iter();
        let types: Vec<WeightType> = constants
            .map(|constant| WeightType {
                element: constant.element,
                tensors: constant.tensors,
                parameters: constant.elements,
                bytes: constant.bytes,
            })
            .collect();
        Self {
            bytes: types.iter().fold(0, |sum, t| sum.saturating_add(t.bytes)),
            parameters: types.iter().fold(0, |sum, t| sum.saturating_add(t.parameters)),
            types,
        }
    }
}

impl Range {
    fn new(range: InputRange, source: &ScalingSource) -> Self {
        let name = match source {
            ScalingSource::Properties => "properties",
            ScalingSource::Metadata => "metadata",
            ScalingSource::ModelinfoFile => "modelinfo",
            ScalingSource::Graph(_) => "graph",
            ScalingSource::Probe => "probe",
            ScalingSource::UnusedMetadata
            | ScalingSource::Quantization
            | ScalingSource::ElementType => "element-type",
            ScalingSource::Default => "default",
        };
        let InputRange { black, white } = range;
        Self { black, white, source: name, reason: source.to_string(), range }
    }
}

/// Returns the name of the source in JSON.
fn labels_name(source: &LabelSource) -> String {
    match source {
        LabelSource::List => "labels",
        LabelSource::File => "labels-file",
        LabelSource::Metadata => "metadata",
        LabelSource::BesideModel(file) => file,
        LabelSource::FileName => "file-name",
        LabelSource::LabModel => "default",
        LabelSource::Numbers => "numbers",
    }
    .to_owned()
}
