//! Second and third looks: a frame on which the model does not decide is inferred again, closer.
//!
//! The model of these tests has an input of 32x32 pixels with 4x4 places. A red square of 4x4 pixels
//! fills a quarter of a place, which is not enough to decide; in the second look, it fills a place.

use std::time::Duration;

use catdog_core::classifier::{Classifier, Execution, RuntimeConfig};
use catdog_core::frame::{FrameSpec, PixelFormat, Region};
use catdog_core::preprocess::ResizeMethod;

use crate::evidence::{RED, assert_close, infer, load, picture, runtime_config};

const NEITHER: usize = 2;
const LONG: Duration = Duration::from_secs(60);

fn with_second_look(region: Region) -> RuntimeConfig {
    RuntimeConfig { second_look: true, ..runtime_config(region) }
}

fn classifier(region: Region, size: usize) -> (Classifier, FrameSpec) {
    let mut classifier = load("places.tflite", ResizeMethod::Stretch, region);
    classifier.set_runtime(with_second_look(region));
    let spec = FrameSpec::new(PixelFormat::Rgb, size, size);
    classifier.set_frame_spec(&spec).unwrap();
    (classifier, spec)
}

/// Returns a black picture of 32x32 pixels with a small red square.
fn small_red(left: usize, top: usize) -> Vec<u8> {
    picture(32, 32, &[([left, top, 4, 4], RED)])
}

fn accepted(classifier: &Classifier) -> Option<usize> {
    classifier.classification(None).accepted.map(|accepted| accepted.class)
}

#[test]
fn a_small_thing_is_found_with_a_second_look_only() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    infer(&mut classifier, &spec, &small_red(20, 20));
    assert_eq!(accepted(&classifier), Some(0));
    let location = classifier.classification(None).location;
    assert_close(location, [0.625, 0.625, 0.125, 0.125], "second look");
    assert_eq!((classifier.counters().inferences, classifier.counters().second_looks), (1, 1));

    classifier.set_runtime(RuntimeConfig { second_look: false, ..with_second_look(Region::WHOLE) });
    infer(&mut classifier, &spec, &small_red(20, 20));
    assert_eq!(accepted(&classifier), Some(NEITHER));
    assert_eq!((classifier.counters().inferences, classifier.counters().second_looks), (2, 1));
}

#[test]
fn the_second_look_follows_the_thing_and_stays_inside_the_frame() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    for (left, top) in [(0, 0), (28, 0), (0, 28), (28, 28), (12, 4), (20, 12)] {
        infer(&mut classifier, &spec, &small_red(left, top));
        assert_eq!(accepted(&classifier), Some(0), "{left}, {top}");
        let (x, y) = (left as f64 / 32.0, top as f64 / 32.0);
        let location = classifier.classification(None).location;
        assert_close(location, [x, y, 0.125, 0.125], "second look");
    }
}

#[test]
fn a_decided_frame_gets_one_look() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    for rectangles in [&[([0, 0, 32, 32], RED)][..], &[]] {
        infer(&mut classifier, &spec, &picture(32, 32, rectangles));
    }
    assert_eq!(accepted(&classifier), Some(NEITHER));
    assert_eq!((classifier.counters().inferences, classifier.counters().second_looks), (2, 0));
}

#[test]
fn what_the_second_look_finds_is_seen_closer() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    // The confidence of red is 0.06 in the first look and 0.60 in the second one, 0.44 together.
    let frame = picture(32, 32, &[([21, 21, 3, 3], RED)]);
    infer(&mut classifier, &spec, &frame);
    assert_eq!(accepted(&classifier), Some(0));
    let location = classifier.classification(None).location.unwrap();
    let (x, y) = (location.x() + location.width() / 2.0, location.y() + location.height() / 2.0);
    let center = 22.5 / 32.0;
    assert!((x - center).abs() < 0.03 && (y - center).abs() < 0.03, "{location}");
    assert!(location.width() < 0.15, "{location}");
    assert_eq!((classifier.counters().inferences, classifier.counters().second_looks), (1, 1));
}

/// Returns a picture with a large thing in a pale red that the second look rejects, and a small one in
/// red, where the evidence of the first look is smaller.
fn decoy() -> Vec<u8> {
    picture(32, 32, &[([0, 0, 8, 8], [56, 0, 0]), ([20, 20, 4, 4], [220, 0, 0])])
}

#[test]
fn after_a_vain_second_look_the_third_one_is_elsewhere() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    infer(&mut classifier, &spec, &decoy());
    assert_eq!(accepted(&classifier), Some(0));
    let location = classifier.classification(None).location;
    assert_close(location, [0.625, 0.625, 0.125, 0.125], "third look");
    assert_eq!((classifier.counters().inferences, classifier.counters().second_looks), (1, 1));
}

#[test]
fn on_a_worker_the_third_frame_gets_three_looks() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    classifier.set_execution(Execution::Worker);
    for (want, second_looks) in [(NEITHER, 0), (NEITHER, 1), (0, 2), (0, 3)] {
        infer(&mut classifier, &spec, &decoy());
        assert!(classifier.wait(LONG) && classifier.collect().unwrap());
        assert_eq!(accepted(&classifier), Some(want), "after {second_looks} second looks");
        assert_eq!(classifier.counters().second_looks, second_looks);
    }
}

#[test]
fn the_second_look_is_inside_the_region() {
    let region = Region::new(0.5, 0.5, 0.5, 0.5).unwrap();
    let (mut classifier, spec) = classifier(region, 64);
    let frame = picture(64, 64, &[([52, 44, 4, 4], RED), ([0, 0, 16, 16], RED)]);
    infer(&mut classifier, &spec, &frame);
    assert_eq!(accepted(&classifier), Some(0));
    let location = classifier.classification(None).location;
    assert_close(location, [0.8125, 0.6875, 0.0625, 0.0625], "second look");
}

#[test]
fn on_a_worker_the_next_frame_gets_both_looks() {
    let (mut classifier, spec) = classifier(Region::WHOLE, 32);
    classifier.set_execution(Execution::Worker);
    let result = |classifier: &mut Classifier| {
        infer(classifier, &spec, &small_red(20, 20));
        assert!(classifier.wait(LONG) && classifier.collect().unwrap());
        (accepted(classifier), classifier.counters().second_looks)
    };
    assert_eq!(result(&mut classifier), (Some(NEITHER), 0));
    assert_eq!(result(&mut classifier), (Some(0), 1));
    assert_eq!(result(&mut classifier), (Some(0), 2));
    let location = classifier.classification(None).location;
    assert_close(location, [0.625, 0.625, 0.125, 0.125], "worker");
    // A new stream does not know where to look.
    classifier.reset();
    assert_eq!(result(&mut classifier), (Some(NEITHER), 2));
    // A decided frame ends the second looks.
    infer(&mut classifier, &spec, &picture(32, 32, &[]));
    assert!(classifier.wait(LONG) && classifier.collect().unwrap());
    assert_eq!(classifier.counters().second_looks, 3);
    assert_eq!(result(&mut classifier), (Some(NEITHER), 3));
}
