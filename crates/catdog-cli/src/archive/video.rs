//! Classifies one video and writes its results.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catdog_core::sync::lock;
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};
use parquet::errors::ParquetError;

use super::plan::Job;
use super::range::{Choice, Chosen, Range};
use super::rows::{Common, CueRow, FrameRow};
use super::table::Table;
use crate::Failure;
use crate::cue::Cue;
use crate::disk::Unfinished;
use crate::filter::Filter;
use crate::frame::Frame;
use crate::interrupt;
use crate::labels::LabelChange;
use crate::launch::{Launch, file_uri};
use crate::output::path_text;
use crate::session::{Session, UnusableInput, Watcher};
use crate::streams::{self, Streams};

/// A video without a frame for this time has stalled.
const STALLED: Duration = Duration::from_secs(120);
/// How long the first frame may take before a range is sought.
const START: Duration = Duration::from_secs(60);
/// Seconds before a range that are decoded, too: some decoders give the first frame after a seek another
/// time, and the first frames another picture, if they refer to frames before the keyframe (an open group of
/// pictures).
const LEAD: f64 = 2.0;
/// How often a signal is noticed meanwhile.
const CHECK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// The elements that the program looks for.
const CHOICE: &str = "choice";
const ROWS: &str = "rows";
/// What catdogfilter does without options. A row has the result of its frame alone, so that the rows do
/// not depend on the frames before it. The threads of the processors decode other videos.
const FRAME_BY_FRAME: [(&str, &str); 4] =
    [("smoothing", "0"), ("hold", "0"), ("threads", "1"), ("post-messages", "none")];
const FOR_CUES: [(&str, &str); 2] = [("threads", "1"), ("post-messages", "none")];

/// How videos are classified.
pub struct How<'a> {
    /// The element.
    pub filter: &'a Filter,
    /// Whether a row is a time with one label, and not a frame.
    pub cues: bool,
    /// Seconds between frames.
    pub every: Option<f64>,
    /// Whether only frames that need no others are decoded.
    pub keyframes: bool,
    /// Threads of a decoder.
    pub decoder_threads: usize,
    /// Whether the work is to end, because nothing can be written.
    pub stop: &'a AtomicBool,
    /// Whether a video was classified, so that the model and the options can be used.
    pub works: &'a AtomicBool,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Done {
    /// Seconds of the video, or of the range.
    pub seconds: f64,
    /// The number of rows.
    pub rows: u64,
}

/// Classifies a video and writes its results. Returns `None` if it was ended before. `bytes` is set to
/// how much of the file is done.
///
/// # Errors
///
/// [`UnusableInput`] if the video cannot be read; another failure if the model cannot be used or the
/// results cannot be written.
pub fn classify(how: &How<'_>, job: &Job, bytes: &AtomicU64) -> Result<Option<Done>, Failure> {
    let streams = streams::discover(&job.path).map_err(|reason| unusable(job, &*reason))?;
    if seeks(job, &streams) {
        match attempt(how, job, &streams, true, bytes)? {
            Attempt::Done(done) => return Ok(Some(done)),
            Attempt::Ended => return Ok(None),
            // From the beginning, then.
            Attempt::SoughtTooFar => {}
        }
    }
    Ok(match attempt(how, job, &streams, false, bytes)? {
        Attempt::Done(done) => Some(done),
        Attempt::Ended | Attempt::SoughtTooFar => None,
    })
}

/// Returns whether a video is played from the keyframe before the range on.
///
/// Of other containers, GStreamer seeks to a later frame, or gives the frames other times than from the
/// beginning: those of MPEG program streams, and of AVI with MPEG-4 (1.22).
fn seeks(job: &Job, streams: &Streams) -> bool {
    let exact = ["video/quicktime", "video/x-matroska", "video/webm"];
    job.range.is_some_and(|range| range.start > 0.0)
        && streams.container.as_deref().is_some_and(|container| exact.contains(&container))
}

/// How an attempt ended.
enum Attempt {
    /// The results are written.
    Done(Done),
    /// A signal or a failure elsewhere ended it.
    Ended,
    /// The first frame after the seek is behind the beginning of the range.
    SoughtTooFar,
}

fn unusable(job: &Job, reason: &dyn std::error::Error) -> UnusableInput {
    let range = job.range.map(|range| format!("@{range}")).unwrap_or_default();
    UnusableInput(format!("{}{range}: {reason}", path_text(&job.path)))
}

