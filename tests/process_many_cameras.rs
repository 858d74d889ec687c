//! Sixteen cameras in one process share one model and the processors in equal parts.
//!
//! A program of its own, because it measures its process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "it/common/mod.rs"]
mod common;

use std::time::Duration;

use common::*;

const CAMERAS: usize = 16;
/// Limit of the memory that each camera after the first takes.
const MAX_KIB_EACH: u64 = 4096;

/// Returns a playing pipeline of a live source and the built-in model.
fn play_camera() -> Pipeline {
    let pipeline = launch(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 \
         ! catdogfilter name=filter ! fakesink sync=true",
    );
    pipeline.begin(gst::State::Playing);
    pipeline
}

fn wait_for_inferences(pipeline: &Pipeline, count: u64) {
    wait_until("the inferences of a camera", || stat(pipeline, "inferences") >= count);
}

#[test]
fn sixteen_cameras_share_one_model_and_infer_equally_often() {
    let mut cameras = vec![play_camera()];
    wait_for_inferences(&cameras[0], 20);
    let (one, _) = footprint();
    cameras.extend((1..CAMERAS).map(|_| play_camera()));
    cameras.iter().for_each(|camera| wait_for_inferences(camera, 20));
    let (all, _) = footprint();
    let kib_each = all.saturating_sub(one) / (CAMERAS as u64 - 1);

    let counts = |name| cameras.iter().map(|camera| stat(camera, name)).collect::<Vec<u64>>();
    let before = counts("inferences");
    std::thread::sleep(Duration::from_secs(2));
    let since = |(after, before): (u64, &u64)| after - before;
    let inferred: Vec<u64> = counts("inferences").into_iter().zip(&before).map(since).collect();
    say(&format!("{kib_each} KiB per camera; inferences in 2 s: {inferred:?}"));
    assert!(kib_each <= MAX_KIB_EACH, "{kib_each} KiB per camera");
    let (least, most) = (inferred.iter().min().unwrap(), inferred.iter().max().unwrap());
    // A slow machine infers fewer frames, but equally many of each camera.
    assert!(*least * 2 >= *most, "{inferred:?}");
    for camera in &cameras {
        assert_eq!(camera.errors(), []);
    }
}
