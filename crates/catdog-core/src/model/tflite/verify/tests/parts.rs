//! The shapes of operators that select, join or repeat parts.

use super::{Cases, none};
use crate::model::tflite::operator_options::{
    concatenation_options, gather_options, mirror_pad_options, one_hot_options, pack_options,
    split_options, split_v_options, strided_slice_options, unpack_options,
};
use crate::model::tflite::reader::I32Field;
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType};
use crate::model::tflite::test_model::{Fields, byte, option};

const IMAGE: [i32; 4] = [1, 8, 6, 4];
const AXIS: &str = "its axis is out of range";
const UNFIT: &str = "the shapes of its inputs do not fit each other";
const OUTSIDE: &str = "its limits are outside its input";
const LIMITS: &str = "its limits are invalid";

#[test]
fn inputs_that_cannot_be_joined_are_refused() {
    let mut cases = Cases::default();
    for (other, axis, wanted) in [
        (&[1, 8, 6, 9][..], 3, "accepted"),
        (&[1, 8, 6, 9], -1, "accepted"),
        (&[1, 8, 6, 9], 2, UNFIT),
        (&[1, 8, 5, 4], -1, UNFIT),
        (&[1, 8, 6], -1, UNFIT),
        (&[1, 8, 6, 4], 4, AXIS),
        (&[1, 8, 6, 4], -5, AXIS),
    ] {
        cases.case(&format!("concatenation {other:?} {axis}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.floats(other, &[1.0])];
            let options = vec![option(concatenation_options::AXIS, axis)];
            model.op(Op::CONCATENATION, &inputs, options);
        });
    }
    for (other, axis, wanted) in [
        (&IMAGE[..], 4, "accepted"),
        (&IMAGE, 5, AXIS),
        (&IMAGE, -5, "accepted"),
        (&IMAGE, -6, AXIS),
        (&[1, 8, 6, 3], 0, UNFIT),
    ] {
        cases.case(&format!("pack {other:?} {axis}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.floats(other, &[1.0])];
            let options =
                vec![option(pack_options::VALUES_COUNT, 2), option(pack_options::AXIS, axis)];
            model.op(Op::PACK, &inputs, options);
        });
    }
    cases.finish();
}

#[test]
fn parts_that_do_not_add_up_are_refused() {
    let mut cases = Cases::default();
    for (outputs, axis, wanted) in [
        (4, -1, "accepted"),
        (3, -1, "it has a wrong number of outputs"),
        (5, 3, "it has a wrong number of outputs"),
        (4, 4, AXIS),
    ] {
        cases.case(&format!("unpack {outputs} {axis}"), wanted, |model| {
            let options =
                vec![option(unpack_options::NUM, outputs), option(unpack_options::AXIS, axis)];
            let image = model.input(&IMAGE);
            model.op_of(
                Op::UNPACK,
                &[image],
                &vec![TensorType::FLOAT32; outputs as usize],
                options,
            );
        });
    }
    for (outputs, axis, wanted) in [
        (3, 2, "accepted"),
        (4, 2, "the dimension cannot be split into equal parts"),
        (3, 4, AXIS),
        (3, -5, AXIS),
    ] {
        cases.case(&format!("split {outputs} {axis}"), wanted, |model| {
            let inputs = [model.int(axis), model.input(&IMAGE)];
            let options = vec![option(split_options::NUM_SPLITS, outputs)];
            model.op_of(Op::SPLIT, &inputs, &vec![TensorType::FLOAT32; outputs as usize], options);
        });
    }
    cases.case(
        "split by two numbers",
        "an input that must be one number has another size",
        |model| {
            let inputs = [model.ints(&[1, 1]), model.input(&IMAGE)];
            let options = vec![option(split_options::NUM_SPLITS, 2)];
            model.op_of(Op::SPLIT, &inputs, &[TensorType::FLOAT32; 2], options);
        },
    );
    let sizes = "the sizes of its parts are invalid";
    for (parts, wanted) in [
        (&[2, 6][..], "accepted"),
        (&[8, -1], "its result has no elements"),
        (&[2, 5], sizes),
        (&[9, -1], sizes),
        (&[-1, -1], sizes),
        (&[10, -2], sizes),
        (&[2, 3, 3], sizes),
    ] {
        cases.case(&format!("split_v {parts:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(parts), model.int(1)];
            let options = vec![option(split_v_options::NUM_SPLITS, 2)];
            model.op_of(Op::SPLIT_V, &inputs, &[TensorType::FLOAT32; 2], options);
        });
    }
    cases.finish();
}

