//! Measures the time of a frame in `catdogfilter` without its inference.
//!
//! Method: the bench pushes 64 buffers of noise in rotation into the element, more than a cache holds. From
//! the duration of each push it subtracts the duration of the inference, which the metadata of the buffer
//! reports. The rest is mapping, preprocessing, decision, metadata and the overhead of GstBaseTransform.
//! It prints the median and the 95th percentile.
//!
//! Run: `CATDOG_BENCH_MODEL=model.tflite cargo bench --bench element_cost`. `CATDOG_BENCH_FRAMES` is the
//! number of frames per line.

mod harness;

use std::time::{Duration, Instant};

use harness::{FilterHarness, count, noise, percentile_ms};

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
    let frames = count(FRAMES)?;
    println!("model {model}, one thread, {frames} frames per line");
    println!(
        "{:<8}{:>12}{:>11}{:>14}{:>14}{:>14}",
        "format", "size", "antialias", "inference ms", "rest p50 ms", "rest p95 ms"
    );
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
        for format in ["I420", "NV12", "YUY2", "RGB", "BGRx"] {
            for antialias in ["true", "false"] {
                let properties = [("mode", "sync"), ("antialias", antialias)];
                let element =
                    FilterHarness::with_properties(&properties, &model, format, width, height)?;
                let (mut inference, mut rest) = measure(&element, frames)?;
                println!(
                    "{format:<8}{:>12}{antialias:>11}{:>14.3}{:>14.3}{:>14.3}",
                    format!("{width}x{height}"),
                    percentile_ms(&mut inference, 50),
                    percentile_ms(&mut rest, 50),
                    percentile_ms(&mut rest, 95),
                );
            }
        }
    }
    Ok(())
}

/// Returns the durations of the inferences and of the rest, frame by frame.
fn measure(
    element: &FilterHarness,
    frames: usize,
) -> Result<(Vec<Duration>, Vec<Duration>), Box<dyn std::error::Error>> {
    let rotation = ROTATION.min(frames);
    let buffers: Vec<gst::Buffer> =
        (0..rotation).map(|i| noise(element.frame_size, i as u64)).collect();
    let warm_up = WARM_UP.min(frames);
    let mut pushes = Vec::with_capacity(warm_up + frames);
    for index in 0..warm_up + frames {
        let buffer = buffers[index % rotation].copy();
        let start = Instant::now();
        element.push(buffer)?;
        pushes.push(start.elapsed());
    }
    let inferences = element.inference_times().split_off(warm_up);
    let pushes = pushes.split_off(warm_up);
    let rest =
        pushes.iter().zip(&inferences).map(|(push, inference)| push.saturating_sub(*inference));
    let rest = rest.collect();
    Ok((inferences, rest))
}
