//! Compares how long a frame takes from its planes to the input tensor, in catdog and with other libraries.
//!
//! Method: each implementation turns the same 1920x1080 frames into the same float tensor, (x - 127.5) / 127.5, on one
//! thread. In each round, every implementation preprocesses one frame unmeasured and then five frames, of which the
//! median counts; the order of the implementations rotates. The rounds run once with a single frame (hot) and once
//! with 64 frames in rotation, more than a cache holds (cold). The program prints the median over the rounds
//! with the 10th and 90th percentile, and the median of the ratio to catdog within each round.
//!
//! catdog has two filters. Each implementation is compared with the one that does the same, in time and in pixels:
//! before and after the rounds, the mean difference of the tensors must be at most three levels, or the program
//! fails.
//!
//! Run: `benches/peers/preprocess/run.sh [--rounds N] [--markdown FILE]`

mod finish;
mod frames;
mod implementations;
mod report;
mod rounds;

use std::path::PathBuf;
use std::rc::Rc;

use catdog_core::frame::PixelFormat;
use catdog_core::preprocess::Kernels;
use frames::Frames;
use implementations::opencv::Interpreter;
use implementations::{Outcome, swscale};
use report::Cell;

const FORMATS: [PixelFormat; 3] = [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2];
const SIDES: [usize; 2] = [150, 224];
/// The 10th percentile needs at least this number of rounds.
const MIN_ROUNDS: usize = 30;

struct Arguments {
    rounds: usize,
    markdown: Option<PathBuf>,
}

impl Arguments {
    fn parse() -> Outcome<Self> {
        let mut parsed = Self { rounds: 60, markdown: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => parsed.rounds = value.parse()?,
                "--markdown" => parsed.markdown = Some(value.into()),
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        if parsed.rounds < MIN_ROUNDS {
            return Err(format!("--rounds must be {MIN_ROUNDS} or more").into());
        }
        Ok(parsed)
    }
}

fn main() -> Outcome {
    let Arguments { rounds, markdown } = Arguments::parse()?;
    gst::init()?;
    let python = Interpreter::find();
    if python.is_none() {
        eprintln!("CATDOG_PEERS_PYTHON is not set, so OpenCV is left out");
    }
    let mut text = versions(python.as_ref())?;
    text += &format!("{rounds} rounds; load average before: {}", load()?);
    let mut cells = Vec::new();
    for format in FORMATS {
        let frames = Rc::new(Frames::new(format));
        for side in SIDES {
            eprintln!("{format:?} to {side}x{side}");
            let mut entries = implementations::all(&frames, side, python.as_ref())?;
            let measured = rounds::measure(&mut entries, rounds)?;
            cells.push(Cell { format, side, measured });
        }
    }
    text += &format!(", after: {}\n\n{}", load()?, report::markdown(&cells));
    print!("{text}");
    if let Some(file) = markdown {
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// Returns the versions of everything that is compared.
fn versions(python: Option<&Interpreter>) -> Outcome<String> {
    // Cargo writes the lock file before it compiles this.
    let lock = include_str!("../Cargo.lock");
    let version_of = |name: &str| {
        let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
        let version = entry.and_then(|(_, rest)| Some(rest.split_once('"')?.0));
        version
            .map(|version| format!("{name} {version}"))
            .ok_or(format!("Cargo.lock has no {name}"))
    };
    let mut parts =
        vec![gst::version_string().to_string(), format!("libswscale {}", swscale::version())];
    if let Some(python) = python {
        parts.push(format!("OpenCV {}", python.version()?));
    }
    for name in ["fast_image_resize", "pic-scale", "yuv"] {
        parts.push(version_of(name)?);
    }
    parts.push(format!("catdog with {:?}", Kernels::best()));
    Ok(parts.join(", ") + "; ")
}

/// Returns the load average of the last minute.
fn load() -> Outcome<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().to_owned())
}
