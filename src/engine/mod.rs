//! Engines: a model that turns one input tensor into one output tensor.
//!
//! The trait is as small as a classifier needs, so that the pipeline, its tests and its benches
//! can run on LiteRT ([`litert`]) or on a stand-in of known timing and answers ([`fake`]).

pub mod agreement;
pub mod calibration;
pub mod fake;
pub mod litert;
pub mod pool;
pub mod shared;
pub mod tflite;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::EngineError;
use crate::tensor::{TensorInfo, TensorMut, TensorRef};

/// One loaded model, ready to run: input `[1, height, width, 3]`, output of n scores.
///
/// `run` takes `&mut self` because the tensors live in the engine: who fills the input, runs and
/// reads the output must be one at a time. Engines move between threads, they are not shared.
pub trait Engine: Send {
    /// Shape, type and quantisation of the input.
    fn input_info(&self) -> &TensorInfo;

    /// Shape, type and quantisation of the output.
    fn output_info(&self) -> &TensorInfo;

    /// The input's memory, `input_info().len()` elements; what it holds stays until overwritten.
    fn input_mut(&mut self) -> TensorMut<'_>;

    /// Runs one inference on what the input holds.
    ///
    /// # Errors
    ///
    /// [`EngineError`] where the runtime fails; the engine may be run again.
    fn run(&mut self) -> Result<(), EngineError>;

    /// The output of the last successful run, `output_info().len()` elements.
    fn output(&self) -> TensorRef<'_>;
}

/// Runs `engine`; the host must not go down with a bug in it.
///
/// # Errors
///
/// As [`Engine::run`], and [`EngineError::Panicked`].
pub fn run(engine: &mut dyn Engine) -> Result<(), EngineError> {
    catch_unwind(AssertUnwindSafe(|| engine.run()))
        .unwrap_or_else(|panic| Err(EngineError::Panicked { detail: text_of(&*panic) }))
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default().to_owned()
}
