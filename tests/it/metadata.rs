//! The metadata as applications read it: its fields and types are as documented, and it survives
//! the elements between the filter and the application.

use crate::common::*;
use gst::glib;
use gst::prelude::*;

/// Returns the timestamp and the metadata of every buffer that arrives after `elements`, which are
/// between the filter and the sink. The first 10 of 20 frames are green, the others blue.
fn metadata_after(elements: &str) -> Vec<(Option<gst::ClockTime>, Vec<Meta>)> {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} ! {elements} \
         ! fakesink name=sink sync=false",
        appsrc(&caps("RGB", 64, 48))
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| (buffer.pts(), metas(buffer)));
    pipeline.begin(gst::State::Playing);
    for index in 0..20 {
        let color = if index < 10 { GREEN } else { BLUE };
        assert_eq!(push(&pipeline, &frame(index, rgb(64, 48, color))), gst::FlowReturn::Ok);
    }
    end(&pipeline);
    pipeline.wait_for_eos();
    taken(&seen)
}

/// Asserts that all 20 buffers arrive after `elements`, each with the metadata of its own frame.
fn assert_survives(elements: &str) {
    let seen = metadata_after(elements);
    assert_eq!(seen.len(), 20, "{elements}");
    for (index, (pts, metas)) in seen.iter().enumerate() {
        assert_eq!(*pts, Some(FRAME * index as u64), "{elements}");
        let [meta] = &metas[..] else { panic!("{elements}, frame {index}: {metas:?}") };
        meta.assert_is(if index < 10 { GREEN_IS } else { BLUE_IS }, 1e-3);
        assert_eq!(meta.inference_pts, pts.map(gst::ClockTime::nseconds));
    }
}

#[test]
fn metadata_survives_videoconvert() {
    assert_survives("videoconvert ! video/x-raw,format=I420");
    assert_survives("videoconvert ! video/x-raw,format=GRAY8");
}

#[test]
fn metadata_survives_videoscale() {
    assert_survives("videoscale ! video/x-raw,width=160,height=120");
    assert_survives("videoconvert ! videoscale ! video/x-raw,format=NV12,width=32,height=18");
}

#[test]
fn metadata_survives_elements_that_pass_buffers_through() {
    assert_survives("queue ! capsfilter caps=video/x-raw ! identity ! queue max-size-buffers=1");
    assert_survives("videorate drop-only=true");
    assert_survives("videocrop left=3 top=2");
    assert_survives("videoflip method=horizontal-flip");
}

#[test]
fn metadata_survives_in_both_branches_of_a_tee() {
    let pipeline = launch(
        "videotestsrc num-buffers=20 pattern=ball \
         ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 \
         ! catdogfilter model-file={model} ! tee name=t \
         t. ! queue ! fakesink name=plain \
         t. ! queue ! videoconvert ! video/x-raw,format=RGB ! fakesink name=converted",
    );
    let plain = collect(&pipeline.pad("plain", "sink"), meta);
    let converted = collect(&pipeline.pad("converted", "sink"), meta);
    pipeline.run();
    let (plain, converted) = (taken(&plain), taken(&converted));
    assert_eq!(plain.len(), 20);
    assert_eq!(plain, converted);
}

#[test]
fn metadata_survives_on_the_frames_that_videorate_keeps() {
    let seen = metadata_after("videorate drop-only=true ! video/x-raw,framerate=5/1");
    assert!((3..=5).contains(&seen.len()), "{}", seen.len());
    for (_, metas) in seen {
        assert_eq!(metas.len(), 1);
    }
}

#[test]
fn fields_and_types_are_as_documented() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=watcher model-file={{model}} post-messages=every \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let buffer = through(&pipeline, frame(3, rgb(16, 16, BLUE)));
    let structure = gstcatdog::metadata::find(&buffer, Some("watcher"), |s| s.to_owned()).unwrap();
    assert_eq!(structure.name(), "GstCatdogMeta");
    let fields = [
        ("label", glib::Type::STRING),
        ("confidence", glib::Type::F64),
        ("index", glib::Type::I32),
        ("labels", gst::Array::static_type()),
        ("confidences", gst::Array::static_type()),
        ("multi-label", glib::Type::BOOL),
        ("fresh", glib::Type::BOOL),
        ("inference-pts", glib::Type::U64),
        ("age", glib::Type::U64),
        ("inference-time", glib::Type::U64),
        ("model", glib::Type::STRING),
        ("element", glib::Type::STRING),
    ];
    let types: Vec<(&str, glib::Type)> =
        structure.iter().map(|(name, value)| (name.as_str(), value.type_())).collect();
    assert_eq!(types, fields);

    let meta = Meta::of(&structure);
    meta.assert_is(BLUE_IS, 1e-3);
    assert_eq!((meta.index, meta.fresh), (1, true));
    assert_eq!(meta.labels, ["dog", "cat"]);
    assert_eq!(meta.confidences[0], meta.confidence);
    assert!((meta.confidences[0] + meta.confidences[1] - 1.0).abs() < 1e-6);
    assert_eq!(meta.inference_pts, Some((FRAME * 3).nseconds()));
    assert_eq!(meta.age, Some(0));
    assert!(meta.inference_time > 0);
    assert_eq!((&*meta.model, &*meta.element), (MODEL, "watcher"));

    end(&pipeline);
    let message = &results(&pipeline.wait_for_eos(), "watcher")[0];
    let types: Vec<(&str, glib::Type)> =
        message.iter().map(|(name, value)| (name.as_str(), value.type_())).collect();
    assert_eq!(types[..fields.len()], fields);
    assert_eq!(types[fields.len()..], [("pts", glib::Type::U64)]);
}

