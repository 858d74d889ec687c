//! Which model runs: a file that the user names, or the project's own, which is part of the plugin.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::files;

/// The project's own model: cat, dog, neither. What it can do stands in `models/README.md`.
static BUILT_IN: &[u8] = include_bytes!("../models/catdog.tflite");
const BUILT_IN_NAME: &str = "catdog.tflite";

/// 512 MiB is a hundred times the largest image classifier in use.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Where a model comes from. Displayed as an error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// The project's own.
    BuiltIn,
    /// A `.tflite` file.
    File(PathBuf),
}

impl ModelSource {
    /// The whole model.
    ///
    /// # Errors
    ///
    /// Why the file cannot be read, in words.
    pub fn read(&self) -> Result<Cow<'static, [u8]>, String> {
        match self {
            Self::BuiltIn => Ok(Cow::Borrowed(BUILT_IN)),
            Self::File(path) => files::read(path, MAX_FILE_BYTES).map(Cow::Owned),
        }
    }

    /// The file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::File(path) => Some(path),
        }
    }

    /// What a result is labelled with: the name of the file, without its folder.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::BuiltIn => BUILT_IN_NAME.into(),
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy(),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the built-in model"),
            Self::File(path) => write!(f, "model-file '{}'", path.display()),
        }
    }
}
