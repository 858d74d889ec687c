//! Loads a classifier: reads the model, loads the runtime, and interprets the model.

use std::sync::Arc;

use super::config::{Config, RuntimeConfig};
use super::error::LoadError;
use super::interpretation::{Interpretation, activation_after};
use super::probe::Probe;
use super::scaling::tensor_target;
use super::{Classifier, Description, Parts};
use crate::engine::litert::Accelerator;
use crate::engine::shared_model::SharedModel;
use crate::engine::{EngineOptions, ModelLoadError, thread_tuning};

impl Classifier {
    /// Loads runtime, model and labels.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if one of them is missing or cannot be used, or the configuration does not fit
    /// the model.
    pub fn load(config: &Config, runtime: RuntimeConfig) -> Result<Self, LoadError> {
        #[cfg(feature = "testing")]
        if let Some(engine) = config.model.file().and_then(crate::testing::FakeEngine::stand_in) {
            return Ok(Self::fake(engine, runtime));
        }
        let (shared, threads) = load_model(config)?;
        let info = shared.info();
        let interpretation = interpret(config, &shared)?;
        let summary = interpretation.summary(info);
        let target = tensor_target(&info.input, &interpretation.scaling);
        let Interpretation { labels, activation, multi_label, mut warnings, .. } = interpretation;
        warnings.extend(shared.note().map(str::to_owned));
        let description = Description {
            model: config.model.name().into_owned(),
            summary,
            threads,
            accelerator: config.accelerator,
            runtime: shared.runtime(),
            optimization: shared.optimization().clone(),
            inference_time: shared.inference_time(),
            multi_label,
            warnings,
        };
        let parts = Parts {
            pool: Arc::clone(shared.pool()),
            model: Some(shared),
            target,
            resize: config.resize,
            activation,
            labels: labels.names,
            description,
        };
        Ok(Self::from_parts(parts, runtime))
    }
}

impl Interpretation {
    /// Loads runtime and model, and interprets the model as [`Classifier::load`] does.
    ///
    /// # Errors
    ///
    /// As [`Classifier::load`].
    pub fn load(config: &Config) -> Result<Self, LoadError> {
        let (shared, _) = load_model(config)?;
        interpret(config, &shared)
    }
}

/// Interprets a loaded model, with the probe.
fn interpret(config: &Config, shared: &SharedModel) -> Result<Interpretation, LoadError> {
    let info = shared.info();
    let activation = activation_after(info);
    let probe = Probe::new(shared.pool(), &info.input, activation, shared.inference_time())
        .map(|probe| probe.cached(shared.file(), &config.model_options, config.accelerator));
    Interpretation::new(config, info, probe.as_ref())
}

/// Loads the model and returns it with its number of threads.
fn load_model(config: &Config) -> Result<(Arc<SharedModel>, u32), LoadError> {
    let Config { model, model_options, accelerator, optimize, .. } = config;
    let options = EngineOptions {
        runtime: config.runtime,
        threads: config.threads,
        accelerator: *accelerator,
    };
    let bytes =
        model.read().map_err(|reason| LoadError::Unreadable { model: model.clone(), reason })?;
    let loaded = match config.threads {
        0 => thread_tuning::load(&bytes, &options, model_options, *optimize),
        threads => SharedModel::load(&bytes, &options, model_options, *optimize)
            .map(|model| (model, threads)),
    };
    loaded.map_err(|error| match error {
        ModelLoadError::Runtime(error) => LoadError::Runtime(error),
        ModelLoadError::Engine(source) if *accelerator != Accelerator::Cpu => {
            LoadError::Accelerator { name: accelerator.name(), model: model.clone(), source }
        }
        source => LoadError::Model { model: model.clone(), source },
    })
}
