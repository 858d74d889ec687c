//! The vtables of `catdogfilter`.
//!
//! The element has three locks, each taken for an instant and never two at once: `settings` (what
//! the user sets), `state` (what runs) and `snapshot` (what the user reads while data flows). The
//! streaming thread takes `Streaming` out of the state while it processes a frame, so no lock is
//! held across an inference, nor while the element calls into the application with messages and
//! notifications.

// The accessors that the derive generates are documented by the blurbs of the properties.
#![allow(missing_docs)]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use catdog_core::sync::lock;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::{InputBuffer, PrepareOutputBufferSuccess};
use gst_base::subclass::prelude::*;
use gst_video::{VideoCropMeta, VideoInfo, VideoOrientationMethod};

use super::choices::{
    AcceleratorChoice, ActivationChoice, ColorOrder, EngineChoice, ErrorPolicy, Mode,
    OptimizeChoice, OverlayMode, PostMessages, ResizeMethod,
};
use super::error::{ProcessError, post_process_error, start_error_message};
use super::events::Events;
use super::picture::{
    DEFAULT_DRAW_BOX, DEFAULT_DRAW_REGION, DEFAULT_MAX_ROIS, DEFAULT_ORIENTATION, RoiMode,
};
use super::settings::{
    DEFAULT_ACTIVE, DEFAULT_ANTIALIAS, DEFAULT_HOLD, DEFAULT_INFERENCE_INTERVAL, DEFAULT_MARGIN,
    DEFAULT_MAX_INFERENCE_RATE, DEFAULT_MAX_RESULTS, DEFAULT_OBJECT_METADATA,
    DEFAULT_RESULT_TIMEOUT, DEFAULT_SECOND_LOOK, DEFAULT_SMOOTHING, DEFAULT_TEXT_FORMAT,
    DEFAULT_THREADS, DEFAULT_THRESHOLD, DEFAULT_UNKNOWN_LABEL, Settings,
};
use super::snapshot::Snapshot;
use super::state::State;
use super::streaming::{FrameContext, Stop};
use super::{FACTORY_NAME, caps};
use crate::property::check_utf8;

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        FACTORY_NAME,
        gst::DebugColorFlags::empty(),
        Some("LiteRT image classification"),
    )
});

/// How long `stop` waits for a running inference. If it takes longer, its result is discarded.
const STOP_TIMEOUT: Duration = Duration::from_millis(50);

/// The properties that take effect by loading the model again.
const MODEL_PROPERTIES: [&str; 15] = [
    "model-file",
    "labels-file",
    "labels",
    "optimize",
    "threads",
    "engine",
    "accelerator",
    "input-mean",
    "input-std",
    "color-order",
    "resize-method",
    "antialias",
    "input-size",
    "output",
    "output-activation",
];

/// The name of the property that is a structure.
const STATS: &str = "stats";

