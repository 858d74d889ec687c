//! Measures how long a frame waits in `mode=async` if the model is too slow for the camera.
//!
//! Method: this thread pushes 1080p I420 at 60 frames/s, 64 buffers of noise in rotation, into a
//! `catdogfilter` whose fake engine sleeps 200 ms per inference. The time is that of the push: mapping,
//! preprocessing into a free tensor, metadata, and the chain function downstream. The bench prints frames in
//! and out, inferences, and the median, 99th percentile and maximum of the wait. If `CATDOG_BENCH_MODEL` is
//! set, it repeats this with that model, which keeps a CPU busy.
//!
//! Run: `cargo bench --bench overload`. `CATDOG_BENCH_FRAMES` is the number of frames.

mod harness;

use std::thread;
use std::time::{Duration, Instant};

use catdog_core::testing::FakeEngine;
use harness::{FilterHarness, count, noise, percentile_ms};

/// Frames per second.
const RATE: u64 = 60;
/// Frames of 20 seconds.
const FRAMES: usize = 20 * RATE as usize;
const ROTATION: usize = 64;
const SLOW: &str = "slow engine";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    // This input size is usual, so the preprocessing takes its usual time.
    let mut engine = FakeEngine::new(224, 224);
    engine.delay = Duration::from_millis(200);
    engine.stand_in_for(SLOW);
    let mut models = vec![SLOW.to_owned()];
    models.extend(std::env::var("CATDOG_BENCH_MODEL"));
    let count = count(FRAMES)?;
    println!(
        "{:>8}{:>8}{:>12}{:>10}{:>10}{:>10}  model",
        "in", "out", "inferences", "p50 ms", "p99 ms", "max ms"
    );
    for model in models {
        let element =
            FilterHarness::with_properties(&[("mode", "async")], &model, "I420", 1920, 1080)?;
        let frames: Vec<gst::Buffer> =
            (0..ROTATION).map(|i| noise(element.frame_size, i as u64)).collect();
        let mut waits = Vec::new();
        let start = Instant::now();
        for index in 0..count as u64 {
            let due = start + Duration::from_nanos(index * 1_000_000_000 / RATE);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut buffer = frames[index as usize % ROTATION].copy();
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_nseconds(index * 1_000_000_000 / RATE));
            }
            let before = Instant::now();
            element.push(buffer)?;
            waits.push(before.elapsed());
        }
        println!(
            "{:>8}{:>8}{:>12}{:>10.3}{:>10.3}{:>10.3}  {model}",
            waits.len(),
            element.inference_times().len(),
            element.inferences(),
            percentile_ms(&mut waits, 50),
            percentile_ms(&mut waits, 99),
            percentile_ms(&mut waits, 100),
        );
    }
    Ok(())
}
