//! Recordings of annotated video: the file has every frame of the input with its timestamp, and the
//! text is drawn into the picture. Photos and motion JPEG are also tested as inputs.
//!
//! The input is a clip of the test data, or a generated film if the clip is missing. The model is
//! one of `tests/models` and accepts every frame, so every frame has a text.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::*;
use gst::prelude::*;
use gst_video::prelude::*;

/// The filter with a threshold of 0, so that every frame gets a text.
const FILTER: &str = "catdogfilter name=filter model-file={model} class-confidence-threshold=0";

/// Number of frames of the film, about two seconds.
const FILM_FRAMES: usize = 50;

/// Creates a film of [`FILM_FRAMES`] frames in `folder`: the beginning of a clip, or a generated
/// one.
fn create_film(test: &str, folder: &Path) -> PathBuf {
    let file = folder.join("film.mkv");
    let source = match find_outside_data("data/clips/cat_on_chair_640x338.mp4") {
        Ok(clip) => format!(
            "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format=I420",
            clip.display()
        ),
        Err(missing) => {
            say(&format!("{test} uses a generated film: {} is missing", missing.display()));
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
    // identity ends the stream instead of passing the next frame. A decoder then drains, and
    // identity passes its last frames, which the probe must drop.
    pipeline.get("cut").set_property("eos-after", FILM_FRAMES as i32 + 1);
    let passed = AtomicUsize::new(0);
    pipeline.pad("cut", "src").add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        match passed.fetch_add(1, Ordering::Relaxed) < FILM_FRAMES {
            true => gst::PadProbeReturn::Ok,
            false => gst::PadProbeReturn::Drop,
        }
    });
    pipeline.run();
    file
}

/// A decoded frame of a file.
#[derive(Clone, Debug)]
struct DecodedFrame {
    pts: gst::ClockTime,
    /// Mean luma of the lowest sixth of the rows, where textoverlay draws by default.
    text_luma: f64,
    /// Mean luma of the other rows.
    other_luma: f64,
    /// Mean difference between neighboring pixels in the lowest sixth of the rows.
    text_detail: f64,
}

/// Decodes `file` to its end.
fn decode(file: &Path) -> Vec<DecodedFrame> {
    let pipeline = launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert \
         ! video/x-raw,format=I420 ! fakesink name=sink sync=false",
        file.display()
    ));
    let sink = pipeline.pad("sink", "sink");
    let pad = sink.downgrade();
    let seen = collect(&sink, move |buffer| {
        let caps = pad.upgrade().unwrap().current_caps().unwrap();
        measure(buffer, &gst_video::VideoInfo::from_caps(&caps).unwrap())
    });
    pipeline.run();
    taken(&seen)
}

fn measure(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> DecodedFrame {
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
    let ((other_luma, _), (text_luma, text_detail)) = (rows(0..border), rows(border..height));
    DecodedFrame { pts: buffer.pts().unwrap(), text_luma, other_luma, text_detail }
}

/// Records a film with and without the filter, and compares the recordings.
fn record_and_compare(test: &str, encoder: &str, muxer: &str, extension: &str) {
    let folder = tempfile::tempdir().unwrap();
    let film = create_film(test, folder.path());
    let record = |name: &str, filter: &str| {
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
    let annotated = decode(&record("annotated", FILTER));
    let bare = decode(&record("bare", "identity"));
    let input = decode(&film);

    let start = input[0].pts;
    assert_eq!(input.len(), FILM_FRAMES, "frames of the film");
    assert_eq!(annotated.len(), input.len(), "frames");
    assert_eq!(bare.len(), input.len(), "frames without the filter");
    for (index, frame) in annotated.iter().enumerate() {
        let expected = (input[index].pts - start).nseconds() as i64;
        let time = (frame.pts - annotated[0].pts).nseconds() as i64;
        // The muxers round to milliseconds or less.
        let difference = (expected - time).abs();
        assert!(difference <= 1_000_000, "frame {index}: {time} instead of {expected} ns");
        assert!(index == 0 || frame.pts > annotated[index - 1].pts);
    }
    for (frame, bare) in annotated.iter().zip(&bare) {
        // White letters with a black outline have edges that the picture does not have.
        let edges = frame.text_detail - bare.text_detail;
        assert!(edges > 0.5, "no text: {frame:?}, without the filter {bare:?}");
        let difference = (frame.other_luma - bare.other_luma).abs();
        assert!(difference < 2.0, "other rows differ: {frame:?}, without the filter {bare:?}");
    }
    let change: f64 =
        annotated.iter().zip(&bare).map(|(a, b)| (a.text_luma - b.text_luma).abs()).sum();
    say(&format!(
        "{test}: {} frames, the text changes the mean luma of its rows by {:.2}",
        annotated.len(),
        change / annotated.len() as f64
    ));
}

#[test]
fn an_mp4_has_every_frame_with_its_text() {
    let test = "an_mp4_has_every_frame_with_its_text";
    if !lacks_elements(test, &["x264enc", "mp4mux", "qtdemux"]) {
        record_and_compare(
            test,
            "x264enc speed-preset=ultrafast quantizer=18 pass=quant",
            "mp4mux",
            "mp4",
        );
    }
}

#[test]
fn a_webm_has_every_frame_with_its_text() {
    let test = "a_webm_has_every_frame_with_its_text";
    if !lacks_elements(test, &["vp8enc", "webmmux", "matroskademux"]) {
        let encoder = "vp8enc deadline=1 cpu-used=16 target-bitrate=4000000";
        record_and_compare(test, encoder, "webmmux", "webm");
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
    let recorded = decode(&file);
    assert_eq!(recorded.len(), passed);
    assert!(recorded.is_sorted_by(|a, b| a.pts < b.pts));
}

/// Creates numbered JPEG files of one color each.
fn create_photos(folder: &Path, colors: &[u32]) {
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
fn every_frame_of_a_frozen_photo_is_classified() {
    let folder = tempfile::tempdir().unwrap();
    create_photos(folder.path(), &[0xff00_00ff]);
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
fn numbered_photos_are_classified_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    create_photos(folder.path(), &[0xff00_ff00, 0xff00_00ff, 0xff00_00ff, 0xff00_ff00]);
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
