//! Sixteen cameras in one process: one model for all, a fair share for each. Alone in its program,
//! because it measures the process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use gst::prelude::*;

const CAMERAS: usize = 16;
/// Of each camera after the first.
const MAX_KIB_EACH: u64 = 4096;

/// A camera with the built-in model.
fn camera() -> Pipeline {
    let pipeline = launch(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 \
         ! catdogfilter name=filter ! fakesink sync=true",
    );
    pipeline.begin(gst::State::Playing);
    pipeline
}

fn stat(pipeline: &Pipeline, name: &str) -> u64 {
    pipeline.get("filter").property::<gst::Structure>("stats").get(name).unwrap()
}

fn wait_for_inferences(pipeline: &Pipeline, count: u64) {
    let start = Instant::now();
    while stat(pipeline, "inferences") < count {
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", pipeline.errors());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn sixteen_cameras_share_one_model_and_take_turns() {
    let mut cameras = vec![camera()];
    wait_for_inferences(&cameras[0], 20);
    let (one, _) = footprint();
    cameras.extend((1..CAMERAS).map(|_| camera()));
    cameras.iter().for_each(|camera| wait_for_inferences(camera, 20));
    let (all, _) = footprint();
    let each = all.saturating_sub(one) / (CAMERAS as u64 - 1);

    let counts = |name| cameras.iter().map(|camera| stat(camera, name)).collect::<Vec<u64>>();
    let before = counts("inferences");
    std::thread::sleep(Duration::from_secs(2));
    let since = |(after, before): (u64, &u64)| after - before;
    let inferred: Vec<u64> = counts("inferences").into_iter().zip(&before).map(since).collect();
    say(&format!("{each} KiB a camera; inferences in 2 s: {inferred:?}"));
    assert!(each <= MAX_KIB_EACH, "{each} KiB a camera");
    let (least, most) = (inferred.iter().min().unwrap(), inferred.iter().max().unwrap());
    // As many as frames where the machine is fast enough, else fewer, but the same for all.
    assert!(*least * 2 >= *most, "{inferred:?}");
    for camera in &cameras {
        assert_eq!(camera.errors(), []);
    }
}
