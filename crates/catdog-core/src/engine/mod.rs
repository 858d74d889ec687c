//! Running a model: one input tensor in, the scores and optionally their evidence out.
//!
//! [`Engine`] is the small interface that the rest of the crate needs from a runtime. [`litert`]
//! implements it with LiteRT, and `tflitec` with the classic TensorFlow Lite; the feature `testing` adds an engine with known durations and
//! outputs. [`SharedModel`](shared_model::SharedModel) loads a model once per process,
//! [`scheduler`] assigns its engines to requests, and [`worker`] runs inferences on worker threads.

pub mod agreement;
mod error;
pub mod litert;
mod loaded_model;
mod memory;
pub mod scheduler;
pub mod shared_model;
#[cfg(feature = "tflitec")]
pub mod tflitec;
pub mod thread_tuning;
pub mod worker;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::tensor::{TensorInfo, TensorMut, TensorRef};
use litert::Accelerator;

pub use error::{EngineError, ModelLoadError};

/// The library that runs models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// LiteRT, or the classic TensorFlow Lite if there is no library of LiteRT and this crate is built
    /// with the feature `tflitec`.
    #[default]
    Auto,
    /// LiteRT, loaded at run time.
    LiteRt,
    /// The classic TensorFlow Lite, linked with the feature `tflitec`.
    Tflitec,
}

impl Runtime {
    /// Returns the name that users write: `auto`, `litert` or `tflitec`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::LiteRt => "litert",
            Self::Tflitec => "tflitec",
        }
    }
}

/// The options of the engines of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// The library that runs the model.
    pub runtime: Runtime,
    /// CPU threads of one inference; 0 is treated as 1.
    pub threads: u32,
    /// The hardware that runs the graph.
    pub accelerator: Accelerator,
}

/// A loaded model that is ready to run: input: one picture, output: its scores, and for some models
/// the evidence at each place of the picture.
///
/// `run` takes `&mut self` because the tensors live in the engine: filling the input, running and
/// reading the output must not overlap. An engine can move between threads, but threads cannot
/// share it.
pub trait Engine: Send {
    /// Returns shape, type and quantization of the input.
    fn input_info(&self) -> &TensorInfo;

    /// Returns shape, type and quantization of the output.
    fn output_info(&self) -> &TensorInfo;

    /// Returns the memory of the input, `input_info().len()` elements. Its contents stay until they
    /// are overwritten.
    fn input_mut(&mut self) -> TensorMut<'_>;

    /// Runs one inference on the contents of the input.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the runtime fails; the engine can be run again.
    fn run(&mut self) -> Result<(), EngineError>;

    /// Returns the output of the last successful run, `output_info().len()` elements.
    fn output(&self) -> TensorRef<'_>;

    /// Returns shape, type and quantization of the evidence, the logits of each class at each place
    /// of the picture; `None` if the model has none.
    fn evidence_info(&self) -> Option<&TensorInfo> {
        None
    }

    /// Returns the evidence of the last successful run, `evidence_info().len()` elements.
    fn evidence(&self) -> Option<TensorRef<'_>> {
        None
    }
}

/// Runs `engine` and turns a panic into an error, because a bug here must not end the host process.
/// Scores that are not finite are an error, too, because they would become arbitrary confidences.
///
/// # Errors
///
/// As [`Engine::run`], and [`EngineError::Panicked`] and [`EngineError::NotFinite`].
pub fn run(engine: &mut dyn Engine) -> Result<(), EngineError> {
    catch_unwind(AssertUnwindSafe(|| engine.run()))
        .unwrap_or_else(|panic| Err(EngineError::Panicked { detail: panic_message(&*panic) }))?;
    match engine.output().first_not_finite() {
        Some(score) => Err(EngineError::NotFinite { score }),
        None => Ok(()),
    }
}

/// Returns the message of a panic, or an empty string.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default().to_owned()
}
