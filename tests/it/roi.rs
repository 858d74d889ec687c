//! The boxes of a detector upstream: each gets a classification, and the frame gets the best one.

use std::time::{Duration, Instant};

use crate::common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoRegionOfInterestMeta};

/// A box: x, y, width, height.
type Pixels = (u32, u32, u32, u32);

/// Boxes in the left and the right half. The antialiasing filter weights the pixels next to a box,
/// too, so there is space between the box and the other half.
const LEFT: Pixels = (8, 0, 16, 48);
const RIGHT: Pixels = (40, 0, 16, 48);

/// Returns a frame of 64x48 pixels whose left half is red and whose right half is green, with boxes.
fn halves(index: u64, boxes: &[Pixels]) -> gst::Buffer {
    let color = |x, _| if x < 32 { [240, 0, 0] } else { GREEN };
    let mut buffer = frame(index, packed(VideoFormat::Rgb, 64, 48, color));
    for pixels in boxes {
        VideoRegionOfInterestMeta::add(buffer.get_mut().unwrap(), "animal", *pixels);
    }
    buffer
}

/// Returns a pipeline with a fake engine of the given delay, whose confidences are the means of red,
/// green and blue.
fn play(name: &str, delay: Duration, properties: &str) -> Pipeline {
    let mut engine = FakeEngine::new(1, 1);
    engine.delay = delay;
    engine.stand_in_for(name);
    play_filter_with_caps(&caps("RGB", 64, 48), &format!("model-file={name} roi=each {properties}"))
}

/// Sleeps until `time`, when a live source would produce its next frame.
fn wait_until(time: Instant) {
    std::thread::sleep(time.saturating_duration_since(Instant::now()));
}

/// Returns the label, the label_id and the confidence of each box; `None` for a box that was not
/// classified.
fn parameters(buffer: &gst::BufferRef) -> Vec<Option<(String, i32, f64)>> {
    let metas = buffer.iter_meta::<VideoRegionOfInterestMeta>();
    metas
        .map(|meta| {
            let parameter = meta.param("classification")?;
            let label = parameter.get("label").unwrap();
            let confidence: f64 = parameter.get("confidence").unwrap();
            Some((label, parameter.get("label_id").unwrap(), (confidence * 100.0).round() / 100.0))
        })
        .collect()
}

fn red() -> Option<(String, i32, f64)> {
    Some(("red".into(), 0, 0.94))
}

fn green() -> Option<(String, i32, f64)> {
    Some(("green".into(), 1, 1.0))
}

#[test]
fn each_box_gets_a_classification_and_the_frame_gets_the_best_one() {
    let pipeline = play("roi-each", Duration::ZERO, "post-messages=every");
    let buffer = through(&pipeline, halves(0, &[LEFT, RIGHT]));
    assert_eq!(parameters(&buffer), [red(), green()]);
    let parameter = buffer.meta::<VideoRegionOfInterestMeta>().unwrap();
    let parameter = parameter.param("classification").unwrap().to_owned();
    let fields: Vec<&str> = parameter.fields().map(|name| name.as_str()).collect();
    assert_eq!(fields, ["label", "confidence", "label_id", "model_name", "element"]);
    assert_eq!(parameter.get("model_name"), Ok("fake"));
    assert_eq!(parameter.get("element"), Ok("filter"));

    let meta = meta(&buffer);
    meta.assert_is(("green", 1.0), 0.01);
    assert!(meta.fresh && meta.inference_pts == Some(0));
    end(&pipeline);
    let message = results(&pipeline.wait_for_eos(), "filter").remove(0);
    let rois = message.get::<gst::Array>("rois").unwrap();
    let rois: Vec<gst::Structure> = rois.iter().map(|roi| roi.get().unwrap()).collect();
    let facts = |roi: &gst::Structure| {
        let number = |name| roi.get::<i32>(name).unwrap();
        let text = |name| roi.get::<String>(name).unwrap();
        let place = (number("x"), number("y"), number("width"), number("height"));
        (place, text("type"), text("label"), number("index"))
    };
    assert_eq!(facts(&rois[0]), ((8, 0, 16, 48), "animal".into(), "red".into(), 0));
    assert_eq!(facts(&rois[1]), ((40, 0, 16, 48), "animal".into(), "green".into(), 1));
}

