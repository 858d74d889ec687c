//! What the integration tests share: the plugin registered once, models and outside data found,
//! buffers of known content, and pipelines that are run to their end or to their error.
//!
//! Nothing waits without a limit, and nothing is set in the process's environment: where
//! `CATDOG_LITERT_LIBRARY` is unset, the runtime that `scripts/fetch-runtime.sh` fetched is linked
//! beside the test program, which is where the plugin looks next.

// Each test program takes what it needs.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

/// Longer than anything here takes on a loaded machine; reaching it is a hang.
pub const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// The names of the formats in the pad templates.
pub const FORMATS: [&str; 19] = [
    "YUY2", "UYVY", "NV12", "NV21", "I420", "YV12", "Y42B", "Y444", "GRAY8", "RGB", "BGR", "RGBx",
    "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR",
];

/// The model that most tests run: uint8 input of 8x8 pixels, one logit, no labels of its own, so
/// "cat" where the logit is negative and "dog" where it is positive.
pub const MODEL: &str = "dynamic_batch.tflite";

/// Colours (R, G, B) and what [`MODEL`] says of a frame that is all of one of them, computed with
/// ai_edge_litert 2.3.0: label, confidence.
pub const GREEN: [u8; 3] = [0, 255, 0];
pub const BLUE: [u8; 3] = [0, 0, 255];
pub const RED: [u8; 3] = [255, 0, 0];
pub const GREEN_IS: (&str, f64) = ("cat", 0.7074);
pub const BLUE_IS: (&str, f64) = ("dog", 0.7537);
/// Less than the element's default threshold.
pub const RED_IS: (&str, f64) = ("unknown", 0.5108);

// Registration and files

/// GStreamer, the plugin, and the runtime.
pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        runtime();
        gst::init().unwrap();
        gstcatdog::plugin_register_static().unwrap();
    });
}

/// The runtime's file; it is where the plugin looks when this returns.
pub fn runtime() -> PathBuf {
    if let Some(path) = std::env::var_os("CATDOG_LITERT_LIBRARY").filter(|path| !path.is_empty()) {
        return PathBuf::from(path);
    }
    let fetched = manifest().join("target/gst-catdog/libLiteRt.so");
    assert!(
        fetched.is_file(),
        "{} is missing; run scripts/fetch-runtime.sh, or set CATDOG_LITERT_LIBRARY",
        fetched.display()
    );
    let program = std::env::current_exe().unwrap().canonicalize().unwrap();
    let link = program.parent().unwrap().join("libLiteRt.so");
    if link.canonicalize().ok() != fetched.canonicalize().ok() {
        // Made aside and moved into place: other test programs may be doing the same.
        let aside = link.with_extension(format!("so.{}", std::process::id()));
        std::os::unix::fs::symlink(&fetched, &aside).unwrap();
        std::fs::rename(&aside, &link).unwrap();
    }
    fetched
}

pub fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A model that the project makes itself.
pub fn model(name: &str) -> PathBuf {
    manifest().join("tests/models").join(name)
}

/// `path` in the outside data, where it is there.
pub fn find_outside_data(path: &str) -> Result<PathBuf, PathBuf> {
    let folder = match std::env::var_os("CATDOG_TEST_DATA").filter(|path| !path.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => manifest().join("../shared"),
    };
    let found = folder.join(path);
    if found.exists() { Ok(found) } else { Err(found) }
}

/// `path` in the outside data, or `None` after saying that the calling test is skipped, and why.
pub fn outside_data(test: &str, path: &str) -> Option<PathBuf> {
    let missing = match find_outside_data(path) {
        Ok(found) => return Some(found),
        Err(missing) => missing,
    };
    say(&format!(
        "SKIPPED {test}: {} is not there; set CATDOG_TEST_DATA to the folder that holds {path}",
        missing.display()
    ));
    None
}

