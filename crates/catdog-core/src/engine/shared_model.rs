//! Models that all users in a process share, keyed by file contents and options.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::agreement::agree;
use super::loaded_model::LoadedModel;
use super::scheduler::EnginePool;
use super::{Engine, EngineOptions, ModelLoadError, Runtime};
use crate::model::tflite::{self, ModelInfo, ModelOptions};
use crate::sync::lock;

/// The result of optimizing a model file before LiteRT reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Optimization {
    /// Optimizing is disabled.
    Off,
    /// The model needs no optimization.
    Nothing,
    /// This many weight tensors were converted to float.
    Weights(usize),
    /// The optimized model made other decisions or did not run, so the original is used. The text
    /// is the reason.
    Refused(String),
}

impl fmt::Display for Optimization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Nothing => f.write_str("nothing to do"),
            Self::Weights(count) => write!(f, "{count} depthwise weights converted to float"),
            Self::Refused(reason) => write!(f, "not optimized: {reason}"),
        }
    }
}

/// A loaded model and its pool of engines. The pool has one engine per user, but not more than can
/// run in parallel on the CPUs of the machine.
pub struct SharedModel {
    model: LoadedModel,
    options: EngineOptions,
    /// The requested file, if a changed one runs in its place.
    requested_file: Option<Vec<u8>>,
    model_options: ModelOptions,
    optimize: bool,
    optimization: Optimization,
    pool: Arc<EnginePool>,
    inference_time: Duration,
}

impl SharedModel {
    /// Returns the model in `file` (the bytes of a `.tflite` file). It is loaded unless the process
    /// has loaded the same file with the same options already.
    ///
    /// `model_options` are the choices for a model that leaves some. With `optimize`, the rewritten model of [`tflite::optimize()`] runs in its place if it makes
    /// the same decisions.
    ///
    /// # Errors
    ///
    /// [`ModelLoadError`] if there is no usable runtime, the file is not an image classifier, or the
    /// runtime refuses it.
    pub fn load(
        file: &[u8],
        options: &EngineOptions,
        model_options: &ModelOptions,
        optimize: bool,
    ) -> Result<Arc<Self>, ModelLoadError> {
        static LOADED: Mutex<Vec<Weak<SharedModel>>> = Mutex::new(Vec::new());
        // The lock is held while loading, so that elements that start at the same time load the
        // model once.
        let mut loaded = lock(&LOADED);
        loaded.retain(|model| model.strong_count() > 0);
        let same = |shared: &Arc<Self>| {
            let key = (&shared.options, &shared.model_options, shared.optimize);
            key == (options, model_options, optimize) && shared.file() == file
        };
        if let Some(shared) = loaded.iter().filter_map(Weak::upgrade).find(same) {
            let users = Arc::strong_count(&shared);
            if shared.pool.engine_count() < users.min(max_parallel_inferences(options)) {
                // If this fails, the users share the engines that exist.
                if let Ok(mut engine) = shared.model.engine()
                    && engine.run().is_ok()
                {
                    shared.pool.add(engine);
                }
            }
            return Ok(shared);
        }
        let model = LoadedModel::new(file, options, model_options)?;
        let engine = model.engine()?;
        let (model, mut engine, optimization) = match optimize {
            true => optimized(model, engine, options, model_options),
            false => (model, engine, Optimization::Off),
        };
        // Warm-up: the first run takes several times as long as the others, because memory is
        // touched for the first time. It runs here, so that no frame waits for it.
        engine.run()?;
        let start = Instant::now();
        engine.run()?;
        let inference_time = start.elapsed();
        let pool = EnginePool::new(engine);
        let shared = Arc::new(Self {
            requested_file: (model.file() != file).then(|| file.to_vec()),
            model_options: model_options.clone(),
            model,
            options: *options,
            optimize,
            optimization,
            pool,
            inference_time,
        });
        loaded.push(Arc::downgrade(&shared));
        Ok(shared)
    }

    /// Returns the description of the model in its file.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// Returns the result of optimizing the model.
    pub fn optimization(&self) -> &Optimization {
        &self.optimization
    }

    /// Returns the library that runs the model.
    pub fn runtime(&self) -> Runtime {
        self.model.runtime()
    }

    /// Returns what a user should know about how the runtime runs the model.
    pub fn note(&self) -> Option<&'static str> {
        self.model.note()
    }

    /// Returns the bytes of the requested file.
    pub fn file(&self) -> &[u8] {
        self.requested_file.as_deref().unwrap_or(self.model.file())
    }

    /// Returns the duration of one inference, measured when the model was loaded.
    pub fn inference_time(&self) -> Duration {
        self.inference_time
    }

    /// Returns the engines of the model.
    pub fn pool(&self) -> &Arc<EnginePool> {
        &self.pool
    }
}

impl fmt::Debug for SharedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedModel").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// Returns the optimized form of `model` with an engine, if there is one and it makes the same
/// decisions. Otherwise returns `model` and its `engine`.
fn optimized(
    model: LoadedModel,
    mut engine: Box<dyn Engine>,
    options: &EngineOptions,
    model_options: &ModelOptions,
) -> (LoadedModel, Box<dyn Engine>, Optimization) {
    let Some(rewritten) = tflite::optimize(model.file()) else {
        return (model, engine, Optimization::Nothing);
    };
    let mut load_and_compare = || -> Result<_, ModelLoadError> {
        // The same runtime, also if it was chosen.
        let options = EngineOptions { runtime: model.runtime(), ..*options };
        let fast_model = LoadedModel::new(&rewritten.file, &options, model_options)?;
        let mut fast_engine = fast_model.engine()?;
        let same_decisions = agree(&mut *engine, &mut *fast_engine)?;
        Ok((fast_model, fast_engine, same_decisions))
    };
    let reason = match load_and_compare() {
        Ok((fast_model, fast_engine, true)) if fast_model.note().is_none() => {
            return (fast_model, fast_engine, Optimization::Weights(rewritten.weights));
        }
        Ok((fast_model, _, true)) => fast_model.note().unwrap_or_default().to_owned(),
        Ok((.., false)) => "the rewritten model makes other decisions".to_owned(),
        Err(error) => error.to_string(),
    };
    (model, engine, Optimization::Refused(reason))
}

/// Returns the number of inferences that can run in parallel without competing for CPUs.
fn max_parallel_inferences(options: &EngineOptions) -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    (cpus / options.threads.max(1) as usize).max(1)
}