#[test]
fn a_frame_without_boxes_has_no_class_and_needs_no_inference() {
    let pipeline = play("roi-none", Duration::ZERO, "");
    let inferences = || stat(&pipeline, "inferences");
    assert_eq!(meta(&through(&pipeline, halves(0, &[RIGHT]))).label, "green");
    assert_eq!(inferences(), 1);
    let empty = meta(&through(&pipeline, halves(1, &[])));
    assert_eq!((&*empty.label, empty.index, empty.confidence), ("unknown", -1, 0.0));
    assert!(empty.labels.is_empty() && empty.fresh);
    assert_eq!(inferences(), 1);
}

#[test]
fn a_frame_without_boxes_is_no_wait() {
    let pipeline = play("roi-no-wait", Duration::from_millis(20), "");
    through(&pipeline, halves(0, &[RIGHT]));
    for index in 1..30 {
        through(&pipeline, halves(index, &[]));
    }
    assert!(stat(&pipeline, "wait-p50") >= 20_000_000, "{}", stat(&pipeline, "wait-p50"));
}

#[test]
fn boxes_are_clamped_to_the_frame_and_those_outside_are_skipped() {
    let pipeline = play("roi-clamped", Duration::ZERO, "");
    let outside = [(48, 0, 1000, 1000), (64, 0, 10, 10), (0, 0, 0, 10), (u32::MAX - 15, 0, 32, 48)];
    let found = parameters(&through(&pipeline, halves(0, &outside)));
    // The last box has the column -16.
    assert_eq!(found, [green(), None, None, red()]);
}

#[test]
fn the_most_confident_boxes_are_classified_up_to_max_rois() {
    let pipeline = play("roi-max", Duration::ZERO, "max-rois=2");
    let mut buffer = halves(0, &[LEFT, RIGHT, LEFT, RIGHT]);
    let metas = buffer.get_mut().unwrap();
    for (mut meta, confidence) in
        metas.iter_meta_mut::<VideoRegionOfInterestMeta>().zip([0.5, 0.9, 0.8, 0.1])
    {
        let detection = gst::Structure::builder("detection").field("confidence", confidence);
        meta.add_param(detection.build());
    }
    assert_eq!(parameters(&through(&pipeline, buffer)), [None, green(), red(), None]);
    let without = halves(1, &[LEFT, RIGHT, LEFT]);
    assert_eq!(parameters(&through(&pipeline, without)), [red(), green(), None]);
}

#[test]
fn the_confidence_of_the_detector_is_a_double_or_a_float() {
    let pipeline = play("roi-confidence", Duration::ZERO, "max-rois=2");
    let mut buffer = halves(0, &[LEFT, RIGHT, LEFT, RIGHT]);
    let detection = || gst::Structure::builder("detection");
    let detections = [
        detection().field("confidence", 0.5_f32),
        detection().field("confidence", 0.4_f64),
        detection().field("confidence", 0.1_f32),
        detection().field("confidence", 1_i32),
    ];
    let metas = buffer.get_mut().unwrap();
    for (mut meta, detection) in metas.iter_meta_mut::<VideoRegionOfInterestMeta>().zip(detections)
    {
        meta.add_param(detection.build());
    }
    assert_eq!(parameters(&through(&pipeline, buffer)), [red(), green(), None, None]);
}

#[test]
fn boxes_are_limited_to_the_region_and_turned_with_the_picture() {
    let pipeline = play("roi-region", Duration::ZERO, "orientation=horiz region=0,0,0.25,1");
    // The right quarter of the stored picture is the left quarter of the upright one.
    let found = parameters(&through(&pipeline, halves(0, &[(0, 0, 64, 48), LEFT, RIGHT])));
    assert_eq!(found, [green(), None, green()]);
}

