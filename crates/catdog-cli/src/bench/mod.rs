//! `catdog bench`: measures this machine with a model.
//!
//! - `measure`: repeated measurements, and their median and range;
//! - `frames`: the frames that are measured;
//! - `stages`: loading, preprocessing and inference, through the classifier of `catdog-core`;
//! - `pipeline`: whole frames in a pipeline of GStreamer;
//! - `interpreter`: the comparison with the LiteRT interpreter of Python;
//! - `report`: the results as text and JSON.
//!
//! The measurements run one after the other, so that they do not compete for processors. Each one gets
//! a share of the time, and has at least a few runs.

mod frames;
mod interpreter;
mod measure;
mod pipeline;
mod report;
mod stages;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use catdog_core::model::ModelSource;

use crate::Failure;
use crate::exit::Ending;
use crate::interrupt;
use crate::live::seconds;
use crate::model_arguments::Reading;
use crate::output::{note, print};
use frames::{Format, I420, RGB};
use report::{FrameRate, Invocation, Machine, Preprocessing, Report};

/// The sizes of the frames: the usual ones of a webcam and of a video.
const SIZES: [(usize, usize); 2] = [(640, 480), (1920, 1080)];
/// The formats of the frames that are preprocessed.
const FORMATS: [Format; 2] = [RGB, I420];
/// The shares of the time, in percent. The comparison gets what is left.
const LOAD: u32 = 10;
const PREPROCESS: u32 = 20;
const INVOKE: u32 = 20;
const PIPELINES: u32 = 30;
/// The least share of the comparison, in percent, if the others took longer than planned.
const COMPARISON: u32 = 10;

/// Measures how fast this machine runs a model: loading, preprocessing, inference, whole frames
///
/// All times are medians, with the lowest and the highest. The inference is also compared with the LiteRT
/// interpreter of Python, on one thread, if the Python in CATDOG_PYTHON (default: python3) can import
/// ai_edge_litert.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  catdog bench
  catdog bench my.tflite --seconds 30
  catdog bench --json > machine.json
  CATDOG_PYTHON=venv/bin/python catdog bench")]
pub struct Arguments {
    /// A .tflite file, or `built-in` or `built-in:nano` for those that are part of catdog
    #[arg(value_name = "MODEL", default_value = "built-in", env = "CATDOG_MODEL")]
    pub model: PathBuf,
    /// About how long the whole measurement takes; a slow model takes longer
    #[arg(long, value_name = "N", default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
    /// Print the results as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print results and errors only
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub reading: Reading,
}

/// Runs the command.
///
/// # Errors
///
/// The model cannot be loaded or run, or stdout cannot be written.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    interrupt::watch()?;
    match measure(arguments) {
        Ok(report) => {
            let text = if arguments.json {
                serde_json::to_string(&report)? + "\n"
            } else {
                report.to_string()
            };
            print(&text)?;
            Ok(Ending::Done)
        }
        // A signal ends the measurement that runs with an error.
        Err(_) if interrupt::is_requested() => Ok(Ending::Interrupted),
        Err(failure) => Err(failure),
    }
}

fn measure(arguments: &Arguments) -> Result<Report, Failure> {
    let start = Instant::now();
    let share = |percent: u32| arguments.seconds * percent / 100;
    let source = ModelSource::named(arguments.model.clone());
    let config = |threads| arguments.reading.config(source.clone(), threads);
    let load = stages::load(&config(1), share(LOAD))?;
    let seconds = arguments.seconds.as_secs_f64();
    note(arguments.quiet, &format!("measuring {source} for about {seconds} s"));
    if cfg!(debug_assertions) {
        note(arguments.quiet, "catdog is built without optimization, which makes it slower");
    }

    let mut preprocess = Vec::new();
    let time = share(PREPROCESS) / (SIZES.len() * FORMATS.len()) as u32;
    for (width, height) in SIZES {
        for format in FORMATS {
            let time_ms = stages::preprocess(&config(1), format, (width, height), time)?;
            preprocess.push(Preprocessing { width, height, format: format.name, time_ms });
        }
    }

    let processors = thread::available_parallelism().map_or(1, usize::from);
    let counts = thread_counts(processors);
    let mut invoke = Vec::new();
    for &threads in &counts {
        let time_ms = stages::invoke(&config(threads), share(INVOKE) / counts.len() as u32)?;
        invoke.push(Invocation { threads, time_ms });
    }

    crate::start_gstreamer()?;
    let mut frames = Vec::new();
    for (width, height) in SIZES {
        let time = share(PIPELINES) / SIZES.len() as u32;
        let properties = arguments.reading.properties();
        let rate = pipeline::frame_rate(&arguments.model, &properties, (width, height), time)?;
        let pipeline::Rate { threads, per_second } = rate;
        let format = pipeline::FORMAT.name;
        frames.push(FrameRate { width, height, format, threads, per_second });
    }

    let rest = arguments.seconds.saturating_sub(start.elapsed()).max(share(COMPARISON));
    let interpreter = match interpreter::compare(&config(1), rest)? {
        Ok(comparison) => Some(comparison),
        Err(reason) => {
            note(
                arguments.quiet,
                &format!("not compared with the LiteRT interpreter of Python: {reason}"),
            );
            None
        }
    };
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        machine: Machine::this(processors),
        model: source.name().into_owned(),
        load,
        preprocess,
        invoke,
        frames,
        interpreter,
    })
}

/// Returns the powers of two below the number of processors, and that number.
fn thread_counts(processors: usize) -> Vec<u32> {
    let all = u32::try_from(processors).unwrap_or(1).max(1);
    let powers = std::iter::successors(Some(1_u32), |threads| threads.checked_mul(2));
    powers.take_while(|&threads| threads < all).chain([all]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_counts_are_powers_of_two_and_all_processors() {
        assert_eq!(thread_counts(1), [1]);
        assert_eq!(thread_counts(2), [1, 2]);
        assert_eq!(thread_counts(4), [1, 2, 4]);
        assert_eq!(thread_counts(12), [1, 2, 4, 8, 12]);
    }
}
