//! The options of operators.

use super::{Cases, none};
use crate::model::tflite::operator_options::*;
use crate::model::tflite::reader::I32Field;
use crate::model::tflite::schema::{BuiltinOperator as Op, BuiltinOptions, TensorType, operator};
use crate::model::tflite::test_model::{Fields, TestModel, byte, float, option};

const ENUM: &str = "an operator's padding, activation or weights format";
const STEP: &str = "an operator's stride, dilation or window size";
const COUNT: &str = "the number of parts in an operator's options";

/// Adds an operator with valid inputs and the given options.
fn add(model: &mut TestModel, code: Op, options: Fields) {
    let image = model.input(&[1, 8, 8, 4]);
    let weights = model.floats(&[4, 1, 1, 4], &[1.0]);
    let bias = model.floats(&[4], &[0.0]);
    match code {
        Op::CONV_2D => model.op(code, &[image, weights, bias], options),
        Op::DEPTHWISE_CONV_2D => {
            let weights = model.floats(&[1, 1, 1, 4], &[1.0]);
            model.op(code, &[image, weights, bias], options)
        }
        Op::TRANSPOSE_CONV => {
            let dims = model.ints(&[1, 8, 8, 4]);
            model.op(code, &[dims, weights, image], options)
        }
        Op::FULLY_CONNECTED => {
            let weights = model.floats(&[4, 4], &[1.0]);
            model.op(code, &[image, weights, bias], options)
        }
        Op::ADD | Op::SUB | Op::MUL | Op::DIV | Op::CONCATENATION | Op::PACK => {
            model.op(code, &[image, image], options)
        }
        Op::SPLIT => {
            let axis = model.int(3);
            model.op_of(code, &[axis, image], &[TensorType::FLOAT32; 2], options)
        }
        Op::SPLIT_V => {
            let (sizes, axis) = (model.ints(&[1, 3]), model.int(3));
            model.op_of(code, &[image, sizes, axis], &[TensorType::FLOAT32; 2], options)
        }
        Op::UNPACK => model.op_of(code, &[image], &[TensorType::FLOAT32; 8], options),
        _ => model.op(code, &[image], options),
    };
}

