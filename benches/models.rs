//! What an inference with each model of this project costs, against another model, run as it is; and
//! that one rewritten, if there is something to rewrite.
//!
//! Method: one `catdogfilter` for each model, one thread each, fed in turn with the same five frames
//! of noise (640x480 I420), so that whatever else the machine does meets all of them. The time is
//! that of the invoke, from the buffer's metadata. Reported are the median over all frames, and the
//! ratio to the first model: the median over the rounds, with the 10th and 90th percentile.
//!
//! Run: `CATDOG_BENCH_MODEL=other.tflite cargo bench --bench models`

mod harness;

use std::path::Path;
use std::time::Duration;

use harness::{Fed, milliseconds, noise};

const ROUNDS: usize = 100;
const WARM_UP: usize = 5;
const FRAMES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let Ok(other) = std::env::var("CATDOG_BENCH_MODEL") else {
        println!("skipped: set CATDOG_BENCH_MODEL to the .tflite classifier to compare with");
        return Ok(());
    };
    let mut files = vec![other];
    for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("models").read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tflite") {
            files.push(path.to_str().ok_or("a name in UTF-8")?.to_owned());
        }
    }
    files[1..].sort_unstable();
    // Once as it is, once as it is run by default.
    files.insert(1, files[0].clone());
    let fed = |(index, file): (usize, &String)| {
        let optimize = if index == 0 { "off" } else { "auto" };
        Fed::with(&[("mode", "sync"), ("optimize", optimize)], file, "I420", 640, 480)
    };
    let elements = files.iter().enumerate().map(fed).collect::<Result<Vec<_>, _>>()?;
    let frames: Vec<gst::Buffer> =
        (0..FRAMES).map(|i| noise(elements[0].frame_size, i as u64)).collect();

    let mut all = vec![Vec::new(); files.len()];
    let mut ratios = vec![Vec::new(); files.len()];
    for round in 0..WARM_UP + ROUNDS {
        let mut sums = Vec::with_capacity(files.len());
        for (element, all) in elements.iter().zip(&mut all) {
            for frame in &frames {
                element.push(frame.copy())?;
            }
            let invokes = element.invokes();
            sums.push(invokes.iter().sum::<Duration>().as_secs_f64());
            if round >= WARM_UP {
                all.extend(invokes);
            }
        }
        if round >= WARM_UP {
            for (sum, ratios) in sums.iter().zip(&mut ratios) {
                ratios.push(sum / sums[0]);
            }
        }
    }

    println!("one thread, {ROUNDS} rounds of {FRAMES} frames");
    println!("{:>10}{:>8}{:>16}  model", "invoke ms", "ratio", "p10 to p90");
    files[0].push_str(", optimize=off");
    for ((file, all), ratios) in files.iter().zip(&mut all).zip(&mut ratios) {
        ratios.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| ratios[ROUNDS * percent / 100];
        let spread = format!("{:.3} to {:.3}", at(10), at(90));
        println!("{:>10.3}{:>8.3}{spread:>16}  {file}", milliseconds(all, 50), at(50));
    }
    Ok(())
}
