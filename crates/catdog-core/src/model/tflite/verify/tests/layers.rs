//! The shapes of convolutions, matrix products, pooling, and changes of the resolution.

use super::{Cases, none};
use crate::model::tflite::operator_options::{
    batch_mat_mul_options, block_options, conv_2d_options, depthwise_conv_2d_options,
    fully_connected_options, pool_2d_options, sequence_lstm_options, transpose_conv_options,
};
use crate::model::tflite::schema::{BuiltinOperator as Op, tensor};
use crate::model::tflite::test_model::{Fields, TestModel, byte, option};

const IMAGE: [i32; 4] = [1, 8, 6, 4];
const VALID: u8 = 1;

/// Returns the options of a CONV_2D without padding.
pub fn conv_options(stride: i32, dilation: i32) -> Fields {
    use conv_2d_options::*;
    vec![
        (PADDING, byte(VALID)),
        option(STRIDE_W, stride),
        option(STRIDE_H, stride),
        option(DILATION_W_FACTOR, dilation),
        option(DILATION_H_FACTOR, dilation),
    ]
}

/// Adds a CONV_2D with these shapes.
fn conv(model: &mut TestModel, image: &[i32], weights: &[i32], dilation: i32) {
    let inputs =
        [model.input(image), model.floats(weights, &[1.0]), model.floats(&[weights[0]], &[0.0])];
    model.op(Op::CONV_2D, &inputs, conv_options(1, dilation));
}

/// Adds a DEPTHWISE_CONV_2D with these shapes.
fn depthwise(model: &mut TestModel, image: &[i32], weights: &[i32]) {
    use depthwise_conv_2d_options::*;
    let options = vec![(PADDING, byte(VALID)), option(STRIDE_W, 1), option(STRIDE_H, 1)];
    let bias = weights.get(3).copied().unwrap_or(1);
    let inputs = [model.input(image), model.floats(weights, &[1.0]), model.floats(&[bias], &[0.0])];
    model.op(Op::DEPTHWISE_CONV_2D, &inputs, options);
}

#[test]
fn a_convolution_whose_shapes_do_not_fit_is_refused() {
    let channels = "the channels of its input and of its weights do not fit";
    let window = "its window is larger than its input";
    let rank = "an input does not have four dimensions";
    let mut cases = Cases::default();
    for (image, weights, dilation, wanted) in [
        (&IMAGE[..], &[5, 3, 3, 4][..], 1, "accepted"),
        (&IMAGE, &[5, 3, 3, 3], 1, channels),
        (&IMAGE, &[4, 3, 3, 2], 1, "accepted"),
        // Two groups, but an odd number of outputs.
        (&IMAGE, &[5, 3, 3, 2], 1, channels),
        (&IMAGE, &[5, 8, 6, 4], 1, "accepted"),
        (&IMAGE, &[5, 9, 6, 4], 1, window),
        (&IMAGE, &[5, 8, 7, 4], 1, window),
        (&IMAGE, &[5, 3, 3, 4], 2, "accepted"),
        (&IMAGE, &[5, 3, 3, 4], 3, window),
        (&[1, 8, 24], &[5, 3, 3, 4], 1, rank),
        (&IMAGE, &[5, 9, 4], 1, rank),
    ] {
        let name = format!("{image:?} {weights:?} {dilation}");
        cases.case(&name, wanted, |model| conv(model, image, weights, dilation));
    }
    for (weights, wanted) in [
        (&[1, 3, 3, 8][..], "accepted"),
        (&[2, 3, 3, 8], channels),
        (&[1, 3, 3, 6], channels),
        (&[1, 9, 3, 4], window),
        (&[1, 3, 7, 4], window),
    ] {
        let name = format!("depthwise {weights:?}");
        cases.case(&name, wanted, |model| depthwise(model, &IMAGE, weights));
    }
    cases.finish();
}

