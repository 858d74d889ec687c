//! The vtable of `catdogfilter`.
//!
//! `streaming` keeps what runs: the streaming thread takes it out for the length of a frame, and
//! nobody else does while data flows; a model that is to take over waits in `next_model`. No lock is
//! held across an inference, nor where something calls into the application - messages,
//! notifications. The streaming thread takes, for an instant each and never two at once, `settings`
//! (what the user asked for), `lateness` (what downstream reports), `next_model`, and `readings`
//! (what the user may read meanwhile).

// The accessors that the derive makes are documented by the properties' blurbs.
#![allow(missing_docs)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::{InputBuffer, PrepareOutputBufferSuccess};
use gst_base::subclass::prelude::*;
use gst_video::{VideoCropMeta, VideoInfo};

use super::caps;
use super::mapping;
use super::qos::Lateness;
use super::settings::*;
use crate::FACTORY_NAME;
use crate::error::{ConfigError, FrameFault, StartError};
use crate::frame::FrameSpec;
use crate::metadata::{self, Names};
use crate::overlay::{Overlays, Writer};
use crate::pipeline::{Classifier, Config, Counters, LiveConfig, Mode, Outcome};
use crate::property::is_broken_text;
use crate::stats::nanoseconds;
use crate::sync::lock;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        FACTORY_NAME,
        gst::DebugColorFlags::empty(),
        Some("LiteRT image classification"),
    )
});

/// After so many frames the overlays are looked for again, unasked: a second or two, for a few
/// microseconds.
const FRAMES_BETWEEN_SEARCHES: u32 = 48;

/// An inference that takes longer runs on another thread also where a frame waits for it, at the
/// cost of some microseconds.
const LONG_WAIT: Duration = Duration::from_millis(20);

/// After so many inferences the latency is looked at again.
const INFERENCES_BETWEEN_LATENCIES: u64 = 16;

/// How long a stop waits for an inference at hand. A longer one ends by itself, unheard.
const STOP_PATIENCE: Duration = Duration::from_millis(50);
/// How often whoever waits for an inference looks whether it is still wanted.
const INTERRUPTION_CHECK: Duration = Duration::from_millis(10);

/// What a model is loaded with; to change one is to load it anew.
const MODEL_PROPERTIES: [&str; 11] = [
    "model-file",
    "labels-file",
    "labels",
    "optimize",
    "threads",
    "accelerator",
    "input-mean",
    "input-std",
    "resize-method",
    "antialias",
    "output-activation",
];

/// The one property that is a structure.
const STATS: &str = "stats";

