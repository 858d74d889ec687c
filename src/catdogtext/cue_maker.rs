//! The cue maker, the element in `catdogtext` that turns frames into cues.
//!
//! Cues are made and pushed under the stream lock of the sink pad: by the streaming thread, or by
//! the thread of the stall watch if frames have stopped coming. The state is locked for an instant
//! at a time, and never while something is pushed or posted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use catdog_core::sync::lock;
use gst::ClockTime;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;
use gst_video::{VideoCropMeta, VideoMeta};

use super::FACTORY_NAME;
use super::caps::{self, Encoding, text_caps, video_caps};
use super::consumer::Consumer;
use super::imp::CAT;
use super::keyframes::Keyframes;
use super::settings::Settings;
use super::stall::StallWatch;
use super::streaming::{Output, Streaming};
use crate::catdogfilter;

#[derive(Default)]
pub struct CueMaker {
    /// Shared with the bin.
    settings: OnceLock<Arc<Mutex<Settings>>>,
    /// Shared with the bin.
    keyframes: OnceLock<Arc<Keyframes>>,
    /// An element was linked or unlinked downstream.
    relinked: AtomicBool,
    /// `None` while the element is stopped.
    state: Mutex<Option<Streaming>>,
}

impl super::CueMaker {
    /// Creates a cue maker that reads `settings` at each frame and splits cues at `keyframes`.
    pub fn new(settings: Arc<Mutex<Settings>>, keyframes: Arc<Keyframes>) -> Self {
        let cue_maker: Self = glib::Object::builder().property("name", "cue-maker").build();
        // The cells are empty, because the object is new.
        let _ = cue_maker.imp().settings.set(settings);
        let _ = cue_maker.imp().keyframes.set(keyframes);
        cue_maker
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
        // The base class sends an allocation query for each new format, and its answer would wait
        // until all queued cues are consumed. Cues need no memory of a special kind.
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
        caps::pad_templates()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let result = self.parent_change_state(transition);
        // The sinks downstream have changed their state first, and may need data to complete the
        // change.
        let transitions = [gst::StateChange::PlayingToPaused, gst::StateChange::PausedToPlaying];
        if transitions.contains(&transition)
            && let Some(streaming) = lock(&self.state).as_ref()
        {
            streaming.note_state_change();
        }
        result
    }
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
        let keyframes = self.keyframes.get().cloned().unwrap_or_default();
        let streaming = Streaming::new(settings, format, self.create_watch(), keyframes);
        *lock(&self.state) = Some(streaming);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let streaming = lock(&self.state).take();
        // The drop waits for the thread of the watch, which may need the lock, so the lock is not
        // held.
        drop(streaming);
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

