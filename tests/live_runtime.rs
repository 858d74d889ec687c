//! What `tests/live.rs` holds of an engine of known timing, with LiteRT and the built-in model: the
//! results that frames carry when none waits are those that each frame has when all wait.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use common::*;
use gst::prelude::*;

/// The demo clip, in small frames: what is in them does not matter here.
fn demo(filter: &str) -> Pipeline {
    launch(&format!(
        "filesrc location={} ! decodebin ! queue ! videoconvert \
         ! videoscale ! video/x-raw,width=160,height=120 \
         ! catdogfilter name=filter smoothing=0 hold=0 {filter} ! fakesink name=sink",
        manifest().join("models/demo/demo.mp4").display()
    ))
}

/// Time and result of every frame, and the messages.
fn played(pipeline: &Pipeline) -> (Vec<(u64, Meta)>, Vec<gst::Message>) {
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        (buffer.pts().unwrap().nseconds(), meta(buffer))
    });
    let messages = pipeline.run();
    (taken(&seen), messages)
}

fn stat(pipeline: &Pipeline, name: &str) -> u64 {
    pipeline.get("filter").property::<gst::Structure>("stats").get(name).unwrap()
}

fn own_latency(pipeline: &Pipeline) -> gst::ClockTime {
    let mut query = gst::query::Latency::new();
    assert!(pipeline.pad("filter", "src").query(&mut query));
    let mut source = gst::query::Latency::new();
    assert!(pipeline.pad("filter", "sink").peer_query(&mut source));
    query.result().1 - source.result().1
}

#[test]
fn a_held_result_is_that_of_the_frame_it_names() {
    let sync = demo("mode=sync");
    let (own, _) = played(&sync);
    assert!(own.iter().all(|(pts, meta)| meta.fresh && meta.inference_pts == Some(*pts)));
    let own: HashMap<u64, Meta> = own.into_iter().collect();

    let pipeline = demo("mode=async post-messages=every");
    let (seen, messages) = played(&pipeline);
    assert_eq!(seen.len(), own.len(), "every frame is there");
    let mut held = 0;
    let mut last = None;
    for (pts, meta) in &seen {
        let Some(inferred) = meta.inference_pts else {
            assert_eq!((&*meta.label, meta.age), ("unknown", None));
            continue;
        };
        held += u32::from(!meta.fresh);
        let want = &own[&inferred];
        assert_eq!((&meta.labels, &meta.confidences), (&want.labels, &want.confidences));
        assert_eq!(meta.label, want.label);
        assert_eq!(meta.age, Some(pts - inferred));
        assert!(Some(inferred) >= last, "results go forward");
        last = Some(inferred);
    }
    assert!(held > 0);
    assert_eq!(stat(&pipeline, "inferences") + stat(&pipeline, "skipped"), seen.len() as u64);
    // The end of the stream waits for the inference of the last frame, or of a late one.
    let told = results(&messages, "filter");
    let newest = told.iter().map(|result| result.get::<u64>("inference-pts").unwrap()).max();
    assert!(newest >= last, "{newest:?} was told, {last:?} was carried");
}

#[test]
fn a_live_pipeline_waits_for_nothing_and_a_sync_one_says_how_long() {
    for (mode, waits) in [("auto", false), ("async", false), ("sync", true)] {
        let pipeline = launch(&format!(
            "videotestsrc is-live=true num-buffers=45 \
             ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 \
             ! catdogfilter name=filter mode={mode} ! fakesink name=sink sync=true"
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        pipeline.begin(gst::State::Playing);
        wait_until("frames came", || stat(&pipeline, "inferences") >= 20);
        let (own, wait) = (own_latency(&pipeline), stat(&pipeline, "wait-p95"));
        pipeline.wait_for_eos();
        let seen = taken(&seen);
        assert_eq!(seen.len(), 45, "{mode}: no frame is lost");
        assert_eq!(seen.iter().all(|meta| meta.fresh), waits, "{mode}");
        assert_eq!(own > gst::ClockTime::ZERO, waits, "{mode}: {own}");
        if waits {
            // It is told anew when it has moved by more than a quarter.
            let ratio = own.nseconds() as f64 / wait as f64;
            assert!((0.3..3.0).contains(&ratio), "{own} is said, {wait} ns it takes");
        }
    }
}

#[test]
fn a_stop_at_any_moment_is_quick() {
    let mut longest = Duration::ZERO;
    for round in 0..60 {
        let mode = ["sync", "async"][round % 2];
        let pipeline = launch(&format!(
            "videotestsrc ! video/x-raw,format=I420,width=320,height=240 \
             ! catdogfilter name=filter mode={mode} ! fakesink name=sink"
        ));
        pipeline.play();
        std::thread::sleep(Duration::from_micros(300 * round as u64));
        let start = Instant::now();
        pipeline.0.set_state(gst::State::Null).unwrap();
        longest = longest.max(start.elapsed());
    }
    say(&format!("the longest of 60 stops took {longest:?}"));
    // 100 ms are wanted; other tests run beside this one.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[test]
fn after_a_seek_nothing_of_before_is_carried() {
    let pipeline = demo("mode=async");
    let seek_to = gst::ClockTime::from_seconds(9);
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        (buffer.pts().unwrap(), meta(buffer).inference_pts)
    });
    for _ in 0..20 {
        pipeline.reach(gst::State::Paused);
        pipeline.begin(gst::State::Playing);
        wait_until("frames came", || !seen.lock().unwrap().is_empty());
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.seek_simple(flags, seek_to).unwrap();
        taken(&seen);
        wait_until("frames came", || seen.lock().unwrap().len() >= 5);
        for (pts, inferred) in taken(&seen) {
            assert!(pts >= seek_to);
            assert!(inferred.is_none_or(|i| i >= seek_to.nseconds()), "{inferred:?} at {pts}");
        }
        pipeline.seek_simple(flags, gst::ClockTime::ZERO).unwrap();
        taken(&seen);
    }
}

#[test]
fn the_mode_changes_at_any_time_and_no_frame_is_lost() {
    let frames = demo("mode=sync");
    let count = played(&frames).0.len();
    let pipeline = demo("mode=sync");
    let filter = pipeline.get("filter").downgrade();
    pipeline.pad("filter", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let index = info.buffer().unwrap().pts().unwrap().nseconds() / FRAME.nseconds();
        let mode = ["sync", "async", "auto"][index as usize % 3];
        filter.upgrade().unwrap().set_property_from_str("mode", mode);
        gst::PadProbeReturn::Ok
    });
    assert_eq!(played(&pipeline).0.len(), count);
}

#[test]
fn no_more_is_inferred_than_the_rate_allows_and_results_expire() {
    let pipeline = demo("mode=async max-inference-rate=2 result-timeout=300");
    let (seen, _) = played(&pipeline);
    let length = seen.last().unwrap().0 as f64 / 1e9;
    assert!(stat(&pipeline, "inferences") as f64 <= length * 2.0 + 1.0);
    let expired = seen.iter().filter(|(_, meta)| meta.age > Some(300_000_000)).count();
    assert!(expired > 0);
    for (pts, meta) in &seen {
        if meta.age > Some(300_000_000) {
            assert_eq!((&*meta.label, meta.index), ("unknown", -1), "at {pts}");
        }
    }
}
