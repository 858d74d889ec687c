//! From video with metadata to cues.
//!
//! Cues are made, and pushed, under the sink pad's stream lock: by the streaming thread, or by the
//! watch when frames have stopped coming. `running` is locked for an instant each, and never while
//! something is pushed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gst::ClockTime;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;

use super::cues::{Cue, Cues, Frame, json_line};
use super::settings::Settings;
use super::stall::StallWatch;
use crate::error::ConfigError;
use crate::links::visit_downstream;
use crate::metadata;
use crate::sync::lock;
use crate::text_format::TextFormat;
use crate::{FACTORY_NAME, TEXT_FACTORY_NAME};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        TEXT_FACTORY_NAME,
        gst::DebugColorFlags::empty(),
        Some("Results as timed text"),
    )
});

/// What goes into a file beside the picture comes a second late at most: less than any player reads
/// ahead.
const MUXED_CUE: ClockTime = ClockTime::SECOND;

/// Frames that come later than this after the last have stopped coming, in wall time; or, if that
/// is longer, after so many frame durations.
const LEAST_PATIENCE: Duration = Duration::from_millis(60);
const PATIENCE_IN_FRAMES: u32 = 3;

#[derive(Default)]
pub struct CueMaker {
    /// The bin's.
    settings: OnceLock<Arc<Mutex<Settings>>>,
    /// Something was linked or unlinked downstream.
    relinked: AtomicBool,
    running: Mutex<Option<Running>>,
}

impl super::CueMaker {
    /// One that does as `settings` say, from frame to frame.
    pub fn new(settings: Arc<Mutex<Settings>>) -> Self {
        let maker: Self = glib::Object::builder().property("name", "maker").build();
        // It is new, so nobody else has set them.
        let _ = maker.imp().settings.set(settings);
        maker
    }
}

/// What runs, between start and stop.
struct Running {
    cues: Cues,
    settings: Settings,
    /// As `settings` say, or as they last said something that can be used.
    format: TextFormat,
    shape: Shape,
    downstream: Downstream,
    watch: Option<StallWatch>,
    /// The longest cue that did not make a muxer wait.
    muxed_cue: ClockTime,
    /// When frames had stopped coming, and how long the cue was.
    stall: Option<(Instant, ClockTime)>,
    /// By the caps.
    frame_duration: Option<ClockTime>,
    last_start: Option<ClockTime>,
    /// Between the last two frames.
    interval: Option<ClockTime>,
    reverse: bool,
    /// A word went downstream.
    heard: bool,
    missing_told: bool,
}

/// What a cue becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Plain,
    Markup,
    Json,
}

/// Who waits for cues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Downstream {
    /// Nobody waits.
    #[default]
    Alone,
    /// They go into a file with others.
    Muxed,
    /// They are drawn on frames that wait for them.
    Overlaid,
}

/// What goes downstream.
enum Output {
    Buffer(gst::Buffer),
    Gap(gst::Event),
}

#[glib::object_subclass]
impl ObjectSubclass for CueMaker {
    const NAME: &'static str = "GstCatdogCueMaker";
    type Type = super::CueMaker;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for CueMaker {}

impl GstObjectImpl for CueMaker {}

impl ElementImpl for CueMaker {
    fn pad_templates() -> &'static [gst::PadTemplate] {
        pad_templates()
    }
}

/// Those of the bin, too.
pub fn pad_templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        let pads = [
            ("sink", gst::PadDirection::Sink, video_caps()),
            ("src", gst::PadDirection::Src, text_caps()),
        ];
        pads.into_iter()
            .filter_map(|(name, direction, caps)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
            })
            .collect()
    });
    TEMPLATES.as_ref()
}

/// Pixels are not looked at, so any will do, wherever they are.
fn video_caps() -> gst::Caps {
    gst::Caps::builder("video/x-raw").any_features().build()
}

fn caps_of(shape: Shape) -> gst::Caps {
    let text = |format: &str| gst::Caps::builder("text/x-raw").field("format", format).build();
    match shape {
        Shape::Plain => text("utf8"),
        Shape::Markup => text("pango-markup"),
        Shape::Json => gst::Caps::new_empty_simple("application/x-json"),
    }
}

