//! A model in one of the runtimes.

use super::litert::{LiteRtModel, LiteRtOptions};
use super::memory::AlignedBytes;
#[cfg(feature = "tflitec")]
use super::tflitec::TflitecModel;
use super::{Engine, EngineError, EngineOptions, ModelLoadError, Runtime};
use crate::model::tflite::{ModelInfo, ModelOptions, strip_signatures};

/// A loaded model, which creates engines.
pub(super) enum LoadedModel {
    /// In LiteRT.
    LiteRt(LiteRtModel),
    /// In the classic TensorFlow Lite.
    #[cfg(feature = "tflitec")]
    Tflitec(TflitecModel),
}

impl LoadedModel {
    /// Loads the model in `file` (the bytes of a `.tflite` file) with the runtime of `options`.
    ///
    /// # Errors
    ///
    /// As [`LiteRtModel::new`]; [`ModelLoadError::NoTflitec`] if the runtime is not compiled in.
    pub(super) fn new(
        file: &[u8],
        options: &EngineOptions,
        model_options: &ModelOptions,
    ) -> Result<Self, ModelLoadError> {
        let litert = || {
            let options =
                LiteRtOptions { threads: options.threads, accelerator: options.accelerator };
            LiteRtModel::with_model_options(file, &options, model_options).map(Self::LiteRt)
        };
        match options.runtime {
            Runtime::LiteRt => litert(),
            Runtime::Auto => match litert() {
                // Without a usable library of LiteRT, the other one runs the model; if it cannot, the first reason
                // counts.
                Err(missing @ ModelLoadError::Runtime(_)) if cfg!(feature = "tflitec") => {
                    Self::tflitec(file, options, model_options).map_err(|_| missing)
                }
                result => result,
            },
            Runtime::Tflitec => Self::tflitec(file, options, model_options),
        }
    }

    #[cfg(feature = "tflitec")]
    fn tflitec(
        file: &[u8],
        options: &EngineOptions,
        model_options: &ModelOptions,
    ) -> Result<Self, ModelLoadError> {
        TflitecModel::new(file, options, model_options).map(Self::Tflitec)
    }

    #[cfg(not(feature = "tflitec"))]
    fn tflitec(_: &[u8], _: &EngineOptions, _: &ModelOptions) -> Result<Self, ModelLoadError> {
        Err(ModelLoadError::NoTflitec)
    }

    /// Creates an engine.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the runtime refuses the model.
    pub(super) fn engine(&self) -> Result<Box<dyn Engine>, EngineError> {
        Ok(match self {
            Self::LiteRt(model) => Box::new(model.engine()?),
            #[cfg(feature = "tflitec")]
            Self::Tflitec(model) => Box::new(model.engine()?),
        })
    }

    /// Returns the description of the model in its file.
    pub(super) fn info(&self) -> &ModelInfo {
        match self {
            Self::LiteRt(model) => model.info(),
            #[cfg(feature = "tflitec")]
            Self::Tflitec(model) => model.info(),
        }
    }

    /// Returns the bytes of the file, without signatures if they are ignored.
    pub(super) fn file(&self) -> &[u8] {
        match self {
            Self::LiteRt(model) => model.file(),
            #[cfg(feature = "tflitec")]
            Self::Tflitec(model) => model.file(),
        }
    }

    /// Returns what a user should know about how the runtime runs the model.
    pub(super) fn note(&self) -> Option<&'static str> {
        match self {
            Self::LiteRt(_) => None,
            #[cfg(feature = "tflitec")]
            Self::Tflitec(model) => model.note(),
        }
    }

    /// Returns the runtime.
    pub(super) fn runtime(&self) -> Runtime {
        match self {
            Self::LiteRt(_) => Runtime::LiteRt,
            #[cfg(feature = "tflitec")]
            Self::Tflitec(_) => Runtime::Tflitec,
        }
    }
}

/// Copies and checks the bytes of a `.tflite` file, before a runtime sees them.
///
/// # Errors
///
/// As [`ModelInfo::parse_with`].
pub(super) fn verified(
    file: &[u8],
    model_options: &ModelOptions,
) -> Result<(AlignedBytes, ModelInfo), ModelLoadError> {
    let mut file = AlignedBytes::copy_of(file);
    let mut info = ModelInfo::parse_with(file.as_slice(), model_options)?;
    if info.ignores_signatures {
        // The runtime gets the changed file, so that is the one to verify.
        strip_signatures(file.as_mut_slice());
        info = ModelInfo::parse_with(file.as_slice(), model_options)?;
        info.ignores_signatures = true;
    }
    Ok((file, info))
}
