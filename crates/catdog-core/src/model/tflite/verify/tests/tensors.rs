//! Tensors: types, shapes, data and quantization; and the scales that kernels compute with.

use super::{Cases, none};
use crate::model::tflite::operator_options::{pool_2d_options, softmax_options};
use crate::model::tflite::schema::{
    BuiltinOperator as Op, TensorType, blockwise_quantization, quantization_parameters, tensor,
};
use crate::model::tflite::test_model::{
    Fields, TestModel, Value, byte, float, int, ints, option, quantization,
};

const F32: TensorType = TensorType::FLOAT32;
const I8: TensorType = TensorType::INT8;
const U8: TensorType = TensorType::UINT8;
const I16: TensorType = TensorType::INT16;

/// Adds an image, a RELU, and a tensor that no operator reads, with the shape and the type.
fn unread(model: &mut TestModel, shape: &[i32], element: TensorType) -> i32 {
    let image = model.input(&[1, 4]);
    model.op(Op::RELU, &[image], none());
    model.tensor(shape, element)
}

#[test]
fn the_shape_of_a_tensor_is_limited() {
    let mut cases = Cases::default();
    for (shape, element, wanted) in [
        (&[1; 8][..], F32, "accepted"),
        (&[1; 9], F32, "the number of a tensor's dimensions"),
        (&[2, -1], F32, "a tensor's dimension"),
        (&[0, 5], F32, "accepted"),
        (&[1 << 28], F32, "accepted"),
        (&[(1 << 28) + 1], F32, "a tensor's size"),
        (&[1 << 30], I8, "accepted"),
        (&[(1 << 30) + 1], I8, "a tensor's size"),
        (&[i32::MAX], TensorType::INT4, "accepted"),
        (&[1 << 16, 1 << 16, 1 << 16, 1 << 16], I8, "a tensor's size"),
    ] {
        let name = format!("{shape:?} {}", element.name());
        cases.case(&name, wanted, |model| {
            unread(model, shape, element);
        });
    }
    cases.case("unknown type", "a tensor's type", |model| {
        let tensor = unread(model, &[1], F32);
        model.set(tensor, tensor::TYPE, byte(21));
    });
    let wrong = "a tensor's shape signature";
    for (signature, wanted) in [
        (&[][..], "accepted"),
        (&[2, 3], "accepted"),
        (&[-1, 3], "accepted"),
        (&[-1, -1], "accepted"),
        (&[2], wrong),
        (&[2, 3, 1], wrong),
        (&[2, 4], wrong),
        (&[-2, 3], wrong),
    ] {
        cases.case(&format!("signature {signature:?}"), wanted, |model| {
            let tensor = unread(model, &[2, 3], F32);
            model.set(tensor, tensor::SHAPE_SIGNATURE, ints(signature));
        });
    }
    cases.finish();
}

#[test]
fn the_data_of_a_tensor_is_complete_and_in_the_file() {
    let mut cases = Cases::default();
    for (element, bytes, wanted) in [
        (F32, 12, "accepted"),
        (F32, 16, "accepted"),
        (F32, 11, "the size of a tensor's buffer"),
        (I8, 3, "accepted"),
        (I8, 2, "the size of a tensor's buffer"),
        // Three elements of 4 bits.
        (TensorType::INT4, 2, "accepted"),
        (TensorType::INT4, 1, "the size of a tensor's buffer"),
    ] {
        cases.case(&format!("{} {bytes}", element.name()), wanted, |model| {
            unread(model, &[1], F32);
            model.constant(&[3], element, vec![0; bytes]);
        });
    }
    let sparse = "its tensor 't3' has sparse weights, which catdog does not run; export it \
                  without sparsity";
    cases.case("sparse", sparse, |model| {
        unread(model, &[1], F32);
        let tensor = model.constant(&[3], F32, vec![0; 4]);
        model.set(tensor, tensor::SPARSITY, Value::Table(none()));
    });
    cases.case("external", "the storage of a tensor", |model| {
        let tensor = unread(model, &[1], F32);
        model.set(tensor, tensor::EXTERNAL_BUFFER, int(1));
    });
    cases.case("variant", "the storage of a tensor", |model| {
        let tensor = unread(model, &[1], F32);
        model.set(tensor, tensor::VARIANT_TENSORS, Value::Tables(vec![]));
    });
    cases.case("buffer", "a tensor's buffer", |model| {
        let tensor = unread(model, &[1], F32);
        model.set(tensor, tensor::BUFFER, int(1));
    });
    cases.finish();
}

