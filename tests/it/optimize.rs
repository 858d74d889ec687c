//! The property `optimize` of the element. The rewriting itself is tested in `catdog-core`.

use std::fs;

use gst::prelude::*;

use crate::common::*;

const HYBRID: &str = "hybrid_dynamic_range.tflite";

/// Returns the optimization in `stats` and the confidence, after frames of an element with
/// `properties`.
fn optimization_and_confidence(properties: &str) -> (String, f64) {
    let pipeline = launch(&format!(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=16,height=16 \
         ! catdogfilter name=filter {properties} ! fakesink"
    ));
    pipeline.run();
    let stats = pipeline.get("filter").property::<gst::Structure>("stats");
    let confidence = pipeline.get("filter").property::<f64>("last-confidence");
    (stats.get("optimization").unwrap(), confidence)
}

#[test]
fn stats_report_the_optimization() {
    let path = model(HYBRID);
    let file = format!("model-file={} input-mean=127.5 input-std=127.5", path.display());
    let (optimized, confidence) = optimization_and_confidence(&file);
    assert_eq!(optimized, "1 depthwise weights converted to float");
    let (off, unoptimized) = optimization_and_confidence(&format!("{file} optimize=off"));
    assert_eq!(off, "off");
    assert!((confidence - unoptimized).abs() < 0.05, "{confidence}, {unoptimized} without");
    assert_eq!(optimization_and_confidence("").0, "nothing to do");
}

#[test]
fn the_optimized_mobilenet_v2_keeps_its_decisions_on_photos() {
    let test = "the_optimized_mobilenet_v2_keeps_its_decisions_on_photos";
    let (Some(path), Some(photos)) =
        (outside_data(test, "models/cat-dog-mnv2.tflite"), outside_data(test, "data/heldout"))
    else {
        return;
    };
    let mut names: Vec<_> = ["cats", "dogs", "neither"]
        .iter()
        .flat_map(|class| fs::read_dir(photos.join(class)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .collect();
    names.sort();
    let names: Vec<_> = names.into_iter().step_by(9).collect();
    assert!(names.len() > 50);
    let classify = |optimize: &str| {
        let properties = format!("model-file={} optimize={optimize}", path.display());
        classify_photos(&names, "jpegdec ! videoconvert", &properties)
    };
    let (auto, off) = (classify("auto"), classify("off"));
    let best = |meta: &Meta| meta.labels[0].clone();
    let others = auto.iter().zip(&off).filter(|(a, b)| best(a) != best(b)).count();
    let logit = |meta: &Meta| {
        let confidence = meta.confidence_of("dog");
        (confidence / (1.0 - confidence)).ln()
    };
    let differences: Vec<f64> = auto
        .iter()
        .zip(&off)
        // Above 12, the digits of a float32 confidence do not distinguish logits.
        .filter(|(a, b)| logit(a).abs() < 12.0 && logit(b).abs() < 12.0)
        .map(|(a, b)| (logit(a) - logit(b)).abs())
        .collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let most = differences.iter().fold(0.0, |most: f64, d| most.max(*d));
    say(&format!(
        "{test}: {} photos, {others} other decisions, logits differ by {mean:.3} in the mean, \
         {most:.3} at most",
        auto.len()
    ));
    assert!(others <= 1 && mean < 0.15 && most < 0.6);
}
