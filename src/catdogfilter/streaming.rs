//! The path of a frame through the element.
//!
//! [`Streaming`] processes one frame at a time, each step once: apply changes -> collect finished
//! results -> infer or skip the frame, or its boxes -> decide its classification -> attach it ->
//! note the events for the application. The element posts the [`Events`] after the frame, with no
//! lock held.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use catdog_core::classifier::{Classifier, ClassifyError, Execution};
use catdog_core::decision::Rules;
use catdog_core::frame::{FrameSpec, FrameTime, Orientation, Region};
use catdog_core::stats::{Counters, nanoseconds};
use catdog_core::sync::lock;
use gst_video::VideoInfo;

use super::choices::{ErrorPolicy, OverlayMode};
use super::error::ProcessError;
use super::events::{Events, Warning};
use super::frame_map;
use super::geometry;
use super::latency::LatencyTracker;
use super::orientation::is_turned_upstream;
use super::outline::Outlines;
use super::output::{Displayed, Output, Regions, metadata_writer};
use super::picture::RoiMode;
use super::rois::{self, TimeBudget};
use super::settings::{RuntimeSettings, Settings, SettingsError};
use crate::metadata::Entry;
use crate::overlay::{OverlayWriter, Overlays};
use crate::roi::Roi;

/// Number of frames after which other elements of the pipeline are searched again without an event:
/// one or two seconds. A search takes a few microseconds.
const SEARCH_INTERVAL: u32 = 48;

/// An inference that takes longer runs on a worker thread even if its frame waits for it, so that a
/// stop or a flush can end the wait. The handover costs some microseconds. Boxes are inferred inline,
/// whatever their inferences take; a stop or a flush then ends the wait between two boxes.
const LONG_WAIT: Duration = Duration::from_millis(20);

/// How often a waiting thread checks for a flush or stop.
const INTERRUPTION_CHECK: Duration = Duration::from_millis(10);

/// What the element passes to [`Streaming::process`] with a frame.
pub struct FrameContext<'a> {
    /// The settings, if they have changed since the last frame.
    pub changed_settings: Option<&'a Settings>,
    /// A model that replaces the one that runs.
    pub next_model: Option<Box<Classifier>>,
    /// An element was linked or unlinked downstream.
    pub relinked: bool,
    /// Upstream is a live source.
    pub upstream_is_live: bool,
    /// The orientation that the tags of the stream define.
    pub tag_orientation: Orientation,
    /// A tag has arrived, or another stream has started.
    pub tags_changed: bool,
    /// Returns whether downstream reports that this frame is late.
    pub is_late: &'a dyn Fn() -> bool,
    /// The sink pad of the element.
    pub sink_pad: &'a gst::Pad,
    /// The source pad of the element.
    pub src_pad: &'a gst::Pad,
    /// Returns whether a flush or a stop is in progress.
    pub interrupted: &'a dyn Fn() -> bool,
}

/// Why a frame does not pass.
pub enum Stop {
    /// A flush or a stop is in progress.
    Interrupted,
    /// The frame cannot be processed.
    Failed(ProcessError),
}

impl From<ProcessError> for Stop {
    fn from(error: ProcessError) -> Self {
        Self::Failed(error)
    }
}

/// The classifier and everything that belongs to its stream.
pub struct Streaming {
    classifier: Box<Classifier>,
    settings: RuntimeSettings,
    element_name: String,
    output: Output,
    /// `None` until the caps arrive.
    format: Option<(VideoInfo, FrameSpec)>,
    orientation: Orientation,
    /// An element upstream turns the frames as the tags say.
    turned_upstream: bool,
    /// The boxes of the current frame, with `roi=each`.
    rois: Vec<Roi>,
    roi_budget: TimeBudget,
    regions: Regions,
    outlines: Outlines,
    overlays: Overlays,
    overlay_writer: Arc<OverlayWriter>,
    latency: LatencyTracker,
    /// Whether frames wait for their own results.
    frames_wait: bool,
    /// Frames arrive in reverse order.
    reverse: bool,
    /// The first failed inference was reported.
    failure_reported: bool,
    frames_since_search: u32,
    /// The settings that the application was warned of, until they are valid.
    invalid_settings: Vec<SettingsError>,
}

