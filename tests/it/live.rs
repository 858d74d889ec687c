//! Inference on a worker thread, with a fake engine of known timing: no frame waits and none is
//! lost. A stop, a flush or the end of the stream does not hang, and the results of frames before a
//! flush are discarded.

use std::time::{Duration, Instant};

use catdog_core::testing::FakeEngine;
use gst::prelude::*;

use crate::common::*;

/// Properties that give each frame its own label and post every result.
const EVERY_RESULT: &str = "post-messages=every smoothing=0 hold=0";

/// Returns a playing pipeline on `engine`, for use with [`classify`]. `name` must be unique in this
/// program, because `engine` replaces the model file of this name.
fn play(name: &str, engine: FakeEngine, properties: &str) -> Pipeline {
    engine.stand_in_for(name);
    play_filter(&format!("model-file={name} {EVERY_RESULT} {properties}"))
}

/// Returns an engine that takes some milliseconds per inference.
fn slow_engine(milliseconds: u64) -> FakeEngine {
    let mut engine = FakeEngine::new(4, 4);
    engine.delay = Duration::from_millis(milliseconds);
    engine
}

/// Classifies frames of `color`, beginning with number `from`, until one has a result of frame
/// `oldest` or of a later one. Returns its number and metadata.
fn classify_until_result_of(
    pipeline: &Pipeline,
    oldest: u64,
    from: u64,
    color: [u8; 3],
) -> (u64, Meta) {
    let start = Instant::now();
    for index in from.. {
        let meta = classify(pipeline, index, color);
        if meta.inference_pts.is_some_and(|pts| pts >= (FRAME * oldest).nseconds()) {
            return (index, meta);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no result arrived");
        std::thread::sleep(Duration::from_millis(2));
    }
    unreachable!()
}

// Frames and results

#[test]
fn frames_pass_at_once_with_the_latest_result() {
    let pipeline = play("live-at-once", slow_engine(1000), "mode=async");
    let start = Instant::now();
    let first = classify(&pipeline, 0, GREEN);
    assert_eq!((&*first.label, first.fresh, first.inference_pts), ("unknown", false, None));
    for index in 1..10 {
        classify(&pipeline, index, GREEN);
    }
    assert!(start.elapsed() < Duration::from_millis(800), "{:?}", start.elapsed());
    let (index, held) = classify_until_result_of(&pipeline, 0, 10, BLUE);
    let inferred = held.inference_pts.unwrap();
    // The worker may begin late. The first ten frames are green.
    let label = if inferred < (FRAME * 10).nseconds() { "green" } else { "blue" };
    assert_eq!((&*held.label, held.fresh), (label, false));
    assert_eq!(held.age, Some((FRAME * index).nseconds() - inferred));
    let (_, blue) = classify_until_result_of(&pipeline, index + 1, index + 1, BLUE);
    assert_eq!(&*blue.label, "blue");
}

#[test]
fn every_frame_is_counted_as_inferred_or_skipped() {
    let pipeline = play("live-counters", slow_engine(20), "mode=async");
    for index in 0..50 {
        classify(&pipeline, index, GREEN);
        std::thread::sleep(Duration::from_millis(1));
    }
    end(&pipeline);
    pipeline.wait_for_eos();
    assert_eq!(stat(&pipeline, "frames"), 50);
    assert!(stat(&pipeline, "inferences") >= 3);
    assert_eq!(stat(&pipeline, "inferences") + stat(&pipeline, "skipped"), 50);
}

#[test]
fn two_results_between_two_frames_are_both_posted() {
    let pipeline = play("live-two-results", slow_engine(300), "mode=async");
    classify(&pipeline, 0, BLUE);
    // The worker infers the first frame while the second is pending.
    std::thread::sleep(Duration::from_millis(150));
    classify(&pipeline, 1, GREEN);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(&*classify(&pipeline, 2, BLUE).label, "green");
    end(&pipeline);
    let posted = results(&pipeline.wait_for_eos(), "filter");
    let posted: Vec<(String, u64, bool)> = posted
        .iter()
        .map(|result| {
            let inferred = result.get::<u64>("inference-pts").unwrap() / FRAME.nseconds();
            (result.get("label").unwrap(), inferred, result.get("fresh").unwrap())
        })
        .collect();
    // No frame follows the last result, so it is posted as the result of its own frame.
    let expected = [("blue", 0, false), ("green", 1, false), ("blue", 2, true)];
    assert_eq!(posted, expected.map(|(label, frame, fresh)| (label.to_owned(), frame, fresh)));
}

#[test]
fn with_mode_sync_every_frame_waits_for_its_result() {
    let pipeline = play("live-sync", slow_engine(60), "mode=sync");
    for index in 0..5 {
        let color = if index % 2 == 0 { BLUE } else { GREEN };
        let meta = classify(&pipeline, index, color);
        let label = if index % 2 == 0 { "blue" } else { "green" };
        assert_eq!((&*meta.label, meta.fresh, meta.age), (label, true, Some(0)));
    }
    assert_eq!((stat(&pipeline, "inferences"), stat(&pipeline, "skipped")), (5, 0));
}

#[test]
fn mode_auto_waits_for_results_unless_the_source_is_live() {
    for (name, live, fresh) in [("live-auto-live", true, false), ("live-auto-file", false, true)] {
        slow_engine(1).stand_in_for(name);
        let pipeline = launch(&format!(
            "videotestsrc is-live={live} num-buffers=10 pattern=blue \
             ! video/x-raw,format=RGB,width=16,height=16,framerate=100/1 \
             ! catdogfilter model-file={name} ! fakesink name=sink"
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        pipeline.run();
        let seen = taken(&seen);
        assert_eq!(seen.len(), 10);
        assert!(seen.iter().all(|meta| meta.fresh == fresh), "{name}");
        assert_eq!(&*seen[9].label, "blue", "{name}");
    }
}

#[test]
fn mode_takes_effect_with_the_next_frame() {
    let pipeline = play("live-mode", slow_engine(2), "mode=sync");
    for index in 0..60 {
        let mode = if index / 10 % 2 == 0 { "sync" } else { "async" };
        pipeline.get("filter").set_property_from_str("mode", mode);
        let meta = classify(&pipeline, index, BLUE);
        assert_eq!(meta.fresh, mode == "sync", "{index}");
        assert_eq!(&*meta.label, "blue");
    }
}

#[test]
fn max_inference_rate_limits_the_inferences() {
    // The frames come at 25 frames/s.
    for (rate, inferences) in [("25", 50), ("10", 20), ("12.5", 25), ("2", 4), ("0", 50)] {
        let properties = format!("mode=sync max-inference-rate={rate}");
        let pipeline = play("live-rate", slow_engine(0), &properties);
        (0..50).for_each(|index| drop(classify(&pipeline, index, BLUE)));
        assert_eq!(stat(&pipeline, "inferences"), inferences, "{rate}");
        // A frame that is not due does not count as skipped.
        assert_eq!(stat(&pipeline, "skipped"), 0);
    }
}

#[test]
fn max_inference_rate_limits_the_inferences_in_reverse_playback() {
    let pipeline = play("live-reverse-rate", slow_engine(0), "mode=sync max-inference-rate=10");
    (0..50).rev().for_each(|index| drop(classify(&pipeline, index, BLUE)));
    assert_eq!(stat(&pipeline, "inferences"), 20);
}

/// Changes the caps of a live stream after its first result. With `mode=async`, the frames until
/// the next result carry the result from before the change.
#[test]
fn a_caps_change_keeps_the_label_and_posts_no_message() {
    let engine = slow_engine(20);
    engine.stand_in_for("live-caps");
    let pipeline = launch(&format!(
        "{} is-live=true ! catdogfilter name=filter model-file=live-caps mode=async \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let (index, before) = classify_until_result_of(&pipeline, 0, 0, BLUE);
    assert_eq!(&*before.label, "blue");
    let posted = labels_of(&results(&pipeline.messages(), "filter"));
    assert_eq!(posted, ["unknown", "blue"]);
    let mut index = index + 1;
    for (format, width, height) in [("RGB", 32, 24), ("BGRx", 32, 24), ("RGB", 16, 16)] {
        pipeline.get("src").set_property("caps", caps(format, width, height));
        let parsed = format.parse().unwrap();
        let first_of_caps = index;
        loop {
            let bytes = packed(parsed, width, height, |_, _| BLUE);
            let meta = meta(&through(&pipeline, frame(index, bytes)));
            assert_eq!(&*meta.label, "blue", "frame {index}, {format} {width}x{height}");
            index += 1;
            if meta.inference_pts >= Some((FRAME * first_of_caps).nseconds()) {
                break;
            }
            assert!(index < first_of_caps + 5000, "no frame of the new caps was inferred");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    end(&pipeline);
    let messages = pipeline.wait_for_eos();
    assert_eq!(labels_of(&results(&messages, "filter")), [""; 0]);
    assert_eq!(warnings(&messages), []);
}

// Latency

#[test]
fn the_latency_is_the_time_that_a_frame_waits() {
    for (name, mode, live, expected) in [
        ("live-latency-sync", "sync", true, 60..120),
        ("live-latency-async", "async", true, 0..1),
        ("live-latency-auto", "auto", true, 0..1),
        ("live-latency-file", "auto", false, 60..120),
    ] {
        slow_engine(60).stand_in_for(name);
        let pipeline = launch(&format!(
            "videotestsrc is-live={live} num-buffers=60 \
             ! video/x-raw,format=RGB,width=16,height=16,framerate=10/1 \
             ! catdogfilter name=filter model-file={name} mode={mode} ! fakesink sync=false"
        ));
        pipeline.begin(gst::State::Playing);
        wait_until("frames and latency", || {
            stat(&pipeline, "frames") >= 3 && own_latency(&pipeline).is_some()
        });
        let latency = own_latency(&pipeline).unwrap();
        assert!(expected.contains(&latency.mseconds()), "{name}: {latency}");
    }
}

/// Takes all LATENCY messages of the element from the bus and returns their number.
fn latency_messages(pipeline: &Pipeline) -> usize {
    let from_filter = |message: &gst::Message| {
        message.type_() == gst::MessageType::Latency && source_of(message) == "filter"
    };
    pipeline.messages().iter().filter(|message| from_filter(message)).count()
}

#[test]
fn a_changed_latency_of_a_live_stream_is_announced() {
    slow_engine(2).stand_in_for("live-fast");
    let pipeline = launch(&format!(
        "{} is-live=true ! catdogfilter name=filter model-file=live-fast {EVERY_RESULT} mode=sync \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let latency = || own_latency(&pipeline).unwrap().mseconds();
    (0..40).for_each(|index| drop(classify(&pipeline, index, BLUE)));
    assert!(latency() < 30, "{}", latency());
    latency_messages(&pipeline);
    slow_engine(60).stand_in_for("live-slower");
    pipeline.get("filter").set_property("model-file", "live-slower");
    let start = Instant::now();
    let index = (40..).find(|index| {
        classify(&pipeline, *index, BLUE);
        assert!(start.elapsed() < Duration::from_secs(20), "the latency stays {} ms", latency());
        latency() >= 60
    });
    assert!(latency_messages(&pipeline) >= 1);
    pipeline.get("filter").set_property_from_str("mode", "async");
    classify(&pipeline, index.unwrap() + 1, BLUE);
    assert!(latency_messages(&pipeline) >= 1 && latency() == 0, "{}", latency());
}

#[test]
fn a_changed_latency_of_a_stream_that_is_not_live_is_not_announced() {
    let pipeline = play("live-file-fast", slow_engine(2), "mode=sync");
    (0..40).for_each(|index| drop(classify(&pipeline, index, BLUE)));
    slow_engine(30).stand_in_for("live-file-slower");
    pipeline.get("filter").set_property("model-file", "live-file-slower");
    (40..100).for_each(|index| drop(classify(&pipeline, index, BLUE)));
    assert_eq!(latency_messages(&pipeline), 0);
}

// Stop, flush and end of the stream

#[test]
fn the_end_of_the_stream_waits_for_the_last_result() {
    let pipeline = play("live-end", slow_engine(150), "mode=async");
    assert_eq!(&*classify(&pipeline, 0, BLUE).label, "unknown");
    end(&pipeline);
    assert_eq!(labels_of(&results(&pipeline.wait_for_eos(), "filter")), ["blue"]);
    assert_eq!(last_label(&pipeline).as_deref(), Some("blue"));
}

#[test]
fn a_stop_does_not_wait_for_a_slow_engine() {
    for (name, mode, at_end_of_stream) in [
        ("live-stop-async", "async", false),
        ("live-stop-at-end", "async", true),
        ("live-stop-sync", "sync", false),
    ] {
        let pipeline = play(name, slow_engine(3000), &format!("mode={mode}"));
        assert_eq!(push(&pipeline, &frame(0, rgb(16, 16, BLUE))), gst::FlowReturn::Ok);
        if at_end_of_stream {
            end(&pipeline);
        }
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        pipeline.begin(gst::State::Null);
        // The stop takes 50 to 60 ms, and longer on a loaded machine.
        assert!(start.elapsed() < Duration::from_millis(1000), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn a_stop_during_an_inference_discards_its_result() {
    let pipeline = play("live-interrupted", slow_engine(2000), "mode=sync");
    assert_eq!(push(&pipeline, &frame(0, rgb(16, 16, BLUE))), gst::FlowReturn::Ok);
    std::thread::sleep(Duration::from_millis(100));
    pipeline.begin(gst::State::Null);
    assert_eq!(last_label(&pipeline), None);
}

#[test]
fn a_flush_discards_the_results_of_frames_before_it() {
    let pipeline = play("live-flush", slow_engine(60), "mode=async");
    classify(&pipeline, 0, BLUE);
    let sink = pipeline.pad("filter", "sink");
    sink.send_event(gst::event::FlushStart::new());
    sink.send_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    sink.send_event(gst::event::Segment::new(&segment));
    for index in 100..120 {
        let meta = classify(&pipeline, index, GREEN);
        assert_ne!(&*meta.label, "blue");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(&*classify_until_result_of(&pipeline, 100, 100, GREEN).1.label, "green");
}

// Failing engines

/// Waits for the error of the element, and asserts that it contains `part` and that no other error
/// follows.
#[track_caller]
fn assert_one_error(pipeline: &Pipeline, part: &str) {
    let (_, error) = pipeline.wait();
    let error = error.unwrap_or_else(|| panic!("no error, expected: {part}"));
    assert!(error.contains(part), "{part} is not in: {error}");
    // The end of the stream follows and must not post another error.
    std::thread::sleep(Duration::from_millis(50));
    let mut later = pipeline.errors();
    later.retain(|(source, _)| source == "filter");
    assert_eq!(later, []);
}

/// Plays an endless stream on `engine` in both modes, and asserts that it ends with one error that
/// contains `part`.
#[track_caller]
fn assert_one_error_in_both_modes(name: &str, engine: &FakeEngine, part: &str) {
    engine.clone().stand_in_for(name);
    for mode in ["sync", "async"] {
        let pipeline = launch(&format!(
            "videotestsrc ! video/x-raw,format=RGB,width=16,height=16 \
             ! catdogfilter name=filter model-file={name} mode={mode} ! fakesink"
        ));
        pipeline.begin(gst::State::Playing);
        assert_one_error(&pipeline, part);
    }
}

#[test]
fn a_failing_inference_is_one_error() {
    let mut engine = slow_engine(5);
    engine.fail_from = Some(1);
    assert_one_error_in_both_modes("live-fails", &engine, "inference failed");
}

#[test]
fn a_panicking_inference_is_one_error() {
    let mut engine = slow_engine(5);
    engine.panic_at = Some(1);
    assert_one_error_in_both_modes("live-panics", &engine, "inference panicked");
}

#[test]
fn an_inference_that_fails_at_the_end_of_the_stream_is_one_error() {
    let mut engine = slow_engine(50);
    engine.fail_from = Some(0);
    let pipeline = play("live-fails-at-end", engine, "mode=async");
    classify(&pipeline, 0, BLUE);
    end(&pipeline);
    assert_one_error(&pipeline, "inference failed");
}

#[test]
fn with_error_policy_passthrough_a_failing_inference_is_one_warning() {
    for (name, mode) in [("live-passthrough-sync", "sync"), ("live-passthrough-async", "async")] {
        let mut engine = slow_engine(1);
        engine.fail_from = Some(1);
        let pipeline = play(name, engine, &format!("mode={mode} error-policy=passthrough"));
        let mut last = None;
        for index in 0..40 {
            last = Some(classify(&pipeline, index, BLUE));
            std::thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(&*last.unwrap().label, "blue", "{mode}");
        let warnings = pipeline.warnings();
        assert_eq!(warnings.len(), 1, "{mode}: {warnings:?}");
        assert!(warnings[0].1.contains("frames continue"), "{warnings:?}");
    }
}
