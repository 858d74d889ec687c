//! What a frame costs in the element beyond the inference itself.
//!
//! Method: buffers of noise (64 of them in turn, so that no cache holds them all) are pushed into
//! `catdogfilter` on this thread; the element's pads are linked to nothing but a chain function
//! that drops the buffer. Of the time that each push takes, the invoke that the buffer's own
//! metadata reports is taken off. What remains is mapping, preprocessing, decision, metadata, and
//! GStreamer's way through a GstBaseTransform. Reported are median and 95th percentile.
//!
//! Run: `CATDOG_BENCH_MODEL=model.tflite cargo bench --bench element_cost`; where it only matters that
//! it runs, `CATDOG_BENCH_FRAMES` says how many frames a line are enough.

mod harness;

use std::time::{Duration, Instant};

use harness::{Fed, milliseconds, noise};

const FRAMES: usize = 400;
const WARM_UP: usize = 40;
const ROTATION: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let Ok(model) = std::env::var("CATDOG_BENCH_MODEL") else {
        println!("skipped: set CATDOG_BENCH_MODEL to a .tflite classifier");
        return Ok(());
    };
    let frames = std::env::var("CATDOG_BENCH_FRAMES").map_or(Ok(FRAMES), |n| n.parse())?;
    println!("model {model}, one thread, {frames} frames a line");
    println!(
        "{:<8}{:>12}{:>11}{:>14}{:>14}{:>14}",
        "format", "size", "antialias", "invoke ms", "cost p50 ms", "cost p95 ms"
    );
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
        for format in ["I420", "NV12", "YUY2", "RGB", "BGRx"] {
            for antialias in ["true", "false"] {
                let properties = [("mode", "sync"), ("antialias", antialias)];
                let element = Fed::with(&properties, &model, format, width, height)?;
                let (mut invoke, mut cost) = measure(&element, frames)?;
                println!(
                    "{format:<8}{:>12}{antialias:>11}{:>14.3}{:>14.3}{:>14.3}",
                    format!("{width}x{height}"),
                    milliseconds(&mut invoke, 50),
                    milliseconds(&mut cost, 50),
                    milliseconds(&mut cost, 95),
                );
            }
        }
    }
    Ok(())
}

/// Times of the invokes, and of everything else, frame by frame.
fn measure(
    element: &Fed,
    frames: usize,
) -> Result<(Vec<Duration>, Vec<Duration>), Box<dyn std::error::Error>> {
    let rotation = ROTATION.min(frames);
    let pictures: Vec<gst::Buffer> =
        (0..rotation).map(|i| noise(element.frame_size, i as u64)).collect();
    let warm_up = WARM_UP.min(frames);
    let mut cost = Vec::with_capacity(warm_up + frames);
    for index in 0..warm_up + frames {
        let buffer = pictures[index % rotation].copy();
        let start = Instant::now();
        element.push(buffer)?;
        cost.push(start.elapsed());
    }
    let invoke = element.invokes().split_off(warm_up);
    let cost = cost.split_off(warm_up);
    let cost = cost.iter().zip(&invoke).map(|(all, invoke)| all.saturating_sub(*invoke)).collect();
    Ok((invoke, cost))
}
