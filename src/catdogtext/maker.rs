//! From video with metadata to cues.
//!
//! Cues are made, and pushed, under the sink pad's stream lock: by the streaming thread, or by the
//! watch when frames have stopped coming. `running` is locked for an instant each, and never while
//! something is pushed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use gst::ClockTime;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;

use gst_video::{VideoCropMeta, VideoMeta};

use super::FACTORY_NAME;
use super::running::{Output, Running, Shape, downstream_of};
use super::settings::Settings;
use super::stall::StallWatch;
use crate::catdogfilter;
use catdog_core::sync::lock;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        FACTORY_NAME,
        gst::DebugColorFlags::empty(),
        Some("Results as timed text"),
    )
});

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

#[glib::object_subclass]
impl ObjectSubclass for CueMaker {
    const NAME: &'static str = "GstCatdogCueMaker";
    type Type = super::CueMaker;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for CueMaker {
    fn constructed(&self) {
        self.parent_constructed();
        // The base class asks at each new format, and the answer would have to wait until all cues
        // before it were taken. There is nothing to allocate that anybody downstream knows better.
        self.obj().src_pad().add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
            match info.query().map(|query| query.type_()) {
                Some(gst::QueryType::Allocation) => gst::PadProbeReturn::Drop,
                _ => gst::PadProbeReturn::Ok,
            }
        });
    }
}

impl GstObjectImpl for CueMaker {}

impl ElementImpl for CueMaker {
    fn pad_templates() -> &'static [gst::PadTemplate] {
        pad_templates()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let result = self.parent_change_state(transition);
        // The sinks downstream went before: to pause, or to play when they had not come to pause yet.
        let paces = [gst::StateChange::PlayingToPaused, gst::StateChange::PausedToPlaying];
        if paces.contains(&transition)
            && let Some(running) = lock(&self.running).as_ref()
        {
            running.nudge();
        }
        result
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
        if direction != gst::PadDirection::Sink {
            return self.parent_fixate_caps(direction, caps, othercaps);
        }
        // As it is set, even if no frame has come since; as it was, where that cannot be used.
        let markup = match self.settings().format() {
            Ok(format) => format.has_markup(),
            Err(_) => {
                lock(&self.running).as_ref().is_some_and(|running| running.format().has_markup())
            }
        };
        let preferred = match markup {
            true => [Shape::Markup, Shape::Plain, Shape::Json],
            false => [Shape::Plain, Shape::Markup, Shape::Json],
        };
        let possible = preferred.iter().map(|shape| othercaps.intersect(&caps_of(*shape)));
        let mut best = possible.into_iter().find(|caps| !caps.is_empty()).unwrap_or(othercaps);
        best.fixate();
        best
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let shape = [Shape::Plain, Shape::Markup, Shape::Json]
            .into_iter()
            .find(|shape| outcaps.can_intersect(&caps_of(*shape)))
            .ok_or_else(|| gst::loggable_error!(CAT, "{outcaps} is not in the pad template"))?;
        let rate = incaps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
        let rate = rate.filter(|rate| rate.numer() > 0 && rate.denom() > 0);
        if let Some(running) = lock(&self.running).as_mut() {
            let duration = rate.and_then(|rate| {
                ClockTime::SECOND.mul_div_round(rate.denom() as u64, rate.numer() as u64)
            });
            running.set_caps(shape, duration);
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
                    running.set_reverse(segment.segment().rate() < 0.0);
                }
            }
            gst::EventView::StreamStart(start) => {
                self.end_cue();
                return self.parent_sink_event(self.own_stream_start(start));
            }
            // They are of the video: its codec, its bitrate.
            gst::EventView::Tag(tag) if tag.tag().scope() == gst::TagScope::Stream => return true,
            gst::EventView::Caps(_)
            | gst::EventView::SegmentDone(_)
            | gst::EventView::Gap(_)
            | gst::EventView::Eos(_) => self.end_cue(),
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink {
            match query.view_mut() {
                // Pixels are not looked at, so they may lie as they like.
                gst::QueryViewMut::Allocation(allocation) => {
                    allocation.add_allocation_meta::<VideoMeta>(None);
                    allocation.add_allocation_meta::<VideoCropMeta>(None);
                    return true;
                }
                // No memory of upstream's is kept.
                gst::QueryViewMut::Drain(_) => return true,
                _ => {}
            }
        }
        BaseTransformImplExt::parent_query(self, direction, query)
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
        let wrong = self.settings.get().and_then(|settings| running_now.follow(&lock(settings)));
        if let Some(downstream) = downstream {
            running_now.link(downstream);
            gst::debug!(CAT, imp = self, "{downstream:?}");
        }
        if running_now.watch.is_none() {
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

    /// The text is a stream of its own, that has something now and then.
    fn own_stream_start(&self, start: &gst::event::StreamStart) -> gst::Event {
        let id = format!("{}/{}", start.stream_id(), FACTORY_NAME);
        let builder = gst::event::StreamStart::builder(&id).flags(gst::StreamFlags::SPARSE);
        match start.group_id() {
            Some(group) => builder.group_id(group).build(),
            None => builder.build(),
        }
    }

    /// Ends the cue at hand, for what comes next is of something else.
    fn end_cue(&self) {
        let outputs = lock(&self.running).as_mut().map(Running::end_cue).unwrap_or_default();
        // Whoever sends the next buffer hears of a refusal.
        let _ = self.push(outputs);
    }

    /// Frames have stopped coming. If that is because somebody waits for text, they go on.
    fn give_way(&self, heard: u64) {
        let sink = self.obj().sink_pad().clone();
        let _stream = sink.stream_lock();
        let mut running = lock(&self.running);
        let Some(stalled) = running.as_mut() else { return };
        if !stalled.is_still_stalled(heard) {
            return;
        }
        let outputs = stalled.give_way();
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
            (
                "the frames carry no results{whose}: put {} upstream of \
                 {FACTORY_NAME}, with no encoder or mixer in between",
                catdogfilter::FACTORY_NAME
            )
        );
    }
}
