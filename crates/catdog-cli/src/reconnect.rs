//! A source that comes back: a camera that was unplugged, a stream whose server was restarted.
//!
//! The pipeline begins with an `identity` element, the entry, to which one source after the other is
//! linked: the input, a black picture while the input gives no frames, the input again. Nothing
//! behind the entry notices more than that frames come in the format of the first one, with times
//! that increase.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use catdog_core::sync::lock;

use crate::Failure;
use crate::launch::Launch;

/// The name of the entry.
const ENTRY: &str = "entry";
/// A source that gives no frame for this time is lost. A camera gives one every second in the dark.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a new source may take to its first frame. RTSP servers wait for a keyframe.
const CONNECTION: Duration = Duration::from_secs(15);
/// The waits between two attempts: the first one, and the longest one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Frames per second of the black picture, if those of the input have no rate.
const BLACK_RATE: gst::Fraction = gst::Fraction::new_raw(10, 1);
/// A source whose times differ more than this from the time of the pipeline counts from another
/// start. Network sources are late by their buffer, which is 2 s for RTSP.
const OTHER_START: gst::ClockTime = gst::ClockTime::from_mseconds(2500);

/// What a probe returns that takes a frame or an event out of the stream. With `Drop`, GStreamer 1.22
/// complains that the data is gone, which the Rust bindings have released.
const TAKEN: gst::PadProbeReturn = gst::PadProbeReturn::Handled;

/// What has happened to the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has given no frame since the start, for this time.
    NotYet(Duration),
    /// It gives no more frames, for this reason. The caller then calls [`Slot::wait_for_input`].
    Lost(String),
    /// It does not come back, for this reason, which was not the reason before.
    Refused(String),
    /// It gives frames again.
    Back,
}

/// Returns the description of the pipeline behind the sources.
pub fn behind_entry(rest: Launch) -> Launch {
    // With one segment, all times are running times of the pipeline.
    Launch::element("identity").set("name", ENTRY).set("single-segment", true).link(rest)
}

/// Makes the source again, up to a `videoconvert`. It may have another device now.
pub type MakeSource = Box<dyn FnMut() -> Result<Launch, Failure>>;

/// The place of the source in a pipeline.
pub struct Slot {
    pipeline: gst::Pipeline,
    entry: gst::Pad,
    make: MakeSource,
    current: Connection,
    /// The input while it connects again.
    next: Option<Connection>,
    /// The caps of the first frames.
    caps: Arc<Mutex<Option<gst::Caps>>>,
    state: State,
    /// The time of the newest frame behind the entry.
    newest: Arc<Newest>,
    /// Whether the input has given a frame.
    has_worked: bool,
    /// Whether it was reported that the first frame is late.
    late_is_reported: bool,
    /// Why the last attempt failed.
    refusal: Option<String>,
}

enum State {
    /// The input gives frames.
    Connected,
    /// The black picture is shown. The next attempt begins at `attempt`; if it fails, the wait after
    /// it is `wait`.
    Waiting { attempt: Instant, wait: Duration },
}

impl Slot {
    /// Puts `source` before the entry of `pipeline`. `make` makes it again.
    ///
    /// # Errors
    ///
    /// The message if the source cannot be made.
    pub fn new(
        pipeline: &gst::Pipeline,
        source: &Launch,
        make: MakeSource,
    ) -> Result<Self, Failure> {
        let entry = pipeline.by_name(ENTRY).ok_or("the pipeline has no entry")?;
        let newest = Arc::new(Newest::default());
        drop_late_frames(&entry, &newest)?;
        let entry = entry.static_pad("sink").ok_or("the entry has no pad")?;
        // A source may have a clock, such as that of PipeWire. The pipeline would choose it, and it
        // stops with the source.
        pipeline.use_clock(Some(&gst::SystemClock::obtain()));
        let caps = Arc::default();
        let current = Connection::new(pipeline, source.clone(), &caps)?;
        current.pad.link(&entry)?;
        Ok(Self {
            pipeline: pipeline.clone(),
            entry,
            make,
            current,
            next: None,
            caps,
            state: State::Connected,
            newest,
            has_worked: false,
            late_is_reported: false,
            refusal: None,
        })
    }

