//! The options of a compilation, as an object of the C API.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::environment::Environment;
use super::ffi;
use super::options::LiteRtOptions;
use super::status::{check, created};
use crate::engine::EngineError;

/// An owned `LiteRtOptions` of the C API.
pub(super) struct CompileOptions {
    handle: NonNull<ffi::Options>,
    environment: Arc<Environment>,
}

impl CompileOptions {
    /// Translates `options`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT refuses an option.
    pub(super) fn new(
        environment: &Arc<Environment>,
        options: &LiteRtOptions,
    ) -> Result<Self, EngineError> {
        let api = environment.api();
        let mut handle = ptr::null_mut();
        // SAFETY: LiteRT writes one pointer to `handle`.
        let status = unsafe { (api.create_options)(&mut handle) };
        let handle = created("options", status, handle)?;
        let this = Self { handle, environment: Arc::clone(environment) };
        // SAFETY: `this` owns the handle, which is alive.
        check("accelerator", unsafe {
            (api.set_options_hardware_accelerators)(this.handle(), options.accelerator.bit())
        })?;
        this.add(c"xnnpack", &format!("num_threads = {}\n", options.threads.max(1)))?;
        // kLiteRtErrorReporterModeBuffer: LiteRT keeps error messages in a buffer and does not
        // print them.
        this.add(c"runtime_options_string", "error_reporter_mode = 2\n")?;
        Ok(this)
    }

    /// Returns the handle, which is valid while `self` exists.
    pub(super) fn handle(&self) -> *mut ffi::Options {
        self.handle.as_ptr()
    }

    /// Adds an opaque option, whose payload is TOML.
    fn add(&self, identifier: &CStr, toml: &str) -> Result<(), EngineError> {
        unsafe extern "C" fn free_payload(payload: *mut c_void) {
            // SAFETY: LiteRT passes the payload of the option, which `CString::into_raw` made
            // below, and calls this function once, when it destroys the option.
            drop(unsafe { CString::from_raw(payload.cast()) });
        }

        let api = self.environment.api();
        let payload = CString::new(toml).unwrap_or_default().into_raw();
        let mut option = ptr::null_mut();
        // SAFETY: `identifier` is a C string literal, which is never freed. The option takes
        // ownership of `payload` together with the function that frees it. LiteRT writes one
        // pointer to `option`.
        let status = unsafe {
            (api.create_opaque_options)(
                identifier.as_ptr(),
                payload.cast(),
                Some(free_payload),
                &mut option,
            )
        };
        let option = match created("options", status, option) {
            Ok(option) => option,
            Err(error) => {
                // SAFETY: no option was created, so nothing else owns or frees the payload.
                drop(unsafe { CString::from_raw(payload) });
                return Err(error);
            }
        };
        // SAFETY: both handles are alive. On success, ownership of `option` moves to the options
        // (`litert_options.h`).
        let status = unsafe { (api.add_opaque_options)(self.handle(), option.as_ptr()) };
        if status != ffi::STATUS_OK {
            // SAFETY: the ownership did not move, so `option` is alive and has no other owner.
            unsafe { (api.destroy_opaque_options)(option.as_ptr()) };
        }
        check("options", status)
    }
}

impl Drop for CompileOptions {
    fn drop(&mut self) {
        // SAFETY: `new` created the handle with the same library and made `self` its only owner:
        // the caller of `LiteRtCreateCompiledModel` keeps the options (`litert_compiled_model.h`).
        unsafe { (self.environment.api().destroy_options)(self.handle()) }
    }
}