#[test]
fn a_slice_outside_its_input_is_refused() {
    let mut cases = Cases::default();
    for (begin, size, wanted) in [
        (&[0, 2, 1, 3][..], &[1, 6, -1, 1][..], "accepted"),
        (&[0, 2, 1, 3], &[1, 7, -1, 1], OUTSIDE),
        (&[0, -1, 1, 3], &[1, 6, -1, 1], OUTSIDE),
        (&[0, 2, 1, 3], &[1, -2, -1, 1], OUTSIDE),
        (&[0, 9, 1, 3], &[1, -1, -1, 1], OUTSIDE),
        (&[0, 2, 1], &[1, 6, -1], LIMITS),
        (&[0, 2, 1, 3], &[1, 6, -1], LIMITS),
        (&[0, 2, 1], &[1, 6, -1, 1], LIMITS),
    ] {
        cases.case(&format!("{begin:?} {size:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(begin), model.ints(size)];
            model.op(Op::SLICE, &inputs, none());
        });
    }
    cases.finish();
}

#[test]
fn limits_of_a_strided_slice_that_do_not_fit_are_refused() {
    use strided_slice_options::*;
    type Case<'a> = (&'a [i32], &'a [i32], &'a [i32], &'a [(I32Field, i32)], &'a str);
    let step = "its step is invalid";
    let longer = "its limits have more dimensions than its input";
    let cases_of: &[Case<'_>] = &[
        (&[0, 2], &[1, 4], &[1, 1], &[], "accepted"),
        (&[0, 2], &[1], &[1, 1], &[], LIMITS),
        (&[0, 2], &[1, 4], &[1], &[], LIMITS),
        (&[0, 2], &[1, 4], &[1, 0], &[], step),
        (&[0, 2], &[1, 4], &[1, i32::MAX], &[], step),
        (&[0, 2], &[1, 4], &[1, i32::MIN], &[], step),
        (&[0, 0, 0, 0, 0], &[1, 1, 1, 1, 1], &[1, 1, 1, 1, 1], &[], longer),
        (&[0, 0, 0, 0, 0], &[1, 1, 1, 1, 1], &[1, 1, 1, 1, 1], &[(NEW_AXIS_MASK, 1)], "accepted"),
        (&[0, 0, 0, 0, 0], &[1, 1, 1, 1, 1], &[1, 1, 1, 1, 1], &[(ELLIPSIS_MASK, 1)], "accepted"),
        (&[0, 0, 0], &[1, 1, 1], &[1, 1, 1], &[(ELLIPSIS_MASK, 3)], "it has several ellipses"),
        (&[0, 7], &[1, 8], &[1, 1], &[(SHRINK_AXIS_MASK, 2)], "accepted"),
        (&[0, -8], &[1, -7], &[1, 1], &[(SHRINK_AXIS_MASK, 2)], "accepted"),
        (&[0, 8], &[1, 9], &[1, 1], &[(SHRINK_AXIS_MASK, 2)], OUTSIDE),
        (&[0, -9], &[1, -8], &[1, 1], &[(SHRINK_AXIS_MASK, 2)], OUTSIDE),
        (&[0, 3], &[1, 2], &[1, -1], &[(SHRINK_AXIS_MASK, 2)], OUTSIDE),
        (&[0, 4], &[1, 4], &[1, 1], &[], "its result has no elements"),
        (&[0, 4], &[1, 5], &[1, -1], &[], "its result has no elements"),
    ];
    let mut cases = Cases::default();
    for (begin, end, step, masks, wanted) in cases_of {
        let masks: Fields = masks.iter().map(|(field, mask)| option(*field, *mask)).collect();
        cases.case(&format!("{begin:?} {end:?} {step:?} {masks:?}"), wanted, |model| {
            let limits = [model.ints(begin), model.ints(end), model.ints(step)];
            let image = model.input(&IMAGE);
            model.op(Op::STRIDED_SLICE, &[image, limits[0], limits[1], limits[2]], masks);
        });
    }
    for (count, wanted) in [(31, longer), (32, LIMITS)] {
        cases.case(&format!("{count} limits"), wanted, |model| {
            let ones = model.ints(&vec![1; count]);
            let image = model.input(&IMAGE);
            model.op(Op::STRIDED_SLICE, &[image, ones, ones, ones], none());
        });
    }
    cases.case("offset", LIMITS, |model| {
        let (zeros, ones) = (model.ints(&[0, 0]), model.ints(&[1, 1]));
        let image = model.input(&IMAGE);
        model.op(Op::STRIDED_SLICE, &[image, zeros, ones, ones], vec![(OFFSET, byte(1))]);
    });
    cases.finish();
}