    /// Returns whether `message` is a warning of a source, or an error from which the pipeline
    /// recovers. The next [`Self::tick`] handles it.
    pub fn takes(&mut self, message: &gst::Message) -> bool {
        if let gst::MessageView::Element(element) = message.view() {
            let lacks = element.structure().is_some_and(|found| found.name() == "missing-plugin");
            let next = self.next.as_ref().filter(|next| {
                lacks && message.src().is_some_and(|source| source.has_as_ancestor(&next.bin))
            });
            if let Some(next) = next {
                next.watch.end("GStreamer lacks a decoder for it".into());
            }
            return next.is_some();
        }
        let (is_error, error) = match message.view() {
            gst::MessageView::Error(error) => (true, error.error()),
            gst::MessageView::Warning(warning) => (false, warning.error()),
            _ => return false,
        };
        let Some(source) = message.src() else { return false };
        let reason = error.message().to_owned();
        if !is_error {
            // The loss is reported, and not what an element thinks of it before.
            let of = |connection: &Connection| source.has_as_ancestor(&connection.bin);
            return of(&self.current) || self.next.as_ref().is_some_and(of);
        }
        if let Some(next) = &self.next
            && source.has_as_ancestor(&next.bin)
        {
            next.watch.end(reason);
            return true;
        }
        // An input that has never given a frame ends the program with its error.
        if self.works() && source.has_as_ancestor(&self.current.bin) {
            self.current.watch.end(reason);
            return true;
        }
        // Errors of sources that were removed are ignored.
        !source.has_as_ancestor(&self.pipeline)
    }

    /// Returns what has happened to the input since the last call. The session calls this every 50 ms.
    ///
    /// # Errors
    ///
    /// The black picture cannot be made.
    pub fn tick(&mut self) -> Result<Option<Change>, Failure> {
        match self.state {
            State::Connected => Ok(self.loss().map(Change::Lost).or_else(|| self.not_yet())),
            State::Waiting { attempt, wait } => self.wait(attempt, wait),
        }
    }

    /// Shows the black picture, and begins to connect to the input again.
    ///
    /// # Errors
    ///
    /// The black picture cannot be made.
    pub fn wait_for_input(&mut self) -> Result<(), Failure> {
        self.has_worked = true;
        self.refusal = None;
        self.show_black()?;
        let attempt = Instant::now() + FIRST_WAIT;
        self.state = State::Waiting { attempt, wait: FIRST_WAIT * 2 };
        Ok(())
    }

    /// Returns whether the black picture is shown.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Returns whether the input has ever given a frame.
    pub fn works(&self) -> bool {
        self.has_worked || self.current.watch.has_frame()
    }

    /// Returns why the input is lost; `None` while it is not.
    fn loss(&self) -> Option<String> {
        let watch = &self.current.watch;
        if let Some(reason) = watch.ended() {
            return Some(reason);
        }
        if self.newest.has_jumped.swap(false, Ordering::Relaxed) {
            return Some("its clock was set back".into());
        }
        // While a frame waits for the elements behind it, the source can give no other one.
        let silent = watch.has_frame() && watch.silence() > SILENCE && self.current.is_idle();
        silent.then(|| format!("no frame for {} s", SILENCE.as_secs()))
    }

    /// Returns [`Change::NotYet`] once, if the first source is slow.
    fn not_yet(&mut self) -> Option<Change> {
        let is_late = !self.works() && self.current.watch.created.elapsed() > CONNECTION;
        let is_new = is_late && !std::mem::replace(&mut self.late_is_reported, is_late);
        is_new.then_some(Change::NotYet(CONNECTION))
    }