#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::CatdogFilter)]
pub struct CatdogFilter {
    #[property(name = "model-file", get, set, type = Option<PathBuf>, member = model_file,
        nick = "Model file", blurb = "The .tflite image classifier (default: \
        the built-in one: cat, dog, neither)", mutable_playing)]
    #[property(name = "labels-file", get, set, type = Option<PathBuf>, member = labels_file,
        nick = "Labels file", blurb = "A text file with the name of one class a line (default: \
        the model's metadata, else labels.txt beside the model)", mutable_playing)]
    #[property(name = "labels", get, set, type = Option<String>, member = labels,
        nick = "Labels", blurb = "The names of the classes separated by commas, such as \
        \"cat,dog\"; goes before labels-file", mutable_playing)]
    #[property(name = "optimize", get, set, type = OptimizeChoice, member = optimize,
        nick = "Optimize", blurb = "Whether a model is rewritten in memory that would run in pieces",
        builder(OptimizeChoice::default()).mutable_playing())]
    #[property(name = "threads", get, set, type = i32, member = threads,
        nick = "Threads", blurb = "CPU threads of one inference (0 = as many as are worth it, \
        tried once for a model and a machine; one processor is left free, and 4 are the most)",
        default = DEFAULT_THREADS, mutable_playing)]
    #[property(name = "accelerator", get, set, type = AcceleratorChoice, member = accelerator,
        nick = "Accelerator", blurb = "The hardware that runs the model",
        builder(AcceleratorChoice::default()).mutable_playing())]
    #[property(name = "input-mean", get, set, type = Option<String>, member = input_mean,
        nick = "Input mean", blurb = "Mean that is taken off the levels 0..255, one number or \
        three for red, green, blue (default: as the model says)", mutable_playing)]
    #[property(name = "input-std", get, set, type = Option<String>, member = input_std,
        nick = "Input standard deviation", blurb = "What the levels are divided by after the \
        mean is taken off, one number or three (default: as the model says)", mutable_playing)]
    #[property(name = "resize-method", get, set, type = ResizeMethod, member = resize_method,
        nick = "Resize method", blurb = "How a frame is fitted to the model's input",
        builder(ResizeMethod::default()).mutable_playing())]
    #[property(name = "antialias", get, set, type = bool, member = antialias,
        nick = "Antialias", blurb = "Whether all pixels of a frame that is shrunk count (false: \
        the four around each of the model's, as TensorFlow resizes unless told otherwise)",
        default = DEFAULT_ANTIALIAS, mutable_playing)]
    #[property(name = "output-activation", get, set, type = ActivationChoice,
        member = output_activation, nick = "Output activation", blurb = "How the model's scores \
        become confidences", builder(ActivationChoice::default()).mutable_playing())]
    #[property(name = "class-confidence-threshold", get, set, type = f32,
        member = class_confidence_threshold, nick = "Class confidence threshold",
        blurb = "The least confidence that is believed; below, the label is unknown-label",
        minimum = 0.0, maximum = 1.0, default = DEFAULT_THRESHOLD, mutable_playing)]
    #[property(name = "class-confidence-margin", get, set, type = f32,
        member = class_confidence_margin, nick = "Class confidence margin",
        blurb = "By how much the best class must be ahead of the second best to be believed",
        minimum = 0.0, maximum = 1.0, default = DEFAULT_MARGIN, mutable_playing)]
    #[property(name = "smoothing", get, set, type = u32, member = smoothing,
        nick = "Smoothing", blurb = "Time constant of the average over the confidences of past \
        frames, in ms (0 = each frame by itself)", default = DEFAULT_SMOOTHING, mutable_playing)]
    #[property(name = "hold", get, set, type = u32, member = hold,
        nick = "Hold", blurb = "How long another label must have won before it is shown, in ms; \
        until then half the threshold is enough to stay (0 = at once)", default = DEFAULT_HOLD, mutable_playing)]
    #[property(name = "unknown-label", get, set, type = Option<String>, member = unknown_label,
        nick = "Unknown label", blurb = "The label where no class is believed; empty shows \
        nothing", default = Some(DEFAULT_UNKNOWN_LABEL), mutable_playing)]
    #[property(name = "max-results", get, set, type = u32, member = max_results,
        nick = "Most results", blurb = "How many classes the metadata lists, 1 or more",
        default = DEFAULT_MAX_RESULTS, mutable_playing)]
    #[property(name = "inference-interval", get, set, type = u32, member = inference_interval,
        nick = "Inference interval", blurb = "Run an inference every so many frames, 1 or more; \
        those between carry the held result", default = DEFAULT_INFERENCE_INTERVAL,
        mutable_playing)]
    #[property(name = "max-inference-rate", get, set, type = f64, member = max_inference_rate,
        nick = "Highest inference rate", blurb = "Inferences per second of the stream, at most \
        (0 = no limit)", minimum = 0.0, maximum = 1000.0, default = DEFAULT_MAX_INFERENCE_RATE,
        mutable_playing)]
    #[property(name = "mode", get, set, type = ModeChoice, member = mode,
        nick = "Mode", blurb = "Whether a frame waits for its own result or carries the latest",
        builder(ModeChoice::default()).mutable_playing())]
    #[property(name = "error-policy", get, set, type = ErrorPolicy, member = error_policy,
        nick = "Error policy", blurb = "What a failed inference does to the stream",
        builder(ErrorPolicy::default()).mutable_playing())]
    #[property(name = "result-timeout", get, set, type = u64, member = result_timeout,
        nick = "Result timeout", blurb = "A held result this much older than its frame becomes \
        unknown, in ns (0 = never)", default = DEFAULT_RESULT_TIMEOUT, mutable_playing)]
    #[property(name = "overlay", get, set, type = OverlayMode, member = overlay,
        nick = "Overlay", blurb = "Whether a textoverlay downstream shows the result",
        builder(OverlayMode::default()).mutable_playing())]
    #[property(name = "text-format", get, set, type = Option<String>, member = text_format,
        nick = "Text format", blurb = "What the textoverlay shows, as Pango markup with {label}, \
        {percent}, {confidence} and {results}", default = Some(DEFAULT_TEXT_FORMAT),
        mutable_playing)]
    #[property(name = "post-messages", get, set, type = PostMessages, member = post_messages,
        nick = "Post messages", blurb = "Which results are posted as element messages",
        builder(PostMessages::default()).mutable_playing())]
    #[property(name = "object-metadata", get, set, type = bool, member = object_metadata,
        nick = "Object metadata", blurb = "Whether a believed class is also described as an object \
        that fills the frame, as ONVIF elements want it (needs a build with analytics metadata)",
        default = DEFAULT_OBJECT_METADATA, mutable_playing)]
    #[property(name = "active", get, set, type = bool, member = active,
        nick = "Active", blurb = "Whether buffers are classified; if not, they pass as they are",
        default = DEFAULT_ACTIVE, mutable_playing)]
    #[property(name = "qos", get, set, type = bool, member = qos,
        override_class = gst_base::BaseTransform)]
    settings: Mutex<Settings>,
    /// The settings differ from what runs.
    settings_changed: AtomicBool,
    /// Between start and stop.
    started: AtomicBool,

    streaming: Mutex<Option<Box<Streaming>>>,
    next_model: Mutex<NextModel>,
    /// There is one in `next_model`.
    next_is_ready: AtomicBool,
    lateness: Mutex<Lateness>,
    /// Something was linked or unlinked downstream.
    relinked: AtomicBool,
    /// Whether upstream is live; unknown before the first frame of a stream.
    liveness: Mutex<Option<bool>>,
    /// In ns, what a frame waits for its own result, as it was last made known.
    latency: AtomicU64,
    /// A flush or a stop is under way: nothing is to be waited for.
    interrupted: AtomicBool,

    #[property(name = "last-label", get, type = Option<String>, member = label,
        nick = "Last label", blurb = "The label of the latest buffer")]
    #[property(name = "last-confidence", get, type = f64, member = confidence,
        nick = "Last confidence", blurb = "The confidence of the latest buffer's best class",
        minimum = 0.0, maximum = 1.0, default = 0.0)]
    readings: Mutex<Readings>,
}

