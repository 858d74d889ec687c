//! `catdog inspect`: describes a model file, and how catdog interprets it.
//!
//! The command reads the file only. It needs neither the LiteRT runtime nor GStreamer.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use catdog_core::classifier::{
    Config, InputRange, Interpretation, LoadError, OutputActivation, ScalingSource,
};
use catdog_core::engine::litert::Accelerator;
use catdog_core::model::ModelSource;
use catdog_core::model::labels::LabelSource;
use catdog_core::model::tflite::{self, ModelInfo};
use catdog_core::preprocess::ResizeMethod;
use catdog_core::tensor::TensorInfo;
use serde::Serialize;

use crate::Failure;
use crate::output::{print, printable};

/// The argument that selects the built-in model.
const BUILT_IN: &str = "built-in";

/// Number of labels that the text shows.
const SHOWN_LABELS: usize = 10;

/// Describes a model file, and how catdog interprets it
#[derive(clap::Args)]
pub struct Arguments {
    /// A .tflite file, or `built-in` for the model that is part of catdog
    model: OsString,
    /// Class names, separated by commas; they take precedence over all other sources
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

/// Returns the configuration of a classifier with the properties that `arguments` set, and the
/// defaults of the others.
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
        input_size: None,
        output: None,
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
    /// The batch size is dynamic in the file, so it is set to 1.
    dynamic_batch: bool,
    output: Tensor,
    activation: ActivationReport,
    labels: LabelsReport,
    input_range: RangeReport,
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
    graph: String,
    /// What catdog applies to the scores: `none`, `sigmoid` or `softmax`.
    applied: String,
}

#[derive(Debug, Serialize)]
struct LabelsReport {
    names: Vec<String>,
    /// `labels`, `labels-file`, `metadata`, the name of a file next to the model, `file-name`,
    /// `default` or `numbers`.
    source: String,
    #[serde(skip)]
    explanation: LabelSource,
}

/// The elements that black and white become in the input tensor, for red, green and blue.
#[derive(Debug, Serialize)]
struct RangeReport {
    black: [f32; 3],
    white: [f32; 3],
    /// `properties`, `metadata`, `modelinfo` or `default`.
    source: &'static str,
    #[serde(skip)]
    range: InputRange,
    #[serde(skip)]
    explanation: ScalingSource,
}

/// What the optimization changes when the model is loaded.
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
        let Interpretation { labels, scaling, scaling_source, activation, warnings } =
            Interpretation::new(config, &info)?;
        Ok(Self {
            name: model.name().into_owned(),
            path: model.file().map(|path| path.to_string_lossy().into_owned()),
            size: file.len(),
            signature: info.signature.clone(),
            input: Tensor::new(&info.input),
            dynamic_batch: info.dynamic_batch,
            output: Tensor::new(&info.output),
            activation: ActivationReport {
                graph: info.activation.to_string(),
                applied: activation.to_string(),
            },
            labels: LabelsReport {
                names: labels.names,
                source: labels_name(&labels.source).to_owned(),
                explanation: labels.source,
            },
            input_range: RangeReport::new(scaling.range(&info.input), scaling_source),
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

impl RangeReport {
    fn new(range: InputRange, explanation: ScalingSource) -> Self {
        let source = match explanation {
            ScalingSource::Properties => "properties",
            ScalingSource::Metadata => "metadata",
            ScalingSource::ModelinfoFile => "modelinfo",
            ScalingSource::Default => "default",
        };
        Self { black: range.black, white: range.white, source, range, explanation }
    }
}

/// Returns the name of the source in JSON.
fn labels_name(source: &LabelSource) -> &str {
    match source {
        LabelSource::List => "labels",
        LabelSource::File => "labels-file",
        LabelSource::Metadata => "metadata",
        LabelSource::BesideModel(file) => file,
        LabelSource::LabModel => "default",
        LabelSource::FileName => "file-name",
        LabelSource::Numbers => "numbers",
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
        match self.graph.as_str() {
            "none" => f.write_str("none at the end of the graph")?,
            graph => write!(f, "{graph} at the end of the graph")?,
        }
        match self.applied.as_str() {
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

impl fmt::Display for RangeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pixel values 0..255 become {} ({})", self.range, self.explanation)
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
