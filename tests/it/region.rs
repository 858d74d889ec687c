//! The part of the picture that is classified, and its outline in the picture.

use std::time::Duration;

use crate::common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoOverlayCompositionMeta};

/// Returns a frame of 64x48 pixels whose left half is green and whose right half is blue.
///
/// The regions in the tests end before the border of the colors, because the antialiasing filter
/// weights the pixels next to a region, too.
fn halves(index: u64) -> gst::Buffer {
    frame(index, packed(VideoFormat::Rgb, 64, 48, |x, _| if x < 32 { GREEN } else { BLUE }))
}

/// Returns the pipeline of [`play_filter`] on [`MODEL`] for the frames of [`halves`].
fn play(properties: &str) -> Pipeline {
    play_filter_with_caps(&caps("RGB", 64, 48), &format!("model-file={{model}} {properties}"))
}

/// Returns the field `region` of the metadata.
fn region_of(buffer: &gst::BufferRef) -> Option<String> {
    let field = |structure: &gst::StructureRef| structure.get::<String>("region").ok();
    gstcatdog::metadata::find(buffer, None, field).unwrap()
}

#[test]
fn only_the_region_is_classified() {
    for (region, result) in [("0,0,0.375,1", GREEN_IS), ("0.625,0.25,0.375,0.5", BLUE_IS)] {
        let pipeline = play(&format!("region={region}"));
        meta(&through(&pipeline, halves(0))).assert_is(result, 1e-3);
    }
}

#[test]
fn another_region_takes_effect_with_the_next_frame() {
    let pipeline = play("inference-interval=1000 region=0,0,0.375,1 smoothing=10000 hold=10000");
    let first = through(&pipeline, halves(0));
    meta(&first).assert_is(GREEN_IS, 1e-3);
    assert_eq!(region_of(&first).as_deref(), Some("0,0,0.375,1"));
    pipeline.get("filter").set_property("region", "0.625,0,0.375,1");
    let second = through(&pipeline, halves(1));
    assert!(meta(&second).fresh);
    // Neither smoothing nor hysteresis keeps the result of the other region.
    meta(&second).assert_is(BLUE_IS, 1e-3);
    assert_eq!(region_of(&second).as_deref(), Some("0.625,0,0.375,1"));
    assert!(!meta(&through(&pipeline, halves(2))).fresh);
    pipeline.get("filter").set_property("region", None::<&str>);
    let whole = through(&pipeline, halves(3));
    assert!(meta(&whole).fresh);
    assert_eq!(region_of(&whole), None);
}

#[test]
fn an_unusable_region_is_one_warning_while_playing_and_the_previous_one_stays() {
    let pipeline = play("region=0,0,0.375,1");
    through(&pipeline, halves(0));
    pipeline.get("filter").set_property("region", "0,0,640,480");
    meta(&through(&pipeline, halves(1))).assert_is(GREEN_IS, 1e-3);
    through(&pipeline, halves(2));
    let warnings = pipeline.warnings();
    let [(_, text)] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(text.contains("region=\"0,0,640,480\"") && text.contains("stays in use"), "{text}");
}