    /// Begins an attempt to connect, or looks at the one that has begun.
    fn wait(&mut self, attempt: Instant, wait: Duration) -> Result<Option<Change>, Failure> {
        let Some(next) = self.next.take() else {
            if Instant::now() >= attempt {
                self.next = self.connect();
                if self.next.is_none() {
                    self.postpone(wait);
                }
            }
            return Ok(None);
        };
        let ended = next.watch.ended();
        if ended.is_some() || next.watch.created.elapsed() > CONNECTION {
            next.remove(&self.pipeline);
            self.postpone(wait);
            let is_new = ended.is_some() && ended != self.refusal;
            self.refusal = ended.or(self.refusal.take());
            return Ok(self.refusal.clone().filter(|_| is_new).map(Change::Refused));
        }
        if !next.watch.is_ready.load(Ordering::Acquire) {
            self.next = Some(next);
            return Ok(None);
        }
        if !self.replace(next) {
            self.show_black()?;
            self.postpone(wait);
            return Ok(None);
        }
        self.state = State::Connected;
        Ok(Some(Change::Back))
    }

    fn postpone(&mut self, wait: Duration) {
        self.state =
            State::Waiting { attempt: Instant::now() + wait, wait: (wait * 2).min(LONGEST_WAIT) };
    }

    /// Starts the input beside the black picture. Its first frame waits.
    fn connect(&mut self) -> Option<Connection> {
        let source = (self.make)().ok()?;
        let same_size = Launch::element("videoscale")
            .set("add-borders", true)
            .link(Launch::caps(&self.frame_caps()?.to_string()));
        let next = Connection::new(&self.pipeline, source.link(same_size), &self.caps).ok()?;
        next.hold();
        if next.bin.sync_state_with_parent().is_err() {
            next.remove(&self.pipeline);
            return None;
        }
        Some(next)
    }

    fn show_black(&mut self) -> Result<(), Failure> {
        let mut caps = self.frame_caps().ok_or("the input has no format")?;
        if let Some(structure) = caps.make_mut().structure_mut(0) {
            let rate = self
                .first_caps()
                .and_then(|caps| caps.structure(0)?.get::<gst::Fraction>("framerate").ok());
            let rate = rate.filter(|rate| rate.numer() > 0).unwrap_or(BLACK_RATE);
            structure.set("framerate", rate);
        }
        let black = Launch::element("videotestsrc")
            .set("is-live", true)
            .set("pattern", "black")
            .link(Launch::caps(&caps.to_string()))
            .link(
                Launch::element("textoverlay")
                    .set("text", "no signal")
                    .set("valignment", "center")
                    .set("halignment", "center"),
            )
            .link(Launch::element("videoconvert"))
            .link(Launch::caps(&caps.to_string()));
        let black = Connection::new(&self.pipeline, black, &self.caps)?;
        if !self.replace(black) {
            return Err("the black picture cannot be shown".into());
        }
        Ok(())
    }

    /// Links `next` to the entry in place of the current source. Returns whether that worked.
    fn replace(&mut self, next: Connection) -> bool {
        let _ = self.current.pad.unlink(&self.entry);
        let now = self.pipeline.current_running_time();
        next.count_from(now);
        self.newest.limit(now);
        // The source has the format of the first one already. If the link asked it to negotiate again,
        // PipeWire would connect a second time, at which some cameras of programs fail.
        let checks = gst::PadLinkCheck::DEFAULT | gst::PadLinkCheck::NO_RECONFIGURE;
        let linked = next.pad.link_full(&self.entry, checks).is_ok();
        let running = linked && next.bin.sync_state_with_parent().is_ok();
        next.release();
        let old = std::mem::replace(&mut self.current, next);
        old.remove(&self.pipeline);
        // The announced latency may be another one.
        let _ = self.pipeline.recalculate_latency();
        running
    }

    fn first_caps(&self) -> Option<gst::Caps> {
        lock(&self.caps).clone()
    }

    /// Returns caps with the format and the size of the first frames.
    fn frame_caps(&self) -> Option<gst::Caps> {
        let caps = self.first_caps()?;
        let mut frame = gst::Structure::new_empty("video/x-raw");
        for field in ["format", "width", "height", "pixel-aspect-ratio"] {
            if let Ok(value) = caps.structure(0)?.value(field) {
                frame.set_value(field, value.clone());
            }
        }
        Some(gst::Caps::builder_full().structure(frame).build())
    }
}

