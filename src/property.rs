//! Checks of property values that GObject leaves to the element.

use std::path::PathBuf;

use gst::glib;
use thiserror::Error;

/// A string property was set to a value that is not UTF-8.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{property} is not UTF-8 text and keeps its value; set it to UTF-8 text")]
pub struct NotUtf8 {
    /// Name of the property.
    property: String,
}

/// Checks that `value`, for the property `pspec`, is UTF-8 if it is a string. Derived setters do not
/// check this.
///
/// The value is read as a path, because a path may contain any bytes.
///
/// # Errors
///
/// [`NotUtf8`], which names the property.
pub fn check_utf8(value: &glib::Value, pspec: &glib::ParamSpec) -> Result<(), NotUtf8> {
    let bytes = value.get::<Option<PathBuf>>().ok().flatten();
    match bytes.is_some_and(|bytes| bytes.to_str().is_none()) {
        true => Err(NotUtf8 { property: pspec.name().to_owned() }),
        false => Ok(()),
    }
}
