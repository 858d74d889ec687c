//! `catdog live`: classifies a camera, a stream or a file, and shows it with its label.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Failure;
use crate::cameras;
use crate::container::{Container, Encoding};
use crate::disk;
use crate::display;
use crate::exit::Ending;
use crate::filter::Filter;
use crate::input::Input;
use crate::interrupt;
use crate::labels::{LabelChange, LabelFormat, Printer};
use crate::launch::Launch;
use crate::output::{note, print};
use crate::session::{Session, Watcher};
use crate::source::{self, Mode, Source};

/// How a recording is encoded.
const ENCODING: Encoding = Encoding { keyframes: 60, webm_bits: 2_000_000, has_b_frames: true };

/// Classifies a camera, a stream or a file, and shows it with its label
///
/// Without a display, it prints the label changes only. Ctrl-C ends a recording properly.
#[derive(clap::Args)]
#[command(after_help = "INPUT:
  0, Logitech               a camera by its number or a part of its name in `catdog cameras`
  /dev/video0               a camera of Video4Linux
  libcamera, libcamera:ID   a camera of libcamera, such as that of a Raspberry Pi
  rtsp://, http://, srt://  a network stream
  FILE, -                   a video or a photo; - is stdin
  test                      a test picture

Examples:
  catdog live
  catdog live Logitech --size 1280x720
  catdog live rtsp://camera.local/stream1 --record cats.mp4
  catdog live clip.mp4 --json
  catdog live test --print-pipeline")]
pub struct Arguments {
    /// What is classified; see below (default: the camera that works best)
    pub input: Option<OsString>,
    /// Width and height of the camera's pictures, such as 1280x720
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Pictures per second of the camera
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: Option<u32>,
    #[command(flatten)]
    pub filter: Filter,
    /// Show the picture as a mirror does
    #[arg(long)]
    pub mirror: bool,
    /// Record the picture with its label; an existing file is replaced
    #[arg(long, value_name = "FILE.mp4|.mkv|.webm")]
    pub record: Option<PathBuf>,
    /// Do not open a window
    #[arg(long)]
    pub no_window: bool,
    /// End when the camera is unplugged or the stream breaks, instead of connecting again
    #[arg(long)]
    pub no_reconnect: bool,
    /// End after this time
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub seconds: Option<Duration>,
    /// Print label changes as JSON
    #[arg(long)]
    pub json: bool,
    /// Print the gst-launch-1.0 line that does the same, and do nothing else
    #[arg(long)]
    pub print_pipeline: bool,
    /// Print label changes and errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Parses the value of `--size`.
pub fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(width, height)| {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=65_536).contains(side));
        Some((side(width)?, side(height)?))
    });
    parsed.ok_or_else(|| "write width and height in pixels, such as 1280x720".into())
}

/// Parses the value of `--seconds`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| *number > 0.0);
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    duration.ok_or_else(|| "write a number above 0".into())
}

/// Runs the command.
///
/// # Errors
///
/// The input, the model or the recording cannot be used, or the pipeline fails.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    let input = Input::of(arguments.input.as_deref())?;
    let input = demo_clip(&input, arguments.quiet).unwrap_or(input);
    let mode = Mode { size: arguments.size, rate: arguments.fps };
    let source = Source::new(&input, mode)?;
    let has_window = !arguments.no_window && display::is_there();
    let rest = pipeline(arguments, &source, has_window)?;
    if arguments.print_pipeline {
        let options = if arguments.record.is_some() { "-m -e" } else { "-m" };
        let whole = source.converted().link(rest);
        print(&format!("gst-launch-1.0 {options} {}\n", whole.for_shell()))?;
        return Ok(Ending::Done);
    }
    interrupt::watch()?;
    if let Some(record) = &arguments.record {
        prepare_recording(record, &input)?;
    }
    let format = if arguments.json { LabelFormat::Json } else { LabelFormat::Text };
    let mut session = Session::of_input(&input, mode, &source, rest, !arguments.no_reconnect)?;
    if let Some(limit) = arguments.seconds {
        session.set_limit(limit);
    }
    note(
        arguments.quiet,
        &format!("classifying {}{}", source.name, what_ends_it(arguments, &source)),
    );
    let result = session.run(&mut Printer::new(format));
    if let Some(record) = &arguments.record {
        let bytes = fs::metadata(record).map_or(0, |metadata| metadata.len());
        if bytes == 0 {
            // Nothing was recorded, and the file was made by this run.
            let _ = fs::remove_file(record);
        } else {
            note(
                arguments.quiet,
                &format!("recorded {} ({:.1} MB)", record.display(), bytes as f64 / 1e6),
            );
        }
    }
    result.map(|()| Ending::Done)
}