#[test]
fn the_size_of_an_open_input_is_that_of_the_file_or_224() {
    let mut cases = Cases::default();
    // A RESHAPE to the size shows with which size an input is verified.
    for (shape, signature, elements) in [
        ([1, 1, 1, 3], [1, -1, -1, 3], 224 * 224 * 3),
        ([1, 1, 8, 3], [1, -1, -1, 3], 224 * 8 * 3),
        ([1, 8, 8, 3], [-1, -1, -1, 3], 8 * 8 * 3),
        ([7, 8, 8, 3], [-1, 8, 8, 3], 8 * 8 * 3),
        ([7, 8, 8, 3], [7, -1, 8, 3], 7 * 8 * 8 * 3),
    ] {
        for (elements, wanted) in
            [(elements, "accepted"), (elements + 3, "its input does not fit its new shape")]
        {
            cases.case(&format!("{shape:?} {signature:?} {elements}"), wanted, |model| {
                let image = model.tensor(&shape, F32);
                model.set(image, tensor::SHAPE_SIGNATURE, ints(&signature));
                model.graphs[0].inputs.push(image);
                let dims = model.ints(&[elements]);
                let flat = model.tensor(&[elements], F32);
                model.op_into(Op::RESHAPE, &[image, dims], &[flat], none());
            });
        }
    }
    cases.finish();
}

/// Adds a tensor with the quantization `parameters`.
fn quantized(model: &mut TestModel, element: TensorType, is_constant: bool, parameters: Fields) {
    unread(model, &[1], F32);
    let tensor = match is_constant {
        true => model.constant(&[3, 2], element, vec![0; 24]),
        false => model.tensor(&[3, 2], element),
    };
    model.set(tensor, tensor::QUANTIZATION, Value::Table(parameters));
}

#[test]
fn scales_are_positive_and_those_of_constants_can_be_0() {
    let wrong = "a scale is not a positive number";
    let mut cases = Cases::default();
    for (scale, activation, constant) in [
        (0.5, "accepted", "accepted"),
        (f32::MIN_POSITIVE, "accepted", "accepted"),
        (f32::MIN_POSITIVE / 2.0, wrong, "accepted"),
        (0.0, wrong, "accepted"),
        (-0.5, wrong, wrong),
        (f32::NAN, wrong, wrong),
        (f32::INFINITY, wrong, wrong),
        (f32::MAX, "accepted", "accepted"),
    ] {
        for (is_constant, wanted) in [(false, activation), (true, constant)] {
            cases.case(&format!("{scale} {is_constant}"), wanted, |model| {
                quantized(model, I8, is_constant, quantization(&[scale], &[0]));
            });
        }
    }
    // The quantization of a type that is not quantized is ignored.
    cases.case("float", "accepted", |model| {
        quantized(model, F32, true, quantization(&[-1.0], &[9]));
    });
    cases.finish();
}

