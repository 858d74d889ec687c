//! Compares the inference times of the models of this project with those of another model, both as stored
//! and as the element runs it by default.
//!
//! Method: one `catdogfilter` with one thread for each model. In each round, every element gets the same five
//! frames of noise (640x480 I420), so that other load on the machine affects all models alike. The
//! durations come from the metadata. The bench prints the median over all frames, and the ratio to the first
//! model: the median over the rounds, with the 10th and 90th percentile.
//!
//! Run: `CATDOG_BENCH_MODEL=other.tflite cargo bench --bench models`. `CATDOG_BENCH_FRAMES` is the number of
//! rounds.

mod harness;

use std::path::Path;
use std::time::Duration;

use harness::{FilterHarness, count, noise, percentile_ms};

const ROUNDS: usize = 100;
const WARM_UP: usize = 5;
const FRAMES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let Ok(other) = std::env::var("CATDOG_BENCH_MODEL") else {
        println!("skipped: set CATDOG_BENCH_MODEL to a .tflite classifier to compare with");
        return Ok(());
    };
    let mut files = vec![other];
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("models").read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tflite") {
            files.push(path.to_str().ok_or("the path of a model is not UTF-8")?.to_owned());
        }
    }
    files[1..].sort_unstable();
    // The other model runs twice: as stored, and with the default of `optimize`.
    files.insert(1, files[0].clone());
    let rounds = count(ROUNDS)?;
    let element = |(index, file): (usize, &String)| {
        let optimize = if index == 0 { "off" } else { "auto" };
        // Noise shows nothing, so that some frames would get a second look.
        let properties = [("mode", "sync"), ("optimize", optimize), ("second-look", "false")];
        FilterHarness::with_properties(&properties, file, "I420", 640, 480)
    };
    let elements = files.iter().enumerate().map(element).collect::<Result<Vec<_>, _>>()?;
    let frames: Vec<gst::Buffer> =
        (0..FRAMES).map(|i| noise(elements[0].frame_size, i as u64)).collect();

    let mut all = vec![Vec::new(); files.len()];
    let mut ratios = vec![Vec::new(); files.len()];
    for round in 0..WARM_UP + rounds {
        let mut sums = Vec::with_capacity(files.len());
        for (element, all) in elements.iter().zip(&mut all) {
            for frame in &frames {
                element.push(frame.copy())?;
            }
            let times = element.inference_times();
            sums.push(times.iter().sum::<Duration>().as_secs_f64());
            if round >= WARM_UP {
                all.extend(times);
            }
        }
        if round >= WARM_UP {
            for (sum, ratios) in sums.iter().zip(&mut ratios) {
                ratios.push(sum / sums[0]);
            }
        }
    }

    println!("one thread, {rounds} rounds of {FRAMES} frames");
    println!("{:>14}{:>8}{:>16}  model", "inference ms", "ratio", "p10 to p90");
    files[0].push_str(", optimize=off");
    for ((file, all), ratios) in files.iter().zip(&mut all).zip(&mut ratios) {
        ratios.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| ratios[rounds * percent / 100];
        let spread = format!("{:.3} to {:.3}", at(10), at(90));
        println!("{:>14.3}{:>8.3}{spread:>16}  {file}", percentile_ms(all, 50), at(50));
    }
    Ok(())
}
