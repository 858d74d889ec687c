//! `catdog collect`: saves frames of a camera, a stream or a video as photos for a training.
//!
//! - `rule`: which frames are saved, why, and where;
//! - `keys`: the classes of the keys;
//! - `jpeg`: frames as JPEG files;
//! - `taker`: takes frames from the pipeline;
//! - `writer`: the thread that writes the photos and the list of them;
//! - `save`: a new file for each photo.
//!
//! The streaming thread decides and copies the frames that are saved. The writer has a thread of its
//! own, so that a slow disk does not stop a camera.

mod jpeg;
mod keys;
mod rule;
mod save;
mod taker;
mod writer;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::VideoOrientationMethod;

use crate::Failure;
use crate::class_folder::folder_name;
use crate::display;
use crate::exit::Ending;
use crate::filter::Filter;
use crate::input::Input;
use crate::interrupt;
use crate::labels::LabelChange;
use crate::launch::Launch;
use crate::live::{seconds, size};
use crate::model_arguments::confidence;
use crate::output::{Sink, note, path_text, percent, print, printable};
use crate::session::{Session, Watcher, filter_of};
use crate::source::{self, Mode, Source};
use crate::terminal::Keyboard;
use jpeg::Stored;
pub use jpeg::encode_jpeg;
pub use keys::classes_of_model;
use rule::{Rule, TO_SORT, Wish};
use taker::{PendingKeys, SINK, Taker};
use writer::{Saved, Writer};

/// Saves frames of a camera, a stream or a video as photos for a training
///
/// Frames on which the model is in doubt, and frames at which the label changes, go to DIR/to-sort,
/// into a folder of the best class. The training does not read them: move them into the class folders
/// in DIR. On a terminal, the keys 1 to 9 save the current frame into a class folder.
#[derive(clap::Args)]
#[command(after_help = "INPUT is that of `catdog live`.

Examples:
  catdog collect --dir photos
  catdog collect --dir photos --as mug --every 0.5 --seconds 20
  catdog collect Logitech --dir photos --below 0.7
  catdog collect clip.mp4 --dir photos --every 10")]
