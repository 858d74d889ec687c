//! How a classifier interprets a model, from the configuration, the model's file and, if the runtime
//! is loaded, a few inferences.

use std::fmt;

use super::config::{Config, OutputActivation};
use super::error::{ClassifyError, LoadError};
use super::input_scaling::{ScalingSource, input_scaling};
use super::probe::Probe;
use super::scaling::{Scaling, tensor_target};
use crate::decision::Activation;
use crate::model::ModelSource;
use crate::model::labels::{LabelSource, LabelSources, Labels, is_lab_model};
use crate::model::tflite::{GraphActivation, ModelInfo};
use crate::preprocess::{Channels, TensorTarget};

/// How a classifier interprets a model.
#[derive(Clone, Debug)]
pub struct Interpretation {
    /// The names of the classes, and their source.
    pub labels: Labels,
    /// How the pixel values of a frame become elements of the input.
    pub scaling: Scaling,
    /// Where the scaling comes from.
    pub scaling_source: ScalingSource,
    /// How scores become confidences.
    pub activation: Activation,
    /// Where the activation comes from.
    pub activation_source: ActivationSource,
    /// The classes do not exclude each other: each score is a probability of its own.
    pub multi_label: bool,
    /// Warnings, one sentence each: what was assumed, and which file is not used.
    pub warnings: Vec<String>,
}

/// Where the activation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationSource {
    /// The property `output-activation`.
    Property,
    /// The graph contains this activation.
    Graph(GraphActivation),
    /// The scores of the load-time probe are not negative and their sum is 1.
    Probe,
    /// The number of scores: the graph contains no activation.
    NumberOfScores,
}

impl fmt::Display for ActivationSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property => f.write_str("from output-activation"),
            Self::Graph(activation) => write!(f, "the graph contains {activation}"),
            Self::Probe => f.write_str("the scores are not negative and their sum is 1"),
            Self::NumberOfScores => f.write_str("the graph contains none"),
        }
    }
}

impl Interpretation {
    /// Interprets the model that `info` describes. Without a `probe`, what only the probe can tell
    /// is assumed.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the labels cannot be used, the configuration contradicts the model, or the
    /// model cannot be run on the pictures of the probe.
    pub fn new(
        config: &Config,
        info: &ModelInfo,
        probe: Option<&Probe<'_>>,
    ) -> Result<Self, LoadError> {
        let labels = resolve_labels(config, info)?;
        let mut warnings = labels.warnings.clone();
        let in_probe = |source| LoadError::Probe { model: config.model.clone(), source };
        let (scaling, scaling_source) =
            input_scaling(config, info, probe, &mut warnings).map_err(in_probe)?;
        let probabilities =
            || probe.map_or(Ok(false), |probe| probe.scores_are_probabilities(&scaling));
        let (activation, activation_source) =
            resolve_activation(config.activation, info, &config.model, probabilities)?;
        let multi_label =
            is_multi_label(info, activation_source, probabilities).map_err(in_probe)?;
        warnings.extend(assumptions(config, info, &labels, activation_source));
        Ok(Self {
            labels,
            scaling,
            scaling_source,
            activation,
            activation_source,
            multi_label,
            warnings,
        })
    }

    /// Returns what preprocessing produces for the input of the model that `info` describes.
    pub fn tensor_target(&self, info: &ModelInfo) -> TensorTarget {
        tensor_target(&info.input, &self.scaling)
    }

    /// Returns one line that describes the model: its tensors, the range of its input, its
    /// activation and its labels, and where they come from.
    pub fn summary(&self, info: &ModelInfo) -> String {
        let Self { labels, scaling, scaling_source, activation, activation_source, .. } = self;
        let (input, output) = (&info.input.tensor, &info.output);
        format!(
            "{}input {input}{}; pixel values 0..255 become {} ({scaling_source}); output {output}; \
             activation {activation} ({activation_source}){}; labels {} ({})",
            if info.ignores_signatures {
                "the signatures do not fit the graph and are ignored; "
            } else {
                ""
            },
            if info.input.channels == Channels::Bgr {
                ", in the order blue, green, red"
            } else {
                ""
            },
            scaling.range(input),
            if self.multi_label { "; multi-label" } else { "" },
            labels.names.join(", "),
            labels.source
        )
    }
}

