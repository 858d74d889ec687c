//! A thousand changes of the model while playing lose no frame and leak neither memory nor threads.
//!
//! A program of its own, because it measures its process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/common/mod.rs"]
mod common;

use common::*;

const CHANGES: u64 = 1000;
const WARM_UP: u64 = 200;
/// 2 KiB per change, less than the smallest model.
const MAX_GROWTH_KIB: u64 = 2000;
/// GLib keeps idle threads of its pool for later tasks.
const MAX_MORE_THREADS: u64 = 3;

#[test]
fn a_thousand_model_changes_lose_no_frame_and_leak_nothing() {
    let pipeline = play_filter("model-file={model} mode=sync");
    let models = [MODEL, "float_softmax.tflite"];
    let mut index = 0;
    let mut before = (0, 0);
    for change in 0..WARM_UP + CHANGES {
        if change == WARM_UP {
            before = footprint();
        }
        let name = models[change as usize % 2];
        set_model(&pipeline, name);
        index = classify_until(&pipeline, index, |meta| meta.model == name);
        // This also takes the messages from the bus, so that they do not accumulate.
        assert_eq!(pipeline.errors(), []);
    }
    let after = footprint();
    say(&format!(
        "{CHANGES} changes over {index} frames: {before:?} KiB and threads before, {after:?} after"
    ));
    assert!(after.0.saturating_sub(before.0) <= MAX_GROWTH_KIB, "{before:?} {after:?}");
    assert!(after.1.saturating_sub(before.1) <= MAX_MORE_THREADS, "{before:?} {after:?}");
}
