//! Errors of loading a classifier and of classifying a frame.

use thiserror::Error;

use crate::engine::litert::RuntimeError;
use crate::engine::{EngineError, ModelLoadError};
use crate::frame::FrameError;
use crate::model::ModelSource;
use crate::model::labels::LabelsError;
use crate::preprocess::PreprocessError;

/// A classifier cannot be loaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    /// The model file cannot be read.
    #[error("{model} cannot be read: {reason}; check the path")]
    Unreadable {
        /// The model.
        model: ModelSource,
        /// The reason, as a clause.
        reason: String,
    },
    /// There is no usable runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The accelerator is missing or refuses the model.
    #[error(
        "accelerator={name} cannot run {model}: {source}; set accelerator=cpu, or put LiteRT's \
         accelerator library next to libLiteRt.so"
    )]
    Accelerator {
        /// Name of the accelerator.
        name: &'static str,
        /// The model.
        model: ModelSource,
        /// The error of LiteRT.
        source: EngineError,
    },
    /// The model cannot be loaded.
    #[error("{model}: {source}")]
    Model {
        /// The model.
        model: ModelSource,
        /// The reason.
        source: ModelLoadError,
    },
    /// The model cannot be run on the pictures of the probe.
    #[error(
        "{model} cannot be tried out: {source}; set input-mean and input-std, or export it again"
    )]
    Probe {
        /// The model.
        model: ModelSource,
        /// The reason.
        source: ClassifyError,
    },
    /// The labels cannot be used.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// Softmax was requested for a model with a single score, where it is always 1.
    #[error(
        "output-activation=softmax gives 1 for the single score of {model}; use sigmoid or auto"
    )]
    SoftmaxOfOneScore {
        /// The model.
        model: ModelSource,
    },
}

/// A frame cannot be classified.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClassifyError {
    /// The format of the frames is not set.
    #[error("a frame arrived before its caps; link the element after one that sets video caps")]
    NoFormat,
    /// The buffer does not match the caps.
    #[error("a buffer does not fit the caps: {0}; check the element upstream")]
    Frame(#[from] FrameError),
    /// The frame cannot be preprocessed.
    #[error("a frame cannot be preprocessed: {0}; check the caps upstream")]
    Preprocess(#[from] PreprocessError),
    /// The inference failed.
    #[error("{0}{hint}", hint = log_hint(.0))]
    Engine(#[from] EngineError),
}

/// Returns how to see the messages of LiteRT, if there are any about `error`.
fn log_hint(error: &EngineError) -> &'static str {
    match error {
        EngineError::NotFinite { .. } => "",
        _ => "; set CATDOG_LITERT_LOG=1 in the environment to see the messages of LiteRT",
    }
}