/// A line for whoever runs the tests; unlike `println!` it is shown when the test passes, too.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

// Frames

/// The number of pixels and their format, as caps with 25 frames a second.
pub fn caps(format: &str, width: u32, height: u32) -> gst::Caps {
    init();
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", gst::Fraction::new(25, 1))
        .build()
}

/// How long a frame lasts at 25 frames a second.
pub const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

/// A buffer that is frame `index` of a stream: its times and its offset say so.
pub fn frame(index: u64, bytes: Vec<u8>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let fields = buffer.get_mut().unwrap();
    fields.set_pts(FRAME * index);
    fields.set_duration(FRAME);
    fields.set_offset(index);
    fields.set_offset_end(index + 1);
    buffer
}

/// The bytes of an RGB frame of one colour, rows padded as GStreamer's default asks.
pub fn rgb(width: u32, height: u32, color: [u8; 3]) -> Vec<u8> {
    packed(VideoFormat::Rgb, width, height, |_, _| color)
}

/// The bytes of a packed RGB-like frame whose pixels `color` gives.
pub fn packed(
    format: VideoFormat,
    width: u32,
    height: u32,
    color: impl Fn(u32, u32) -> [u8; 3],
) -> Vec<u8> {
    let info = VideoInfo::builder(format, width, height).build().unwrap();
    let stride = info.stride()[0] as usize;
    let step = info.comp_pstride(0) as usize;
    let mut bytes = vec![0; info.size()];
    for y in 0..height {
        for x in 0..width {
            let pixel = &mut bytes[y as usize * stride + x as usize * step..][..step];
            for (component, level) in color(x, y).iter().enumerate() {
                pixel[info.comp_offset(component as u8) % step] = *level;
            }
        }
    }
    bytes
}

/// Bytes that look like nothing in particular, the same on every run.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| (random.next() >> 56) as u8).collect()
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

// Pipelines

/// A pipeline that is set to NULL when it goes, also when the test fails, and whose waits end.
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

/// `description` with [`MODEL`]'s path for `{model}`, and with each frame speaking for itself.
pub fn with_model(description: &str) -> String {
    let path = model(MODEL);
    description.replace("{model}", &format!("{} smoothing=0 hold=0", path.display()))
}

/// The pipeline that `description` describes ([`with_model`]).
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

impl Pipeline {
    pub fn get(&self, name: &str) -> gst::Element {
        self.0.by_name(name).unwrap_or_else(|| panic!("there is no element {name}"))
    }

    pub fn pad(&self, element: &str, pad: &str) -> gst::Pad {
        self.get(element).static_pad(pad).unwrap()
    }

    pub fn bus(&self) -> gst::Bus {
        self.0.bus().unwrap()
    }

    pub fn play(&self) {
        self.reach(gst::State::Playing);
    }

    /// Sets the state and waits until it is reached. A sink reaches PAUSED with its first buffer,
    /// so only a source that gives one by itself lets this return.
    pub fn reach(&self, state: gst::State) {
        if self.0.set_state(state).is_err() {
            panic!("{state:?} was refused: {:?}", self.errors());
        }
        let (result, now, _) = self.0.state(PATIENCE);
        assert!(result.is_ok() && now == state, "{now:?} for {state:?}: {:?}", self.errors());
    }

    /// Sets the state without waiting.
    pub fn begin(&self, state: gst::State) {
        if self.0.set_state(state).is_err() {
            panic!("{state:?} was refused: {:?}", self.errors());
        }
    }

    /// Waits for the end of the stream; any error on the way is the test's.
    pub fn wait_for_eos(&self) -> Vec<gst::Message> {
        let (messages, error) = self.wait();
        assert!(error.is_none(), "{error:?}");
        messages
    }

    /// Plays from the beginning to the end.
    pub fn run(&self) -> Vec<gst::Message> {
        self.begin(gst::State::Playing);
        self.wait_for_eos()
    }

