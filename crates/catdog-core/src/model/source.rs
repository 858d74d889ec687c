//! The source of a model: a file, or one of the built-in models, which are part of this library.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::files;

/// What a user writes instead of the path of a file, for each built-in model.
const BUILT_IN_NAMES: [(&str, BuiltIn); 2] =
    [("built-in", BuiltIn::Catdog), ("built-in:nano", BuiltIn::Nano)];

/// Size limit of a model file, in bytes. Image classifiers for embedded devices have between a few
/// and a hundred megabytes.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// A model that is part of this library, with the classes cat, dog and neither. The model card of
/// both is `models/README.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuiltIn {
    /// The default.
    #[default]
    Catdog,
    /// A smaller and faster model, which makes more mistakes.
    Nano,
}

impl BuiltIn {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Catdog => include_bytes!("../../../../models/catdog.tflite"),
            Self::Nano => include_bytes!("../../../../models/catdog-nano.tflite"),
        }
    }

    const fn file_name(self) -> &'static str {
        match self {
            Self::Catdog => "catdog.tflite",
            Self::Nano => "catdog-nano.tflite",
        }
    }
}

/// The source of a model. Its `Display` is its name in error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A built-in model.
    BuiltIn(BuiltIn),
    /// A `.tflite` file.
    File(PathBuf),
}

impl Default for ModelSource {
    fn default() -> Self {
        Self::BuiltIn(BuiltIn::default())
    }
}

impl ModelSource {
    /// Returns the source that a user names: `built-in`, `built-in:nano`, or the path of a file.
    pub fn named(name: PathBuf) -> Self {
        match BUILT_IN_NAMES.iter().find(|(built_in, _)| name.as_os_str() == *built_in) {
            Some((_, model)) => Self::BuiltIn(*model),
            None => Self::File(name),
        }
    }

    /// Returns the bytes of the model.
    ///
    /// # Errors
    ///
    /// The reason as text, if the file cannot be read.
    pub fn read(&self) -> Result<Cow<'static, [u8]>, String> {
        match self {
            Self::BuiltIn(model) => Ok(Cow::Borrowed(model.bytes())),
            Self::File(path) => {
                let read = files::read(path, MAX_FILE_BYTES).map(Cow::Owned);
                read.map_err(|reason| reason + &names_of_built_in_models(path))
            }
        }
    }

    /// Returns the path of the model file; `None` for a built-in model.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// Returns the file name of the model, without its folder.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::BuiltIn(model) => model.file_name().into(),
            Self::File(path) => path.file_name().unwrap_or_default().to_string_lossy(),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(BuiltIn::Catdog) => f.write_str("the built-in model"),
            Self::BuiltIn(BuiltIn::Nano) => f.write_str("the built-in model nano"),
            Self::File(path) => write!(f, "model-file '{}'", path.display()),
        }
    }
}

/// Returns what an error adds if `path` looks like the name of a built-in model.
fn names_of_built_in_models(path: &Path) -> String {
    if !path.to_string_lossy().starts_with(BUILT_IN_NAMES[0].0) {
        return String::new();
    }
    let names: Vec<_> = BUILT_IN_NAMES.iter().map(|(name, _)| *name).collect();
    format!("; the names of the built-in models are {}", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> ModelSource {
        ModelSource::named(name.into())
    }

    #[test]
    fn names_select_built_in_models_and_files() {
        assert_eq!(named("built-in"), ModelSource::default());
        assert_eq!(named("built-in:nano"), ModelSource::BuiltIn(BuiltIn::Nano));
        assert_eq!(named("./built-in"), ModelSource::File("./built-in".into()));
        assert_ne!(named("built-in:nano").read(), named("built-in").read());
    }

    #[test]
    fn an_unknown_built_in_model_is_an_error_with_the_names() {
        let error = named("built-in:tiny").read().unwrap_err();
        let names = "; the names of the built-in models are built-in and built-in:nano";
        assert!(error.ends_with(names), "{error}");
        assert!(!named("no-file.tflite").read().unwrap_err().contains("built-in"));
    }
}