fn attempt(
    how: &How<'_>,
    job: &Job,
    streams: &Streams,
    seeks: bool,
    bytes: &AtomicU64,
) -> Result<Attempt, Failure> {
    let name = path_text(&job.path);
    let launch = launch(how, job, streams).map_err(|reason| unusable(job, &*reason))?;
    let unfinished = Unfinished::new(&job.results)?;
    let unwritable = |error: &dyn std::fmt::Display| {
        format!("{} cannot be written: {error}", job.results.display())
    };
    let about = serde_json::to_string(&job.origin)?;
    let file = File::create(unfinished.part()).map_err(|error| unwritable(&error))?;
    let rows = Rows::new(how.cues, file, about).map_err(|error| unwritable(&reason(&error)))?;
    let shared = Arc::new(Shared {
        common: Arc::new(Common {
            video: job.video.clone(),
            model: job.origin.settings.model.clone(),
        }),
        rows: Mutex::new(Some(rows)),
        failure: Mutex::new(None),
        decoded: AtomicU64::new(0),
        last: AtomicU64::new(0),
        start: job.range.filter(|_| seeks).map(|range| range.start),
        sought_too_far: AtomicBool::new(false),
        end_reached: AtomicBool::new(false),
        chooses: AtomicBool::new(!seeks),
    });

    let mut session = Session::new(&launch, &name)?;
    // Frames that are on their way reach the rows before the end.
    session.end_at_source();
    limit_threads(session.pipeline(), how.decoder_threads);
    shared.connect(session.pipeline(), Choice::new(how.every, job.range))?;
    if let Some(range) = job.range.filter(|_| seeks) {
        seek(session.pipeline(), range, &shared.chooses, how.stop)
            .map_err(|reason| unusable(job, &*reason))?;
    }
    let start = job.range.map_or(0.0, |range| range.start);
    let mut progress = Progress {
        shared: &shared,
        stop: how.stop,
        bytes,
        size: job.bytes,
        start,
        end: job.range.and_then(|range| range.end),
        duration: streams.duration,
        seen: (0, Instant::now()),
    };
    let result = session.run(&mut progress);
    if let Some(failure) = lock(&shared.failure).take() {
        return Err(unwritable(&failure).into());
    }
    if interrupt::is_requested() || how.stop.load(Ordering::Relaxed) {
        return Ok(Attempt::Ended);
    }
    if shared.sought_too_far.load(Ordering::Relaxed) {
        return Ok(Attempt::SoughtTooFar);
    }
    // An error of the element is about the model or the options, unless they have worked.
    result.map_err(|failure| {
        match how.works.load(Ordering::Relaxed) || failure.is::<UnusableInput>() {
            true => match failure.to_string().strip_prefix(&format!("{name}: ")) {
                Some(reason) => unusable(job, &*Failure::from(reason)).into(),
                None => unusable(job, &*failure).into(),
            },
            false => failure,
        }
    })?;
    let rows = lock(&shared.rows).take().ok_or("the rows are lost")?;
    if shared.decoded.load(Ordering::Relaxed) == 0 {
        let reason = Failure::from("none of its frames can be decoded");
        return Err(unusable(job, &*reason).into());
    }
    let count = rows.count();
    rows.finish().map_err(|error| unwritable(&reason(&error)))?;
    unfinished.finish()?;
    how.works.store(true, Ordering::Relaxed);
    let seconds = (shared.seconds() - start).max(0.0);
    Ok(Attempt::Done(Done { seconds, rows: count }))
}

/// Returns the reason of an error of the file system without the name of the layer between.
fn reason(error: &ParquetError) -> String {
    match error {
        ParquetError::External(inner) => inner.to_string(),
        other => other.to_string(),
    }
}

fn launch(how: &How<'_>, job: &Job, streams: &Streams) -> Result<Launch, Failure> {
    let kind = streams.video.structure(0).map_or("ANY", |structure| structure.name().as_str());
    let source = Launch::element("urisourcebin").set("uri", file_uri(&job.path)?);
    let parsed = source.link(Launch::element("parsebin").set("name", "in"));
    let mut video = Launch::element("in.").link(Launch::caps(kind)).link(Launch::element("queue"));
    if how.keyframes {
        let only_key = Launch::element("identity").set("drop-buffer-flags", "delta-unit");
        video = video.link(only_key);
    }
    let decoded = video
        .link(Launch::element("decodebin"))
        .link(Launch::element("identity").set("name", CHOICE))
        .link(Launch::element("videoconvert"))
        // Decoder and classifier work at the same time.
        .link(Launch::element("queue").set("max-size-buffers", 8));
    let defaults: &[_] = if how.cues { &FOR_CUES } else { &FRAME_BY_FRAME };
    let mut classified = decoded.link(how.filter.launch_with(defaults, false));
    if how.cues {
        classified =
            classified.link(Launch::element("catdogtext")).link(Launch::caps("application/x-json"));
    }
    let sink =
        Launch::element("appsink").set("name", ROWS).set("sync", false).set("max-buffers", 4);
    Ok(parsed.branch(classified.link(sink)))
}