impl Streaming {
    /// Creates the streaming part of the element named `element_name`, with a loaded classifier.
    pub fn new(classifier: Classifier, settings: RuntimeSettings, element_name: String) -> Self {
        let overlay_writer = OverlayWriter {
            element: element_name.clone(),
            format: Mutex::new(settings.text_format.clone()),
        };
        let mut regions = Regions::default();
        regions.set(classifier.view(), settings.picture.region_text.clone(), classifier.view());
        let output = Output::new(metadata_writer(&classifier, &settings, &element_name));
        Self {
            latency: LatencyTracker::new(&classifier),
            classifier: Box::new(classifier),
            settings,
            element_name,
            output,
            format: None,
            orientation: Orientation::default(),
            turned_upstream: false,
            rois: Vec::new(),
            roi_budget: TimeBudget::default(),
            regions,
            outlines: Outlines::default(),
            overlays: Overlays::default(),
            overlay_writer: Arc::new(overlay_writer),
            frames_wait: true,
            reverse: false,
            failure_reported: false,
            frames_since_search: 0,
            invalid_settings: Vec::new(),
        }
    }

    /// Returns the classifier that runs.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Returns the counters of the classifier.
    pub fn counters(&self) -> &Counters {
        self.classifier.counters()
    }

    /// Returns the label and confidence of the latest frame.
    pub fn displayed(&self) -> &Displayed {
        &self.output.displayed
    }

    /// Returns the rules for accepting a class.
    pub fn rules(&self) -> &Rules {
        &self.settings.classifier.rules
    }

    /// Returns the announced latency.
    pub fn latency(&self) -> Duration {
        self.latency.announced()
    }

    /// Prepares for frames of these caps.
    ///
    /// # Errors
    ///
    /// [`ClassifyError::Preprocess`] if frames of these caps cannot be preprocessed.
    pub fn set_caps(&mut self, info: VideoInfo, spec: FrameSpec) -> Result<(), ClassifyError> {
        let spec = FrameSpec { orientation: self.orientation, ..spec };
        self.classifier.set_frame_spec(&spec)?;
        self.format = Some((info, spec));
        Ok(())
    }

    /// Returns whether frames are classified.
    pub fn is_active(&self) -> bool {
        self.settings.active
    }

    /// Sets whether frames arrive in reverse order.
    pub fn set_reverse(&mut self, reverse: bool) {
        self.reverse = reverse;
        self.classifier.set_reverse(reverse);
    }

    /// Resets the state of the stream: after a flush or at the start of another stream.
    pub fn reset(&mut self) {
        self.classifier.reset();
        self.roi_budget = TimeBudget::default();
    }

    /// Discards running inferences, and waits at most `limit` for them to end.
    pub fn shut_down(&mut self, limit: Duration) {
        self.classifier.reset();
        self.classifier.wait_until_idle(limit);
    }

    /// Classifies `buffer` and attaches the result.
    ///
    /// # Errors
    ///
    /// [`Stop`] if the frame must not pass. The caller must post `events` in any case.
    pub fn process(
        &mut self,
        buffer: &mut gst::BufferRef,
        mut context: FrameContext<'_>,
        events: &mut Events,
    ) -> Result<(), Stop> {
        self.apply_settings(&mut context, events);
        self.search_elements(&context, events);
        self.apply_orientation(context.tag_orientation).map_err(ProcessError::from)?;
        self.apply_model(&mut context, events);
        if !self.settings.active {
            return Ok(());
        }
        self.choose_execution(context.upstream_is_live, events);
        let result = self.classify(buffer, &context, events);
        if let Err(Stop::Failed(_)) = result {
            // One error is enough, so running inferences are discarded: the end of the stream would
            // report their errors.
            self.classifier.reset();
        }
        let changed = self.latency.measure(&self.classifier, self.frames_wait);
        events.latency_changed |= changed && context.upstream_is_live;
        result
    }

    /// Waits for the last inferences of the stream, so that their results are posted before its
    /// end.
    ///
    /// # Errors
    ///
    /// [`Stop`] if a flush or stop ends the wait, or an inference fails.
    pub fn drain(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        events: &mut Events,
    ) -> Result<(), Stop> {
        self.wait(interrupted)?;
        while self.collect_one(events)? {
            let pts = self.classifier.latest_pts();
            let classification = self.classifier.classification(pts);
            let pts = pts.map(clock_time);
            let region = self.regions.of(self.classifier.latest_view());
            let entry = Entry { classification, rois: None, region };
            self.output.note_result(&entry, pts, self.settings.post_messages, events);
            self.output.note_frame(&entry, pts, self.settings.post_messages, events);
        }
        Ok(())
    }