#[test]
fn there_is_one_scale_or_one_for_each_channel() {
    let channels = "the number of its scales is neither 1 nor the number of its channels";
    let numbers = "the numbers of its scales and zero points differ";
    let mut cases = Cases::default();
    for (scales, zero_points, dimension, wanted) in [
        (1, 1, 0, "accepted"),
        (1, 1, 7, "accepted"),
        (3, 3, 0, "accepted"),
        (2, 2, 1, "accepted"),
        (2, 2, 0, channels),
        (3, 3, 1, channels),
        (3, 3, 2, channels),
        (3, 3, -1, channels),
        (1, 0, 0, numbers),
        (3, 1, 0, numbers),
        (1, 2, 0, numbers),
        (0, 0, 0, "accepted"),
        (0, 1, 0, "accepted"),
    ] {
        cases.case(&format!("{scales} {zero_points} {dimension}"), wanted, |model| {
            let mut parameters = quantization(&vec![0.5; scales], &vec![0; zero_points]);
            parameters.push(option(quantization_parameters::QUANTIZED_DIMENSION, dimension));
            quantized(model, I8, true, parameters);
        });
    }
    cases.finish();
}

#[test]
fn a_zero_point_is_a_value_of_its_type() {
    let wrong = "a zero point is outside the range of its type";
    let mut cases = Cases::default();
    for (element, lowest, highest) in [
        (U8, 0, 255),
        (I8, -128, 127),
        (I16, -32768, 32767),
        (TensorType::UINT16, 0, 65535),
        (TensorType::INT4, -8, 7),
        (TensorType::INT2, -2, 1),
        (TensorType::INT32, 0, 0),
    ] {
        for (zero_point, wanted) in
            [(lowest, "accepted"), (highest, "accepted"), (lowest - 1, wrong), (highest + 1, wrong)]
        {
            cases.case(&format!("{} {zero_point}", element.name()), wanted, |model| {
                quantized(model, element, true, quantization(&[0.5], &[zero_point]));
            });
        }
    }
    cases.finish();
}

/// Returns a blockwise quantization; `None` leaves the details out.
fn blockwise(details: Option<[i32; 3]>) -> Fields {
    use blockwise_quantization::*;
    let mut fields = vec![(quantization_parameters::DETAILS_TYPE, byte(2))];
    if let Some([scales, zero_points, block_size]) = details {
        let details = vec![
            option(SCALES, scales),
            option(ZERO_POINTS, zero_points),
            option(BLOCK_SIZE, block_size),
        ];
        fields.push((quantization_parameters::DETAILS, Value::Table(details)));
    }
    fields
}

#[test]
fn a_blockwise_quantization_names_tensors_that_exist() {
    let wrong = "a blockwise quantization";
    let mut cases = Cases::default();
    // The model has three tensors.
    for (details, wanted) in [
        (Some([0, -1, 32]), "accepted"),
        (Some([2, 2, 1]), "accepted"),
        (Some([3, -1, 32]), wrong),
        (Some([-1, -1, 32]), wrong),
        (Some([0, 4, 32]), wrong),
        (Some([0, -2, 32]), wrong),
        (Some([0, -1, 0]), wrong),
        (None, wrong),
    ] {
        cases.case(&format!("{details:?}"), wanted, |model| {
            let image = model.input(&[1, 4]);
            model.op(Op::RELU, &[image], none());
            let weights = model.constant(&[2], I8, vec![0; 2]);
            let parameters = Value::Table(blockwise(details));
            model.set(weights, tensor::QUANTIZATION, parameters);
        });
    }
    for (details_type, wanted) in
        [(0, "accepted"), (1, "accepted"), (3, "the quantization of a tensor")]
    {
        cases.case(&format!("details {details_type}"), wanted, |model| {
            let parameters = vec![(quantization_parameters::DETAILS_TYPE, byte(details_type))];
            quantized(model, I8, true, parameters);
        });
    }
    cases.finish();
}

