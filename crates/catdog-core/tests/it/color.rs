//! Models in every layout that exporters write, classified with nothing set, against the Python
//! interpreter (`tests/golden/color.py`).

use std::fs;

use catdog_core::classifier::{Classifier, Config, RuntimeConfig};
use catdog_core::decision::Rules;
use catdog_core::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use catdog_core::model::ModelSource;
use catdog_core::model::tflite::{ColorOrder, Normalization};
use catdog_core::testing::{repository, runtime};
use serde_json::Value;

/// Side of the frames, in pixels; not that of the models, so that the frames are resized.
const SIDE: usize = 20;

fn load(config: &Config) -> Classifier {
    let rules = Rules { max_results: usize::MAX, ..Rules::default() };
    let runtime = RuntimeConfig { rules, ..RuntimeConfig::default() };
    let name = config.model.name().into_owned();
    Classifier::load(config, runtime).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the error of a model that cannot be loaded.
fn refusal(config: &Config) -> String {
    match Classifier::load(config, RuntimeConfig::default()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{} is loaded", config.model.name()),
    }
}

/// Returns the confidence of each class for a frame of one color.
fn confidences(classifier: &mut Classifier, color: [u8; 3]) -> Vec<f32> {
    let spec = FrameSpec::new(PixelFormat::Rgb, SIDE, SIDE);
    let pixels = color.repeat(SIDE * SIDE);
    let plane = Plane { data: &pixels, stride: 3 * SIDE };
    let frame = FrameView::new(&spec, &[plane]).unwrap();
    classifier.set_frame_spec(&spec).unwrap();
    let time = classifier.begin_frame(None);
    classifier.infer(&frame, time).unwrap();
    let ranked = classifier.classification(None).ranked.to_vec();
    let mut confidences = vec![0.0; ranked.len()];
    ranked.iter().for_each(|class| confidences[class.class] = class.confidence);
    confidences
}

fn color(name: &str) -> [u8; 3] {
    match name {
        "red" => [255, 0, 0],
        "green" => [0, 255, 0],
        "blue" => [0, 0, 255],
        "dark" => [40; 3],
        "bright" => [220; 3],
        "olive" => [128, 128, 0],
        _ => panic!("{name}"),
    }
}

fn folder() -> std::path::PathBuf {
    repository().join("tests/models/color")
}

#[test]
fn every_layout_runs_with_nothing_set() {
    runtime();
    let golden = fs::read(repository().join("tests/golden/color.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    for (file, colors) in golden.as_object().unwrap() {
        let mut config = Config::of_file(&folder().join(file));
        if file == "two_outputs.tflite" {
            config.model_options.output = Some("scores".into());
        }
        let mut classifier = load(&config);
        assert!(!classifier.multi_label(), "{file}: the batch is not a number of classifiers");
        for (name, want) in colors.as_object().unwrap() {
            let want: Vec<f32> = serde_json::from_value(want.clone()).unwrap();
            let got = confidences(&mut classifier, color(name));
            assert_eq!(got.len(), want.len(), "{file}");
            for (got, want) in got.iter().zip(&want) {
                // One step of an 8-bit score, or of an 8-bit pixel value.
                assert!((got - want).abs() <= 0.006, "{file}, {name}: {got}, not {want}");
            }
        }
    }
    assert_eq!(golden.as_object().unwrap().len(), fs::read_dir(folder()).unwrap().count());
}

#[test]
fn what_is_assumed_about_a_layout_is_a_warning() {
    runtime();
    let warnings = |file: &str| {
        let classifier = load(&Config::of_file(&folder().join(file)));
        classifier.description().warnings.join("\n")
    };
    assert!(warnings("open_size.tflite").contains("224x224 is used; set input-size"));
    assert!(warnings("batch_4.tflite").contains("4 pictures at a time"));
    assert!(!warnings("nhwc.tflite").contains("pictures at a time"));
}

#[test]
fn an_open_size_can_be_chosen() {
    runtime();
    let mut config = Config::of_file(&folder().join("open_size.tflite"));
    config.model_options.input_size = Some((32, 16));
    let mut classifier = load(&config);
    assert!(!classifier.description().warnings.join("\n").contains("224"));
    assert!(classifier.description().summary.contains("[1, 16, 32, 3]"));
    assert!(confidences(&mut classifier, [255, 0, 0])[0] > 0.9);
    config.model = ModelSource::File(folder().join("nhwc.tflite"));
    let error = refusal(&config);
    assert!(error.contains("8x8 pixels, and input-size is 32x16"), "{error}");
}

#[test]
fn the_order_of_the_channels_can_be_chosen() {
    runtime();
    let mut config = Config::of_file(&folder().join("nhwc.tflite"));
    let mut rgb = load(&config);
    config.model_options.color_order = ColorOrder::Bgr;
    let mut bgr = load(&config);
    assert!(bgr.description().summary.contains("in the order blue, green, red"));
    for [red, green, blue] in [[255, 0, 0], [10, 100, 200], [0, 255, 128]] {
        let got = confidences(&mut bgr, [red, green, blue]);
        assert_eq!(got, confidences(&mut rgb, [blue, green, red]));
    }
    // What the user sets wins over the graph.
    config.model = ModelSource::File(folder().join("caffe_bgr.tflite"));
    config.model_options.color_order = ColorOrder::Rgb;
    assert!(confidences(&mut load(&config), [255, 0, 0])[2] > 0.9);
}

#[test]
fn three_means_belong_to_the_channels_of_the_input() {
    runtime();
    let mut config = Config::of_file(&folder().join("nhwc.tflite"));
    config.model_options.color_order = ColorOrder::Bgr;
    // Blue, the first channel, is -1 in every picture.
    config.normalization =
        Some(Normalization { mean: vec![255.0, 127.5, 127.5], std: vec![1e6, 127.5, 127.5] });
    let confidences = confidences(&mut load(&config), [255, 255, 255]);
    assert!(confidences[0] < confidences[1] && confidences[0] < confidences[2], "{confidences:?}");
    assert!((confidences[1] - confidences[2]).abs() < 1e-6, "{confidences:?}");
}

#[test]
fn a_gray_model_has_no_order_of_the_channels() {
    runtime();
    let mut config = Config::of_file(&folder().join("gray.tflite"));
    config.model_options.color_order = ColorOrder::Bgr;
    let error = refusal(&config);
    assert!(error.contains("gray pictures; unset color-order"), "{error}");
}

#[test]
fn one_of_several_outputs_is_chosen_by_name_or_index() {
    runtime();
    let mut config = Config::of_file(&folder().join("two_outputs.tflite"));
    let text = refusal(&config);
    assert!(text.contains("0 'sums' [1, 3], 1 'scores' [1, 4]; set output"), "{text}");
    for (output, classes) in [("scores", 4), ("1", 4), ("sums", 3), ("0", 3)] {
        config.model_options.output = Some(output.into());
        assert_eq!(load(&config).labels().len(), classes, "{output}");
    }
    config.model_options.output = Some("2".into());
    assert!(refusal(&config).contains("no output '2'"));
}

#[test]
fn signatures_that_do_not_fit_are_ignored() {
    runtime();
    let scores =
        |file: &str| confidences(&mut load(&Config::of_file(&folder().join(file))), [255, 0, 0]);
    assert_eq!(scores("signature_stale.tflite"), scores("signature_fits.tflite"));
}
