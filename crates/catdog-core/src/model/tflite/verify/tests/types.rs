//! The number of inputs and outputs of an operator, and which element types occur together.

use super::layers::conv_options;
use super::{Cases, none};
use crate::model::tflite::operator_options::{
    concatenation_options, depthwise_conv_2d_options, transpose_conv_options,
};
use crate::model::tflite::schema::{BuiltinOperator as Op, TensorType, tensor};
use crate::model::tflite::test_model::{TestModel, Value, byte, option, quantization};

const F32: TensorType = TensorType::FLOAT32;
const I8: TensorType = TensorType::INT8;
const U8: TensorType = TensorType::UINT8;
const I16: TensorType = TensorType::INT16;
const I32: TensorType = TensorType::INT32;
const I64: TensorType = TensorType::INT64;
const I4: TensorType = TensorType::INT4;
const COMBINATION: &str = "no kernel has this combination of element types";

/// Adds a scale to a tensor of integers.
fn scaled(model: &mut TestModel, index: i32, element: TensorType) -> i32 {
    if element == F32 { index } else { model.quantized(index, 0.5, 0) }
}

/// Adds a constant of zeros.
fn zeros(model: &mut TestModel, shape: &[i32], element: TensorType) -> i32 {
    let count = shape.iter().product::<i32>() as usize;
    let index = model.constant(shape, element, vec![0; count * 8]);
    scaled(model, index, element)
}

fn input(model: &mut TestModel, shape: &[i32], element: TensorType) -> i32 {
    let index = model.input_of(shape, element);
    scaled(model, index, element)
}

fn output(model: &mut TestModel, element: TensorType) -> i32 {
    let index = model.tensor(&[1], element);
    scaled(model, index, element)
}

#[test]
fn the_number_of_inputs_and_outputs_is_that_of_the_operator() {
    let (few, absent) = ("it has a wrong number of inputs", "an input that it needs is absent");
    let mut cases = Cases::default();
    // The number of inputs of each operator, of which -1 are absent.
    for (name, code, inputs, wanted) in [
        ("relu", Op::RELU, &[0][..], "accepted"),
        ("relu", Op::RELU, &[], few),
        ("relu", Op::RELU, &[0, 0], few),
        ("relu", Op::RELU, &[-1], absent),
        ("add", Op::ADD, &[0], few),
        ("add", Op::ADD, &[0, 0, 0], few),
        ("add", Op::ADD, &[0, -1], absent),
        ("add_n", Op::ADD_N, &[0, 0, 0, 0], "accepted"),
        ("add_n", Op::ADD_N, &[0, -1], absent),
        ("add_n", Op::ADD_N, &[], few),
        ("dense", Op::FULLY_CONNECTED, &[0, 1], "accepted"),
        ("dense", Op::FULLY_CONNECTED, &[0, 1, -1], "accepted"),
        ("dense", Op::FULLY_CONNECTED, &[0, 1, 2], "accepted"),
        ("dense", Op::FULLY_CONNECTED, &[0, 1, 2, 2], few),
        ("dense", Op::FULLY_CONNECTED, &[0, -1, 2], absent),
        ("reshape", Op::RESHAPE, &[0, 3], "accepted"),
        // The new shape can be missing, but not absent.
        ("reshape", Op::RESHAPE, &[0, -1], absent),
    ] {
        cases.case(&format!("{name} {inputs:?}"), wanted, |model| {
            model.input(&[1, 4]);
            model.floats(&[4, 4], &[1.0]);
            model.floats(&[4], &[0.0]);
            model.ints(&[2, 2]);
            model.op(code, inputs, none());
        });
    }
    for (code, outputs, wanted) in [
        (Op::RELU, 1, "accepted"),
        (Op::RELU, 2, "it has a wrong number of outputs"),
        (Op::TOPK_V2, 1, "it has a wrong number of outputs"),
    ] {
        cases.case(&format!("{} {outputs}", code.code()), wanted, |model| {
            let image = model.input(&[1, 4]);
            let count = model.int(1);
            let inputs = [image, count];
            let needed = if code == Op::RELU { 1 } else { 2 };
            model.op_of(code, &inputs[..needed], &vec![F32; outputs], none());
        });
    }
    cases.finish();
}