fn text_caps() -> gst::Caps {
    let text = gst::Structure::builder("text/x-raw")
        .field("format", gst::List::new(["utf8", "pango-markup"]))
        .build();
    let json = gst::Structure::new_empty("application/x-json");
    gst::Caps::builder_full().structure(text).structure(json).build()
}

impl BaseTransformImpl for CueMaker {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        self.relinked.store(true, Ordering::Release);
        let settings = self.settings();
        let format = settings
            .format()
            .map_err(|error| gst::error_msg!(gst::LibraryError::Settings, ("{error}")))?;
        *lock(&self.running) = Some(Running::new(settings, format));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        // Its watch ends outside the lock, which the watch may want.
        let running = lock(&self.running).take();
        drop(running);
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        _caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let other = if direction == gst::PadDirection::Sink { text_caps() } else { video_caps() };
        Some(filter.map_or_else(
            || other.clone(),
            |filter| filter.intersect_with_mode(&other, gst::CapsIntersectMode::First),
        ))
    }

    /// Plain text where downstream takes it, since most do not know markup, however they say it;
    /// markup only where the format has some.
    fn fixate_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        othercaps: gst::Caps,
    ) -> gst::Caps {
        let markup = self.settings().format().is_ok_and(|format| format.has_markup());
        let preferred = match markup {
            true => [Shape::Markup, Shape::Plain, Shape::Json],
            false => [Shape::Plain, Shape::Markup, Shape::Json],
        };
        let possible = preferred.iter().map(|shape| othercaps.intersect(&caps_of(*shape)));
        let best = match direction {
            gst::PadDirection::Sink => possible.into_iter().find(|caps| !caps.is_empty()),
            _ => None,
        };
        best.unwrap_or_else(|| self.parent_fixate_caps(direction, caps, othercaps))
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let shape = [Shape::Plain, Shape::Markup, Shape::Json]
            .into_iter()
            .find(|shape| outcaps.can_intersect(&caps_of(*shape)))
            .ok_or_else(|| gst::loggable_error!(CAT, "{outcaps} is not in the pad template"))?;
        let rate = incaps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
        let rate = rate.filter(|rate| rate.numer() > 0 && rate.denom() > 0);
        if let Some(running) = lock(&self.running).as_mut() {
            running.shape = shape;
            running.frame_duration = rate.and_then(|rate| {
                ClockTime::SECOND.mul_div_round(rate.denom() as u64, rate.numer() as u64)
            });
        }
        self.relinked.store(true, Ordering::Release);
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::FlushStop(_) => {
                if let Some(running) = lock(&self.running).as_mut() {
                    running.forget();
                }
            }
            gst::EventView::Segment(segment) => {
                self.end_cue();
                if let Some(running) = lock(&self.running).as_mut() {
                    running.forget();
                    running.reverse = segment.segment().rate() < 0.0;
                }
            }
            gst::EventView::Caps(_)
            | gst::EventView::StreamStart(_)
            | gst::EventView::SegmentDone(_)
            | gst::EventView::Gap(_)
            | gst::EventView::Eos(_) => self.end_cue(),
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            // A cue is late by its own length; nobody upstream must hurry for that.
            gst::EventView::Qos(_) => return true,
            // Sent upstream by whatever is linked anew.
            gst::EventView::Reconfigure(_) => self.relinked.store(true, Ordering::Release),
            _ => {}
        }
        self.parent_src_event(event)
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if let Some(buffer) = self.take_queued_buffer() {
            let outputs = self.take_in(&buffer)?;
            // Before what comes next is waited for: a tee may be waiting for this very buffer.
            drop(buffer);
            self.push(outputs)?;
        }
        Ok(GenerateOutputSuccess::NoOutput)
    }
}

impl CueMaker {
    /// Adds a frame, and returns what is complete by that.
    fn take_in(&self, buffer: &gst::Buffer) -> Result<Vec<Output>, gst::FlowError> {
        let downstream = self
            .relinked
            .swap(false, Ordering::AcqRel)
            .then(|| downstream_of(self.obj().src_pad()));
        let mut running = lock(&self.running);
        let Some(running_now) = running.as_mut() else { return Err(gst::FlowError::Flushing) };
        let wrong = self.follow_settings(running_now);
        if let Some(downstream) = downstream {
            running_now.link(downstream);
            gst::debug!(CAT, imp = self, "{downstream:?}");
        }
        if running_now.downstream != Downstream::Alone && running_now.watch.is_none() {
            running_now.watch = self.watch();
        }
        let (outputs, missing) = running_now.take_in(buffer);
        drop(running);
        if let Some(error) = wrong {
            let kept = "what was set before stays in use";
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{error}; {kept}"));
        }
        if missing {
            self.warn_of_missing_results();
        }
        Ok(outputs)
    }