#[test]
fn each_unusable_property_is_one_warning_until_it_is_usable_again() {
    let pipeline = play("");
    let filter = pipeline.get("filter");
    let mut index = 0;
    let mut warnings_of_next_frame = || {
        through(&pipeline, halves(index));
        index += 1;
        let warnings = pipeline.warnings().into_iter();
        warnings.map(|(_, text)| text.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    filter.set_property("region", "0,0,2,1");
    filter.set_property("max-rois", 0_u32);
    assert_eq!(warnings_of_next_frame(), ["region", "max-rois"]);
    filter.set_property("hold", 100_u32);
    assert_eq!(warnings_of_next_frame(), [] as [&str; 0]);
    filter.set_property("max-results", 0_u32);
    assert_eq!(warnings_of_next_frame(), ["max-results"]);
    filter.set_property("region", "0,0,1,1");
    assert_eq!(warnings_of_next_frame(), [] as [&str; 0]);
    filter.set_property("region", "0,0,2,1");
    assert_eq!(warnings_of_next_frame(), ["region"]);
}

#[test]
fn another_region_does_not_wait_for_a_slow_engine() {
    let mut engine = FakeEngine::new(1, 1);
    engine.delay = Duration::from_millis(20);
    engine.stand_in_for("region-slow");
    let pipeline = play_filter_with_caps(
        &caps("RGB", 64, 48),
        "model-file=region-slow mode=async hold=0 class-confidence-threshold=0.9 region=0,0,0.25,1",
    );
    through(&pipeline, halves(0));
    let label_after = |start: u64, label: &str| {
        for index in start..start + 500 {
            let buffer = through(&pipeline, halves(index));
            let found = meta(&buffer).label;
            // A held result has the region of its own frame.
            match &*found {
                "green" => assert_eq!(region_of(&buffer).as_deref(), Some("0,0,0.25,1")),
                "blue" => assert_eq!(region_of(&buffer).as_deref(), Some("0.75,0,0.25,1")),
                _ => {}
            }
            if found == label {
                return index + 1;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{label} did not appear");
    };
    let index = label_after(1, "green");
    pipeline.get("filter").set_property("region", "0.75,0,0.25,1");
    label_after(index, "blue");
}

// The outline

/// Returns whether a pixel of a gray picture has the color of the outline.
fn is_outline([red, green, blue]: [u8; 3]) -> bool {
    red > 200 && green > 150 && blue < 60
}

/// Returns the pixels with the color of the outline in a gray frame of 320x240 pixels after
/// `elements`.
fn outline_after(elements: &str) -> Vec<(usize, usize)> {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter model-file={{model}} {elements} \
         ! videoconvert ! video/x-raw,format=RGB ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 320, 240))
    ));
    pipeline.begin(gst::State::Playing);
    let drawn = through(&pipeline, frame(0, rgb(320, 240, [90, 90, 90])));
    let map = drawn.map_readable().unwrap();
    let pixels = map.chunks_exact(3).enumerate();
    let outline = pixels.filter(|(_, pixel)| is_outline([pixel[0], pixel[1], pixel[2]]));
    outline.map(|(index, _)| (index % 320, index / 320)).collect()
}

#[test]
fn a_textoverlay_draws_the_outline_of_the_region() {
    let outline = outline_after("region=0.25,0.5,0.5,0.25 draw-region=true ! textoverlay");
    let at = |x, y| outline.contains(&(x, y));
    assert!(at(80, 120) && at(239, 120) && at(80, 179) && at(239, 179), "{outline:?}");
    assert!(!at(160, 150) && !at(78, 150) && !at(242, 150) && !at(160, 117) && !at(160, 182));
    // Four lines of two pixels.
    assert_eq!(outline.len(), 2 * 2 * (160 + 60) - 4 * 2 * 2);
}

#[test]
fn the_outline_is_that_of_the_stored_picture() {
    // The right half of the upright picture is the upper half of the stored one.
    let outline =
        outline_after("region=0.5,0,0.5,1 draw-region=true orientation=90r ! textoverlay");
    let at = |x, y| outline.contains(&(x, y));
    assert!(at(0, 0) && at(319, 0) && at(0, 119) && at(319, 119) && !at(160, 60) && !at(0, 121));
}

#[test]
fn no_outline_is_drawn_without_a_region_or_unless_it_is_requested() {
    assert_eq!(outline_after("draw-region=true ! textoverlay"), []);
    assert_eq!(outline_after("region=0.25,0.5,0.5,0.25 ! textoverlay"), []);
}

#[test]
fn all_buffers_share_one_outline_until_the_region_changes() {
    let pipeline = play("region=0,0,0.5,1 draw-region=true");
    let outline = |index| {
        let buffer = through(&pipeline, halves(index));
        let meta = buffer.meta::<VideoOverlayCompositionMeta>();
        meta.map(|meta| (meta.overlay().seqnum(), meta.overlay().n_rectangles()))
    };
    let first = outline(0);
    assert_eq!(first.unwrap().1, 4);
    assert_eq!(outline(1), first);
    pipeline.get("filter").set_property("region", "0,0,0.5,0.5");
    let other = outline(2);
    assert!(other.is_some() && other != first);
    assert_eq!(outline(3), other);
    pipeline.get("filter").set_property("draw-region", false);
    assert_eq!(outline(4), None);
}

#[test]
fn rectangles_of_an_element_upstream_are_kept() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter model-file={{model}} region=0,0,1,0.5 draw-region=true \
         ! catdogfilter model-file={{model}} region=0,0.5,1,0.5 draw-region=true \
         ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 64, 48))
    ));
    pipeline.begin(gst::State::Playing);
    let compositions = |index| {
        let buffer = through(&pipeline, halves(index));
        let metas = buffer.iter_meta::<VideoOverlayCompositionMeta>();
        let facts = metas.map(|meta| (meta.overlay().n_rectangles(), meta.overlay().seqnum()));
        facts.collect::<Vec<_>>()
    };
    let first = compositions(0);
    assert_eq!(first.iter().map(|(rectangles, _)| *rectangles).collect::<Vec<_>>(), [8]);
    // The buffers share the composition, so that a renderer draws it once.
    assert_eq!(compositions(1), first);
}