fn resolve_labels(config: &Config, info: &ModelInfo) -> Result<Labels, LoadError> {
    let sources = LabelSources {
        list: config.labels.as_deref(),
        file: config.labels_file.as_deref(),
        metadata: info.labels.as_ref(),
        model: config.model.file(),
        is_lab_model: is_lab_model(info),
    };
    Ok(sources.resolve(info.output.len())?)
}

/// Returns the activation and its source. `probabilities` runs the probe.
fn resolve_activation(
    requested: OutputActivation,
    info: &ModelInfo,
    model: &ModelSource,
    probabilities: impl FnOnce() -> Result<bool, ClassifyError>,
) -> Result<(Activation, ActivationSource), LoadError> {
    let scores = info.output.len();
    let activation = activation_after(info);
    Ok(match requested {
        OutputActivation::Fixed(Activation::Softmax) if scores == 1 => {
            return Err(LoadError::SoftmaxOfOneScore { model: model.clone() });
        }
        OutputActivation::Fixed(activation) => (activation, ActivationSource::Property),
        OutputActivation::Auto if info.activation != GraphActivation::None => {
            (activation, ActivationSource::Graph(info.activation))
        }
        OutputActivation::Auto => {
            let in_probe = |source| LoadError::Probe { model: model.clone(), source };
            match scores > 1 && probabilities().map_err(in_probe)? {
                true => (Activation::None, ActivationSource::Probe),
                false => (activation, ActivationSource::NumberOfScores),
            }
        }
    })
}

/// Returns the activation that turns the output of the graph into confidences, as far as the graph
/// tells it.
pub(super) fn activation_after(info: &ModelInfo) -> Activation {
    match info.activation {
        GraphActivation::None if info.output.len() == 1 => Activation::Sigmoid,
        GraphActivation::None => Activation::Softmax,
        GraphActivation::LogSoftmax => Activation::Exp,
        GraphActivation::Logistic
        | GraphActivation::Softmax
        | GraphActivation::SeveralSoftmax
        | GraphActivation::Unclear(_) => Activation::None,
    }
}

/// Returns whether the classes do not exclude each other: several scores end in a LOGISTIC and their
/// sum is not 1, or they are several distributions. `probabilities` runs the probe.
fn is_multi_label(
    info: &ModelInfo,
    activation: ActivationSource,
    probabilities: impl FnOnce() -> Result<bool, ClassifyError>,
) -> Result<bool, ClassifyError> {
    if activation == ActivationSource::Graph(GraphActivation::SeveralSoftmax) {
        return Ok(true);
    }
    let is_logistic = activation == ActivationSource::Graph(GraphActivation::Logistic);
    Ok(is_logistic && info.output.len() > 1 && !probabilities()?)
}

/// Returns a warning for each fact that no source defines and that is therefore assumed.
fn assumptions(
    config: &Config,
    info: &ModelInfo,
    labels: &Labels,
    activation: ActivationSource,
) -> Vec<String> {
    let model = &config.model;
    let mut warnings = Vec::new();
    if labels.source == LabelSource::Numbers {
        let classes = labels.names.len();
        warnings.push(format!(
            "{model} has {classes} classes without names, so they are shown as numbers; set labels or \
             labels-file"
        ));
    }
    if info.input.size_is_default {
        let (width, height) = info.input.size;
        warnings.push(format!(
            "the input of {model} has no fixed size, so {width}x{height} is used; set input-size to the \
             size that it was trained with"
        ));
    }
    let batch = info.input.batch();
    if batch > 1 {
        warnings.push(format!(
            "{model} computes {batch} pictures at a time, of which one is used; export it with a batch \
             size of 1 to save time"
        ));
    }
    if info.activation == GraphActivation::Softmax && info.output.len() == 1 {
        warnings.push(format!(
            "{model} ends in a softmax over one score, which is always 1; train it with a sigmoid, or \
             with two classes"
        ));
    }
    let unclear = match activation {
        ActivationSource::Graph(GraphActivation::SeveralSoftmax) => {
            Some("several distributions, one after the other")
        }
        ActivationSource::Graph(GraphActivation::Unclear(scores)) => Some(scores),
        _ => None,
    };
    warnings.extend(unclear.map(|scores| {
        format!(
            "the scores of {model} are {scores}, so they are taken as confidences; set \
             output-activation to choose the activation"
        )
    }));
    if activation == ActivationSource::Probe {
        warnings.push(format!(
            "the scores of {model} look like probabilities (they are not negative and their sum is 1), so \
             no activation is applied; set output-activation if they are logits"
        ));
    }
    warnings
}
