//! The error of a missing or unusable LiteRT runtime.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// A file that was tried as the LiteRT runtime, and why it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLibrary {
    /// The file, or the bare name that the dynamic loader searched for.
    pub path: PathBuf,
    /// The reason, as a clause.
    pub reason: String,
}

/// There is no usable LiteRT runtime.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub struct RuntimeError {
    /// Every file that was tried, in order.
    pub refused: Vec<RefusedLibrary>,
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no usable LiteRT runtime (libLiteRt.so, 2.1.6 or newer). Tried: ")?;
        for (index, RefusedLibrary { path, reason }) in self.refused.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} ({reason})", path.display())?;
        }
        f.write_str(
            ". Install it with scripts/fetch-runtime.sh of the catdog sources, or set \
             CATDOG_LITERT_LIBRARY to the file",
        )
    }
}
