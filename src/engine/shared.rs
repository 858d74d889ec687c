//! Models that several elements of a process run are loaded once.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::Engine;
use super::litert::{LiteRtModel, LiteRtOptions};
use super::pool::EnginePool;
use super::tflite::ModelInfo;
use crate::error::LoadError;
use crate::sync::lock;

/// A model with its engines: as many as have a processor to run on, and no more than users.
pub struct SharedModel {
    model: LiteRtModel,
    pool: Arc<EnginePool>,
    inference_time: Duration,
}

impl SharedModel {
    /// The model in `file` (the bytes of a `.tflite` file), loaded unless somebody runs the very
    /// same already with the same options.
    ///
    /// # Errors
    ///
    /// As [`LiteRtModel::new`] and [`LiteRtModel::engine`].
    pub fn load(file: &[u8], options: &LiteRtOptions) -> Result<Arc<Self>, LoadError> {
        static LOADED: Mutex<Vec<Weak<SharedModel>>> = Mutex::new(Vec::new());
        // Held while loading, so that elements that start together load once.
        let mut loaded = lock(&LOADED);
        loaded.retain(|model| model.strong_count() > 0);
        let same =
            |shared: &Arc<Self>| shared.model.options() == options && shared.model.file() == file;
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
        let mut engine = model.engine()?;
        // The first run takes several times as long as the others: memory is touched for the first
        // time. No frame is to wait for that.
        engine.run()?;
        let start = Instant::now();
        engine.run()?;
        let inference_time = start.elapsed();
        let pool = Arc::new(EnginePool::new(Box::new(engine)));
        let shared = Arc::new(Self { model, pool, inference_time });
        loaded.push(Arc::downgrade(&shared));
        Ok(shared)
    }

    /// What the model's file says of itself.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
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

/// More inferences at once would only take processors from each other.
fn most_at_once(options: &LiteRtOptions) -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors / options.threads.max(1) as usize).max(1)
}