/// What runs, between start and stop.
struct Streaming {
    classifier: Classifier,
    names: Names,
    live: Live,
    /// From caps on.
    format: Option<(VideoInfo, FrameSpec)>,
    overlays: Overlays,
    writer: Arc<Writer>,
    /// The label of the last message.
    posted: Option<String>,
    /// A frame waits for its own result.
    waits: bool,
    /// How long that takes, and after how many inferences that was looked at.
    latency: (Duration, u64),
    /// A failed inference was warned of.
    failure_told: bool,
    frames_since_search: u32,
}

/// A model that is loaded while another one runs.
#[derive(Default)]
struct NextModel {
    /// Counts what was asked for and what was cancelled.
    asked: u64,
    /// The last was not cancelled.
    wanted: bool,
    /// A thread is at it.
    loading: bool,
    loaded: Option<Classifier>,
}

/// What the user may read while data flows.
#[derive(Clone, Default)]
struct Readings {
    label: Option<String>,
    confidence: f64,
    counters: Counters,
    model: String,
    optimization: String,
    threads: u32,
    accelerator: &'static str,
}

impl Readings {
    fn of(classifier: &Classifier) -> Self {
        let description = classifier.description();
        Self {
            label: None,
            confidence: 0.0,
            counters: classifier.counters().clone(),
            model: description.model.clone(),
            optimization: description.optimization.to_string(),
            threads: description.threads,
            accelerator: description.accelerator.name(),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for CatdogFilter {
    const NAME: &'static str = "GstCatdogFilter";
    type Type = super::CatdogFilter;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for CatdogFilter {
    fn properties() -> &'static [glib::ParamSpec] {
        // A structure has no derive, so it follows the derived ones.
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let stats = glib::ParamSpecBoxed::builder::<gst::Structure>(STATS)
                .nick("Statistics")
                .blurb("Frames, inferences, and what they took in ns")
                .read_only()
                .build();
            CatdogFilter::derived_properties().iter().cloned().chain([stats]).collect()
        });
        &PROPERTIES
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let is_path = matches!(pspec.name(), "model-file" | "labels-file");
        if !is_path && is_broken_text(value) {
            let error = ConfigError::NotUtf8 { property: pspec.name().to_owned() };
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{error}"));
            return;
        }
        self.derived_set_property(id, value, pspec);
        self.settings_changed.store(true, Ordering::Release);
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == STATS {
            return self.stats().to_value();
        }
        self.derived_property(id, pspec)
    }

    /// After all properties that the application sets in one call, so that a model and its labels
    /// are loaded together.
    fn dispatch_properties_changed(&self, properties: &[glib::ParamSpec]) {
        self.parent_dispatch_properties_changed(properties);
        let of_model = |pspec: &glib::ParamSpec| MODEL_PROPERTIES.contains(&pspec.name());
        if self.started.load(Ordering::Acquire) && properties.iter().any(of_model) {
            self.ask_for_model();
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
        // Before the pads are shut, which waits for the streaming thread.
        match transition {
            gst::StateChange::PausedToReady => self.interrupted.store(true, Ordering::Release),
            gst::StateChange::ReadyToPaused => self.interrupted.store(false, Ordering::Release),
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
        self.forget_next_model();
        // From here on, what a model is loaded with is loaded beside: it may come too late for this.
        self.started.store(true, Ordering::Release);
        let streaming = self.load().map_err(|error| {
            self.started.store(false, Ordering::Release);
            error_message(&error)
        })?;
        *lock(&self.lateness) = Lateness::default();
        *lock(&self.streaming) = Some(Box::new(streaming));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.started.store(false, Ordering::Release);
        // Dropped after the lock is released: letting overlays go calls into other elements.
        let mut streaming = lock(&self.streaming).take();
        if let Some(running) = &mut streaming {
            running.classifier.forget();
            // So that, as a rule, nothing of this element runs any more when it has stopped.
            running.classifier.settle(STOP_PATIENCE);
        }
        drop(streaming);
        self.forget_next_model();
        gst::info!(CAT, imp = self, "stopped");
        Ok(())
    }

    fn accept_caps(&self, direction: gst::PadDirection, caps: &gst::Caps) -> bool {
        let accepted = caps.can_intersect(&caps::template());
        if !accepted && direction == gst::PadDirection::Sink && self.started.load(Ordering::Acquire)
        {
            // Upstream only says "not-negotiated"; this says what would have been.
            gst::element_imp_warning!(
                self,
                gst::StreamError::WrongType,
                (
                    "caps {caps} cannot be classified; put videoconvert (behind a download element, \
                     where the frames lie in a GPU's memory) before {}, which takes video/x-raw in \
                     {}",
                    FACTORY_NAME,
                    caps::format_names()
                )
            );
        }
        accepted
    }

    fn set_caps(&self, incaps: &gst::Caps, _out: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(incaps)?;
        let spec = caps::frame_spec(&info)
            .ok_or_else(|| gst::loggable_error!(CAT, "{incaps} is not in the pad template"))?;
        gst::debug!(CAT, imp = self, "frames are {spec:?}");
        let result = match lock(&self.streaming).as_mut() {
            Some(running) => running.classifier.set_frame_spec(&spec).map(|()| {
                running.format = Some((info, spec));
            }),
            None => Err(FrameFault::NoFormat),
        };
        self.relinked.store(true, Ordering::Release);
        result.map_err(|fault| {
            self.post_fault(&fault);
            gst::loggable_error!(CAT, "{fault}")
        })
    }

    /// Whoever is downstream gets the memory as it is, so upstream's allocation is theirs to say:
    /// all but the crop meta, which this element does not look at.
    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Src && query.type_() == gst::QueryType::Latency {
            return self.answer_latency(query);
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
                lock(&self.lateness).set_segment(segment.segment());
                self.relinked.store(true, Ordering::Release);
            }
            // Not in the streaming thread, which may be waiting.
            gst::EventView::FlushStart(_) => self.interrupted.store(true, Ordering::Release),
            gst::EventView::FlushStop(_) => {
                self.interrupted.store(false, Ordering::Release);
                lock(&self.lateness).reset();
                self.forget();
            }
            gst::EventView::StreamStart(_) => self.forget(),
            gst::EventView::Eos(_) => self.drain(),
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Qos(qos) => lock(&self.lateness).report(qos),
            // Sent upstream by whatever is linked anew.
            gst::EventView::Reconfigure(_) => self.relinked.store(true, Ordering::Release),
            _ => {}
        }
        self.parent_src_event(event)
    }

    /// A buffer that somebody else holds too is copied without its memory, which stays shared.
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
        let is_live = self.is_live();
        let mut news = News::default();
        let (replaced, result) = self
            .with_streaming(|running| {
                self.follow_settings(running, &mut news);
                let replaced = self.follow_model(running, &mut news);
                self.follow_links(running);
                self.follow_mode(running, is_live);
                let result = match running.live.active {
                    true => self.annotate(running, buffer, &mut news),
                    false => Ok(()),
                };
                self.follow_latency(running, &mut news);
                if matches!(result, Err(Stop::Fault(_))) {
                    // One error is enough: the end of the stream would find the next.
                    running.classifier.forget();
                }
                (replaced, result)
            })
            .ok_or(gst::FlowError::Flushing)?;
        // The application may do anything when it hears of it, also flush this very stream.
        if let Some(replaced) = replaced {
            // It takes milliseconds, which are not the stream's. Where no thread can be made, it is
            // dropped here.
            let _ = std::thread::Builder::new().spawn(move || drop(replaced));
        }
        self.tell(news);
        result.map(|()| gst::FlowSuccess::Ok).map_err(|stop| match stop {
            Stop::Interrupted => gst::FlowError::Flushing,
            Stop::Fault(fault) => {
                self.post_fault(&fault);
                gst::FlowError::Error
            }
        })
    }
}

