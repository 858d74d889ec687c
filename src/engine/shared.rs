//! Models that several elements of a process run are loaded once.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::Engine;
use super::agreement::agree;
use super::litert::{LiteRtEngine, LiteRtModel, LiteRtOptions};
use super::pool::EnginePool;
use super::tflite::{self, ModelInfo};
use crate::error::LoadError;
use crate::sync::lock;

/// What was made of a model's file before LiteRT saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Optimization {
    /// It was not to be looked at.
    Off,
    /// There was nothing to do.
    Nothing,
    /// So many weight tensors are floats now.
    Weights(usize),
    /// It would have said something else, or did not run: it stays as it was.
    Refused(String),
}

impl fmt::Display for Optimization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Nothing => f.write_str("nothing to do"),
            Self::Weights(count) => write!(f, "{count} depthwise weights as floats"),
            Self::Refused(reason) => write!(f, "left as it is: {reason}"),
        }
    }
}

/// A model with its engines: as many as have a processor to run on, and no more than users.
pub struct SharedModel {
    model: LiteRtModel,
    /// The bytes that were asked for, where those that run are others.
    rewritten_from: Option<Vec<u8>>,
    optimize: bool,
    optimization: Optimization,
    pool: Arc<EnginePool>,
    inference_time: Duration,
}

impl SharedModel {
    /// The model in `file` (the bytes of a `.tflite` file), loaded unless somebody runs the very
    /// same already with the same options. `optimize`: where it can be rewritten into one that runs
    /// faster and decides alike, that one is run.
    ///
    /// # Errors
    ///
    /// As [`LiteRtModel::new`] and [`LiteRtModel::engine`].
    pub fn load(
        file: &[u8],
        options: &LiteRtOptions,
        optimize: bool,
    ) -> Result<Arc<Self>, LoadError> {
        static LOADED: Mutex<Vec<Weak<SharedModel>>> = Mutex::new(Vec::new());
        // Held while loading, so that elements that start together load once.
        let mut loaded = lock(&LOADED);
        loaded.retain(|model| model.strong_count() > 0);
        let same = |shared: &Arc<Self>| {
            (shared.model.options(), shared.optimize, shared.file()) == (options, optimize, file)
        };
        if let Some(shared) = loaded.iter().filter_map(Weak::upgrade).find(same) {
            let users = Arc::strong_count(&shared);
            if shared.pool.engines() < users.min(most_at_once(options)) {
                // Without one more it works as well, if more slowly.
                if let Ok(mut engine) = shared.model.engine()
                    && engine.run().is_ok()
                {
                    shared.pool.add(Box::new(engine));
                }
            }
            return Ok(shared);
        }
        let model = LiteRtModel::new(file, options)?;
        let engine = model.engine()?;
        let (model, mut engine, optimization) = match optimize {
            true => optimized(model, engine),
            false => (model, engine, Optimization::Off),
        };
        // The first run takes several times as long as the others: memory is touched for the first
        // time. No frame is to wait for that.
        engine.run()?;
        let start = Instant::now();
        engine.run()?;
        let inference_time = start.elapsed();
        let pool = Arc::new(EnginePool::new(Box::new(engine)));
        let rewritten = matches!(optimization, Optimization::Weights(_));
        let rewritten_from = rewritten.then(|| file.to_vec());
        let shared =
            Arc::new(Self { model, rewritten_from, optimize, optimization, pool, inference_time });
        loaded.push(Arc::downgrade(&shared));
        Ok(shared)
    }

    /// What the model's file says of itself.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// What was made of the file.
    pub fn optimization(&self) -> &Optimization {
        &self.optimization
    }

    /// The bytes that were asked for.
    fn file(&self) -> &[u8] {
        self.rewritten_from.as_deref().unwrap_or(self.model.file())
    }

    /// What an inference took when the model was loaded.
    pub fn inference_time(&self) -> Duration {
        self.inference_time
    }

    /// Its engines.
    pub fn pool(&self) -> &Arc<EnginePool> {
        &self.pool
    }
}

impl fmt::Debug for SharedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedModel").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The model that runs faster and says the same as `model`, whose engine is `engine`, where there is
/// one; else these.
fn optimized(
    model: LiteRtModel,
    mut engine: LiteRtEngine,
) -> (LiteRtModel, LiteRtEngine, Optimization) {
    let Some(rewritten) = tflite::optimize(model.file()) else {
        return (model, engine, Optimization::Nothing);
    };
    let mut compared = || -> Result<_, LoadError> {
        let other = LiteRtModel::new(&rewritten.file, model.options())?;
        let mut other_engine = other.engine()?;
        let alike = agree(&mut engine, &mut other_engine)?;
        Ok((other, other_engine, alike))
    };
    match compared() {
        Ok((other, other_engine, true)) => {
            (other, other_engine, Optimization::Weights(rewritten.weights))
        }
        Ok((.., false)) => {
            let reason = "rewritten, it would decide otherwise".to_owned();
            (model, engine, Optimization::Refused(reason))
        }
        Err(error) => (model, engine, Optimization::Refused(error.to_string())),
    }
}

/// More inferences at once would only take processors from each other.
fn most_at_once(options: &LiteRtOptions) -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors / options.threads.max(1) as usize).max(1)
}
