//! The LiteRT engine: a small, owned wrapper of the C API, usable without GStreamer.
//!
//! ```no_run
//! use catdog_core::engine::{Engine, litert::{Accelerator, LiteRtEngine, LiteRtOptions}};
//! use catdog_core::tensor::TensorMut;
//!
//! let file = std::fs::read("model.tflite")?;
//! let options = LiteRtOptions { threads: 2, accelerator: Accelerator::Cpu };
//! let mut engine = LiteRtEngine::new(&file, &options)?;
//! if let TensorMut::U8(input) = engine.input_mut() {
//!     input.fill(128);
//! }
//! engine.run()?;
//! println!("{:?}", engine.output());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything that the C API hands out is owned by one value here and destroyed in its `drop`,
//! in the order that the API asks for: tensor buffers, compiled model, model, environment,
//! library. The model is always created from a buffer, never from a file: only that way does
//! LiteRT verify the flatbuffer (opening 150 damaged files by name ended in 81 crashes with 2.3.0,
//! from a buffer in none).

mod error;
mod ffi;
mod library;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, Weak};

use super::{Engine, EngineError, ModelLoadError};
use crate::model::tflite::ModelInfo;
use crate::sync::lock;
use crate::tensor::{ElementType, TensorInfo, TensorMut, TensorRef};

pub use error::{RefusedLibrary, RuntimeError};
pub use library::{LIBRARY_VARIABLE, LiteRtLibrary};

/// The hardware that runs the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// The CPU, through XNNPACK.
    #[default]
    Cpu,
    /// A GPU, through the accelerator library that LiteRT finds beside itself.
    Gpu,
    /// An NPU, through the vendor's dispatch library.
    Npu,
}

impl Accelerator {
    /// The name users write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Npu => "npu",
        }
    }

    const fn bit(self) -> c_int {
        match self {
            Self::Cpu => ffi::ACCELERATOR_CPU,
            Self::Gpu => ffi::ACCELERATOR_GPU,
            Self::Npu => ffi::ACCELERATOR_NPU,
        }
    }
}

/// How a model is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiteRtOptions {
    /// CPU threads of one inference, at least 1.
    pub threads: u32,
    /// Where the graph runs.
    pub accelerator: Accelerator,
}

/// A verified model, from which engines are made.
pub struct LiteRtModel {
    info: Arc<ModelInfo>,
    model: Arc<Model>,
    signature: usize,
    options: LiteRtOptions,
    /// LiteRT does not say that two may be compiled from one model at a time.
    compiling: Mutex<()>,
}

/// A model compiled by LiteRT, with its input and output tensors.
pub struct LiteRtEngine {
    info: Arc<ModelInfo>,
    // Dropped from here downwards: buffers before the compiled model, the model after it.
    input: HostTensor,
    output: HostTensor,
    compiled: CompiledModel,
    _model: Arc<Model>,
}

// SAFETY: LiteRT objects are bound to no thread; the API asks only that one compiled model is
// used by one thread at a time, which `&mut self` on every call that runs or writes sees to.
unsafe impl Send for LiteRtEngine {}

impl fmt::Debug for LiteRtEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteRtEngine").field("info", &self.info).finish_non_exhaustive()
    }
}

impl LiteRtModel {
    /// Loads the runtime where that has not happened yet, and the model in `file` (the bytes of a
    /// `.tflite` file, copied).
    ///
    /// # Errors
    ///
    /// [`ModelLoadError`]: no usable runtime, a file that is no image classifier, or LiteRT's own
    /// refusal.
    pub fn new(file: &[u8], options: &LiteRtOptions) -> Result<Self, ModelLoadError> {
        let info = ModelInfo::parse(file)?;
        let environment = Environment::shared(options.accelerator)?;
        let model = Model::new(environment, file)?;
        let signature = model.signature_index(info.signature.as_deref())?;
        Ok(Self {
            info: Arc::new(info),
            model: Arc::new(model),
            signature,
            options: *options,
            compiling: Mutex::new(()),
        })
    }