/// Why a frame does not go on.
enum Stop {
    /// A flush or a stop has come: it is not wanted any more.
    Interrupted,
    Fault(FrameFault),
}

impl From<FrameFault> for Stop {
    fn from(fault: FrameFault) -> Self {
        Self::Fault(fault)
    }
}

/// What the result is to the frame that carries it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// It is of an earlier frame, and new.
    Held,
    /// It was waited for, or is the frame's own.
    Inferred,
    /// It was reported before.
    Again,
    /// The stream has ended: only its own frame is left to name.
    ByNone,
}

/// What the application is to hear of a frame.
#[derive(Default)]
struct News {
    warning: Option<ConfigError>,
    /// The next model cannot take the frames.
    refused: Option<FrameFault>,
    /// An inference failed, and the stream goes on.
    failure: Option<FrameFault>,
    messages: Vec<gst::Message>,
    label_changed: bool,
    latency_changed: bool,
}

impl CatdogFilter {
    fn load(&self) -> Result<Streaming, StartError> {
        // Before the settings are read, so that a change meanwhile is seen by the first frame.
        self.settings_changed.store(false, Ordering::Release);
        self.relinked.store(true, Ordering::Release);
        let settings = lock(&self.settings).clone();
        let config = settings.config()?;
        let live = settings.live()?;
        let classifier = self.load_model(&config, live.pipeline.clone())?;
        self.warn(&classifier.description().warnings);
        let element = self.obj().name().to_string();
        let latency = classifier.latency();
        self.latency.store(nanoseconds(latency), Ordering::Release);
        *lock(&self.readings) = Readings::of(&classifier);
        let names = self.names(&classifier, &live);
        let writer = Writer { element, format: Mutex::new(live.text_format.clone()) };
        Ok(Streaming {
            classifier,
            names,
            live,
            format: None,
            overlays: Overlays::default(),
            writer: Arc::new(writer),
            posted: None,
            waits: true,
            latency: (latency, 0),
            failure_told: false,
            frames_since_search: 0,
        })
    }

