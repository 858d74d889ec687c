//! The public objects: a loaded model, and the engines that it creates.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::compiled_model::CompiledModel;
use super::environment::Environment;
use super::host_tensor::HostTensor;
use super::model::Model;
use super::options::LiteRtOptions;
use crate::engine::loaded_model::verified;
use crate::engine::{Engine, EngineError, ModelLoadError};
use crate::model::tflite::{ModelInfo, ModelOptions};
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
        Self::with_model_options(file, options, &ModelOptions::default())
    }

    /// Does the same as [`new`](Self::new) for a model that leaves choices.
    ///
    /// # Errors
    ///
    /// The errors are those of [`new`](Self::new).
    pub fn with_model_options(
        file: &[u8],
        options: &LiteRtOptions,
        model_options: &ModelOptions,
    ) -> Result<Self, ModelLoadError> {
        let (file, info) = verified(file, model_options)?;
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
        if info.input.is_open {
            compiled.resize_input(&info.input.runtime_shape)?;
        }
        let input = compiled.input(&info)?;
        let outputs = compiled.outputs(&info)?;
        Ok(LiteRtEngine { info, input, outputs, compiled })
    }

    /// Returns the description of the model in its file.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Returns the options of the engines.
    pub fn options(&self) -> &LiteRtOptions {
        &self.options
    }

    /// Returns the bytes of the file, without signatures if they are ignored.
    pub fn file(&self) -> &[u8] {
        self.model.file()
    }
}

/// A compiled model with its input and output tensors.
pub struct LiteRtEngine {
    info: Arc<ModelInfo>,
    input: HostTensor,
    /// All outputs, in the order of the runtime, which writes all of them.
    outputs: Vec<HostTensor>,
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
        self.compiled.run(&mut self.input, &mut self.outputs)
    }

    fn output(&self) -> TensorRef<'_> {
        let scores = &self.outputs[self.info.output_index];
        // The scores of the first picture of a batch come first.
        scores.elements().first(self.info.output.len())
    }

    fn evidence_info(&self) -> Option<&TensorInfo> {
        self.info.evidence.as_ref().map(|evidence| &evidence.tensor)
    }

    fn evidence(&self) -> Option<TensorRef<'_>> {
        let evidence = self.info.evidence.as_ref()?;
        Some(self.outputs[evidence.index].elements().first(evidence.tensor.len()))
    }
}

const _: () = {
    const fn movable_between_threads<T: Send>() {}
    const fn shared_between_threads<T: Send + Sync>() {}
    movable_between_threads::<LiteRtEngine>();
    shared_between_threads::<LiteRtModel>();
};
