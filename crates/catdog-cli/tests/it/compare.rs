//! Tests of `catdog inspect --compare-with` with results that other programs recorded, each with one
//! known difference (`python/golden/make_compare_golden.py`).

use std::fs;

use serde_json::{Value, json};

use crate::{golden, model, run, run_with_runtime};

/// Compares with `tests/golden/compare/NAME.json`. Returns the parts that differ, the properties to
/// set, and the whole comparison.
fn compared(
    model_name: &str,
    picture: &str,
    name: &str,
    options: &[&str],
) -> (Vec<String>, Vec<String>, Value) {
    let path = model(model_name);
    let (picture, recorded) = (golden(picture), golden(&format!("{name}.json")));
    let arguments = [
        "inspect",
        path.to_str().unwrap(),
        "--json",
        "--image",
        &picture,
        "--compare-with",
        &recorded,
    ];
    let (code, stdout, stderr) = run_with_runtime(&[&arguments[..], options].concat());
    let report: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{name}: {stderr}"));
    let comparison = report["comparison"].clone();
    let findings = comparison["findings"].as_array().unwrap_or_else(|| panic!("{name}: {stderr}"));
    let text = |finding: &Value, key: &str| finding[key].as_str().map(str::to_owned);
    let parts: Vec<String> = findings.iter().filter_map(|f| text(f, "part")).collect();
    let set: Vec<String> = findings.iter().filter_map(|f| text(f, "set")).collect();
    assert_eq!(code, Some(i32::from(!parts.is_empty())), "{name}: {stderr}");
    assert_eq!(stderr.is_empty(), parts.is_empty(), "{name}: {stderr}");
    (parts, set, comparison)
}

