//! Errors of the element, and the one place that maps them to GStreamer errors.
//!
//! The mappings are macros, so that a GStreamer error names the function in which it was created.

use catdog_core::classifier::{ClassifyError, LoadError};
use thiserror::Error;

use super::settings::SettingsError;

/// The element cannot start.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StartError {
    /// A property has a value that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The classifier cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// A frame cannot be processed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProcessError {
    /// The frame cannot be classified.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// The metadata cannot be attached.
    #[error("the result cannot be attached: {0}; load catdog as a GStreamer plugin")]
    Metadata(String),
}

/// Returns the `gst::ErrorMessage` for a [`StartError`].
macro_rules! start_error_message {
    ($error:expr) => {{
        use catdog_core::classifier::LoadError;

        use crate::catdogfilter::error::StartError;

        let error: &StartError = $error;
        match error {
            StartError::Settings(_) => gst::error_msg!(gst::LibraryError::Settings, ("{error}")),
            StartError::Load(load) => match load {
                LoadError::Unreadable { .. } => {
                    gst::error_msg!(gst::ResourceError::NotFound, ("{error}"))
                }
                LoadError::Runtime(_) | LoadError::Accelerator { .. } => {
                    gst::error_msg!(gst::LibraryError::Init, ("{error}"))
                }
                LoadError::Model { .. } | LoadError::Probe { .. } => {
                    gst::error_msg!(gst::StreamError::WrongType, ("{error}"))
                }
                LoadError::Labels(_) => gst::error_msg!(gst::ResourceError::Read, ("{error}")),
                LoadError::SoftmaxOfOneScore { .. } => {
                    gst::error_msg!(gst::LibraryError::Settings, ("{error}"))
                }
            },
        }
    }};
}

/// Posts the element error for a [`ProcessError`].
macro_rules! post_process_error {
    ($imp:expr, $error:expr) => {{
        use catdog_core::classifier::ClassifyError;

        use crate::catdogfilter::error::ProcessError;

        let error: &ProcessError = $error;
        match error {
            ProcessError::Classify(ClassifyError::Engine(_)) => {
                gst::element_imp_error!($imp, gst::LibraryError::Failed, ("{error}"));
            }
            _ => gst::element_imp_error!($imp, gst::StreamError::Format, ("{error}")),
        }
    }};
}

pub(super) use {post_process_error, start_error_message};