    fn load_model(&self, config: &Config, live: LiveConfig) -> Result<Classifier, StartError> {
        let classifier = Classifier::load(config, live)?;
        let description = classifier.description();
        gst::info!(CAT, imp = self, "{description:?}, labels {:?}", classifier.labels());
        gst::debug!(CAT, imp = self, "{}: {}", description.model, description.optimization);
        Ok(classifier)
    }

    fn names(&self, classifier: &Classifier, live: &Live) -> Names {
        Names::new(
            classifier.labels(),
            live.unknown_label.clone(),
            classifier.description().model.clone(),
            self.obj().name().to_string(),
        )
    }

    /// Loads what the settings ask for, on a thread of its own, while what runs goes on.
    fn ask_for_model(&self) {
        let mut next = lock(&self.next_model);
        next.asked += 1;
        next.wanted = true;
        if !std::mem::replace(&mut next.loading, true) {
            let element = self.obj().downgrade();
            let thread = std::thread::Builder::new().name("catdog-loader".into());
            let spawned = thread.spawn(move || {
                if let Some(element) = element.upgrade() {
                    element.imp().load_next_model();
                }
            });
            next.loading = spawned.is_ok();
        }
    }

    fn load_next_model(&self) {
        loop {
            let asked = {
                let mut next = lock(&self.next_model);
                next.loading = next.wanted;
                if !next.wanted {
                    return;
                }
                next.asked
            };
            let settings = lock(&self.settings).clone();
            // Where one of the others cannot be used, that is no reason to load no model.
            let (live, _) = settings.live_or(&Live::default());
            let loaded = settings
                .config()
                .map_err(StartError::from)
                .and_then(|config| self.load_model(&config, live.pipeline));
            let mut next = lock(&self.next_model);
            if next.asked != asked {
                continue;
            }
            next.loading = false;
            next.wanted = false;
            match loaded {
                Ok(classifier) => {
                    let warnings = classifier.description().warnings.clone();
                    next.loaded = Some(classifier);
                    self.next_is_ready.store(true, Ordering::Release);
                    drop(next);
                    self.warn(&warnings);
                }
                Err(error) => {
                    drop(next);
                    self.warn(&[format!("{error}; the model before stays in use")]);
                }
            }
            return;
        }
    }

    fn warn(&self, texts: &[String]) {
        for text in texts {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{text}"));
        }
    }

    fn forget_next_model(&self) {
        let mut next = lock(&self.next_model);
        next.asked += 1;
        next.wanted = false;
        self.next_is_ready.store(false, Ordering::Release);
        let loaded = next.loaded.take();
        drop(next);
        drop(loaded);
    }

