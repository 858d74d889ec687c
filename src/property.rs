//! What GObject leaves to its users.

use std::path::PathBuf;

use gst::glib;

/// Whether `value` is a string that is no UTF-8, which derived setters take as if it were. A path
/// may be anything, so the value is read as one to find out.
pub fn is_broken_text(value: &glib::Value) -> bool {
    let bytes = value.get::<Option<PathBuf>>().ok().flatten();
    bytes.is_some_and(|bytes| bytes.to_str().is_none())
}
