//! The LiteRT compiled model: a graph planned for one accelerator, with packed weights and an
//! arena.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::compile_options::CompileOptions;
use super::environment::Environment;
use super::ffi;
use super::host_tensor::{Direction, HostTensor};
use super::model::Model;
use super::options::LiteRtOptions;
use super::status::{check, created};
use crate::engine::EngineError;
use crate::model::tflite::ModelInfo;
use crate::tensor::TensorInfo;

/// An owned `LiteRtCompiledModel`, of which one signature runs.
///
/// It is not `Sync`. `tflite/core/interpreter.h` requires that the calls of one interpreter are
/// serialized, and each compiled model contains one.
pub(super) struct CompiledModel {
    handle: NonNull<ffi::CompiledModel>,
    /// LiteRT's index of the signature.
    signature: usize,
    /// The graph reads weights from the bytes of the model's file.
    model: Arc<Model>,
}

impl CompiledModel {
    /// Compiles `model` to run the signature with the index `signature`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT refuses the model or an option.
    pub(super) fn new(
        model: &Arc<Model>,
        signature: usize,
        options: &LiteRtOptions,
    ) -> Result<Self, EngineError> {
        let environment = model.environment();
        let options = CompileOptions::new(environment, options)?;
        let mut handle = ptr::null_mut();
        // SAFETY: environment, model and options are alive, and the compiled model keeps the first
        // two alive. The options stay with the caller (`litert_compiled_model.h`) and are destroyed
        // when `new` returns; the headers do not forbid that, and every test of an engine runs it
        // afterwards. LiteRT writes one pointer to `handle`.
        let status = unsafe {
            (environment.api().create_compiled_model)(
                environment.handle(),
                model.handle(),
                options.handle(),
                &mut handle,
            )
        };
        let handle = created("compiled model", status, handle)?;
        Ok(Self { handle, signature, model: Arc::clone(model) })
    }

    fn environment(&self) -> &Arc<Environment> {
        self.model.environment()
    }

    fn api(&self) -> &ffi::Api {
        self.environment().api()
    }

    /// Sets the shape of an input with a dynamic batch.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT cannot plan the graph for it.
    pub(super) fn resize_input(&mut self, shape: &[usize]) -> Result<(), EngineError> {
        let dims: Vec<c_int> = shape.iter().map(|&d| c_int::try_from(d).unwrap_or(-1)).collect();
        // SAFETY: the compiled model is alive, and `&mut self` serializes its calls. `dims` has
        // `dims.len()` elements; LiteRT reads them during the call only.
        let status = unsafe {
            (self.api().resize_input_tensor)(
                self.handle.as_ptr(),
                self.signature,
                0,
                dims.as_ptr(),
                dims.len(),
            )
        };
        self.check("batch size 1", status)
    }

    /// Compares the shapes that LiteRT planned with those of `info`, from which the tensors are
    /// made.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if the number of elements differs.
    pub(super) fn check_shapes(&mut self, info: &ModelInfo) -> Result<(), EngineError> {
        let (mut input, mut output) = (ffi::Layout::EMPTY, ffi::Layout::EMPTY);
        // SAFETY: the compiled model is alive, and `&mut self` serializes its calls. LiteRT writes
        // one layout to `input`.
        self.check("input shape", unsafe {
            (self.api().get_input_tensor_layout)(
                self.handle.as_ptr(),
                self.signature,
                0,
                &mut input,
            )
        })?;
        // SAFETY: the compiled model is alive, and `&mut self` serializes its calls. LiteRT writes
        // as many layouts as the third argument says: one, to `output`.
        self.check("output shape", unsafe {
            (self.api().get_output_tensor_layouts)(
                self.handle.as_ptr(),
                self.signature,
                1,
                &mut output,
                true,
            )
        })?;
        check_shape(&input, &info.input)?;
        check_shape(&output, &info.output)
    }

