//! The shapes of reductions, selections and changes of the form.

use super::{Cases, none};
use crate::model::tflite::operator_options::{index_options, reshape_options, squeeze_options};
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType};
use crate::model::tflite::test_model::{byte, ints};

const IMAGE: [i32; 4] = [1, 8, 6, 4];
const AXIS: &str = "its axis is out of range";
const UNFIT: &str = "the shapes of its inputs do not fit each other";
const NUMBER: &str = "an input that must be one number has another size";

#[test]
fn inputs_that_cannot_be_broadcast_are_refused() {
    let mut cases = Cases::default();
    for (other, wanted) in [
        (&[1, 8, 6, 4][..], "accepted"),
        (&[8, 1, 1], "accepted"),
        (&[3, 8, 6, 1], "accepted"),
        (&[2, 8, 6, 2], UNFIT),
        (&[8, 4], UNFIT),
        (&[1, 8], UNFIT),
    ] {
        cases.case(&format!("{other:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.floats(other, &[1.0])];
            model.op(Op::ADD, &inputs, none());
        });
    }
    for (other, wanted) in [(&IMAGE[..], "accepted"), (&[8, 6, 4], UNFIT), (&[1, 8, 6, 1], UNFIT)] {
        cases.case(&format!("add_n {other:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.floats(other, &[1.0])];
            model.op(Op::ADD_N, &inputs, none());
        });
    }
    let new = "its input does not fit its new shape";
    for (dims, wanted) in [
        (&[3, 8, 6, 4][..], "accepted"),
        (&[2, 3, 8, 6, 4], "accepted"),
        (&[1, 8, 1, 4], new),
        (&[8, 6, 4], new),
        (&[1, 8, 5, 4], UNFIT),
    ] {
        cases.case(&format!("broadcast_to {dims:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(dims)];
            model.op(Op::BROADCAST_TO, &inputs, none());
        });
    }
    cases.finish();
}

#[test]
fn a_condition_that_does_not_fit_is_refused() {
    let mut cases = Cases::default();
    for (condition, other, wanted) in [
        (&[4, 6][..], &[4, 6][..], "accepted"),
        (&[4], &[4, 6], "accepted"),
        (&[1], &[4, 6], "accepted"),
        (&[1, 1, 1], &[4, 6], "accepted"),
        (&[6], &[4, 6], UNFIT),
        (&[4, 1], &[4, 6], UNFIT),
        (&[4, 6], &[4, 1], UNFIT),
    ] {
        cases.case(&format!("{condition:?} {other:?}"), wanted, |model| {
            model.input(&[1, 2]);
            let condition = model.input_of(condition, TensorType::BOOL);
            let inputs = [condition, model.floats(&[4, 6], &[1.0]), model.floats(other, &[1.0])];
            model.op(Op::SELECT, &inputs, none());
        });
    }
    cases.finish();
}

#[test]
fn a_dimension_that_does_not_exist_is_refused() {
    let mut cases = Cases::default();
    for (code, outside) in [
        (Op::MEAN, [4, -5]),
        (Op::REVERSE_V2, [4, -5]),
        (Op::CUMSUM, [4, -5]),
        (Op::EXPAND_DIMS, [5, -6]),
    ] {
        for inside in [outside[0] - 1, outside[1] + 1] {
            cases.case(&format!("{} {inside}", code.code()), "accepted", |model| {
                let inputs = [model.input(&IMAGE), model.int(inside)];
                model.op(code, &inputs, none());
            });
        }
        for axis in outside {
            cases.case(&format!("{} {axis}", code.code()), AXIS, |model| {
                let inputs = [model.input(&IMAGE), model.int(axis)];
                model.op(code, &inputs, none());
            });
        }
    }
    for (code, axis, wanted) in [
        (Op::ARG_MAX, 3, "accepted"),
        (Op::ARG_MAX, 4, AXIS),
        (Op::ARG_MIN, -4, "accepted"),
        (Op::ARG_MIN, -5, AXIS),
    ] {
        cases.case(&format!("{} {axis}", code.code()), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.int(axis)];
            let element = TensorType::INT64;
            let options = vec![(index_options::OUTPUT_TYPE, byte(element.code()))];
            model.op_of(code, &inputs, &[element], options);
        });
    }
    cases.case("cumsum of two axes", NUMBER, |model| {
        let inputs = [model.input(&IMAGE), model.ints(&[1, 2])];
        model.op(Op::CUMSUM, &inputs, none());
    });
    cases.finish();
}

#[test]
fn a_result_that_does_not_have_the_type_in_its_options_is_refused() {
    let mut cases = Cases::default();
    let wrong = "its result does not have the type in its options";
    for (element, chosen, wanted) in [
        (TensorType::INT32, TensorType::INT32, "accepted"),
        (TensorType::INT32, TensorType::INT64, wrong),
        (TensorType::INT64, TensorType::INT32, wrong),
    ] {
        let options = vec![(index_options::OUTPUT_TYPE, byte(chosen.code()))];
        let name = format!("{} {}", element.name(), chosen.name());
        cases.case(&format!("arg_max {name}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.int(1)];
            model.op_of(Op::ARG_MAX, &inputs, &[element], options.clone());
        });
        cases.case(&format!("shape {name}"), wanted, |model| {
            let image = model.input(&IMAGE);
            model.op_of(Op::SHAPE, &[image], &[element], options);
        });
    }
    cases.finish();
}

