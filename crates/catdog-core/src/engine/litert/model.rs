//! The LiteRT model: a verified flatbuffer.

use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::environment::Environment;
use super::ffi;
use super::status::{check, created};
use crate::engine::EngineError;
use crate::engine::memory::AlignedBytes;

/// `kLiteRtStatusErrorNotFound`.
const STATUS_NOT_FOUND: ffi::Status = 6;

/// An owned `LiteRtModel`, and the bytes of its file.
///
/// It is always created from a buffer, never from a file, because only then does LiteRT verify the
/// flatbuffer: of 150 damaged files, LiteRT 2.3.0 crashed on 81 when it opened them by name, and on
/// none when it got a buffer.
pub(super) struct Model {
    handle: NonNull<ffi::Model>,
    file: AlignedBytes,
    environment: Arc<Environment>,
}

// SAFETY: `litert_model.h` does not bind a model to a thread. The test
// `an_engine_is_created_run_and_dropped_on_different_threads` destroys one on another thread than
// the one that created it.
unsafe impl Send for Model {}
// SAFETY: through `&Model`, the file is read, signatures are read, and compiled models are created
// from it. `LiteRtCreateCompiledModel` serializes its callers with a process-wide mutex
// (`litert_compiled_model.cc`, LiteRT 2.1.6 and later). The headers do not mention threads; the
// test `engines_of_one_model_run_in_parallel` creates, runs and drops engines of one model on
// several threads at once.
unsafe impl Sync for Model {}

impl Model {
    /// Loads the bytes of a `.tflite` file.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT refuses the file.
    pub(super) fn new(
        environment: Arc<Environment>,
        file: AlignedBytes,
    ) -> Result<Self, EngineError> {
        let mut handle = ptr::null_mut();
        // SAFETY: the environment is alive. `file` has `file.len()` bytes; `litert_model.h`
        // requires that they stay valid for the lifetime of the model, so the model owns them.
        // LiteRT writes one pointer to `handle`.
        let status = unsafe {
            (environment.api().create_model_from_buffer)(
                environment.handle(),
                file.as_ptr().cast(),
                file.len(),
                &mut handle,
            )
        };
        let handle = created("model", status, handle)?;
        Ok(Self { handle, file, environment })
    }

    /// Returns the bytes of the file.
    pub(super) fn file(&self) -> &[u8] {
        self.file.as_slice()
    }

    /// Returns the environment of the model.
    pub(super) fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Returns the handle, which is valid while `self` exists.
    pub(super) fn handle(&self) -> *mut ffi::Model {
        self.handle.as_ptr()
    }

    /// Returns LiteRT's index of the signature `key`. Without a key it returns 0, the index of the
    /// signature that LiteRT generates for a model without signatures.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT does not know the signature.
    pub(super) fn signature_index(&self, key: Option<&str>) -> Result<usize, EngineError> {
        let Some(key) = key else { return Ok(0) };
        let api = self.environment.api();
        let mut count = 0;
        // SAFETY: the model is alive. LiteRT writes one number to `count`.
        check("signatures", unsafe { (api.get_num_model_signatures)(self.handle(), &mut count) })?;
        for index in 0..count {
            let mut signature = ptr::null_mut();
            let mut name: *const c_char = ptr::null();
            // SAFETY: the model is alive and `index` is less than its number of signatures. LiteRT
            // writes one pointer to `signature`.
            check("signatures", unsafe {
                (api.get_model_signature)(self.handle(), index, &mut signature)
            })?;
            // SAFETY: the call above wrote `signature`, which is valid for the lifetime of the
            // model (`litert_model.h`). LiteRT writes one pointer to `name`.
            check("signatures", unsafe { (api.get_signature_key)(signature, &mut name) })?;
            if name.is_null() {
                continue;
            }
            // SAFETY: `name` is a C string that the model owns until it is destroyed
            // (`litert_model.h`).
            if unsafe { CStr::from_ptr(name) }.to_bytes() == key.as_bytes() {
                return Ok(index);
            }
        }
        Err(EngineError::Create {
            stage: "signatures",
            status: STATUS_NOT_FOUND,
            detail: format!("the runtime does not know the model's signature '{key}'"),
        })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: `new` created the handle with the same library and made `self` its only owner.
        // Every compiled model holds an `Arc` of this model, so none of them exists. The
        // environment and the bytes are dropped afterwards.
        unsafe { (self.environment.api().destroy_model)(self.handle()) }
    }
}