    fn settings(&self) -> Settings {
        self.settings.get().map(|settings| lock(settings).clone()).unwrap_or_default()
    }

    /// Takes over what was set since the last frame, but for a format that cannot be used.
    fn follow_settings(&self, running: &mut Running) -> Option<ConfigError> {
        let settings = lock(self.settings.get()?);
        if *settings == running.settings {
            return None;
        }
        running.settings.clone_from(&settings);
        settings.format().map(|format| running.format = format).err()
    }

    /// Ends the cue at hand, for what comes next is of something else.
    fn end_cue(&self) {
        let outputs = lock(&self.running).as_mut().map(Running::end_cue).unwrap_or_default();
        // Whoever sends the next buffer hears of a refusal.
        let _ = self.push(outputs);
    }

    /// Frames have stopped coming. If that is because somebody waits for this cue, they go on.
    fn give_way(&self, heard: u64) {
        let sink = self.obj().sink_pad().clone();
        let _stream = sink.stream_lock();
        let mut running = lock(&self.running);
        let Some(stalled) = running.as_mut() else { return };
        if !stalled.watch.as_ref().is_some_and(|watch| watch.is_unheard_since(heard)) {
            return;
        }
        let outputs = stalled.end_stalled_cue();
        drop(running);
        gst::debug!(CAT, imp = self, "no frames come: {} sent", outputs.len());
        let _ = self.push(outputs);
    }

    fn watch(&self) -> Option<StallWatch> {
        let element = self.obj().downgrade();
        let watch = StallWatch::new(move |heard| {
            if let Some(element) = element.upgrade() {
                element.imp().give_way(heard);
            }
        });
        watch.inspect_err(|error| gst::warning!(CAT, imp = self, "no watch: {error}")).ok()
    }

    fn push(&self, outputs: Vec<Output>) -> Result<(), gst::FlowError> {
        let pad = self.obj().src_pad().clone();
        for output in outputs {
            match output {
                Output::Buffer(buffer) => {
                    pad.push(buffer)?;
                }
                // Nobody need listen.
                Output::Gap(event) => {
                    pad.push_event(event);
                }
            }
        }
        Ok(())
    }

    fn warn_of_missing_results(&self) {
        let settings = self.settings();
        let whose = settings.element().map_or(String::new(), |name| format!(" of element={name}"));
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("the frames carry no results{whose}: put {FACTORY_NAME} upstream of \
                 {TEXT_FACTORY_NAME}, with no encoder or mixer in between")
        );
    }
}

impl Running {
    fn new(settings: Settings, format: TextFormat) -> Self {
        Self {
            cues: Cues::default(),
            settings,
            format,
            shape: Shape::default(),
            downstream: Downstream::default(),
            watch: None,
            muxed_cue: MUXED_CUE,
            stall: None,
            frame_duration: None,
            last_start: None,
            interval: None,
            reverse: false,
            heard: false,
            missing_told: false,
        }
    }

    fn link(&mut self, downstream: Downstream) {
        if downstream != self.downstream {
            self.downstream = downstream;
            self.muxed_cue = MUXED_CUE;
        }
    }

    /// What comes next has nothing to do with what was before.
    fn forget(&mut self) {
        drop(self.cues.close());
        self.last_start = None;
        self.interval = None;
        self.stall = None;
        if let Some(watch) = &self.watch {
            watch.rest();
        }
    }

    /// The length at which a cue is complete.
    fn longest(&self) -> Option<ClockTime> {
        let by_downstream = || match self.downstream {
            Downstream::Alone => None,
            Downstream::Muxed => Some(self.muxed_cue),
            Downstream::Overlaid => Some(ClockTime::ZERO),
        };
        match self.reverse {
            // Backwards, no frame goes on with the one before.
            true => Some(ClockTime::ZERO),
            false => self.settings.max_cue_duration().or_else(by_downstream),
        }
    }

