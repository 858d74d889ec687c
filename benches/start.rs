//! How long a pipeline waits for its first result.
//!
//! Method: a process of its own for each start, in turn with the runtime's and the model's files in
//! the page cache (warm) and dropped from it (cold, `posix_fadvise`). It initialises GStreamer, then
//! measures: the element from READY to PLAYING, in which the runtime and the model are loaded, and
//! from the first buffer (640x480 I420) to its result. Medians with p10 and p90 over the starts.
//!
//! Run: `cargo bench --bench start`; `CATDOG_BENCH_MODEL=model.tflite` for another model than the
//! built-in one.

mod harness;

use std::error::Error;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Fed, milliseconds, noise};

const STARTS: usize = 21;
const CHILD: &str = "CATDOG_BENCH_CHILD";

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os(CHILD).is_some() {
        return start();
    }
    let model = std::env::var("CATDOG_BENCH_MODEL").ok();
    println!("{} starts each, ms: p50 (p10 to p90)", STARTS);
    println!("{:<8}{:>26}{:>26}{:>26}", "files", "READY to PLAYING", "first result", "both");
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..STARTS {
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
            let [p10, p50, p90] = [10, 50, 90].map(|percent| milliseconds(&mut times, percent));
            print!("{:>26}", format!("{p50:.1} ({p10:.1} to {p90:.1})"));
        }
        println!();
    }
    Ok(())
}

/// The child: prints both times in nanoseconds.
fn start() -> Result<(), Box<dyn Error>> {
    gst::init()?;
    gstcatdog::plugin_register_static()?;
    let model = std::env::var("CATDOG_BENCH_MODEL").unwrap_or_default();
    let frame = noise(640 * 480 * 3 / 2, 1);
    let before = Instant::now();
    let element = Fed::new(&model, "I420", 640, 480)?;
    let load = before.elapsed();
    let before = Instant::now();
    element.push(frame)?;
    println!("{} {}", load.as_nanos(), before.elapsed().as_nanos());
    assert_eq!(element.inferences(), 1);
    Ok(())
}

fn measure() -> Result<[Duration; 2], Box<dyn Error>> {
    let child = Command::new(std::env::current_exe()?).env(CHILD, "1").output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into());
    }
    let line = String::from_utf8(child.stdout)?;
    let times: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
    match *times? {
        [load, first] => Ok([load, first].map(Duration::from_nanos)),
        _ => Err(format!("a child printed {line}").into()),
    }
}

fn drop_from_page_cache(path: &Path) -> Result<(), Box<dyn Error>> {
    let file = File::open(path)?;
    // SAFETY: a plain call on an open file.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(error).into()),
    }
}