    /// Compiles the model: packs its weights, plans its memory.
    ///
    /// # Errors
    ///
    /// LiteRT's refusal.
    pub fn engine(&self) -> Result<LiteRtEngine, EngineError> {
        let compiling = lock(&self.compiling);
        let compiled = CompiledModel::new(&self.model, self.signature, &self.options)?;
        drop(compiling);
        let info = Arc::clone(&self.info);
        if info.dynamic_batch {
            compiled.resize_input(&info.input.shape)?;
        }
        compiled.check_shapes(&info)?;
        let input = HostTensor::for_input(&compiled, &info.input)?;
        let output = HostTensor::for_output(&compiled, &info.output)?;
        Ok(LiteRtEngine { info, input, output, compiled, _model: Arc::clone(&self.model) })
    }

    /// What the model's file says of itself.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// How its engines run.
    pub fn options(&self) -> &LiteRtOptions {
        &self.options
    }

    /// The bytes of the file.
    pub fn file(&self) -> &[u8] {
        self.model.file.as_slice(self.model.length)
    }
}

impl LiteRtEngine {
    /// The one engine of a model that nobody shares.
    ///
    /// # Errors
    ///
    /// As [`LiteRtModel::new`] and [`LiteRtModel::engine`].
    pub fn new(file: &[u8], options: &LiteRtOptions) -> Result<Self, ModelLoadError> {
        Ok(LiteRtModel::new(file, options)?.engine()?)
    }

    /// What the model's file says of itself.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }
}

impl Engine for LiteRtEngine {
    fn input_info(&self) -> &TensorInfo {
        &self.info.input
    }

    fn output_info(&self) -> &TensorInfo {
        &self.info.output
    }

    fn input_mut(&mut self) -> TensorMut<'_> {
        self.input.elements_mut()
    }

    fn run(&mut self) -> Result<(), EngineError> {
        self.compiled.run(&mut self.input, &mut self.output)
    }

    fn output(&self) -> TensorRef<'_> {
        self.output.elements()
    }
}

/// LiteRT's process-wide state: logger, accelerators.
struct Environment {
    handle: NonNull<ffi::Environment>,
    accelerators: c_int,
    /// The accelerators' folder, to which the environment may keep a pointer.
    _folder: CString,
    library: Arc<LiteRtLibrary>,
}

// SAFETY: an environment is only written while it is created; afterwards LiteRT reads it, from any
// thread.
unsafe impl Send for Environment {}
// SAFETY: as above.
unsafe impl Sync for Environment {}

impl Environment {
    /// One environment for all engines of the process that run on the same accelerator at the same
    /// time.
    fn shared(accelerator: Accelerator) -> Result<Arc<Self>, ModelLoadError> {
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
        let folder = library.path().parent().map(|p| p.to_string_lossy().into_owned());
        let folder = CString::new(folder.unwrap_or_default()).unwrap_or_default();
        // LiteRT writes to stderr, which belongs to the application; whoever debugs asks for it.
        let verbose = std::env::var_os("CATDOG_LITERT_LOG").is_some();
        let severity = if verbose { ffi::LOG_VERBOSE } else { ffi::LOG_SILENT };
        let options = [
            ffi::EnvOption::int(ffi::ENV_MIN_LOGGER_SEVERITY, severity),
            // Only what was asked for: by itself LiteRT would dlopen GPU and NPU libraries.
            ffi::EnvOption::int(ffi::ENV_AUTO_REGISTER_ACCELERATORS, accelerators.into()),
            ffi::EnvOption::string(ffi::ENV_RUNTIME_LIBRARY_DIR, folder.as_ptr()),
        ];
        let mut handle = ptr::null_mut();
        // SAFETY: `options` and the string it points to live through the call, the string as long
        // as the environment; `handle` is written.
        let status = unsafe {
            (library.api.create_environment)(options.len() as c_int, options.as_ptr(), &mut handle)
        };
        let handle = created("environment", status, handle)?;
        Ok(Self { handle, accelerators, _folder: folder, library })
    }

    fn api(&self) -> &ffi::Api {
        &self.library.api
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // SAFETY: created by this library, destroyed once, after everything made from it: models
        // hold the environment.
        unsafe { (self.library.api.destroy_environment)(self.handle.as_ptr()) }
    }
}

