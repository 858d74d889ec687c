//! The range of values of a float input, as the first operators, a QUANTIZE, the weights of the first
//! convolution and names tell it.

use crate::model::tflite::Evidence;
use crate::model::tflite::operator_options::conv_2d_options;
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType, tensor};
use crate::model::tflite::test_model::{TestModel, option, text};

/// Adds a MEAN over height and width, which is no scaling, and returns the description of the range.
fn found(mut model: TestModel, last: i32) -> Option<(Evidence, String)> {
    let axes = model.ints(&[1, 2]);
    model.op_as(Op::MEAN, &[last, axes], &[1, 3], vec![]);
    let range = model.parse().unwrap().input_range?;
    let text = range.range.map_or("unknown".to_owned(), |range| range.to_string());
    Some((range.evidence, text))
}

/// A step that scales: the operator and its constant, one number or one for each channel.
type Step<'a> = (Op, &'a [f32]);

/// Returns a model that starts with `steps`, and the scaled image.
fn scaled(steps: &[Step<'_>]) -> (TestModel, i32) {
    let mut model = TestModel::new();
    let mut result = model.input(&[1, 8, 8, 3]);
    for (code, values) in steps {
        let constant = model.floats(&[values.len() as i32], values);
        result = model.op_as(*code, &[result, constant], &[1, 8, 8, 3], vec![]);
    }
    (model, result)
}

#[test]
fn operators_tell_the_range_that_they_map_to_a_usual_one() {
    let third = [1.0 / 0.229, 1.0 / 0.224, 1.0 / 0.225];
    let mean = [0.485, 0.456, 0.406];
    let of_pixels = mean.map(|mean| mean * 255.0);
    let std = third.map(|factor| factor / 255.0);
    let caffe = [123.68, 116.779, 103.939];
    let cases: &[(&str, &[Step<'_>], &str)] = &[
        ("1/255", &[(Op::MUL, &[1.0 / 255.0])], "0..255"),
        ("1/256", &[(Op::MUL, &[1.0 / 256.0])], "0..255"),
        ("1/127.5 - 1", &[(Op::MUL, &[1.0 / 127.5]), (Op::SUB, &[1.0])], "0..255"),
        ("1/255 - 0.5", &[(Op::MUL, &[1.0 / 255.0]), (Op::SUB, &[0.5])], "0..255"),
        ("-127.5", &[(Op::SUB, &[127.5])], "0..255"),
        ("-128", &[(Op::SUB, &[128.0])], "0..255"),
        ("imagenet", &[(Op::SUB, &of_pixels), (Op::MUL, &std)], "0..255"),
        ("imagenet of 0..1", &[(Op::SUB, &mean), (Op::MUL, &third)], "0..1"),
        ("caffe", &[(Op::SUB, &caffe)], "0..255"),
        ("-0.5", &[(Op::SUB, &[0.5])], "0..1"),
        ("2x - 1", &[(Op::MUL, &[2.0]), (Op::SUB, &[1.0])], "0..1"),
        // The tolerance is 1.2 % of the width.
        ("2.02x - 1", &[(Op::MUL, &[2.02]), (Op::SUB, &[1.0])], "0..1"),
        ("2.06x - 1", &[(Op::MUL, &[2.06]), (Op::SUB, &[1.0])], "unknown"),
        ("2x - 1.03", &[(Op::MUL, &[2.0]), (Op::SUB, &[1.03])], "unknown"),
        ("255x", &[(Op::MUL, &[255.0])], "0..1"),
        ("x/2", &[(Op::MUL, &[0.5])], "-1..1"),
        ("x/2 + 0.5", &[(Op::MUL, &[0.5]), (Op::ADD, &[0.5])], "-1..1"),
        ("127.5x", &[(Op::MUL, &[127.5])], "-1..1"),
        // A small shift is no scaling of pixel values.
        ("-1", &[(Op::SUB, &[1.0])], "unknown"),
        ("-1.9", &[(Op::SUB, &[1.9])], "unknown"),
        ("-2.1", &[(Op::SUB, &[2.1])], "0..255"),
        // Mean and standard deviation that a layer has learned.
        ("learned", &[(Op::SUB, &[118.0]), (Op::MUL, &[1.0 / 61.0])], "0..255"),
        ("learned of 0..1", &[(Op::SUB, &[0.5]), (Op::MUL, &[1.0 / 0.14])], "0..1"),
        ("learned of -1..1", &[(Op::SUB, &[-0.1]), (Op::MUL, &[1.0 / 0.6])], "-1..1"),
        ("learned of both", &[(Op::SUB, &[0.3]), (Op::MUL, &[1.0 / 0.3])], "unknown"),
        ("a large mean", &[(Op::SUB, &[0.75]), (Op::MUL, &[1.0 / 0.14])], "unknown"),
        ("a small mean", &[(Op::SUB, &[-0.7]), (Op::MUL, &[1.0 / 0.6])], "unknown"),
        ("a small deviation", &[(Op::SUB, &[0.5]), (Op::MUL, &[1.0 / 0.07])], "unknown"),
        ("a large deviation", &[(Op::SUB, &[-0.1]), (Op::MUL, &[1.0 / 0.95])], "unknown"),
        // A factor that shrinks pixel values.
        ("1/50", &[(Op::MUL, &[0.02])], "0..255"),
        ("1/450", &[(Op::MUL, &[1.0 / 450.0])], "0..255"),
        ("1/600", &[(Op::MUL, &[1.0 / 600.0])], "unknown"),
        ("1/20", &[(Op::MUL, &[0.05])], "unknown"),
        ("1/50 + 5", &[(Op::MUL, &[0.02]), (Op::ADD, &[5.0])], "0..255"),
        ("1/50 + 6", &[(Op::MUL, &[0.02]), (Op::ADD, &[6.0])], "unknown"),
        ("3x + 40", &[(Op::MUL, &[3.0]), (Op::ADD, &[40.0])], "unknown"),
        // All channels must fit.
        ("one channel differs", &[(Op::MUL, &[2.0, 2.0, 9.0]), (Op::SUB, &[1.0])], "unknown"),
    ];
    let mut differences = Vec::new();
    for (name, steps, wanted) in cases {
        let (model, last) = scaled(steps);
        let range = found(model, last);
        if range != Some((Evidence::Operators, (*wanted).to_owned())) {
            differences.push(format!("{name}: {range:?}, expected {wanted}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let (model, last) = scaled(&[(Op::MUL, &[1.0]), (Op::ADD, &[0.0])]);
    assert_eq!(found(model, last), None, "no scaling");
}

#[test]
fn an_ambiguous_scaling_names_the_ranges() {
    let (mut model, last) = scaled(&[(Op::SUB, &[0.3]), (Op::MUL, &[1.0 / 0.3])]);
    let axes = model.ints(&[1, 2]);
    model.op_as(Op::MEAN, &[last, axes], &[1, 3], vec![]);
    let text = model.parse().unwrap().input_range.unwrap().to_string();
    assert!(text.ends_with(", which is usual for 0..1 and for -1..1"), "{text}");
}

#[test]
fn the_order_of_the_means_tells_bgr() {
    let reason = |means: &[f32]| {
        let (mut model, last) = scaled(&[(Op::SUB, means)]);
        let axes = model.ints(&[1, 2]);
        model.op_as(Op::MEAN, &[last, axes], &[1, 3], vec![]);
        model.parse().unwrap().input_range.unwrap().reason
    };
    let is_bgr = |means: &[f32]| reason(means).contains("the means of blue, green and red");
    assert!(is_bgr(&[103.939, 116.779, 123.68]));
    assert!(is_bgr(&[104.5, 117.0, 123.0]));
    assert!(!is_bgr(&[123.68, 116.779, 103.939]));
    assert!(!is_bgr(&[105.0, 116.779, 123.68]));
}

#[test]
fn the_range_of_a_quantize_is_that_of_the_pictures() {
    use Evidence::{Operators, Quantization};
    /// Steps, scale and zero point of an int8 tensor after them, and the range.
    type Case<'a> = (&'a [Step<'a>], f32, i64, Option<(Evidence, &'a str)>);
    let cases: &[Case<'_>] = &[
        (&[], 1.0, -128, Some((Quantization, "0..255"))),
        (&[], 0.6, -128, Some((Quantization, "0..255"))),
        (&[], 0.55, -128, Some((Quantization, "unknown"))),
        (&[], 1.0, -125, Some((Quantization, "unknown"))),
        (&[], 1.02, -128, Some((Quantization, "unknown"))),
        (&[], 1.0 / 255.0, -128, Some((Quantization, "0..1"))),
        (&[], 0.5 / 255.0, -128, Some((Quantization, "0..1"))),
        (&[], 0.48 / 255.0, -128, Some((Quantization, "unknown"))),
        (&[], 1.03 / 255.0, -128, Some((Quantization, "unknown"))),
        (&[], 1.0 / 127.5, 0, Some((Quantization, "-1..1"))),
        // -1..0.5 and -1..0.35.
        (&[], 1.5 / 255.0, 42, Some((Quantization, "-1..1"))),
        (&[], 1.35 / 255.0, 61, Some((Quantization, "unknown"))),
        (
            &[],
            0.018_66,
            -14,
            Some((Quantization, "normalized with the mean and standard deviation of ImageNet")),
        ),
        // The range before the steps counts; 3x - 39 is no usual scaling.
        (&[(Op::MUL, &[3.0]), (Op::SUB, &[39.0])], 3.0, -115, Some((Quantization, "0..255"))),
        (&[(Op::MUL, &[3.0]), (Op::SUB, &[39.0])], 3.0, -128, Some((Quantization, "unknown"))),
        // A usual scaling decides first.
        (&[(Op::MUL, &[1.0 / 255.0])], 0.5, -128, Some((Operators, "0..255"))),
        // The channels differ, or are inverted, so that there is no range before the steps.
        (
            &[(Op::MUL, &[3.0, 3.0, 4.0]), (Op::SUB, &[39.0])],
            3.0,
            -115,
            Some((Operators, "unknown")),
        ),
        (&[(Op::MUL, &[-3.0]), (Op::SUB, &[39.0])], 3.0, -115, Some((Operators, "unknown"))),
    ];
    let mut differences = Vec::new();
    for (steps, scale, zero_point, wanted) in cases {
        let (mut model, last) = scaled(steps);
        let stored = model.tensor(&[1, 8, 8, 3], TensorType::INT8);
        model.quantized(stored, *scale, *zero_point);
        model.op_into(Op::QUANTIZE, &[last], &[stored], vec![]);
        let real = model.op_as(Op::DEQUANTIZE, &[stored], &[1, 8, 8, 3], vec![]);
        let range = found(model, real);
        let wanted = wanted.map(|(evidence, text)| (evidence, text.to_owned()));
        if range != wanted {
            differences.push(format!("{steps:?} {scale} {zero_point}: {range:?}, not {wanted:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Returns the range of a model that starts with a convolution of 1x1 pixels, whose output channels
/// have these sums of absolute weights.
fn of_weights(sums: &[f32], name: Option<&str>) -> Option<(Evidence, String)> {
    let mut model = TestModel::new();
    let image = model.input(&[1, 8, 8, 3]);
    if let Some(name) = name {
        model.set(image, tensor::NAME, text(name));
    }
    let channels = sums.len() as i32;
    // The signs differ.
    let weights: Vec<f32> =
        sums.iter().flat_map(|sum| [sum / 2.0, -sum / 4.0, sum / 4.0]).collect();
    let inputs =
        [image, model.floats(&[channels, 1, 1, 3], &weights), model.floats(&[channels], &[0.0])];
    let options = vec![option(conv_2d_options::STRIDE_W, 1), option(conv_2d_options::STRIDE_H, 1)];
    let conv = model.op_as(Op::CONV_2D, &inputs, &[1, 8, 8, channels], options);
    found(model, conv)
}

#[test]
fn small_weights_tell_pixel_values() {
    let pixels = Some((Evidence::Weights, "0..255".to_owned()));
    assert_eq!(of_weights(&[0.19, 0.19, 0.19], None), pixels);
    assert_eq!(of_weights(&[0.21, 0.21, 0.21], None), None);
    // The median decides.
    assert_eq!(of_weights(&[0.1, 0.1, 5.0], None), pixels);
    assert_eq!(of_weights(&[0.1, 5.0, 5.0], None), None);
    // Channels that training has left near 0 do not count.
    assert_eq!(of_weights(&[1e-4, 1e-4, 1e-4, 5.0, 5.0], None), None);
}

#[test]
fn names_count_if_nothing_else_tells_the_range() {
    let name = Some("serving_default_rescaling_input:0");
    assert_eq!(of_weights(&[5.0; 3], name), Some((Evidence::Name, "0..255".into())));
    let name = Some("MobilenetV2/input");
    assert_eq!(of_weights(&[5.0; 3], name), Some((Evidence::Name, "-1..1".into())));
    assert_eq!(of_weights(&[0.1; 3], name), Some((Evidence::Weights, "0..255".into())));
}

#[test]
fn an_8_bit_input_has_no_range_of_its_own() {
    let mut model = TestModel::new();
    let image = model.input_of(&[1, 8, 8, 3], TensorType::UINT8);
    let cast = model.op_as(Op::CAST, &[image], &[1, 8, 8, 3], vec![]);
    let factor = model.floats(&[], &[1.0 / 255.0]);
    let unit = model.op_as(Op::MUL, &[cast, factor], &[1, 8, 8, 3], vec![]);
    assert_eq!(found(model, unit), None);
}