#[test]
fn an_enum_beyond_its_last_value_is_refused() {
    let conv = |mut fields: Fields| {
        fields.extend([option(conv_2d_options::STRIDE_W, 1), option(conv_2d_options::STRIDE_H, 1)]);
        fields
    };
    let depthwise = |mut fields: Fields| {
        use depthwise_conv_2d_options::*;
        fields.extend([option(STRIDE_W, 1), option(STRIDE_H, 1)]);
        fields
    };
    let pool = |mut fields: Fields| {
        use pool_2d_options::*;
        let all = [STRIDE_W, STRIDE_H, FILTER_WIDTH, FILTER_HEIGHT];
        fields.extend(all.map(|field| option(field, 1)));
        fields
    };
    let transposed = |mut fields: Fields| {
        use transpose_conv_options::*;
        fields.extend([option(STRIDE_W, 1), option(STRIDE_H, 1)]);
        fields
    };
    let own = |fields: Fields| fields;
    type Complete<'a> = &'a dyn Fn(Fields) -> Fields;
    let fields: &[(Op, Complete<'_>, usize, u8)] = &[
        (Op::CONV_2D, &conv, conv_2d_options::PADDING, 1),
        (Op::CONV_2D, &conv, conv_2d_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::DEPTHWISE_CONV_2D, &depthwise, depthwise_conv_2d_options::PADDING, 1),
        (
            Op::DEPTHWISE_CONV_2D,
            &depthwise,
            depthwise_conv_2d_options::FUSED_ACTIVATION_FUNCTION,
            5,
        ),
        (Op::AVERAGE_POOL_2D, &pool, pool_2d_options::PADDING, 1),
        (Op::MAX_POOL_2D, &pool, pool_2d_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::L2_POOL_2D, &pool, pool_2d_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::TRANSPOSE_CONV, &transposed, transpose_conv_options::PADDING, 1),
        (Op::TRANSPOSE_CONV, &transposed, transpose_conv_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::FULLY_CONNECTED, &own, fully_connected_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::FULLY_CONNECTED, &own, fully_connected_options::WEIGHTS_FORMAT, 1),
        (Op::ADD, &own, activation_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::SUB, &own, activation_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::MUL, &own, activation_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::DIV, &own, activation_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::L2_NORMALIZATION, &own, activation_options::FUSED_ACTIVATION_FUNCTION, 5),
        (Op::CONCATENATION, &own, concatenation_options::FUSED_ACTIVATION_FUNCTION, 5),
    ];
    let mut cases = Cases::default();
    for (code, complete, field, last) in fields {
        for (value, wanted) in [(*last, "accepted"), (*last + 1, ENUM)] {
            let name = format!("{} {field} {value}", code.code());
            let options = complete(vec![(*field, byte(value))]);
            cases.case(&name, wanted, |model| add(model, *code, options));
        }
    }
    cases.finish();
}

#[test]
fn strides_dilations_and_windows_are_1_to_4096() {
    let fields: [(Op, &[I32Field]); 6] = {
        use conv_2d_options as conv;
        use depthwise_conv_2d_options as depthwise;
        use pool_2d_options as pool;
        use transpose_conv_options as transposed;
        const POOL: &[I32Field] =
            &[pool::STRIDE_W, pool::STRIDE_H, pool::FILTER_WIDTH, pool::FILTER_HEIGHT];
        [
            (
                Op::CONV_2D,
                &[conv::STRIDE_W, conv::STRIDE_H, conv::DILATION_W_FACTOR, conv::DILATION_H_FACTOR],
            ),
            (
                Op::DEPTHWISE_CONV_2D,
                &[
                    depthwise::STRIDE_W,
                    depthwise::STRIDE_H,
                    depthwise::DILATION_W_FACTOR,
                    depthwise::DILATION_H_FACTOR,
                ],
            ),
            (Op::AVERAGE_POOL_2D, POOL),
            (Op::MAX_POOL_2D, POOL),
            (Op::L2_POOL_2D, POOL),
            (Op::TRANSPOSE_CONV, &[transposed::STRIDE_W, transposed::STRIDE_H]),
        ]
    };
    let mut cases = Cases::default();
    for (code, fields) in fields {
        for changed in fields {
            for (value, wanted) in [(1, "accepted"), (4096, "accepted"), (0, STEP), (4097, STEP)] {
                let name = format!("{} {} {value}", code.code(), changed.id);
                // A convolution of the result with such a stride does not give the input.
                let is_transposed = code == Op::TRANSPOSE_CONV && value == 4096;
                let wanted = if is_transposed {
                    "the shape of its result does not fit its input and its strides"
                } else {
                    wanted
                };
                let of = |field: &I32Field| {
                    option(*field, if field.id == changed.id { value } else { 1 })
                };
                let options = fields.iter().map(of).collect();
                cases.case(&name, wanted, |model| add(model, code, options));
            }
        }
    }
    cases.finish();
}

#[test]
fn counts_that_the_options_repeat_are_those_of_the_operator() {
    let mut cases = Cases::default();
    for (code, field, count) in [
        (Op::SPLIT, split_options::NUM_SPLITS, 2),
        (Op::SPLIT_V, split_v_options::NUM_SPLITS, 2),
        (Op::UNPACK, unpack_options::NUM, 8),
        (Op::PACK, pack_options::VALUES_COUNT, 2),
    ] {
        for (value, wanted) in
            [(count, "accepted"), (count - 1, COUNT), (count + 1, COUNT), (-1, COUNT)]
        {
            let name = format!("{} {value}", code.code());
            let mut options = vec![option(field, value)];
            if code == Op::UNPACK {
                options.push(option(unpack_options::AXIS, 1));
            }
            cases.case(&name, wanted, |model| add(model, code, options));
        }
    }
    cases.finish();
}

#[test]
fn the_beta_of_a_softmax_and_the_radius_of_a_normalization_are_limited() {
    let mut cases = Cases::default();
    let wrong = "the beta of a softmax";
    for (beta, wanted) in
        [(1.0, "accepted"), (0.0, wrong), (-1.0, wrong), (f32::NAN, wrong), (f32::INFINITY, wrong)]
    {
        let options = vec![(softmax_options::BETA, float(beta))];
        cases.case(&format!("{beta}"), wanted, |model| add(model, Op::SOFTMAX, options));
    }
    let wrong = "the radius of a response normalization";
    for (radius, wanted) in [(0, "accepted"), (4096, "accepted"), (-1, wrong), (4097, wrong)] {
        let options = vec![option(local_response_normalization_options::RADIUS, radius)];
        cases.case(&format!("{radius}"), wanted, |model| {
            add(model, Op::LOCAL_RESPONSE_NORMALIZATION, options);
        });
    }
    cases.finish();
}

/// Removes the options of the only operator.
fn remove_options(model: &mut TestModel) {
    let options = [operator::BUILTIN_OPTIONS, operator::BUILTIN_OPTIONS_TYPE];
    model.graphs[0].operators[0].retain(|(id, _)| !options.contains(id));
}

#[test]
fn options_can_be_missing_where_the_kernel_has_defaults() {
    let wrong = "an operator's options";
    let mut cases = Cases::default();
    for (code, wanted) in [
        (Op::AVERAGE_POOL_2D, wrong),
        (Op::CONCATENATION, wrong),
        (Op::CONV_2D, wrong),
        (Op::DEPTHWISE_CONV_2D, wrong),
        (Op::DEPTH_TO_SPACE, wrong),
        (Op::L2_POOL_2D, wrong),
        (Op::LEAKY_RELU, wrong),
        (Op::LOCAL_RESPONSE_NORMALIZATION, wrong),
        (Op::MAX_POOL_2D, wrong),
        (Op::PACK, wrong),
        (Op::SOFTMAX, wrong),
        (Op::SPACE_TO_DEPTH, wrong),
        (Op::SPLIT, wrong),
        (Op::SPLIT_V, wrong),
        (Op::TRANSPOSE_CONV, wrong),
        (Op::UNPACK, wrong),
        (Op::ADD, "accepted"),
        (Op::FULLY_CONNECTED, "accepted"),
        (Op::EXP, "accepted"),
        (Op::SQUEEZE, "accepted"),
    ] {
        cases.case(&format!("{}", code.code()), wanted, |model| {
            add(model, code, none());
            remove_options(model);
        });
        // The type alone is not enough.
        cases.case(&format!("{} without table", code.code()), wanted, |model| {
            add(model, code, none());
            remove_options(model);
            let options = (operator::BUILTIN_OPTIONS_TYPE, byte(super::options_of(code).code()));
            model.graphs[0].operators[0].push(options);
        });
    }
    cases.finish();
}

#[test]
fn options_of_another_operator_are_refused() {
    let mut cases = Cases::default();
    for (code, other) in [
        (Op::ADD, BuiltinOptions::MUL),
        (Op::RELU, BuiltinOptions::ADD),
        (Op::SOFTMAX, BuiltinOptions::LOG_SOFTMAX),
    ] {
        cases.case(&format!("{}", code.code()), "an operator's options", |model| {
            add(model, code, vec![(softmax_options::BETA, float(1.0))]);
            remove_options(model);
            model.graphs[0].operators[0].extend([
                (operator::BUILTIN_OPTIONS_TYPE, byte(other.code())),
                (operator::BUILTIN_OPTIONS, crate::model::tflite::test_model::Value::Table(none())),
            ]);
        });
    }
    cases.finish();
}
