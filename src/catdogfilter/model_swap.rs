//! Changing the model while another one runs.
//!
//! The new model is loaded on a thread of its own. When it is ready, the streaming thread takes it
//! between two frames. A request that arrives during loading replaces the one before.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use catdog_core::classifier::{Classifier, Config, LoadError, RuntimeConfig};
use catdog_core::sync::lock;

/// Loads models in the background. The default value has no request.
#[derive(Default)]
pub struct ModelSwap {
    shared: Arc<Mutex<Shared>>,
}

/// The state that the loader thread shares.
#[derive(Default)]
struct Shared {
    /// Incremented by each request and each cancellation.
    generation: u64,
    /// The latest request, until a loader thread has finished it.
    request: Option<(Config, RuntimeConfig)>,
    /// A loader thread runs.
    loading: bool,
    /// The loaded model, until the streaming thread takes it.
    loaded: Option<Box<Classifier>>,
}

impl ModelSwap {
    /// Requests a model. When it is loaded, or cannot be loaded, `report` is called on the loader
    /// thread with no lock held.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread; the request is then dropped.
    pub fn request(
        &self,
        config: Config,
        runtime: RuntimeConfig,
        report: impl Fn(Result<&Classifier, &LoadError>) + Send + 'static,
    ) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        shared.generation += 1;
        shared.request = Some((config, runtime));
        if shared.loading {
            return Ok(());
        }
        let thread = thread::Builder::new().name("catdog-loader".into());
        let spawned = thread.spawn({
            let shared = Arc::clone(&self.shared);
            move || load_requests(&shared, report)
        });
        shared.loading = spawned.is_ok();
        if spawned.is_err() {
            shared.request = None;
        }
        spawned.map(drop)
    }

    /// Drops the latest request. A model that is loaded already stays.
    pub fn cancel_request(&self) {
        let mut shared = lock(&self.shared);
        shared.generation += 1;
        shared.request = None;
    }

    /// Drops the latest request and the loaded model, if any.
    pub fn cancel(&self) {
        let mut shared = lock(&self.shared);
        shared.generation += 1;
        shared.request = None;
        let loaded = shared.loaded.take();
        drop(shared);
        drop(loaded);
    }

    /// Takes the loaded model, if there is one.
    pub fn take(&self) -> Option<Box<Classifier>> {
        lock(&self.shared).loaded.take()
    }
}

/// Drops `classifier` on a thread of its own, because freeing a model takes milliseconds that the
/// streaming thread should not spend. If no thread can be created, it is dropped here.
pub fn drop_in_background(classifier: Box<Classifier>) {
    let _ = thread::Builder::new().spawn(move || drop(classifier));
}

/// Loads the latest requested model, until no request is left.
fn load_requests(shared: &Mutex<Shared>, report: impl Fn(Result<&Classifier, &LoadError>)) {
    loop {
        let (generation, request) = {
            let mut shared = lock(shared);
            let request = shared.request.clone();
            shared.loading = request.is_some();
            (shared.generation, request)
        };
        let Some((config, runtime)) = request else { return };
        let loaded = Classifier::load(&config, runtime).map(Box::new);
        if lock(shared).generation != generation {
            continue;
        }
        // The report comes first, so that the streaming thread does not use a model before its
        // warnings are posted.
        report(loaded.as_deref());
        let mut shared = lock(shared);
        if shared.generation == generation {
            shared.request = None;
            shared.loaded = loaded.ok();
        }
    }
}
