//! The public objects: a loaded model, and the engines that it creates.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::compiled_model::CompiledModel;
use super::environment::Environment;
use super::host_tensor::{Direction, HostTensor};
use super::model::Model;
use super::options::LiteRtOptions;
use crate::engine::{Engine, EngineError, ModelLoadError};
use crate::model::tflite::ModelInfo;
use crate::sync::lock;
use crate::tensor::{TensorInfo, TensorMut, TensorRef};

/// A model that LiteRT has verified. It creates engines.
pub struct LiteRtModel {
    info: Arc<ModelInfo>,
    model: Arc<Model>,
    /// LiteRT's index of the signature to run.
    signature: usize,
    options: LiteRtOptions,
    /// Held while an engine is created, because the headers of LiteRT do not say that two threads
    /// may compile one model at the same time.
    compiling: Mutex<()>,
}

impl LiteRtModel {
    /// Loads the runtime, unless the process has loaded it already, and a copy of the model in
    /// `file` (the bytes of a `.tflite` file).
    ///
    /// # Errors
    ///
    /// [`ModelLoadError`] if there is no usable runtime, the file is not an image classifier, or
    /// LiteRT refuses it.
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

    /// Creates an engine: LiteRT packs the weights and plans the memory of the graph.
    ///
    /// # Errors
    ///
    /// [`EngineError::Create`] if LiteRT refuses the model.
    pub fn engine(&self) -> Result<LiteRtEngine, EngineError> {
        let compiling = lock(&self.compiling);
        let mut compiled = CompiledModel::new(&self.model, self.signature, &self.options)?;
        drop(compiling);
        let info = Arc::clone(&self.info);
        if info.dynamic_batch {
            compiled.resize_input(&info.input.shape)?;
        }
        compiled.check_shapes(&info)?;
        let input = compiled.host_tensor(Direction::Input, &info.input)?;
        let output = compiled.host_tensor(Direction::Output, &info.output)?;
        Ok(LiteRtEngine { info, input, output, compiled })
    }

    /// Returns the description of the model in its file.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Returns the options of the engines.
    pub fn options(&self) -> &LiteRtOptions {
        &self.options
    }

    /// Returns the bytes of the file.
    pub fn file(&self) -> &[u8] {
        self.model.file()
    }
}

/// A compiled model with its input and output tensors.
pub struct LiteRtEngine {
    info: Arc<ModelInfo>,
    input: HostTensor,
    output: HostTensor,
    compiled: CompiledModel,
}

// SAFETY: the headers of LiteRT bind no object to a thread, and `tflite/core/interpreter.h`
// requires only that calls are serialized. `LiteRtEngine` is not `Sync` and `run` takes `&mut
// self`, so they are. The test `an_engine_is_created_run_and_dropped_on_different_threads` moves
// engines between threads.
unsafe impl Send for LiteRtEngine {}

impl LiteRtEngine {
    /// Loads the model in `file` and creates its only engine.
    ///
    /// # Errors
    ///
    /// As [`LiteRtModel::new`] and [`LiteRtModel::engine`].
    pub fn new(file: &[u8], options: &LiteRtOptions) -> Result<Self, ModelLoadError> {
        Ok(LiteRtModel::new(file, options)?.engine()?)
    }

    /// Returns the description of the model in its file.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }
}

impl fmt::Debug for LiteRtEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteRtEngine").field("info", &self.info).finish_non_exhaustive()
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

const _: () = {
    const fn movable_between_threads<T: Send>() {}
    const fn shared_between_threads<T: Send + Sync>() {}
    movable_between_threads::<LiteRtEngine>();
    shared_between_threads::<LiteRtModel>();
};
