//! `catdog record`: writes a clip whenever a label appears.
//!
//! - `events`: when clips begin and end;
//! - `ring`: the encoded pictures of the last seconds;
//! - `clip`: a file with its thumbnail and its description;
//! - `space`: the space that clips take.
//!
//! The main pipeline encodes all pictures. A clip has a pipeline of its own, which only writes, so
//! that a disk that is full or slow does not stop the classification.

mod clip;
mod events;
mod ring;
mod space;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use catdog_core::sync::lock;
use gst::prelude::*;
use gst::{ClockTime, glib};
use gst_app::{AppSink, AppSinkCallbacks};

use crate::Failure;
use crate::collect::{classes_of_model, encode_jpeg};
use crate::container::{Container, Encoding};
use crate::disk::free_bytes;
use crate::display;
use crate::exit::Ending;
use crate::filter::Filter;
use crate::input::Input;
use crate::interrupt;
use crate::labels::{LabelChange, LabelFormat, Printer};
use crate::launch::{Launch, has_element};
use crate::live::{seconds, size};
use crate::output::{note, printable};
use crate::session::{Session, Watcher, filter_of};
use crate::source::{Mode, Source};
use clip::Clip;
use events::{Events, Step, When};
use ring::{Encoded, Ring};

/// The names of the sinks from which pictures are taken.
const ENCODED: &str = "encoded";
const FRAMES: &str = "frames";
/// A keyframe comes at least every this number of pictures, so that a clip can begin soon.
const KEYFRAMES: u32 = 25;
/// Bits per second of clips as WebM.
const WEBM_BITS: u32 = 2_000_000;
/// Bytes that stay free on the disk. The end of a file needs some, and so do other programs.
const RESERVE: u64 = 16_000_000;
/// How often a keyframe is asked for.
const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);
/// How often the free space is looked at.
const SPACE_CHECK: Duration = Duration::from_secs(1);

/// Writes a clip whenever a label appears
///
/// A clip begins some seconds before the label and ends some seconds after it. Beside it are a
/// thumbnail (.jpg) and a description (.json) with the label changes.
#[derive(clap::Args)]
#[command(after_help = "INPUT is that of `catdog live`.

Examples:
  catdog record --when cat --dir clips
  catdog record rtsp://camera.local/stream1 --when cat,dog --before 10 --after 20 --dir clips
  catdog record --when any --dir clips --max-disk 10GB")]
pub struct Arguments {
    /// What is recorded (default: the camera that works best)
    pub input: Option<OsString>,
    /// The labels that make a clip, separated by commas; `any` is every class but the background
    #[arg(long, value_name = "LABELS", value_parser = When::parse)]
    pub when: When,
    /// The folder of the clips; it is made if need be
    #[arg(long, value_name = "DIR", default_value = "clips")]
    pub dir: PathBuf,
    /// Seconds before the label that belong to its clip
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = time)]
    pub before: ClockTime,
    /// Seconds after the label that belong to its clip
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = time)]
    pub after: ClockTime,
    /// Begin another clip after this number of seconds
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = time)]
    pub longest: ClockTime,
    /// Delete the oldest clips when all of them take more than this, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = space::size)]
    pub max_disk: Option<u64>,
    /// The format of the clips
    #[arg(long, value_name = "FORMAT", default_value = "mp4")]
    pub format: Container,
    /// Write the label into the picture
    #[arg(long)]
    pub burn_in: bool,
    /// Width and height of the camera's pictures, such as 1280x720
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub size: Option<(u32, u32)>,
    /// Pictures per second of the camera
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: Option<u32>,
    #[command(flatten)]
    pub filter: Filter,
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
    /// Print label changes and errors only
    #[arg(long, short)]
    pub quiet: bool,
}

fn time(text: &str) -> Result<ClockTime, String> {
    let number = text.parse().ok().filter(|number: &f64| (0.0..=86_400.0).contains(number));
    let number = number.ok_or("write a number of seconds from 0 to 86400")?;
    Ok(ClockTime::from_nseconds((number * 1e9) as u64))
}