    /// Infers or skips the frame in `buffer`, or its boxes, and attaches its classification.
    fn classify(
        &mut self,
        buffer: &mut gst::BufferRef,
        context: &FrameContext<'_>,
        events: &mut Events,
    ) -> Result<(), Stop> {
        let pts = buffer.pts();
        let time = self.classifier.begin_frame(pts.map(Duration::from));
        match self.settings.picture.roi {
            RoiMode::None => self.classify_frame(buffer, time, context, events)?,
            RoiMode::Each => self.classify_rois(buffer, time, context, events)?,
        }
        let classification = self.classifier.classification(time.pts);
        let location = classification.location;
        let object = self.format.as_ref().filter(|_| self.settings.object_metadata);
        let object =
            object.and_then(|(_, spec)| geometry::pixels(location.unwrap_or(Region::WHOLE), spec));
        let entry = Entry {
            classification,
            rois: rois_of_entry(&self.rois, &self.settings),
            region: self.regions.of(self.classifier.latest_view()),
        };
        let attached = self.output.metadata.attach(buffer, &entry, object);
        attached.map_err(|error| ProcessError::Metadata(error.to_string()))?;
        self.output.note_frame(&entry, pts, self.settings.post_messages, events);
        if let Some((_, spec)) = &self.format {
            let drawn = self.outlines.attach(buffer, spec, &self.settings.picture, location);
            drawn.map_err(|error| ProcessError::Metadata(error.to_string()))?;
        }
        Ok(())
    }

    /// Infers or skips the frame in `buffer`, and notes the results.
    fn classify_frame(
        &mut self,
        buffer: &gst::BufferRef,
        time: FrameTime,
        context: &FrameContext<'_>,
        events: &mut Events,
    ) -> Result<(), Stop> {
        let pts = buffer.pts();
        while self.collect_one(events)? {
            self.note_result(pts, false, events);
        }
        let inferences = self.counters().inferences;
        if !self.skips(buffer, time, context)
            && let Err(error) = self.infer(buffer, time)
        {
            self.tolerate(error, events)?;
        }
        if self.counters().inferences > inferences {
            self.note_result(pts, true, events);
        }
        if self.frames_wait {
            self.wait(context.interrupted)?;
            while self.collect_one(events)? {
                self.note_result(pts, true, events);
            }
        }
        Ok(())
    }

    /// Infers or skips the boxes of the frame in `buffer`, and notes the result.
    fn classify_rois(
        &mut self,
        buffer: &gst::BufferRef,
        time: FrameTime,
        context: &FrameContext<'_>,
        events: &mut Events,
    ) -> Result<(), Stop> {
        self.rois.clear();
        let start = Instant::now();
        let skips = self.skips(buffer, time, context);
        let Some((info, spec)) = &self.format else {
            return Err(ProcessError::from(ClassifyError::NoFormat).into());
        };
        self.roi_budget.begin_frame(spec, start);
        if skips {
            return Ok(());
        }
        let (picture, rois) = (&self.settings.picture, &mut self.rois);
        rois::find(buffer, spec, picture.region, picture.max_rois, rois);
        if rois.is_empty() {
            self.classifier.set_no_boxes(time);
            self.note_result(buffer.pts(), true, events);
            return Ok(());
        }
        let waits = self.settings.mode.waits_for_result(context.upstream_is_live);
        if !waits && !self.roi_budget.allows_inference() {
            self.output.displayed.skip_reason = Some("out of time");
            self.classifier.skip(time);
            return Ok(());
        }
        let classifier = &mut self.classifier;
        let budget = (!waits).then_some(&mut self.roi_budget);
        let inferred = frame_map::with_frame(buffer, info, spec, |frame| {
            rois::infer(rois, classifier, frame, time, budget, context.interrupted)
        });
        match inferred {
            Ok(true) => {}
            Ok(false) => return Err(Stop::Interrupted),
            Err(error) => self.tolerate(error, events)?,
        }
        if self.rois.iter().any(|roi| roi.result.is_some()) {
            self.classifier.end_boxes(start.elapsed());
            self.note_result(buffer.pts(), true, events);
        } else {
            self.classifier.skip(time);
        }
        Ok(())
    }

