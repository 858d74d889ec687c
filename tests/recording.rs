//! Recordings: annotated video goes into a file with every frame of the input, at its time, with
//! the text burnt in; stills and motion JPEG go the same way.
//!
//! The input is a clip of the outside data where there is one, and a film made here otherwise; the
//! model is one of `tests/models` in both cases, so that the text is known to be there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use gst::prelude::*;
use gst_video::prelude::*;

/// The filter with a model that is sure of everything, so that every frame gets a text.
const FILTER: &str = "catdogfilter name=filter model-file={model} class-confidence-threshold=0";

fn missing(test: &str, elements: &[&str]) -> bool {
    init();
    let missing: Vec<&&str> =
        elements.iter().filter(|name| gst::ElementFactory::find(name).is_none()).collect();
    if !missing.is_empty() {
        say(&format!("SKIPPED {test}: GStreamer has no {missing:?} here"));
    }
    !missing.is_empty()
}

/// A film of two seconds in `folder`: cut from a clip, or made.
fn film(test: &str, folder: &Path) -> PathBuf {
    let file = folder.join("film.mkv");
    let source = match find_outside_data("data/clips/cat_on_chair_640x338.mp4") {
        Ok(clip) => format!(
            "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format=I420",
            clip.display()
        ),
        Err(missing) => {
            say(&format!("{test} makes a film of its own: {} is not there", missing.display()));
            "videotestsrc pattern=ball \
             ! video/x-raw,format=I420,width=640,height=338,framerate=25/1"
                .to_owned()
        }
    };
    let pipeline = launch(&format!(
        "{source} ! identity name=cut ! jpegenc quality=95 \
         ! matroskamux ! filesink location={}",
        file.display()
    ));
    pipeline.get("cut").set_property("eos-after", 51);
    pipeline.run();
    file
}

/// A frame as it came out of a file: its time, and the mean luma of the rows in which textoverlay
/// writes by default (the lowest sixth) and of those above.
#[derive(Clone, Debug)]
struct Shown {
    pts: gst::ClockTime,
    below: f64,
    above: f64,
    detail_below: f64,
}

/// Decodes `file` to its end, through `elements`.
fn decode(file: &Path, elements: &str) -> Vec<Shown> {
    let pipeline = launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! {elements} \
         ! video/x-raw,format=I420 ! fakesink name=sink sync=false",
        file.display()
    ));
    let sink = pipeline.pad("sink", "sink");
    let pad = sink.downgrade();
    let seen = collect(&sink, move |buffer| {
        let caps = pad.upgrade().unwrap().current_caps().unwrap();
        shown(buffer, &gst_video::VideoInfo::from_caps(&caps).unwrap())
    });
    pipeline.run();
    taken(&seen)
}

