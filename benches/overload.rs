//! What a frame waits where the model is far too slow for the camera.
//!
//! Method: 1080p I420 at 60 frames a second, paced by this thread's sleep, 64 buffers of noise in
//! turn, through one `catdogfilter` in `mode=async` whose engine sleeps 200 ms a run. The time is
//! that of the push: mapping, preprocessing into a free tensor, metadata, and the chain function
//! behind it. Reported are frames in and out, inferences, and median, 99th percentile and maximum
//! of what a frame waits; then the same with the engine of `CATDOG_BENCH_MODEL`, where that is set,
//! which keeps a processor busy instead of sleeping.
//!
//! Run: `cargo bench --bench overload`

mod harness;

use std::thread;
use std::time::{Duration, Instant};

use catdog_core::testing::FakeEngine;
use harness::{Fed, milliseconds, noise};

const SECONDS: u64 = 20;
const RATE: u64 = 60;
const ROTATION: usize = 64;
const SLOW: &str = "slow engine";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    // As large an input as usual, to preprocess.
    let mut engine = FakeEngine::new(224, 224);
    engine.delay = Duration::from_millis(200);
    engine.stand_in_for(SLOW);
    let mut models = vec![SLOW.to_owned()];
    models.extend(std::env::var("CATDOG_BENCH_MODEL"));
    println!(
        "{:>8}{:>8}{:>12}{:>10}{:>10}{:>10}  model",
        "in", "out", "inferences", "p50 ms", "p99 ms", "max ms"
    );
    for model in models {
        let element = Fed::with(&[("mode", "async")], &model, "I420", 1920, 1080)?;
        let frames: Vec<gst::Buffer> =
            (0..ROTATION).map(|i| noise(element.frame_size, i as u64)).collect();
        let mut waits = Vec::new();
        let start = Instant::now();
        for index in 0..SECONDS * RATE {
            let due = start + Duration::from_secs(1) * index as u32 / RATE as u32;
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
            element.invokes().len(),
            element.inferences(),
            milliseconds(&mut waits, 50),
            milliseconds(&mut waits, 99),
            milliseconds(&mut waits, 100),
        );
    }
    Ok(())
}
