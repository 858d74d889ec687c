//! Pipelines with a limit for every wait, and access to the buffers that pass through them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;

use super::{GREEN, MODEL, Meta, caps, frame, init, meta, model, rgb, skip};

/// The limit of every wait. A correct run does not reach it, even on a loaded machine.
pub const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// A pipeline that is set to NULL when it is dropped, even if the test fails.
pub struct Pipeline(pub gst::Pipeline);

impl std::ops::Deref for Pipeline {
    type Target = gst::Pipeline;

    fn deref(&self) -> &gst::Pipeline {
        &self.0
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Returns `description` with the path of [`MODEL`] for `{model}`, followed by properties that
/// switch smoothing and hysteresis off, so that the label of a frame depends on this frame only.
pub fn with_model(description: &str) -> String {
    let path = model(MODEL);
    description.replace("{model}", &format!("{} smoothing=0 hold=0", path.display()))
}

/// Returns the pipeline that `description` describes, after [`with_model`].
pub fn launch(description: &str) -> Pipeline {
    init();
    let description = with_model(description);
    let element = gst::parse::launch_full(&description, None, gst::ParseFlags::FATAL_ERRORS)
        .unwrap_or_else(|error| panic!("{description}: {error}"));
    Pipeline(match element.downcast::<gst::Pipeline>() {
        Ok(pipeline) => pipeline,
        Err(element) => {
            let pipeline = gst::Pipeline::new();
            pipeline.add(&element).unwrap();
            pipeline
        }
    })
}

/// Returns `appsrc ! catdogfilter ! appsink`, playing, for RGB frames of 16x16 pixels. The elements
/// are named `src`, `filter` and `sink`. `filter` holds the properties of `catdogfilter`.
pub fn play_filter(filter: &str) -> Pipeline {
    play_filter_with_caps(&caps("RGB", 16, 16), filter)
}

/// Returns the pipeline of [`play_filter`] for frames of `caps`.
pub fn play_filter_with_caps(caps: &gst::Caps, filter: &str) -> Pipeline {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter {filter} ! appsink name=sink sync=false",
        appsrc(caps)
    ));
    pipeline.begin(gst::State::Playing);
    pipeline
}

/// Returns the metadata of frame `index`, of 16x16 RGB pixels of one color, after it passed the
/// pipeline of [`play_filter`].
#[track_caller]
pub fn classify(pipeline: &Pipeline, index: u64, color: [u8; 3]) -> Meta {
    meta(&through(pipeline, frame(index, rgb(16, 16, color))))
}