    /// Prefers plain text, because few consumers interpret markup even if they accept its caps.
    /// Markup is preferred if the format has some, and for `webvttenc`, which writes text as it is.
    fn fixate_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        othercaps: gst::Caps,
    ) -> gst::Caps {
        if direction != gst::PadDirection::Sink {
            return self.parent_fixate_caps(direction, caps, othercaps);
        }
        // The state gets a changed format with the next frame, so it may have an older one. If the
        // new format cannot be used, the older one stays in use.
        let has_markup = match self.settings().format() {
            Ok(format) => format.has_markup(),
            Err(_) => {
                lock(&self.state).as_ref().is_some_and(|streaming| streaming.format().has_markup())
            }
        };
        let prefers_markup = has_markup || Consumer::find(self.obj().src_pad()).is_webvtt;
        let preferred = Encoding::by_preference(prefers_markup);
        let possible = preferred.iter().map(|encoding| othercaps.intersect(&encoding.caps()));
        let mut best = possible.into_iter().find(|caps| !caps.is_empty()).unwrap_or(othercaps);
        best.fixate();
        best
    }

    fn set_caps(&self, incaps: &gst::Caps, outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let encoding = Encoding::of(outcaps)
            .ok_or_else(|| gst::loggable_error!(CAT, "{outcaps} is not in the pad template"))?;
        let rate = incaps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
        let rate = rate.filter(|rate| rate.numer() > 0 && rate.denom() > 0);
        if let Some(streaming) = lock(&self.state).as_mut() {
            let duration = rate.and_then(|rate| {
                ClockTime::SECOND.mul_div_round(rate.denom() as u64, rate.numer() as u64)
            });
            streaming.set_caps(encoding, duration);
        }
        self.relinked.store(true, Ordering::Release);
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::FlushStop(_) => {
                if let Some(streaming) = lock(&self.state).as_mut() {
                    streaming.reset();
                }
            }
            gst::EventView::Segment(segment) => {
                self.end_cue();
                if let Some(streaming) = lock(&self.state).as_mut() {
                    streaming.set_segment(segment.segment().downcast_ref().cloned());
                }
            }
            gst::EventView::StreamStart(start) => {
                self.end_cue();
                return self.parent_sink_event(text_stream_start(start));
            }
            gst::EventView::Gap(gap) => return self.add_gap(gap),
            // Tags with stream scope describe the video: its codec, its bit rate.
            gst::EventView::Tag(tag) if tag.tag().scope() == gst::TagScope::Stream => return true,
            gst::EventView::Caps(_) | gst::EventView::SegmentDone(_) | gst::EventView::Eos(_) => {
                self.end_cue();
            }
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink {
            match query.view_mut() {
                // Pixels are not read, so any layout is accepted.
                gst::QueryViewMut::Allocation(allocation) => {
                    allocation.add_allocation_meta::<VideoMeta>(None);
                    allocation.add_allocation_meta::<VideoCropMeta>(None);
                    return true;
                }
                // No buffer of upstream is kept.
                gst::QueryViewMut::Drain(_) => return true,
                _ => {}
            }
        }
        BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            // A cue is late by its own duration, which is no reason for upstream to skip frames.
            gst::EventView::Qos(_) => return true,
            // An element that is linked sends this event upstream.
            gst::EventView::Reconfigure(_) => self.relinked.store(true, Ordering::Release),
            _ => {}
        }
        self.parent_src_event(event)
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if let Some(buffer) = self.take_queued_buffer() {
            let outputs = self.add_frame(&buffer)?;
            // The push may block until a tee gets this buffer back, so the buffer is released
            // first.
            drop(buffer);
            self.push(outputs)?;
        }
        Ok(GenerateOutputSuccess::NoOutput)
    }
}

