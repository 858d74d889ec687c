//! One `catdogfilter` between two pads, fed on this thread.

// Each bench takes what it needs.
#![allow(dead_code)]

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gstcatdog::metadata;

/// An element in PLAYING, its source pad linked to nothing but a chain function that drops the
/// buffer and notes the invoke that its metadata reports.
pub struct Fed {
    element: gst::Element,
    source: gst::Pad,
    _sink: gst::Pad,
    invokes: Arc<Mutex<Vec<Duration>>>,
    /// Bytes in a frame.
    pub frame_size: usize,
}

impl Fed {
    /// On the built-in model where `model` is empty, with one thread for the model, and each frame waiting for its own result.
    pub fn new(model: &str, format: &str, width: i32, height: i32) -> Result<Self, Box<dyn Error>> {
        Self::with(&[("mode", "sync")], model, format, width, height)
    }

    /// With one thread for the model, and these properties.
    pub fn with(
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
        let invokes = Arc::new(Mutex::new(Vec::new()));
        // A source says whether it is live; one that did not would be asked for every frame.
        let source = gst::Pad::builder(gst::PadDirection::Src)
            .name("source")
            .query_function(|pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(latency) => {
                    latency.set(false, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        let sink = gst::Pad::builder(gst::PadDirection::Sink)
            .name("sink")
            .chain_function({
                let invokes = invokes.clone();
                move |_, _, buffer| {
                    let time = metadata::find(&buffer, Some("filter"), |structure| {
                        structure.get::<u64>(metadata::FIELD_INFERENCE_TIME).unwrap_or(0)
                    });
                    if let Ok(mut times) = invokes.lock() {
                        times.push(Duration::from_nanos(time.unwrap_or(0)));
                    }
                    Ok(gst::FlowSuccess::Ok)
                }
            })
            .build();
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
        Ok(Self { element, source, _sink: sink, invokes, frame_size })
    }

    pub fn push(&self, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        self.source.push(buffer).map(drop)
    }

    /// How many inferences have ended.
    pub fn inferences(&self) -> u64 {
        self.element.property::<gst::Structure>("stats").get("inferences").unwrap_or(0)
    }

    /// The time of each invoke since the last call.
    pub fn invokes(&self) -> Vec<Duration> {
        self.invokes.lock().map(|mut times| std::mem::take(&mut *times)).unwrap_or_default()
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        let _ = self.element.set_state(gst::State::Null);
    }
}

/// The duration below which `percent` of `times` are, in milliseconds; sorts them.
pub fn milliseconds(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}

/// A buffer of pseudo-random bytes (xorshift64).
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