    /// Creates the memory of the input or the output, which `info` describes.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT refuses the memory.
    pub(super) fn host_tensor(
        &self,
        direction: Direction,
        info: &TensorInfo,
    ) -> Result<HostTensor, EngineError> {
        let api = self.api();
        let requirements_of = match direction {
            Direction::Input => api.get_input_buffer_requirements,
            Direction::Output => api.get_output_buffer_requirements,
        };
        let mut requirements = ptr::null_mut();
        // SAFETY: the compiled model is alive, and no other thread calls it, because it is not
        // `Sync`. LiteRT writes one pointer to `requirements`.
        self.check("tensor buffers", unsafe {
            requirements_of(self.handle.as_ptr(), self.signature, 0, &mut requirements)
        })?;
        let mut size = 0;
        // SAFETY: the call above wrote `requirements`, which the compiled model owns
        // (`litert_compiled_model.h`). LiteRT writes one number to `size`.
        check("tensor buffers", unsafe {
            (api.get_requirements_buffer_size)(requirements, &mut size)
        })?;
        HostTensor::new(self.environment(), info, size)
    }

    /// Runs one inference on `input` and writes `output`, which [`Self::host_tensor`] created.
    ///
    /// # Errors
    ///
    /// [`EngineError::Invoke`] if LiteRT fails.
    pub(super) fn run(
        &mut self,
        input: &mut HostTensor,
        output: &mut HostTensor,
    ) -> Result<(), EngineError> {
        let mut inputs = [input.handle()];
        let mut outputs = [output.handle()];
        // SAFETY: the compiled model and both tensor buffers are alive, and all three are borrowed
        // exclusively, so their calls are serialized and no reference to the elements exists. The
        // arrays have as many elements as the counts say. The buffers are as large as LiteRT
        // requires (`host_tensor`). A run is synchronous (`litert_compiled_model.h`), so LiteRT
        // accesses the elements during the call only.
        let status = unsafe {
            (self.api().run_compiled_model)(
                self.handle.as_ptr(),
                self.signature,
                inputs.len(),
                inputs.as_mut_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        if status == ffi::STATUS_OK {
            return Ok(());
        }
        Err(EngineError::Invoke { status, detail: self.take_error_messages() })
    }

    /// Returns an error with LiteRT's messages if `status` is not success.
    fn check(&self, stage: &'static str, status: ffi::Status) -> Result<(), EngineError> {
        if status == ffi::STATUS_OK {
            return Ok(());
        }
        Err(EngineError::Create { stage, status, detail: self.take_error_messages() })
    }

    /// Returns LiteRT's messages about the last failure and clears them. The text is empty if there
    /// are none.
    fn take_error_messages(&self) -> String {
        let mut text = ptr::null_mut();
        // SAFETY: the compiled model is alive, and no other thread calls it, because it is not
        // `Sync`. LiteRT writes one pointer to `text`.
        let status = unsafe { (self.api().get_error_messages)(self.handle.as_ptr(), &mut text) };
        if status != ffi::STATUS_OK || text.is_null() {
            return String::new();
        }
        // SAFETY: on success `text` is a C string that belongs to the caller
        // (`litert_compiled_model.h`).
        let message = unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().replace('\n', "; ");
        // SAFETY: `litert_compiled_model.h` requires that the caller frees the string with `free`.
        // `message` is a copy.
        unsafe { libc::free(text.cast()) };
        // SAFETY: the compiled model is alive, and no other thread calls it.
        unsafe { (self.api().clear_errors)(self.handle.as_ptr()) };
        message
    }
}

impl Drop for CompiledModel {
    fn drop(&mut self) {
        // SAFETY: `new` created the handle with the same library and made `self` its only owner.
        // `model`, whose bytes the graph reads, is dropped afterwards.
        unsafe { (self.api().destroy_compiled_model)(self.handle.as_ptr()) }
    }
}

/// Returns an error if `layout` does not have as many elements as `tensor`.
fn check_shape(layout: &ffi::Layout, tensor: &TensorInfo) -> Result<(), EngineError> {
    let planned: i64 = layout.dimensions().iter().map(|&d| i64::from(d)).product();
    if planned == tensor.len() as i64 {
        return Ok(());
    }
    let detail = format!(
        "tensor '{}' has shape {:?} in the file but {:?} in the runtime",
        tensor.name,
        tensor.shape,
        layout.dimensions()
    );
    Err(EngineError::Create { stage: "tensor shapes", status: 3, detail })
}
