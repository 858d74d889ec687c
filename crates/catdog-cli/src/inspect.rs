//! `catdog inspect`: prints what a model file says about itself and how catdog interprets it.
//!
//! It reads the file only. It needs neither the LiteRT runtime nor GStreamer.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use catdog_core::classifier::{Config, Interpretation, LoadError, OutputActivation, Scaling};
use catdog_core::decision::Activation;
use catdog_core::engine::litert::Accelerator;
use catdog_core::model::ModelSource;
use catdog_core::model::labels::LabelSource;
use catdog_core::model::tflite::{self, GraphActivation, ModelInfo};
use catdog_core::preprocess::ResizeMethod;
use catdog_core::tensor::TensorInfo;
use serde::Serialize;

use crate::Failure;
use crate::output::{print, printable};

/// The name that stands for the built-in model.
const BUILT_IN: &str = "built-in";

/// Number of labels that the text shows.
const SHOWN_LABELS: usize = 10;

/// Prints what a model file says about itself, and how catdog interprets it
#[derive(clap::Args)]
pub struct Arguments {
    /// A .tflite file, or `built-in` for the model that is part of catdog
    model: OsString,
    /// Class names, separated by commas; take precedence over every file
    #[arg(long, value_name = "NAMES")]
    labels: Option<String>,
    /// A file with one class name per line
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// The model or the labels cannot be read or used, or stdout cannot be written.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let report = Report::new(&config(arguments))?;
    let text =
        if arguments.json { serde_json::to_string(&report)? + "\n" } else { report.to_string() };
    print(&text).map_err(|error| format!("stdout cannot be written: {error}"))?;
    Ok(())
}

/// Returns the configuration of a classifier with the properties that `arguments` set, and the defaults of
/// all others that matter here.
fn config(arguments: &Arguments) -> Config {
    let model = if arguments.model == BUILT_IN {
        ModelSource::BuiltIn
    } else {
        ModelSource::File(PathBuf::from(&arguments.model))
    };
    Config {
        model,
        labels: arguments.labels.clone(),
        labels_file: arguments.labels_file.clone(),
        threads: 0,
        accelerator: Accelerator::Cpu,
        optimize: true,
        normalization: None,
        resize: ResizeMethod::Stretch.into(),
        activation: OutputActivation::Auto,
    }
}

/// The facts about a model. Its serialized form is the output of `--json`, its `Display` the text.
#[derive(Debug, Serialize)]
struct Report {
    /// File name.
    name: String,
    /// Path; `None` for the built-in model.
    path: Option<String>,
    /// Bytes of the file.
    size: usize,
    /// Key of the signature that runs; `None` if the file has no signatures.
    signature: Option<String>,
    input: Tensor,
    /// The file leaves the batch size open, so it is set to 1.
    dynamic_batch: bool,
    output: Tensor,
    activation: ActivationReport,
    labels: LabelsReport,
    input_range: InputRange,
    optimization: Optimization,
    warnings: Vec<String>,
}

/// The input or the output.
#[derive(Debug, Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    #[serde(rename = "type")]
    element: &'static str,
    quantization: Option<Quantization>,
}

/// real = scale * (stored - zero_point).
#[derive(Debug, Serialize)]
struct Quantization {
    scale: f32,
    zero_point: i32,
}

/// How scores become confidences.
#[derive(Debug, Serialize)]
struct ActivationReport {
    /// What the graph ends in: `none`, `logistic` or `softmax`.
    graph: &'static str,
    /// What catdog applies to the scores: `none`, `sigmoid` or `softmax`.
    applied: &'static str,
}

#[derive(Debug, Serialize)]
struct LabelsReport {
    names: Vec<String>,
    /// `labels`, `labels-file`, `metadata`, `labels.txt`, `default` or `numbers`.
    source: &'static str,
    #[serde(skip)]
    explanation: &'static str,
}

/// The elements that black and white become in the input tensor, for red, green and blue.
#[derive(Debug, Serialize)]
struct InputRange {
    black: [f32; 3],
    white: [f32; 3],
    /// `metadata`, `modelinfo` or `default`.
    source: &'static str,
    #[serde(skip)]
    explanation: &'static str,
}

/// What optimizing changes when the model is loaded.
#[derive(Debug, Serialize)]
struct Optimization {
    /// Number of int8 depthwise weight tensors that are converted to float.
    converted_weights: usize,
}

impl Report {
    /// Reads the model that `config` names and gathers the facts.
    ///
    /// # Errors
    ///
    /// [`LoadError`], as a classifier with this configuration reports it.
    fn new(config: &Config) -> Result<Self, LoadError> {
        let Config { model, .. } = config;
        let file = model
            .read()
            .map_err(|reason| LoadError::Unreadable { model: model.clone(), reason })?;
        let info = ModelInfo::parse(&file)
            .map_err(|error| LoadError::Model { model: model.clone(), source: error.into() })?;
        let Interpretation { labels, scaling, activation, warnings } =
            Interpretation::new(config, &info)?;
        let (labels_source, labels_explanation) = explain_labels(labels.source);
        Ok(Self {
            name: model.name().into_owned(),
            path: model.file().map(|path| path.to_string_lossy().into_owned()),
            size: file.len(),
            signature: info.signature.clone(),
            input: Tensor::new(&info.input),
            dynamic_batch: info.dynamic_batch,
            output: Tensor::new(&info.output),
            activation: ActivationReport {
                graph: graph_activation(info.activation),
                applied: applied_activation(activation),
            },
            labels: LabelsReport {
                names: labels.names,
                source: labels_source,
                explanation: labels_explanation,
            },
            input_range: InputRange::new(&scaling, &info.input),
            optimization: Optimization {
                converted_weights: tflite::optimize(&file).map_or(0, |optimized| optimized.weights),
            },
            warnings,
        })
    }
}