#[test]
fn a_rejected_class_gives_the_unknown_label_and_stays_in_the_ranking() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={{model}} unknown-label=neither \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let meta = meta(&through(&pipeline, frame(0, rgb(16, 16, RED))));
    meta.assert_is(("neither", RED_IS.1), 1e-3);
    assert_eq!(meta.index, -1);
    assert_eq!(meta.labels, ["dog", "cat"]);
}

#[test]
fn the_metadata_has_the_labels_of_the_model() {
    for (name, labels) in [
        ("metadata_labels.tflite", ["heron", "otter", "newt"]),
        ("metadata_labels_deflated.tflite", ["heron", "otter", "newt"]),
        ("float_softmax.tflite", ["0", "1", "2"]),
    ] {
        let pipeline = launch(&format!(
            "{} ! catdogfilter model-file={} ! appsink name=sink sync=false",
            appsrc(&caps("RGB", 16, 16)),
            model(name).display()
        ));
        pipeline.begin(gst::State::Playing);
        let mut found = meta(&through(&pipeline, frame(0, rgb(16, 16, BLUE)))).labels;
        found.sort_unstable();
        let mut labels = labels.map(str::to_owned).to_vec();
        labels.sort_unstable();
        assert_eq!(found, labels, "{name}");
    }
}

#[test]
fn max_results_limits_the_ranking_of_1001_classes() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={} max-results=3 ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16)),
        model("large_1001.tflite").display()
    ));
    pipeline.begin(gst::State::Playing);
    let meta = meta(&through(&pipeline, frame(0, rgb(16, 16, BLUE))));
    assert_eq!((meta.labels.len(), meta.confidences.len()), (3, 3));
    assert!(meta.confidences.is_sorted_by(|a, b| a >= b), "{meta:?}");
    assert_eq!(meta.confidence, meta.confidences[0]);
}

#[cfg(feature = "analytics")]
mod analytics {
    use gst_analytics::prelude::*;
    use gst_analytics::{
        AnalyticsClassificationMtd, AnalyticsODMtd, AnalyticsRelationMeta, RelTypes,
    };

    use super::*;

    /// Returns the labels and confidences of each classification in the relation meta of `buffer`.
    fn classifications(buffer: &gst::BufferRef) -> Vec<Vec<(String, f32)>> {
        let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
        meta.iter::<AnalyticsClassificationMtd>()
            .map(|found| {
                let classes = found.iterate();
                classes.map(|(label, level)| (label.as_str().to_string(), level)).collect()
            })
            .collect()
    }

    /// Returns the classifications of a frame of `color`, after a conversion.
    fn classify(properties: &str, color: [u8; 3]) -> Vec<Vec<(String, f32)>> {
        let pipeline = launch(&format!(
            "{} ! catdogfilter model-file={{model}} {properties} \
             ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink sync=false",
            appsrc(&caps("RGB", 16, 16))
        ));
        pipeline.begin(gst::State::Playing);
        classifications(&through(&pipeline, frame(0, rgb(16, 16, color))))
    }

