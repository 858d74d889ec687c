//! Where the accepted class is: the boxes of colored rectangles, against the Python interpreter and
//! NumPy (`tests/golden/evidence.py`), and for each way to show a frame to a model.
//!
//! The model has 4x4 places of 8x8 pixels. In these tests, a pixel of the frame is a pixel of the
//! model's input, so that the filter of the scaling changes nothing.

use std::fs;
use std::time::Duration;

use catdog_core::classifier::{Classifier, Config, Execution, RuntimeConfig};
use catdog_core::decision::Rules;
use catdog_core::frame::{FrameSpec, FrameView, Orientation, PixelFormat, Plane, Region};
use catdog_core::preprocess::ResizeMethod;
use catdog_core::testing::{FakeEngine, repository, runtime};
use serde_json::Value;

use crate::engine;
use catdog_core::engine::Engine;
use catdog_core::tensor::TensorMut;

pub const RED: [u8; 3] = [255, 0, 0];

/// A rectangle: x, y, width and height in pixels.
pub type Rectangle = [usize; 4];

/// Returns a black picture of `width` x `height` pixels with rectangles of one color each.
pub fn picture(width: usize, height: usize, rectangles: &[(Rectangle, [u8; 3])]) -> Vec<u8> {
    let mut pixels = vec![0; width * height * 3];
    for ([left, top, columns, rows], color) in rectangles {
        for y in *top..top + rows {
            for x in *left..left + columns {
                pixels[(y * width + x) * 3..][..3].copy_from_slice(color);
            }
        }
    }
    pixels
}

pub fn runtime_config(region: Region) -> RuntimeConfig {
    let rules = Rules { threshold: 0.6, max_results: 3, ..Rules::default() };
    RuntimeConfig { rules, region, ..RuntimeConfig::default() }
}

pub fn load(name: &str, method: ResizeMethod, region: Region) -> Classifier {
    runtime();
    let file = repository().join("tests/models/evidence").join(name);
    let config = Config { resize: method.into(), ..Config::of_file(&file) };
    Classifier::load(&config, runtime_config(region)).unwrap()
}

pub fn infer(classifier: &mut Classifier, spec: &FrameSpec, pixels: &[u8]) {
    let plane = Plane { data: pixels, stride: 3 * spec.width };
    let frame = FrameView::new(spec, &[plane]).unwrap();
    let time = classifier.begin_frame(Some(Duration::ZERO));
    classifier.infer(&frame, time).unwrap();
}

/// Returns the accepted class and the box of a picture of 32x32 pixels.
fn locate(classifier: &mut Classifier, pixels: &[u8]) -> (Option<usize>, Option<Region>) {
    let spec = FrameSpec::new(PixelFormat::Rgb, 32, 32);
    classifier.set_frame_spec(&spec).unwrap();
    infer(classifier, &spec, pixels);
    let classification = classifier.classification(None);
    (classification.accepted.map(|accepted| accepted.class), classification.location)
}

fn numbers(region: Region) -> [f64; 4] {
    [region.x(), region.y(), region.width(), region.height()]
}

#[track_caller]
pub fn assert_close(found: Option<Region>, want: [f64; 4], case: &str) {
    let found = numbers(found.unwrap_or_else(|| panic!("{case}: no box")));
    let close = found.iter().zip(want).all(|(found, want)| (found - want).abs() < 1e-4);
    assert!(close, "{case}: {found:?} instead of {want:?}");
}

