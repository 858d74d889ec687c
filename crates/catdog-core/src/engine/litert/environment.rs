//! The LiteRT environment: logger and registered accelerators.

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, Weak};

use super::ffi;
use super::library::LiteRtLibrary;
use super::options::Accelerator;
use super::status::created;
use crate::engine::ModelLoadError;
use crate::sync::lock;

/// If this environment variable is set, LiteRT writes its log to stderr.
const LOG_VARIABLE: &str = "CATDOG_LITERT_LOG";

/// An owned `LiteRtEnvironment`.
pub(super) struct Environment {
    handle: NonNull<ffi::Environment>,
    /// The hardware that LiteRT registered, as a `LiteRtHwAcceleratorSet`.
    accelerators: c_int,
    /// The string that was passed as an option. The headers do not say that LiteRT copies it.
    _library_dir: CString,
    library: Arc<LiteRtLibrary>,
}

// SAFETY: `litert_environment.h` does not bind an environment to a thread. The test
// `an_engine_is_created_run_and_dropped_on_different_threads` destroys one on another thread than
// the one that created it.
unsafe impl Send for Environment {}
// SAFETY: after `new`, no function that changes the options of the environment is called. It is
// only passed to `LiteRtCreateModelFromBuffer` and `LiteRtCreateCompiledModel`; the latter
// serializes its callers with a process-wide mutex (`litert_compiled_model.cc`, LiteRT 2.1.6 and
// later). The headers do not mention threads; the test `different_models_run_in_parallel` calls
// both functions on eight threads at once.
unsafe impl Sync for Environment {}

impl Environment {
    /// Returns the environment that engines of the same accelerator share, and creates it if none
    /// of them exists.
    ///
    /// # Errors
    ///
    /// [`ModelLoadError`] if there is no usable runtime, or LiteRT cannot create an environment.
    pub(super) fn shared(accelerator: Accelerator) -> Result<Arc<Self>, ModelLoadError> {
        static SHARED: Mutex<Weak<Environment>> = Mutex::new(Weak::new());
        let accelerators = ffi::ACCELERATOR_CPU | accelerator.bit();
        let mut shared = lock(&SHARED);
        if let Some(environment) = shared.upgrade()
            && environment.accelerators == accelerators
        {
            return Ok(environment);
        }
        let environment = Arc::new(Self::new(LiteRtLibrary::shared()?, accelerators)?);
        *shared = Arc::downgrade(&environment);
        Ok(environment)
    }

    fn new(library: Arc<LiteRtLibrary>, accelerators: c_int) -> Result<Self, ModelLoadError> {
        let library_dir = library.path().parent().map(|path| path.to_string_lossy().into_owned());
        let library_dir = CString::new(library_dir.unwrap_or_default()).unwrap_or_default();
        // LiteRT logs to stderr, which belongs to the application, so its log is off by default.
        let verbose = std::env::var_os(LOG_VARIABLE).is_some();
        let severity = if verbose { ffi::LOG_VERBOSE } else { ffi::LOG_SILENT };
        let options = [
            ffi::EnvOption::int(ffi::ENV_MIN_LOGGER_SEVERITY, severity),
            // Without this option LiteRT registers all hardware, for which it opens GPU and NPU
            // libraries.
            ffi::EnvOption::int(ffi::ENV_AUTO_REGISTER_ACCELERATORS, accelerators.into()),
            ffi::EnvOption::string(ffi::ENV_RUNTIME_LIBRARY_DIR, library_dir.as_ptr()),
        ];
        let mut handle = ptr::null_mut();
        // SAFETY: `options` has `options.len()` elements and is alive during the call. Its string
        // lives as long as the environment. LiteRT writes one pointer to `handle`.
        let status = unsafe {
            (library.api.create_environment)(options.len() as c_int, options.as_ptr(), &mut handle)
        };
        let handle = created("environment", status, handle)?;
        Ok(Self { handle, accelerators, _library_dir: library_dir, library })
    }

    /// Returns the functions of the library that created this environment.
    pub(super) fn api(&self) -> &ffi::Api {
        &self.library.api
    }

    /// Returns the handle, which is valid while `self` exists.
    pub(super) fn handle(&self) -> *mut ffi::Environment {
        self.handle.as_ptr()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // SAFETY: `new` created the handle with the same library and made `self` its only owner.
        // Every object made from the environment holds an `Arc` of it, so none of them exists.
        unsafe { (self.api().destroy_environment)(self.handle()) }
    }
}
