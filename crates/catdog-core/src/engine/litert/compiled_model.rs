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
use crate::model::tflite::{ImageInput, MAX_OUTPUTS, ModelInfo, TensorType};

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

    /// Sets the shape of an input that is open in the file.
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
        self.check("input shape", status)
    }

    /// Creates the memory of the input.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT has planned another shape, or refuses the memory.
    pub(super) fn input(&mut self, info: &ModelInfo) -> Result<HostTensor, EngineError> {
        let mut layout = ffi::Layout::EMPTY;
        // SAFETY: the compiled model is alive, and `&mut self` serializes its calls. LiteRT writes
        // one layout to `layout`.
        self.check("input shape", unsafe {
            (self.api().get_input_tensor_layout)(
                self.handle.as_ptr(),
                self.signature,
                0,
                &mut layout,
            )
        })?;
        let ImageInput { tensor, runtime_shape, .. } = &info.input;
        check_elements(&layout, &tensor.name, runtime_shape.iter().product())?;
        let size = self.buffer_size(Direction::Input, 0)?;
        let element = TensorType::from(tensor.element);
        HostTensor::new(self.environment(), &tensor.name, element, layout, size)
    }

    /// Creates the memory of all outputs.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT has planned another shape for the scores or the evidence, or
    /// refuses the memory.
    pub(super) fn outputs(&mut self, info: &ModelInfo) -> Result<Vec<HostTensor>, EngineError> {
        let mut layouts = vec![ffi::Layout::EMPTY; info.outputs.len()];
        // SAFETY: the compiled model is alive, and `&mut self` serializes its calls. LiteRT writes
        // as many layouts as the third argument says, the length of `layouts`.
        self.check("output shape", unsafe {
            (self.api().get_output_tensor_layouts)(
                self.handle.as_ptr(),
                self.signature,
                layouts.len(),
                layouts.as_mut_ptr(),
                true,
            )
        })?;
        let evidence = info.evidence.as_ref().map(|evidence| evidence.index);
        for index in [info.output_index].into_iter().chain(evidence) {
            let described = &info.outputs[index];
            check_elements(&layouts[index], &described.name, described.elements())?;
        }
        let describe = layouts.into_iter().zip(&info.outputs).enumerate();
        describe
            .map(|(index, (layout, output))| {
                let size = self.buffer_size(Direction::Output, index)?;
                let name = &output.name;
                HostTensor::new(self.environment(), name, output.tensor_type, layout, size)
            })
            .collect()
    }

    /// Returns the number of bytes that LiteRT needs for the input or output with this index.
    fn buffer_size(&self, direction: Direction, index: usize) -> Result<usize, EngineError> {
        let api = self.api();
        let requirements_of = match direction {
            Direction::Input => api.get_input_buffer_requirements,
            Direction::Output => api.get_output_buffer_requirements,
        };
        let mut requirements = ptr::null_mut();
        // SAFETY: the compiled model is alive, and no other thread calls it, because it is not
        // `Sync`. LiteRT writes one pointer to `requirements`.
        self.check("tensor buffers", unsafe {
            requirements_of(self.handle.as_ptr(), self.signature, index, &mut requirements)
        })?;
        let mut size = 0;
        // SAFETY: the call above wrote `requirements`, which the compiled model owns
        // (`litert_compiled_model.h`). LiteRT writes one number to `size`.
        check("tensor buffers", unsafe {
            (api.get_requirements_buffer_size)(requirements, &mut size)
        })?;
        Ok(size)
    }

    /// Runs one inference on `input` and writes `outputs`, which [`Self::input`] and
    /// [`Self::outputs`] created.
    ///
    /// # Errors
    ///
    /// [`EngineError::Invoke`] if LiteRT fails.
    pub(super) fn run(
        &mut self,
        input: &mut HostTensor,
        outputs: &mut [HostTensor],
    ) -> Result<(), EngineError> {
        let mut inputs = [input.handle()];
        let mut handles = [ptr::null_mut(); MAX_OUTPUTS];
        let outputs = outputs.iter_mut().zip(&mut handles).map(|(output, handle)| {
            *handle = output.handle();
        });
        let outputs = outputs.count();
        // SAFETY: the compiled model and all tensor buffers are alive, and all are borrowed
        // exclusively, so their calls are serialized and no reference to the elements exists. The
        // arrays have at least as many elements as the counts say, and all outputs of the model are
        // in them, because a model has at most `MAX_OUTPUTS`. The buffers are as large as LiteRT
        // requires (`buffer_size`). A run is synchronous (`litert_compiled_model.h`), so LiteRT
        // accesses the elements during the call only.
        let status = unsafe {
            (self.api().run_compiled_model)(
                self.handle.as_ptr(),
                self.signature,
                inputs.len(),
                inputs.as_mut_ptr(),
                outputs,
                handles.as_mut_ptr(),
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

/// Returns an error if `layout` does not have `want` elements.
fn check_elements(layout: &ffi::Layout, name: &str, want: usize) -> Result<(), EngineError> {
    if layout.elements() == Some(want) {
        return Ok(());
    }
    let planned = layout.dimensions();
    let detail = format!(
        "tensor '{name}' has {want} elements in the file, but the runtime gives it shape {planned:?}"
    );
    Err(EngineError::Create { stage: "tensor shapes", status: 3, detail })
}
