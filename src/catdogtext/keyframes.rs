//! Where the video that goes into the same `splitmuxsink` has keyframes.
//!
//! `splitmuxsink` begins files at keyframes. It holds back the video at each keyframe until the text has a
//! buffer from there on; events do not count. A probe on its video pad notes the keyframes before
//! `splitmuxsink` sees them, so that cues are split there and each file begins with the text that is valid
//! at its start. All times are running times, because encoders shift time stamps.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use catdog_core::sync::lock;
use gst::ClockTime;
use gst::glib;
use gst::prelude::*;

/// Maximum number of splits that are kept for cues that have not come yet.
const MAX_SPLITS: usize = 1000;

/// A keyframe closer than this to the previous split splits nothing, so that a video of keyframes only does
/// not make one cue per frame. A file that begins there begins without text for at most this time.
const MIN_SPLIT_INTERVAL: ClockTime = ClockTime::from_mseconds(200);

/// The keyframes of the video, shared by the probe, the cue maker and the splitter.
#[derive(Debug, Default)]
pub struct Keyframes {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The pad that is watched, and its probe.
    video: Option<(glib::WeakRef<gst::Pad>, gst::PadProbeId)>,
    /// Where cues are split: keyframes that no cue has passed yet, oldest first.
    splits: VecDeque<ClockTime>,
    newest_split: Option<ClockTime>,
    newest_keyframe: Option<ClockTime>,
    /// The video has been seen up to here.
    position: Option<ClockTime>,
    video_ended: bool,
    /// The start of the last cue that the splitter passed on.
    last_cue: Option<ClockTime>,
    /// A flush or a stop is in progress, so nothing may wait.
    interrupted: bool,
}

impl Keyframes {
    /// Watches `pad`, the video pad of a `splitmuxsink`, or none.
    pub fn watch(self: &Arc<Self>, pad: Option<&gst::Pad>) {
        let mut state = lock(&self.state);
        let watched = state.video.as_ref().and_then(|(watched, _)| watched.upgrade());
        if watched.as_ref() == pad {
            return;
        }
        let old = state.video.take();
        state.reset();
        drop(state);
        self.changed.notify_all();
        if let Some((old, probe)) = old
            && let Some(old) = old.upgrade()
        {
            old.remove_probe(probe);
        }
        let Some(pad) = pad else { return };
        let types = gst::PadProbeType::BUFFER
            | gst::PadProbeType::EVENT_DOWNSTREAM
            | gst::PadProbeType::EVENT_FLUSH;
        let probe = pad.add_probe(types, {
            let keyframes = Arc::downgrade(self);
            move |pad, info| {
                if let Some(keyframes) = keyframes.upgrade() {
                    keyframes.note(pad, info);
                }
                gst::PadProbeReturn::Ok
            }
        });
        lock(&self.state).video = probe.map(|probe| (pad.downgrade(), probe));
    }

    /// Forgets the video. With `interrupted`, waits end and none begins.
    pub fn reset(&self, interrupted: bool) {
        let mut state = lock(&self.state);
        state.reset();
        state.interrupted = interrupted;
        drop(state);
        self.changed.notify_all();
    }

    /// Returns the newest keyframe.
    pub fn newest(&self) -> Option<ClockTime> {
        lock(&self.state).newest_keyframe
    }

    /// Returns where a cue from `start` to `end` must be split, `None` to pass it on whole.
    ///
    /// Waits until the video has come to `end`, unless `splitmuxsink` waits for this cue.
    pub fn wait_for_split(&self, start: ClockTime, end: ClockTime) -> Option<ClockTime> {
        let mut state = lock(&self.state);
        loop {
            while state.splits.front().is_some_and(|split| *split <= start) {
                state.splits.pop_front();
            }
            let split = state.splits.front().copied().filter(|split| *split < end);
            // The video waits at a keyframe that no cue has passed.
            let video_waits = state.newest_keyframe.is_some_and(|keyframe| {
                keyframe <= start && state.last_cue.is_none_or(|last_cue| last_cue < keyframe)
            });
            let video_is_there = state.position.is_some_and(|position| position >= end);
            let is_watched = state.video.is_some() && !state.video_ended && !state.interrupted;
            if split.is_some() || video_waits || video_is_there || !is_watched {
                state.last_cue = Some(start);
                return split;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn note(&self, pad: &gst::Pad, info: &gst::PadProbeInfo<'_>) {
        let mut state = lock(&self.state);
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let Some(time) = buffer.pts().and_then(|pts| running_time(pad, pts)) else {
                    return;
                };
                state.position = state.position.max(Some(time));
                if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                    state.note_keyframe(time);
                }
            }
            Some(gst::PadProbeData::Event(event)) => match event.type_() {
                gst::EventType::Eos => state.video_ended = true,
                gst::EventType::StreamStart => state.video_ended = false,
                gst::EventType::FlushStop => state.reset(),
                _ => return,
            },
            _ => return,
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn note_keyframe(&mut self, time: ClockTime) {
        self.newest_keyframe = self.newest_keyframe.max(Some(time));
        let is_near = |split: ClockTime| time < split.saturating_add(MIN_SPLIT_INTERVAL);
        if self.newest_split.is_some_and(is_near) {
            return;
        }
        self.newest_split = Some(time);
        self.splits.push_back(time);
        if self.splits.len() > MAX_SPLITS {
            self.splits.pop_front();
        }
    }

    fn reset(&mut self) {
        self.splits.clear();
        self.newest_split = None;
        self.newest_keyframe = None;
        self.position = None;
        self.video_ended = false;
        self.last_cue = None;
    }
}

/// Returns the segment of `pad`.
pub fn segment(pad: &gst::Pad) -> Option<gst::FormattedSegment<ClockTime>> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    event.segment().downcast_ref::<ClockTime>().cloned()
}

/// Returns the running time of `time` on `pad`.
pub fn running_time(pad: &gst::Pad, time: ClockTime) -> Option<ClockTime> {
    segment(pad)?.to_running_time(time)
}
