//! After the first frames, classifying a frame allocates nothing in Rust: neither preprocessing, nor
//! decision, nor calls into the runtime. The `malloc` of the runtime itself is not counted; LiteRT plans
//! its memory when it loads a model.
//!
//! A program of its own, because it replaces the allocator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/common/mod.rs"]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

use catdog_core::classifier::{Classifier, Config, Execution, RuntimeConfig};
use catdog_core::decision::Rules;
use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane, Region};
use catdog_core::preprocess::ResizeMethod;
use common::*;
use gst::prelude::*;

thread_local! {
    /// Number of allocations and reallocations of this thread.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator, with a count per thread.
struct Counting;

// SAFETY: every method passes its arguments to the system allocator and returns its result, so the
// contract of `GlobalAlloc` is that of `System`. The counter is a thread-local integer without a
// destructor and with a constant initial value, so that its access allocates nothing; `try_with` returns
// an error instead of panicking.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller upholds the contract of `alloc`, which is that of `System.alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` was allocated by `System` with `layout`: `alloc` and `realloc` return nothing else.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as in `dealloc`; the caller upholds the contract of `realloc` for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the number of allocations of this thread.
fn count() -> u64 {
    COUNT.with(Cell::get)
}

/// Loads the model `name`, which infers every `interval`-th frame.
fn classifier(name: &str, resize_method: ResizeMethod, interval: u64) -> Classifier {
    runtime();
    let config = Config { resize: resize_method.into(), ..Config::of_file(&model(name)) };
    let runtime_config = RuntimeConfig {
        rules: Rules {
            threshold: 0.7,
            margin: 0.1,
            smoothing: Duration::from_millis(250),
            hold: Duration::from_millis(200),
            max_results: 5,
        },
        inference_interval: interval,
        min_period: None,
        result_timeout: Some(Duration::from_millis(100)),
        region: Region::WHOLE,
        second_look: true,
    };
    Classifier::load(&config, runtime_config).unwrap()
}

/// Returns the number of allocations of this thread in `frames` frames of `spec` after the warm-up. One
/// frame in `interval` is inferred.
fn allocations(
    name: &str,
    spec: &FrameSpec,
    resize_method: ResizeMethod,
    execution: Execution,
    interval: u64,
    frames: u64,
) -> u64 {
    let mut classifier = classifier(name, resize_method, interval);
    classifier.set_frame_spec(spec).unwrap();
    classifier.set_execution(execution);
    let format = spec.format;
    let memory: Vec<Vec<u8>> = (0..format.n_planes())
        .map(|plane| {
            let layout = format.plane_layout(plane, spec.width, spec.height);
            noise(layout.row_bytes * layout.rows, plane as u64)
        })
        .collect();
    let planes: Vec<Plane<'_>> = memory
        .iter()
        .enumerate()
        .map(|(plane, data)| {
            let stride = format.plane_layout(plane, spec.width, spec.height).row_bytes;
            Plane { data, stride }
        })
        .collect();
    let mut frame = |index: u64| {
        let pts = Some(Duration::from_millis(40 * index));
        let time = classifier.begin_frame(pts);
        while classifier.collect().unwrap() {}
        if classifier.is_due(time) {
            let view = FrameView::new(spec, &planes).unwrap();
            classifier.infer(&view, time).unwrap();
        } else {
            classifier.skip(time);
        }
        if index == 0 {
            // Worker inferences of later frames may or may not end before the next frame.
            assert!(classifier.wait(Duration::from_secs(10)));
            while classifier.collect().unwrap() {}
            assert!(!classifier.classification(pts).ranked.is_empty());
        }
        // A worker result may be older than `result_timeout`, so the classification may be empty.
        std::hint::black_box(classifier.classification(pts));
    };
    (0..4).for_each(&mut frame);
    let before = count();
    (4..4 + frames).for_each(&mut frame);
    count() - before
}

/// Serializes the tests: a thread that waits for an engine that another test uses allocates an entry of a
/// queue.
static SERIAL: Mutex<()> = Mutex::new(());

#[test]
fn classifying_a_frame_allocates_nothing() {
    let _serial = SERIAL.lock();
    // The counter works.
    let before = count();
    drop(std::hint::black_box(vec![0_u8; 100]));
    assert_eq!(count(), before + 1);

    let full_hd = FrameSpec::new(PixelFormat::I420, 1920, 1080);
    for mode in [Execution::Inline, Execution::Worker] {
        let allocations = allocations(MODEL, &full_hd, ResizeMethod::Stretch, mode, 1, 200);
        assert_eq!(allocations, 0, "{mode:?}");
    }

    for (name, format, method) in [
        ("int8_quant.tflite", PixelFormat::I420, ResizeMethod::Crop),
        ("float_softmax.tflite", PixelFormat::I420, ResizeMethod::Letterbox),
        ("large_1001.tflite", PixelFormat::Nv12, ResizeMethod::Stretch),
        ("uint8_quant.tflite", PixelFormat::Yuy2, ResizeMethod::Stretch),
        ("non_square.tflite", PixelFormat::Bgrx, ResizeMethod::Stretch),
        ("evidence/places.tflite", PixelFormat::I420, ResizeMethod::Letterbox),
    ] {
        let spec = FrameSpec::new(format, 160, 120);
        for mode in [Execution::Inline, Execution::Worker] {
            let allocations = allocations(name, &spec, method, mode, 2, 50);
            assert_eq!(allocations, 0, "{name}, {format:?}, {method:?}, {mode:?}");
        }
    }
}

#[test]
fn closer_looks_at_the_same_parts_allocate_nothing() {
    let _serial = SERIAL.lock();
    // A large thing in a pale red, which the second look rejects, and a small one in red.
    let mut pixels = vec![0; 32 * 32 * 3];
    for (start, side, red) in [(0, 8, 56), (20, 4, 220)] {
        for y in start..start + side {
            for x in start..start + side {
                pixels[(y * 32 + x) * 3] = red;
            }
        }
    }
    let spec = FrameSpec::new(PixelFormat::Rgb, 32, 32);
    for mode in [Execution::Inline, Execution::Worker] {
        let mut classifier = classifier("evidence/places.tflite", ResizeMethod::Stretch, 1);
        classifier.set_frame_spec(&spec).unwrap();
        classifier.set_execution(mode);
        let mut frame = |index: u64| {
            let time = classifier.begin_frame(Some(Duration::from_millis(40 * index)));
            let view = FrameView::new(&spec, &[Plane { data: &pixels, stride: 96 }]).unwrap();
            classifier.infer(&view, time).unwrap();
            assert!(classifier.wait(Duration::from_secs(10)));
            while classifier.collect().unwrap() {}
        };
        (0..4).for_each(&mut frame);
        let before = count();
        (4..24).for_each(&mut frame);
        assert_eq!(count() - before, 0, "{mode:?}");
        // Red is accepted only with the third look.
        assert!(classifier.counters().second_looks >= 20);
        assert_eq!(classifier.classification(None).accepted.map(|class| class.class), Some(0));
    }
}

/// The bindings copy the name of the metadata, one allocation per frame. GStreamer allocates its
/// containers in C.
#[test]
fn the_element_allocates_once_per_frame_for_its_metadata() {
    const FRAMES: u64 = 100;
    /// The element searches for overlays every 48 frames.
    const SEARCHES: u64 = FRAMES / 48 + 1;
    let _serial = SERIAL.lock();
    init();
    // No class of MODEL is accepted in noise. Blue is a class of the other model.
    let (luma, quarter) = (1920 * 1080, 1920 * 1080 / 4);
    let blue = [vec![32; luma], vec![240; quarter], vec![118; quarter]].concat();
    let noise = noise(luma + 2 * quarter, 1);
    let with_evidence = "evidence/places.tflite";
    // The relation metadata of an accepted class takes two lists, of confidences and of names.
    let accepted = if cfg!(feature = "analytics") { 3 } else { 1 };
    for (name, properties, each) in [
        (MODEL, &[("mode", "sync")][..], 1),
        (MODEL, &[("mode", "async")], 1),
        (MODEL, &[("region", "0.1,0.1,0.5,0.5"), ("draw-region", "true")], 1),
        (MODEL, &[("active", "false")], 0),
        (with_evidence, &[("mode", "sync"), ("draw-box", "true")], accepted),
        (with_evidence, &[("mode", "async")], accepted),
    ] {
        let element = gst::ElementFactory::make("catdogfilter")
            .property("model-file", model(name).to_str().unwrap())
            .property_from_str("post-messages", "none")
            .build()
            .unwrap();
        for (name, value) in properties {
            element.set_property_from_str(name, value);
        }
        let mut harness = gst_check::Harness::with_element(&element, Some("sink"), Some("src"));
        // On a busy machine, a live stream gets LATENCY messages, which allocate.
        harness.set_live(false);
        harness.set_src_caps(caps("I420", 1920, 1080));
        harness.play();
        let pixels = if name == with_evidence { &blue } else { &noise };
        let picture = frame(0, pixels.clone());
        let mut push = || {
            harness.push(picture.copy()).unwrap();
            harness.pull().unwrap()
        };
        (0..FRAMES).for_each(|_| drop(push()));
        let before = count();
        (1..FRAMES).for_each(|_| drop(push()));
        let last = push();
        let allocations = count() - before;
        say(&format!("{properties:?}: {allocations} allocations in {FRAMES} frames"));
        assert!(allocations <= each * FRAMES + SEARCHES, "{properties:?}: {allocations}");
        let has_box = |metadata: &gst::StructureRef| metadata.has_field("box");
        let has_box = gstcatdog::metadata::find(&last, None, has_box);
        assert_eq!(has_box == Some(true), name == with_evidence, "{properties:?}");
    }
}
