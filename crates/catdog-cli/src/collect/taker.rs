//! Takes the frames that are saved from the pipeline.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use catdog_core::sync::lock;
use gst::glib;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

use super::rule::{Key, Rule};
use super::writer::{Inbox, Photo};
use crate::Failure;
use crate::frame::Frame;

/// The name of the sink from which frames are taken.
pub const SINK: &str = "photos";

/// The keys for which no frame was saved yet.
#[derive(Clone, Debug, Default)]
pub struct PendingKeys(Arc<Mutex<VecDeque<Key>>>);

impl PendingKeys {
    /// Adds keys that were pressed.
    pub fn extend(&self, keys: impl Iterator<Item = Key>) {
        self.lock().extend(keys);
    }

    /// Removes the first key.
    fn next(&self) -> Option<Key> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Key>> {
        lock(&self.0)
    }
}

/// Takes frames from the pipeline, in its streaming thread.
pub struct Taker {
    pub rule: Rule,
    pub keys: PendingKeys,
    pub inbox: Inbox,
    /// Whether the pipeline must not wait for the writer.
    pub is_live: bool,
    pub started: Instant,
}

impl Taker {
    /// Gets all frames of the pipeline.
    pub fn connect(mut self, pipeline: &gst::Pipeline) -> Result<(), Failure> {
        let sink = pipeline.by_name(SINK).and_then(|sink| sink.downcast::<AppSink>().ok());
        let sink = sink.ok_or("the pipeline has no appsink")?;
        let taken = move |sink: &AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            self.take(&sample);
            Ok(gst::FlowSuccess::Ok)
        };
        sink.set_callbacks(AppSinkCallbacks::builder().new_sample(taken).build());
        Ok(())
    }

    /// Sends the frame to the writer, if it is to be saved.
    fn take(&mut self, sample: &gst::Sample) {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps_owned()) else { return };
        if self.is_live && !self.inbox.has_room() {
            // The next frame is as good, and a key is not lost.
            return;
        }
        let Some(frame) = Frame::of(buffer, self.started.elapsed()) else { return };
        let key = self.keys.next();
        let Some(choice) = self.rule.decide(&frame, key.as_ref()) else { return };
        // A camera has few buffers, and the writer may keep this one for long.
        let (Ok(copy), Ok(taken)) = (buffer.copy_deep(), glib::DateTime::now_local()) else {
            return;
        };
        let sample = gst::Sample::builder().buffer(&copy).caps(&caps).build();
        self.inbox.send(Photo { sample, frame, choice, taken });
    }
}
