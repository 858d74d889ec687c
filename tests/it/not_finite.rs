//! Scores that are not finite numbers: the inference fails, and no class comes of them. The models
//! in `tests/models/not_finite` have such scores for dark pictures, by the real runtime.

use crate::common::*;
use gst_video::VideoRegionOfInterestMeta;

/// A bright green, and a dark color. The confidence of "green" is that of the softmax over 20 times
/// the square roots of the channels, 0..1, minus 0.25.
const BRIGHT: [u8; 3] = [128, 255, 128];
const DARK: [u8; 3] = [0, 255, 0];

const REASON: &str = "of the model is not a finite number; check input-mean and input-std";

/// Returns a pipeline with the model `name` for RGB frames of 16x16 pixels.
fn play(name: &str, properties: &str) -> Pipeline {
    play_filter(&format!(
        "model-file={} smoothing=0 hold=0 labels=red,green,blue {properties}",
        model("not_finite").join(name).display()
    ))
}

fn assert_is_green(meta: &Meta) {
    assert!(meta.label == "green" && meta.confidence > 0.99, "{meta:?}");
    assert!(meta.confidences.iter().all(|confidence| confidence.is_finite()), "{meta:?}");
}

#[test]
fn a_score_that_is_not_finite_is_one_error() {
    for name in ["root.tflite", "reciprocal.tflite"] {
        let pipeline = play(name, "mode=sync");
        assert!(classify(&pipeline, 0, BRIGHT).fresh);
        assert_eq!(push(&pipeline, &frame(1, rgb(16, 16, DARK))), gst::FlowReturn::Ok);
        let (_, error) = pipeline.wait();
        let error = error.unwrap_or_else(|| panic!("{name}: no error"));
        assert!(error.contains(REASON) && error.contains("score 0"), "{name}: {error}");
    }
}

#[test]
fn with_error_policy_passthrough_a_frame_without_finite_scores_keeps_the_latest_result() {
    let pipeline = play("root.tflite", "mode=sync error-policy=passthrough");
    // Without an earlier result, there is no class.
    let first = classify(&pipeline, 0, DARK);
    assert_eq!((&*first.label, first.index, first.fresh), ("unknown", -1, false));
    assert!(first.labels.is_empty() && first.confidence == 0.0, "{first:?}");
    let bright = classify(&pipeline, 1, BRIGHT);
    assert!(bright.fresh);
    assert_is_green(&bright);
    let held = classify(&pipeline, 2, DARK);
    assert!(!held.fresh && held.inference_pts == bright.inference_pts, "{held:?}");
    assert_is_green(&held);
    // The scores of the dark frames have not entered the smoothing.
    let again = classify(&pipeline, 3, BRIGHT);
    assert!(again.fresh);
    assert_is_green(&again);
    assert_eq!(stat(&pipeline, "inferences"), 2);
    let warnings = pipeline.warnings();
    let texts: Vec<_> = warnings.iter().filter(|(_, text)| text.contains(REASON)).collect();
    assert!(!texts.is_empty() && texts.len() <= 2, "{warnings:?}");
}

#[test]
fn smoothing_is_not_disturbed_by_scores_that_are_not_finite() {
    let pipeline = play("root.tflite", "mode=sync error-policy=passthrough smoothing=10000");
    classify(&pipeline, 0, BRIGHT);
    classify(&pipeline, 1, DARK);
    assert_is_green(&classify(&pipeline, 2, BRIGHT));
}

#[test]
fn in_asynchronous_mode_scores_that_are_not_finite_are_no_result() {
    let pipeline = play("root.tflite", "mode=async error-policy=passthrough");
    for index in 0..20 {
        let meta = classify(&pipeline, index, DARK);
        assert_eq!((&*meta.label, meta.labels.len()), ("unknown", 0), "{meta:?}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(stat(&pipeline, "inferences"), 0);
}

#[test]
fn a_box_without_finite_scores_gets_no_classification() {
    let pipeline = play("root.tflite", "mode=sync error-policy=passthrough roi=each");
    // The left half is dark, the right half is bright; the boxes end before the border.
    let color = |x, _| if x < 8 { DARK } else { BRIGHT };
    let mut buffer = frame(0, packed(gst_video::VideoFormat::Rgb, 16, 16, color));
    let metas = buffer.get_mut().unwrap();
    VideoRegionOfInterestMeta::add(metas, "animal", (11, 0, 5, 16));
    VideoRegionOfInterestMeta::add(metas, "animal", (0, 0, 5, 16));
    let buffer = through(&pipeline, buffer);
    let labels = buffer.iter_meta::<VideoRegionOfInterestMeta>().map(|meta| {
        let parameter = meta.param("classification")?;
        parameter.get::<String>("label").ok()
    });
    assert_eq!(labels.collect::<Vec<_>>(), [Some("green".into()), None]);
    assert_is_green(&meta(&buffer));
}

#[test]
fn a_confidence_of_the_detector_that_is_not_finite_counts_as_none() {
    FakeEngine::new(1, 1).stand_in_for("not-finite-detector");
    let pipeline = play_filter("model-file=not-finite-detector roi=each max-rois=2");
    let mut buffer = frame(0, rgb(16, 16, GREEN));
    for (number, confidence) in [f64::NAN, 0.1, f64::INFINITY, 0.2].into_iter().enumerate() {
        let pixels = (4 * number as u32, 0, 4, 16);
        let buffer = buffer.get_mut().unwrap();
        let mut meta = VideoRegionOfInterestMeta::add(buffer, "animal", pixels);
        let detection = gst::Structure::builder("detection").field("confidence", confidence);
        meta.add_param(detection.build());
    }
    let buffer = through(&pipeline, buffer);
    let is_classified = buffer
        .iter_meta::<VideoRegionOfInterestMeta>()
        .map(|meta| meta.param("classification").is_some());
    assert_eq!(is_classified.collect::<Vec<_>>(), [false, true, false, true]);
}
