//! Pictures that are stored turned or flipped are classified upright. GStreamer's `videoflip`, which
//! turns the pixels, is the reference.

use crate::common::*;
use gst::prelude::*;

/// The values of the property `orientation`, and of the tag `image-orientation`, for the same
/// operation.
const ORIENTATIONS: [(&str, &str); 8] = [
    ("identity", "rotate-0"),
    ("90r", "rotate-90"),
    ("180", "rotate-180"),
    ("90l", "rotate-270"),
    ("horiz", "flip-rotate-0"),
    ("vert", "flip-rotate-180"),
    ("ul-lr", "flip-rotate-270"),
    ("ur-ll", "flip-rotate-90"),
];

/// A frame of 64x48 pixels: its upper left quarter is green, the lower right one red, the rest blue.
fn quarters(index: u64) -> gst::Buffer {
    let color = |x, y| match (x < 32, y < 24) {
        (true, true) => GREEN,
        (false, false) => RED,
        _ => BLUE,
    };
    frame(index, packed(gst_video::VideoFormat::Rgb, 64, 48, color))
}

/// Returns a pipeline that classifies a part of the upper left quarter of the upright picture, with
/// `before` upstream of the filter.
fn play(before: &str, properties: &str) -> Pipeline {
    let pipeline = launch(&format!(
        "{} ! {before} catdogfilter name=filter model-file={{model}} region=0,0,0.375,0.375 {properties} \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 64, 48))
    ));
    pipeline.begin(gst::State::Playing);
    pipeline
}

/// Sends the tag `image-orientation` from the source.
fn send_tag(pipeline: &Pipeline, value: &str, scope: gst::TagScope) {
    let mut tags = gst::TagList::new();
    let list = tags.make_mut();
    list.add::<gst::tags::ImageOrientation>(&value, gst::TagMergeMode::Replace);
    list.set_scope(scope);
    assert!(pipeline.get("src").send_event(gst::event::Tag::new(tags)));
}

/// Returns the confidence of "cat" for a frame whose colors differ in every direction. `tag` is the
/// orientation in the tags of the stream.
fn confidence(before: &str, properties: &str, tag: Option<&str>) -> f64 {
    let pipeline = launch(&format!(
        "{} ! {before} catdogfilter model-file={{model}} {properties} \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 64, 48))
    ));
    pipeline.begin(gst::State::Playing);
    if let Some(tag) = tag {
        send_tag(&pipeline, tag, gst::TagScope::Stream);
    }
    let color = |x, y| [4 * x as u8, 5 * y as u8, (x * y * 7) as u8 / 2];
    let picture = packed(gst_video::VideoFormat::Rgb, 64, 48, color);
    meta(&through(&pipeline, frame(0, picture))).confidence_of("cat")
}

#[test]
fn every_orientation_gives_the_result_of_videoflip() {
    const TOLERANCE: f64 = 4e-4;
    for region in ["", "region=0,0,0.375,0.375"] {
        let mut all = Vec::new();
        for (method, tag) in ORIENTATIONS {
            let reference =
                confidence(&format!("videoflip video-direction={method} !"), region, None);
            let by_property = confidence("", &format!("{region} orientation={method}"), None);
            let by_tag = confidence("", region, Some(tag));
            for found in [by_property, by_tag] {
                let difference = (found - reference).abs();
                assert!(difference < TOLERANCE, "{method} {region}: {found}, {reference}");
            }
            all.push(reference);
        }
        // The picture distinguishes the orientations.
        all.sort_by(f64::total_cmp);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] > 2.0 * TOLERANCE), "{all:?}");
    }
}

#[test]
fn a_tag_takes_effect_with_the_next_frame() {
    let pipeline = play("", "inference-interval=1000 smoothing=10000 hold=10000");
    meta(&through(&pipeline, quarters(0))).assert_is(GREEN_IS, 1e-3);
    send_tag(&pipeline, "flip-rotate-0", gst::TagScope::Stream);
    let flipped = meta(&through(&pipeline, quarters(1)));
    assert!(flipped.fresh);
    // Neither smoothing nor hysteresis keeps the result of the other orientation.
    flipped.assert_is(BLUE_IS, 1e-3);
    // A tag for all streams does not replace that of the stream.
    send_tag(&pipeline, "rotate-180", gst::TagScope::Global);
    assert!(!meta(&through(&pipeline, quarters(2))).fresh);
}

#[test]
fn the_property_takes_precedence_and_takes_effect_with_the_next_frame() {
    let pipeline = play("", "orientation=identity smoothing=10000 hold=10000");
    send_tag(&pipeline, "flip-rotate-0", gst::TagScope::Stream);
    meta(&through(&pipeline, quarters(0))).assert_is(GREEN_IS, 1e-3);
    let filter = pipeline.get("filter");
    filter.set_property_from_str("orientation", "180");
    meta(&through(&pipeline, quarters(1))).assert_is(RED_IS, 1e-3);
    filter.set_property_from_str("orientation", "auto");
    meta(&through(&pipeline, quarters(2))).assert_is(BLUE_IS, 1e-3);
    filter.set_property_from_str("orientation", "custom");
    meta(&through(&pipeline, quarters(3))).assert_is(BLUE_IS, 1e-3);
    let warnings = pipeline.warnings();
    let [(_, text)] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(text.contains("orientation=custom"), "{text}");
}