/// Adds an operator on int8 tensors, of which those with a number in `unscaled` have no scale:
/// 0 and 1 are the inputs, 2 is the output.
fn int8_operator(model: &mut TestModel, code: Op, two: bool, unscaled: Option<usize>) {
    let mut inputs = Vec::new();
    for number in 0..1 + usize::from(two) {
        let input = model.input_of(&[1, 4, 4, 2], I8);
        if unscaled != Some(number) {
            model.quantized(input, 0.5, 0);
        }
        inputs.push(input);
    }
    match code {
        Op::MEAN | Op::SUM | Op::REDUCE_PROD => inputs.push(model.ints(&[1])),
        _ => {}
    }
    let is_comparison =
        [Op::EQUAL, Op::NOT_EQUAL, Op::LESS, Op::LESS_EQUAL, Op::GREATER, Op::GREATER_EQUAL]
            .contains(&code);
    let output = model.tensor(&[1], if is_comparison { TensorType::BOOL } else { I8 });
    if unscaled != Some(2) {
        model.quantized(output, 0.5, 0);
    }
    let options = match code {
        Op::SOFTMAX => vec![(softmax_options::BETA, float(1.0))],
        Op::AVERAGE_POOL_2D | Op::MAX_POOL_2D => {
            use pool_2d_options::*;
            [STRIDE_W, STRIDE_H, FILTER_WIDTH, FILTER_HEIGHT].map(|field| option(field, 1)).to_vec()
        }
        _ => none(),
    };
    model.op_into(code, &inputs, &[output], options);
}

#[test]
fn a_kernel_that_computes_with_scales_needs_them() {
    let missing = "a quantized tensor without a scale";
    let unary = [
        Op::ABS,
        Op::AVERAGE_POOL_2D,
        Op::ELU,
        Op::EXP,
        Op::GELU,
        Op::HARD_SWISH,
        Op::L2_NORMALIZATION,
        Op::LEAKY_RELU,
        Op::LOG,
        Op::LOGISTIC,
        Op::LOG_SOFTMAX,
        Op::MAX_POOL_2D,
        Op::MEAN,
        Op::NEG,
        Op::REDUCE_PROD,
        Op::RELU,
        Op::RELU6,
        Op::RELU_0_TO_1,
        Op::RELU_N1_TO_1,
        Op::RSQRT,
        Op::SOFTMAX,
        Op::SUM,
        Op::TANH,
    ];
    let binary = [Op::ADD, Op::DIV, Op::MUL, Op::PRELU, Op::SQUARED_DIFFERENCE, Op::SUB];
    let comparisons =
        [Op::EQUAL, Op::GREATER, Op::GREATER_EQUAL, Op::LESS, Op::LESS_EQUAL, Op::NOT_EQUAL];
    let mut cases = Cases::default();
    let mut check = |code: Op, two: bool, unscaled: Option<usize>, wanted: &str| {
        cases.case(&format!("{} {unscaled:?}", code.code()), wanted, |model| {
            int8_operator(model, code, two, unscaled);
        });
    };
    for code in unary {
        check(code, false, None, "accepted");
        check(code, false, Some(0), missing);
        check(code, false, Some(2), missing);
    }
    for code in binary {
        check(code, true, None, "accepted");
        (0..3).for_each(|number| check(code, true, Some(number), missing));
    }
    for code in comparisons {
        check(code, true, None, "accepted");
        (0..2).for_each(|number| check(code, true, Some(number), missing));
        check(code, true, Some(2), "accepted");
    }
    check(Op::SQUEEZE, false, Some(0), "accepted");
    cases.finish();
}

#[test]
fn a_constant_with_a_scale_of_0_is_for_weights_only() {
    let mut cases = Cases::default();
    cases.case("sum", "a quantized tensor without a scale", |model| {
        let image = model.input_of(&[1, 2], I8);
        model.quantized(image, 0.5, 0);
        let other = model.constant(&[1, 2], I8, vec![0; 2]);
        model.quantized(other, 0.0, 0);
        let output = model.tensor(&[1], I8);
        model.quantized(output, 0.5, 0);
        model.op_into(Op::MUL, &[image, other], &[output], none());
    });
    cases.case("layer", "accepted", |model| {
        let image = model.input_of(&[1, 2], I8);
        model.quantized(image, 0.5, 0);
        let weights = model.constant(&[2, 2], I8, vec![0; 4]);
        let scales = Value::Table(quantization(&[0.5, 0.0], &[0, 0]));
        model.set(weights, tensor::QUANTIZATION, scales);
        let output = model.tensor(&[1], I8);
        model.quantized(output, 0.5, 0);
        model.op_into(Op::FULLY_CONNECTED, &[image, weights, -1], &[output], none());
    });
    cases.finish();
}