    /// What `buffer` makes complete, and whether it is the first without a result.
    fn take_in(&mut self, buffer: &gst::Buffer) -> (Vec<Output>, bool) {
        let start = buffer.pts();
        let interval = start.zip(self.last_start).and_then(|(now, then)| now.checked_sub(then));
        self.interval = interval.filter(|interval| !interval.is_zero()).or(self.interval);
        let frame_duration = buffer.duration().or(self.frame_duration).or(self.interval);
        self.learn_from_stall(frame_duration);
        self.cues.set_longest(self.longest());
        let frame = Frame { start, duration: frame_duration };
        let mut done = Vec::new();
        let said = metadata::read(buffer, self.settings.element(), |said| {
            self.cues.add(&frame, Some(said), &mut done);
        });
        if said.is_none() {
            self.cues.add(&frame, None, &mut done);
        }
        self.last_start = start;
        let mut outputs: Vec<Output> = done.iter().flat_map(|cue| self.outputs(cue)).collect();
        if !self.heard && outputs.is_empty() && self.downstream == Downstream::Alone {
            // A sink that waits for its first data lets the others start by this.
            outputs.extend(start.map(|start| gap(start, None)));
        }
        self.heard = true;
        if let Some(watch) = &self.watch {
            match self.cues.is_open() {
                true => watch.expect(self.patience(frame_duration)),
                false => watch.rest(),
            }
        }
        let missing = said.is_none() && !std::mem::replace(&mut self.missing_told, true);
        (outputs, missing)
    }

    /// A frame comes soon after a cue went out because frames had stopped: that is what they had
    /// stopped for, so cues are to be shorter from now on.
    fn learn_from_stall(&mut self, frame_duration: Option<ClockTime>) {
        if let Some((when, cue)) = self.stall.take()
            && when.elapsed() < self.patience(frame_duration)
        {
            let half = cue / 2;
            let shorter = if Some(half) < frame_duration { ClockTime::ZERO } else { half };
            self.muxed_cue = self.muxed_cue.min(shorter);
        }
    }

    fn patience(&self, frame_duration: Option<ClockTime>) -> Duration {
        let expected = frame_duration.max(self.interval).unwrap_or_default();
        LEAST_PATIENCE.max(Duration::from(expected) * PATIENCE_IN_FRAMES)
    }

    fn end_cue(&mut self) -> Vec<Output> {
        if let Some(watch) = &self.watch {
            watch.rest();
        }
        self.cues.close().map(|cue| self.outputs(&cue)).unwrap_or_default()
    }

    fn end_stalled_cue(&mut self) -> Vec<Output> {
        let parts = self.cues.close_by_frame();
        let lengths = parts.iter().flatten().filter_map(Cue::duration);
        self.stall = Some((Instant::now(), lengths.sum()));
        parts.iter().flatten().flat_map(|cue| self.outputs(cue)).collect()
    }

    /// What goes downstream for `cue`.
    fn outputs(&self, cue: &Cue) -> Vec<Output> {
        let text = cue.told.as_ref().and_then(|told| match self.shape {
            Shape::Plain => Some(told.with_words(|words| self.format.plain(words))),
            Shape::Markup => Some(told.with_words(|words| self.format.markup(words))),
            Shape::Json => json_line(cue, told).ok(),
        });
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return cue.start.map(|start| gap(start, cue.duration())).into_iter().collect();
        };
        let mut buffer = gst::Buffer::from_slice(text.into_bytes());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(cue.start);
            buffer.set_duration(cue.duration());
        }
        // A muxer that has taken a cue waits for the next, unless it knows that there is none yet.
        let news = cue.end.filter(|_| self.downstream == Downstream::Muxed);
        let news = news.map(|end| gap(end, Some(ClockTime::ZERO)));
        std::iter::once(Output::Buffer(buffer)).chain(news).collect()
    }
}

fn gap(start: ClockTime, duration: Option<ClockTime>) -> Output {
    Output::Gap(gst::event::Gap::builder(start).duration(duration).build())
}

/// Who waits for what comes from `source`.
fn downstream_of(source: &gst::Pad) -> Downstream {
    let mut downstream = Downstream::Alone;
    visit_downstream(source, |_, element| {
        let class = element.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
        let found = if class.contains("Muxer") {
            Downstream::Muxed
        } else if element.num_sink_pads() > 1 && !class.contains("Generic") {
            Downstream::Overlaid
        } else {
            return true;
        };
        downstream = downstream.max(found);
        false
    });
    downstream
}
