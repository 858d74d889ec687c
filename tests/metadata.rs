//! The metadata as others meet it: fields and types as documented, still there after the elements
//! that lie between the filter and its reader, gone with nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use gst::glib;
use gst::prelude::*;

/// What arrives behind `elements`, per buffer, for a stream that is green but for blue from frame
/// 10 on; `elements` stands between the filter and the sink.
fn behind(elements: &str) -> Vec<(Option<gst::ClockTime>, Vec<Meta>)> {
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

/// All 20 buffers, each with the metadata of its own frame.
fn assert_all_there(elements: &str) {
    let seen = behind(elements);
    assert_eq!(seen.len(), 20, "{elements}");
    for (index, (pts, metas)) in seen.iter().enumerate() {
        assert_eq!(*pts, Some(FRAME * index as u64), "{elements}");
        let [meta] = &metas[..] else { panic!("{elements}, frame {index}: {metas:?}") };
        meta.assert_is(if index < 10 { GREEN_IS } else { BLUE_IS }, 1e-3);
        assert_eq!(meta.inference_pts, pts.map(gst::ClockTime::nseconds));
    }
}

#[test]
fn it_survives_videoconvert() {
    assert_all_there("videoconvert ! video/x-raw,format=I420");
    assert_all_there("videoconvert ! video/x-raw,format=GRAY8");
}

#[test]
fn it_survives_videoscale() {
    assert_all_there("videoscale ! video/x-raw,width=160,height=120");
    assert_all_there("videoconvert ! videoscale ! video/x-raw,format=NV12,width=32,height=18");
}

#[test]
fn it_survives_what_passes_buffers_on() {
    assert_all_there("queue ! capsfilter caps=video/x-raw ! identity ! queue max-size-buffers=1");
    assert_all_there("videorate drop-only=true");
    assert_all_there("videocrop left=3 top=2");
    assert_all_there("videoflip method=horizontal-flip");
}

#[test]
fn it_survives_both_branches_of_a_tee() {
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
fn a_videorate_that_drops_keeps_that_of_the_frames_that_stay() {
    let seen = behind("videorate drop-only=true ! video/x-raw,framerate=5/1");
    assert!((3..=5).contains(&seen.len()), "{}", seen.len());
    for (_, metas) in seen {
        assert_eq!(metas.len(), 1);
    }
}

#[test]
fn fields_and_types_are_those_documented() {
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
fn below_the_threshold_the_label_is_the_unknown_one_and_the_ranking_stays() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={{model}} unknown-label=nobody \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 16, 16))
    ));
    pipeline.begin(gst::State::Playing);
    let meta = meta(&through(&pipeline, frame(0, rgb(16, 16, RED))));
    meta.assert_is(("nobody", RED_IS.1), 1e-3);
    assert_eq!(meta.index, -1);
    assert_eq!(meta.labels, ["dog", "cat"]);
}

#[test]
fn the_labels_of_the_model_reach_the_metadata() {
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
        let mut seen = meta(&through(&pipeline, frame(0, rgb(16, 16, BLUE)))).labels;
        seen.sort_unstable();
        let mut labels = labels.map(str::to_owned).to_vec();
        labels.sort_unstable();
        assert_eq!(seen, labels, "{name}");
    }
}

#[test]
fn a_list_of_1001_classes_is_cut_to_the_best() {
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

    fn classifications(buffer: &gst::BufferRef) -> Vec<Vec<(String, f32)>> {
        let Some(meta) = buffer.meta::<AnalyticsRelationMeta>() else { return Vec::new() };
        meta.iter::<AnalyticsClassificationMtd>()
            .map(|found| {
                let classes = found.iterate();
                classes.map(|(label, level)| (label.as_str().to_string(), level)).collect()
            })
            .collect()
    }

    fn see(properties: &str, color: [u8; 3]) -> Vec<Vec<(String, f32)>> {
        let pipeline = launch(&format!(
            "{} ! catdogfilter model-file={{model}} {properties} \
             ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink sync=false",
            appsrc(&caps("RGB", 16, 16))
        ));
        pipeline.begin(gst::State::Playing);
        classifications(&through(&pipeline, frame(0, rgb(16, 16, color))))
    }

    #[test]
    fn a_known_class_is_a_classification() {
        let found = see("", BLUE);
        assert_eq!(found.len(), 1);
        let labels: Vec<&str> = found[0].iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, ["dog", "cat"]);
        assert!((f64::from(found[0][0].1) - BLUE_IS.1).abs() < 1e-3);
    }

    #[test]
    fn below_the_threshold_there_is_none() {
        assert!(see("", RED).is_empty());
    }

    #[test]
    fn two_elements_add_to_one_relation_meta() {
        let found = see("! catdogfilter model-file={model}", BLUE);
        assert_eq!(found.len(), 2);
    }

    // Elements of others

    /// A red-framed square that somebody else detected.
    fn detect(buffer: &mut gst::BufferRef) {
        let mut meta = AnalyticsRelationMeta::add(buffer);
        meta.add_od_mtd(glib::Quark::from_str("face"), 20, 10, 40, 30, 0.5).unwrap();
    }

    /// The pixels behind `elements`, of a frame with a detection of its own or without.
    fn drawn(elements: &str, detected: bool) -> Vec<u8> {
        let pipeline = launch(&format!(
            "{} ! {elements} ! videoconvert ! video/x-raw,format=BGRx ! appsink name=sink sync=false",
            appsrc(&caps("BGRx", 96, 64))
        ));
        pipeline.begin(gst::State::Playing);
        let mut buffer = frame(0, packed(gst_video::VideoFormat::Bgrx, 96, 64, |_, _| BLUE));
        if detected {
            detect(buffer.get_mut().unwrap());
        }
        through(&pipeline, buffer).map_readable().unwrap().to_vec()
    }

    fn lacks(test: &str, element: &str) -> bool {
        init();
        let missing = gst::ElementFactory::find(element).is_none();
        if missing {
            say(&format!("SKIPPED {test}: GStreamer has no {element} here"));
        }
        missing
    }

    #[test]
    fn detections_of_others_are_drawn_as_they_were() {
        if lacks("detections_of_others_are_drawn_as_they_were", "objectdetectionoverlay") {
            return;
        }
        let filter = "catdogfilter model-file={model}";
        let overlay = "videoconvert ! objectdetectionoverlay";
        let both = format!("{} ! {overlay}", with_model(filter));
        let want = drawn(overlay, true);
        assert!(want != drawn(overlay, false), "the overlay draws nothing");
        assert!(drawn(&both, true) == want);
        assert!(drawn(&both, false) == drawn("identity", false), "there is nothing to draw");
    }

    #[test]
    fn a_known_class_is_an_object_where_that_is_wanted() {
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
        assert!(objects(RED).is_empty(), "what is not believed is no object");
        pipeline.get("filter").set_property("object-metadata", false);
        assert!(objects(BLUE).is_empty());
    }

    #[test]
    fn onvif_has_the_object() {
        if lacks("onvif_has_the_object", "relationmeta2onvifmeta") {
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
        assert!(!xml("").contains("Object"), "it reads no classifications");
    }
}
