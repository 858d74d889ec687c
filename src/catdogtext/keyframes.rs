//! Where the video that goes into the same `splitmuxsink` has keyframes.
//!
//! `splitmuxsink` begins files at keyframes. It holds back the video at each keyframe until the
//! text has a buffer from there on; events do not count. A probe on its video pad notes the
//! keyframes before `splitmuxsink` sees them, so that cues are split there and each file begins
//! with the text that is valid at its start. All times are running times, because encoders shift
//! timestamps.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use catdog_core::sync::lock;
use gst::ClockTime;
use gst::glib;
use gst::prelude::*;

/// Maximum number of splits that are kept for cues that have not come yet.
const MAX_SPLITS: usize = 1000;

/// A keyframe closer than this to the previous split does not split a cue, so that a video that has
/// only keyframes does not get one cue per frame. A file that begins there begins without text for
/// at most this time.
const MIN_SPLIT_INTERVAL: ClockTime = ClockTime::from_mseconds(200);

/// How long a cue waits for the video to advance. After that the cue is passed on whole, in case
/// the video waits for text for another reason.
const VIDEO_TIMEOUT: Duration = Duration::from_secs(1);

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
    /// Where `splitmuxsink` holds the video back for text after the newest keyframe: the latest
    /// frame when decoding has reached the keyframe. With B-frames it is later than the keyframe.
    hold_point: Option<ClockTime>,
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

    /// Resets the state of the video. If `interrupted` is true, all waits end and no other one
    /// begins.
    pub fn reset(&self, interrupted: bool) {
        let mut state = lock(&self.state);
        state.reset();
        state.interrupted = interrupted;
        drop(state);
        self.changed.notify_all();
    }

    /// Returns from where on `splitmuxsink` needs a cue to take more video.
    pub fn hold_point(&self) -> Option<ClockTime> {
        lock(&self.state).hold_point
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
            let video_waits =
                [state.newest_keyframe, state.hold_point].into_iter().flatten().any(|needed| {
                    needed <= start && state.last_cue.is_none_or(|last_cue| last_cue < needed)
                });
            let video_is_there = state.position.is_some_and(|position| position >= end);
            let is_watched = state.video.is_some() && !state.video_ended && !state.interrupted;
            if split.is_some() || video_waits || video_is_there || !is_watched {
                state.last_cue = Some(start);
                return split;
            }
            let waited = self.changed.wait_timeout(state, VIDEO_TIMEOUT);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() {
                state.last_cue = Some(start);
                return None;
            }
        }
    }

    fn note(&self, pad: &gst::Pad, info: &gst::PadProbeInfo<'_>) {
        let mut state = lock(&self.state);
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let running_time = |time: Option<ClockTime>| running_time(pad, time?);
                let Some(pts) = running_time(buffer.pts()) else { return };
                let is_keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
                // Without a decoding timestamp, a frame is decoded when it is presented. A time
                // before the segment has no running time.
                let decoded = match buffer.dts() {
                    Some(_) => running_time(buffer.dts()),
                    None => Some(pts),
                };
                state.note_frame(pts, decoded, is_keyframe);
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
    /// Notes a frame of the video. The frames come in decoding order.
    fn note_frame(&mut self, pts: ClockTime, decoded: Option<ClockTime>, is_keyframe: bool) {
        let position = self.position.map_or(pts, |position| position.max(pts));
        self.position = Some(position);
        if is_keyframe {
            // As in `splitmuxsink`, the time of a keyframe is not before that of any earlier frame.
            self.note_keyframe(position);
        }
        if self.hold_point.is_none()
            && self.newest_keyframe.is_some()
            && decoded >= self.newest_keyframe
        {
            self.hold_point = Some(position);
        }
    }

    fn note_keyframe(&mut self, time: ClockTime) {
        self.newest_keyframe = Some(time);
        self.hold_point = None;
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
        self.hold_point = None;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);

    /// A watched video with frames at these multiples of [`FRAME`]: presented, decoded, keyframe.
    fn video(frames: &[(u64, u64, bool)]) -> Keyframes {
        gst::init().unwrap();
        let keyframes = Arc::new(Keyframes::default());
        let pad = gst::Pad::new(gst::PadDirection::Sink);
        keyframes.watch(Some(&pad));
        for (presented, decoded, is_keyframe) in frames {
            let mut state = lock(&keyframes.state);
            state.note_frame(FRAME * *presented, Some(FRAME * *decoded), *is_keyframe);
        }
        drop(pad);
        Arc::into_inner(keyframes).unwrap()
    }

    #[test]
    fn cue_is_split_at_the_keyframe_inside_it() {
        let video = video(&[(0, 0, true), (10, 10, false), (20, 20, true), (30, 30, false)]);
        assert_eq!(video.wait_for_split(FRAME * 15, FRAME * 25), Some(FRAME * 20));
        assert_eq!(video.wait_for_split(FRAME * 20, FRAME * 25), None);
        assert_eq!(video.wait_for_split(FRAME * 25, FRAME * 30), None);
    }

    #[test]
    fn near_keyframes_split_once() {
        let video = video(&[(0, 0, true), (1, 1, true), (2, 2, true), (5, 5, true), (9, 9, true)]);
        assert_eq!(video.wait_for_split(ClockTime::ZERO, FRAME * 9), Some(FRAME * 5));
        assert_eq!(video.wait_for_split(FRAME * 5, FRAME * 9), None);
    }

    #[test]
    fn cue_that_the_video_waits_for_does_not_wait() {
        // The video has not come to the end of any of these cues.
        let begin = std::time::Instant::now();
        let keyframe = video(&[(20, 20, true)]);
        assert_eq!(keyframe.wait_for_split(FRAME * 20, FRAME * 40), None);
        // With B-frames, the video stops at frame 24, when decoding has reached the keyframe.
        let b_frames = video(&[(20, 18, true), (24, 19, false), (22, 20, false)]);
        assert_eq!(b_frames.hold_point(), Some(FRAME * 24));
        assert_eq!(b_frames.wait_for_split(FRAME * 20, FRAME * 30), None);
        assert_eq!(b_frames.wait_for_split(FRAME * 30, FRAME * 40), None);
        assert!(begin.elapsed() < VIDEO_TIMEOUT, "{:?}", begin.elapsed());
    }

    #[test]
    fn interrupt_ends_a_wait() {
        let video = video(&[(0, 0, true), (1, 1, false)]);
        assert_eq!(video.wait_for_split(ClockTime::ZERO, FRAME * 10), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| video.wait_for_split(FRAME * 10, FRAME * 20));
            std::thread::sleep(Duration::from_millis(20));
            video.reset(true);
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