#[test]
fn threshold_and_margin_apply_to_boxes_but_smoothing_does_not() {
    let pipeline = play(
        "roi-threshold",
        Duration::ZERO,
        "class-confidence-threshold=0.97 smoothing=10000 hold=10000",
    );
    let rejected = Some(("unknown".to_owned(), -1, 0.94));
    for index in 0..3 {
        let found = parameters(&through(&pipeline, halves(index, &[LEFT, RIGHT])));
        assert_eq!(found, [rejected.clone(), green()]);
    }
}

#[test]
fn boxes_of_frames_that_are_not_inferred_get_nothing_and_the_frame_keeps_its_result() {
    let pipeline = play("roi-interval", Duration::ZERO, "inference-interval=2");
    assert_eq!(parameters(&through(&pipeline, halves(0, &[RIGHT]))), [green()]);
    let held = through(&pipeline, halves(1, &[LEFT]));
    assert_eq!(parameters(&held), [None]);
    assert_eq!((&*meta(&held).label, meta(&held).fresh), ("green", false));
    assert_eq!(parameters(&through(&pipeline, halves(2, &[LEFT]))), [red()]);
}

#[test]
fn boxes_out_of_phase_with_the_inference_interval_are_classified() {
    let pipeline = play("roi-phase", Duration::ZERO, "inference-interval=2");
    let label = |index, boxes: &[Pixels]| {
        let meta = meta(&through(&pipeline, halves(index, boxes)));
        (meta.label, meta.fresh)
    };
    assert_eq!(label(0, &[]), ("unknown".into(), true));
    assert_eq!(label(1, &[RIGHT]), ("green".into(), true));
    assert_eq!(label(2, &[]), ("green".into(), false));
    assert_eq!(label(3, &[LEFT]), ("red".into(), true));
    assert_eq!(stat(&pipeline, "inferences"), 2);
}

#[test]
fn with_error_policy_passthrough_a_frame_whose_boxes_fail_keeps_the_latest_result() {
    let mut engine = FakeEngine::new(1, 1);
    engine.fail_from = Some(2);
    engine.stand_in_for("roi-fails");
    let pipeline = play_filter_with_caps(
        &caps("RGB", 64, 48),
        "model-file=roi-fails roi=each error-policy=passthrough post-messages=every",
    );
    assert_eq!(parameters(&through(&pipeline, halves(0, &[RIGHT]))), [green()]);
    // The second box fails, so the first one is the best.
    let partial = through(&pipeline, halves(1, &[LEFT, RIGHT]));
    assert_eq!(parameters(&partial), [red(), None]);
    assert_eq!((&*meta(&partial).label, meta(&partial).fresh), ("red", true));
    for index in 2..4 {
        let held = through(&pipeline, halves(index, &[RIGHT]));
        assert_eq!(parameters(&held), [None]);
        assert_eq!((&*meta(&held).label, meta(&held).fresh), ("red", false));
    }
    end(&pipeline);
    let messages = pipeline.wait_for_eos();
    assert_eq!(results(&messages, "filter").len(), 2);
    assert_eq!(warnings(&messages).len(), 1);
}

