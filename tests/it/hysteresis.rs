//! Hysteresis with the timestamps that real sources deliver: equal after a network stall, missing,
//! in the wrong unit, or restarted by a loop. The displayed label must not flicker, and must follow
//! the picture.
//!
//! A fake engine labels each frame by its color. Frames come at 30 frames/s and `hold` is 300 ms,
//! so a new label leads for 9 or 10 frames before it is displayed.

use catdog_core::testing::FakeEngine;

use crate::common::*;

/// 30 frames/s.
const STEP: gst::ClockTime = gst::ClockTime::from_nseconds(33_333_333);
/// Number of frames after which a new label is displayed. Nine steps are 300 ms, up to rounding.
const HOLD_FRAMES: std::ops::RangeInclusive<usize> = 9..=10;

/// A frame of one color, with or without a timestamp.
type Frame = ([u8; 3], Option<gst::ClockTime>);

/// Returns the label of every frame, and asserts that one message is posted per change.
fn displayed_labels(engine: &str, framerate: gst::Fraction, frames: &[Frame]) -> Vec<String> {
    FakeEngine::new(4, 4).stand_in_for(engine);
    let pipeline = play_filter_with_caps(
        &caps_at("RGB", 16, 16, framerate),
        &format!("model-file={engine} mode=sync smoothing=0 hold=300"),
    );
    let labels: Vec<String> = frames
        .iter()
        .map(|(color, pts)| {
            let mut buffer = gst::Buffer::from_mut_slice(rgb(16, 16, *color));
            buffer.get_mut().unwrap().set_pts(*pts);
            meta(&through(&pipeline, buffer)).label
        })
        .collect();
    end(&pipeline);
    let mut changes = labels.clone();
    changes.dedup();
    assert_eq!(labels_of(&results(&pipeline.wait_for_eos(), "filter")), changes);
    labels
}

/// Returns 30 red frames, 30 frames that alternate between green and red, and 30 green frames.
/// `pts` gives the timestamp of a frame by its number.
fn flickering(pts: impl Fn(u64) -> Option<gst::ClockTime>) -> Vec<Frame> {
    let color = |index: u64| match index {
        0..30 => RED,
        30..60 if index % 2 == 1 => RED,
        _ => GREEN,
    };
    (0..90).map(|index| (color(index), pts(index))).collect()
}

/// Asserts that the label of [`flickering`] changes once, after green has led for `hold`. The last
/// alternating frame is red.
#[track_caller]
fn assert_one_change(labels: &[String]) {
    let green = labels.iter().position(|label| label == "green").unwrap_or(labels.len());
    let (before, after) = labels.split_at(green);
    assert!(before.iter().all(|label| label == "red"), "{labels:?}");
    assert!(after.iter().all(|label| label == "green"), "{labels:?}");
    assert!(HOLD_FRAMES.contains(&(green + 1).saturating_sub(60)), "frame {green}: {labels:?}");
}

/// Returns the frame rate of the caps, 30 frames/s.
fn thirty() -> gst::Fraction {
    gst::Fraction::new(30, 1)
}

#[test]
fn a_flickering_picture_changes_the_label_once() {
    let frames = flickering(|index| Some(STEP * index));
    assert_one_change(&displayed_labels("hysteresis-regular", thirty(), &frames));
}

#[test]
fn equal_timestamps_keep_the_hysteresis() {
    let stalled = |index: u64| Some(STEP * index.min(30));
    let labels = displayed_labels("hysteresis-equal", thirty(), &flickering(stalled));
    assert_one_change(&labels);
}

#[test]
fn timestamps_that_go_back_by_microseconds_keep_the_hysteresis() {
    let back = |index: u64| {
        let microseconds = gst::ClockTime::from_useconds(index.saturating_sub(30));
        Some(STEP * index.min(30) - microseconds)
    };
    assert_one_change(&displayed_labels("hysteresis-back", thirty(), &flickering(back)));
}

#[test]
fn missing_timestamps_keep_the_hysteresis() {
    let labels = displayed_labels("hysteresis-without-pts", thirty(), &flickering(|_| None));
    assert_one_change(&labels);
}

#[test]
fn missing_timestamps_in_a_part_of_the_stream_keep_the_hysteresis() {
    let gap = |index: u64| (!(30..75).contains(&index)).then(|| STEP * index);
    assert_one_change(&displayed_labels("hysteresis-gap", thirty(), &flickering(gap)));
}

#[test]
fn dropped_frames_shorten_the_hysteresis_in_frames_and_not_in_time() {
    let mut frames = flickering(|index| Some(STEP * index));
    let mut index = 0;
    frames.retain(|_| {
        index += 1;
        index % 3 != 0
    });
    let labels = displayed_labels("hysteresis-dropped", thirty(), &frames);
    let green = labels.iter().position(|label| label == "green").unwrap();
    let pts = frames[green].1.unwrap();
    let last_red = frames[..green].iter().rfind(|(color, _)| *color == RED).unwrap().1.unwrap();
    let led = pts - last_red;
    assert!(led >= gst::ClockTime::from_mseconds(299), "{led}: {labels:?}");
    assert!(led <= gst::ClockTime::from_mseconds(370), "{led}: {labels:?}");
    assert!(labels[green..].iter().all(|label| label == "green"), "{labels:?}");
}

#[test]
fn timestamps_one_microsecond_apart_follow_the_picture() {
    for framerate in [gst::Fraction::new(0, 1), thirty()] {
        let frames: Vec<Frame> = (0..120)
            .map(|index| {
                (if index < 60 { RED } else { BLUE }, gst::ClockTime::from_useconds(index))
            })
            .map(|(color, pts)| (color, Some(pts)))
            .collect();
        let labels = displayed_labels("hysteresis-microseconds", framerate, &frames);
        let blue = labels.iter().position(|label| label == "blue").unwrap();
        assert!(
            HOLD_FRAMES.contains(&(blue + 1).saturating_sub(60)),
            "{framerate:?}, frame {blue}: {labels:?}"
        );
        assert!(labels[blue..].iter().all(|label| label == "blue"), "{framerate:?}: {labels:?}");
    }
}

/// A loop restarts the timestamps at 0. The label of the new picture must not wait until the time
/// stamps reach those from before the restart.
#[test]
fn a_restart_of_the_timestamps_does_not_freeze_the_label() {
    // The part before the restart is shorter than `hold`, longer than `hold`, and longer than 1 s,
    // which is the longest step back in reverse playback.
    for before in [6, 20, 90] {
        for framerate in [thirty(), gst::Fraction::new(0, 1)] {
            let red = (0..before).map(|index| (RED, Some(STEP * index)));
            let blue = (0..30).map(|index| (BLUE, Some(STEP * index)));
            let frames: Vec<Frame> = red.chain(blue).collect();
            let labels = displayed_labels("hysteresis-restart", framerate, &frames);
            let blue = labels.iter().position(|label| label == "blue").unwrap_or(labels.len());
            let what = format!("{before} red frames, {framerate:?}, frame {blue}: {labels:?}");
            assert!(blue >= before as usize && blue - before as usize <= 10, "{what}");
            assert!(labels[blue..].iter().all(|label| label == "blue"), "{what}");
        }
    }
}
