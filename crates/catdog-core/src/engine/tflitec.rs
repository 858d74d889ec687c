//! The engine of the classic TensorFlow Lite: its C library, which the crate tflitec links.
//!
//! It is for machines whose vendor ships that library and not LiteRT. The graph is verified before, as for
//! LiteRT.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::{Arc, Mutex, OnceLock};

use half::f16;
use tflitec::interpreter::{Interpreter, Options};
use tflitec::model::Model;
use tflitec::tensor::{DataType, Shape};

use super::litert::Accelerator;
use super::loaded_model::verified;
use super::memory::AlignedBytes;
use super::{Engine, EngineError, EngineOptions, ModelLoadError};
use crate::model::tflite::{ModelInfo, ModelOptions};
use crate::sync::lock;
use crate::tensor::{ElementType, Tensor, TensorInfo, TensorMut, TensorRef};

/// What a user should know about a model that XNNPACK does not run.
const WITHOUT_XNNPACK: &str = "the XNNPACK of TensorFlow Lite refuses the model; TensorFlow Lite's own kernels run \
                               it, which takes several times as long";

/// A model in TensorFlow Lite. It creates engines.
pub struct TflitecModel {
    info: Arc<ModelInfo>,
    loaded: Arc<Loaded>,
    threads: i32,
    /// Whether XNNPACK runs the model; unknown until the first engine.
    uses_xnnpack: OnceLock<bool>,
    /// Held while an interpreter is created, because TensorFlow Lite does not say that two threads may
    /// create one of the same model.
    creating: Mutex<()>,
}

/// The model of TensorFlow Lite, and the bytes that it reads. The model is dropped first.
struct Loaded {
    model: Model<'static>,
    file: AlignedBytes,
}

impl TflitecModel {
    /// Loads a copy of the model in `file` (the bytes of a `.tflite` file).
    ///
    /// # Errors
    ///
    /// [`ModelLoadError`] if the file is not an image classifier, or TensorFlow Lite refuses it.
    pub(super) fn new(
        file: &[u8],
        options: &EngineOptions,
        model_options: &ModelOptions,
    ) -> Result<Self, ModelLoadError> {
        if options.accelerator != Accelerator::Cpu {
            return Err(ModelLoadError::OnlyLiteRt("TensorFlow Lite runs on the CPU only"));
        }
        let (file, info) = verified(file, model_options)?;
        if info.subgraph != 0 {
            let reason = "the signature of the model is of another subgraph than the first";
            return Err(ModelLoadError::OnlyLiteRt(reason));
        }
        // SAFETY: `file` owns `len()` initialized bytes at this address, wherever it is moved, and nothing
        // writes them from here on. `Loaded` drops the model, which has the slice, before the bytes.
        let bytes: &'static [u8] = unsafe { slice::from_raw_parts(file.as_ptr(), file.len()) };
        let model = Model::from_bytes(bytes).map_err(|error| failed("model", error))?;
        Ok(Self {
            info: Arc::new(info),
            loaded: Arc::new(Loaded { model, file }),
            threads: i32::try_from(options.threads.max(1)).unwrap_or(1),
            uses_xnnpack: OnceLock::new(),
            creating: Mutex::new(()),
        })
    }

    /// Creates an engine, with XNNPACK if it runs the model.
    ///
    /// # Errors
    ///
    /// [`EngineError::Tflitec`] if TensorFlow Lite cannot run the model.
    pub(super) fn engine(&self) -> Result<TflitecEngine, EngineError> {
        let _creating = lock(&self.creating);
        if let Some(uses_xnnpack) = self.uses_xnnpack.get() {
            return self.created(*uses_xnnpack);
        }
        let (engine, uses_xnnpack) = match self.created(true) {
            Ok(engine) => (engine, true),
            Err(_) => (self.created(false)?, false),
        };
        let _ = self.uses_xnnpack.set(uses_xnnpack);
        Ok(engine)
    }

    /// Creates an engine. The crate panics if the name of a tensor is not UTF-8, which is an error here.
    fn created(&self, uses_xnnpack: bool) -> Result<TflitecEngine, EngineError> {
        catch_unwind(AssertUnwindSafe(|| TflitecEngine::new(self, uses_xnnpack)))
            .unwrap_or_else(|_| Err(failed("tensors", "their names cannot be read")))
    }

    /// Returns the description of the model in its file.
    pub(super) fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Returns the bytes of the file, without signatures if they are ignored.
    pub(super) fn file(&self) -> &[u8] {
        self.loaded.file.as_slice()
    }

    /// Returns what a user should know about how the model runs.
    pub(super) fn note(&self) -> Option<&'static str> {
        (self.uses_xnnpack.get() == Some(&false)).then_some(WITHOUT_XNNPACK)
    }
}

/// An interpreter with its input and outputs. The interpreter is dropped before the model.
pub struct TflitecEngine {
    interpreter: Interpreter<'static>,
    info: Arc<ModelInfo>,
    /// The input, with all pictures of a batch.
    input: Tensor,
    /// The scores of the first picture.
    scores: Tensor,
    evidence: Option<Tensor>,
    _model: Arc<Loaded>,
}