/// Lets the decoders of FFmpeg use this number of threads. They would use all processors.
fn limit_threads(pipeline: &gst::Pipeline, threads: usize) {
    pipeline.connect_deep_element_added(move |_, _, element| {
        let is_libav = element.factory().is_some_and(|made| made.name().starts_with("avdec_"));
        if is_libav && element.has_property("max-threads") {
            element.set_property("max-threads", i32::try_from(threads).unwrap_or(1));
        }
    });
}

/// Goes to the keyframe before the range. The frames until the range are left out by [`Choice`]: a
/// decoder would give the frame at its start another time.
fn seek(
    pipeline: &gst::Pipeline,
    range: Range,
    chooses: &AtomicBool,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let paused = pipeline.set_state(gst::State::Paused);
    let started = Instant::now();
    loop {
        match pipeline.state(CHECK).0 {
            // The reason is on the bus, where run() finds it.
            Err(_) => return Ok(()),
            _ if paused.is_err() => return Ok(()),
            Ok(gst::StateChangeSuccess::Async) => {
                if interrupt::is_requested() || stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if started.elapsed() > START {
                    return Err(format!("no frame for {} s", START.as_secs()).into());
                }
            }
            Ok(_) => break,
        }
    }
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
    let target = (range.start - LEAD).max(0.0);
    let start = gst::ClockTime::from_nseconds((target * 1e9) as u64);
    // Frames from before the seek end with the flush, after which the choice begins.
    chooses.store(true, Ordering::Relaxed);
    pipeline
        .seek_simple(flags, start)
        .map_err(|_| "it cannot be played from a time on; leave out --range and --split".into())
}

/// What the threads of the pipeline share.
struct Shared {
    common: Arc<Common>,
    rows: Mutex<Option<Rows>>,
    /// Why a row cannot be written.
    failure: Mutex<Option<String>>,
    decoded: AtomicU64,
    /// The time of the last frame in the range, in nanoseconds since the start of the video.
    last: AtomicU64,
    /// The time that was sought, in seconds.
    start: Option<f64>,
    /// Whether the first frame after the seek is later than that.
    sought_too_far: AtomicBool,
    /// Whether the range is over.
    end_reached: AtomicBool,
    /// Whether frames are left out already. Before a seek, the first frame has to pass.
    chooses: AtomicBool,
}

