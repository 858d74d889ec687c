//! Inference on a worker thread, with LiteRT and the built-in model: a held result equals the
//! result that the inferred frame gets if every frame waits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::common::*;
use gst::prelude::*;

/// Returns a pipeline that plays the demo clip in small frames. These tests do not depend on the
/// labels.
fn play_demo_clip(filter: &str) -> Pipeline {
    launch(&format!(
        "filesrc location={} ! decodebin ! queue ! videoconvert \
         ! videoscale ! video/x-raw,width=160,height=120 \
         ! catdogfilter name=filter smoothing=0 hold=0 {filter} ! fakesink name=sink",
        repository().join("models/demo/demo.mp4").display()
    ))
}

/// Runs the pipeline. Returns the timestamp in ns and the metadata of every frame, and the
/// messages.
fn run_to_end(pipeline: &Pipeline) -> (Vec<(u64, Meta)>, Vec<gst::Message>) {
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        (buffer.pts().unwrap().nseconds(), meta(buffer))
    });
    let messages = pipeline.run();
    (taken(&seen), messages)
}

#[test]
fn a_held_result_equals_the_result_of_the_frame_that_it_names() {
    // With mode=async, the place of a second look comes from an earlier frame.
    let (fresh, _) = run_to_end(&play_demo_clip("mode=sync second-look=false"));
    assert!(fresh.iter().all(|(pts, meta)| meta.fresh && meta.inference_pts == Some(*pts)));
    let fresh: HashMap<u64, Meta> = fresh.into_iter().collect();

    let pipeline = play_demo_clip("mode=async post-messages=every second-look=false");
    let (seen, messages) = run_to_end(&pipeline);
    assert_eq!(seen.len(), fresh.len(), "frames");
    let mut held = 0;
    let mut last = None;
    for (pts, meta) in &seen {
        let Some(inferred) = meta.inference_pts else {
            assert_eq!((&*meta.label, meta.age), ("unknown", None));
            continue;
        };
        held += u32::from(!meta.fresh);
        let expected = &fresh[&inferred];
        assert_eq!(meta.labels, expected.labels);
        assert_eq!(meta.confidences, expected.confidences);
        assert_eq!(meta.label, expected.label);
        assert_eq!(meta.age, Some(pts - inferred));
        assert!(Some(inferred) >= last, "the inferred frames advance");
        last = Some(inferred);
    }
    assert!(held > 0);
    assert_eq!(stat(&pipeline, "inferences") + stat(&pipeline, "skipped"), seen.len() as u64);
    // The end of the stream waits for the last inference, so its result is posted.
    let posted = results(&messages, "filter");
    let newest = posted.iter().map(|result| result.get::<u64>("inference-pts").unwrap()).max();
    assert!(newest >= last, "frame {newest:?} in the last message, {last:?} in the last metadata");
}

#[test]
fn a_live_pipeline_waits_only_with_mode_sync_and_announces_how_long() {
    for (mode, waits) in [("auto", false), ("async", false), ("sync", true)] {
        let pipeline = launch(&format!(
            "videotestsrc is-live=true num-buffers=45 \
             ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 \
             ! catdogfilter name=filter mode={mode} ! fakesink name=sink sync=true"
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        pipeline.begin(gst::State::Playing);
        wait_until("20 inferences", || stat(&pipeline, "inferences") >= 20);
        let (latency, wait) = (own_latency(&pipeline).unwrap(), stat(&pipeline, "wait-p95"));
        pipeline.wait_for_eos();
        let seen = taken(&seen);
        assert_eq!(seen.len(), 45, "{mode}: no frame is lost");
        assert_eq!(seen.iter().all(|meta| meta.fresh), waits, "{mode}");
        assert_eq!(latency > gst::ClockTime::ZERO, waits, "{mode}: {latency}");
        if waits {
            // The element announces the latency again after a change by more than a quarter.
            let ratio = latency.nseconds() as f64 / wait as f64;
            assert!((0.3..3.0).contains(&ratio), "announced {latency}, measured {wait} ns");
        }
    }
}

#[test]
fn a_stop_at_any_time_is_fast() {
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
        pipeline.begin(gst::State::Null);
        longest = longest.max(start.elapsed());
    }
    say(&format!("the longest of 60 stops took {longest:?}"));
    // A stop should take less than 100 ms; the limit is larger because other tests run in parallel.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}

#[test]
fn a_seek_discards_the_results_of_frames_before_it() {
    let pipeline = play_demo_clip("mode=async");
    let seek_to = gst::ClockTime::from_seconds(9);
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        (buffer.pts().unwrap(), meta(buffer).inference_pts)
    });
    for _ in 0..20 {
        pipeline.reach(gst::State::Paused);
        pipeline.begin(gst::State::Playing);
        wait_until("a frame", || !seen.lock().unwrap().is_empty());
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.seek_simple(flags, seek_to).unwrap();
        taken(&seen);
        wait_until("five frames", || seen.lock().unwrap().len() >= 5);
        for (pts, inferred) in taken(&seen) {
            assert!(pts >= seek_to);
            assert!(
                inferred.is_none_or(|i| i >= seek_to.nseconds()),
                "result of {inferred:?} at {pts}"
            );
        }
        pipeline.seek_simple(flags, gst::ClockTime::ZERO).unwrap();
        taken(&seen);
    }
}

#[test]
fn no_frame_is_lost_while_mode_changes() {
    let count = run_to_end(&play_demo_clip("mode=sync")).0.len();
    let pipeline = play_demo_clip("mode=sync");
    let filter = pipeline.get("filter").downgrade();
    pipeline.pad("filter", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let index = info.buffer().unwrap().pts().unwrap().nseconds() / FRAME.nseconds();
        let mode = ["sync", "async", "auto"][index as usize % 3];
        filter.upgrade().unwrap().set_property_from_str("mode", mode);
        gst::PadProbeReturn::Ok
    });
    assert_eq!(run_to_end(&pipeline).0.len(), count);
}

#[test]
fn max_inference_rate_limits_the_inferences_and_results_expire() {
    let pipeline = play_demo_clip("mode=async max-inference-rate=2 result-timeout=300");
    let (seen, _) = run_to_end(&pipeline);
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