impl CueMaker {
    /// Adds a frame, and returns what to push after it.
    fn add_frame(&self, buffer: &gst::Buffer) -> Result<Vec<Output>, gst::FlowError> {
        self.find_consumer();
        let mut state = lock(&self.state);
        let streaming = state.as_mut().ok_or(gst::FlowError::Flushing)?;
        let settings = self.settings.get().map_or(Ok(()), |settings| {
            let settings = lock(settings);
            streaming.apply_settings(&settings)
        });
        let outcome = streaming.add_frame(buffer);
        drop(state);
        if let Err(error) = settings {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("{error}; the previous format stays in use")
            );
        }
        if outcome.is_first_missing {
            self.warn_of_missing_results();
        }
        if let Some(hold) = outcome.first_hold {
            gst::debug!(CAT, imp = self, "{hold}");
        }
        gst::log!(
            CAT,
            imp = self,
            "frame at {}: {} outputs",
            buffer.pts().display(),
            outcome.outputs.len()
        );
        Ok(outcome.outputs)
    }

    /// Searches for the consumer after a change of links downstream.
    fn find_consumer(&self) {
        let relinked = self.relinked.swap(false, Ordering::AcqRel);
        let is_incomplete = || {
            let state = lock(&self.state);
            state.as_ref().is_some_and(|streaming| streaming.consumer().lacks_video())
        };
        if !relinked && !is_incomplete() {
            return;
        }
        let consumer = Consumer::find(self.obj().src_pad());
        if let Some(keyframes) = self.keyframes.get() {
            keyframes.watch(consumer.video_pad.as_ref());
        }
        let found = consumer.clone();
        let changed =
            lock(&self.state).as_mut().is_some_and(|streaming| streaming.set_consumer(consumer));
        if changed {
            gst::debug!(CAT, imp = self, "consumer of the cues: {:?} {}", found.kind, found.name);
        }
    }

    fn settings(&self) -> Settings {
        self.settings.get().map(|settings| lock(settings).clone()).unwrap_or_default()
    }

    /// Handles a gap of the video.
    fn add_gap(&self, gap: &gst::event::Gap) -> bool {
        let outputs = lock(&self.state).as_mut().and_then(|streaming| streaming.add_gap(gap));
        // The sender of the next buffer gets the flow error.
        let _ = self.push(outputs.unwrap_or_default());
        true
    }

    /// Ends the open cue, because the next frames do not continue it.
    fn end_cue(&self) {
        let outputs = lock(&self.state).as_mut().map(Streaming::end_cue).unwrap_or_default();
        // The sender of the next buffer gets the flow error.
        let _ = self.push(outputs);
    }

    /// Sends the open cue early if no frame has come since the watch reported the stall `stall`.
    fn handle_stall(&self, stall: u64) {
        let sink = self.obj().sink_pad().clone();
        let _stream = sink.stream_lock();
        let mut state = lock(&self.state);
        let Some(streaming) = state.as_mut().filter(|streaming| streaming.is_stalled(stall)) else {
            return;
        };
        let (outputs, sent) = streaming.send_early();
        drop(state);
        match sent {
            Some(cue) => gst::debug!(CAT, imp = self, "sent early, because no frame came: {cue}"),
            None => gst::log!(CAT, imp = self, "sent a gap for sinks that wait for data"),
        }
        let _ = self.push(outputs);
    }

    /// Creates the stall watch. Without its thread, the element works unless frames stop because a
    /// muxer waits for a cue.
    fn create_watch(&self) -> Option<StallWatch> {
        let element = self.obj().downgrade();
        let watch = StallWatch::new(move |stall| {
            if let Some(element) = element.upgrade() {
                element.imp().handle_stall(stall);
            }
        });
        watch
            .inspect_err(|error| {
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::Failed,
                    ("the thread that watches for stalls cannot be created: {error}; a pipeline \
                         whose muxer waits for text may block: reduce the number of threads or \
                         raise their limit")
                );
            })
            .ok()
    }

    fn push(&self, outputs: Vec<Output>) -> Result<(), gst::FlowError> {
        let pad = self.obj().src_pad().clone();
        for output in outputs {
            match output {
                Output::Buffer(buffer) => {
                    pad.push(buffer)?;
                }
                // A gap that is not handled changes nothing.
                Output::Gap(event) => {
                    pad.push_event(event);
                }
            }
        }
        Ok(())
    }

    fn warn_of_missing_results(&self) {
        let settings = self.settings();
        let element =
            settings.element().map_or(String::new(), |name| format!(" of element={name}"));
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            (
                "the frames carry no results{element}: put {} upstream of \
                 {FACTORY_NAME}, with no encoder or mixer in between",
                catdogfilter::FACTORY_NAME
            )
        );
    }
}

/// Returns the stream-start event of the text, a sparse stream of its own.
fn text_stream_start(start: &gst::event::StreamStart) -> gst::Event {
    let id = format!("{}/{}", start.stream_id(), FACTORY_NAME);
    let builder = gst::event::StreamStart::builder(&id).flags(gst::StreamFlags::SPARSE);
    match start.group_id() {
        Some(group) => builder.group_id(group).build(),
        None => builder.build(),
    }
}
