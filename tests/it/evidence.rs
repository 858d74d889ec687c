//! Where the accepted class is: the box in the metadata and the messages, and its outline.
//!
//! The model has 4x4 places of 8x8 pixels and the classes red, blue and neither; see
//! `tests/models/evidence_models.py`. In these tests, a pixel of the frame is a pixel of the model's
//! input, so that the box of a red rectangle is exact.

use crate::common::*;
use gst::prelude::*;
use gst_video::{VideoFormat, VideoOverlayCompositionMeta, VideoRegionOfInterestMeta};

const BLACK: [u8; 3] = [0; 3];

/// Returns the properties that select the model, without smoothing and hysteresis.
fn evidence_model() -> String {
    format!("model-file={} smoothing=0 hold=0", model("evidence/places.tflite").display())
}

/// Returns the pipeline of [`play_filter`] on the model, for frames of these pixels.
fn play(width: u32, height: u32, properties: &str) -> Pipeline {
    play_filter_with_caps(
        &caps("RGB", width, height),
        &format!("{} {properties}", evidence_model()),
    )
}

/// Returns a frame of `width` x `height` pixels with a rectangle (x, y, width, height) of one color.
fn rectangle(
    index: u64,
    (width, height): (u32, u32),
    (left, top, columns, rows): (u32, u32, u32, u32),
    color: [u8; 3],
) -> gst::Buffer {
    let inside =
        |x: u32, y: u32| (left..left + columns).contains(&x) && (top..top + rows).contains(&y);
    let color = |x, y| if inside(x, y) { color } else { BLACK };
    frame(index, packed(VideoFormat::Rgb, width, height, color))
}

/// Returns a frame of 32x32 pixels with a red rectangle.
fn red(index: u64, pixels: (u32, u32, u32, u32)) -> gst::Buffer {
    rectangle(index, (32, 32), pixels, RED)
}

/// Returns the field `box` of the metadata.
fn box_of(buffer: &gst::BufferRef) -> Option<String> {
    let field = |structure: &gst::StructureRef| structure.get_optional::<String>("box").unwrap();
    gstcatdog::metadata::find(buffer, None, field).unwrap()
}

#[test]
fn metadata_and_message_have_the_box_of_the_accepted_class() {
    let pipeline = play(32, 32, "post-messages=every");
    let buffer = through(&pipeline, red(0, (8, 16, 8, 8)));
    assert_eq!(meta(&buffer).label, "red");
    assert_eq!(box_of(&buffer).as_deref(), Some("0.25,0.5,0.25,0.25"));
    let blue = rectangle(1, (32, 32), (16, 0, 16, 24), BLUE);
    assert_eq!(box_of(&through(&pipeline, blue)).as_deref(), Some("0.5,0,0.5,0.75"));
    // Only the background is there.
    let nothing = through(&pipeline, red(2, (0, 0, 0, 0)));
    assert_eq!((&*meta(&nothing).label, box_of(&nothing)), ("neither", None));
    end(&pipeline);
    let results = results(&pipeline.wait_for_eos(), "filter");
    let boxes: Vec<Option<String>> =
        results.iter().map(|result| result.get_optional("box").unwrap()).collect();
    let wanted = [Some("0.25,0.5,0.25,0.25"), Some("0.5,0,0.5,0.75"), None];
    assert_eq!(boxes, wanted.map(|text| text.map(str::to_owned)));
}

#[test]
fn a_rejected_class_and_a_model_without_evidence_have_no_box() {
    let pipeline = play(32, 32, "class-confidence-threshold=1 unknown-label=none");
    assert_eq!(box_of(&through(&pipeline, red(0, (8, 16, 8, 8)))), None);
    let pipeline = play_filter("model-file={model}");
    let buffer = through(&pipeline, frame(0, rgb(16, 16, BLUE)));
    assert_eq!((meta(&buffer).index, box_of(&buffer)), (1, None));
}

#[test]
fn the_box_is_in_fractions_of_the_upright_frame() {
    for (size, pixels, properties, want) in [
        // The columns 16..48 are shown.
        ((64, 32), (24, 16, 8, 8), "resize-method=crop", "0.375,0.5,0.125,0.25"),
        ((32, 16), (8, 8, 16, 8), "resize-method=letterbox", "0.25,0.5,0.5,0.5"),
        ((64, 64), (40, 32, 8, 16), "region=0.5,0.5,0.5,0.5", "0.625,0.5,0.125,0.25"),
        // Upright, the frame is 32x64, of which the rows 16..48 are shown; the rectangle is at 8, 24.
        ((64, 32), (24, 16, 8, 8), "resize-method=crop orientation=90r", "0.25,0.375,0.25,0.125"),
    ] {
        let pipeline = play(size.0, size.1, properties);
        let buffer = through(&pipeline, rectangle(0, size, pixels, RED));
        assert_eq!(box_of(&buffer).as_deref(), Some(want), "{properties}");
    }
}

/// GStreamer's `videoflip`, which turns the pixels, is the reference.
#[test]
fn a_turned_frame_has_the_box_of_the_frame_that_videoflip_turns() {
    let found = |before: &str, properties: &str| {
        let pipeline = launch(&format!(
            "{} ! {before} catdogfilter {} {properties} ! appsink name=sink sync=false",
            appsrc(&caps("RGB", 32, 32)),
            evidence_model()
        ));
        pipeline.begin(gst::State::Playing);
        box_of(&through(&pipeline, red(0, (0, 8, 8, 16)))).unwrap()
    };
    for direction in ["identity", "90r", "180", "90l", "horiz", "vert", "ul-lr", "ur-ll"] {
        let reference = found(&format!("videoflip video-direction={direction} !"), "");
        assert_eq!(found("", &format!("orientation={direction}")), reference, "{direction}");
    }
}