#[test]
fn a_pool_that_is_larger_than_its_input_is_refused() {
    use pool_2d_options::*;
    let mut cases = Cases::default();
    for (height, width, padding, wanted) in [
        (8, 6, VALID, "accepted"),
        (9, 6, VALID, "its window is larger than its input"),
        (8, 7, VALID, "its window is larger than its input"),
        (9, 7, 0, "accepted"),
    ] {
        cases.case(&format!("{height} {width} {padding}"), wanted, |model| {
            let image = model.input(&IMAGE);
            let options = vec![
                (PADDING, byte(padding)),
                option(STRIDE_W, 1),
                option(STRIDE_H, 1),
                option(FILTER_WIDTH, width),
                option(FILTER_HEIGHT, height),
            ];
            model.op(Op::MAX_POOL_2D, &[image], options);
        });
    }
    cases.finish();
}

#[test]
fn a_transposed_convolution_whose_shapes_do_not_fit_is_refused() {
    use transpose_conv_options::*;
    let unfit = "the shapes of its inputs do not fit each other";
    let mut cases = Cases::default();
    for (dims, weights, wanted) in [
        (&[1, 16, 12, 3][..], [3, 2, 2, 4], "accepted"),
        (&[2, 16, 12, 3], [3, 2, 2, 4], unfit),
        (&[1, 16, 12, 2], [3, 2, 2, 4], unfit),
        (&[1, 16, 12, 3], [3, 2, 2, 5], unfit),
        (&[1, 16, 3], [3, 2, 2, 4], "the shape of its result does not have four dimensions"),
        (&[1, 16, 12, 3, 3], [3, 2, 2, 4], "the shape of its result does not have four dimensions"),
    ] {
        cases.case(&format!("{dims:?} {weights:?}"), wanted, |model| {
            let inputs = [model.ints(dims), model.floats(&weights, &[1.0]), model.input(&IMAGE)];
            let options = vec![option(STRIDE_W, 2), option(STRIDE_H, 2)];
            model.op(Op::TRANSPOSE_CONV, &inputs, options);
        });
    }
    cases.finish();
}

#[test]
fn a_dense_layer_whose_shapes_do_not_fit_is_refused() {
    let unfit = "its input does not fit its weights";
    let mut cases = Cases::default();
    for (weights, keeps, wanted) in [
        (&[3, 24][..], 0, "accepted"),
        (&[3, 23], 0, unfit),
        (&[3, 24], 1, unfit),
        (&[3, 4], 1, "accepted"),
        (&[3, 24, 1], 0, "its weights do not have two dimensions"),
        (&[24], 0, "its weights do not have two dimensions"),
    ] {
        cases.case(&format!("{weights:?} {keeps}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.floats(weights, &[1.0]), -1];
            let options = vec![(fully_connected_options::KEEP_NUM_DIMS, byte(keeps))];
            model.op(Op::FULLY_CONNECTED, &inputs, options);
        });
    }
    cases.finish();
}

#[test]
fn a_matrix_product_whose_shapes_do_not_fit_is_refused() {
    let sizes = "the sizes of its matrices do not fit each other";
    let rank = "its inputs do not have two to five dimensions";
    let mut cases = Cases::default();
    for (left, right, transposed, wanted) in [
        (&[2, 4, 6][..], &[2, 6, 5][..], [0, 0], "accepted"),
        (&[2, 4, 6], &[2, 5, 6], [0, 0], sizes),
        (&[2, 4, 6], &[2, 5, 6], [0, 1], "accepted"),
        (&[2, 6, 4], &[2, 6, 5], [0, 0], sizes),
        (&[2, 6, 4], &[2, 6, 5], [1, 0], "accepted"),
        (&[2, 4, 6], &[3, 6, 5], [0, 0], "the shapes of its inputs do not fit each other"),
        (&[2, 4, 6], &[6], [0, 0], rank),
        (&[1, 1, 1, 2, 4, 6], &[6, 5], [0, 0], rank),
        (&[2, 4, 6], &[1, 1, 1, 1, 6, 5], [0, 0], rank),
        (&[1, 1, 2, 4, 6], &[6, 5], [0, 0], "accepted"),
    ] {
        cases.case(&format!("{left:?} {right:?} {transposed:?}"), wanted, |model| {
            let inputs = [model.input(left), model.floats(right, &[1.0])];
            let options = vec![
                (batch_mat_mul_options::ADJ_X, byte(transposed[0])),
                (batch_mat_mul_options::ADJ_Y, byte(transposed[1])),
            ];
            model.op(Op::BATCH_MATMUL, &inputs, options);
        });
    }
    cases.finish();
}

