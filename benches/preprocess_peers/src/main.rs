//! How long a frame takes from its planes to the input tensor, here and with other libraries.
//!
//! Method: everyone turns the same frames of 1920x1080 into the same float tensor, (x - 127.5) / 127.5,
//! on one thread, and takes turns with all others: in each round every contender has one turn of one
//! frame untimed and five timed, of which the median counts. Once over with one frame again and again
//! (hot), once with 64 frames in turn (cold, more than any cache holds). Reported are the median over
//! the rounds with 10th and 90th percentile, and the median of the ratio to ours within each round.
//! Ours are the two filters that the element has; each contender is held against the one that does
//! the same, in time and, before and after the rounds, in pixels: whose tensor is not ours within three
//! levels in the mean ends the run.
//!
//! Run: `benches/preprocess_peers/run.sh [--rounds N] [--markdown FILE]`

mod contenders;
mod finish;
mod frames;
mod report;
mod rounds;

use std::path::PathBuf;
use std::rc::Rc;

use contenders::opencv::Interpreter;
use contenders::{Outcome, swscale};
use frames::Frames;
use gstcatdog::frame::PixelFormat;
use gstcatdog::preprocess::Kernels;
use report::Cell;

const FORMATS: [PixelFormat; 3] = [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2];
const SIDES: [usize; 2] = [150, 224];
/// Fewer make no tenth percentile.
const FEWEST_ROUNDS: usize = 30;

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
        if parsed.rounds < FEWEST_ROUNDS {
            return Err(format!("at least {FEWEST_ROUNDS} rounds").into());
        }
        Ok(parsed)
    }
}

fn main() -> Outcome {
    let Arguments { rounds, markdown } = Arguments::parse()?;
    gst::init()?;
    let python = Interpreter::find();
    if python.is_none() {
        eprintln!("CATDOG_PEERS_PYTHON is not set: without OpenCV");
    }
    let mut text = versions(python.as_ref())?;
    text += &format!("{rounds} rounds; load before: {}", load()?);
    let mut cells = Vec::new();
    for format in FORMATS {
        let frames = Rc::new(Frames::new(format));
        for side in SIDES {
            eprintln!("{format:?} to {side}x{side}");
            let mut entries = contenders::all(&frames, side, python.as_ref())?;
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

/// Who is compared with whom.
fn versions(python: Option<&Interpreter>) -> Outcome<String> {
    // What cargo has written before it compiles this.
    let lock = include_str!("../Cargo.lock");
    let of = |name: &str| {
        let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
        let version = entry.and_then(|(_, rest)| Some(rest.split_once('"')?.0));
        version.map(|version| format!("{name} {version}")).ok_or(format!("which {name}?"))
    };
    let mut parts =
        vec![gst::version_string().to_string(), format!("libswscale {}", swscale::version())];
    if let Some(python) = python {
        parts.push(format!("OpenCV {}", python.version()?));
    }
    for name in ["fast_image_resize", "pic-scale", "yuv"] {
        parts.push(of(name)?);
    }
    parts.push(format!("catdog with {:?}", Kernels::best()));
    Ok(parts.join(", ") + "; ")
}

/// Processes that wanted to run, in the mean of the last minute.
fn load() -> Outcome<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().to_owned())
}