/// Runs the command.
///
/// # Errors
///
/// The input, the model or the folder cannot be used, or the pipeline fails. A disk that is full is no
/// error.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    let input = Input::of(arguments.input.as_deref())?;
    let mode = Mode { size: arguments.size, rate: arguments.fps };
    let source = Source::new(&input, mode)?;
    let has_window = !arguments.no_window && display::is_there();
    let rest = pipeline(arguments, &source, has_window)?;
    interrupt::watch()?;
    let mut session = Session::of_input(&input, mode, &source, rest, !arguments.no_reconnect)?;
    if let Some(limit) = arguments.seconds {
        session.set_limit(limit);
    }
    check_labels(&arguments.when, session.pipeline())?;
    make_folder(arguments)?;
    let encoded = Queue::default();
    encoded.connect(session.pipeline())?;
    let mut recorder = Recorder {
        arguments,
        input: source.name.clone(),
        printer: Printer::new(if arguments.json { LabelFormat::Json } else { LabelFormat::Text }),
        events: Events::new(arguments.before, arguments.after, arguments.longest),
        ring: Ring::new(arguments.before),
        encoded,
        frames: session.pipeline().by_name(FRAMES),
        changes: VecDeque::new(),
        now: None,
        is_live: source.is_live,
        event: None,
        clip: None,
        ending: Vec::new(),
        space: Space::default(),
        asked: None,
        clips: 0,
    };
    let names = match &arguments.when {
        When::AnyClass => "any class".to_owned(),
        When::Labels(labels) => labels.join(", "),
    };
    let text = format!(
        "watching {} for {names}; clips go to {}; Ctrl-C ends it",
        source.name,
        arguments.dir.display()
    );
    note(arguments.quiet, &printable(&text));
    let result = session.run(&mut recorder);
    let finished = recorder.finish();
    result.and(finished).map(|()| Ending::Done)
}

/// Checks that the model has the labels that make clips. A label that never comes would be noticed
/// after days.
fn check_labels(when: &When, pipeline: &gst::Pipeline) -> Result<(), Failure> {
    let classes = filter_of(pipeline).map(|filter| classes_of_model(&filter)).unwrap_or_default();
    // The element says why a model without classes cannot be used.
    if classes.is_empty() {
        return Ok(());
    }
    match when.unknown(&classes)[..] {
        [] => Ok(()),
        [label, ..] => {
            let known: Vec<_> = classes.iter().take(20).map(String::as_str).collect();
            let more = if classes.len() > 20 { ", …" } else { "" };
            Err(format!(
                "--when {label}: the model has no such label; it has {}{more}",
                known.join(", ")
            )
            .into())
        }
    }
}

/// Makes the folder and checks that files can be made in it.
fn make_folder(arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.dir;
    let failed = |error: std::io::Error| format!("--dir {}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    tempfile::tempfile_in(folder).map_err(failed)?;
    Ok(())
}

/// Returns the pipeline behind the source.
fn pipeline(arguments: &Arguments, source: &Source, has_window: bool) -> Result<Launch, Failure> {
    let queue = || Launch::element("t.").link(Launch::element("queue"));
    let overlay = || Launch::element("textoverlay").set("shaded-background", true);
    // The pictures are taken as they come; the end of the stream does not wait for that.
    let sink = |name| {
        let sink = Launch::element("appsink").set("name", name).set("sync", false);
        sink.set("async", false).set("wait-on-eos", false)
    };
    let muxer = arguments.format.muxer();
    if !has_element(muxer) {
        return Err(format!("GStreamer lacks {muxer}; install gstreamer1.0-plugins-good").into());
    }
    // With one segment, the times of a video that does not begin at 0 are those of its clips.
    let mut launch = Launch::element("identity")
        .set("single-segment", true)
        .link(arguments.filter.launch(has_window || arguments.burn_in))
        .link(Launch::element("tee").set("name", "t"));
    let encoding = Encoding { keyframes: KEYFRAMES, webm_bits: WEBM_BITS, has_b_frames: false };
    let encoder = arguments.format.video_encoder(encoding)?.link(sink(ENCODED));
    let encoder = if arguments.burn_in { overlay().link(encoder) } else { encoder };
    launch = launch
        .branch(queue().link(encoder))
        .branch(Launch::element("t.").link(sink(FRAMES).set("max-buffers", 1).set("drop", true)));
    if has_window {
        let window = Launch::element("videoconvert").link(Launch::element("autovideosink"));
        launch = launch.branch(queue().link(overlay()).link(window));
    } else if source.is_live {
        // Keeps the pace of the source.
        launch = launch.branch(
            queue().link(Launch::element("fakesink").set("sync", true).set("async", false)),
        );
    }
    Ok(launch)
}

/// The encoded pictures that the main thread has not seen.
#[derive(Clone, Debug, Default)]
struct Queue(Arc<Mutex<VecDeque<Encoded>>>);

impl Queue {
    /// Takes all encoded pictures of the pipeline.
    fn connect(&self, pipeline: &gst::Pipeline) -> Result<(), Failure> {
        let sink = pipeline.by_name(ENCODED).and_then(|sink| sink.downcast::<AppSink>().ok());
        let sink = sink.ok_or("the pipeline has no appsink")?;
        let queue = self.clone();
        let take = move |sink: &AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            queue.lock().extend(encoded(&sample));
            Ok(gst::FlowSuccess::Ok)
        };
        sink.set_callbacks(AppSinkCallbacks::builder().new_sample(take).build());
        Ok(())
    }

    fn next(&self) -> Option<Encoded> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Encoded>> {
        lock(&self.0)
    }
}

