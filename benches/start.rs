//! Measures the time from the start of the element to its first result.
//!
//! Method: each start is a process of its own. The files of the runtime and the model are alternately in the page
//! cache (warm) and dropped from it (cold, with `posix_fadvise`). The process initializes GStreamer and
//! measures two times: from READY to PLAYING, when the element loads the runtime and the model, and from the
//! first buffer (640x480 I420) to its result. The bench prints medians with the 10th and 90th percentile.
//!
//! Run: `cargo bench --bench start`. `CATDOG_BENCH_MODEL` is the model, by default the built-in one.
//! `CATDOG_BENCH_FRAMES` is the number of starts.

mod harness;

use std::error::Error;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{FilterHarness, count, noise, percentile_ms};

const STARTS: usize = 21;
/// The variable that is set in the process of a start.
const CHILD: &str = "CATDOG_BENCH_CHILD";

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os(CHILD).is_some() {
        return start();
    }
    let model = std::env::var("CATDOG_BENCH_MODEL").ok();
    let starts = count(STARTS)?;
    println!("{starts} starts each, in ms: p50 (p10 to p90)");
    println!("{:<8}{:>26}{:>26}{:>26}", "files", "READY to PLAYING", "first result", "both");
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..starts {
        for (cold, times) in times.iter_mut().enumerate() {
            if cold == 1 {
                let runtime = std::env::var("CATDOG_LITERT_LIBRARY").ok();
                for file in [runtime.as_deref(), model.as_deref()].into_iter().flatten() {
                    drop_from_page_cache(Path::new(file))?;
                }
            }
            times.push(measure()?);
        }
    }
    for (name, times) in ["warm", "cold"].into_iter().zip(times) {
        let columns: [fn(&[Duration; 2]) -> Duration; 3] =
            [|[load, _]| *load, |[_, first]| *first, |[load, first]| *load + *first];
        print!("{name:<8}");
        for column in columns {
            let mut times: Vec<Duration> = times.iter().map(column).collect();
            let [p10, p50, p90] = [10, 50, 90].map(|percent| percentile_ms(&mut times, percent));
            print!("{:>26}", format!("{p50:.1} ({p10:.1} to {p90:.1})"));
        }
        println!();
    }
    Ok(())
}

/// Runs in the process of a start. Prints both times in nanoseconds.
fn start() -> Result<(), Box<dyn Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let model = std::env::var("CATDOG_BENCH_MODEL").unwrap_or_default();
    let frame = noise(640 * 480 * 3 / 2, 1);
    let before = Instant::now();
    let element = FilterHarness::new(&model, "I420", 640, 480)?;
    let load = before.elapsed();
    let before = Instant::now();
    element.push(frame)?;
    println!("{} {}", load.as_nanos(), before.elapsed().as_nanos());
    assert_eq!(element.inferences(), 1);
    Ok(())
}

/// Runs a process and returns its times: the load and the first result.
fn measure() -> Result<[Duration; 2], Box<dyn Error>> {
    let child = Command::new(std::env::current_exe()?).env(CHILD, "1").output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into());
    }
    let line = String::from_utf8(child.stdout)?;
    let times: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
    match *times? {
        [load, first] => Ok([load, first].map(Duration::from_nanos)),
        _ => Err(format!("the process printed {line}").into()),
    }
}

fn drop_from_page_cache(path: &Path) -> Result<(), Box<dyn Error>> {
    let file = File::open(path)?;
    // SAFETY: the descriptor is open until `file` is dropped, and the call does not access memory.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(error).into()),
    }
}