impl Shared {
    fn connect(self: &Arc<Self>, pipeline: &gst::Pipeline, choice: Choice) -> Result<(), Failure> {
        let pad = pipeline.by_name(CHOICE).and_then(|element| element.static_pad("src"));
        let shared = self.clone();
        let current = Mutex::new(choice);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
        pad.ok_or("the pipeline has no frames")?.add_probe(kinds, move |pad, info| {
            if info.event().is_some() {
                // A seek: what came before it does not count.
                *lock(&current) = choice;
                shared.decoded.store(0, Ordering::Relaxed);
                return gst::PadProbeReturn::Ok;
            }
            shared.choose(pad, info, &mut lock(&current))
        });
        let sink = pipeline.by_name(ROWS).and_then(|sink| sink.downcast::<AppSink>().ok());
        let shared = self.clone();
        let taken = move |sink: &AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            shared.take(&sample).map_err(|error| {
                let text =
                    error.downcast_ref::<ParquetError>().map_or_else(|| error.to_string(), reason);
                lock(&shared.failure).get_or_insert(text);
                gst::FlowError::Error
            })?;
            Ok(gst::FlowSuccess::Ok)
        };
        sink.ok_or("the pipeline has no appsink")?
            .set_callbacks(AppSinkCallbacks::builder().new_sample(taken).build());
        Ok(())
    }

    fn choose(
        &self,
        pad: &gst::Pad,
        info: &gst::PadProbeInfo<'_>,
        choice: &mut Choice,
    ) -> gst::PadProbeReturn {
        if !self.chooses.load(Ordering::Relaxed) {
            return gst::PadProbeReturn::Ok;
        }
        let is_first = self.decoded.fetch_add(1, Ordering::Relaxed) == 0;
        let segment = pad.sticky_event::<gst::event::Segment>(0);
        let pts = info.buffer().and_then(|buffer| buffer.pts());
        // A frame without a time cannot be left out.
        let Some(time) = segment.and_then(|event| stream_time(event.segment(), pts)) else {
            return gst::PadProbeReturn::Ok;
        };
        if is_first && self.start.is_some_and(|start| time > start + 1e-6) {
            self.sought_too_far.store(true, Ordering::Relaxed);
        }
        if self.sought_too_far.load(Ordering::Relaxed) {
            return gst::PadProbeReturn::Drop;
        }
        let chosen = choice.next(time);
        if chosen == Chosen::End {
            self.end_reached.store(true, Ordering::Relaxed);
        } else {
            self.last.fetch_max((time * 1e9) as u64, Ordering::Relaxed);
        }
        if chosen == Chosen::Yes { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    }

    /// Returns the time of the last frame, in seconds since the start of the video.
    fn seconds(&self) -> f64 {
        self.last.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// Adds what a sample says to the rows.
    fn take(&self, sample: &gst::Sample) -> Result<(), Failure> {
        let Some(buffer) = sample.buffer() else { return Ok(()) };
        let mut rows = lock(&self.rows);
        match rows.as_mut() {
            Some(Rows::Frames(table)) => {
                let Some(frame) = Frame::of(buffer, Duration::ZERO).filter(|frame| frame.is_fresh)
                else {
                    return Ok(());
                };
                let time = sample.segment().and_then(|segment| stream_time(segment, buffer.pts()));
                let confidence = frame.best().1;
                table.push(FrameRow {
                    common: self.common.clone(),
                    time,
                    label: frame.label,
                    confidence,
                    confidences: frame.ranked,
                })?;
            }
            Some(Rows::Cues(table)) => {
                let lines = buffer.map_readable()?;
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let cue: Cue = serde_json::from_slice(line)?;
                    let seconds = |time: u64| time as f64 / 1e9;
                    table.push(CueRow {
                        common: self.common.clone(),
                        start: cue.pts.map(seconds),
                        end: cue.pts.zip(cue.duration).map(|(start, time)| seconds(start + time)),
                        label: cue.label,
                        confidence: cue.confidence,
                        frames: cue.frames,
                    })?;
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// Returns the time since the start of the video, in seconds.
fn stream_time(segment: &gst::Segment, pts: Option<gst::ClockTime>) -> Option<f64> {
    let time = segment.downcast_ref::<gst::ClockTime>()?.to_stream_time(pts)?;
    Some(time.nseconds() as f64 / 1e9)
}

/// The rows that are written.
enum Rows {
    Frames(Table<FrameRow>),
    Cues(Table<CueRow>),
}

impl Rows {
    fn new(cues: bool, file: File, about: String) -> parquet::errors::Result<Self> {
        Ok(if cues {
            Self::Cues(Table::new(file, about)?)
        } else {
            Self::Frames(Table::new(file, about)?)
        })
    }

    fn count(&self) -> u64 {
        match self {
            Self::Frames(table) => table.count(),
            Self::Cues(table) => table.count(),
        }
    }

    fn finish(self) -> parquet::errors::Result<()> {
        match self {
            Self::Frames(table) => table.finish(),
            Self::Cues(table) => table.finish(),
        }
    }
}

/// Watches over a video.
struct Progress<'a> {
    shared: &'a Shared,
    stop: &'a AtomicBool,
    bytes: &'a AtomicU64,
    size: u64,
    /// Of the range, in seconds; `None` is the end of the video.
    start: f64,
    end: Option<f64>,
    duration: Option<gst::ClockTime>,
    /// The number of decoded frames, and when it changed.
    seen: (u64, Instant),
}

impl Watcher for Progress<'_> {
    fn label_changed(&mut self, _: &LabelChange) -> Result<(), Failure> {
        Ok(())
    }

    fn tick(&mut self, _: &gst::Pipeline) -> Result<(), Failure> {
        let decoded = self.shared.decoded.load(Ordering::Relaxed);
        if decoded != self.seen.0 {
            self.seen = (decoded, Instant::now());
        } else if self.seen.1.elapsed() > STALLED {
            let at = crate::labels::clock(Some(self.shared.seconds()));
            let text = format!("no frame for {} s, at {at}", STALLED.as_secs());
            return Err(UnusableInput(text).into());
        }
        let done = (self.shared.seconds() - self.start).max(0.0);
        let duration = self.duration.map(|duration| duration.nseconds() as f64 / 1e9);
        let length = (self.end.or(duration).unwrap_or(0.0) - self.start).max(1e-3);
        self.bytes.store(((done / length).min(1.0) * self.size as f64) as u64, Ordering::Relaxed);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.shared.end_reached.load(Ordering::Relaxed)
            || self.shared.sought_too_far.load(Ordering::Relaxed)
    }
}