/// Classifies green frames, from number `index` on, until `condition` is true for the metadata of
/// one. Returns the next number. Asserts that every frame arrives with a result of its own.
#[track_caller]
pub fn classify_until(
    pipeline: &Pipeline,
    mut index: u64,
    condition: impl Fn(&Meta) -> bool,
) -> u64 {
    let start = Instant::now();
    loop {
        let meta = classify(pipeline, index, GREEN);
        assert!(meta.fresh && !meta.labels.is_empty(), "{meta:?}");
        index += 1;
        if condition(&meta) {
            return index;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the last result is {meta:?}");
    }
}

/// Sets `model-file` of the element `filter` to a model in `tests/models`.
pub fn set_model(pipeline: &Pipeline, name: &str) {
    pipeline.get("filter").set_property("model-file", model(name).to_str().unwrap());
}

impl Pipeline {
    /// Returns the element `name`.
    pub fn get(&self, name: &str) -> gst::Element {
        self.0.by_name(name).unwrap_or_else(|| panic!("the pipeline has no element {name}"))
    }

    /// Returns the static pad `pad` of `element`.
    pub fn pad(&self, element: &str, pad: &str) -> gst::Pad {
        self.get(element).static_pad(pad).unwrap()
    }

    /// Returns the bus.
    pub fn bus(&self) -> gst::Bus {
        self.0.bus().unwrap()
    }

    /// Sets PLAYING and waits until it is reached.
    pub fn play(&self) {
        self.reach(gst::State::Playing);
    }

    /// Sets the state and waits until it is reached. A sink reaches PAUSED with its first buffer,
    /// so the source must produce one by itself.
    pub fn reach(&self, state: gst::State) {
        self.begin(state);
        let (result, current, _) = self.0.state(PATIENCE);
        let reached = result.is_ok() && current == state;
        assert!(reached, "{current:?} instead of {state:?}: {:?}", self.errors());
    }

    /// Sets the state without waiting.
    pub fn begin(&self, state: gst::State) {
        if self.0.set_state(state).is_err() {
            panic!("the change to {state:?} failed: {:?}", self.errors());
        }
    }

    /// Waits for the end of the stream and returns the messages up to it. An error fails the test.
    pub fn wait_for_eos(&self) -> Vec<gst::Message> {
        let (messages, error) = self.wait();
        assert!(error.is_none(), "{error:?}");
        messages
    }

    /// Plays from the beginning to the end and returns the messages.
    pub fn run(&self) -> Vec<gst::Message> {
        self.begin(gst::State::Playing);
        self.wait_for_eos()
    }

    /// Returns every message up to the end of the stream or the first error, and that error.
    pub fn wait(&self) -> (Vec<gst::Message>, Option<String>) {
        let bus = self.bus();
        let end = Instant::now() + Duration::from(PATIENCE);
        let mut messages = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = gst::ClockTime::try_from(left).unwrap();
            let Some(message) = bus.timed_pop(left) else {
                panic!("neither the end of the stream nor an error in {PATIENCE}: {messages:?}");
            };
            messages.push(message.clone());
            match message.view() {
                gst::MessageView::Eos(_) => return (messages, None),
                gst::MessageView::Error(error) => {
                    return (messages, Some(error.error().to_string()));
                }
                _ => {}
            }
        }
    }

    /// Takes all messages from the bus and returns the errors: source and text.
    pub fn errors(&self) -> Vec<(String, String)> {
        texts(&self.messages(), |message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        })
    }

    /// Takes all messages from the bus and returns the warnings: source and text.
    pub fn warnings(&self) -> Vec<(String, String)> {
        warnings(&self.messages())
    }

    /// Takes all messages from the bus.
    pub fn messages(&self) -> Vec<gst::Message> {
        std::iter::from_fn(|| self.bus().pop()).collect()
    }
}

/// Returns the warnings among `messages`: source and text.
pub fn warnings(messages: &[gst::Message]) -> Vec<(String, String)> {
    texts(messages, |message| match message.view() {
        gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
        _ => None,
    })
}

fn texts(
    messages: &[gst::Message],
    text: impl Fn(&gst::Message) -> Option<String>,
) -> Vec<(String, String)> {
    messages.iter().filter_map(|message| Some((source_of(message), text(message)?))).collect()
}

/// Reports that the test `test` is skipped if GStreamer lacks one of these elements. Returns
/// whether it is skipped.
pub fn lacks_elements(test: &str, elements: &[&str]) -> bool {
    init();
    let mut missing = elements.to_vec();
    missing.retain(|name| gst::ElementFactory::find(name).is_none());
    if !missing.is_empty() {
        skip(test, &format!("GStreamer lacks the elements {}", missing.join(", ")));
    }
    !missing.is_empty()
}

/// Returns the name of the object that posted `message`.
pub fn source_of(message: &gst::Message) -> String {
    message.src().map(|source| source.name().to_string()).unwrap_or_default()
}

/// Returns the description of an `appsrc` named `src` with these caps.
pub fn appsrc(caps: &gst::Caps) -> String {
    // The caps are quoted, because they contain commas and spaces.
    format!("appsrc name=src format=time caps=\"{caps}\"")
}

/// Pushes `buffer` into the element `src`.
pub fn push(pipeline: &Pipeline, buffer: &gst::Buffer) -> gst::FlowReturn {
    pipeline.get("src").emit_by_name::<gst::FlowReturn>("push-buffer", &[buffer])
}

/// Ends the stream of the element `src`.
pub fn end(pipeline: &Pipeline) {
    let _ = pipeline.get("src").emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
}