    /// Returns whether the frame in `buffer` is skipped, because it is not due, late, or a gap. It
    /// then gets the latest result.
    fn skips(
        &mut self,
        buffer: &gst::BufferRef,
        time: FrameTime,
        context: &FrameContext<'_>,
    ) -> bool {
        // A gap buffer has a timestamp and no pixels.
        let is_gap = buffer.size() == 0 && buffer.flags().contains(gst::BufferFlags::GAP);
        let skip_reason = if self.settings.qos && (context.is_late)() {
            Some("late")
        } else if is_gap {
            Some("a gap")
        } else if !self.classifier.is_due(time) {
            Some("not due")
        } else {
            None
        };
        self.output.displayed.skip_reason = skip_reason;
        if skip_reason.is_some() {
            self.classifier.skip(time);
        }
        skip_reason.is_some()
    }

    /// Infers the frame in `buffer`.
    fn infer(&mut self, buffer: &gst::BufferRef, time: FrameTime) -> Result<(), ClassifyError> {
        let (info, spec) = self.format.as_ref().ok_or(ClassifyError::NoFormat)?;
        let classifier = &mut self.classifier;
        frame_map::with_frame(buffer, info, spec, |frame| classifier.infer(frame, time))
    }

    /// Makes the oldest finished worker inference the latest result. Returns `false` if there is
    /// none.
    fn collect_one(&mut self, events: &mut Events) -> Result<bool, ProcessError> {
        loop {
            match self.classifier.collect() {
                Ok(collected) => return Ok(collected),
                Err(error) => self.tolerate(error, events)?,
            }
        }
    }

