//! What the benches of the element share: a `catdogfilter` between two pads, frames of noise, percentiles.

// Each bench uses a part of this module.
#![allow(dead_code)]

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gstcatdog::metadata;

/// A `catdogfilter` in PLAYING. The thread that calls [`push`](Self::push) is the streaming thread. The
/// source pad is linked to a chain function that records the duration of the inference from the metadata and
/// drops the buffer.
pub struct FilterHarness {
    element: gst::Element,
    source: gst::Pad,
    _sink: gst::Pad,
    inference_times: Arc<Mutex<Vec<Duration>>>,
    /// Size of a frame in bytes.
    pub frame_size: usize,
}

impl FilterHarness {
    /// Starts an element in which each frame waits for its own result. The other arguments are those of
    /// [`with_properties`](Self::with_properties).
    pub fn new(model: &str, format: &str, width: i32, height: i32) -> Result<Self, Box<dyn Error>> {
        Self::with_properties(&[("mode", "sync")], model, format, width, height)
    }

    /// Starts an element with these properties, which runs the model with one thread. An empty `model` is the
    /// built-in one.
    pub fn with_properties(
        properties: &[(&str, &str)],
        model: &str,
        format: &str,
        width: i32,
        height: i32,
    ) -> Result<Self, Box<dyn Error>> {
        let element = gst::ElementFactory::make("catdogfilter")
            .name("filter")
            .property("model-file", Some(model).filter(|model| !model.is_empty()))
            .property("threads", 1)
            .property_from_str("post-messages", "none")
            .build()?;
        for (name, value) in properties {
            element.set_property_from_str(name, value);
        }
        let inference_times = Arc::new(Mutex::new(Vec::new()));
        let (source, sink) = (source_pad(), sink_pad(Arc::clone(&inference_times)));
        source.link(&element.static_pad("sink").ok_or("no sink pad")?)?;
        element.static_pad("src").ok_or("no src pad")?.link(&sink)?;
        source.set_active(true)?;
        sink.set_active(true)?;
        element.set_state(gst::State::Playing)?;

        let caps = gst::Caps::builder("video/x-raw")
            .field("format", format)
            .field("width", width)
            .field("height", height)
            .field("framerate", gst::Fraction::new(30, 1))
            .build();
        let frame_size = gst_video::VideoInfo::from_caps(&caps)?.size();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        source.push_event(gst::event::StreamStart::new("bench"));
        source.push_event(gst::event::Caps::new(&caps));
        source.push_event(gst::event::Segment::new(&segment));
        Ok(Self { element, source, _sink: sink, inference_times, frame_size })
    }

    /// Runs one frame through the element.
    pub fn push(&self, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        self.source.push(buffer).map(drop)
    }

    /// Returns the number of finished inferences.
    pub fn inferences(&self) -> u64 {
        self.element.property::<gst::Structure>("stats").get("inferences").unwrap_or(0)
    }

    /// Returns the duration of the inference of each frame since the last call. A frame with a held result has
    /// the duration of that inference.
    pub fn inference_times(&self) -> Vec<Duration> {
        self.inference_times.lock().map(|mut times| std::mem::take(&mut *times)).unwrap_or_default()
    }
}

/// Returns a source pad that answers the LATENCY query as a source that is not live. The element asks
/// until upstream answers.
fn source_pad() -> gst::Pad {
    gst::Pad::builder(gst::PadDirection::Src)
        .name("source")
        .query_function(|pad, parent, query| match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => {
                latency.set(false, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        })
        .build()
}

/// Returns a sink pad that records the inference time in the metadata of each buffer and drops the
/// buffer.
fn sink_pad(inference_times: Arc<Mutex<Vec<Duration>>>) -> gst::Pad {
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("sink")
        .chain_function(move |_, _, buffer| {
            let time = metadata::find(&buffer, Some("filter"), |structure| {
                structure.get::<u64>(metadata::FIELD_INFERENCE_TIME).unwrap_or(0)
            });
            if let Ok(mut times) = inference_times.lock() {
                times.push(Duration::from_nanos(time.unwrap_or(0)));
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .build()
}

impl Drop for FilterHarness {
    fn drop(&mut self) {
        let _ = self.element.set_state(gst::State::Null);
    }
}

/// Returns the number of frames, rounds or starts to measure: `default`, or the value of the environment
/// variable `CATDOG_BENCH_FRAMES`, with which a test checks that a bench runs.
pub fn count(default: usize) -> Result<usize, Box<dyn Error>> {
    match std::env::var("CATDOG_BENCH_FRAMES") {
        Ok(count) => match count.parse()? {
            0 => Err("CATDOG_BENCH_FRAMES must be 1 or more".into()),
            count => Ok(count),
        },
        Err(_) => Ok(default),
    }
}

/// Returns the `percent`-th percentile of `times` in milliseconds. Sorts `times`.
pub fn percentile_ms(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}

/// Returns a buffer of pseudo-random bytes (xorshift64).
pub fn noise(size: usize, seed: u64) -> gst::Buffer {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Vec<u8> = (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    gst::Buffer::from_mut_slice(bytes)
}