/// A verified model. LiteRT reads the file's bytes as long as it lives.
struct Model {
    handle: NonNull<ffi::Model>,
    /// `LiteRtCreateModelFromBuffer` does not copy.
    file: AlignedBytes,
    /// Bytes of the file.
    length: usize,
    environment: Arc<Environment>,
}

// SAFETY: LiteRT reads the model once it is made; what is made of it is made one at a time
// (`LiteRtModel::compiling`).
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

impl Model {
    fn new(environment: Arc<Environment>, file: &[u8]) -> Result<Self, EngineError> {
        let mut bytes = AlignedBytes::zeroed(file.len());
        bytes.as_mut_slice()[..file.len()].copy_from_slice(file);
        let mut handle = ptr::null_mut();
        // SAFETY: the bytes are aligned, as long as said, and owned by the model beside its
        // handle; `handle` is written.
        let status = unsafe {
            (environment.api().create_model_from_buffer)(
                environment.handle.as_ptr(),
                bytes.as_ptr().cast(),
                file.len(),
                &mut handle,
            )
        };
        let handle = created("model", status, handle)?;
        Ok(Self { handle, file: bytes, length: file.len(), environment })
    }

    /// The index by which LiteRT knows the signature `key`; a model without signatures has one
    /// that LiteRT makes up, at index 0.
    fn signature_index(&self, key: Option<&str>) -> Result<usize, EngineError> {
        let Some(key) = key else { return Ok(0) };
        let api = self.environment.api();
        let mut count = 0;
        // SAFETY: a live model; `count` is written.
        check("signatures", unsafe {
            (api.get_num_model_signatures)(self.handle.as_ptr(), &mut count)
        })?;
        for index in 0..count {
            let mut signature = ptr::null_mut();
            let mut name: *const c_char = ptr::null();
            // SAFETY: a live model and an index below its count; `signature` is written.
            check("signatures", unsafe {
                (api.get_model_signature)(self.handle.as_ptr(), index, &mut signature)
            })?;
            // SAFETY: the signature just given, owned by the model; `name` is written.
            check("signatures", unsafe { (api.get_signature_key)(signature, &mut name) })?;
            // SAFETY: a NUL-terminated string owned by the model.
            if !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes() == key.as_bytes() {
                return Ok(index);
            }
        }
        Err(EngineError::Create {
            stage: "signatures",
            status: 6,
            detail: format!("the runtime does not know the model's signature '{key}'"),
        })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: created by this library, destroyed once, after the compiled model, which the
        // engine drops before.
        unsafe { (self.environment.api().destroy_model)(self.handle.as_ptr()) }
    }
}

/// A graph planned for one accelerator, with its packed weights and arena.
struct CompiledModel {
    handle: NonNull<ffi::CompiledModel>,
    signature: usize,
    environment: Arc<Environment>,
}

impl CompiledModel {
    fn new(model: &Model, signature: usize, options: &LiteRtOptions) -> Result<Self, EngineError> {
        let environment = Arc::clone(&model.environment);
        let compilation = Compilation::new(&environment, options)?;
        let mut handle = ptr::null_mut();
        // SAFETY: live environment, model and options; LiteRT copies what it needs of the options;
        // `handle` is written.
        let status = unsafe {
            (environment.api().create_compiled_model)(
                environment.handle.as_ptr(),
                model.handle.as_ptr(),
                compilation.handle.as_ptr(),
                &mut handle,
            )
        };
        let handle = created("compiled model", status, handle)?;
        drop(compilation);
        Ok(Self { handle, signature, environment })
    }

    fn api(&self) -> &ffi::Api {
        self.environment.api()
    }

