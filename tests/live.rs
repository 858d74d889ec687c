//! Inference beside the stream, by a fake engine of known timing: no frame waits, none is lost, and
//! whatever is stopped, flushed or drained neither hangs nor tells of what is over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use catdog_core::testing::FakeEngine;
use common::*;
use gst::prelude::*;

/// The pipeline `appsrc ! catdogfilter ! appsink` on `engine`, playing, for frames of 16x16 pixels.
fn fed(name: &str, engine: FakeEngine, properties: &str) -> Pipeline {
    fed_by("", name, engine, properties)
}

/// As [`fed`], with `source` as further properties of the `appsrc`.
fn fed_by(source: &str, name: &str, engine: FakeEngine, properties: &str) -> Pipeline {
    let pipeline = launch(&format!(
        "{} {source} ! catdogfilter name=filter model-file={name} post-messages=every smoothing=0 hold=0 {properties} \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    engine.stand_in_for(name);
    pipeline.begin(gst::State::Playing);
    pipeline
}

fn slow(milliseconds: u64) -> FakeEngine {
    let mut engine = FakeEngine::new(4, 4);
    engine.delay = Duration::from_millis(milliseconds);
    engine
}

fn see(pipeline: &Pipeline, index: u64, color: [u8; 3]) -> Meta {
    meta(&through(pipeline, frame(index, rgb(16, 16, color))))
}

/// Feeds frame `from` and those after it, of `color`, until one carries a result of frame `oldest`
/// or later.
fn see_result_of(pipeline: &Pipeline, oldest: u64, from: u64, color: [u8; 3]) -> (u64, Meta) {
    let start = Instant::now();
    for index in from.. {
        let meta = see(pipeline, index, color);
        if meta.inference_pts.is_some_and(|pts| pts >= (FRAME * oldest).nseconds()) {
            return (index, meta);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no result came");
        std::thread::sleep(Duration::from_millis(2));
    }
    unreachable!()
}

fn stat(pipeline: &Pipeline, name: &str) -> u64 {
    pipeline.get("filter").property::<gst::Structure>("stats").get(name).unwrap()
}

#[test]
fn frames_go_on_at_once_with_the_latest_result() {
    let pipeline = fed("at-once", slow(1000), "mode=async");
    let start = Instant::now();
    let first = see(&pipeline, 0, GREEN);
    assert_eq!((&*first.label, first.fresh, first.inference_pts), ("unknown", false, None));
    for index in 1..10 {
        see(&pipeline, index, GREEN);
    }
    assert!(start.elapsed() < Duration::from_millis(800), "{:?}", start.elapsed());
    let (index, held) = see_result_of(&pipeline, 0, 10, BLUE);
    let inferred = held.inference_pts.unwrap();
    // The worker may begin late; ten green frames came first.
    let label = if inferred < (FRAME * 10).nseconds() { "green" } else { "blue" };
    assert_eq!((&*held.label, held.fresh), (label, false));
    assert_eq!(held.age, Some((FRAME * index).nseconds() - inferred));
    let (_, blue) = see_result_of(&pipeline, index + 1, index + 1, BLUE);
    assert_eq!(&*blue.label, "blue");
}

#[test]
fn every_frame_is_seen_inferred_skipped_or_at_hand() {
    let pipeline = fed("counted", slow(20), "mode=async");
    for index in 0..50 {
        see(&pipeline, index, GREEN);
        std::thread::sleep(Duration::from_millis(1));
    }
    end(&pipeline);
    pipeline.wait_for_eos();
    assert_eq!(stat(&pipeline, "frames"), 50);
    assert!(stat(&pipeline, "inferences") >= 3);
    assert_eq!(stat(&pipeline, "inferences") + stat(&pipeline, "skipped"), 50);
}

#[test]
fn every_result_is_told_also_two_between_frames() {
    let pipeline = fed("told", slow(300), "mode=async");
    see(&pipeline, 0, BLUE);
    // The worker begins with the first, the second waits for it.
    std::thread::sleep(Duration::from_millis(150));
    see(&pipeline, 1, GREEN);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(&*see(&pipeline, 2, BLUE).label, "green");
    end(&pipeline);
    let told = results(&pipeline.wait_for_eos(), "filter");
    let told: Vec<(String, u64, bool)> = told
        .iter()
        .map(|result| {
            let inferred = result.get::<u64>("inference-pts").unwrap() / FRAME.nseconds();
            (result.get("label").unwrap(), inferred, result.get("fresh").unwrap())
        })
        .collect();
    // The last one is not carried by any frame, so it is told as that of its own.
    let want = [("blue", 0, false), ("green", 1, false), ("blue", 2, true)];
    assert_eq!(told, want.map(|(label, frame, fresh)| (label.to_owned(), frame, fresh)));
}

#[test]
fn the_end_of_the_stream_waits_for_the_last_result() {
    let pipeline = fed("drained", slow(150), "mode=async");
    assert_eq!(&*see(&pipeline, 0, BLUE).label, "unknown");
    end(&pipeline);
    let results = results(&pipeline.wait_for_eos(), "filter");
    let labels: Vec<String> = results.iter().map(|result| result.get("label").unwrap()).collect();
    assert_eq!(labels, ["blue"]);
    assert_eq!(pipeline.get("filter").property::<Option<String>>("last-label").unwrap(), "blue");
}

#[test]
fn a_stop_does_not_wait_for_a_slow_engine() {
    for (name, mode, drains) in [
        ("stopped", "async", false),
        ("stopped-draining", "async", true),
        ("stopped-waiting", "sync", false),
    ] {
        let pipeline = fed(name, slow(3000), &format!("mode={mode}"));
        assert_eq!(push(&pipeline, &frame(0, rgb(16, 16, BLUE))), gst::FlowReturn::Ok);
        if drains {
            end(&pipeline);
        }
        std::thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        pipeline.0.set_state(gst::State::Null).unwrap();
        // It takes 50 to 60 ms; loaded machines take longer.
        assert!(start.elapsed() < Duration::from_millis(1000), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn a_slow_engine_is_waited_for_where_that_is_wanted() {
    let pipeline = fed("waited-for", slow(60), "mode=sync");
    for index in 0..5 {
        let color = if index % 2 == 0 { BLUE } else { GREEN };
        let meta = see(&pipeline, index, color);
        let label = if index % 2 == 0 { "blue" } else { "green" };
        assert_eq!((&*meta.label, meta.fresh, meta.age), (label, true, Some(0)));
    }
    assert_eq!((stat(&pipeline, "inferences"), stat(&pipeline, "skipped")), (5, 0));
}

#[test]
fn the_latency_is_what_a_frame_waits() {
    for (name, mode, live, wanted) in [
        ("latency-sync", "sync", true, 60..120),
        ("latency-async", "async", true, 0..1),
        ("latency-auto", "auto", true, 0..1),
        ("latency-file", "auto", false, 60..120),
    ] {
        let pipeline = launch(&format!(
            "videotestsrc is-live={live} num-buffers=60 \
             ! video/x-raw,format=RGB,width=16,height=16,framerate=10/1 \
             ! catdogfilter name=filter model-file={name} mode={mode} ! fakesink sync=false"
        ));
        slow(60).stand_in_for(name);
        pipeline.begin(gst::State::Playing);
        let mut query = gst::query::Latency::new();
        let answered = |query: &mut gst::query::Latency| pipeline.pad("filter", "src").query(query);
        let start = Instant::now();
        while stat(&pipeline, "frames") < 3 || !answered(&mut query) {
            assert!(start.elapsed() < Duration::from_secs(10), "no answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut source = gst::query::Latency::new();
        assert!(pipeline.pad("filter", "sink").peer_query(&mut source));
        let own = query.result().1 - source.result().1;
        assert!(wanted.contains(&own.mseconds()), "{name}: {own}");
    }
}

#[test]
fn a_changed_latency_of_a_live_stream_is_announced() {
    let pipeline = fed_by("is-live=true", "quick", slow(2), "mode=sync");
    let own = || {
        let mut query = gst::query::Latency::new();
        assert!(pipeline.pad("filter", "src").query(&mut query));
        query.result().1.mseconds()
    };
    let told = || {
        let latency = [gst::MessageType::Latency];
        std::iter::from_fn(|| pipeline.bus().pop_filtered(&latency))
            .filter(|message| source_of(message) == "filter")
            .count()
    };
    (0..40).for_each(|index| drop(see(&pipeline, index, BLUE)));
    assert!(own() < 30, "{}", own());
    told();
    slow(60).stand_in_for("slower");
    pipeline.get("filter").set_property("model-file", "slower");
    let start = Instant::now();
    let index = (40..).find(|index| {
        see(&pipeline, *index, BLUE);
        assert!(start.elapsed() < Duration::from_secs(20), "nothing was told");
        own() >= 60
    });
    assert!(told() >= 1);
    pipeline.get("filter").set_property_from_str("mode", "async");
    see(&pipeline, index.unwrap() + 1, BLUE);
    assert!(told() >= 1 && own() == 0, "{}", own());
}

#[test]
fn a_stream_that_is_not_live_announces_no_latency() {
    let pipeline = fed("quick-file", slow(2), "mode=sync");
    (0..40).for_each(|index| drop(see(&pipeline, index, BLUE)));
    slow(30).stand_in_for("slower-file");
    pipeline.get("filter").set_property("model-file", "slower-file");
    (40..100).for_each(|index| drop(see(&pipeline, index, BLUE)));
    let of_filter =
        std::iter::from_fn(|| pipeline.bus().pop_filtered(&[gst::MessageType::Latency]))
            .filter(|message| source_of(message) == "filter")
            .count();
    assert_eq!(of_filter, 0);
}

#[test]
fn after_a_flush_nothing_of_before_is_heard_of() {
    let pipeline = fed("flushed", slow(60), "mode=async");
    see(&pipeline, 0, BLUE);
    let sink = pipeline.pad("filter", "sink");
    sink.send_event(gst::event::FlushStart::new());
    sink.send_event(gst::event::FlushStop::new(true));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    sink.send_event(gst::event::Segment::new(&segment));
    for index in 100..120 {
        let meta = see(&pipeline, index, GREEN);
        assert_ne!(&*meta.label, "blue");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(&*see_result_of(&pipeline, 100, 100, GREEN).1.label, "green");
}

#[test]
fn auto_is_async_where_the_source_is_live_and_sync_elsewhere() {
    for (name, live, fresh) in [("auto-live", true, false), ("auto-file", false, true)] {
        let pipeline = launch(&format!(
            "videotestsrc is-live={live} num-buffers=10 pattern=blue \
             ! video/x-raw,format=RGB,width=16,height=16,framerate=100/1 \
             ! catdogfilter model-file={name} ! fakesink name=sink"
        ));
        slow(1).stand_in_for(name);
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        pipeline.run();
        let seen = taken(&seen);
        assert_eq!(seen.len(), 10);
        assert!(seen.iter().all(|meta| meta.fresh == fresh), "{name}");
        assert_eq!(&*seen[9].label, "blue", "{name}");
    }
}

#[test]
fn a_failing_engine_is_one_error_and_no_hang() {
    for (name, fails, panics) in [("fails", Some(1), None), ("panics", None, Some(1))] {
        for mode in ["sync", "async"] {
            let mut engine = slow(5);
            (engine.fail_from, engine.panic_at) = (fails, panics);
            let pipeline = launch(&format!(
                "videotestsrc num-buffers=100 ! video/x-raw,format=RGB,width=16,height=16 \
                 ! catdogfilter model-file={name} mode={mode} ! fakesink"
            ));
            engine.stand_in_for(name);
            pipeline.begin(gst::State::Playing);
            let (_, error) = pipeline.wait();
            let error = error.expect("an error");
            assert!(error.contains("inference"), "{name} {mode}: {error}");
            // The end of the stream comes after it, and finds nothing to add.
            std::thread::sleep(Duration::from_millis(50));
            let more = pipeline.errors();
            let more: Vec<_> =
                more.iter().filter(|(source, _)| source.contains("catdog")).collect();
            assert!(more.is_empty(), "{name} {mode}: {more:?}");
        }
    }
}

#[test]
fn a_failing_engine_need_not_stop_the_stream() {
    for mode in ["sync", "async"] {
        let mut engine = slow(1);
        engine.fail_from = Some(1);
        let pipeline = fed(
            &format!("forgiven-{mode}"),
            engine,
            &format!("mode={mode} error-policy=passthrough"),
        );
        let mut last = None;
        for index in 0..40 {
            last = Some(see(&pipeline, index, BLUE));
            std::thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(&*last.unwrap().label, "blue", "{mode}");
        let warnings = pipeline.warnings();
        assert_eq!(warnings.len(), 1, "{mode}: {warnings:?}");
        assert!(warnings[0].1.contains("frames go on"), "{warnings:?}");
    }
}

#[test]
fn no_more_is_inferred_than_the_rate_allows() {
    // Frames of 40 ms, 25 a second.
    for (rate, inferences) in [("25", 50), ("10", 20), ("12.5", 25), ("2", 4), ("0", 50)] {
        let pipeline = fed("limited", slow(0), &format!("mode=sync max-inference-rate={rate}"));
        (0..50).for_each(|index| drop(see(&pipeline, index, BLUE)));
        assert_eq!(stat(&pipeline, "inferences"), inferences, "{rate}");
        // What was not due was not skipped.
        assert_eq!(stat(&pipeline, "skipped"), 0);
    }
}

#[test]
fn the_rate_holds_in_reverse_too() {
    let pipeline = fed("limited", slow(0), "mode=sync max-inference-rate=10");
    (0..50).rev().for_each(|index| drop(see(&pipeline, index, BLUE)));
    assert_eq!(stat(&pipeline, "inferences"), 20);
}

#[test]
fn an_interrupted_wait_says_nothing() {
    let pipeline = fed("interrupted", slow(2000), "mode=sync");
    assert_eq!(push(&pipeline, &frame(0, rgb(16, 16, BLUE))), gst::FlowReturn::Ok);
    std::thread::sleep(Duration::from_millis(100));
    pipeline.0.set_state(gst::State::Null).unwrap();
    assert_eq!(pipeline.get("filter").property::<Option<String>>("last-label"), None);
}

#[test]
fn the_mode_may_change_at_any_time() {
    let pipeline = fed("changing", slow(2), "mode=sync");
    for index in 0..60 {
        let mode = if index / 10 % 2 == 0 { "sync" } else { "async" };
        pipeline.get("filter").set_property_from_str("mode", mode);
        let meta = see(&pipeline, index, BLUE);
        assert_eq!(meta.fresh, mode == "sync", "{index}");
        assert_eq!(&*meta.label, "blue");
    }
}