#[test]
fn a_held_result_keeps_its_box() {
    let pipeline = play(32, 32, "inference-interval=2");
    let boxes: Vec<_> = (0..4)
        .map(|index| {
            let pixels = if index < 2 { (0, 0, 8, 8) } else { (8, 8, 16, 8) };
            // The second and the fourth frame are not inferred.
            let pixels = if index % 2 == 1 { (24, 24, 8, 8) } else { pixels };
            let buffer = through(&pipeline, red(index, pixels));
            (meta(&buffer).fresh, box_of(&buffer).unwrap())
        })
        .collect();
    let first = "0,0,0.25,0.25".to_owned();
    let second = "0.25,0.25,0.5,0.25".to_owned();
    let wanted = [(true, first.clone()), (false, first), (true, second.clone()), (false, second)];
    assert_eq!(boxes, wanted);
}

#[test]
fn a_result_of_a_worker_has_a_box() {
    let pipeline = play(32, 32, "mode=async");
    for index in 0..500 {
        let buffer = through(&pipeline, red(index, (8, 16, 8, 8)));
        if meta(&buffer).label == "red" {
            assert_eq!(box_of(&buffer).as_deref(), Some("0.25,0.5,0.25,0.25"));
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("no result arrived");
}

#[test]
fn with_roi_each_there_is_no_box() {
    let pipeline = play(32, 32, "roi=each");
    let mut buffer = red(0, (0, 0, 32, 32));
    VideoRegionOfInterestMeta::add(buffer.get_mut().unwrap(), "animal", (0, 0, 32, 32));
    let buffer = through(&pipeline, buffer);
    assert_eq!((&*meta(&buffer).label, box_of(&buffer)), ("red", None));
}

// The outline

/// Returns the number of rectangles that are attached to `buffer`, and the number of their
/// composition.
fn outline(buffer: &gst::BufferRef) -> Option<(u32, u32)> {
    let meta = buffer.meta::<VideoOverlayCompositionMeta>()?;
    Some((meta.overlay().n_rectangles(), meta.overlay().seqnum()))
}

#[test]
fn the_outline_of_the_box_is_drawn_and_follows_it() {
    let pipeline = launch(&format!(
        "{} ! catdogfilter name=filter {} draw-box=true ! textoverlay ! videoconvert \
         ! video/x-raw,format=RGB ! appsink name=sink sync=false",
        appsrc(&caps("RGB", 320, 320)),
        evidence_model()
    ));
    pipeline.begin(gst::State::Playing);
    for (index, left) in [(0, 80), (1, 160)] {
        let pixels = (left, 160, 80, 80);
        let drawn = through(&pipeline, rectangle(index, (320, 320), pixels, RED));
        let map = drawn.map_readable().unwrap();
        let green = |x: u32, y: u32| {
            let pixel = &map[(y as usize * 320 + x as usize) * 3..][..3];
            pixel[1] > 180 && pixel[0] < 80
        };
        // A line is two pixels wide. The filter of the scaling moves the edges by some pixels.
        let near = |x: u32, y: u32| (x - 12..x + 12).any(|x| green(x, y));
        assert!(near(left, 200) && near(left + 80, 200), "{left}");
        assert!(!green(left + 40, 200) && !near(left + 110, 200), "{left}");
    }
}

#[test]
fn buffers_with_the_same_box_share_its_outline() {
    let pipeline = play(32, 32, "draw-box=true");
    let mut next = 0;
    let mut outline_of = |pixels| {
        next += 1;
        outline(&through(&pipeline, red(next - 1, pixels)))
    };
    let first = outline_of((0, 0, 16, 16));
    assert_eq!(first.unwrap().0, 4);
    assert_eq!(outline_of((0, 0, 16, 16)), first);
    let other = outline_of((16, 0, 16, 16));
    assert!(other.is_some() && other != first);
    assert_eq!(outline_of((0, 0, 0, 0)), None, "the background has no box");
    pipeline.get("filter").set_property("draw-box", false);
    assert_eq!(outline_of((0, 0, 16, 16)), None);
}

#[test]
fn the_outlines_of_the_region_and_of_the_box_are_both_drawn() {
    let pipeline = play(64, 64, "region=0.5,0.5,0.5,0.5 draw-region=true draw-box=true");
    let draw = |index| {
        let pixels = (32, 32, 16, 16);
        outline(&through(&pipeline, rectangle(index, (64, 64), pixels, RED)))
    };
    let first = draw(0);
    assert_eq!(first.unwrap().0, 8);
    assert_eq!(draw(1), first);
}

#[cfg(feature = "analytics")]
#[test]
fn the_object_of_object_metadata_has_the_pixels_of_the_box() {
    use gst_analytics::prelude::*;
    use gst_analytics::{AnalyticsODMtd, AnalyticsRelationMeta};

    // The object is described in pixels of the stored frame, however it is turned.
    for orientation in ["identity", "90r", "180"] {
        let properties = format!("object-metadata=true orientation={orientation}");
        let pipeline = play(32, 32, &properties);
        let buffer = through(&pipeline, red(0, (8, 16, 16, 8)));
        let meta = buffer.meta::<AnalyticsRelationMeta>().unwrap();
        let places: Vec<_> = meta
            .iter::<AnalyticsODMtd>()
            .map(|object| object.location().unwrap())
            .map(|place| (place.x, place.y, place.w, place.h))
            .collect();
        assert_eq!(places, [(8, 16, 16, 8)], "{orientation}");
    }
}