    fn resize_input(&self, shape: &[usize]) -> Result<(), EngineError> {
        let dims: Vec<c_int> = shape.iter().map(|&d| c_int::try_from(d).unwrap_or(-1)).collect();
        // SAFETY: a live compiled model; `dims` holds as many numbers as said.
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

    /// Holds what LiteRT plans against what the file says, since the buffers are made by the
    /// latter.
    fn check_shapes(&self, info: &ModelInfo) -> Result<(), EngineError> {
        let (mut input, mut output) = (ffi::Layout::EMPTY, ffi::Layout::EMPTY);
        // SAFETY: a live compiled model; `input` is written.
        self.check("input shape", unsafe {
            (self.api().get_input_tensor_layout)(
                self.handle.as_ptr(),
                self.signature,
                0,
                &mut input,
            )
        })?;
        // SAFETY: a live compiled model; one layout is written, as many as there are outputs.
        self.check("output shape", unsafe {
            (self.api().get_output_tensor_layouts)(
                self.handle.as_ptr(),
                self.signature,
                1,
                &mut output,
                true,
            )
        })?;
        for (layout, tensor) in [(input, &info.input), (output, &info.output)] {
            let planned: i64 = layout.dimensions().iter().map(|&d| i64::from(d)).product();
            if planned != tensor.len() as i64 {
                let detail = format!(
                    "tensor '{}' has shape {:?} in the file but {:?} in the runtime",
                    tensor.name,
                    tensor.shape,
                    layout.dimensions()
                );
                return Err(EngineError::Create { stage: "tensor shapes", status: 3, detail });
            }
        }
        Ok(())
    }

    fn run(&mut self, input: &mut HostTensor, output: &mut HostTensor) -> Result<(), EngineError> {
        let mut inputs = [input.handle.as_ptr()];
        let mut outputs = [output.handle.as_ptr()];
        // SAFETY: a live compiled model and its buffers, as many as said; nobody else uses them:
        // all three are borrowed mutably.
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
        Err(EngineError::Invoke { status, detail: self.error_text() })
    }

    fn check(&self, stage: &'static str, status: ffi::Status) -> Result<(), EngineError> {
        if status == ffi::STATUS_OK {
            return Ok(());
        }
        Err(EngineError::Create { stage, status, detail: self.error_text() })
    }

    /// What LiteRT has to say about the last failure; empty where it says nothing.
    fn error_text(&self) -> String {
        let mut text = ptr::null_mut();
        // SAFETY: a live compiled model; `text` is written.
        let status = unsafe { (self.api().get_error_messages)(self.handle.as_ptr(), &mut text) };
        if status != ffi::STATUS_OK || text.is_null() {
            return String::new();
        }
        // SAFETY: a NUL-terminated string that LiteRT gave away.
        let message = unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().replace('\n', "; ");
        // SAFETY: the header says that the caller frees it with free().
        unsafe { libc::free(text.cast()) };
        // SAFETY: a live compiled model.
        unsafe { (self.api().clear_errors)(self.handle.as_ptr()) };
        message
    }
}

impl Drop for CompiledModel {
    fn drop(&mut self) {
        // SAFETY: created by this library, destroyed once, after its buffers and before its model:
        // that is the order of the engine's fields.
        unsafe { (self.api().destroy_compiled_model)(self.handle.as_ptr()) }
    }
}

/// `LiteRtOptions` of the C API.
struct Compilation {
    handle: NonNull<ffi::Options>,
    environment: Arc<Environment>,
}

impl Compilation {
    fn new(environment: &Arc<Environment>, options: &LiteRtOptions) -> Result<Self, EngineError> {
        let api = environment.api();
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` is written.
        let status = unsafe { (api.create_options)(&mut handle) };
        let handle = created("options", status, handle)?;
        let this = Self { handle, environment: Arc::clone(environment) };
        // SAFETY: live options.
        check("accelerator", unsafe {
            (api.set_options_hardware_accelerators)(handle.as_ptr(), options.accelerator.bit())
        })?;
        this.add(c"xnnpack", &format!("num_threads = {}\n", options.threads.max(1)))?;
        // kLiteRtErrorReporterModeBuffer: keep error texts for `error_text` instead of printing.
        this.add(c"runtime_options_string", "error_reporter_mode = 2\n")?;
        Ok(this)
    }

    /// Adds an opaque option, whose payload is TOML.
    fn add(&self, identifier: &CStr, toml: &str) -> Result<(), EngineError> {
        unsafe extern "C" fn free_payload(payload: *mut c_void) {
            // SAFETY: LiteRT hands back, once, the pointer made by `CString::into_raw` below.
            drop(unsafe { CString::from_raw(payload.cast()) });
        }

        let api = self.environment.api();
        let payload = CString::new(toml).unwrap_or_default().into_raw();
        let mut option = ptr::null_mut();
        // SAFETY: a NUL-terminated identifier, which LiteRT copies, and a payload whose ownership
        // passes together with the function that frees it; `option` is written.
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
                // SAFETY: nothing was created, so the payload is still ours.
                drop(unsafe { CString::from_raw(payload) });
                return Err(error);
            }
        };
        // SAFETY: live options; on success they own `option`.
        let status = unsafe { (api.add_opaque_options)(self.handle.as_ptr(), option.as_ptr()) };
        if status != ffi::STATUS_OK {
            // SAFETY: not taken over, so it is ours to destroy, once.
            unsafe { (api.destroy_opaque_options)(option.as_ptr()) };
        }
        check("options", status)
    }
}

impl Drop for Compilation {
    fn drop(&mut self) {
        // SAFETY: created by this library, destroyed once.
        unsafe { (self.environment.api().destroy_options)(self.handle.as_ptr()) }
    }
}

/// A tensor in memory of ours that LiteRT reads or writes while it runs, and only then.
struct HostTensor {
    handle: NonNull<ffi::TensorBuffer>,
    memory: AlignedBytes,
    element: ElementType,
    len: usize,
    environment: Arc<Environment>,
}

type BufferRequirements = unsafe extern "C" fn(
    *mut ffi::CompiledModel,
    ffi::ParamIndex,
    ffi::ParamIndex,
    *mut *mut ffi::TensorBufferRequirements,
) -> ffi::Status;

impl HostTensor {
    fn for_input(compiled: &CompiledModel, info: &TensorInfo) -> Result<Self, EngineError> {
        Self::new(compiled, compiled.api().get_input_buffer_requirements, info)
    }

    fn for_output(compiled: &CompiledModel, info: &TensorInfo) -> Result<Self, EngineError> {
        Self::new(compiled, compiled.api().get_output_buffer_requirements, info)
    }

    fn new(
        compiled: &CompiledModel,
        requirements_of: BufferRequirements,
        info: &TensorInfo,
    ) -> Result<Self, EngineError> {
        let api = compiled.api();
        let mut requirements = ptr::null_mut();
        // SAFETY: a live compiled model, whose signature has the one tensor 0; `requirements`,
        // owned by the model, is written.
        compiled.check("tensor buffers", unsafe {
            requirements_of(compiled.handle.as_ptr(), compiled.signature, 0, &mut requirements)
        })?;
        let mut size = 0;
        // SAFETY: the requirements just given; `size` is written.
        check("tensor buffers", unsafe {
            (api.get_requirements_buffer_size)(requirements, &mut size)
        })?;
        let size = size.max(info.len() * info.element.size());
        let mut memory = AlignedBytes::zeroed(size);
        let tensor_type = ranked_type(info).ok_or_else(|| EngineError::Create {
            stage: "tensor buffers",
            status: 1,
            detail: format!("tensor '{}' has shape {:?}", info.name, info.shape),
        })?;
        let mut handle = ptr::null_mut();
        // SAFETY: the type is copied; the memory is 64-byte aligned, as LiteRT asks of host
        // memory, at least `size` long, and outlives the buffer, which does not free it (no
        // deallocator); `handle` is written.
        let status = unsafe {
            (api.create_tensor_buffer_from_host_memory)(
                &tensor_type,
                memory.as_mut_ptr().cast(),
                size,
                None,
                &mut handle,
            )
        };
        let handle = created("tensor buffers", status, handle)?;
        let environment = Arc::clone(&compiled.environment);
        Ok(Self { handle, memory, element: info.element, len: info.len(), environment })
    }

    fn elements_mut(&mut self) -> TensorMut<'_> {
        let (memory, len) = (self.memory.as_mut_ptr(), self.len);
        // SAFETY: `len` elements fit the memory, which is 64-byte aligned and initialised; every
        // bit pattern is a valid element; the borrow of `self` keeps everybody else out.
        unsafe {
            match self.element {
                ElementType::F32 => {
                    TensorMut::F32(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
                ElementType::U8 => TensorMut::U8(std::slice::from_raw_parts_mut(memory, len)),
                ElementType::I8 => {
                    TensorMut::I8(std::slice::from_raw_parts_mut(memory.cast(), len))
                }
            }
        }
    }

    fn elements(&self) -> TensorRef<'_> {
        let (memory, len) = (self.memory.as_ptr(), self.len);
        // SAFETY: as in `elements_mut`, shared: LiteRT writes only in `run`, which borrows mutably.
        unsafe {
            match self.element {
                ElementType::F32 => TensorRef::F32(std::slice::from_raw_parts(memory.cast(), len)),
                ElementType::U8 => TensorRef::U8(std::slice::from_raw_parts(memory, len)),
                ElementType::I8 => TensorRef::I8(std::slice::from_raw_parts(memory.cast(), len)),
            }
        }
    }
}

impl Drop for HostTensor {
    fn drop(&mut self) {
        // SAFETY: created by this library, destroyed once, before its memory.
        unsafe { (self.environment.api().destroy_tensor_buffer)(self.handle.as_ptr()) }
    }
}

fn ranked_type(info: &TensorInfo) -> Option<ffi::RankedTensorType> {
    let element_type = match info.element {
        ElementType::F32 => ffi::ELEMENT_FLOAT32,
        ElementType::U8 => ffi::ELEMENT_UINT8,
        ElementType::I8 => ffi::ELEMENT_INT8,
    };
    Some(ffi::RankedTensorType { element_type, layout: ffi::Layout::dense(&info.shape)? })
}

/// Zeroed memory that starts on a 64-byte boundary (`LITERT_HOST_MEMORY_BUFFER_ALIGNMENT`), the
/// whole number of cache lines that hold the bytes asked for, and one line more: XNNPACK's kernels
/// may read up to 16 bytes (`XNN_EXTRA_BYTES`) past the end of an input.
///
/// The memory is held by pointer, not as a `Vec`, because LiteRT keeps a pointer to it across
/// moves and calls, which a `Box`'s or `Vec`'s uniqueness would not allow.
struct AlignedBytes {
    lines: NonNull<CacheLine>,
    count: usize,
}

#[repr(C, align(64))]
#[derive(Clone)]
struct CacheLine([u8; 64]);

// SAFETY: plain bytes with one owner.
unsafe impl Send for AlignedBytes {}
// SAFETY: shared, they are only read.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    fn zeroed(bytes: usize) -> Self {
        let count = bytes.div_ceil(size_of::<CacheLine>()) + 1;
        let lines = Box::leak(vec![CacheLine([0; 64]); count].into_boxed_slice());
        // Of the slice, not of its first line: the pointer is to reach all of them.
        Self { lines: NonNull::from(lines).cast(), count }
    }

    fn as_ptr(&self) -> *const u8 {
        self.lines.as_ptr().cast()
    }

    /// The first `length` bytes.
    fn as_slice(&self, length: usize) -> &[u8] {
        assert!(length <= self.count * size_of::<CacheLine>());
        // SAFETY: owned, initialised memory of at least that length, which nobody writes while the
        // model is read.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), length) }
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.lines.as_ptr().cast()
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        let len = self.count * size_of::<CacheLine>();
        // SAFETY: owned, initialised memory of that length.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), len) }
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        let lines = ptr::slice_from_raw_parts_mut(self.lines.as_ptr(), self.count);
        // SAFETY: the boxed slice leaked in `zeroed`, freed once.
        drop(unsafe { Box::from_raw(lines) });
    }
}

fn check(stage: &'static str, status: ffi::Status) -> Result<(), EngineError> {
    if status == ffi::STATUS_OK {
        return Ok(());
    }
    Err(EngineError::Create { stage, status, detail: String::new() })
}

fn created<T>(
    stage: &'static str,
    status: ffi::Status,
    handle: *mut T,
) -> Result<NonNull<T>, EngineError> {
    check(stage, status)?;
    NonNull::new(handle).ok_or(EngineError::Create {
        stage,
        status,
        detail: "LiteRT reported success without a handle".into(),
    })
}

const _: () = {
    const fn movable_between_threads<T: Send>() {}
    movable_between_threads::<LiteRtEngine>();
};
