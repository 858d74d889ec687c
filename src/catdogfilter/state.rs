//! The state of the element between start and stop, in one lock.

use std::time::Duration;

use catdog_core::classifier::Classifier;
use catdog_core::frame::Orientation;

use super::model_swap::ModelSwap;
use super::orientation::OrientationTags;
use super::qos::Lateness;
use super::streaming::Streaming;

/// The state that the streaming thread, the events, the queries and the state changes share.
#[derive(Default)]
pub struct State {
    /// The element is between start and stop.
    pub started: bool,
    /// `None` before `start` has ended, after `stop`, and while the streaming thread uses it.
    pub streaming: Option<Box<Streaming>>,
    /// Created by the first change of the model.
    pub model_swap: Option<ModelSwap>,
    /// A property was set since the last frame.
    pub settings_changed: bool,
    /// An element was linked or unlinked downstream since the last frame.
    pub relinked: bool,
    /// A flush or a stop is in progress, so nothing may wait.
    pub interrupted: bool,
    pub lateness: Lateness,
    pub orientation_tags: OrientationTags,
    /// A tag has arrived, or another stream has started, since the last frame.
    pub tags_changed: bool,
    /// Whether upstream is live; `None` until upstream has answered.
    pub upstream_is_live: Option<bool>,
    /// The announced latency.
    pub latency: Duration,
    /// The caps that were refused last. They cause no second warning.
    pub refused_caps: Option<gst::Caps>,
}

/// What the state contains for the next frame.
pub struct FrameStart {
    pub settings_changed: bool,
    pub next_model: Option<Box<Classifier>>,
    pub relinked: bool,
    /// `None` until upstream has answered.
    pub upstream_is_live: Option<bool>,
    /// The orientation that the tags of the stream define.
    pub tag_orientation: Orientation,
    pub tags_changed: bool,
}

impl FrameStart {
    /// Returns whether something has changed since the last frame.
    pub fn has_changes(&self) -> bool {
        self.settings_changed || self.relinked || self.tags_changed || self.next_model.is_some()
    }
}

impl State {
    /// Takes `Streaming` out of the state while a frame is processed. Returns `None` if the element
    /// is not started.
    ///
    /// One thread handles data and serialized events, and `stop` waits for it, so nothing else
    /// needs `Streaming` meanwhile.
    pub fn begin_frame(&mut self) -> Option<(Box<Streaming>, FrameStart)> {
        let streaming = self.streaming.take()?;
        let start = FrameStart {
            settings_changed: std::mem::take(&mut self.settings_changed),
            next_model: self.model_swap.as_ref().and_then(ModelSwap::take),
            relinked: std::mem::take(&mut self.relinked),
            upstream_is_live: self.upstream_is_live,
            tag_orientation: self.orientation_tags.orientation(),
            tags_changed: std::mem::take(&mut self.tags_changed),
        };
        Some((streaming, start))
    }

    /// Puts `streaming` back after a frame.
    pub fn end_frame(&mut self, streaming: Box<Streaming>) {
        self.latency = streaming.latency();
        self.streaming = Some(streaming);
    }

    /// Records the tags of a TAG event, or with `None`, that another stream starts without tags.
    pub fn record_tags(&mut self, tags: Option<&gst::TagListRef>) {
        match tags {
            Some(tags) => self.orientation_tags.record(tags),
            None => self.orientation_tags.reset(),
        }
        self.tags_changed = true;
    }

    /// Resets the state of the stream: after a flush or at the start of another stream.
    pub fn reset_stream(&mut self) {
        if let Some(streaming) = self.streaming.as_mut() {
            streaming.reset();
        }
        self.upstream_is_live = None;
    }
}