/// Drops frames that are not later than the frame before them: the last ones of the black picture
/// are newer than the first ones of a network source.
///
/// A frame that is much older than the one before it comes from a source whose clock was set back.
fn drop_late_frames(entry: &gst::Element, newest: &Arc<Newest>) -> Result<(), Failure> {
    let pad = entry.static_pad("src").ok_or("the entry has no pad")?;
    let newest = Arc::clone(newest);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) else {
            return gst::PadProbeReturn::Ok;
        };
        // 0 is no frame.
        let time = pts.nseconds() + 1;
        let before = newest.time.fetch_max(time, Ordering::Relaxed);
        if before > time + OTHER_START.nseconds() {
            newest.has_jumped.store(true, Ordering::Relaxed);
        }
        if before >= time { TAKEN } else { gst::PadProbeReturn::Ok }
    });
    Ok(())
}

/// The time of the newest frame behind the entry.
#[derive(Debug, Default)]
struct Newest {
    /// Running time in ns plus 1; 0 before the first frame.
    time: AtomicU64,
    /// Whether a frame was much older than the one before it.
    has_jumped: AtomicBool,
}

impl Newest {
    /// Forgets times after `now`, which a source with a wrong clock has left.
    fn limit(&self, now: Option<gst::ClockTime>) {
        if let Some(now) = now {
            self.time.fetch_min(now.nseconds() + 1, Ordering::Relaxed);
        }
        self.has_jumped.store(false, Ordering::Relaxed);
    }
}

/// A source in the pipeline, with what is known of it.
struct Connection {
    bin: gst::Bin,
    pad: gst::Pad,
    watch: Arc<Watch>,
    hold: Mutex<Option<gst::PadProbeId>>,
}

/// What the threads of a source tell the main thread.
struct Watch {
    created: Instant,
    /// Milliseconds from `created` to the newest frame plus 1; 0 before the first frame.
    newest: AtomicU64,
    /// Whether the first frame waits.
    is_ready: AtomicBool,
    /// The running time of that frame, in ns.
    first: AtomicU64,
    /// Why the source gives no more frames.
    end: Mutex<Option<String>>,
}

impl Watch {
    fn end(&self, reason: String) {
        lock(&self.end).get_or_insert(reason);
    }

    fn ended(&self) -> Option<String> {
        lock(&self.end).clone()
    }

    fn see_frame(&self) {
        let now = self.created.elapsed().as_millis() as u64;
        self.newest.store(now + 1, Ordering::Relaxed);
    }

    fn has_frame(&self) -> bool {
        self.newest.load(Ordering::Relaxed) > 0
    }

    /// Returns the time since the newest frame.
    fn silence(&self) -> Duration {
        let newest = Duration::from_millis(self.newest.load(Ordering::Relaxed));
        self.created.elapsed().saturating_sub(newest)
    }
}

impl Connection {
    /// Puts the source into `pipeline`. It is neither linked nor started. `caps` gets the caps of its
    /// frames, or replaces them.
    fn new(
        pipeline: &gst::Pipeline,
        source: Launch,
        caps: &Arc<Mutex<Option<gst::Caps>>>,
    ) -> Result<Self, Failure> {
        let text = source.to_string();
        let flags = gst::ParseFlags::FATAL_ERRORS;
        let bin = gst::parse::bin_from_description_full(&text, false, None, flags)
            .map_err(|error| format!("the pipeline cannot be made: {}", error.message()))?;
        let bin = bin.downcast::<gst::Bin>().map_err(|_| "the source is no bin")?;
        // GStreamer's own ghost pads would also take the sink pad of a decoder that waits for its
        // demuxer.
        let end = bin.find_unlinked_pad(gst::PadDirection::Src).ok_or("the source has no end")?;
        let ghost = gst::GhostPad::builder_with_target(&end)?.name("src").build();
        bin.add_pad(&ghost)?;
        let pad = ghost.upcast::<gst::Pad>();
        let watch = Arc::new(Watch {
            created: Instant::now(),
            newest: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
            first: AtomicU64::new(0),
            end: Mutex::new(None),
        });
        watch_data(&pad, &bin, &watch, caps);
        pipeline.add(&bin)?;
        Ok(Self { bin, pad, watch, hold: Mutex::new(None) })
    }