#[test]
fn a_conversion_of_a_quantized_tensor_needs_a_scale() {
    let missing = "a quantized tensor without a scale";
    let mut cases = Cases::default();
    for (code, from, to, is_scaled, wanted) in [
        (Op::QUANTIZE, F32, I8, true, "accepted"),
        (Op::QUANTIZE, F32, I8, false, missing),
        (Op::DEQUANTIZE, I8, F32, true, "accepted"),
        (Op::DEQUANTIZE, I8, F32, false, missing),
        (Op::DEQUANTIZE, TensorType::FLOAT16, F32, false, "accepted"),
        (Op::DEQUANTIZE, TensorType::BFLOAT16, F32, false, "accepted"),
    ] {
        let name = format!("{} {} {is_scaled}", from.name(), to.name());
        cases.case(&name, wanted, |model| {
            let (input, output) = (model.input_of(&[1, 2], from), model.tensor(&[1, 2], to));
            for tensor in [input, output] {
                if is_scaled {
                    model.quantized(tensor, 0.5, 0);
                }
            }
            model.op_into(code, &[input], &[output], none());
        });
    }
    cases.case("blockwise", "it does not take blockwise quantized tensors", |model| {
        let image = model.input(&[1, 2]);
        let weights = model.constant(&[2], I8, vec![0; 2]);
        let parameters = Value::Table(blockwise(Some([0, -1, 32])));
        model.set(weights, tensor::QUANTIZATION, parameters);
        let unpacked = model.tensor(&[2], F32);
        model.op_into(Op::DEQUANTIZE, &[weights], &[unpacked], none());
        model.op(Op::ADD, &[image, unpacked], none());
    });
    cases.finish();
}

#[test]
fn the_scales_of_a_sum_differ_by_what_its_kernel_can_shift() {
    let wrong = "the scales of a sum";
    let power = |exponent: i32| 2f32.powi(exponent);
    let mut cases = Cases::default();
    for (code, element, scales, wanted) in [
        (Op::ADD, I8, [1.0, 1.0, 1.0], "accepted"),
        // Twice the larger scale of the inputs, divided by that of the output, is below 2^19.
        (Op::ADD, I8, [power(17), 1.0, 1.0], "accepted"),
        (Op::ADD, I8, [power(18), 1.0, 1.0], wrong),
        (Op::ADD, I8, [1.0, power(18), 1.0], wrong),
        (Op::SUB, U8, [power(18), 1.0, 1.0], wrong),
        (Op::SQUARED_DIFFERENCE, I8, [power(18), 1.0, 1.0], wrong),
        (Op::MUL, I8, [power(18), 1.0, 1.0], "accepted"),
        // And above 2^-30.
        (Op::ADD, I8, [power(-30), power(-31), 1.0], "accepted"),
        (Op::ADD, I8, [power(-31), power(-32), 1.0], wrong),
        (Op::ADD, I16, [power(12), 1.0, 1.0], "accepted"),
        (Op::ADD, I16, [power(13), 1.0, 1.0], wrong),
    ] {
        let name = format!("{} {} {scales:?}", code.code(), element.name());
        cases.case(&name, wanted, |model| {
            let tensors = [
                model.input_of(&[1, 2], element),
                model.input_of(&[1, 2], element),
                model.tensor(&[1], element),
            ];
            for (tensor, scale) in tensors.into_iter().zip(scales) {
                model.quantized(tensor, scale, 0);
            }
            model.op_into(code, &tensors[..2], &tensors[2..], none());
        });
    }
    cases.finish();
}