pub struct Arguments {
    /// Where the frames come from (default: the camera that works best)
    pub input: Option<OsString>,
    /// The folder with the class folders; it is made if need be
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// A frame is doubtful if its best confidence is below this
    #[arg(long, value_name = "0..1", default_value = "0.9", value_parser = confidence)]
    pub below: f32,
    /// A frame is doubtful, too, if the best class leads by less than this
    #[arg(long, value_name = "0..1", default_value = "0.2", value_parser = confidence)]
    pub margin: f32,
    /// Also save a frame at this interval, into the folder of its class
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub every: Option<Duration>,
    /// Save all photos into the folder of this class, but those of keys
    #[arg(long = "as", value_name = "CLASS", value_parser = class)]
    pub class: Option<String>,
    /// The least time between doubtful frames that are saved
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub min_gap: Duration,
    /// End after this number of photos
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// Width and height of the camera's pictures, such as 1280x720
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Pictures per second of the camera
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: Option<u32>,
    #[command(flatten)]
    pub filter: Filter,
    /// Show the picture as a mirror does; the photos are not mirrored
    #[arg(long)]
    pub mirror: bool,
    /// Do not open a window
    #[arg(long)]
    pub no_window: bool,
    /// End when the camera is unplugged or the stream breaks, instead of connecting again
    #[arg(long)]
    pub no_reconnect: bool,
    /// End after this time
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub seconds: Option<Duration>,
    /// Print a gst-launch-1.0 line that classifies the same frames, and do nothing else
    #[arg(long)]
    pub print_pipeline: bool,
    /// Print photos and errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Parses the value of `--as`.
fn class(text: &str) -> Result<String, String> {
    if folder_name(text) != text {
        return Err("write a name that a folder can have, such as mug".into());
    }
    if [TO_SORT, keys::BACKBONE].contains(&text) {
        return Err(format!("models/train does not read a folder {text} as a class"));
    }
    Ok(text.to_owned())
}

impl Arguments {
    fn wish(&self) -> Wish {
        Wish {
            below: self.below.into(),
            margin: self.margin.into(),
            every: self.every,
            class: self.class.clone(),
            min_gap: self.min_gap,
            limit: self.limit,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// The input or the model cannot be used, a photo cannot be written, or the pipeline fails.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    let input = Input::of(arguments.input.as_deref())?;
    let mode = Mode { size: arguments.size, rate: arguments.fps };
    let source = Source::new(&input, mode)?;
    let has_window = !arguments.no_window && display::is_there();
    let rest = pipeline(arguments, &source, has_window);
    if arguments.print_pipeline {
        print(&format!("gst-launch-1.0 -m {}\n", source.converted().link(rest).for_shell()))?;
        return Ok(Ending::Done);
    }
    interrupt::watch()?;
    let mut session = Session::of_input(&input, mode, &source, rest, !arguments.no_reconnect)?;
    if let Some(limit) = arguments.seconds {
        session.set_limit(limit);
    }
    let filter = filter_of(session.pipeline()).ok_or("the pipeline has no catdogfilter")?;
    let method = filter.property::<VideoOrientationMethod>("orientation");
    let stored = Stored {
        is_mirrored: arguments.mirror && has_window,
        orientation: jpeg::orientation(method),
    };
    let writer = Writer::start(&arguments.dir, stored)?;
    let keys = PendingKeys::default();
    let taker = Taker {
        rule: Rule::new(arguments.wish()),
        keys: keys.clone(),
        inbox: writer.inbox(),
        is_live: source.is_live || has_window,
        started: Instant::now(),
    };
    taker.connect(session.pipeline())?;
    note(arguments.quiet, &format!("collecting from {}; Ctrl-C ends it", source.name));
    let classes = keys::classes(&keys::classes_of_model(&filter), &arguments.dir);
    drop(filter);
    let keyboard = Keyboard::open();
    if keyboard.is_some() {
        note(arguments.quiet, &printable(&keys::help(&classes)));
    }
    let mut collector = Collector {
        writer,
        keyboard,
        classes,
        keys,
        stdout: Sink::stdout(),
        saved: 0,
        limit: arguments.limit,
    };
    let result = session.run(&mut collector);
    let finished = collector.finish();
    result.and(finished)?;
    let photos = if collector.saved == 1 { "photo" } else { "photos" };
    let line = format!("saved {} {photos} in {}", collector.saved, arguments.dir.display());
    note(arguments.quiet, &printable(&line));
    Ok(Ending::Done)
}

/// Returns the pipeline behind the source.
fn pipeline(arguments: &Arguments, source: &Source, has_window: bool) -> Launch {
    let mut launch = Launch::default();
    if arguments.mirror && has_window {
        launch = launch.link(source::mirror());
    }
    let mut filter = arguments.filter.launch(true);
    // A photo and its confidences belong together: each frame waits for its own result, and the
    // frames before it do not count.
    for (name, value) in [("mode", "sync"), ("smoothing", "0")] {
        if !arguments.filter.set.iter().any(|(set, _)| set == name) {
            filter = filter.set(name, value);
        }
    }
    launch = launch.link(filter);
    let sink = Launch::element("appsink")
        .set("name", SINK)
        // With a window, a key saves the frame that the user sees.
        .set("sync", source.is_live || has_window)
        // gst-launch-1.0 takes no frames out of it.
        .set("max-buffers", 1)
        .set("drop", true)
        .set("wait-on-eos", false);
    if !has_window {
        return launch.link(sink);
    }
    let queue = |next: Launch| Launch::element("t.").link(Launch::element("queue")).link(next);
    let window = Launch::element("textoverlay")
        .set("shaded-background", true)
        .link(Launch::element("videoconvert"))
        .link(Launch::element("autovideosink"));
    launch.link(Launch::element("tee").set("name", "t")).branch(queue(window)).branch(queue(sink))
}

/// Reads the keys and prints the photos, in the main thread.
struct Collector {
    writer: Writer,
    keyboard: Option<Keyboard>,
    /// The classes of the keys.
    classes: Vec<String>,
    /// The keys that no frame was saved for yet.
    keys: PendingKeys,
    stdout: Sink,
    saved: u64,
    limit: u64,
}

impl Collector {
    fn print(&mut self, saved: &Saved) -> Result<(), Failure> {
        self.saved += 1;
        let best = saved.best.as_ref();
        let best = best.map(|(label, confidence)| format!(" ({label} {})", percent(*confidence)));
        let line = format!("saved {}{}", path_text(&saved.path), best.unwrap_or_default());
        self.stdout.write(&(printable(&line) + "\n"))?;
        self.stdout.flush()
    }

    /// Prints the photos that were saved since the last call.
    fn print_new(&mut self) -> Result<(), Failure> {
        while let Some(saved) = self.writer.next()? {
            self.print(&saved)?;
        }
        Ok(())
    }

    /// Restores the terminal and waits for the last photos.
    fn finish(&mut self) -> Result<(), Failure> {
        self.keyboard = None;
        self.writer.finish();
        self.print_new()
    }
}

impl Watcher for Collector {
    fn label_changed(&mut self, _: &LabelChange) -> Result<(), Failure> {
        Ok(())
    }

    fn tick(&mut self, _: &gst::Pipeline) -> Result<(), Failure> {
        if let Some(keyboard) = &mut self.keyboard {
            let pressed = keyboard.pressed();
            let pressed = pressed.iter().filter_map(|byte| keys::key(*byte, &self.classes));
            self.keys.extend(pressed);
        }
        self.print_new()
    }

    fn is_done(&self) -> bool {
        self.saved >= self.limit
    }
}
