//! The GObject shell of `catdogfilter`: wrapper and registration here, the vtable in `imp`, what
//! the user may set in `settings`. What it does with a frame is in [`crate::pipeline`].

mod caps;
mod imp;
mod mapping;
mod qos;
mod settings;

use gst::glib;
use gst::prelude::*;

use crate::FACTORY_NAME;

glib::wrapper! {
    /// Classifies every video buffer with a LiteRT model and attaches the result.
    pub struct CatdogFilter(ObjectSubclass<imp::CatdogFilter>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element with `plugin`.
///
/// # Errors
///
/// What GStreamer says when a feature cannot be registered.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), FACTORY_NAME, gst::Rank::NONE, CatdogFilter::static_type())
}
