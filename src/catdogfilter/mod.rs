//! `catdogfilter`: classifies every video buffer with a LiteRT model and attaches the result.
//!
//! ```text
//! gst-launch-1.0 v4l2src ! videoconvert ! catdogfilter ! textoverlay ! autovideosink
//! ```
//!
//! The element works in place and only reads pixels. It attaches a
//! [`GstCatdogMeta`](crate::metadata::META_NAME) to every buffer, posts an element message when the
//! label changes, and shows the label in a `textoverlay` downstream. It never drops a frame: a late
//! frame gets the latest result.
//!
//! Since: 0.1.0

mod caps;
mod choices;
mod error;
mod events;
mod frame_map;
mod geometry;
mod imp;
mod latency;
mod lifecycle;
mod model_swap;
mod orientation;
mod outline;
mod output;
mod picture;
mod qos;
mod rois;
mod settings;
mod snapshot;
mod state;
mod streaming;

use gst::glib;
use gst::prelude::*;

/// The name of the element in a pipeline description.
pub const FACTORY_NAME: &str = "catdogfilter";

glib::wrapper! {
    /// Classifies every video buffer with a LiteRT model and attaches the result.
    pub struct CatdogFilter(ObjectSubclass<imp::CatdogFilter>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element with `plugin`.
///
/// # Errors
///
/// The error of GStreamer if the feature cannot be registered.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), FACTORY_NAME, gst::Rank::NONE, CatdogFilter::static_type())
}