fn shown(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Shown {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = frame.plane_stride()[0] as usize;
    let luma = frame.plane_data(0).unwrap();
    let rows = |rows: std::ops::Range<usize>| {
        let (mut sum, mut detail, count) = (0, 0, rows.len() * width);
        for row in rows {
            let row = &luma[row * stride..][..width];
            sum += row.iter().map(|y| u64::from(*y)).sum::<u64>();
            detail += row.windows(2).map(|y| u64::from(y[0].abs_diff(y[1]))).sum::<u64>();
        }
        (sum as f64 / count as f64, detail as f64 / count as f64)
    };
    let border = height * 5 / 6;
    let ((above, _), (below, detail_below)) = (rows(0..border), rows(border..height));
    Shown { pts: buffer.pts().unwrap(), below, above, detail_below }
}

/// Records `film` with and without the filter and holds the two against each other.
fn record(test: &str, encoder: &str, muxer: &str, extension: &str) {
    let folder = tempfile::tempdir().unwrap();
    let film = film(test, folder.path());
    let written = |name: &str, filter: &str| {
        let file = folder.path().join(format!("{name}.{extension}"));
        let pipeline = launch(&format!(
            "filesrc location={} ! decodebin ! {filter} ! textoverlay name=overlay \
             ! videoconvert ! video/x-raw,format=I420 ! {encoder} ! {muxer} ! filesink location={}",
            film.display(),
            file.display()
        ));
        pipeline.run();
        file
    };
    let annotated = decode(&written("annotated", FILTER), "identity");
    let bare = decode(&written("bare", "identity"), "identity");
    let input = decode(&film, "identity");

    let start = input[0].pts;
    assert!(input.len() >= 45, "{} frames", input.len());
    assert_eq!(annotated.len(), input.len(), "every frame is there");
    assert_eq!(bare.len(), input.len());
    for (index, frame) in annotated.iter().enumerate() {
        let want = (input[index].pts - start).nseconds() as i64;
        let got = (frame.pts - annotated[0].pts).nseconds() as i64;
        // The muxers count in milliseconds or finer.
        assert!((want - got).abs() <= 1_000_000, "frame {index}: {got} for {want} ns");
        assert!(index == 0 || frame.pts > annotated[index - 1].pts);
    }
    for (frame, bare) in annotated.iter().zip(&bare) {
        // Letters in white on black have edges that the picture has not.
        let text = frame.detail_below - bare.detail_below;
        assert!(text > 0.5, "no text is burnt in: {frame:?}, without the filter {bare:?}");
        assert!((frame.above - bare.above).abs() < 2.0, "the rest is the same: {frame:?} {bare:?}");
    }
    let change: f64 = annotated.iter().zip(&bare).map(|(a, b)| (a.below - b.below).abs()).sum();
    say(&format!(
        "{test}: {} frames, luma under the text changed by {:.2} in the mean",
        annotated.len(),
        change / annotated.len() as f64
    ));
}

#[test]
fn an_mp4_has_every_frame_with_its_text() {
    let test = "an_mp4_has_every_frame_with_its_text";
    if !missing(test, &["x264enc", "mp4mux", "qtdemux"]) {
        record(test, "x264enc speed-preset=ultrafast quantizer=18 pass=quant", "mp4mux", "mp4");
    }
}

#[test]
fn a_webm_has_every_frame_with_its_text() {
    let test = "a_webm_has_every_frame_with_its_text";
    if !missing(test, &["vp8enc", "webmmux", "matroskademux"]) {
        let encoder = "vp8enc deadline=1 cpu-used=16 target-bitrate=4000000";
        record(test, encoder, "webmmux", "webm");
    }
}

#[test]
fn a_recording_of_a_live_source_has_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("live.mkv");
    let pipeline = launch(&format!(
        "videotestsrc is-live=true num-buffers=25 pattern=ball \
         ! video/x-raw,format=YUY2,width=320,height=240,framerate=25/1 \
         ! {FILTER} ! textoverlay ! videoconvert ! jpegenc ! matroskamux ! filesink location={}",
        file.display()
    ));
    let passed = collect(&pipeline.pad("filter", "src"), |buffer| buffer.offset());
    pipeline.run();
    let passed = taken(&passed).len();
    let recorded = decode(&file, "identity");
    assert_eq!(recorded.len(), passed);
    assert!(recorded.is_sorted_by(|a, b| a.pts < b.pts));
}

/// JPEG stills of one colour each, numbered.
fn stills(folder: &Path, colors: &[u32]) {
    for (index, color) in colors.iter().enumerate() {
        launch(&format!(
            "videotestsrc num-buffers=1 pattern=solid-color foreground-color={color} \
             ! video/x-raw,width=160,height=120 ! jpegenc quality=95 ! filesink location={}",
            folder.join(format!("{index:03}.jpg")).display()
        ))
        .run();
    }
}

#[test]
fn a_still_photo_becomes_a_film() {
    let folder = tempfile::tempdir().unwrap();
    stills(folder.path(), &[0xff00_00ff]);
    let pipeline = launch(&format!(
        "filesrc location={} ! jpegdec ! imagefreeze num-buffers=20 \
         ! video/x-raw,framerate=25/1 ! {FILTER} ! textoverlay ! fakesink name=sink",
        folder.path().join("000.jpg").display()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| (buffer.pts(), meta(buffer)));
    pipeline.run();
    let seen = taken(&seen);
    assert_eq!(seen.len(), 20);
    for (index, (pts, meta)) in seen.iter().enumerate() {
        assert_eq!(*pts, Some(FRAME * index as u64));
        meta.assert_is(BLUE_IS, 0.02);
    }
}

#[test]
fn a_row_of_photos_becomes_a_film() {
    let folder = tempfile::tempdir().unwrap();
    stills(folder.path(), &[0xff00_ff00, 0xff00_00ff, 0xff00_00ff, 0xff00_ff00]);
    let pipeline = launch(&format!(
        "multifilesrc location={}/%03d.jpg caps=image/jpeg,framerate=5/1 ! jpegdec \
         ! {FILTER} ! fakesink name=sink",
        folder.path().display()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    pipeline.run();
    let labels: Vec<String> = taken(&seen).into_iter().map(|meta| meta.label).collect();
    assert_eq!(labels, ["cat", "dog", "dog", "cat"]);
}

#[test]
fn motion_jpeg_is_classified() {
    for format in ["I420", "Y42B", "Y444", "GRAY8"] {
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=10 pattern=solid-color foreground-color=0xff0000ff \
             ! video/x-raw,format={format},width=320,height=240,framerate=30/1 \
             ! jpegenc ! image/jpeg ! jpegdec ! {FILTER} ! fakesink name=sink"
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        pipeline.run();
        let seen = taken(&seen);
        assert_eq!(seen.len(), 10, "{format}");
        if format != "GRAY8" {
            seen.iter().for_each(|meta| meta.assert_is(BLUE_IS, 0.02));
        }
    }
}