    /// Every message up to the end of the stream or the first error, and that error.
    pub fn wait(&self) -> (Vec<gst::Message>, Option<String>) {
        let bus = self.bus();
        let end = Instant::now() + Duration::from(PATIENCE);
        let mut messages = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = gst::ClockTime::try_from(left).unwrap();
            let Some(message) = bus.timed_pop(left) else {
                panic!("neither end nor error within {PATIENCE}: {messages:?}");
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

    /// The texts of the errors on the bus now, with who posted them.
    pub fn errors(&self) -> Vec<(String, String)> {
        self.posted(|message| match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        })
    }

    /// The texts of the warnings on the bus now, with who posted them.
    pub fn warnings(&self) -> Vec<(String, String)> {
        self.posted(|message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
            _ => None,
        })
    }

    fn posted(&self, text: impl Fn(&gst::Message) -> Option<String>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        while let Some(message) = self.bus().pop() {
            if let Some(text) = text(&message) {
                found.push((source_of(&message), text));
            }
        }
        found
    }
}

pub fn source_of(message: &gst::Message) -> String {
    message.src().map(|source| source.name().to_string()).unwrap_or_default()
}

/// The structures of the messages that `element` posted for its results.
pub fn results(messages: &[gst::Message], element: &str) -> Vec<gst::Structure> {
    messages
        .iter()
        .filter(|message| message.type_() == gst::MessageType::Element)
        .filter(|message| source_of(message) == element)
        .filter_map(|message| message.structure())
        .filter(|structure| structure.name() == gstcatdog::metadata::MESSAGE_NAME)
        .map(|structure| structure.to_owned())
        .collect()
}

/// An `appsrc` called "src" as text, of caps that hold for the first buffers.
pub fn appsrc(caps: &gst::Caps) -> String {
    // Quoted, since caps contain commas and blanks.
    format!("appsrc name=src format=time caps=\"{caps}\"")
}

/// Pushes `buffer` into the element "src".
pub fn push(pipeline: &Pipeline, buffer: &gst::Buffer) -> gst::FlowReturn {
    pipeline.get("src").emit_by_name::<gst::FlowReturn>("push-buffer", &[buffer])
}

/// Ends the stream of the element "src".
pub fn end(pipeline: &Pipeline) {
    let _ = pipeline.get("src").emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
}

/// The next buffer of the appsink "sink"; `None` at the end of the stream.
pub fn try_pull(pipeline: &Pipeline) -> Option<gst::Buffer> {
    let sample = pipeline
        .get("sink")
        .emit_by_name::<Option<gst::Sample>>("try-pull-sample", &[&PATIENCE.nseconds()]);
    sample.and_then(|sample| sample.buffer_owned())
}

/// The next buffer of the appsink "sink".
pub fn pull(pipeline: &Pipeline) -> gst::Buffer {
    try_pull(pipeline).unwrap_or_else(|| panic!("the sink got nothing: {:?}", pipeline.errors()))
}

/// Pushes `buffer` and pulls what comes of it.
pub fn through(pipeline: &Pipeline, buffer: gst::Buffer) -> gst::Buffer {
    assert_eq!(push(pipeline, &buffer), gst::FlowReturn::Ok);
    // So that the element gets it writable, as it does from most sources.
    drop(buffer);
    pull(pipeline)
}

/// What [`collect`] saw, in order.
pub type Seen<T> = std::sync::Arc<std::sync::Mutex<Vec<T>>>;

/// Collects `what` of every buffer that passes `pad`.
pub fn collect<T: Send + 'static>(
    pad: &gst::Pad,
    what: impl Fn(&gst::BufferRef) -> T + Send + Sync + 'static,
) -> Seen<T> {
    let seen: Seen<T> = Seen::default();
    let collected = seen.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            collected.lock().unwrap().push(what(buffer));
        }
        gst::PadProbeReturn::Ok
    })
    .unwrap();
    seen
}

