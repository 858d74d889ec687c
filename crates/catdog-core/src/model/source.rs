//! The source of a model: a file, or the built-in model, which is part of this library.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::files;

/// The built-in model, with the classes cat, dog and neither. Its model card is `models/README.md`.
static BUILT_IN: &[u8] = include_bytes!("../../../../models/catdog.tflite");
const BUILT_IN_NAME: &str = "catdog.tflite";

/// Size limit of a model file, in bytes. Image classifiers for embedded devices have between a few
/// and a hundred megabytes.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// The source of a model. Its `Display` is its name in error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// The built-in model.
    BuiltIn,
    /// A `.tflite` file.
    File(PathBuf),
}

impl ModelSource {
    /// Returns the source that the argument of a command names: `built-in`, or the path of a file.
    pub fn named(name: PathBuf) -> Self {
        if name.as_os_str() == "built-in" { Self::BuiltIn } else { Self::File(name) }
    }

    /// Returns the bytes of the model.
    ///
    /// # Errors
    ///
    /// The reason as text, if the file cannot be read.
    pub fn read(&self) -> Result<Cow<'static, [u8]>, String> {
        match self {
            Self::BuiltIn => Ok(Cow::Borrowed(BUILT_IN)),
            Self::File(path) => files::read(path, MAX_FILE_BYTES).map(Cow::Owned),
        }
    }

    /// Returns the path of the model file; `None` for the built-in model.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::File(path) => Some(path),
        }
    }

    /// Returns the file name of the model, without its folder.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_name_of_the_built_in_model_is_named_by_its_folder() {
        assert_eq!(ModelSource::named("built-in".into()), ModelSource::BuiltIn);
        assert_eq!(ModelSource::named("./built-in".into()), ModelSource::File("./built-in".into()));
    }
}