    #[test]
    fn an_accepted_class_is_a_classification() {
        let found = classify("", BLUE);
        assert_eq!(found.len(), 1);
        let labels: Vec<&str> = found[0].iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, ["dog", "cat"]);
        assert!((f64::from(found[0][0].1) - BLUE_IS.1).abs() < 1e-3);
    }

    #[test]
    fn a_rejected_class_is_not_a_classification() {
        assert!(classify("", RED).is_empty());
    }

    #[test]
    fn two_elements_add_to_one_relation_meta() {
        let found = classify("! catdogfilter model-file={model}", BLUE);
        assert_eq!(found.len(), 2);
    }

    // Elements of other projects

    /// Adds an object that another element detected.
    fn add_detection(buffer: &mut gst::BufferRef) {
        let mut meta = AnalyticsRelationMeta::add(buffer);
        meta.add_od_mtd(glib::Quark::from_str("face"), 20, 10, 40, 30, 0.5).unwrap();
    }

    /// Returns the pixels of a frame after `elements`. If `detected`, the frame has a detection
    /// before them.
    fn pixels_after(elements: &str, detected: bool) -> Vec<u8> {
        let pipeline = launch(&format!(
            "{} ! {elements} ! videoconvert ! video/x-raw,format=BGRx ! appsink name=sink sync=false",
            appsrc(&caps("BGRx", 96, 64))
        ));
        pipeline.begin(gst::State::Playing);
        let mut buffer = frame(0, packed(gst_video::VideoFormat::Bgrx, 96, 64, |_, _| BLUE));
        if detected {
            add_detection(buffer.get_mut().unwrap());
        }
        through(&pipeline, buffer).map_readable().unwrap().to_vec()
    }

    #[test]
    fn detections_of_other_elements_stay_unchanged() {
        let test = "detections_of_other_elements_stay_unchanged";
        if lacks_elements(test, &["objectdetectionoverlay"]) {
            return;
        }
        let filter = "catdogfilter model-file={model}";
        let overlay = "videoconvert ! objectdetectionoverlay";
        let both = format!("{} ! {overlay}", with_model(filter));
        let expected = pixels_after(overlay, true);
        assert!(expected != pixels_after(overlay, false), "the overlay draws nothing");
        assert!(pixels_after(&both, true) == expected, "the overlay draws another detection");
        let bare = pixels_after("identity", false);
        assert!(pixels_after(&both, false) == bare, "the overlay draws a classification");
    }

    #[test]
    fn an_accepted_class_is_an_object_with_object_metadata() {
        let pipeline = launch(&format!(
            "{} ! catdogfilter name=filter model-file={{model}} object-metadata=true \
             ! appsink name=sink sync=false",
            appsrc(&caps("RGB", 48, 16))
        ));
        pipeline.begin(gst::State::Playing);
        let mut index = 0;
        let mut objects = |color| {
            let buffer = through(&pipeline, frame(index, rgb(48, 16, color)));
            index += 1;
            let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
            let objects = meta.iter::<AnalyticsODMtd>().map(|object| {
                let place = object.location().unwrap();
                let related = meta.iter::<AnalyticsClassificationMtd>().all(|classification| {
                    meta.relation(object.id(), classification.id()) == RelTypes::RELATE_TO
                });
                let class = object.obj_type().map(|class| class.as_str().to_string());
                (class, (place.x, place.y, place.w, place.h), place.loc_conf_lvl, related)
            });
            objects.collect::<Vec<_>>()
        };
        let found = objects(BLUE);
        assert_eq!(found.len(), 1);
        let (class, place, confidence, related) = &found[0];
        assert_eq!((class.as_deref(), *place, *related), (Some("dog"), (0, 0, 48, 16), true));
        assert!((f64::from(*confidence) - BLUE_IS.1).abs() < 1e-3);
        assert!(objects(RED).is_empty(), "a rejected class is an object");
        pipeline.get("filter").set_property("object-metadata", false);
        assert!(objects(BLUE).is_empty());
    }

    #[test]
    fn relationmeta2onvifmeta_converts_the_object() {
        let test = "relationmeta2onvifmeta_converts_the_object";
        if lacks_elements(test, &["relationmeta2onvifmeta"]) {
            return;
        }
        let xml = |properties: &str| {
            let pipeline = launch(&format!(
                "{} ! catdogfilter model-file={{model}} {properties} ! relationmeta2onvifmeta \
                 ! appsink name=sink sync=false",
                appsrc(&caps("RGB", 16, 16))
            ));
            pipeline.begin(gst::State::Playing);
            let buffer = through(&pipeline, frame(0, rgb(16, 16, BLUE)));
            let meta = gst::meta::CustomMeta::from_buffer(&buffer, "OnvifXMLFrameMeta").unwrap();
            let frames = meta.structure().get::<gst::BufferList>("frames").unwrap();
            let bytes = frames.get(0).unwrap().map_readable().unwrap().to_vec();
            String::from_utf8(bytes).unwrap()
        };
        let object = xml("object-metadata=true");
        assert!(object.contains(">dog</") && object.contains("Likelihood=\"0.75"), "{object}");
        assert!(!xml("").contains("Object"), "an object without object-metadata");
    }
}