#[test]
fn the_element_types_of_an_operator_are_those_of_its_row() {
    let mut cases = Cases::default();
    for (name, code, inputs, outputs, wanted) in [
        // The output has the type of the first input.
        ("relu", Op::RELU, &[F32][..], &[F32][..], "accepted"),
        ("relu", Op::RELU, &[F32], &[TensorType::FLOAT16], "t1 is float16"),
        ("relu", Op::RELU, &[I64], &[I64], "t0 is int64"),
        ("add", Op::ADD, &[F32, F32], &[F32], "accepted"),
        ("add", Op::ADD, &[F32, I32], &[F32], "t1 is int32"),
        ("add", Op::ADD, &[I32, I32], &[F32], "t2 is float32"),
        ("add_n", Op::ADD_N, &[F32, F32], &[F32], "accepted"),
        // Each type is allowed, but not both.
        ("add_n", Op::ADD_N, &[F32, I32], &[F32], "t1 is int32"),
        ("equal", Op::EQUAL, &[F32, F32], &[TensorType::BOOL], "accepted"),
        ("equal", Op::EQUAL, &[F32, F32], &[F32], "t2 is float32"),
        ("gather", Op::GATHER, &[F32, I32], &[F32], "accepted"),
        ("gather", Op::GATHER, &[F32, F32], &[F32], "t1 is float32"),
        ("cast", Op::CAST, &[F32], &[I64], "accepted"),
        ("cast", Op::CAST, &[F32], &[TensorType::FLOAT64], "t1 is float64"),
    ] {
        cases.case(&format!("{name} {inputs:?} {outputs:?}"), wanted, |model| {
            let inputs: Vec<i32> =
                inputs.iter().map(|element| model.input_of(&[1, 4], *element)).collect();
            model.op_of(code, &inputs, outputs, none());
        });
    }
    cases.case("unpack", "t2 is int32", |model| {
        use crate::model::tflite::operator_options::unpack_options::*;
        let image = model.input(&[1, 2]);
        model.op_of(Op::UNPACK, &[image], &[F32, I32], vec![option(NUM, 2), option(AXIS, 1)]);
    });
    cases.case("a type that is added to the outputs", "accepted", |model| {
        let image = model.input(&[1, 2]);
        model.op(Op::CONCATENATION, &[image, image], vec![option(concatenation_options::AXIS, 1)]);
    });
    cases.finish();
}

#[test]
fn a_layer_has_a_kernel_for_its_combination_of_types() {
    let mut cases = Cases::default();
    // The types of input, weights, bias and output.
    for ([image, weights, bias, result], wanted) in [
        ([F32, F32, F32, F32], "accepted"),
        ([F32, I8, F32, F32], "accepted"),
        ([F32, U8, F32, F32], "accepted"),
        ([F32, I4, F32, F32], "accepted"),
        ([F32, F32, I32, F32], COMBINATION),
        ([F32, I8, I32, F32], COMBINATION),
        ([F32, F32, F32, I8], COMBINATION),
        ([U8, U8, I32, U8], "accepted"),
        ([U8, U8, I32, I16], "accepted"),
        ([U8, U8, I32, I8], COMBINATION),
        ([U8, I8, I32, U8], COMBINATION),
        ([U8, U8, I64, U8], COMBINATION),
        ([I8, I8, I32, I8], "accepted"),
        ([I8, I4, I32, I8], "accepted"),
        ([I8, I8, I32, U8], "accepted"),
        ([I8, I8, I32, I16], "accepted"),
        ([I8, I8, I32, F32], COMBINATION),
        ([I8, I8, F32, I8], COMBINATION),
        ([I8, I8, I64, I8], COMBINATION),
        ([I8, F32, I32, I8], COMBINATION),
        ([I16, I8, I64, I16], "accepted"),
        ([I16, I8, I32, I16], "accepted"),
        ([I16, I8, I32, I8], COMBINATION),
        ([I16, U8, I32, I16], COMBINATION),
    ] {
        let name = [image, weights, bias, result].map(TensorType::name).join(" ");
        cases.case(&name, wanted, |model| {
            let inputs = [
                input(model, &[1, 8, 8, 3], image),
                zeros(model, &[4, 3, 3, 3], weights),
                zeros(model, &[4], bias),
            ];
            let result = output(model, result);
            model.op_into(Op::CONV_2D, &inputs, &[result], conv_options(1, 1));
        });
    }
    cases.finish();
}

#[test]
fn a_bias_has_one_element_per_output_channel() {
    let wrong = "its bias does not have one element per output channel";
    let mut cases = Cases::default();
    for (bias, wanted) in [(4, "accepted"), (3, wrong), (5, wrong)] {
        cases.case(&format!("conv {bias}"), wanted, |model| {
            let inputs = [
                model.input(&[1, 8, 8, 3]),
                model.floats(&[4, 3, 3, 3], &[1.0]),
                model.floats(&[bias], &[0.0]),
            ];
            model.op(Op::CONV_2D, &inputs, conv_options(1, 1));
        });
    }
    for (bias, wanted) in [(6, "accepted"), (3, wrong), (1, wrong)] {
        cases.case(&format!("depthwise {bias}"), wanted, |model| {
            use depthwise_conv_2d_options::*;
            let inputs = [
                model.input(&[1, 8, 8, 3]),
                model.floats(&[1, 3, 3, 6], &[1.0]),
                model.floats(&[bias], &[0.0]),
            ];
            let options = vec![option(STRIDE_W, 1), option(STRIDE_H, 1)];
            model.op(Op::DEPTHWISE_CONV_2D, &inputs, options);
        });
    }
    for (bias, wanted) in [(2, "accepted"), (3, wrong)] {
        cases.case(&format!("dense {bias}"), wanted, |model| {
            let inputs = [
                model.input(&[1, 3]),
                model.floats(&[2, 3], &[1.0]),
                model.floats(&[bias], &[0.0]),
            ];
            model.op(Op::FULLY_CONNECTED, &inputs, none());
        });
        cases.case(&format!("transposed {bias}"), wanted, |model| {
            use transpose_conv_options::*;
            let inputs = [
                model.ints(&[1, 16, 16, 2]),
                model.floats(&[2, 3, 3, 3], &[1.0]),
                model.input(&[1, 8, 8, 3]),
                model.floats(&[bias], &[0.0]),
            ];
            let options = vec![option(STRIDE_W, 2), option(STRIDE_H, 2)];
            model.op(Op::TRANSPOSE_CONV, &inputs, options);
        });
    }
    cases.case("weights without elements", "an input has no elements", |model| {
        let weights = model.tensor(&[2, 0], F32);
        let inputs = [model.input(&[1, 3]), weights, -1];
        model.op(Op::FULLY_CONNECTED, &inputs, none());
    });
    cases.finish();
}