impl TflitecEngine {
    fn new(owner: &TflitecModel, uses_xnnpack: bool) -> Result<Self, EngineError> {
        let info = Arc::clone(&owner.info);
        let loaded = Arc::clone(&owner.loaded);
        // SAFETY: `loaded` keeps the model alive at this address: an Arc never moves what it owns. The engine
        // holds the Arc, and drops the interpreter, its first field, before it.
        let model: &'static Model<'static> = unsafe { &*std::ptr::from_ref(&loaded.model) };
        let options = Options { thread_count: owner.threads, is_xnnpack_enabled: uses_xnnpack };
        let interpreter =
            Interpreter::new(model, Some(options)).map_err(|error| failed("interpreter", error))?;
        if info.input.is_open {
            interpreter
                .resize_input(0, Shape::new(info.input.runtime_shape.clone()))
                .map_err(|error| failed("input", error))?;
        }
        interpreter.allocate_tensors().map_err(|error| failed("tensors", error))?;
        let whole =
            TensorInfo { shape: info.input.runtime_shape.clone(), ..info.input.tensor.clone() };
        let engine = Self {
            input: Tensor::zeroed(&whole),
            scores: Tensor::zeroed(&info.output),
            evidence: info.evidence.as_ref().map(|evidence| Tensor::zeroed(&evidence.tensor)),
            interpreter,
            info,
            _model: loaded,
        };
        engine.check()?;
        Ok(engine)
    }

    /// Checks that the tensors of the interpreter are those of the description.
    fn check(&self) -> Result<(), EngineError> {
        let input = self.interpreter.input(0).map_err(|error| failed("input", error))?;
        let is_same = input.data_type() == data_type(self.info.input.tensor.element)
            && input.data::<u8>().len()
                == self.input.elements().len() * self.info.input.tensor.element.size();
        let count = self.interpreter.output_tensor_count();
        if !is_same || count != self.info.outputs.len() {
            return Err(failed("tensors", "they are not those of the file"));
        }
        Ok(())
    }
}

impl fmt::Debug for TflitecEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TflitecEngine").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Engine for TflitecEngine {
    fn input_info(&self) -> &TensorInfo {
        &self.info.input.tensor
    }

    fn output_info(&self) -> &TensorInfo {
        &self.info.output
    }

    fn input_mut(&mut self) -> TensorMut<'_> {
        // Only the first picture of a batch is used; the others stay 0.
        self.input.elements_mut().first(self.info.input.tensor.len())
    }

    fn run(&mut self) -> Result<(), EngineError> {
        match self.input.elements() {
            TensorRef::F32(values) => self.interpreter.copy(values, 0),
            TensorRef::F16(values) => self.interpreter.copy(values, 0),
            TensorRef::U8(values) => self.interpreter.copy(values, 0),
            TensorRef::I8(values) => self.interpreter.copy(values, 0),
        }
        .and_then(|()| self.interpreter.invoke())
        .map_err(|error| failed("inference", error))?;
        read(&self.interpreter, self.info.output_index, self.scores.elements_mut())?;
        if let (Some(info), Some(evidence)) = (&self.info.evidence, &mut self.evidence) {
            read(&self.interpreter, info.index, evidence.elements_mut())?;
        }
        Ok(())
    }

    fn output(&self) -> TensorRef<'_> {
        self.scores.elements()
    }

    fn evidence_info(&self) -> Option<&TensorInfo> {
        self.info.evidence.as_ref().map(|evidence| &evidence.tensor)
    }

    fn evidence(&self) -> Option<TensorRef<'_>> {
        self.evidence.as_ref().map(Tensor::elements)
    }
}

/// Copies an output into a tensor.
fn read(
    interpreter: &Interpreter<'_>,
    index: usize,
    into: TensorMut<'_>,
) -> Result<(), EngineError> {
    let output = interpreter.output(index).map_err(|error| failed("output", error))?;
    let element = into.element();
    if output.data_type() != data_type(element)
        || output.data::<u8>().len() < into.len() * element.size()
    {
        return Err(failed("output", "it is not that of the file"));
    }
    match into {
        TensorMut::F32(into) => into.copy_from_slice(&output.data::<f32>()[..into.len()]),
        TensorMut::F16(into) => into.copy_from_slice(&output.data::<f16>()[..into.len()]),
        TensorMut::U8(into) => into.copy_from_slice(&output.data::<u8>()[..into.len()]),
        TensorMut::I8(into) => into.copy_from_slice(&output.data::<i8>()[..into.len()]),
    }
    Ok(())
}

fn data_type(element: ElementType) -> DataType {
    match element {
        ElementType::F32 => DataType::Float32,
        ElementType::F16 => DataType::Float16,
        ElementType::U8 => DataType::UInt8,
        ElementType::I8 => DataType::Int8,
    }
}

fn failed(stage: &'static str, reason: impl fmt::Display) -> EngineError {
    EngineError::Tflitec { stage, detail: reason.to_string() }
}

const _: () = {
    const fn movable_between_threads<T: Send>() {}
    const fn shared_between_threads<T: Send + Sync>() {}
    movable_between_threads::<TflitecEngine>();
    shared_between_threads::<TflitecModel>();
};