    /// Waits for the worker inferences of the stream, unless a flush or a stop ends the wait.
    fn wait(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Stop> {
        while !self.classifier.wait(INTERRUPTION_CHECK) {
            if interrupted() {
                self.classifier.reset();
                return Err(Stop::Interrupted);
            }
        }
        Ok(())
    }

    /// Notes the latest result, during the frame with the timestamp `pts`. `own` is true if it is
    /// the result of that frame.
    fn note_result(&mut self, pts: Option<gst::ClockTime>, own: bool, events: &mut Events) {
        let mut classification = self.classifier.classification(pts.map(Duration::from));
        classification.fresh &= own;
        let rois = rois_of_entry(&self.rois, &self.settings);
        let region = self.regions.of(self.classifier.latest_view());
        let entry = Entry { classification, rois, region };
        self.output.note_result(&entry, pts, self.settings.post_messages, events);
    }

    /// Returns success for a failed inference if `error-policy` is `passthrough`, and adds a
    /// warning for the first one.
    fn tolerate(&mut self, error: ClassifyError, events: &mut Events) -> Result<(), ProcessError> {
        let passes = self.settings.error_policy == ErrorPolicy::Passthrough;
        match error {
            ClassifyError::Engine(_) if passes => {
                if !std::mem::replace(&mut self.failure_reported, true) {
                    events.warnings.push(Warning::FailedInference(error));
                }
                Ok(())
            }
            error => Err(error.into()),
        }
    }

    /// Applies changed settings. A property whose value cannot be used keeps its current value.
    fn apply_settings(&mut self, context: &mut FrameContext<'_>, events: &mut Events) {
        let Some(settings) = context.changed_settings.take() else { return };
        let (runtime, errors) = settings.runtime_or(&self.settings);
        if runtime.picture.roi != self.settings.picture.roi {
            self.classifier.change_view();
        }
        self.classifier.set_runtime(runtime.classifier.clone());
        self.output.metadata.unknown_label.clone_from(&runtime.unknown_label);
        let region = &runtime.picture.region_text;
        if *region != self.settings.picture.region_text {
            let (view, latest) = (self.classifier.view(), self.classifier.latest_view());
            self.regions.set(view, region.clone(), latest);
        }
        if runtime.active && !self.settings.active {
            // What was seen before the pause says nothing about the picture now.
            self.reset();
            self.output.forget_posted();
        }
        lock(&self.overlay_writer.format).clone_from(&runtime.text_format);
        context.relinked |= runtime.overlay != self.settings.overlay;
        let latency_inputs =
            |settings: &RuntimeSettings| (settings.mode, settings.active, settings.picture.roi);
        events.latency_changed =
            context.upstream_is_live && latency_inputs(&runtime) != latency_inputs(&self.settings);
        let new = errors.iter().filter(|error| !self.invalid_settings.contains(error));
        events.warnings.extend(new.cloned().map(Warning::Settings));
        self.invalid_settings = errors;
        self.settings = runtime;
    }

    /// Applies the orientation, from the property or from the tags, which say `tag_orientation`,
    /// unless an element upstream turns the frames as they say. If it changes, the frame is due for
    /// an inference.
    fn apply_orientation(&mut self, tag_orientation: Orientation) -> Result<(), ClassifyError> {
        let of_tags = if self.turned_upstream { Orientation::Identity } else { tag_orientation };
        let orientation = self.settings.picture.orientation.unwrap_or(of_tags);
        if orientation != std::mem::replace(&mut self.orientation, orientation)
            && let Some((_, spec)) = &mut self.format
        {
            spec.orientation = orientation;
            self.classifier.set_frame_spec(spec)?;
        }
        Ok(())
    }

    /// Replaces the model if another one is ready.
    fn apply_model(&mut self, context: &mut FrameContext<'_>, events: &mut Events) {
        let Some(mut next) = context.next_model.take() else { return };
        next.set_runtime(self.settings.classifier.clone());
        if let Some((_, spec)) = &self.format
            && let Err(error) = next.set_frame_spec(spec)
        {
            events.warnings.push(Warning::RefusedModel(error));
            events.replaced_model = Some(next);
            return;
        }
        next.set_reverse(self.reverse);
        next.continue_counters(&self.classifier);
        self.roi_budget = TimeBudget::default();
        self.output.metadata = metadata_writer(&next, &self.settings, &self.element_name);
        self.latency.set_model(&next);
        events.model_changed = true;
        events.replaced_model = Some(std::mem::replace(&mut self.classifier, next));
    }

    /// Searches for overlays downstream after a link event, and for an element upstream that turns
    /// the frames after a tag. It searches for both every [`SEARCH_INTERVAL`] frames, because some
    /// changes cause no event here: a flushing pad drops events, and a property of an element
    /// upstream sends none.
    fn search_elements(&mut self, context: &FrameContext<'_>, events: &mut Events) {
        self.frames_since_search += 1;
        let again = context.relinked || self.frames_since_search >= SEARCH_INTERVAL;
        if again || context.tags_changed {
            self.turned_upstream = context.tag_orientation != Orientation::Identity
                && is_turned_upstream(context.sink_pad);
        }
        if !again {
            return;
        }
        self.frames_since_search = 0;
        match self.settings.overlay {
            OverlayMode::None => self.overlays.clear(),
            OverlayMode::Auto => {
                let attached = self.overlays.update(context.src_pad, &self.overlay_writer);
                events.attached_overlays = attached;
            }
        }
    }

    /// Chooses whether frames wait for their results, and where inferences run.
    fn choose_execution(&mut self, upstream_is_live: bool, events: &mut Events) {
        // Boxes belong to their frame, so that it waits for them.
        let has_rois = self.settings.picture.roi == RoiMode::Each;
        self.frames_wait = has_rois || self.settings.mode.waits_for_result(upstream_is_live);
        let current = self.classifier.execution();
        // The limit to return to inline is half as long, so that the choice does not alternate.
        let limit = if current == Execution::Worker { LONG_WAIT / 2 } else { LONG_WAIT };
        let inline = has_rois || self.frames_wait && self.latency.measured() <= limit;
        let execution = if inline { Execution::Inline } else { Execution::Worker };
        if execution != current {
            self.classifier.set_execution(execution);
            events.execution = Some(execution);
        }
    }
}

/// Returns the boxes that belong to the result of a frame; `None` if boxes are not classified.
fn rois_of_entry<'a>(rois: &'a [Roi], settings: &RuntimeSettings) -> Option<&'a [Roi]> {
    (settings.picture.roi == RoiMode::Each).then_some(rois)
}

fn clock_time(duration: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(nanoseconds(duration))
}
