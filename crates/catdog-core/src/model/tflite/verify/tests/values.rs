//! Values that are not followed through the graph, because the result would be wrong or large.

use super::{Cases, none};
use crate::model::tflite::operator_options::{
    concatenation_options, pack_options, reducer_options,
};
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType};
use crate::model::tflite::test_model::{TestModel, byte, option};

const I32: TensorType = TensorType::INT32;
const F32: TensorType = TensorType::FLOAT32;

/// Adds a FILL with the shape `dims`.
fn fill(model: &mut TestModel, dims: i32) {
    model.input(&[1, 2]);
    let value = model.floats(&[], &[1.0]);
    model.op(Op::FILL, &[dims, value], none());
}

#[test]
fn numbers_that_their_type_cannot_hold_are_unknown() {
    let mut cases = Cases::default();
    for (factors, wanted) in [
        ([2, 3], "accepted"),
        ([1 << 16, 1 << 16], "data-dependent"),
        ([1 << 16, -(1 << 16)], "data-dependent"),
    ] {
        cases.case(&format!("{factors:?}"), wanted, |model| {
            let inputs = factors.map(|factor| model.ints(&[factor]));
            let dims = model.op_of(Op::MUL, &inputs, &[I32], none());
            fill(model, dims);
        });
    }
    for (numerator, denominator, wanted) in
        [(6.0, 2.0, "accepted"), (6.0, 0.0, "data-dependent"), (0.0, 0.0, "data-dependent")]
    {
        cases.case(&format!("{numerator} {denominator}"), wanted, |model| {
            let inputs = [model.floats(&[1], &[numerator]), model.floats(&[1], &[denominator])];
            let quotient = model.op_of(Op::DIV, &inputs, &[F32], none());
            let dims = model.op_of(Op::CAST, &[quotient], &[I32], none());
            fill(model, dims);
        });
    }
    cases.case("integers divided by 0", "data-dependent", |model| {
        let inputs = [model.ints(&[6]), model.ints(&[0])];
        let dims = model.op_of(Op::DIV, &inputs, &[I32], none());
        fill(model, dims);
    });
    cases.finish();
}

#[test]
fn large_tensors_are_not_followed() {
    let mut cases = Cases::default();
    for (count, wanted) in [(64, "accepted"), (65, "data-dependent")] {
        // The elements of a constant.
        cases.case(&format!("constant {count}"), wanted, |model| {
            let inputs = [model.ints(&vec![1; count]), model.ints(&[0])];
            let options = vec![(reducer_options::KEEP_DIMS, byte(1))];
            let dims = model.op_of(Op::REDUCE_PROD, &inputs, &[I32], options);
            fill(model, dims);
        });
        // The elements of a result.
        cases.case(&format!("result {count}"), wanted, |model| {
            let inputs = [model.ints(&[count as i32]), model.int(1)];
            let ones = model.op_of(Op::FILL, &inputs, &[I32], none());
            let axis = model.ints(&[0]);
            let options = vec![(reducer_options::KEEP_DIMS, byte(1))];
            let dims = model.op_of(Op::REDUCE_PROD, &[ones, axis], &[I32], options);
            fill(model, dims);
        });
    }
    cases.finish();
}

#[test]
fn numbers_with_several_dimensions_are_not_followed() {
    let mut cases = Cases::default();
    // Each operator reads a matrix of one row, and its result is a vector or a matrix.
    type Build = fn(&mut TestModel, i32) -> i32;
    let operators: [(&str, Build); 6] = [
        ("concatenation", |model, matrix| {
            let options = vec![option(concatenation_options::AXIS, 0)];
            model.op_of(Op::CONCATENATION, &[matrix, matrix], &[I32], options)
        }),
        ("pack", |model, matrix| {
            let options = vec![option(pack_options::VALUES_COUNT, 2)];
            model.op_of(Op::PACK, &[matrix, matrix], &[I32], options)
        }),
        ("gather", |model, matrix| {
            let index = model.ints(&[0]);
            model.op_of(Op::GATHER, &[matrix, index], &[I32], none())
        }),
        ("split", |model, matrix| {
            use crate::model::tflite::operator_options::split_options::NUM_SPLITS;
            let axis = model.int(1);
            model.op_of(Op::SPLIT, &[axis, matrix], &[I32; 2], vec![option(NUM_SPLITS, 2)])
        }),
        ("strided slice", |model, matrix| {
            let limits = [model.ints(&[0, 0]), model.ints(&[1, 2]), model.ints(&[1, 1])];
            let inputs = [matrix, limits[0], limits[1], limits[2]];
            model.op_of(Op::STRIDED_SLICE, &inputs, &[I32], none())
        }),
        ("sum", |model, matrix| {
            let axis = model.ints(&[0]);
            model.op_of(Op::SUM, &[matrix, axis], &[I32], none())
        }),
    ];
    for (name, build) in operators {
        cases.case(name, "data-dependent", |model| {
            let matrix = model.int_tensor(&[1, 2], &[2, 3]);
            let result = build(model, matrix);
            let flat = model.ints(&[-1]);
            let dims = model.op_of(Op::RESHAPE, &[result, flat], &[I32], none());
            fill(model, dims);
        });
    }
    cases.finish();
}
