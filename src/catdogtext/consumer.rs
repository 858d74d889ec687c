//! Finds the element that consumes the cues, which decides how long a cue may be held.

use gst::prelude::*;

use crate::downstream::visit_downstream;

/// The element that consumes the cues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    pub kind: ConsumerKind,
    /// Name of the muxer or overlay; empty for other consumers.
    pub name: String,
    /// The cues go through `webvttenc`, which writes text as it is: `catdogtext` has to escape it.
    pub is_webvtt: bool,
    /// The pad of the video whose keyframes split the output of a `splitmuxsink`.
    pub video_pad: Option<gst::Pad>,
}

/// How the consumer waits for cues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsumerKind {
    /// It waits for no other stream: a sink, an application, a file.
    #[default]
    Independent,
    /// It takes no more video before it has the next cue.
    Muxer,
    /// `splitmuxsink`: it takes video up to the next keyframe, and no more before it has a cue that
    /// starts there or later.
    SegmentMuxer,
    /// It draws cues on frames that wait for them.
    Overlay,
}

impl Consumer {
    /// Returns the consumer downstream of `source`. If there are several, this is the one with the
    /// largest [`ConsumerKind`].
    pub fn find(source: &gst::Pad) -> Self {
        let mut consumer = Self::default();
        visit_downstream(source, |_, element| {
            let class = element.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
            let is_factory =
                |name: &str| element.factory().is_some_and(|factory| factory.name() == name);
            consumer.is_webvtt |= is_factory("webvttenc");
            let mut video_pad = None;
            let kind = if is_factory("splitmuxsink") {
                video_pad = element.static_pad("video");
                ConsumerKind::SegmentMuxer
            } else if class.contains("Muxer") {
                ConsumerKind::Muxer
            } else if element.num_sink_pads() > 1 && !class.contains("Generic") {
                ConsumerKind::Overlay
            } else {
                return true;
            };
            if kind > consumer.kind {
                consumer.kind = kind;
                consumer.name = element.name().into();
                consumer.video_pad = video_pad;
            }
            false
        });
        consumer
    }

    /// Returns whether the consumer waits for cues.
    pub fn waits(&self) -> bool {
        self.kind != ConsumerKind::Independent
    }

    /// Returns whether the video of a `splitmuxsink` is not linked yet.
    pub fn lacks_video(&self) -> bool {
        self.kind == ConsumerKind::SegmentMuxer && self.video_pad.is_none()
    }
}
