//! `catdogtext`: turns the metadata of `catdogfilter` into timed text or JSON lines.
//!
//! ```text
//! gst-launch-1.0 v4l2src ! videoconvert ! catdogfilter ! catdogtext ! webvttenc ! \
//!   filesink location=out.vtt
//! ```
//!
//! Consecutive frames with the same label become one cue: a text buffer with a timestamp and a
//! duration. With the caps `application/x-json`, each cue is one line of JSON. The pixels of the
//! frames are not read. The output goes to an application, a file, a `textoverlay`, a muxer or a
//! `splitmuxsink`.
//!
//! The element is a bin that contains two elements: a cue maker and a `queue` of cues. Because of
//! the queue, a consumer that takes cues slowly does not block the frames: an encoder on another
//! branch may need dozens of frames before a muxer takes the first cue.
//!
//! Since: 0.1.0

mod caps;
mod consumer;
mod cue_maker;
mod cues;
mod imp;
mod keyframes;
mod pace;
mod settings;
mod splitter;
mod stall;
mod streaming;

use gst::glib;
use gst::prelude::*;

/// The name of the element in a pipeline description.
pub const FACTORY_NAME: &str = "catdogtext";

glib::wrapper! {
    /// Turns the metadata of `catdogfilter` into timed text or JSON lines.
    pub struct CatdogText(ObjectSubclass<imp::CatdogText>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

glib::wrapper! {
    /// Turns frames into cues; the first element of the bin [`CatdogText`].
    pub struct CueMaker(ObjectSubclass<cue_maker::CueMaker>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element with `plugin`.
///
/// # Errors
///
/// The error of GStreamer if the feature cannot be registered.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), FACTORY_NAME, gst::Rank::NONE, CatdogText::static_type())
}
