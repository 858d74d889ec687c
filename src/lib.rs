//! catdog: LiteRT image classification on every video buffer of a GStreamer pipeline.
//!
//! The plugin has two elements: [`catdogfilter`] classifies buffers and attaches the result,
//! [`catdogtext`] turns the attached results into timed text. [`metadata`] defines the metadata and
//! the messages. The classification itself is in the crate `catdog_core`, which does not depend on
//! GStreamer.
//!
//! An application that links this crate registers the elements with [`plugin_register_static`].

pub mod catdogfilter;
pub mod catdogtext;
mod downstream;
pub mod metadata;
mod overlay;
mod property;
pub mod roi;
pub mod text_format;

use gst::glib;

pub use plugin::plugin_register_static;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    metadata::register();
    catdogfilter::register(plugin)?;
    catdogtext::register(plugin)
}

// The items that the macro generates have no documentation.
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