#[test]
fn a_change_of_the_resolution_that_does_not_fit_is_refused() {
    let mut cases = Cases::default();
    let size = "its new size is not a height and a width";
    for (dims, wanted) in [
        (&[4, 5][..], "accepted"),
        (&[0, 5], size),
        (&[4, 0], size),
        (&[-4, 5], size),
        (&[4], size),
        (&[4, 5, 1], size),
    ] {
        cases.case(&format!("resize {dims:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(dims)];
            model.op(Op::RESIZE_BILINEAR, &inputs, none());
        });
    }
    let block = "its block size does not fit its input";
    for (code, image, size, wanted) in [
        (Op::SPACE_TO_DEPTH, [1, 8, 6, 4], 2, "accepted"),
        (Op::SPACE_TO_DEPTH, [1, 8, 6, 4], 3, block),
        (Op::SPACE_TO_DEPTH, [1, 8, 6, 4], 4, block),
        (Op::SPACE_TO_DEPTH, [1, 8, 6, 4], 0, block),
        (Op::SPACE_TO_DEPTH, [1, 8, 6, 4], -2, block),
        (Op::DEPTH_TO_SPACE, [1, 8, 6, 4], 2, "accepted"),
        (Op::DEPTH_TO_SPACE, [1, 8, 6, 6], 2, block),
        (Op::DEPTH_TO_SPACE, [1, 8, 6, 4], -2, block),
    ] {
        cases.case(&format!("{} {image:?} {size}", code.code()), wanted, |model| {
            let image = model.input(&image);
            model.op(code, &[image], vec![option(block_options::BLOCK_SIZE, size)]);
        });
    }
    cases.finish();
}

#[test]
fn blocks_and_borders_that_do_not_fit_are_refused() {
    let invalid = "its block sizes or borders are invalid";
    let unfit = "its block sizes do not fit its input";
    let mut cases = Cases::default();
    // The blocks, the shape of the borders, and their values.
    for (image, blocks, shape, borders, wanted) in [
        (&IMAGE[..], &[4, 3][..], &[2, 2][..], &[0, 0, 0, 0][..], "accepted"),
        (&IMAGE, &[4, 5], &[2, 2], &[0, 0, 1, 3], "accepted"),
        (&IMAGE, &[3, 3], &[2, 2], &[0, 0, 0, 0], unfit),
        (&IMAGE, &[4, 4], &[2, 2], &[0, 0, 1, 0], unfit),
        (&IMAGE, &[4], &[1, 2], &[0, 0], invalid),
        (&IMAGE, &[4, 3], &[4, 1], &[0, 0, 0, 0], invalid),
        (&IMAGE, &[4, 0], &[2, 2], &[0, 0, 0, 0], invalid),
        (&IMAGE, &[4, -3], &[2, 2], &[0, 0, 0, 0], invalid),
        (&IMAGE, &[4, 3], &[2, 2], &[0, 0, -3, 0], invalid),
        (&[1, 8, 6], &[4], &[1, 2], &[0, 0], "accepted"),
        (&[1, 8, 6, 4, 1], &[4, 3, 2], &[3, 2], &[0, 0, 0, 0, 0, 0], invalid),
    ] {
        cases.case(&format!("{image:?} {blocks:?} {shape:?} {borders:?}"), wanted, |model| {
            let inputs = [model.input(image), model.ints(blocks), model.int_tensor(shape, borders)];
            model.op(Op::SPACE_TO_BATCH_ND, &inputs, none());
        });
    }
    for (batch, blocks, crops, wanted) in [
        (6, [2, 3], [0, 0, 0, 0], "accepted"),
        (6, [2, 3], [7, 8, 9, 8], "accepted"),
        (6, [2, 3], [8, 8, 0, 0], unfit),
        (6, [2, 3], [0, 0, 9, 9], unfit),
        (6, [2, 2], [0, 0, 0, 0], unfit),
        (6, [4, 1], [0, 0, 0, 0], unfit),
    ] {
        cases.case(&format!("{batch} {blocks:?} {crops:?}"), wanted, |model| {
            let image = model.floats(&[batch, 8, 6, 4], &[1.0]);
            let borders = [model.ints(&blocks), model.int_tensor(&[2, 2], &crops)];
            model.input(&[1, 2]);
            model.op(Op::BATCH_TO_SPACE_ND, &[image, borders[0], borders[1]], none());
        });
    }
    cases.finish();
}

