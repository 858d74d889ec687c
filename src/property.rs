//! Checks of property values that GObject leaves to the element.

use std::path::PathBuf;

use gst::glib;

/// Returns whether `value` is a string that is not UTF-8. Derived setters do not check this.
///
/// The value is read as a path, because a path may contain any bytes.
pub fn is_invalid_utf8(value: &glib::Value) -> bool {
    let bytes = value.get::<Option<PathBuf>>().ok().flatten();
    bytes.is_some_and(|bytes| bytes.to_str().is_none())
}