#[test]
fn a_matrix_product_has_a_kernel_for_its_types() {
    let mut cases = Cases::default();
    for (left, right, wanted) in [
        (F32, F32, "accepted"),
        (F32, I8, "accepted"),
        (I8, I8, "accepted"),
        (I16, I16, "accepted"),
        (I16, I8, "accepted"),
        (I8, F32, COMBINATION),
        (F32, I16, COMBINATION),
        (I8, I16, COMBINATION),
    ] {
        cases.case(&format!("{} {}", left.name(), right.name()), wanted, |model| {
            let inputs = [input(model, &[1, 2, 3], left), zeros(model, &[3, 4], right)];
            let result = output(model, left);
            model.op_into(Op::BATCH_MATMUL, &inputs, &[result], none());
        });
    }
    cases.finish();
}

/// Adds an LSTM with the given types of input, weights, bias and cell state, and the scales of its
/// intermediate results.
fn lstm(model: &mut TestModel, types: [TensorType; 4], intermediates: &[Option<f32>]) {
    use crate::model::tflite::schema::operator;
    use crate::model::tflite::test_model::ints;
    let [image, weights, bias, cell] = types;
    let mut inputs = vec![input(model, &[1, 5, 6], image)];
    inputs.extend((1..=4).map(|_| zeros(model, &[4, 6], weights)));
    inputs.extend((5..=8).map(|_| zeros(model, &[4, 4], weights)));
    inputs.extend([-1; 3]);
    inputs.extend((12..=15).map(|_| zeros(model, &[4], bias)));
    inputs.extend([-1; 2]);
    for element in [image, cell] {
        let state = output(model, element);
        model.set(state, tensor::SHAPE, ints(&[1, 4]));
        model.set(state, tensor::IS_VARIABLE, byte(1));
        inputs.push(state);
    }
    inputs.extend([-1; 4]);
    let inside: Vec<i32> = intermediates
        .iter()
        .map(|scale| {
            let index = model.tensor(&[], I8);
            if let Some(scale) = scale {
                let scales = quantization(&[*scale], &[0]);
                model.set(index, tensor::QUANTIZATION, Value::Table(scales));
            }
            index
        })
        .collect();
    let result = output(model, image);
    model.op_into(Op::UNIDIRECTIONAL_SEQUENCE_LSTM, &inputs, &[result], none());
    let fields = model.graphs[0].operators.last_mut().unwrap();
    fields.push((operator::INTERMEDIATES, ints(&inside)));
}

#[test]
fn a_recurrent_cell_has_a_kernel_for_its_types_and_its_scales() {
    let scale = "the scale of its hidden state is missing";
    let five = [Some(0.5); 5];
    let mut cases = Cases::default();
    for (types, intermediates, wanted) in [
        ([F32, F32, F32, F32], &[][..], "accepted"),
        ([F32, I8, F32, F32], &[], "accepted"),
        ([F32, F32, I32, F32], &[], COMBINATION),
        ([F32, F32, F32, I16], &[], COMBINATION),
        ([I8, I8, I32, I16], &five, "accepted"),
        ([I8, F32, I32, I16], &five, COMBINATION),
        ([I8, I8, F32, I16], &five, COMBINATION),
        ([I8, I8, I32, F32], &five, COMBINATION),
        ([I8, I8, I32, I16], &[], scale),
        ([I8, I8, I32, I16], &five[1..], scale),
        ([I8, I8, I32, I16], &[Some(0.5), Some(0.5), Some(0.5), Some(0.5), None], scale),
        ([I8, I8, I32, I16], &[None, None, None, None, Some(0.5)], "accepted"),
    ] {
        let name = format!("{} {intermediates:?}", types.map(TensorType::name).join(" "));
        cases.case(&name, wanted, |model| lstm(model, types, intermediates));
    }
    cases.finish();
}
