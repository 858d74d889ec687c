//! The facts about a model, read from its file.

use catdog_core::classifier::{
    Config, InputRange, Interpretation, LoadError, OutputActivation, ScalingSource,
};
use catdog_core::model::labels::LabelSource;
use catdog_core::model::tflite::{self, GraphActivation, Listing, ModelInfo};
use catdog_core::tensor::{self, TensorInfo};
use serde::Serialize;

use super::path_text;

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
    pub input: Tensor<usize>,
    /// The batch size is dynamic in the file, so it is set to 1.
    pub dynamic_batch: bool,
    pub output: Tensor<usize>,
    pub activation: Activation,
    pub labels: Labels,
    pub input_range: Range,
    pub optimization: Optimization,
    pub warnings: Vec<String>,
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
    /// What the graph ends in: `none`, `logistic` or `softmax`.
    pub graph: String,
    /// What catdog applies to the scores: `none`, `sigmoid` or `softmax`.
    pub applied: String,
    /// Why.
    pub reason: &'static str,
}

#[derive(Debug, Serialize)]
pub struct Labels {
    pub names: Vec<String>,
    /// `labels`, `labels-file`, `metadata`, `labels.txt`, `default` or `numbers`.
    pub source: &'static str,
    /// The source in words.
    pub reason: String,
}

/// The elements that black and white become in the input tensor, for red, green and blue.
#[derive(Debug, Serialize)]
pub struct Range {
    pub black: [f32; 3],
    pub white: [f32; 3],
    /// `properties`, `metadata`, `modelinfo` or `default`.
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

/// Interprets the model, as a classifier with this configuration does.
fn interpret(config: &Config, file: &[u8]) -> Result<Interpreted, LoadError> {
    let info = ModelInfo::parse(file)
        .map_err(|error| LoadError::Model { model: config.model.clone(), source: error.into() })?;
    let interpretation = Interpretation::new(config, &info)?;
    let optimized = tflite::optimize(file);
    let Interpretation { labels, scaling, scaling_source, activation, warnings } = interpretation;
    Ok(Interpreted {
        input: Tensor::of_model(&info.input),
        dynamic_batch: info.dynamic_batch,
        output: Tensor::of_model(&info.output),
        activation: Activation {
            graph: info.activation.to_string(),
            applied: activation.to_string(),
            reason: activation_reason(config.activation, &info),
        },
        labels: Labels {
            names: labels.names,
            source: labels_name(labels.source),
            reason: labels.source.to_string(),
        },
        input_range: Range::new(scaling.range(&info.input), scaling_source),
        optimization: Optimization {
            converted_weights: optimized.as_ref().map_or(0, |optimized| optimized.weights),
            partitions: optimized
                .and_then(|optimized| tflite::xnnpack_partitions(&optimized.file))
                .map(|partitions| partitions.partitions),
        },
        warnings,
    })
}

/// Returns why the activation is applied.
fn activation_reason(requested: OutputActivation, info: &ModelInfo) -> &'static str {
    match (requested, info.activation) {
        (OutputActivation::Fixed(_), _) => "from output-activation",
        (OutputActivation::Auto, GraphActivation::None) if info.output.len() == 1 => {
            "the graph ends without an activation, and it has one score"
        }
        (OutputActivation::Auto, GraphActivation::None) => {
            "the graph ends without an activation, and it has several scores"
        }
        (OutputActivation::Auto, _) => "the graph contains the activation",
    }
}

/// Returns the signatures with the reason why one runs.
fn signatures(listing: &Listing) -> Vec<Signature> {
    let reason = |runs: bool, key: &str| match (runs, key) {
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
    fn new(range: InputRange, source: ScalingSource) -> Self {
        let name = match source {
            ScalingSource::Properties => "properties",
            ScalingSource::Metadata => "metadata",
            ScalingSource::ModelinfoFile => "modelinfo",
            ScalingSource::Default => "default",
        };
        let InputRange { black, white } = range;
        Self { black, white, source: name, reason: source.to_string(), range }
    }
}

/// Returns the name of the source in JSON.
fn labels_name(source: LabelSource) -> &'static str {
    match source {
        LabelSource::List => "labels",
        LabelSource::File => "labels-file",
        LabelSource::Metadata => "metadata",
        LabelSource::BesideModel => "labels.txt",
        LabelSource::CatAndDog => "default",
        LabelSource::Numbers => "numbers",
    }
}