#[test]
fn evidence_and_boxes_match_the_python_interpreter() {
    let golden = fs::read(repository().join("tests/golden/evidence.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    for (file, cases) in golden.as_object().unwrap() {
        let mut classifier = load(file, ResizeMethod::Stretch, Region::WHOLE);
        let bytes = fs::read(repository().join("tests/models/evidence").join(file)).unwrap();
        let mut engine = engine(&bytes);
        let quantization = engine.evidence_info().unwrap().quantization;
        let mut background = 0;
        for case in cases.as_array().unwrap() {
            let name = format!("{file}, {}", case["picture"]);
            let rectangles: Vec<[usize; 7]> =
                serde_json::from_value(case["rectangles"].clone()).unwrap();
            let rectangles: Vec<(Rectangle, [u8; 3])> = rectangles
                .iter()
                .map(|&[x, y, w, h, r, g, b]| ([x, y, w, h], [r, g, b].map(|level| level as u8)))
                .collect();
            let pixels = picture(32, 32, &rectangles);
            let TensorMut::U8(input) = engine.input_mut() else { panic!("{name}") };
            input.copy_from_slice(&pixels);
            engine.run().unwrap();
            let evidence = engine.evidence().unwrap();
            let want: Vec<f32> = serde_json::from_value(case["evidence"].clone()).unwrap();
            assert_eq!(evidence.len(), want.len());
            for (index, want) in want.iter().enumerate() {
                let got = evidence.real(index, quantization);
                assert!((got - want).abs() < 1e-3, "{name}: {got} instead of {want}");
            }

            let (class, location) = locate(&mut classifier, &pixels);
            assert_eq!(class, case["class"].as_u64().map(|class| class as usize), "{name}");
            let want: [f64; 4] = serde_json::from_value(case["box"].clone()).unwrap();
            match class {
                // The class `neither` is the background.
                Some(2) => {
                    assert_eq!(location, None, "{name}");
                    background += 1;
                }
                _ => assert_close(location, want, &name),
            }
        }
        assert!(background == 1 && cases.as_array().unwrap().len() == 12);
    }
}

/// Returns the box of a red rectangle in a frame of `width` x `height` pixels.
fn box_of_red(
    (width, height): (usize, usize),
    rectangle: Rectangle,
    method: ResizeMethod,
    region: Region,
    orientation: Orientation,
) -> Option<Region> {
    let mut classifier = load("places.tflite", method, region);
    let spec = FrameSpec { orientation, ..FrameSpec::new(PixelFormat::Rgb, width, height) };
    classifier.set_frame_spec(&spec).unwrap();
    infer(&mut classifier, &spec, &picture(width, height, &[(rectangle, RED)]));
    classifier.classification(None).location
}

#[test]
fn the_box_is_in_fractions_of_the_upright_frame() {
    use Orientation::{FlipHorizontal, Identity, Rotate90, Rotate180};
    use ResizeMethod::{Crop, Letterbox, Stretch};
    let lower_right = Region::new(0.5, 0.5, 0.5, 0.5).unwrap();
    for (size, rectangle, method, region, orientation, want) in [
        ((32, 32), [8, 16, 8, 8], Stretch, Region::WHOLE, Identity, [0.25, 0.5, 0.25, 0.25]),
        // The columns 16..48 of 64 are shown.
        ((64, 32), [24, 16, 8, 8], Crop, Region::WHOLE, Identity, [0.375, 0.5, 0.125, 0.25]),
        // Outside of the columns that are shown, the rectangle is cut off.
        ((64, 32), [0, 8, 24, 8], Crop, Region::WHOLE, Identity, [0.25, 0.25, 0.125, 0.25]),
        // The rows of the frame are the rows 8..24 of the input.
        ((32, 16), [8, 8, 16, 8], Letterbox, Region::WHOLE, Identity, [0.25, 0.5, 0.5, 0.5]),
        // The lower right quarter of 64x64 is shown.
        ((64, 64), [40, 32, 8, 16], Stretch, lower_right, Identity, [0.625, 0.5, 0.125, 0.25]),
        // The lower right quarter of 128x64 is 64x32, of which the columns 80..112 are shown.
        ((128, 64), [88, 48, 8, 8], Crop, lower_right, Identity, [0.6875, 0.75, 0.0625, 0.125]),
        ((32, 32), [0, 8, 8, 16], Stretch, Region::WHOLE, Rotate180, [0.75, 0.25, 0.25, 0.5]),
        ((32, 32), [0, 8, 8, 16], Stretch, Region::WHOLE, FlipHorizontal, [0.75, 0.25, 0.25, 0.5]),
        // Clockwise: the left edge is above, and the upper one on the right.
        ((32, 32), [0, 8, 8, 8], Stretch, Region::WHOLE, Rotate90, [0.5, 0.0, 0.25, 0.25]),
        // Upright, the frame is 32x64, of which the rows 16..48 are shown. The rectangle is at 8, 24.
        ((64, 32), [24, 16, 8, 8], Crop, Region::WHOLE, Rotate90, [0.25, 0.375, 0.25, 0.125]),
    ] {
        let case = format!("{size:?} {rectangle:?} {method:?} {region:?} {orientation:?}");
        assert_close(box_of_red(size, rectangle, method, region, orientation), want, &case);
    }
}

#[test]
fn a_worker_result_has_the_box_of_its_frame() {
    let mut classifier = load("places.tflite", ResizeMethod::Crop, Region::WHOLE);
    classifier.set_execution(Execution::Worker);
    let wide = FrameSpec::new(PixelFormat::Rgb, 64, 32);
    classifier.set_frame_spec(&wide).unwrap();
    infer(&mut classifier, &wide, &picture(64, 32, &[([24, 16, 8, 8], RED)]));
    // The result arrives after the caps, and with them the part that is shown, have changed.
    classifier.set_frame_spec(&FrameSpec::new(PixelFormat::Rgb, 32, 64)).unwrap();
    assert!(classifier.wait(Duration::from_secs(60)) && classifier.collect().unwrap());
    let location = classifier.classification(None).location;
    assert_close(location, [0.375, 0.5, 0.125, 0.25], "worker");
}

#[test]
fn a_held_result_keeps_its_box_until_it_expires() {
    let mut classifier = load("places.tflite", ResizeMethod::Stretch, Region::WHOLE);
    let mut runtime = runtime_config(Region::WHOLE);
    runtime.result_timeout = Some(Duration::from_secs(1));
    classifier.set_runtime(runtime);
    let (_, location) = locate(&mut classifier, &picture(32, 32, &[([8, 16, 8, 8], RED)]));
    let time = classifier.begin_frame(Some(Duration::from_millis(40)));
    classifier.skip(time);
    let held = classifier.classification(Some(Duration::from_millis(40)));
    assert!(location.is_some() && held.location == location && !held.fresh);
    assert_eq!(classifier.classification(Some(Duration::from_secs(2))).location, None);
    classifier.reset();
    assert_eq!(classifier.classification(None).location, None);
}

#[test]
fn a_rejected_class_has_no_box() {
    let mut classifier = load("places.tflite", ResizeMethod::Stretch, Region::WHOLE);
    let mut runtime = runtime_config(Region::WHOLE);
    runtime.rules.threshold = 0.9;
    classifier.set_runtime(runtime);
    let two = [([0, 8, 16, 16], RED), ([16, 8, 16, 8], [0, 0, 255])];
    assert_eq!(locate(&mut classifier, &picture(32, 32, &two)), (None, None));
}

#[test]
fn boxes_of_a_detector_and_models_without_evidence_have_no_box() {
    let red = picture(32, 32, &[([0, 0, 32, 32], RED)]);
    let with_evidence = FakeEngine::new(32, 32).with_evidence(4, 4);
    let mut classifier = Classifier::fake(with_evidence, runtime_config(Region::WHOLE));
    assert_eq!(locate(&mut classifier, &red), (Some(0), Some(Region::WHOLE)));
    let spec = FrameSpec::new(PixelFormat::Rgb, 32, 32);
    let frame = FrameView::new(&spec, &[Plane { data: &red, stride: 96 }]).unwrap();
    let time = classifier.begin_frame(None);
    let left = Region::new(0.0, 0.0, 0.5, 1.0).unwrap();
    let of_box = classifier.infer_box(&frame, left, time).unwrap();
    assert!(of_box.accepted.is_some() && of_box.location.is_none());
    assert_eq!(classifier.classification(None).location, None);
    let mut classifier = Classifier::fake(FakeEngine::new(32, 32), runtime_config(Region::WHOLE));
    assert_eq!(locate(&mut classifier, &red), (Some(0), None));
}