#[test]
fn more_elements_than_there_are_cannot_be_selected() {
    let mut cases = Cases::default();
    let more = "it selects more elements than its input has";
    for (count, wanted) in [(4, "accepted"), (5, more), (0, more), (-1, more)] {
        cases.case(&format!("{count}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.int(count)];
            let outputs = [TensorType::FLOAT32, TensorType::INT32];
            model.op_of(Op::TOPK_V2, &inputs, &outputs, none());
        });
    }
    cases.finish();
}

#[test]
fn a_new_shape_with_another_number_of_elements_is_refused() {
    let new = "its input does not fit its new shape";
    let mut cases = Cases::default();
    for (dims, wanted) in [
        (&[192][..], "accepted"),
        (&[24, 8], "accepted"),
        (&[24, -1], "accepted"),
        (&[191], new),
        (&[25, -1], new),
        (&[0, -1], new),
        (&[-1, -1], new),
        (&[-2, -96], new),
        (&[], new),
    ] {
        cases.case(&format!("option {dims:?}"), wanted, |model| {
            let image = model.input(&IMAGE);
            let options = vec![(reshape_options::NEW_SHAPE, ints(dims))];
            model.op(Op::RESHAPE, &[image], options);
        });
        if dims.is_empty() {
            continue;
        }
        // The vector decides, whatever the options say.
        cases.case(&format!("vector {dims:?}"), wanted, |model| {
            let inputs = [model.input(&IMAGE), model.ints(dims)];
            let options = vec![(reshape_options::NEW_SHAPE, ints(&[192]))];
            model.op(Op::RESHAPE, &inputs, options);
        });
    }
    cases.case("nine dimensions", "its result has too many dimensions", |model| {
        let inputs = [model.input(&IMAGE), model.ints(&[1, 1, 1, 1, 1, 1, 1, 1, 192])];
        model.op(Op::RESHAPE, &inputs, none());
    });
    cases.case("eight dimensions", "accepted", |model| {
        let inputs = [model.input(&IMAGE), model.ints(&[1, 1, 1, 1, 1, 1, 1, 192])];
        model.op(Op::RESHAPE, &inputs, none());
    });
    cases.finish();
}

#[test]
fn only_dimensions_of_size_1_can_be_removed() {
    let mut cases = Cases::default();
    for (dims, wanted) in [
        (&[0][..], "accepted"),
        (&[-4], "accepted"),
        (&[1], "it removes a dimension whose size is not 1"),
        (&[0, -1], "it removes a dimension whose size is not 1"),
        (&[4], AXIS),
    ] {
        cases.case(&format!("{dims:?}"), wanted, |model| {
            let image = model.input(&IMAGE);
            let options = vec![(squeeze_options::SQUEEZE_DIMS, ints(dims))];
            model.op(Op::SQUEEZE, &[image], options);
        });
    }
    cases.finish();
}

#[test]
fn a_part_that_is_larger_than_the_whole_cannot_replace_it() {
    let mut cases = Cases::default();
    for (update, begin, wanted) in [
        (&[1, 8, 6, 4][..], 4, "accepted"),
        (&[1, 2, 6, 1], 4, "accepted"),
        (&[1, 9, 6, 4], 4, UNFIT),
        (&[1, 8, 6, 5], 4, UNFIT),
        (&[8, 6, 4], 4, UNFIT),
        (&[1, 8, 6, 4], 3, UNFIT),
    ] {
        cases.case(&format!("{update:?} {begin}"), wanted, |model| {
            let inputs =
                [model.input(&IMAGE), model.floats(update, &[1.0]), model.ints(&vec![0; begin])];
            model.op(Op::DYNAMIC_UPDATE_SLICE, &inputs, none());
        });
    }
    cases.finish();
}

#[test]
fn a_size_that_depends_on_the_picture_is_refused() {
    let mut cases = Cases::default();
    for code in [Op::RESHAPE, Op::TILE, Op::BROADCAST_TO, Op::RESIZE_BILINEAR, Op::TRANSPOSE] {
        cases.case(&format!("{}", code.code()), "data-dependent", |model| {
            let image = model.input(&[1, 4, 4, 2]);
            // The values of the picture are the sizes.
            let cast = model.op_of(Op::CAST, &[image], &[TensorType::INT32], none());
            let shape = model.ints(&[32]);
            let flat = model.op_of(Op::RESHAPE, &[cast, shape], &[TensorType::INT32], none());
            let limits = [model.ints(&[0]), model.ints(&[4])];
            let inputs = [flat, limits[0], limits[1]];
            let sizes = model.op_of(Op::SLICE, &inputs, &[TensorType::INT32], none());
            model.op(code, &[image, sizes], none());
        });
    }
    cases.finish();
}
