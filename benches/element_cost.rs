//! What a frame costs in the element beyond the inference itself.
//!
//! Method: buffers of noise (64 of them in turn, so that no cache holds them all) are pushed into
//! `catdogfilter` on this thread; the element's pads are linked to nothing but a chain function
//! that drops the buffer. Of the time that each push takes, the invoke that the buffer's own
//! metadata reports is taken off. What remains is mapping, preprocessing, decision, metadata, and
//! GStreamer's way through a GstBaseTransform. Reported are median and 95th percentile.
//!
//! Run: `CATDOG_BENCH_MODEL=model.tflite cargo bench --bench element_cost`

use std::time::{Duration, Instant};

use gst::prelude::*;
use gstcatdog::metadata;

const FRAMES: usize = 400;
const WARM_UP: usize = 40;
const ROTATION: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let Some(model) = std::env::var_os("CATDOG_BENCH_MODEL") else {
        println!("skipped: set CATDOG_BENCH_MODEL to a .tflite classifier");
        return Ok(());
    };
    println!("model {}, one thread, {FRAMES} frames a line", model.display());
    println!(
        "{:<8}{:>12}{:>14}{:>14}{:>14}",
        "format", "size", "invoke ms", "cost p50 ms", "cost p95 ms"
    );
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
        for format in ["I420", "NV12", "YUY2", "RGB", "BGRx"] {
            let (mut invoke, mut cost) = measure(&model, format, width, height)?;
            let milliseconds = |times: &mut Vec<Duration>, percent: usize| {
                times.sort_unstable();
                times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
            };
            println!(
                "{format:<8}{:>12}{:>14.3}{:>14.3}{:>14.3}",
                format!("{width}x{height}"),
                milliseconds(&mut invoke, 50),
                milliseconds(&mut cost, 50),
                milliseconds(&mut cost, 95),
            );
        }
    }
    Ok(())
}

/// Times of the invokes, and of everything else, frame by frame.
fn measure(
    model: &std::ffi::OsStr,
    format: &str,
    width: i32,
    height: i32,
) -> Result<(Vec<Duration>, Vec<Duration>), Box<dyn std::error::Error>> {
    let element = gst::ElementFactory::make("catdogfilter")
        .property("model-file", model.to_str())
        .property("threads", 1)
        .property_from_str("post-messages", "none")
        .build()?;
    let invoke_times = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let source = gst::Pad::builder(gst::PadDirection::Src).name("source").build();
    let sink = gst::Pad::builder(gst::PadDirection::Sink)
        .name("sink")
        .chain_function({
            let invoke_times = invoke_times.clone();
            move |_, _, buffer| {
                let time = metadata::read(&buffer, "filter", |structure| {
                    structure.get::<u64>(metadata::FIELD_INFERENCE_TIME).unwrap_or(0)
                });
                if let Ok(mut times) = invoke_times.lock() {
                    times.push(Duration::from_nanos(time.unwrap_or(0)));
                }
                Ok(gst::FlowSuccess::Ok)
            }
        })
        .build();
    element.set_property("name", "filter");
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
    let info = gst_video::VideoInfo::from_caps(&caps)?;
    source.push_event(gst::event::StreamStart::new("bench"));
    source.push_event(gst::event::Caps::new(&caps));
    source.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    let frames: Vec<gst::Buffer> = (0..ROTATION).map(|i| noise(info.size(), i as u64)).collect();

    let mut cost = Vec::with_capacity(FRAMES);
    for index in 0..WARM_UP + FRAMES {
        let buffer = frames[index % ROTATION].copy();
        let start = Instant::now();
        source.push(buffer)?;
        cost.push(start.elapsed());
    }
    element.set_state(gst::State::Null)?;
    let invoke = invoke_times.lock().map_err(|e| e.to_string())?.split_off(WARM_UP);
    let cost = cost.split_off(WARM_UP);
    let cost = cost.iter().zip(&invoke).map(|(all, invoke)| all.saturating_sub(*invoke)).collect();
    Ok((invoke, cost))
}

/// A buffer of pseudo-random bytes (xorshift64).
fn noise(size: usize, seed: u64) -> gst::Buffer {
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
