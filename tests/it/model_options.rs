//! The properties `input-size` and `output`, for models that leave a choice.

use crate::common::*;
use gst::prelude::*;

/// Returns a pipeline with a model in `tests/models/color` for RGB frames of 16x16 pixels.
fn play(name: &str, properties: &str) -> Pipeline {
    play_filter(&format!(
        "model-file={} smoothing=0 hold=0 mode=sync max-results=10 {properties}",
        model("color").join(name).display()
    ))
}

fn texts(pipeline: &Pipeline) -> Vec<String> {
    pipeline.warnings().into_iter().map(|(_, text)| text).collect()
}

#[test]
fn input_size_fixes_an_open_size() {
    let labels = "labels=red,green,blue";
    for (size, is_assumed) in [("", true), ("input-size=32x16", false), ("input-size=9X9", false)] {
        let pipeline = play("open_size.tflite", &format!("{labels} {size}"));
        assert_eq!(classify(&pipeline, 0, [0, 255, 0]).label, "green", "{size}");
        let warnings = texts(&pipeline);
        let found = warnings.iter().any(|text| text.contains("so 224x224 is used"));
        assert_eq!(found, is_assumed, "{size}: {warnings:?}");
    }
}

#[test]
fn an_input_size_that_is_not_that_of_the_model_is_one_error() {
    let pipeline = launch(&format!(
        "videotestsrc ! catdogfilter name=filter model-file={} input-size=16x16 ! fakesink",
        model("color/nhwc.tflite").display()
    ));
    let failed = pipeline.set_state(gst::State::Playing).is_err();
    assert!(failed || pipeline.state(PATIENCE).0.is_err());
    let errors = pipeline.errors();
    let [(source, text)] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(source, "filter");
    assert!(text.contains("8x8 pixels, and input-size is 16x16; unset input-size"), "{text}");
}

#[test]
fn output_chooses_the_scores_by_name_or_index() {
    let file = "two_outputs.tflite";
    for (output, scores) in [("scores", 4), ("1", 4), ("sums", 3), ("0", 3)] {
        let pipeline = play(file, &format!("output={output}"));
        let found = classify(&pipeline, 0, [0, 0, 255]);
        assert_eq!((found.labels.len(), found.index), (scores, 2), "{output}");
    }
    for (output, part) in [
        ("", "it has several outputs that can be scores: 0 'sums' [1, 3], 1 'scores' [1, 4]"),
        ("output=none", "it has no output 'none'; set output to the index or name of one of"),
        ("output=2", "it has no output '2'"),
    ] {
        let pipeline = launch(&format!(
            "videotestsrc ! catdogfilter name=filter model-file={} {output} ! fakesink",
            model("color").join(file).display()
        ));
        let failed = pipeline.set_state(gst::State::Playing).is_err();
        assert!(failed || pipeline.state(PATIENCE).0.is_err(), "{output}");
        let errors = pipeline.errors();
        let [(_, text)] = &errors[..] else { panic!("{output}: {errors:?}") };
        assert!(text.contains(part), "{output}: {text}");
    }
}

#[test]
fn another_output_takes_effect_while_playing() {
    let pipeline = play("two_outputs.tflite", "output=sums");
    assert_eq!(classify(&pipeline, 0, GREEN).labels.len(), 3);
    pipeline.get("filter").set_property("output", "scores");
    classify_until(&pipeline, 1, |meta| meta.labels.len() == 4);
    assert!(pipeline.errors().is_empty());
}