/// Returns the picture in a sample. Encoders shift their times, and the segment says by how much.
fn encoded(sample: &gst::Sample) -> Option<Encoded> {
    let buffer = sample.buffer_owned()?;
    let segment = sample.segment()?.downcast_ref::<ClockTime>()?;
    let time = segment.to_running_time(buffer.pts()?)?;
    Some(Encoded { buffer, caps: sample.caps_owned()?, time })
}

/// Returns the running time of a label change.
fn at(change: &LabelChange) -> ClockTime {
    ClockTime::from_nseconds((change.time.unwrap_or_default() * 1e9).round() as u64)
}

/// Whether the disk has room.
#[derive(Default)]
struct Space {
    checked: Option<Instant>,
    /// Whether it was reported that no clip is recorded.
    is_reported: bool,
}

struct Recorder<'a> {
    arguments: &'a Arguments,
    input: String,
    printer: Printer,
    events: Events,
    ring: Ring,
    encoded: Queue,
    /// The sink that has the newest frame.
    frames: Option<gst::Element>,
    /// The label changes that come after the newest picture, with the frame if it makes an event.
    changes: VecDeque<(LabelChange, Option<gst::Sample>)>,
    /// The label change that made the newest event, and its frame.
    event: Option<(LabelChange, Option<gst::Sample>)>,
    /// The running time of the pipeline, for a live source.
    now: Option<ClockTime>,
    is_live: bool,
    clip: Option<Clip>,
    /// Clips whose files are not complete yet.
    ending: Vec<Clip>,
    space: Space,
    /// When a keyframe was asked for.
    asked: Option<Instant>,
    clips: usize,
}

impl Watcher for Recorder<'_> {
    fn label_changed(&mut self, change: &LabelChange) -> Result<(), Failure> {
        let is_event = self.is_event(change);
        let frame = is_event.then(|| self.newest_frame()).flatten();
        self.changes.push_back((change.clone(), frame));
        self.printer.print(change)
    }

    fn tick(&mut self, pipeline: &gst::Pipeline) -> Result<(), Failure> {
        self.now = pipeline.current_running_time().filter(|_| self.is_live);
        self.ask_for_keyframe(pipeline);
        while let Some(picture) = self.encoded.next() {
            self.record(picture);
        }
        self.watch_space();
        self.end_clips();
        Ok(())
    }
}

