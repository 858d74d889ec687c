//! Splits the cues for a `splitmuxsink` at the keyframes of its video.
//!
//! The splitter is a probe on the last pad of the bin, downstream of the queue of cues: an encoder
//! that looks ahead gives a keyframe long after the cue maker has made the cue that it splits.
//! Waiting there blocks only the thread of the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::ClockTime;
use gst::prelude::*;

use super::keyframes::{Keyframes, segment};

/// Adds the probe to `pad`, which splits cues once `keyframes` watches a video.
pub fn split_cues(pad: &gst::Pad, keyframes: Arc<Keyframes>) {
    let types = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
    // The probe is called for the parts of a cue, too.
    let is_part = AtomicBool::new(false);
    pad.add_probe(types, move |pad, info| {
        match &mut info.data {
            Some(gst::PadProbeData::Event(event)) => {
                keyframes.reset(event.type_() == gst::EventType::FlushStart);
            }
            Some(gst::PadProbeData::Buffer(cue)) if !is_part.load(Ordering::Relaxed) => {
                while let Some(part) = split(pad, cue, &keyframes) {
                    is_part.store(true, Ordering::Relaxed);
                    let pushed = pad.push(part);
                    is_part.store(false, Ordering::Relaxed);
                    if pushed.is_err() {
                        info.data = None;
                        info.flow_res = pushed;
                        return gst::PadProbeReturn::Handled;
                    }
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// Returns the part of `cue` before the next keyframe, and leaves the rest in `cue`; `None` if no
/// keyframe splits it.
fn split(pad: &gst::Pad, cue: &mut gst::Buffer, keyframes: &Keyframes) -> Option<gst::Buffer> {
    let segment = segment(pad)?;
    let (start, duration) = cue.pts().zip(cue.duration())?;
    let running_time = |time: ClockTime| segment.to_running_time(time);
    let (from, to) = running_time(start).zip(running_time(start + duration))?;
    let keyframe = keyframes.wait_for_split(from, to)?;
    let keyframe = segment.position_from_running_time(keyframe)?;
    let first = keyframe.checked_sub(start).filter(|first| *first < duration)?;
    let mut part = cue.copy();
    part.get_mut()?.set_duration(first);
    let rest = cue.make_mut();
    rest.set_pts(keyframe);
    rest.set_duration(duration - first);
    Some(part)
}