    /// Lets the next model take over, where there is one. Returns the one that is not needed any
    /// more: the one before, or the next where it cannot take such frames.
    fn follow_model(&self, running: &mut Streaming, news: &mut News) -> Option<Box<Classifier>> {
        if !self.next_is_ready.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut next = lock(&self.next_model).loaded.take()?;
        next.set_live(running.live.pipeline.clone());
        if let Some((_, spec)) = &running.format
            && let Err(fault) = next.set_frame_spec(spec)
        {
            news.refused = Some(fault);
            return Some(Box::new(next));
        }
        next.count_on_from(&running.classifier);
        running.names = self.names(&next, &running.live);
        running.latency = (next.latency(), next.counters().inferences);
        let before = std::mem::replace(&mut running.classifier, next);
        let mut readings = lock(&self.readings);
        let Readings { label, confidence, .. } = std::mem::take(&mut *readings);
        *readings = Readings { label, confidence, ..Readings::of(&running.classifier) };
        // Boxed, because whoever gets none of it would move its kilobytes with each frame.
        Some(Box::new(before))
    }

    /// Takes over what was set since the last frame. Where that cannot be used, what was set before
    /// stays in force.
    fn follow_settings(&self, running: &mut Streaming, news: &mut News) {
        if !self.settings_changed.swap(false, Ordering::AcqRel) {
            return;
        }
        let (live, error) = lock(&self.settings).live_or(&running.live);
        running.classifier.set_live(live.pipeline.clone());
        running.names.unknown_label.clone_from(&live.unknown_label);
        lock(&running.writer.format).clone_from(&live.text_format);
        if live.overlay != running.live.overlay {
            self.relinked.store(true, Ordering::Release);
        }
        news.latency_changed = (live.mode, live.active) != (running.live.mode, running.live.active);
        news.warning = error;
        running.live = live;
    }

    /// Looks for overlays when something was linked, and now and then in between: not every change
    /// downstream sends word up here (a pad that is flushing lets no event pass).
    fn follow_links(&self, running: &mut Streaming) {
        running.frames_since_search += 1;
        let relinked = self.relinked.swap(false, Ordering::AcqRel);
        if !relinked && running.frames_since_search < FRAMES_BETWEEN_SEARCHES {
            return;
        }
        running.frames_since_search = 0;
        match running.live.overlay {
            OverlayMode::None => running.overlays.clear(),
            OverlayMode::Auto => {
                let source = self.obj().src_pad().clone();
                for name in running.overlays.update(&source, &running.writer) {
                    gst::info!(CAT, imp = self, "the text of {name} shows the result");
                }
            }
        }
    }

    /// Classifies `buffer` and puts the result on it.
    fn annotate(
        &self,
        running: &mut Streaming,
        buffer: &mut gst::BufferRef,
        news: &mut News,
    ) -> Result<(), Stop> {
        // Of frames before this one.
        self.take_in(running, buffer.pts(), Carried::Held, news)?;
        let inferences = running.classifier.counters().inferences;
        self.classify(running, buffer).or_else(|fault| forgive(running, fault, news))?;
        if running.classifier.counters().inferences > inferences {
            self.report(running, buffer.pts(), Carried::Inferred, news);
        }
        if running.waits {
            self.wait(running, buffer.pts(), Carried::Inferred, news)?;
        }
        let outcome = running.classifier.outcome(buffer.pts().map(Duration::from));
        let frame = running.format.as_ref().map(|(_, spec)| (spec.width, spec.height));
        let object = frame.filter(|_| running.live.object_metadata);
        metadata::attach(buffer, &outcome, &running.names, object)
            .map_err(|error| FrameFault::Metadata(error.to_string()))?;
        self.report(running, buffer.pts(), Carried::Again, news);
        Ok(())
    }

    /// Waits for the inferences beside the stream, unless a flush or a stop comes first, and takes
    /// them in.
    fn wait(
        &self,
        running: &mut Streaming,
        pts: Option<gst::ClockTime>,
        carried: Carried,
        news: &mut News,
    ) -> Result<(), Stop> {
        while !running.classifier.wait(INTERRUPTION_CHECK) {
            if self.interrupted.load(Ordering::Acquire) {
                running.classifier.forget();
                return Err(Stop::Interrupted);
            }
        }
        self.take_in(running, pts, carried, news)
    }

    /// Takes in what was inferred beside the stream, for a frame shown at `pts`.
    fn take_in(
        &self,
        running: &mut Streaming,
        pts: Option<gst::ClockTime>,
        carried: Carried,
        news: &mut News,
    ) -> Result<(), Stop> {
        loop {
            match running.classifier.fetch() {
                Ok(true) => self.report(running, pts, carried, news),
                Ok(false) => return Ok(()),
                Err(fault) => forgive(running, fault, news)?,
            }
        }
    }

