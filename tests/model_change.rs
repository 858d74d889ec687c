//! The model changes while data flows: the next one loads beside, takes over between two frames, and
//! leaves nothing behind; one that cannot be loaded changes nothing. Alone in its program, because it
//! measures the process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use gst::prelude::*;

fn fed(properties: &str) -> Pipeline {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} mode=sync {properties} \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    pipeline
}

fn set_model(pipeline: &Pipeline, name: &str) {
    pipeline.get("filter").set_property("model-file", model(name).to_str().unwrap());
}

/// Feeds frames from `index` on until `there` holds for one; returns the next index. No frame is
/// lost, and every one has a result.
fn until(pipeline: &Pipeline, mut index: u64, there: impl Fn(&Meta) -> bool) -> u64 {
    let start = Instant::now();
    loop {
        let seen = meta(&through(pipeline, frame(index, rgb(16, 16, GREEN))));
        assert!(seen.fresh && !seen.labels.is_empty());
        index += 1;
        if there(&seen) {
            return index;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the model did not change: {seen:?}");
    }
}

#[test]
fn another_model_takes_over_between_two_frames() {
    let pipeline = fed("");
    let mut index = until(&pipeline, 0, |meta| meta.model == MODEL);
    for name in ["float_softmax.tflite", "metadata_labels.tflite", MODEL] {
        set_model(&pipeline, name);
        index = until(&pipeline, index, |meta| meta.model == name);
        let stats = pipeline.get("filter").property::<gst::Structure>("stats");
        assert_eq!(stats.get::<&str>("model"), Ok(name));
        assert_eq!(stats.get::<u64>("frames"), Ok(index), "frames are counted on");
    }
}

#[test]
fn labels_that_are_set_with_a_model_come_with_it() {
    let pipeline = fed("labels=tabby,beagle");
    let index = until(&pipeline, 0, |meta| meta.label == "tabby");
    // Each by itself would not fit.
    pipeline.get("filter").set_properties(&[
        ("labels", &"a,b,c"),
        ("model-file", &model("metadata_labels.tflite").to_str().unwrap()),
    ]);
    until(&pipeline, index, |meta| meta.labels.contains(&"a".to_owned()));
    assert_eq!(pipeline.warnings(), []);
}

#[test]
fn a_model_that_cannot_be_loaded_changes_nothing() {
    let pipeline = fed("");
    let mut index = until(&pipeline, 0, |_| true);
    let filter = pipeline.get("filter");
    let text = model("bad/text.tflite");
    let changes: [(&str, &str, &str); 4] = [
        ("model-file", "/nowhere/other.tflite", "/nowhere/other.tflite"),
        ("threads", "-3", "threads=-3"),
        ("model-file", text.to_str().unwrap(), "text.tflite"),
        ("labels", "one,two,three", "labels"),
    ];
    for (property, value, named) in changes {
        let before = filter.property_value(property);
        filter.set_property_from_str(property, value);
        let start = Instant::now();
        let warnings = loop {
            index = until(&pipeline, index, |_| true);
            let warnings = pipeline.warnings();
            if !warnings.is_empty() {
                break warnings;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{property}={value}: no warning");
        };
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let text = &warnings[0].1;
        assert!(text.contains(named) && text.contains("stays in use"), "{text}");
        index = until(&pipeline, index, |meta| meta.model == MODEL);
        filter.set_property_from_value(property, &before);
    }
}

const CHANGES: u64 = 1000;
const WARM_UP: u64 = 200;
/// 2 KiB a change, less than the smallest model takes.
const MAX_GROWTH_KIB: u64 = 2000;

#[test]
fn a_thousand_changes_lose_no_frame_and_leave_nothing_behind() {
    let pipeline = fed("");
    let models = [MODEL, "float_softmax.tflite"];
    let mut index = 0;
    let mut before = (0, 0);
    for change in 0..WARM_UP + CHANGES {
        if change == WARM_UP {
            before = footprint();
        }
        let name = models[change as usize % 2];
        set_model(&pipeline, name);
        index = until(&pipeline, index, |meta| meta.model == name);
        // Read what was posted, so that it does not pile up on the bus.
        assert_eq!(pipeline.errors(), []);
    }
    let after = footprint();
    say(&format!(
        "{CHANGES} changes over {index} frames: {before:?} KiB and threads, then {after:?}"
    ));
    assert!(after.0.saturating_sub(before.0) <= MAX_GROWTH_KIB, "{before:?} {after:?}");
    assert!(after.1.saturating_sub(before.1) <= 3, "{before:?} {after:?}");
}