#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::CatdogFilter)]
pub struct CatdogFilter {
    #[property(name = "model-file", get, set, type = Option<PathBuf>, member = model_file,
        nick = "Model file", blurb = "Path of the .tflite image classifier (unset = built-in model: \
        cat, dog, neither; built-in:nano = the smaller and faster built-in model)", mutable_playing)]
    #[property(name = "labels-file", get, set, type = Option<PathBuf>, member = labels_file,
        nick = "Labels file", blurb = "Path of a labels file (unset = the model's metadata, else a \
        labels file next to the model, else its file name; see the guide)", mutable_playing)]
    #[property(name = "labels", get, set, type = Option<String>, member = labels,
        nick = "Labels", blurb = "Class names separated by commas, such as \"cat,dog\"; they take \
        precedence over labels-file (for names that contain a comma, use labels-file)",
        mutable_playing)]
    #[property(name = "optimize", get, set, type = OptimizeChoice, member = optimize,
        nick = "Optimize", blurb = "Rewrite the model in memory if XNNPACK cannot run it as one partition",
        builder(OptimizeChoice::default()).mutable_playing())]
    #[property(name = "threads", get, set, type = i32, member = threads,
        nick = "Threads", blurb = "CPU threads per inference (0 = benchmark 1, 2 and 4 threads on first \
        use and cache the choice; leaves one CPU free)",
        default = DEFAULT_THREADS, mutable_playing)]
    #[property(name = "engine", get, set, type = EngineChoice, member = engine,
        nick = "Engine", blurb = "Library that runs the model",
        builder(EngineChoice::default()).mutable_playing())]
    #[property(name = "accelerator", get, set, type = AcceleratorChoice, member = accelerator,
        nick = "Accelerator", blurb = "Hardware that runs the model",
        builder(AcceleratorChoice::default()).mutable_playing())]
    #[property(name = "input-mean", get, set, type = Option<String>, member = input_mean,
        nick = "Input mean", blurb = "Mean to subtract from the pixel values 0..255, one number \
        or three for the channels of the input (unset = from the model)", mutable_playing)]
    #[property(name = "input-std", get, set, type = Option<String>, member = input_std,
        nick = "Input standard deviation", blurb = "Divisor of the pixel values after the mean is \
        subtracted, one number or three for the channels of the input (unset = from the model)",
        mutable_playing)]
    #[property(name = "color-order", get, set, type = ColorOrder, member = color_order,
        nick = "Color order", blurb = "Order of the color channels that the model expects",
        builder(ColorOrder::default()).mutable_playing())]
    #[property(name = "resize-method", get, set, type = ResizeMethod, member = resize_method,
        nick = "Resize method", blurb = "How to fit a frame to the input of the model",
        builder(ResizeMethod::default()).mutable_playing())]
    #[property(name = "antialias", get, set, type = bool, member = antialias,
        nick = "Antialias", blurb = "Antialias when downscaling (false = plain bilinear, like \
        tf.image.resize)",
        default = DEFAULT_ANTIALIAS, mutable_playing)]
    #[property(name = "input-size", get, set, type = Option<String>, member = input_size,
        nick = "Input size", blurb = "Width and height of the model's input, such as 320x240, for a \
        model that leaves them open (unset = from the model)", mutable_playing)]
    #[property(name = "output", get, set, type = Option<String>, member = output,
        nick = "Output", blurb = "Name or index of the output that has the scores, for a model with \
        several (unset = automatic)", mutable_playing)]
    #[property(name = "output-activation", get, set, type = ActivationChoice,
        member = output_activation, nick = "Output activation", blurb = "How scores \
        become confidences", builder(ActivationChoice::default()).mutable_playing())]
    #[property(name = "region", get, set, type = Option<String>, member = region,
        nick = "Region", blurb = "Part of the upright frame to classify, as x,y,width,height in \
        fractions from 0 to 1, such as \"0.25,0.5,0.5,0.5\" (unset = the whole frame)",
        mutable_playing)]
    #[property(name = "draw-region", get, set, type = bool, member = draw_region,
        nick = "Draw region", blurb = "Attach the outline of the region to the buffers; a textoverlay \
        downstream draws it together with its text", default = DEFAULT_DRAW_REGION, mutable_playing)]
    #[property(name = "draw-box", get, set, type = bool, member = draw_box,
        nick = "Draw box", blurb = "Attach the outline of the box of the accepted class, if the model \
        tells where it is; drawn as with draw-region", default = DEFAULT_DRAW_BOX, mutable_playing)]
    #[property(name = "orientation", get, set, type = VideoOrientationMethod, member = orientation,
        nick = "Orientation", blurb = "How to turn the frame upright for the model (auto = from the \
        image-orientation tag; the frame itself is not changed)",
        builder(DEFAULT_ORIENTATION).mutable_playing())]
    #[property(name = "roi", get, set, type = RoiMode, member = roi,
        nick = "Regions of interest", blurb = "Which boxes of a detector upstream to classify",
        builder(RoiMode::default()).mutable_playing())]
    #[property(name = "max-rois", get, set, type = u32, member = max_rois,
        nick = "Maximum regions of interest", blurb = "Maximum number of boxes to classify in a frame \
        with roi=each, 1 to 64", default = DEFAULT_MAX_ROIS, mutable_playing)]
    #[property(name = "class-confidence-threshold", get, set, type = f32,
        member = class_confidence_threshold, nick = "Class confidence threshold",
        blurb = "Minimum confidence to report a class; below it the label is unknown-label",
        minimum = 0.0, maximum = 1.0, default = DEFAULT_THRESHOLD, mutable_playing)]
    #[property(name = "class-confidence-margin", get, set, type = f32,
        member = class_confidence_margin, nick = "Class confidence margin",
        blurb = "Minimum lead of the best class over the second best to report it",
        minimum = 0.0, maximum = 1.0, default = DEFAULT_MARGIN, mutable_playing)]
    #[property(name = "smoothing", get, set, type = u32, member = smoothing,
        nick = "Smoothing", blurb = "Time constant of the exponential moving average over the \
        confidences, in ms (0 = no smoothing)", default = DEFAULT_SMOOTHING, mutable_playing)]
    #[property(name = "hold", get, set, type = u32, member = hold,
        nick = "Hold", blurb = "Hysteresis: how long a new label must lead before it replaces the \
        displayed one, in ms; until then the displayed class needs only half the threshold \
        (0 = no hysteresis)", default = DEFAULT_HOLD, mutable_playing)]
    #[property(name = "unknown-label", get, set, type = Option<String>, member = unknown_label,
        nick = "Unknown label", blurb = "Label to report if no class is accepted (empty = no text)",
        default = Some(DEFAULT_UNKNOWN_LABEL), mutable_playing)]
    #[property(name = "max-results", get, set, type = u32, member = max_results,
        nick = "Maximum results", blurb = "Maximum number of classes in the metadata, 1 or more",
        default = DEFAULT_MAX_RESULTS, mutable_playing)]
    #[property(name = "inference-interval", get, set, type = u32, member = inference_interval,
        nick = "Inference interval", blurb = "Run an inference on every n-th frame, 1 or more; \
        the other frames get the latest result", default = DEFAULT_INFERENCE_INTERVAL,
        mutable_playing)]
    #[property(name = "max-inference-rate", get, set, type = f64, member = max_inference_rate,
        nick = "Maximum inference rate", blurb = "Maximum number of inferred frames per second of stream \
        time (0 = no limit); with roi=each, a frame takes one inference per box",
        minimum = 0.0, maximum = 1000.0, default = DEFAULT_MAX_INFERENCE_RATE, mutable_playing)]
    #[property(name = "mode", get, set, type = Mode, member = mode,
        nick = "Mode", blurb = "Whether a frame waits for its own result or gets the latest one",
        builder(Mode::default()).mutable_playing())]
    #[property(name = "second-look", get, set, type = bool, member = second_look,
        nick = "Second look", blurb = "Infer a frame on which the model does not decide once or twice more, \
        closer: the part where something is most likely; needs a model that tells where things are and has a class \
        such as neither", default = DEFAULT_SECOND_LOOK, mutable_playing)]
    #[property(name = "error-policy", get, set, type = ErrorPolicy, member = error_policy,
        nick = "Error policy", blurb = "What to do if an inference fails",
        builder(ErrorPolicy::default()).mutable_playing())]
    #[property(name = "result-timeout", get, set, type = u32, member = result_timeout,
        nick = "Result timeout", blurb = "Maximum age of a result in ms; an older one is replaced by \
        unknown-label (0 = no limit)", default = DEFAULT_RESULT_TIMEOUT, mutable_playing)]
    #[property(name = "overlay", get, set, type = OverlayMode, member = overlay,
        nick = "Overlay", blurb = "Show the result in a textoverlay downstream",
        builder(OverlayMode::default()).mutable_playing())]
    #[property(name = "text-format", get, set, type = Option<String>, member = text_format,
        nick = "Text format", blurb = "Text of the textoverlay, in Pango markup with the placeholders \
        {label}, {percent}, {confidence} and {results}", default = Some(DEFAULT_TEXT_FORMAT),
        mutable_playing)]
    #[property(name = "post-messages", get, set, type = PostMessages, member = post_messages,
        nick = "Post messages", blurb = "Which results to post as element messages",
        builder(PostMessages::default()).mutable_playing())]
    #[property(name = "object-metadata", get, set, type = bool, member = object_metadata,
        nick = "Object metadata", blurb = "Also attach an accepted class as an object, for ONVIF \
        elements: its box, or the whole frame if the model does not tell where it is (needs a build \
        with analytics metadata); no effect with roi=each",
        default = DEFAULT_OBJECT_METADATA, mutable_playing)]
    #[property(name = "active", get, set, type = bool, member = active,
        nick = "Active", blurb = "Classify buffers (false = pass them unchanged); \
        after a pause the first label is posted even if it is that before the pause",
        default = DEFAULT_ACTIVE, mutable_playing)]
    #[property(name = "qos", get, set, type = bool, member = qos,
        override_class = gst_base::BaseTransform)]
    /// Shared with the thread that loads another model.
    pub(super) settings: Arc<Mutex<Settings>>,
    pub(super) state: Mutex<State>,
    #[property(name = "last-label", get, type = Option<String>, member = label,
        nick = "Last label", blurb = "Label of the latest buffer")]
    #[property(name = "last-confidence", get, type = f64, member = confidence,
        nick = "Last confidence", blurb = "Confidence of the accepted class of the latest buffer, \
        or of its best class", minimum = 0.0, maximum = 1.0, default = 0.0)]
    pub(super) snapshot: Mutex<Snapshot>,
}