/// Asserts that the comparison with `name` finds `part` only, and proposes `set`.
fn differs(model_name: &str, picture: &str, name: &str, part: &[&str], set: &[&str]) {
    let (parts, proposed, comparison) = compared(model_name, picture, name, &[]);
    assert_eq!((parts, proposed), (owned(part), owned(set)), "{name}: {comparison:#}");
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

const SOFTMAX: &str = "float_softmax.tflite";
const LOGITS: &str = "float_logits.tflite";

#[test]
fn the_same_answer_has_no_differences() {
    let (parts, _, comparison) = compared(SOFTMAX, "photo.png", "same", &[]);
    assert_eq!(parts, owned(&[]), "{comparison:#}");
    assert_eq!(comparison["scores"]["relation"], "equal");
    assert!(comparison["input"]["residual"].as_f64().unwrap() < 0.5, "{comparison:#}");
    differs(LOGITS, "photo.png", "logits", &[], &[]);
    differs("int8_quant.tflite", "photo.png", "int8", &[], &[]);
    differs(SOFTMAX, "turned.jpg", "turned_same", &[], &[]);
}

#[test]
fn resizing_is_named_with_its_property() {
    differs(SOFTMAX, "photo.png", "plain", &["resizing"], &["antialias=false"]);
    differs(SOFTMAX, "photo.png", "nearest", &["resizing"], &[]);
    differs(SOFTMAX, "photo.png", "cropped", &["fit"], &["resize-method=crop"]);
    differs(SOFTMAX, "photo.png", "letterboxed", &["fit"], &["resize-method=letterbox"]);
}

#[test]
fn orientation_and_color_order_are_named() {
    differs(SOFTMAX, "photo.png", "bgr", &["color order"], &["color-order=bgr"]);
    let bgr = ["--color-order", "bgr"];
    let (parts, ..) = compared(SOFTMAX, "photo.png", "bgr", &bgr);
    assert_eq!(parts, owned(&[]));
    let (parts, set, _) = compared(SOFTMAX, "photo.png", "same", &bgr);
    assert_eq!((parts, set), (owned(&["color order"]), owned(&["color-order=rgb"])));
    differs(SOFTMAX, "turned.jpg", "turned_on_its_side", &["orientation"], &[]);
}

#[test]
fn a_range_is_named_with_its_mean_and_standard_deviation() {
    let range = |name, set| differs(SOFTMAX, "photo.png", name, &["range"], &[set]);
    range("range_unit", "input-mean=0 input-std=255");
    range("range_pixels", "input-mean=0 input-std=1");
    range("range_imagenet", "input-mean=123.675,116.28,103.53 input-std=58.395,57.12,57.375");
}

#[test]
fn two_differences_are_both_named() {
    let set = ["antialias=false", "input-mean=0 input-std=255"];
    differs(SOFTMAX, "photo.png", "plain_and_unit", &["resizing", "range"], &set);
}

#[test]
fn with_the_proposed_properties_nothing_differs() {
    let unit = ["--input-mean", "0", "--input-std", "255"];
    let options = [&unit[..], &["--antialias", "false"]].concat();
    let (parts, _, comparison) = compared(SOFTMAX, "photo.png", "plain_and_unit", &options);
    assert_eq!(parts, owned(&[]), "{comparison:#}");
    let (parts, _, comparison) =
        compared(SOFTMAX, "photo.png", "cropped", &["--resize-method", "crop"]);
    assert_eq!(parts, owned(&[]), "{comparison:#}");
}

#[test]
fn the_activation_is_named_with_its_property() {
    // By default, catdog applies the softmax to the three logits.
    differs(LOGITS, "photo.png", "logits_softmax", &[], &[]);
    let activation = |name, set| differs(LOGITS, "photo.png", name, &["activation"], &[set]);
    activation("logits_sigmoid", "output-activation=sigmoid");
    let (parts, set, _) =
        compared(LOGITS, "photo.png", "logits_softmax", &["--output-activation", "none"]);
    assert_eq!((parts, set), (owned(&["activation"]), owned(&["output-activation=softmax"])));
    // The graph contains the softmax already.
    let (parts, set, _) =
        compared(SOFTMAX, "photo.png", "same", &["--output-activation", "softmax"]);
    assert_eq!((parts, set), (owned(&["activation"]), owned(&["output-activation=none"])));
}

#[test]
fn gray_inputs_are_compared() {
    for name in ["gray", "gray_nchw", "gray_without_channels"] {
        differs(&format!("color/{name}.tflite"), "photo.png", name, &[], &[]);
    }
    let gray = |name, part: &[&str], set: &[&str]| {
        differs("color/gray.tflite", "photo.png", name, part, set);
    };
    gray("gray_centered", &["range"], &["input-mean=127.5 input-std=127.5"]);
    gray("gray_bgr", &["color order"], &[]);
    // The channels of the recorded input may be first although those of the model are last.
    gray("gray_nchw", &[], &[]);
    let (.., comparison) = compared("color/gray.tflite", "photo.png", "gray", &[]);
    let way = comparison["input"]["way"].as_str().unwrap();
    assert!(way.ends_with(", gray"), "{way}");
    assert_eq!(comparison["input"]["black"].as_array().unwrap().len(), 1, "{comparison:#}");
}

#[test]
fn inputs_with_the_channels_first_are_compared() {
    let nchw = |name, part: &[&str], set: &[&str]| {
        differs("color/nchw.tflite", "photo.png", name, part, set);
    };
    nchw("nchw", &[], &[]);
    nchw("nhwc_of_nchw", &[], &[]);
    nchw("nchw_bgr", &["color order"], &["color-order=bgr"]);
    nchw("nchw_plain", &["resizing"], &["antialias=false"]);
    differs("color/nhwc.tflite", "photo.png", "nchw", &[], &[]);
    differs("color/flat.tflite", "photo.png", "flat", &[], &[]);
    differs("color/batch_4.tflite", "photo.png", "nhwc_of_nchw", &[], &[]);
}

#[test]
fn an_input_that_is_not_the_picture_is_named() {
    let message = |model: &str, name| {
        let (parts, _, comparison) = compared(model, "photo.png", name, &[]);
        assert_eq!(parts[0], "input");
        comparison["findings"][0]["message"].as_str().unwrap().to_owned()
    };
    let flat = message(SOFTMAX, "no_picture");
    assert!(flat.contains("the same value everywhere"), "{flat}");
    let gray = message("color/gray.tflite", "same");
    assert!(gray.contains("shape [1, 8, 8, 3], expected [1, 8, 8, 1]"), "{gray}");
    let rgb = message("color/nchw.tflite", "gray");
    assert!(rgb.contains("shape [1, 8, 8, 1], expected [1, 3, 8, 8]"), "{rgb}");
}

#[test]
fn scores_labels_and_quantization_are_named() {
    differs(LOGITS, "photo.png", "reordered", &["score order"], &[]);
    differs(LOGITS, "photo.png", "another_model", &["model"], &[]);
    differs(LOGITS, "photo.png", "labels", &["labels"], &["labels=\"newt,heron,otter\""]);
    differs("int8_quant.tflite", "photo.png", "int8_stored", &["quantization"], &[]);
    // The float model of Keras, and the int8 model that was made from it.
    differs("int8_quant.tflite", "photo.png", "keras_of_int8", &[], &[]);
}

#[test]
fn another_picture_and_another_size_are_named() {
    let (parts, ..) = compared(SOFTMAX, "turned.jpg", "same", &[]);
    assert_eq!(parts[0], "picture");
    let (parts, ..) = compared("non_square.tflite", "photo.png", "same", &[]);
    assert_eq!(parts[0], "input");
}

#[test]
fn without_a_runtime_the_inputs_are_compared() {
    let path = model(SOFTMAX);
    let compared = |name: &str| {
        let (picture, recorded) = (golden("photo.png"), golden(name));
        let options = ["--image", &picture, "--compare-with", &recorded];
        run(&[&["inspect", path.to_str().unwrap()], &options[..]].concat())
    };
    let (code, stdout, stderr) = compared("range_unit.json");
    assert_eq!(code, Some(1));
    assert!(stdout.contains("not compared: no usable LiteRT runtime"), "{stdout}");
    assert!(stdout.contains("\nset           input-mean=0 input-std=255\n"), "{stdout}");
    assert!(stderr.ends_with("differ in: range; set input-mean=0 input-std=255\n"), "{stderr}");
    // Equal inputs alone do not make the same answer.
    let (code, stdout, stderr) = compared("same.json");
    assert_eq!(code, Some(1));
    assert!(stdout.contains("\ndiffers       nothing in the inputs\n"), "{stdout}");
    assert!(stderr.contains("no usable LiteRT runtime"), "{stderr}");
}

#[test]
fn an_unusable_recorded_result_is_one_line_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let good: Value = serde_json::from_slice(&fs::read(golden("same.json")).unwrap()).unwrap();
    let check = |change: &dyn Fn(&mut Value), reason: &str| {
        let mut changed = good.clone();
        change(&mut changed);
        fs::write(&path, changed.to_string()).unwrap();
        let picture = golden("photo.png");
        let result = path.to_str().unwrap();
        let (code, _, stderr) =
            run(&["inspect", "built-in", "--image", &picture, "--compare-with", result]);
        assert_eq!(code, Some(1));
        assert!(stderr.starts_with("catdog: compare-with '"), "{stderr}");
        assert!(stderr.contains(reason) && stderr.lines().count() == 1, "{stderr}");
    };
    check(&|result| *result = json!([]), "is not a recorded result");
    check(&|result| result["version"] = json!(2), "version 2");
    check(&|result| result["input"]["shape"] = json!([1, 9, 8, 3]), "has 192 elements");
    check(&|result| result["input"]["shape"] = json!([u64::MAX, 9, 8, 3]), "has 192 elements");
    check(&|result| result["output"]["data"] = json!([1e39, "x"]), "is not a recorded result");
    let empty = json!({ "shape": [0], "type": "float32", "quantization": null, "data": [] });
    check(&|result| result["output"] = empty.clone(), "its output is empty");
    let quantization = json!({ "scale": -1.0, "zero_point": 0 });
    check(&|result| result["input"]["quantization"] = quantization.clone(), "has the scale -1");
}
