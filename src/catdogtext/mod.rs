//! `catdogtext`: the metadata of `catdogfilter` as timed text or as JSON lines.
//!
//! It is a bin of two. The first (`maker`) makes cues of frames (`cues`), the second is a `queue` of
//! cues, so that whoever is slow to take them does not hold up the frames: an encoder on another
//! branch may need dozens of them before a muxer takes anything.

mod cues;
mod imp;
mod maker;
mod pace;
mod running;
mod settings;
mod stall;

use gst::glib;
use gst::prelude::*;

/// The name of the element in a pipeline description.
pub const FACTORY_NAME: &str = "catdogtext";

glib::wrapper! {
    /// Turns the metadata of video into timed text or JSON lines.
    pub struct CatdogText(ObjectSubclass<imp::CatdogText>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

glib::wrapper! {
    /// Makes cues of frames.
    pub struct CueMaker(ObjectSubclass<maker::CueMaker>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element with `plugin`.
///
/// # Errors
///
/// What GStreamer says when a feature cannot be registered.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    let (rank, element) = (gst::Rank::NONE, CatdogText::static_type());
    gst::Element::register(Some(plugin), FACTORY_NAME, rank, element)
}