    /// Makes the first frame wait.
    fn hold(&self) {
        let watch = Arc::clone(&self.watch);
        let types = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
        let probe = self.pad.add_probe(types, move |pad, info| {
            let segment = pad.sticky_event::<gst::event::Segment>(0);
            let segment =
                segment.and_then(|event| event.segment().downcast_ref::<gst::ClockTime>().cloned());
            let pts = info.buffer().and_then(|buffer| buffer.pts());
            let running = segment.and_then(|segment| segment.to_running_time(pts?));
            watch.first.store(running.map_or(0, gst::ClockTime::nseconds), Ordering::Relaxed);
            watch.is_ready.store(true, Ordering::Release);
            gst::PadProbeReturn::Ok
        });
        *lock(&self.hold) = probe;
    }

    /// Lets the first frame pass.
    fn release(&self) {
        if let Some(probe) = lock(&self.hold).take() {
            self.pad.remove_probe(probe);
        }
    }

    /// Returns whether no frame is on its way through the elements behind the source.
    fn is_idle(&self) -> bool {
        let is_idle = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_idle);
        // GStreamer calls this at once if the pad is idle, and otherwise when it becomes idle.
        let probe = self.pad.add_probe(gst::PadProbeType::IDLE, move |_, _| {
            seen.store(true, Ordering::Relaxed);
            gst::PadProbeReturn::Remove
        });
        if let Some(probe) = probe.filter(|_| !is_idle.load(Ordering::Relaxed)) {
            self.pad.remove_probe(probe);
        }
        is_idle.load(Ordering::Relaxed)
    }

    /// If the frames that wait count from another start than the pipeline, such as those of a server
    /// that was restarted, the first one gets the time `now`.
    fn count_from(&self, now: Option<gst::ClockTime>) {
        let Some(now) = now.filter(|_| self.watch.is_ready.load(Ordering::Acquire)) else { return };
        let first = gst::ClockTime::from_nseconds(self.watch.first.load(Ordering::Relaxed));
        if now.absdiff(first) > OTHER_START {
            self.pad.set_offset(now.nseconds() as i64 - first.nseconds() as i64);
        }
    }

    /// Removes the source. A device or a server may need time to end, so that another thread waits.
    fn remove(self, pipeline: &gst::Pipeline) {
        // Removing it from the pipeline keeps the order of its messages and its state apart.
        let _ = pipeline.remove(&self.bin);
        thread::spawn(move || {
            let _ = self.bin.set_state(gst::State::Null);
            self.release();
        });
    }
}

/// Watches the frames and the events of a source.
fn watch_data(
    pad: &gst::Pad,
    bin: &gst::Bin,
    watch: &Arc<Watch>,
    caps: &Arc<Mutex<Option<gst::Caps>>>,
) {
    let frames = Arc::clone(watch);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        frames.see_frame();
        gst::PadProbeReturn::Ok
    });
    let (watch, caps, bin) = (Arc::clone(watch), Arc::clone(caps), bin.downgrade());
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let Some(event) = info.event() else { return gst::PadProbeReturn::Ok };
        match event.view() {
            gst::EventView::Eos(_) if is_endless(&bin) => {
                watch.end("the stream ended".into());
                TAKEN
            }
            gst::EventView::Caps(new) => {
                let mut first = lock(&caps);
                match &*first {
                    None => *first = Some(new.caps_owned()),
                    // Encoders and muxers take no other frame rate or color range in the middle.
                    Some(first) => {
                        let event = gst::event::Caps::builder(first).seqnum(event.seqnum()).build();
                        info.data = Some(gst::PadProbeData::Event(event));
                    }
                }
                gst::PadProbeReturn::Ok
            }
            // For the elements behind the entry, the stream goes on.
            gst::EventView::StreamStart(_) if is_known(&caps) => TAKEN,
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

fn is_known(caps: &Mutex<Option<gst::Caps>>) -> bool {
    lock(caps).is_some()
}

/// Returns whether the source has no duration. A video on a server has one, and ends.
fn is_endless(bin: &glib::WeakRef<gst::Bin>) -> bool {
    let duration = bin.upgrade().and_then(|bin| bin.query_duration::<gst::ClockTime>());
    duration.is_none_or(|duration| duration.is_zero())
}