#[test]
fn a_box_that_fails_does_not_keep_the_others_from_their_results() {
    let mut engine = FakeEngine::new(1, 1);
    engine.fail_at = vec![1, 2, 5];
    engine.stand_in_for("roi-fails-once");
    let pipeline = play_filter_with_caps(
        &caps("RGB", 64, 48),
        "model-file=roi-fails-once roi=each error-policy=passthrough",
    );
    let first = through(&pipeline, halves(0, &[LEFT, RIGHT, LEFT, RIGHT]));
    assert_eq!(parameters(&first), [red(), None, None, green()]);
    assert_eq!((&*meta(&first).label, meta(&first).fresh), ("green", true));
    let second = through(&pipeline, halves(1, &[LEFT, RIGHT, RIGHT]));
    assert_eq!(parameters(&second), [red(), None, green()]);
    end(&pipeline);
    let warnings = warnings(&pipeline.wait_for_eos());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn with_error_policy_error_a_box_that_fails_stops_the_stream_with_one_error() {
    let mut engine = FakeEngine::new(1, 1);
    engine.fail_at = vec![0, 2];
    engine.stand_in_for("roi-fails-hard");
    let pipeline =
        play_filter_with_caps(&caps("RGB", 64, 48), "model-file=roi-fails-hard roi=each");
    let _ = push(&pipeline, &halves(0, &[LEFT, RIGHT, LEFT]));
    let (_, error) = pipeline.wait();
    assert!(error.as_ref().is_some_and(|text| text.contains("inference failed")), "{error:?}");
}

#[test]
fn a_confidence_of_any_size_comes_before_none() {
    let pipeline = play("roi-negative", Duration::ZERO, "max-rois=1");
    let mut buffer = halves(0, &[LEFT, RIGHT]);
    let detection = gst::Structure::builder("detection").field("confidence", -7.0).build();
    let metas = buffer.get_mut().unwrap();
    metas.iter_meta_mut::<VideoRegionOfInterestMeta>().nth(1).unwrap().add_param(detection);
    assert_eq!(parameters(&through(&pipeline, buffer)), [None, green()]);
}

#[test]
fn in_synchronous_mode_a_frame_waits_for_all_its_boxes() {
    let pipeline = play("roi-sync", Duration::from_millis(25), "mode=sync");
    let found = parameters(&through(&pipeline, halves(0, &[LEFT, RIGHT, LEFT, RIGHT])));
    assert_eq!(found, [red(), green(), red(), green()]);
}

#[test]
fn in_asynchronous_mode_boxes_do_not_slow_the_stream() {
    // An inference takes as long as a frame, and a frame has four boxes.
    let pipeline = play("roi-async", Duration::from_millis(40), "mode=async");
    let start = Instant::now();
    let mut classified = 0;
    for index in 0..20 {
        wait_until(start + Duration::from_millis(40 * index));
        let buffer = through(&pipeline, halves(index, &[LEFT, RIGHT, LEFT, RIGHT]));
        classified += parameters(&buffer).iter().flatten().count();
        assert_eq!(meta(&buffer).label, "red", "a frame without time keeps the latest result");
    }
    // Half of the 20 frames of 40 ms may be spent on inferences; the limit allows for a busy machine.
    assert!(start.elapsed() < Duration::from_millis(1600), "{:?}", start.elapsed());
    assert!((5..=11).contains(&classified), "{classified}");
}

#[test]
fn in_asynchronous_mode_boxes_do_not_slow_a_stream_whose_frame_rate_is_unknown() {
    let mut engine = FakeEngine::new(1, 1);
    engine.delay = Duration::from_millis(5);
    engine.stand_in_for("roi-rate");
    let pipeline = play_filter_with_caps(
        &caps_at("RGB", 64, 48, gst::Fraction::new(0, 1)),
        "model-file=roi-rate roi=each mode=async",
    );
    // 100 frames/s for a second; with half the time of 30 frames/s, a frame would wait for 17 ms.
    let start = Instant::now();
    let mut classified = 0;
    for index in 0..100 {
        wait_until(start + Duration::from_millis(10 * index));
        let buffer = through(&pipeline, halves(index, &[LEFT, RIGHT, LEFT, RIGHT]));
        classified += parameters(&buffer).iter().flatten().count();
    }
    assert!(start.elapsed() < Duration::from_millis(1400), "{:?}", start.elapsed());
    assert!(classified >= 30, "{classified}");
}

#[test]
fn the_property_takes_effect_while_playing() {
    let pipeline = play("roi-switch", Duration::ZERO, "");
    assert_eq!(parameters(&through(&pipeline, halves(0, &[RIGHT]))), [green()]);
    pipeline.get("filter").set_property_from_str("roi", "none");
    let whole = through(&pipeline, halves(1, &[RIGHT]));
    assert_eq!(parameters(&whole), [None]);
    assert_eq!(meta(&whole).label, "unknown");
    pipeline.get("filter").set_property_from_str("roi", "each");
    assert_eq!(parameters(&through(&pipeline, halves(2, &[RIGHT]))), [green()]);
}

#[test]
fn a_change_of_the_property_makes_the_next_frame_due_without_smoothing() {
    let properties =
        "inference-interval=1000 smoothing=10000 hold=10000 class-confidence-threshold=0.4";
    let pipeline = play("roi-change", Duration::ZERO, properties);
    let set_roi = |value| pipeline.get("filter").set_property_from_str("roi", value);
    let red_frame = |index| frame(index, rgb(64, 48, [240, 0, 0]));
    set_roi("none");
    meta(&through(&pipeline, halves(0, &[LEFT]))).assert_is(("green", 0.5), 0.01);
    set_roi("each");
    let of_box = meta(&through(&pipeline, halves(1, &[LEFT])));
    assert_eq!((&*of_box.label, of_box.fresh), ("red", true));
    set_roi("none");
    let whole = meta(&through(&pipeline, red_frame(2)));
    assert!(whole.fresh);
    whole.assert_is(("red", 0.94), 0.01);
    assert!(!meta(&through(&pipeline, red_frame(3))).fresh);
}

#[cfg(feature = "analytics")]
mod analytics {
    use gst_analytics::prelude::*;
    use gst_analytics::{
        AnalyticsClassificationMtd, AnalyticsODMtd, AnalyticsRelationMeta, RelTypes,
    };

    use super::*;

    /// Returns a frame with objects instead of regions of interest.
    fn with_objects(index: u64, boxes: &[(i32, i32, i32, i32, f32)]) -> gst::Buffer {
        let mut buffer = halves(index, &[]);
        {
            let mut meta = AnalyticsRelationMeta::add(buffer.get_mut().unwrap());
            for (x, y, width, height, confidence) in boxes {
                let kind = gst::glib::Quark::from_str("animal");
                meta.add_od_mtd(kind, *x, *y, *width, *height, *confidence).unwrap();
            }
        }
        buffer
    }

    /// Returns the first class that is related to each object.
    fn classes(buffer: &gst::BufferRef) -> Vec<Option<String>> {
        let meta = buffer.meta::<AnalyticsRelationMeta>().unwrap();
        let objects = meta.iter::<AnalyticsODMtd>();
        objects
            .map(|object| {
                let mut related = meta.iter_direct_related::<AnalyticsClassificationMtd>(
                    object.id(),
                    RelTypes::RELATE_TO,
                );
                related.next().map(|class| class.quark(0).as_str().to_string())
            })
            .collect()
    }

    #[test]
    fn each_object_is_related_to_its_classification() {
        let pipeline = play("roi-objects", Duration::ZERO, "max-rois=2");
        let objects =
            [(8, 0, 16, 48, 0.3), (40, 0, 16, 48, 0.9), (-16, 0, 32, 48, 0.8), (99, 0, 9, 9, 1.0)];
        let buffer = through(&pipeline, with_objects(0, &objects));
        assert_eq!(classes(&buffer), [None, Some("green".into()), Some("red".into()), None]);
        assert_eq!(meta(&buffer).label, "green");
    }

    #[test]
    fn an_object_and_its_region_of_interest_are_classified_once() {
        let pipeline = play("roi-both", Duration::ZERO, "");
        let mut buffer = with_objects(0, &[(40, 0, 16, 48, 0.9)]);
        VideoRegionOfInterestMeta::add(buffer.get_mut().unwrap(), "animal", RIGHT);
        let buffer = through(&pipeline, buffer);
        assert_eq!(classes(&buffer), [Some("green".into())]);
        assert_eq!(parameters(&buffer), [green()]);
        assert_eq!(stat(&pipeline, "inferences"), 1);
    }
}