impl Tensor {
    fn new(info: &TensorInfo) -> Self {
        Self {
            name: info.name.clone(),
            shape: info.shape.clone(),
            element: info.element.name(),
            quantization: info
                .quantization
                .map(|q| Quantization { scale: q.scale, zero_point: q.zero_point }),
        }
    }
}

impl InputRange {
    fn new(scaling: &Scaling, input: &TensorInfo) -> Self {
        // `inspect` sets no mean and standard deviation, so only files define the scaling.
        let (source, explanation) = match scaling {
            Scaling::Real(_) => ("metadata", "from the metadata of the model"),
            Scaling::Stored(_) => ("modelinfo", "from the .modelinfo file next to the model"),
            Scaling::Unknown => ("default", "default, because the model does not define it"),
        };
        let range = scaling.range(input);
        Self {
            black: range.map(|(black, _)| black),
            white: range.map(|(_, white)| white),
            source,
            explanation,
        }
    }
}

/// Returns the name of the source in JSON, and the explanation in the text.
fn explain_labels(source: LabelSource) -> (&'static str, &'static str) {
    match source {
        LabelSource::List => ("labels", "from --labels"),
        LabelSource::File => ("labels-file", "from --labels-file"),
        LabelSource::Metadata => ("metadata", "from the metadata of the model"),
        LabelSource::BesideModel => ("labels.txt", "from labels.txt next to the model"),
        LabelSource::CatAndDog => ("default", "default of a model with one or two classes"),
        LabelSource::Numbers => ("numbers", "numbers, because no source has names"),
    }
}

fn graph_activation(activation: GraphActivation) -> &'static str {
    match activation {
        GraphActivation::None => "none",
        GraphActivation::Logistic => "logistic",
        GraphActivation::Softmax => "softmax",
    }
}

fn applied_activation(activation: Activation) -> &'static str {
    match activation {
        Activation::None => "none",
        Activation::Sigmoid => "sigmoid",
        Activation::Softmax => "softmax",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |key: &str, value: &dyn fmt::Display| {
            writeln!(f, "{key:<13} {}", printable(&value.to_string()))
        };
        line("model", &self.path.as_deref().unwrap_or("the built-in model"))?;
        line("name", &self.name)?;
        line("size", &format_args!("{} bytes", self.size))?;
        line("signature", &self.signature.as_deref().unwrap_or("none"))?;
        line("input", &self.input)?;
        let batch = if self.dynamic_batch { "dynamic, set to 1" } else { "1" };
        line("batch size", &batch)?;
        line("output", &self.output)?;
        line("activation", &self.activation)?;
        line("labels", &self.labels)?;
        line("input range", &self.input_range)?;
        line("optimization", &self.optimization)?;
        for warning in &self.warnings {
            line("warning", warning)?;
        }
        Ok(())
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}', {} {:?}", self.name, self.element, self.shape)?;
        match &self.quantization {
            Some(q) => write!(f, ", scale {}, zero point {}", q.scale, q.zero_point),
            None => f.write_str(", not quantized"),
        }
    }
}

impl fmt::Display for ActivationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.graph {
            "none" => f.write_str("none at the end of the graph")?,
            graph => write!(f, "{graph} at the end of the graph")?,
        }
        match self.applied {
            "none" => f.write_str("; the scores are confidences"),
            applied => write!(f, "; catdog applies {applied}"),
        }
    }
}

impl fmt::Display for LabelsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.names.len().min(SHOWN_LABELS);
        f.write_str(&self.names[..shown].join(", "))?;
        if shown < self.names.len() {
            write!(f, ", ... ({} in total; {})", self.names.len(), self.explanation)
        } else {
            write!(f, " ({})", self.explanation)
        }
    }
}

impl fmt::Display for InputRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "levels 0..255 become {} ({})", self.channels(), self.explanation)
    }
}

impl InputRange {
    /// Returns the range of all channels, or the ranges of red, green and blue if they differ.
    fn channels(&self) -> String {
        let range = |channel: usize| format!("{}..{}", self.black[channel], self.white[channel]);
        let mut text = range(0);
        if (1..3).any(|channel| range(channel) != text) {
            let _ = write!(text, " (red), {} (green), {} (blue)", range(1), range(2));
        }
        text
    }
}

impl fmt::Display for Optimization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.converted_weights {
            0 => f.write_str("nothing to do"),
            count => write!(
                f,
                "converts {count} depthwise weight tensor{} to float, so that XNNPACK runs the graph as one \
                 partition; used if the decisions stay the same",
                if count == 1 { "" } else { "s" }
            ),
        }
    }
}