#[test]
fn an_order_that_does_not_name_each_dimension_once_is_refused() {
    let mut cases = Cases::default();
    let invalid = "its order of the dimensions is invalid";
    for (order, wanted) in [
        (&[3, 2, 1, 0][..], "accepted"),
        (&[0, 1, 2, -1], "accepted"),
        (&[0, 1, 2, -2], invalid),
        (&[0, 1, 2], invalid),
        (&[0, 1, 2, 4], "its axis is out of range"),
        (&[0, 1, 2, -5], "its axis is out of range"),
    ] {
        cases.case(&format!("{order:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(order)];
            model.op(Op::TRANSPOSE, &inputs, none());
        });
    }
    cases.finish();
}

/// Adds an LSTM with four cells over five steps of six numbers. `change` gets the shapes of its
/// inputs, by position.
fn lstm(model: &mut TestModel, change: impl FnOnce(&mut [Vec<i32>; 20]), mut options: Fields) {
    let mut shapes: [Vec<i32>; 20] = std::array::from_fn(|position| match position {
        0 => vec![1, 5, 6],
        1..=4 => vec![4, 6],
        5..=8 => vec![4, 4],
        12..=15 => vec![4],
        18..=19 => vec![1, 4],
        _ => vec![],
    });
    change(&mut shapes);
    let mut inputs = Vec::new();
    for (position, shape) in shapes.iter().enumerate() {
        inputs.push(match position {
            0 => model.input(shape),
            9..=11 | 16..=17 => -1,
            18..=19 => {
                let state = model.tensor(shape, crate::model::tflite::schema::TensorType::FLOAT32);
                model.set(state, tensor::IS_VARIABLE, byte(1));
                state
            }
            _ => model.floats(shape, &[0.5]),
        });
    }
    inputs.extend([-1; 4]);
    options.insert(0, (sequence_lstm_options::FUSED_ACTIVATION_FUNCTION, byte(4)));
    model.op(Op::UNIDIRECTIONAL_SEQUENCE_LSTM, &inputs, options);
}

#[test]
fn a_recurrent_cell_whose_shapes_do_not_fit_is_refused() {
    use sequence_lstm_options::*;
    let unfit = "the shapes of its inputs do not fit each other";
    let mut cases = Cases::default();
    cases.case("valid", "accepted", |model| lstm(model, |_| (), vec![]));
    for position in [2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 18, 19] {
        cases.case(&format!("input {position}"), unfit, |model| {
            lstm(model, |shapes| *shapes[position].last_mut().unwrap() += 1, vec![]);
        });
    }
    cases.case("rank", unfit, |model| lstm(model, |shapes| shapes[0] = vec![5, 6], vec![]));
    let time_major = || vec![(TIME_MAJOR, byte(1))];
    cases.case("time first", unfit, |model| lstm(model, |_| (), time_major()));
    cases.case("time first with its shape", "accepted", |model| {
        lstm(model, |shapes| shapes[0] = vec![5, 1, 6], time_major());
    });
    for (name, field, value) in
        [("activation", FUSED_ACTIVATION_FUNCTION, 6), ("diagonal", DIAGONAL_RECURRENT_TENSORS, 1)]
    {
        let options = vec![(field, byte(value))];
        cases.case(name, "its options are unknown", |model| lstm(model, |_| (), options));
    }
    cases.finish();
}