    /// Notes what the application is to hear of the result at hand, for a frame shown at `pts`.
    fn report(
        &self,
        running: &mut Streaming,
        pts: Option<gst::ClockTime>,
        carried: Carried,
        news: &mut News,
    ) {
        let Streaming { classifier, names, live, posted, .. } = running;
        let own = || Some(gst::ClockTime::from_nseconds(nanoseconds(classifier.held_pts()?)));
        let pts = if carried == Carried::ByNone { own() } else { pts };
        let mut outcome = classifier.outcome(pts.map(Duration::from));
        outcome.fresh &= carried != Carried::Held;
        let label = names.label(&outcome);
        let wanted = match live.post_messages {
            PostMessages::None => false,
            PostMessages::Change => posted.as_deref() != Some(label),
            PostMessages::Every => carried != Carried::Again,
        };
        if wanted {
            *posted = Some(label.to_owned());
            news.messages.push(metadata::message(&*self.obj(), &outcome, names, pts));
        }
        // Once for each frame: it copies all counters.
        if matches!(carried, Carried::Again | Carried::ByNone) {
            news.label_changed |= self.publish(label, &outcome, classifier.counters());
        }
    }

    /// Sees to it that the last inferences of a stream are not lost, and are heard of before its
    /// end is. A flush or a stop ends the waiting.
    fn drain(&self) {
        let mut news = News::default();
        let waited =
            self.with_streaming(|running| self.wait(running, None, Carried::ByNone, &mut news));
        self.tell(news);
        if let Some(Err(Stop::Fault(fault))) = waited {
            self.post_fault(&fault);
        }
    }

    /// Upstream's latency, and what a frame waits here.
    fn answer_latency(&self, query: &mut gst::QueryRef) -> bool {
        let answered = BaseTransformImplExt::parent_query(self, gst::PadDirection::Src, query);
        if let gst::QueryViewMut::Latency(latency) = query.view_mut()
            && answered
        {
            let (live, min, max) = latency.result();
            let (mode, active) = {
                let settings = lock(&self.settings);
                (settings.mode, settings.active)
            };
            let waits = active
                && match mode {
                    ModeChoice::Sync => true,
                    ModeChoice::Async => false,
                    ModeChoice::Auto => !live,
                };
            if waits {
                let own = gst::ClockTime::from_nseconds(self.latency.load(Ordering::Acquire));
                latency.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
            }
        }
        answered
    }

    /// Looks now and then at what a frame waits, and makes known when it has moved by more than a
    /// quarter.
    fn follow_latency(&self, running: &mut Streaming, news: &mut News) {
        let inferences = running.classifier.counters().inferences;
        if inferences < running.latency.1 + INFERENCES_BETWEEN_LATENCIES {
            return;
        }
        running.latency = (running.classifier.latency(), inferences);
        let now = nanoseconds(running.latency.0);
        let known = self.latency.load(Ordering::Acquire);
        if running.waits && now.abs_diff(known) > known / 4 {
            self.latency.store(now, Ordering::Release);
            news.latency_changed = true;
        }
    }

    /// Whether upstream is live, as it says itself; asked once a stream, with no lock held.
    fn is_live(&self) -> bool {
        let known = *lock(&self.liveness);
        known.unwrap_or_else(|| {
            let mut query = gst::query::Latency::new();
            let answered = self.obj().sink_pad().peer_query(&mut query);
            let live = answered && query.result().0;
            if answered {
                *lock(&self.liveness) = Some(live);
            }
            live
        })
    }

    /// Whether frames wait for their own results: not where that is not wanted, or nothing is said
    /// and frames come as they are taken. Where the wait is long, the inference runs beside, so that
    /// a stop or a flush can end the wait.
    fn follow_mode(&self, running: &mut Streaming, is_live: bool) {
        running.waits = match running.live.mode {
            ModeChoice::Sync => true,
            ModeChoice::Async => false,
            ModeChoice::Auto => !is_live,
        };
        let beside = running.classifier.mode() == Mode::Async;
        let long = running.latency.0 > if beside { LONG_WAIT / 2 } else { LONG_WAIT };
        let mode = if running.waits && !long { Mode::Sync } else { Mode::Async };
        if mode != running.classifier.mode() {
            gst::info!(CAT, imp = self, "{mode:?}");
            running.classifier.set_mode(mode);
        }
    }

    /// Infers `buffer`, or holds the last result where it is not due or too late.
    fn classify(
        &self,
        streaming: &mut Streaming,
        buffer: &gst::BufferRef,
    ) -> Result<(), FrameFault> {
        let Streaming { classifier, format, live, .. } = streaming;
        let late = live.qos && lock(&self.lateness).is_late(buffer.pts());
        // A gap has a time and no picture.
        let gap = buffer.size() == 0 && buffer.flags().contains(gst::BufferFlags::GAP);
        let pts = buffer.pts().map(Duration::from);
        if late || gap || !classifier.due(pts) {
            gst::log!(CAT, imp = self, "held, late: {late}, gap: {gap}");
            classifier.hold(pts);
            return Ok(());
        }
        let (info, spec) = format.as_ref().ok_or(FrameFault::NoFormat)?;
        mapping::with_frame(buffer, info, spec, |frame| classifier.infer(frame, pts))
    }

