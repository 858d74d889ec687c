//! How a classifier interprets a model, from the configuration and the model's file. This does not
//! need the runtime.

use super::config::{Config, OutputActivation};
use super::error::LoadError;
use super::input_scaling::{Scaling, ScalingSource, input_scaling, tensor_target};
use crate::decision::Activation;
use crate::model::ModelSource;
use crate::model::labels::{LabelSource, LabelSources, Labels};
use crate::model::tflite::{GraphActivation, ModelInfo};
use crate::preprocess::TensorTarget;
use crate::tensor::ElementType;

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
    /// Warnings, one sentence each: what was assumed, and which file is not used.
    pub warnings: Vec<String>,
}

impl Interpretation {
    /// Interprets the model that `info` describes.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the labels cannot be used, or the configuration contradicts the model.
    pub fn new(config: &Config, info: &ModelInfo) -> Result<Self, LoadError> {
        let labels = resolve_labels(config, info)?;
        let mut warnings = Vec::new();
        let (scaling, scaling_source) = input_scaling(config, info, &mut warnings);
        let activation = resolve_activation(config.activation, info, &config.model)?;
        warnings.extend(assumptions(config, info, &labels, &scaling));
        Ok(Self { labels, scaling, scaling_source, activation, warnings })
    }

    /// Returns what preprocessing produces for the input of the model that `info` describes.
    pub fn tensor_target(&self, info: &ModelInfo) -> TensorTarget {
        tensor_target(&info.input, &self.scaling)
    }

    /// Returns one line that describes the model: its tensors, the range of its input, its
    /// activation and its labels, and where they come from.
    pub fn summary(&self, info: &ModelInfo) -> String {
        let Self { labels, scaling, scaling_source, activation, .. } = self;
        let ModelInfo { input, output, activation: in_graph, .. } = info;
        format!(
            "input {input}; pixel values 0..255 become {} ({scaling_source}); output {output}; \
             activation {activation} (the graph contains {in_graph}); labels {} ({})",
            scaling.range(input),
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
    };
    Ok(sources.resolve(info.output.len())?)
}

fn resolve_activation(
    requested: OutputActivation,
    info: &ModelInfo,
    model: &ModelSource,
) -> Result<Activation, LoadError> {
    let scores = info.output.len();
    match requested {
        OutputActivation::Fixed(Activation::Softmax) if scores == 1 => {
            Err(LoadError::SoftmaxOfOneScore { model: model.clone() })
        }
        OutputActivation::Fixed(activation) => Ok(activation),
        OutputActivation::Auto => Ok(match info.activation {
            GraphActivation::Logistic | GraphActivation::Softmax => Activation::None,
            GraphActivation::None if scores == 1 => Activation::Sigmoid,
            GraphActivation::None => Activation::Softmax,
        }),
    }
}

/// Returns a warning for each fact that no source defines and that is therefore assumed.
fn assumptions(
    config: &Config,
    info: &ModelInfo,
    labels: &Labels,
    scaling: &Scaling,
) -> Vec<String> {
    let model = &config.model;
    let mut warnings = Vec::new();
    if labels.source == LabelSource::Numbers {
        let scores = info.output.len();
        warnings.push(format!(
            "{model} has {scores} classes without names, so they are shown as numbers; set labels or \
             labels-file"
        ));
    }
    if *scaling == Scaling::Unknown && info.input.element == ElementType::F32 {
        warnings.push(format!(
            "{model} does not define the range of its float input, so pixel values 0..255 become -1..1; \
             set input-mean and input-std (0 and 1 for 0..255, 0 and 255 for 0..1)"
        ));
    }
    warnings
}
