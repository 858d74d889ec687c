//! Errors of loading and running a model.

use thiserror::Error;

use super::litert::RuntimeError;
use crate::model::tflite::ModelError;

/// A model could not be prepared for inference.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModelLoadError {
    /// There is no usable runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The file is not a model that catdog can run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The classic TensorFlow Lite is not compiled in.
    #[error(
        "engine=tflitec: this build has no TensorFlow Lite; build catdog with --features tflitec"
    )]
    NoTflitec,
    /// The classic TensorFlow Lite lacks something that LiteRT has.
    #[error("engine=tflitec: {0}; use engine=litert")]
    OnlyLiteRt(&'static str),
    /// The runtime cannot run the model.
    #[error("{0}; export it again with LiteRT's built-in operators")]
    Engine(#[from] EngineError),
}

/// The runtime refused a model, or an inference failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EngineError {
    /// The runtime failed while it prepared the model.
    #[error("LiteRT cannot run it: {stage}: {}{}", status_name(*.status), after_colon(.detail))]
    Create {
        /// The object that LiteRT was creating.
        stage: &'static str,
        /// The `LiteRtStatus` that the call returned.
        status: i32,
        /// LiteRT's own message; may be empty.
        detail: String,
    },
    /// An inference failed.
    #[error("inference failed: {}{}", status_name(*.status), after_colon(.detail))]
    Invoke {
        /// The `LiteRtStatus` that the call returned.
        status: i32,
        /// LiteRT's own message; may be empty.
        detail: String,
    },
    /// TensorFlow Lite refused the model, or an inference failed.
    #[error("TensorFlow Lite cannot run it: {stage}: {detail}")]
    Tflitec {
        /// What it was doing.
        stage: &'static str,
        /// The message of the library.
        detail: String,
    },
    /// A score is NaN or infinite. The weights of the model or the range of its input cause this.
    #[error(
        "score {score} of the model is not a finite number; check input-mean and input-std; \
         if they are right, the model itself is faulty"
    )]
    NotFinite {
        /// Index of the score.
        score: usize,
    },
    /// The system could not create a worker thread.
    #[error("inference needs a thread, and the system cannot create one; see `ulimit -u`")]
    NoThread,
    /// The runtime or this crate panicked, which is a bug.
    #[error("inference panicked{}; please report it", after_colon(.detail))]
    Panicked {
        /// The message of the panic; may be empty.
        detail: String,
    },
}

/// Returns `detail` after a colon, or nothing if it is empty.
fn after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

/// Returns the meaning of a `LiteRtStatus`, with its number. Source: `litert_common.h`.
fn status_name(status: i32) -> String {
    let name = match status {
        1 => "invalid argument",
        2 => "out of memory",
        3 => "runtime failure",
        4 => "missing input tensor",
        5 => "unsupported",
        6 => "not found",
        7 => "timeout",
        8 => "wrong version",
        9 => "unknown error",
        500 => "file i/o",
        501 => "invalid flatbuffer",
        502 => "an accelerator's library cannot be loaded",
        504 => "compilation failed",
        _ => return format!("LiteRT status {status}"),
    };
    format!("{name} (LiteRT status {status})")
}