    /// Takes what runs out of its place for the length of `f`, so that no lock is held across an
    /// inference. None before the element has started, and for whoever would come meanwhile: data
    /// and serialised events have one thread, and a stop waits for it.
    fn with_streaming<R>(&self, f: impl FnOnce(&mut Streaming) -> R) -> Option<R> {
        let mut running = lock(&self.streaming).take()?;
        let result = f(&mut running);
        *lock(&self.streaming) = Some(running);
        Some(result)
    }

    fn forget(&self) {
        if let Some(streaming) = lock(&self.streaming).as_mut() {
            streaming.classifier.forget();
        }
        *lock(&self.liveness) = None;
    }

    /// Shows the outcome to whoever reads the properties; whether the label is another one.
    fn publish(&self, label: &str, outcome: &Outcome<'_>, counters: &Counters) -> bool {
        let mut readings = lock(&self.readings);
        readings.confidence = outcome.confidence().into();
        readings.counters.clone_from(counters);
        let changed = readings.label.as_deref() != Some(label);
        if changed {
            readings.label = Some(label.to_owned());
        }
        changed
    }

    /// Tells the application, with no lock held.
    fn tell(&self, news: News) {
        if let Some(error) = news.warning {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("{error}; what was set before stays in use")
            );
        }
        if let Some(fault) = news.refused {
            self.warn(&[format!("{fault}; the model before stays in use")]);
        }
        if let Some(fault) = news.failure {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Failed,
                ("{fault}; frames go on with the last result")
            );
        }
        for message in news.messages {
            // It fails while the element is being shut down, when nobody listens any more.
            let _ = self.obj().post_message(message);
        }
        if news.latency_changed {
            let _ =
                self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        }
        if news.label_changed {
            self.obj().notify("last-label");
        }
    }

    fn stats(&self) -> gst::Structure {
        // Sorting for the percentiles takes longer than the streaming thread should wait.
        let Readings { counters, model, optimization, threads, accelerator, .. } =
            lock(&self.readings).clone();
        let Counters { frames, inferences, skipped, preprocess, invoke, wait } = counters;
        gst::Structure::builder("catdog-stats")
            .field("frames", frames)
            .field("inferences", inferences)
            .field("skipped", skipped)
            .field("preprocess-p50", preprocess.percentile(50))
            .field("preprocess-p95", preprocess.percentile(95))
            .field("preprocess-max", preprocess.max())
            .field("invoke-p50", invoke.percentile(50))
            .field("invoke-p95", invoke.percentile(95))
            .field("invoke-max", invoke.max())
            .field("wait-p50", wait.percentile(50))
            .field("wait-p95", wait.percentile(95))
            .field("wait-max", wait.max())
            .field("model", model)
            .field("optimization", optimization)
            .field("threads", threads)
            .field("accelerator", accelerator)
            .build()
    }

    fn post_fault(&self, fault: &FrameFault) {
        match fault {
            FrameFault::Engine(_) => {
                gst::element_imp_error!(self, gst::LibraryError::Failed, ("{fault}"));
            }
            _ => gst::element_imp_error!(self, gst::StreamError::Format, ("{fault}")),
        }
    }
}

/// Lets a failed inference pass where the stream is worth more; the first one is told of.
fn forgive(running: &mut Streaming, fault: FrameFault, news: &mut News) -> Result<(), FrameFault> {
    let passes = running.live.error_policy == ErrorPolicy::Passthrough;
    match fault {
        FrameFault::Engine(_) if passes => {
            if !std::mem::replace(&mut running.failure_told, true) {
                news.failure = Some(fault);
            }
            Ok(())
        }
        fault => Err(fault),
    }
}

/// The one place where what keeps the element from starting becomes a GStreamer error.
fn error_message(error: &StartError) -> gst::ErrorMessage {
    match error {
        StartError::Config(_) => gst::error_msg!(gst::LibraryError::Settings, ("{error}")),
        StartError::Unreadable { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{error}")),
        StartError::Runtime(_) | StartError::Accelerator { .. } => {
            gst::error_msg!(gst::LibraryError::Init, ("{error}"))
        }
        StartError::Model { .. } => gst::error_msg!(gst::StreamError::WrongType, ("{error}")),
        StartError::Labels(_) => gst::error_msg!(gst::ResourceError::Read, ("{error}")),
    }
}