/// The content of `seen` so far.
pub fn taken<T>(seen: &Seen<T>) -> Vec<T> {
    std::mem::take(&mut *seen.lock().unwrap())
}

/// What `catdogfilter` with these properties says of JPEG photos, each decoded by `decoder`.
pub fn classified(photos: &[PathBuf], decoder: &str, properties: &str) -> Vec<Meta> {
    // multifilesrc counts, so the photos get numbers.
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
    let undecoded = messages.iter().filter(|m| m.type_() == gst::MessageType::Warning).count();
    assert_eq!(undecoded, 0, "{messages:?}");
    let seen = taken(&seen);
    assert_eq!(seen.len(), photos.len());
    seen
}

/// Waits until `what` is true.
#[track_caller]
pub fn wait_until(description: &str, what: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from(PATIENCE);
    while !what() {
        assert!(Instant::now() < end, "in {PATIENCE} it was never so that {description}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

// Metadata

/// One `GstCatdogMeta`, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub label: String,
    pub confidence: f64,
    pub index: i32,
    pub labels: Vec<String>,
    pub confidences: Vec<f64>,
    pub fresh: bool,
    pub inference_pts: Option<u64>,
    pub age: Option<u64>,
    pub inference_time: u64,
    pub model: String,
    pub element: String,
}

impl Meta {
    pub fn of(structure: &gst::StructureRef) -> Self {
        let text = |field| structure.get::<String>(field).unwrap();
        Self {
            label: text("label"),
            confidence: structure.get("confidence").unwrap(),
            index: structure.get("index").unwrap(),
            labels: array(structure, "labels"),
            confidences: array(structure, "confidences"),
            fresh: structure.get("fresh").unwrap(),
            inference_pts: structure.get_optional("inference-pts").unwrap(),
            age: structure.get_optional("age").unwrap(),
            inference_time: structure.get("inference-time").unwrap(),
            model: text("model"),
            element: text("element"),
        }
    }

    /// The label and the confidence in hundredths: what a person sees.
    pub fn seen(&self) -> (&str, i64) {
        (&self.label, (self.confidence * 100.0).round() as i64)
    }

    #[track_caller]
    pub fn assert_is(&self, (label, confidence): (&str, f64), tolerance: f64) {
        let near = (self.confidence - confidence).abs() <= tolerance;
        assert!(self.label == label && near, "{self:?} for {label} {confidence}");
    }
}

fn array<T>(structure: &gst::StructureRef, field: &str) -> Vec<T>
where
    T: for<'a> glib::value::FromValue<'a>,
{
    let array = structure.get::<gst::ArrayRef<'_>>(field).unwrap();
    array.iter().map(|value| value.get::<T>().unwrap()).collect()
}

/// Every `GstCatdogMeta` of `buffer`, in the order in which they were attached.
pub fn metas(buffer: &gst::BufferRef) -> Vec<Meta> {
    buffer
        .iter_meta::<gst::Meta>()
        .filter_map(|meta| {
            let meta = meta.try_as_custom_meta().filter(|meta| meta.has_name("GstCatdogMeta"))?;
            Some(Meta::of(meta.structure()))
        })
        .collect()
}

/// The one `GstCatdogMeta` of `buffer`.
#[track_caller]
pub fn meta(buffer: &gst::BufferRef) -> Meta {
    let mut all = metas(buffer);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

// Processes

/// Resident memory of this process in KiB, and its threads.
pub fn footprint() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (number("VmRSS:"), number("Threads:"))
}

/// This test program again, running only `test` (its full name), which finds `job` in
/// `CATDOG_TEST_JOB`.
pub fn child(test: &str, job: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("CATDOG_TEST_JOB", job);
    command
}

/// The job that this process was started for by [`child`].
pub fn job() -> Option<String> {
    std::env::var("CATDOG_TEST_JOB").ok()
}
