//! catdog: LiteRT image classification on every video buffer of a GStreamer pipeline.
//!
//! The modules stand in the order in which a buffer meets them. From [`frame`] to [`pipeline`] they
//! are plain Rust, usable without GStreamer; [`metadata`], [`overlay`], [`element`] and [`text`] are
//! the way into a media pipeline.

pub mod frame;
pub mod tensor;
pub mod preprocess;
pub mod engine;
pub mod files;
pub mod model;
pub mod sync;
pub mod labels;
pub mod decision;
pub mod stats;
pub mod live;
pub mod pipeline;
pub mod text_format;
pub mod metadata;
pub mod links;
pub mod overlay;
pub mod property;
pub mod element;
pub mod text;
pub mod error;

use gst::glib;

/// The classifier's name in a pipeline description.
pub const FACTORY_NAME: &str = "catdogfilter";
/// The name of the element that turns its metadata into text.
pub const TEXT_FACTORY_NAME: &str = "catdogtext";

pub use plugin::plugin_register_static;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    metadata::register();
    element::register(plugin)?;
    text::register(plugin)
}

// The macro's items have no documentation of their own.
#[allow(missing_docs)]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        catdog,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("BUILD_REL_DATE")
    );
}