impl Watcher for Printer {
    fn label_changed(&mut self, change: &LabelChange) -> Result<(), Failure> {
        self.print(change)
    }
}

/// Returns the clip in `CATDOG_DEMO_CLIP` if there is no camera. `scripts/run.sh` sets the variable, so
/// that a user without a camera sees something.
fn demo_clip(input: &Input, quiet: bool) -> Option<Input> {
    let clip = env::var_os("CATDOG_DEMO_CLIP").filter(|_| *input == Input::BestCamera)?;
    if cameras::best(&cameras::found()).is_ok() {
        return None;
    }
    note(quiet, "no camera: the demo clip");
    Some(Input::File(clip.into()))
}

fn what_ends_it(arguments: &Arguments, source: &Source) -> &'static str {
    if source.is_live && arguments.seconds.is_none() { "; Ctrl-C ends it" } else { "" }
}

/// Returns the pipeline behind the source.
fn pipeline(arguments: &Arguments, source: &Source, has_window: bool) -> Result<Launch, Failure> {
    let mut launch = Launch::default();
    if arguments.mirror {
        launch = launch.link(source::mirror());
    }
    launch = launch.link(arguments.filter.launch(true));
    let recording = arguments.record.as_deref().map(|path| recording(path, source.is_live));
    let recording = recording.transpose()?;
    if recording.is_none() && !has_window {
        // Without a clock, a file is classified as fast as possible.
        let sink = Launch::element("fakesink").set("sync", source.is_live);
        return Ok(launch.link(if source.is_live { sink.set("async", false) } else { sink }));
    }
    launch = launch.link(Launch::element("textoverlay").set("shaded-background", true));
    let window = || Launch::element("videoconvert").link(Launch::element("autovideosink"));
    Ok(match recording {
        None => launch.link(window()),
        Some(recording) if !has_window => launch.link(recording),
        Some(recording) => {
            let queue =
                |next: Launch| Launch::element("t.").link(Launch::element("queue")).link(next);
            launch
                .link(Launch::element("tee").set("name", "t"))
                .branch(queue(window()))
                .branch(queue(recording))
        }
    })
}

/// Returns the encoder, the container and the file of a recording. The encoder looks some seconds
/// ahead; a live pipeline that waits for its first picture until then may stop if its source is
/// replaced meanwhile.
fn recording(path: &Path, is_live: bool) -> Result<Launch, Failure> {
    let name = path
        .to_str()
        .ok_or_else(|| format!("--record {}: use a name of UTF-8 characters", path.display()))?;
    let container = Container::of(path).ok_or_else(|| {
        format!("--record {}: use a name that ends in .mp4, .mkv or .webm", path.display())
    })?;
    let encoder = container.video_encoder(ENCODING)?;
    let file = Launch::element("filesink").set("location", name);
    let file = if is_live { file.set("async", false) } else { file };
    Ok(encoder.link(Launch::element(container.muxer())).link(file))
}

/// Checks that the recording can be written and does not replace the input.
fn prepare_recording(record: &Path, input: &Input) -> Result<(), Failure> {
    let failed = |reason: &str| format!("--record {}: {reason}", record.display());
    if let Input::File(file) = input
        && let (Ok(file), Ok(record)) = (file.canonicalize(), record.canonicalize())
        && file == record
    {
        return Err(failed("it is the input; use another name").into());
    }
    File::create(record).map_err(|error| failed(&disk::write_failure(record, &error)))?;
    Ok(())
}
