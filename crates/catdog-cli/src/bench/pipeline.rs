//! Whole frames per second: a pipeline with catdogfilter, whose frames are prepared in advance.
//!
//! A source of GStreamer takes as long to draw a frame as the model takes to classify it. So `fakesrc`
//! makes empty buffers, and a pad probe replaces each by the next prepared frame, without a copy of its
//! pixels. What is measured is the element and the rest of the pipeline.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catdog_core::sync::lock;
use gst::prelude::*;
use gstcatdog::catdogfilter;

use super::frames::{Format, Frames, I420};
use super::measure::{Spread, check_signals};
use crate::Failure;
use crate::launch::Launch;

/// The format of the frames.
pub const FORMAT: Format = I420;
/// Number of parts of the run, each with its own frames per second.
const PARTS: usize = 5;
/// Number of frames before the first one that is measured.
const WARM_UP: usize = 5;
/// How often signals and the time are checked.
const CHECK: gst::ClockTime = gst::ClockTime::from_mseconds(20);
/// Frames per second in the caps. The pipeline runs as fast as it can.
const NOMINAL_RATE: u64 = 30;

/// The result of a pipeline.
pub struct Rate {
    /// CPU threads per inference, which the element chose.
    pub threads: u32,
    /// Frames per second.
    pub per_second: Spread,
}

/// Runs the pipeline for `time`, or until enough frames have passed.
///
/// # Errors
///
/// The message of the element if it cannot use the model, or of GStreamer if the pipeline fails.
pub fn frame_rate(
    model: &Path,
    properties: &[(&'static str, String)],
    size: (usize, usize),
    time: Duration,
) -> Result<Rate, Failure> {
    let pipeline = pipeline(model, properties, size)?;
    let element = |name| {
        let element = pipeline.by_name(name);
        element.ok_or_else(|| format!("the pipeline has no element '{name}'"))
    };
    let (source, filter) = (element("source")?, element("filter")?);
    provide(&source, Frames::new(FORMAT, size).into_memory())?;
    let passed = watch(&filter)?;
    let result = run(&pipeline, &passed, time);
    let stats = filter.property::<gst::Structure>("stats");
    let stopped = pipeline.set_state(gst::State::Null);
    result?;
    stopped.map_err(|_| "the pipeline could not be stopped")?;
    let per_second = rates(&lock(&passed)).ok_or("no frame has passed the pipeline")?;
    Ok(Rate { threads: stats.get("threads").unwrap_or(0), per_second })
}

fn pipeline(
    model: &Path,
    properties: &[(&'static str, String)],
    (width, height): (usize, usize),
) -> Result<gst::Pipeline, Failure> {
    // Every frame gets one inference. With second looks, their number would depend on what the model
    // sees in noise.
    let mut filter = Launch::element(catdogfilter::FACTORY_NAME)
        .set("name", "filter")
        .set("mode", "sync")
        .set("second-look", false)
        .set("model-file", model.display());
    for (name, value) in properties {
        filter = filter.set(name, value);
    }
    let format = FORMAT.name;
    let caps = format!(
        "video/x-raw,format={format},width={width},height={height},framerate={NOMINAL_RATE}/1"
    );
    let source = Launch::element("fakesrc")
        .set("name", "source")
        .set("sizetype", "empty")
        .set("format", "time");
    let launch = source
        .link(Launch::caps(&caps))
        .link(filter)
        .link(Launch::element("fakesink").set("sync", false));
    let failed = |reason: &str| format!("the pipeline cannot be made: {reason}");
    gst::parse::launch_full(&launch.to_string(), None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| failed(error.message()))?
        .downcast()
        .map_err(|_| failed("it has one element only").into())
}

/// Replaces the buffers of `source` by the frames in `memory`, in rotation.
fn provide(source: &gst::Element, memory: Vec<Vec<u8>>) -> Result<(), Failure> {
    let frames: Vec<gst::Buffer> = memory.into_iter().map(gst::Buffer::from_slice).collect();
    let pad = source.static_pad("src").ok_or("fakesrc has no source pad")?;
    let mut number = 0;
    let next = Mutex::new(move || {
        let mut buffer = frames[number % frames.len()].copy();
        let frame_time =
            |number: usize| gst::ClockTime::SECOND.mul_div_floor(number as u64, NOMINAL_RATE);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(frame_time(number));
            buffer.set_duration(frame_time(1));
        }
        number += 1;
        buffer
    });
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            *buffer = lock(&next)();
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// Returns when the frames leave `filter`.
fn watch(filter: &gst::Element) -> Result<Arc<Mutex<Vec<Instant>>>, Failure> {
    let passed = Arc::new(Mutex::new(Vec::new()));
    let pad = filter.static_pad("src").ok_or("catdogfilter has no source pad")?;
    let times = Arc::clone(&passed);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        lock(&times).push(Instant::now());
        gst::PadProbeReturn::Ok
    });
    Ok(passed)
}

/// Runs the pipeline for `time` after its first frame, and until it has passed enough frames.
fn run(
    pipeline: &gst::Pipeline,
    passed: &Mutex<Vec<Instant>>,
    time: Duration,
) -> Result<(), Failure> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    // If this fails, the reason is on the bus.
    let started = pipeline.set_state(gst::State::Playing);
    loop {
        let types = [gst::MessageType::Error];
        if let Some(message) = bus.timed_pop_filtered(CHECK, &types) {
            let gst::MessageView::Error(error) = message.view() else { continue };
            return Err(error.error().message().into());
        }
        if started.is_err() {
            return Err("the pipeline does not start".into());
        }
        check_signals()?;
        let passed = lock(passed);
        let enough = passed.len() > WARM_UP + PARTS;
        if enough && passed.first().is_some_and(|first| first.elapsed() >= time) {
            return Ok(());
        }
    }
}

/// Returns the frames per second of each part of the run; `None` if it has too few frames.
fn rates(passed: &[Instant]) -> Option<Spread> {
    let measured = passed.get(WARM_UP..)?;
    let frames = measured.len().checked_sub(1)? / PARTS;
    let parts = (0..PARTS).filter_map(|part| {
        let (first, last) = (measured.get(part * frames)?, measured.get((part + 1) * frames)?);
        Some(frames as f64 / (*last - *first).as_secs_f64())
    });
    Spread::of(parts.collect()).filter(|_| frames > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_the_frames_of_each_part_after_the_warm_up() {
        let start = Instant::now();
        let mut passed = vec![start; WARM_UP];
        // 4 parts at 100 frames/s, and one at 50.
        let mut time = start + Duration::from_secs(3);
        passed.push(time);
        for frame in 0..10 * PARTS {
            time += Duration::from_millis(if frame < 10 { 20 } else { 10 });
            passed.push(time);
        }
        let spread = rates(&passed).unwrap();
        let rounded = [spread.median, spread.min, spread.max].map(f64::round);
        assert_eq!((rounded, spread.runs), ([100.0, 50.0, 100.0], PARTS));
        assert_eq!(rates(&passed[..WARM_UP + PARTS]), None);
        assert_eq!(rates(&[]), None);
    }
}