#[test]
fn another_stream_starts_without_an_orientation() {
    let mut harness = {
        init();
        let filter = gst::ElementFactory::make("catdogfilter")
            .property("model-file", model(MODEL).to_str().unwrap())
            .property("region", "0,0,0.375,0.375")
            .property("smoothing", 0_u32)
            .property("hold", 0_u32)
            .property_from_str("mode", "sync")
            .build()
            .unwrap();
        gst_check::Harness::with_element(&filter, Some("sink"), Some("src"))
    };
    harness.set_src_caps(caps("RGB", 64, 48));
    harness.play();
    let mut label = |events: &[gst::Event]| {
        for event in events {
            assert!(harness.push_event(event.clone()));
        }
        harness.push(quarters(0)).unwrap();
        meta(&harness.pull().unwrap()).label
    };
    let mut tags = gst::TagList::new();
    tags.make_mut()
        .add::<gst::tags::ImageOrientation>(&"flip-rotate-0", gst::TagMergeMode::Replace);
    assert_eq!(label(&[]), "cat");
    assert_eq!(label(&[gst::event::Tag::new(tags)]), "dog");
    assert_eq!(label(&[gst::event::StreamStart::new("another")]), "cat");
}

#[test]
fn what_videoflip_has_turned_is_not_turned_again() {
    for before in [
        "videoflip video-direction=auto !",
        "videoflip method=automatic ! queue ! videoconvert ! tee ! queue !",
    ] {
        let pipeline = play(before, "");
        send_tag(&pipeline, "flip-rotate-0", gst::TagScope::Stream);
        // videoflip exchanged left and right.
        meta(&through(&pipeline, quarters(0))).assert_is(BLUE_IS, 1e-3);
    }
    // This videoflip does not follow the tag.
    let pipeline = play("videoflip video-direction=identity !", "");
    send_tag(&pipeline, "flip-rotate-0", gst::TagScope::Stream);
    meta(&through(&pipeline, quarters(0))).assert_is(BLUE_IS, 1e-3);
}

#[test]
fn videoflip_may_start_and_stop_to_turn_the_frames_while_playing() {
    let pipeline = play("videoflip name=flip video-direction=identity !", "");
    let flip = pipeline.get("flip");
    send_tag(&pipeline, "flip-rotate-0", gst::TagScope::Stream);
    let mut index = 0;
    let mut assert_is_turned_once = |direction: &str| {
        flip.set_property_from_str("video-direction", direction);
        // The property of another element is read every 48 frames.
        for _ in 0..48 {
            through(&pipeline, quarters(index));
            index += 1;
        }
        meta(&through(&pipeline, quarters(index))).assert_is(BLUE_IS, 1e-3);
        index += 1;
    };
    assert_is_turned_once("identity");
    assert_is_turned_once("auto");
    assert_is_turned_once("identity");
}

#[test]
fn a_tag_that_arrives_while_the_element_is_inactive_takes_effect() {
    let pipeline = play("videoflip video-direction=auto !", "active=false");
    through(&pipeline, quarters(0));
    send_tag(&pipeline, "flip-rotate-0", gst::TagScope::Stream);
    through(&pipeline, quarters(1));
    pipeline.get("filter").set_property("active", true);
    meta(&through(&pipeline, quarters(2))).assert_is(BLUE_IS, 1e-3);
}

/// The demo clip, turned by `videoflip`, and turned back for the model by the tag, gives the labels
/// of the clip.
#[test]
fn the_demo_clip_stored_turned_gives_the_same_labels() {
    if lacks_elements("orientation", &["qtdemux", "avdec_h264", "taginject"]) {
        return;
    }
    let labels = |turn: &str| {
        let clip = repository().join("models/demo/demo.mp4");
        let pipeline = launch(&format!(
            "filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! {turn} \
             catdogfilter inference-interval=5 ! fakesink name=sink",
            clip.display()
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), |buffer| meta(buffer).label);
        pipeline.run();
        taken(&seen)
    };
    let upright = labels("");
    for (method, tag) in [("90l", "rotate-90"), ("180", "rotate-180"), ("90r", "rotate-270")] {
        let turned = labels(&format!(
            "videoflip video-direction={method} ! taginject tags=image-orientation={tag} !"
        ));
        let equal = upright.iter().zip(&turned).filter(|(a, b)| a == b).count();
        assert_eq!(upright.len(), turned.len());
        // A label may change a few frames earlier or later.
        assert!(equal * 100 >= upright.len() * 97, "{tag}: {equal} of {}", upright.len());
    }
}
