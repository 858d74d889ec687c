//! A thousand starts and stops of a pipeline leak neither memory nor threads.
//!
//! A program of its own, because it measures its process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/common/mod.rs"]
mod common;

use common::*;

const WARM_UP: usize = 200;
const ROUNDS: usize = 1000;
/// 1 KiB per start, less than the smallest model.
const MAX_GROWTH_KIB: u64 = 1000;
/// GLib keeps idle threads of its pool for later tasks.
const MAX_MORE_THREADS: u64 = 3;

#[test]
fn a_thousand_starts_and_stops_leak_nothing() {
    let pipeline = launch(
        "videotestsrc ! video/x-raw,format=I420,width=64,height=48 \
         ! catdogfilter name=filter model-file={model} ! textoverlay ! tee name=t \
         t. ! queue ! overlay.video_sink t. ! catdogtext ! overlay.text_sink \
         textoverlay name=overlay ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| metas(buffer).len());
    let round = || {
        pipeline.play();
        pipeline.reach(gst::State::Ready);
        let seen = taken(&seen);
        assert!(!seen.is_empty() && seen.iter().all(|count| *count == 1));
        assert!(pipeline.errors().is_empty());
    };
    for _ in 0..WARM_UP {
        round();
    }
    let (memory_before, threads_before) = footprint();
    for _ in 0..ROUNDS {
        round();
    }
    let (memory_after, threads_after) = footprint();
    let growth = memory_after.saturating_sub(memory_before);
    say(&format!("{ROUNDS} starts: {memory_before} KiB before, {memory_after} KiB after"));
    assert!(growth <= MAX_GROWTH_KIB, "{ROUNDS} starts leak {growth} KiB");
    let more = threads_after.saturating_sub(threads_before);
    assert!(more <= MAX_MORE_THREADS, "{threads_before} threads before, {threads_after} after");
}