#[glib::object_subclass]
impl ObjectSubclass for CatdogFilter {
    const NAME: &'static str = "GstCatdogFilter";
    type Type = super::CatdogFilter;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for CatdogFilter {
    fn properties() -> &'static [glib::ParamSpec] {
        // The derive does not support structures, so this code adds the property.
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let stats = glib::ParamSpecBoxed::builder::<gst::Structure>(STATS)
                .nick("Statistics")
                .blurb("Counts of frames and inferences, durations in ns, and the loaded model")
                .read_only()
                .build();
            CatdogFilter::derived_properties().iter().cloned().chain([stats]).collect()
        });
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let is_path = matches!(pspec.name(), "model-file" | "labels-file");
        if !is_path && let Err(error) = check_utf8(value, pspec) {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{error}"));
            return;
        }
        self.derived_set_property(id, value, pspec);
        lock(&self.state).settings_changed = true;
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == STATS {
            // The snapshot is copied, because sorting for the percentiles takes longer than the
            // streaming thread should wait for the lock.
            let snapshot = lock(&self.snapshot).clone();
            return snapshot.stats().to_value();
        }
        self.derived_property(id, pspec)
    }

    /// Called once for all properties that the application sets in one call, so that a model and
    /// its labels are loaded together.
    fn dispatch_properties_changed(&self, properties: &[glib::ParamSpec]) {
        self.parent_dispatch_properties_changed(properties);
        let of_model = |pspec: &glib::ParamSpec| MODEL_PROPERTIES.contains(&pspec.name());
        if properties.iter().any(of_model) {
            self.request_model();
        }
    }
}