#[test]
fn indices_outside_of_the_input_are_refused() {
    let outside = "its indices are outside its input";
    let batch = "its number of batch dimensions is invalid";
    let mut cases = Cases::default();
    for (shape, indices, axis, batch_dims, wanted) in [
        (&[3][..], &[0, 7, 3][..], 1, 0, "accepted"),
        (&[3], &[0, 8, 3], 1, 0, outside),
        (&[3], &[0, -1, 3], 1, 0, outside),
        (&[3], &[0, 1, 2], 4, 0, AXIS),
        (&[1, 3], &[0, 1, 2], 1, 1, "accepted"),
        (&[1, 3], &[0, 1, 2], 1, 2, batch),
        (&[1], &[0], 3, 2, batch),
        (&[1], &[0], 3, -2, batch),
        (&[1, 3], &[0, 1, 2], 2, -1, "accepted"),
        (&[1, 8], &[0; 8], 2, 2, "accepted"),
        (&[1, 7], &[0; 7], 2, 2, UNFIT),
        (&[3, 1], &[0, 1, 2], 1, 1, UNFIT),
    ] {
        cases.case(&format!("{shape:?} {indices:?} {axis} {batch_dims}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.int_tensor(shape, indices)];
            use gather_options::*;
            let options = vec![option(AXIS, axis), option(BATCH_DIMS, batch_dims)];
            model.op(Op::GATHER, &inputs, options);
        });
    }
    let depth = "its indices do not fit its input";
    for (shape, wanted) in [
        (&[2, 4][..], "accepted"),
        (&[2, 5], depth),
        (&[2, 0], "an input has no elements"),
        (&[], "its indices do not have a dimension"),
    ] {
        cases.case(&format!("gather_nd {shape:?}"), wanted, |model| {
            let count = shape.iter().product::<i32>() as usize;
            // A constant without data would not be a constant.
            let indices = model.int_tensor(shape, &vec![0; count.max(1)]);
            let image = model.input(&IMAGE);
            model.op(Op::GATHER_ND, &[image, indices], none());
        });
    }
    cases.finish();
}

#[test]
fn borders_that_do_not_fit_are_refused() {
    let invalid = "the sizes of its borders are invalid";
    let larger = "its borders are larger than its input";
    let mut cases = Cases::default();
    for (shape, borders, wanted) in [
        (&[4, 2][..], &[0, 0, 9, 9, 0, 0, 0, 0][..], "accepted"),
        (&[4, 2], &[0, 0, -1, 9, 0, 0, 0, 0], invalid),
        (&[3, 2], &[0, 0, 9, 9, 0, 0], invalid),
        (&[8], &[0; 8], invalid),
        (&[2, 4], &[0; 8], invalid),
    ] {
        cases.case(&format!("pad {shape:?} {borders:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.int_tensor(shape, borders)];
            model.op(Op::PAD, &inputs, none());
        });
    }
    for (mode, top, right, wanted) in [
        (0, 7, 5, "accepted"),
        (0, 8, 5, larger),
        (0, 7, 6, larger),
        (1, 8, 6, "accepted"),
        (1, 9, 6, larger),
        (2, 1, 1, "its mode is unknown"),
    ] {
        cases.case(&format!("mirror_pad {mode} {top} {right}"), wanted, |model| {
            let borders = model.int_tensor(&[4, 2], &[0, 0, top, 0, 0, right, 0, 0]);
            let image = model.input(&IMAGE);
            let options = vec![(mirror_pad_options::MODE, byte(mode))];
            model.op(Op::MIRROR_PAD, &[image, borders], options);
        });
    }
    cases.finish();
}

#[test]
fn copies_ranges_and_depths_that_do_not_fit_are_refused() {
    let mut cases = Cases::default();
    let copies = "its numbers of copies are invalid";
    for (numbers, wanted) in [
        (&[1, 2, 3, 1][..], "accepted"),
        (&[1, 2, 0, 1], copies),
        (&[1, 2, -3, 1], copies),
        (&[1, 2, 3], copies),
    ] {
        cases.case(&format!("tile {numbers:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(numbers)];
            model.op(Op::TILE, &inputs, none());
        });
    }
    let range = "its limits or its step are invalid";
    for (limits, wanted) in [
        ([0, 8, 3], "accepted"),
        ([8, 0, -3], "accepted"),
        ([8, 0, 3], range),
        ([0, 8, -3], range),
        ([0, 8, 0], range),
        ([0, 0, 0], range),
    ] {
        cases.case(&format!("range {limits:?}"), wanted, |model| {
            let inputs = limits.map(|limit| model.int(limit));
            model.input(&[1, 2]);
            model.op_of(Op::RANGE, &inputs, &[TensorType::INT32], none());
        });
    }
    let number = "an input that must be one number has another size";
    cases.case("range of vectors", number, |model| {
        let inputs = [model.ints(&[0, 0]), model.int(8), model.int(2)];
        model.input(&[1, 2]);
        model.op_of(Op::RANGE, &inputs, &[TensorType::INT32], none());
    });
    for (depth, axis, values, wanted) in [
        (3, -1, [1, 1], "accepted"),
        (3, 2, [1, 1], "accepted"),
        (3, 3, [1, 1], AXIS),
        (3, -4, [1, 1], AXIS),
        (-1, 0, [1, 1], "a dimension of its result is out of range"),
        (3, -1, [2, 1], number),
        (3, -1, [1, 2], number),
    ] {
        cases.case(&format!("one_hot {depth} {axis} {values:?}"), wanted, |model| {
            let indices = model.input_of(&[2, 3], TensorType::INT32);
            let values = values.map(|count| model.floats(&[count], &[1.0]));
            let inputs = [indices, model.int(depth), values[0], values[1]];
            model.op(Op::ONE_HOT, &inputs, vec![option(one_hot_options::AXIS, axis)]);
        });
    }
    cases.finish();
}
