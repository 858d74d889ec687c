//! Loading a classifier: runtime, model, labels, and everything that is inferred from the model file.

use std::sync::Arc;

use super::config::{Config, OutputActivation, RuntimeConfig};
use super::error::LoadError;
use super::input_scaling::{Scaling, input_scaling};
use super::{Classifier, Description, Parts};
use crate::decision::Activation;
use crate::engine::litert::{Accelerator, LiteRtOptions};
use crate::engine::shared_model::SharedModel;
use crate::engine::{ModelLoadError, thread_tuning};
use crate::model::ModelSource;
use crate::model::labels::{LabelSources, Labels};
use crate::model::tflite::{GraphActivation, ModelInfo};
use crate::tensor::ElementType;

impl Classifier {
    /// Loads runtime, model and labels.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if one of them is missing or damaged, or they contradict each other.
    pub fn load(config: &Config, runtime: RuntimeConfig) -> Result<Self, LoadError> {
        #[cfg(feature = "testing")]
        if let Some(engine) = config.model.file().and_then(crate::testing::FakeEngine::stand_in) {
            return Ok(Self::fake(engine, runtime));
        }
        let (shared, threads) = load_model(config)?;
        let info = shared.info();
        let labels = resolve_labels(config, info)?;
        let mut warnings = Vec::new();
        let scaling = input_scaling(config, info, &mut warnings);
        let activation = resolve_activation(config.activation, info, &config.model)?;
        warnings.extend(assumptions(config, info, &labels, &scaling));
        let description = Description {
            model: config.model.name().into_owned(),
            threads,
            accelerator: config.accelerator,
            optimization: shared.optimization().clone(),
            inference_time: shared.inference_time(),
            warnings,
        };
        let parts = Parts {
            pool: Arc::clone(shared.pool()),
            model: Some(shared),
            scaling,
            resize: config.resize,
            activation,
            labels: labels.names,
            description,
        };
        Ok(Self::from_parts(parts, runtime))
    }
}

/// Loads the model and returns it with its number of threads.
fn load_model(config: &Config) -> Result<(Arc<SharedModel>, u32), LoadError> {
    let Config { model, accelerator, optimize, .. } = config;
    let bytes =
        model.read().map_err(|reason| LoadError::Unreadable { model: model.clone(), reason })?;
    let loaded = match config.threads {
        0 => thread_tuning::load(&bytes, *accelerator, *optimize),
        threads => {
            let options = LiteRtOptions { threads, accelerator: *accelerator };
            SharedModel::load(&bytes, &options, *optimize).map(|model| (model, threads))
        }
    };
    loaded.map_err(|error| match error {
        ModelLoadError::Runtime(error) => LoadError::Runtime(error),
        ModelLoadError::Engine(source) if *accelerator != Accelerator::Cpu => {
            LoadError::Accelerator { name: accelerator.name(), model: model.clone(), source }
        }
        source => LoadError::Model { model: model.clone(), source },
    })
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

/// Returns a warning for each choice that had to be made without information.
fn assumptions(
    config: &Config,
    info: &ModelInfo,
    labels: &Labels,
    scaling: &Scaling,
) -> Vec<String> {
    let model = &config.model;
    let mut warnings = Vec::new();
    if labels.numbered {
        let scores = info.output.len();
        warnings.push(format!(
            "{model} has {scores} classes without names, so they are shown as numbers; set labels or \
             labels-file"
        ));
    }
    if *scaling == Scaling::Unknown && info.input.element == ElementType::F32 {
        warnings.push(format!(
            "{model} does not define the range of its float input, so levels 0..255 become -1..1; set \
             input-mean and input-std (0 and 1 for 0..255, 0 and 255 for 0..1)"
        ));
    }
    warnings
}