impl GstObjectImpl for CatdogFilter {}

impl ElementImpl for CatdogFilter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Image classifier",
                "Filter/Analyzer/Video",
                "Classifies every video buffer with a LiteRT model and attaches the result",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = caps::template();
            [gst::PadDirection::Sink, gst::PadDirection::Src]
                .into_iter()
                .filter_map(|direction| {
                    let name = if direction == gst::PadDirection::Sink { "sink" } else { "src" };
                    let presence = gst::PadPresence::Always;
                    gst::PadTemplate::new(name, direction, presence, &caps).ok()
                })
                .collect()
        });
        TEMPLATES.as_ref()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        // This comes first, because the parent deactivates the pads, which waits for the streaming
        // thread.
        match transition {
            gst::StateChange::PausedToReady => lock(&self.state).interrupted = true,
            gst::StateChange::ReadyToPaused => lock(&self.state).interrupted = false,
            _ => {}
        }
        self.parent_change_state(transition)
    }
}

impl BaseTransformImpl for CatdogFilter {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        {
            let mut state = lock(&self.state);
            // From here on, a change of a model property loads the model in the background: the
            // load below may have read the settings already.
            let new = State { started: true, relinked: true, ..State::default() };
            *state = State { interrupted: state.interrupted, ..new };
        }
        let streaming = self.load().map_err(|error| {
            self.end();
            start_error_message!(&error)
        })?;
        let mut state = lock(&self.state);
        state.latency = streaming.latency();
        state.streaming = Some(Box::new(streaming));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        if let Some(mut streaming) = self.end() {
            streaming.shut_down(STOP_TIMEOUT);
        }
        gst::info!(CAT, imp = self, "stopped");
        Ok(())
    }

    fn accept_caps(&self, direction: gst::PadDirection, caps: &gst::Caps) -> bool {
        let accepted = caps.can_intersect(&caps::template());
        if !accepted && direction == gst::PadDirection::Sink {
            let mut state = lock(&self.state);
            let repeated = state.refused_caps.as_ref().is_some_and(|refused| refused == caps);
            let report = state.started && !repeated;
            state.refused_caps = Some(caps.clone());
            drop(state);
            if report {
                // Upstream only reports "not-negotiated".
                let text = caps::refusal(caps, FACTORY_NAME);
                gst::element_imp_warning!(self, gst::StreamError::WrongType, ("{text}"));
            }
        }
        accepted
    }

    fn set_caps(&self, incaps: &gst::Caps, _out: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps)?;
        let spec = caps::frame_spec(&info)
            .ok_or_else(|| gst::loggable_error!(CAT, "{incaps} is not in the pad template"))?;
        gst::debug!(CAT, imp = self, "frames are {spec:?}");
        let Some(mut streaming) = lock(&self.state).streaming.take() else {
            return Err(gst::loggable_error!(CAT, "the element is not started"));
        };
        let result = streaming.set_caps(info, spec);
        let mut state = lock(&self.state);
        state.relinked = true;
        state.refused_caps = None;
        state.streaming = Some(streaming);
        drop(state);
        result.map_err(|error| {
            let error = ProcessError::from(error);
            post_process_error!(self, &error);
            gst::loggable_error!(CAT, "{error}")
        })
    }

    /// Adds the latency of this element to the answer to a LATENCY query. Forwards an ALLOCATION
    /// query to downstream, which gets the memory of the buffers unchanged; only the crop meta is
    /// removed from the answer, because this element reads whole frames.
    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Src && query.type_() == gst::QueryType::Latency {
            let answered = BaseTransformImplExt::parent_query(self, direction, query);
            if answered && let gst::QueryViewMut::Latency(latency) = query.view_mut() {
                self.add_latency(latency);
            }
            return answered;
        }
        if direction != gst::PadDirection::Sink || query.type_() != gst::QueryType::Allocation {
            return BaseTransformImplExt::parent_query(self, direction, query);
        }
        let answered = self.obj().src_pad().peer_query(query);
        if let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
            && let Some(index) = allocation.find_allocation_meta::<VideoCropMeta>()
        {
            allocation.remove_nth_allocation_meta(index);
        }
        answered
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Segment(segment) => {
                let mut state = lock(&self.state);
                state.lateness.set_segment(segment.segment());
                state.relinked = true;
                if let Some(streaming) = state.streaming.as_mut() {
                    streaming.set_reverse(segment.segment().rate() < 0.0);
                }
            }
            // This event arrives on another thread than the streaming thread, which may be waiting.
            gst::EventView::FlushStart(_) => lock(&self.state).interrupted = true,
            gst::EventView::FlushStop(_) => {
                let mut state = lock(&self.state);
                state.interrupted = false;
                state.lateness.reset();
                state.reset_stream();
            }
            gst::EventView::StreamStart(_) => {
                let mut state = lock(&self.state);
                state.reset_stream();
                state.record_tags(None);
            }
            gst::EventView::Tag(tag) => lock(&self.state).record_tags(Some(tag.tag())),
            gst::EventView::Eos(_) => self.drain(),
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Qos(qos) => lock(&self.state).lateness.report(qos),
            // This event is sent upstream when a pad is linked downstream.
            gst::EventView::Reconfigure(_) => lock(&self.state).relinked = true,
            _ => {}
        }
        self.parent_src_event(event)
    }

    /// A buffer with several owners is copied without its memory, which stays shared.
    fn prepare_output_buffer(
        &self,
        input: InputBuffer<'_>,
    ) -> Result<PrepareOutputBufferSuccess, gst::FlowError> {
        match input {
            InputBuffer::Writable(_) => Ok(PrepareOutputBufferSuccess::InputBuffer),
            InputBuffer::Readable(buffer) => Ok(PrepareOutputBufferSuccess::Buffer(buffer.copy())),
        }
    }

    fn transform_ip(
        &self,
        buffer: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some((mut streaming, start)) = lock(&self.state).begin_frame() else {
            return Err(gst::FlowError::Flushing);
        };
        if !streaming.is_active() && !start.has_changes() {
            lock(&self.state).end_frame(streaming);
            return Ok(gst::FlowSuccess::Ok);
        }
        let (element, pts) = (self.obj(), buffer.pts());
        let changed_settings = start.settings_changed.then(|| lock(&self.settings).clone());
        let context = FrameContext {
            changed_settings: changed_settings.as_ref(),
            next_model: start.next_model,
            relinked: start.relinked,
            upstream_is_live: start.upstream_is_live.unwrap_or_else(|| self.ask_upstream()),
            tag_orientation: start.tag_orientation,
            tags_changed: start.tags_changed,
            is_late: &|| lock(&self.state).lateness.is_late(pts),
            sink_pad: element.sink_pad(),
            src_pad: element.src_pad(),
            interrupted: &|| lock(&self.state).interrupted,
        };
        let mut events = Events::default();
        let result = streaming.process(buffer, context, &mut events);
        self.end_frame(streaming, pts, &events);
        // The application may do anything in response, even flush this very stream.
        events.post(element.upcast_ref());
        result.map(|()| gst::FlowSuccess::Ok).map_err(|stop| match stop {
            Stop::Interrupted => gst::FlowError::Flushing,
            Stop::Failed(error) => {
                post_process_error!(self, &error);
                gst::FlowError::Error
            }
        })
    }
}