/// Returns the next buffer of the appsink `sink`; `None` at the end of the stream.
pub fn try_pull(pipeline: &Pipeline) -> Option<gst::Buffer> {
    let sample = pipeline
        .get("sink")
        .emit_by_name::<Option<gst::Sample>>("try-pull-sample", &[&PATIENCE.nseconds()]);
    sample.and_then(|sample| sample.buffer_owned())
}

/// Returns the next buffer of the appsink `sink`.
#[track_caller]
pub fn pull(pipeline: &Pipeline) -> gst::Buffer {
    try_pull(pipeline).unwrap_or_else(|| panic!("no buffer arrived: {:?}", pipeline.errors()))
}

/// Pushes `buffer` and returns the next buffer that arrives.
#[track_caller]
pub fn through(pipeline: &Pipeline, buffer: gst::Buffer) -> gst::Buffer {
    assert_eq!(push(pipeline, &buffer), gst::FlowReturn::Ok);
    // The appsrc then holds the only reference, so the element gets a writable buffer, as from most
    // sources.
    drop(buffer);
    pull(pipeline)
}

/// The values that [`collect`] has collected, in order.
pub type Seen<T> = Arc<Mutex<Vec<T>>>;

/// Collects the value that `read` returns for every buffer that passes `pad`.
pub fn collect<T: Send + 'static>(
    pad: &gst::Pad,
    read: impl Fn(&gst::BufferRef) -> T + Send + Sync + 'static,
) -> Seen<T> {
    let seen: Seen<T> = Seen::default();
    let collected = seen.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            collected.lock().unwrap().push(read(buffer));
        }
        gst::PadProbeReturn::Ok
    })
    .unwrap();
    seen
}

/// Takes the values that are collected so far.
pub fn taken<T>(seen: &Seen<T>) -> Vec<T> {
    std::mem::take(&mut *seen.lock().unwrap())
}

/// Returns the metadata of JPEG photos, each decoded by `decoder` and classified by a
/// `catdogfilter` with `properties`.
pub fn classify_photos(photos: &[PathBuf], decoder: &str, properties: &str) -> Vec<Meta> {
    // multifilesrc reads numbered files only.
    let folder = tempfile::tempdir().unwrap();
    for (number, photo) in photos.iter().enumerate() {
        let photo = photo.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", photo.display()));
        std::os::unix::fs::symlink(photo, folder.path().join(format!("{number:05}.jpg"))).unwrap();
    }
    let pipeline = launch(&format!(
        "multifilesrc location={}/%05d.jpg caps=image/jpeg,framerate=25/1 ! {decoder} \
         ! catdogfilter {properties} smoothing=0 hold=0 ! fakesink name=sink",
        folder.path().display()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    let messages = pipeline.run();
    // jpegdec warns of a photo that it cannot decode.
    assert_eq!(warnings(&messages), []);
    let seen = taken(&seen);
    assert_eq!(seen.len(), photos.len());
    seen
}

/// Returns the field `name` of the property `stats` of the element `filter`.
pub fn stat(pipeline: &Pipeline, name: &str) -> u64 {
    pipeline.get("filter").property::<gst::Structure>("stats").get(name).unwrap()
}

/// Returns the property `last-label` of the element `filter`.
pub fn last_label(pipeline: &Pipeline) -> Option<String> {
    pipeline.get("filter").property("last-label")
}

/// Returns the latency that the element `filter` adds to that of upstream; `None` if the query
/// fails.
pub fn own_latency(pipeline: &Pipeline) -> Option<gst::ClockTime> {
    let (mut whole, mut upstream) = (gst::query::Latency::new(), gst::query::Latency::new());
    let answered = pipeline.pad("filter", "src").query(&mut whole)
        && pipeline.pad("filter", "sink").peer_query(&mut upstream);
    answered.then(|| whole.result().1 - upstream.result().1)
}

/// Waits until `condition` is true.
#[track_caller]
pub fn wait_until(description: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from(PATIENCE);
    while !condition() {
        assert!(Instant::now() < end, "not within {PATIENCE}: {description}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