impl Recorder<'_> {
    /// Applies the label changes until `time`. The encoder is behind the classifier.
    fn apply_changes(&mut self, time: ClockTime) {
        while self.changes.front().is_some_and(|(change, _)| at(change) <= time) {
            let Some((change, frame)) = self.changes.pop_front() else { return };
            let is_event = self.is_event(&change);
            self.events.label_changed(at(&change), is_event);
            if let Some(clip) = &mut self.clip {
                clip.note(&change, is_event);
            }
            if is_event {
                self.event = Some((change, frame));
            }
        }
    }

    /// Puts a picture into the ring and the clip.
    fn record(&mut self, picture: Encoded) {
        self.apply_changes(picture.time);
        let step = self.events.picture(picture.time, picture.is_keyframe());
        let time = picture.time;
        self.ring.push(picture.clone());
        match step {
            Step::Stay => self.push(&picture),
            Step::End => self.end(),
            Step::Begin(start) => self.begin(start),
            Step::Split => {
                self.end();
                self.begin(time);
            }
        }
    }

    fn push(&mut self, picture: &Encoded) {
        let Some(clip) = &mut self.clip else { return };
        if let Err(failure) = clip.push(picture) {
            self.fail(&failure.to_string());
        }
    }

    /// Begins a clip with the pictures since `start`.
    fn begin(&mut self, start: ClockTime) {
        let folder = &self.arguments.dir;
        if let Some(limit) = self.arguments.max_disk {
            space::remove_oldest(folder, limit);
        }
        if free_bytes(folder).is_some_and(|free| free < RESERVE) {
            self.fail("the disk is full");
            return;
        }
        let Some((event, frame)) = self.event.clone() else { return };
        let pictures: Vec<_> = self.ring.since(start).cloned().collect();
        let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else { return };
        let now = self.now.unwrap_or(last.time);
        let age = now.saturating_sub(first.time).nseconds() as f64 / 1e9;
        let date = glib::DateTime::now_local().and_then(|now| now.add_seconds(-age));
        let clip = date.map_err(Failure::from).and_then(|date| {
            let mut clip = Clip::begin(folder, self.arguments.format, first, &date, &event)?;
            clip.note(&event, true);
            pictures.iter().try_for_each(|picture| clip.push(picture))?;
            Ok(clip)
        });
        match clip {
            Ok(mut clip) => {
                if let Some(jpeg) = frame.and_then(|frame| encode_jpeg(&frame).ok())
                    && let Err(failure) = clip.set_thumbnail(&jpeg)
                {
                    note(false, &printable(&failure.to_string()));
                }
                self.space.is_reported = false;
                note(
                    self.arguments.quiet,
                    &printable(&format!("recording {}", clip.path().display())),
                );
                self.clip = Some(clip);
            }
            Err(failure) => self.fail(&failure.to_string()),
        }
    }

    fn is_event(&self, change: &LabelChange) -> bool {
        change.index >= 0 && self.arguments.when.includes(&change.label)
    }

    /// Returns a copy of the newest frame. A camera has few buffers.
    fn newest_frame(&self) -> Option<gst::Sample> {
        let sample = self.frames.as_ref()?.property::<Option<gst::Sample>>("last-sample")?;
        let (buffer, caps) = (sample.buffer()?.copy_deep().ok()?, sample.caps_owned()?);
        Some(gst::Sample::builder().buffer(&buffer).caps(&caps).build())
    }

    /// Asks the encoder for a keyframe every second, so that a clip can begin soon, whatever the frame
    /// rate is.
    fn ask_for_keyframe(&mut self, pipeline: &gst::Pipeline) {
        if self.asked.is_some_and(|asked| asked.elapsed() < KEYFRAME_INTERVAL) {
            return;
        }
        self.asked = Some(Instant::now());
        let pad = pipeline.by_name(ENCODED).and_then(|sink| sink.static_pad("sink"));
        if let Some(pad) = pad {
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().build());
        }
    }

    fn end(&mut self) {
        if let Some(mut clip) = self.clip.take() {
            clip.end();
            self.ending.push(clip);
        }
    }

    /// Ends the clip, because of `reason`, and goes on with the classification.
    fn fail(&mut self, reason: &str) {
        self.end();
        self.events.give_up();
        if !std::mem::replace(&mut self.space.is_reported, true) {
            let folder = self.arguments.dir.display();
            let text = format!("no clip is recorded in {folder}: {reason}; classifying goes on");
            note(false, &printable(&text));
        }
    }

    /// Ends the clip before the disk is full.
    fn watch_space(&mut self) {
        let is_due = self.space.checked.is_none_or(|checked| checked.elapsed() > SPACE_CHECK);
        if self.clip.is_none() || !is_due {
            return;
        }
        self.space.checked = Some(Instant::now());
        if let Some(limit) = self.arguments.max_disk {
            space::remove_oldest(&self.arguments.dir, limit);
        }
        if free_bytes(&self.arguments.dir).is_some_and(|free| free < RESERVE) {
            self.fail("the disk is full");
        }
    }

    /// Looks after the clips whose files end.
    fn end_clips(&mut self) {
        // An error can also end a clip that is being recorded.
        if let Some(Err(failure)) = self.clip.as_mut().and_then(|clip| clip.poll(&self.input)) {
            self.clip = None;
            self.fail(&failure.to_string());
        }
        let (input, quiet) = (&self.input, self.arguments.quiet);
        let clips = &mut self.clips;
        self.ending.retain_mut(|clip| match clip.poll(input) {
            None => true,
            Some(Ok(())) => {
                *clips += 1;
                let text = format!("recorded {} ({:.1} s)", clip.path().display(), clip.duration());
                note(quiet, &printable(&text));
                false
            }
            Some(Err(failure)) => {
                note(false, &printable(&format!("{}: {failure}", clip.path().display())));
                false
            }
        });
    }

    /// Ends all clips and waits for their files.
    fn finish(&mut self) -> Result<(), Failure> {
        while let Some(picture) = self.encoded.next() {
            self.record(picture);
        }
        self.end();
        while !self.ending.is_empty() {
            self.end_clips();
            std::thread::sleep(Duration::from_millis(20));
        }
        let clips = if self.clips == 1 { "clip" } else { "clips" };
        let text = format!("{} {clips} in {}", self.clips, self.arguments.dir.display());
        note(self.arguments.quiet, &printable(&text));
        Ok(())
    }
}
