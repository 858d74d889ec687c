//! Changes of the model while playing: the next model is loaded in the background and replaces the
//! current one between two frames. A model that cannot be loaded changes nothing.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::common::*;

/// Returns the pipeline of [`play_filter`] on [`MODEL`], with `mode=sync` and further properties.
fn play(properties: &str) -> Pipeline {
    play_filter(&format!("model-file={{model}} mode=sync {properties}"))
}

#[test]
fn another_model_takes_over_between_two_frames() {
    let pipeline = play("");
    let mut index = classify_until(&pipeline, 0, |meta| meta.model == MODEL);
    for name in ["float_softmax.tflite", "metadata_labels.tflite", MODEL] {
        set_model(&pipeline, name);
        index = classify_until(&pipeline, index, |meta| meta.model == name);
        let stats = pipeline.get("filter").property::<gst::Structure>("stats");
        assert_eq!(stats.get::<&str>("model"), Ok(name));
        assert_eq!(stats.get::<u64>("frames"), Ok(index), "the count of frames continues");
    }
}

#[test]
fn labels_set_together_with_a_model_take_effect_with_it() {
    let pipeline = play("labels=tabby,beagle");
    let index = classify_until(&pipeline, 0, |meta| meta.label == "tabby");
    // Only the next model, which has three classes, has this number of labels.
    pipeline.get("filter").set_properties(&[
        ("labels", &"a,b,c"),
        ("model-file", &model("metadata_labels.tflite").to_str().unwrap()),
    ]);
    classify_until(&pipeline, index, |meta| meta.labels.contains(&"a".to_owned()));
    assert_eq!(pipeline.warnings(), []);
}

#[test]
fn another_order_of_colors_takes_effect_while_playing() {
    let model = model("color/nhwc.tflite");
    let pipeline = play_filter(&format!(
        "model-file={} labels=red,green,blue mode=sync smoothing=0 hold=0",
        model.display()
    ));
    let start = Instant::now();
    let mut index = 0;
    for (order, label) in [("auto", "red"), ("bgr", "blue"), ("rgb", "red")] {
        pipeline.get("filter").set_property_from_str("color-order", order);
        while classify(&pipeline, index, [255, 0, 0]).label != label {
            assert!(start.elapsed() < Duration::from_secs(20), "{order} takes no effect");
            index += 1;
        }
        index += 1;
    }
}

#[test]
fn a_model_that_cannot_be_loaded_is_one_warning_and_the_current_one_stays() {
    let pipeline = play("");
    let mut index = classify_until(&pipeline, 0, |_| true);
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
            index = classify_until(&pipeline, index, |_| true);
            let warnings = pipeline.warnings();
            if !warnings.is_empty() {
                break warnings;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{property}={value}: no warning");
        };
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let text = &warnings[0].1;
        assert!(text.contains(named) && text.contains("stays in use"), "{text}");
        index = classify_until(&pipeline, index, |meta| meta.model == MODEL);
        filter.set_property_from_value(property, &before);
    }
}
