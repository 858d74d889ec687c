//! Changing the model while another one runs.
//!
//! The new model is loaded on a thread of its own. When it is ready, the streaming thread takes it
//! between two frames. A request that arrives during loading makes the thread load again.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use catdog_core::classifier::Classifier;
use catdog_core::sync::lock;

use super::error::StartError;

/// Loads models in the background. Its clones share one request. The default value has no request.
#[derive(Clone, Default)]
pub struct ModelSwap {
    shared: Arc<Mutex<Shared>>,
}

/// The state that the loader thread shares.
#[derive(Default)]
struct Shared {
    /// Incremented by each request and by the cancellation.
    generation: u64,
    /// The latest request is not finished.
    requested: bool,
    /// A loader thread runs.
    loading: bool,
    /// No further request is accepted.
    cancelled: bool,
    /// The loaded model, until the streaming thread takes it.
    loaded: Option<Box<Classifier>>,
}

impl ModelSwap {
    /// Requests a model. `load` reads the settings and loads it, on the loader thread; it is called
    /// again if another request arrives meanwhile. `report` is called with the result, with no lock
    /// held. If the model cannot be loaded, an earlier one that was loaded but not taken stays.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread; the request is then dropped.
    pub fn request(
        &self,
        load: impl Fn() -> Result<Classifier, StartError> + Send + 'static,
        report: impl Fn(Result<&Classifier, &StartError>) + Send + 'static,
    ) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        if shared.cancelled {
            return Ok(());
        }
        shared.generation += 1;
        shared.requested = true;
        if shared.loading {
            return Ok(());
        }
        let thread = thread::Builder::new().name("catdog-loader".into());
        let spawned = thread.spawn({
            let shared = Arc::clone(&self.shared);
            move || load_requests(&shared, load, report)
        });
        shared.loading = spawned.is_ok();
        shared.requested = spawned.is_ok();
        spawned.map(drop)
    }

    /// Drops the latest request and the loaded model, if any, and accepts no further request.
    pub fn cancel(&self) {
        let mut shared = lock(&self.shared);
        shared.generation += 1;
        shared.requested = false;
        shared.cancelled = true;
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

/// Loads the requested model, and loads again as long as newer requests arrive.
fn load_requests(
    shared: &Mutex<Shared>,
    load: impl Fn() -> Result<Classifier, StartError>,
    report: impl Fn(Result<&Classifier, &StartError>),
) {
    loop {
        let generation = {
            let mut shared = lock(shared);
            shared.loading = shared.requested;
            if !shared.requested {
                return;
            }
            shared.generation
        };
        let loaded = load().map(Box::new);
        if lock(shared).generation != generation {
            continue;
        }
        // The report comes first, so that the streaming thread does not use a model before its
        // warnings are posted.
        report(loaded.as_deref());
        let mut shared = lock(shared);
        if shared.generation == generation {
            shared.requested = false;
            let replaced = loaded.ok().and_then(|next| shared.loaded.replace(next));
            drop(shared);
            drop(replaced);
        }
    }
}
