//! The memory and the time that a model may need.

use super::super::args::Args;
use super::super::budget::Budget;
use super::super::fault::Fault;
use super::super::model::buffers;
use super::super::operator::Operator;
use super::super::operators::Rule;
use super::super::shape::infer;
use super::super::tensor::Tensor;
use super::layers::conv_options;
use super::{Cases, none, verdict};
use crate::model::tflite::operator_options::{
    local_response_normalization_options, pool_2d_options, transpose_conv_options,
};
use crate::model::tflite::reader::Flatbuffer;
use crate::model::tflite::schema::{
    BuiltinOperator as Op, MODEL_IDENTIFIER, TensorType, model as root, sub_graph, tensor,
};
use crate::model::tflite::test_model::{TestModel, byte, int, option};

const F32: TensorType = TensorType::FLOAT32;
const MIB: u64 = 1 << 20;
/// Multiplications of a model without input and weights.
const BASE_WORK: u64 = 1 << 29;

/// Calls `check` with the last operator of a model, after its shape is computed.
fn with_operator<T>(model: &TestModel, code: Op, check: impl FnOnce(Args<'_, '_>) -> T) -> T {
    let file = model.file();
    let table = Flatbuffer::root(&file, MODEL_IDENTIFIER).unwrap();
    let graph = table.tables(root::SUBGRAPHS)[0];
    let (tables, buffers) = (graph.tables(sub_graph::TENSORS), buffers(&file, table).unwrap());
    let mut tensors: Vec<Tensor<'_>> = tables
        .iter()
        .map(|table| Tensor::verify(*table, &buffers, tables.len()).unwrap())
        .collect();
    let last = *graph.tables(sub_graph::OPERATORS).last().unwrap();
    let operator = Operator::new(last, Rule::of(code).unwrap(), tensors.len()).unwrap();
    let shapes = infer(Args { operator: &operator, tensors: &tensors }).unwrap();
    for (&output, shape) in operator.outputs.iter().zip(shapes) {
        tensors[output].shape = shape;
    }
    check(Args { operator: &operator, tensors: &tensors })
}

/// Asserts that an operator takes `work` multiplications, by the number of times that the budget of
/// a model without input and weights allows it.
#[track_caller]
fn assert_work(code: Op, work: u64, build: impl FnOnce(&mut TestModel)) {
    let mut model = TestModel::new();
    build(&mut model);
    let times = with_operator(&model, code, |args| {
        let mut budget = Budget::new(0, 0);
        (0..).take_while(|_| budget.spend(args).is_ok()).count() as u64
    });
    assert_eq!(times, BASE_WORK / work, "operator {}", code.code());
}

/// The time of the elements of an operator: those of its inputs and of its outputs.
fn of_elements(elements: u64) -> u64 {
    16 * elements
}

#[test]
fn the_time_of_a_layer_is_its_number_of_multiplications() {
    let (input, output) = (16 * 16 * 8, 16 * 16 * 32);
    let same = |mut options: crate::model::tflite::test_model::Fields| {
        options[0] = (0, byte(0));
        options
    };
    let elements = of_elements(input + 32 * 3 * 5 * 8 + 32 + output);
    assert_work(Op::CONV_2D, output * 3 * 5 * 8 + elements, |model| {
        let inputs = [
            model.input(&[1, 16, 16, 8]),
            model.floats(&[32, 3, 5, 8], &[1.0]),
            model.floats(&[32], &[1.0]),
        ];
        model.op(Op::CONV_2D, &inputs, same(conv_options(1, 1)));
    });
    let elements = of_elements(input + 3 * 5 * 32 + 32 + output);
    assert_work(Op::DEPTHWISE_CONV_2D, output * 3 * 5 + elements, |model| {
        use crate::model::tflite::operator_options::depthwise_conv_2d_options::*;
        let inputs = [
            model.input(&[1, 16, 16, 8]),
            model.floats(&[1, 3, 5, 32], &[1.0]),
            model.floats(&[32], &[1.0]),
        ];
        let options = vec![option(STRIDE_W, 1), option(STRIDE_H, 1)];
        model.op(Op::DEPTHWISE_CONV_2D, &inputs, options);
    });
    let elements = of_elements(2048 + 32 * 2048 + 32);
    assert_work(Op::FULLY_CONNECTED, 32 * 2048 + elements, |model| {
        let inputs = [model.input(&[1, 2048]), model.floats(&[32, 2048], &[1.0]), -1];
        model.op(Op::FULLY_CONNECTED, &inputs, none());
    });
    let output = 32 * 32 * 6;
    let products = input * 6 * 3 * 5;
    let elements = of_elements(4 + 6 * 3 * 5 * 8 + input + output);
    assert_work(Op::TRANSPOSE_CONV, products + elements, |model| {
        use transpose_conv_options::*;
        let inputs = [
            model.ints(&[1, 32, 32, 6]),
            model.floats(&[6, 3, 5, 8], &[1.0]),
            model.input(&[1, 16, 16, 8]),
        ];
        let options = vec![option(STRIDE_W, 2), option(STRIDE_H, 2)];
        model.op(Op::TRANSPOSE_CONV, &inputs, options);
    });
    // Two products of 20x30 and 30x40.
    let elements = of_elements(2 * (20 * 30 + 30 * 40 + 20 * 40));
    assert_work(Op::BATCH_MATMUL, 2 * 20 * 30 * 40 + elements, |model| {
        let inputs = [model.input(&[2, 20, 30]), model.input(&[2, 30, 40])];
        model.op(Op::BATCH_MATMUL, &inputs, none());
    });
    let weights = 4 * 4 * (600 + 4 + 1);
    let elements = of_elements(5 * 600 + weights + 2 * 4 + 5 * 4);
    let products = 5 * 4 * 4 * (600 + 4);
    assert_work(Op::UNIDIRECTIONAL_SEQUENCE_LSTM, products + elements, |model| {
        let mut inputs = vec![model.input(&[1, 5, 600])];
        inputs.extend((1..=4).map(|_| model.floats(&[4, 600], &[1.0])));
        inputs.extend((5..=8).map(|_| model.floats(&[4, 4], &[1.0])));
        inputs.extend([-1; 3]);
        inputs.extend((12..=15).map(|_| model.floats(&[4], &[1.0])));
        inputs.extend([-1; 2]);
        inputs.extend((18..=19).map(|_| model.tensor(&[1, 4], F32)));
        inputs.extend([-1; 4]);
        model.op(Op::UNIDIRECTIONAL_SEQUENCE_LSTM, &inputs, none());
    });
}

/// Adds a pool with a window of the given size.
fn pool(model: &mut TestModel, height: i32, width: i32) {
    use pool_2d_options::*;
    let image = model.input(&[1, 16, 12, 8]);
    let options = vec![
        option(STRIDE_W, 1),
        option(STRIDE_H, 1),
        option(FILTER_HEIGHT, height),
        option(FILTER_WIDTH, width),
    ];
    model.op(Op::MAX_POOL_2D, &[image], options);
}

#[test]
fn the_time_of_other_operators_is_that_of_their_elements() {
    let elements = 16 * 12 * 8;
    assert_work(Op::MAX_POOL_2D, elements * 3 * 5 + of_elements(2 * elements), |model| {
        pool(model, 3, 5);
    });
    // A window is not larger than its image.
    assert_work(Op::MAX_POOL_2D, elements * 16 * 12 + of_elements(2 * elements), |model| {
        pool(model, 4096, 4096);
    });
    // Constants are read, too.
    assert_work(Op::ADD, of_elements(3 * 30_000), |model| {
        let inputs = [model.input(&[1, 30_000]), model.floats(&[30_000], &[1.0])];
        model.op(Op::ADD, &inputs, none());
    });
    assert_work(Op::ADD, of_elements(3 * 30_000), |model| {
        let image = model.input(&[1, 30_000]);
        model.op(Op::ADD, &[image, image], none());
    });
    for (radius, neighbors) in [(0, 1), (2, 5), (3, 7), (100, 8)] {
        let work = of_elements(elements * neighbors + elements);
        assert_work(Op::LOCAL_RESPONSE_NORMALIZATION, work, |model| {
            let image = model.input(&[1, 16, 12, 8]);
            let options = vec![option(local_response_normalization_options::RADIUS, radius)];
            model.op(Op::LOCAL_RESPONSE_NORMALIZATION, &[image], options);
        });
    }
}

/// Asserts that an operator keeps `bytes` of memory.
#[track_caller]
fn assert_kept(code: Op, bytes: u64, build: impl FnOnce(&mut TestModel)) {
    let mut model = TestModel::new();
    build(&mut model);
    with_operator(&model, code, |args| {
        let mut budget = Budget::new(0, 0);
        budget.keep(args).unwrap();
        assert_eq!(budget.hold(64 * MIB - bytes), Ok(()));
        assert_eq!(budget.hold(64 * MIB - bytes + 1), Err(Fault::TooLarge(64 * MIB + 1)));
        budget.keep(args).unwrap();
        assert_eq!(budget.hold(64 * MIB - 2 * bytes), Ok(()));
    });
}

#[test]
fn a_window_keeps_a_pointer_for_each_of_its_pixels() {
    let same = |kernel: i32| {
        move |model: &mut TestModel| {
            let mut options = conv_options(1, 1);
            options[0] = (0, byte(0));
            let inputs = [
                model.input(&[1, 16, 12, 8]),
                model.floats(&[4, kernel, kernel, 8], &[1.0]),
                model.floats(&[4], &[1.0]),
            ];
            model.op(Op::CONV_2D, &inputs, options);
        }
    };
    assert_kept(Op::CONV_2D, 16 * 12 * 3 * 3 * 8, same(3));
    assert_kept(Op::CONV_2D, 0, same(1));
    assert_kept(Op::MAX_POOL_2D, 16 * 12 * 3 * 5 * 8, |model| pool(model, 3, 5));
    assert_kept(Op::MAX_POOL_2D, 16 * 12 * 16 * 12 * 8, |model| pool(model, 4096, 4096));
    assert_kept(Op::RELU, 0, |model| {
        let image = model.input(&[1, 16, 12, 8]);
        model.op(Op::RELU, &[image], none());
    });
}

#[test]
fn the_limit_for_memory_grows_with_the_input_up_to_1_gib() {
    for (elements, limit) in
        [(0, 64 * MIB), (1024, 65 * MIB), (224 * 224 * 3, 211 * MIB), (1 << 24, 1024 * MIB)]
    {
        let budget = Budget::new(0, elements);
        assert_eq!(budget.hold(limit), Ok(()), "{elements}");
        assert_eq!(budget.hold(limit + 1), Err(Fault::TooLarge(limit + 1)), "{elements}");
    }
    assert_eq!(Budget::new(0, 0).hold(u64::MAX), Err(Fault::TooLarge(u64::MAX)));
}

/// Adds a product of two matrices of 1024x1024, which takes 2^30 multiplications, and 88 million for
/// its elements.
fn product(model: &mut TestModel) {
    let dims = model.ints(&[1, 1024, 1024]);
    let value = model.floats(&[], &[1.0]);
    let matrix = model.op(Op::FILL, &[dims, value], none());
    model.op(Op::BATCH_MATMUL, &[matrix, matrix], none());
}

#[test]
fn the_limit_for_time_grows_with_the_input_and_the_weights() {
    let mut cases = Cases::default();
    for (side, wanted) in [(2, "too slow"), (64, "too slow"), (72, "accepted")] {
        // 4096 elements more allow 2^29 multiplications more.
        cases.case(&format!("input {side}"), wanted, |model| {
            model.input(&[1, side, side]);
            product(model);
        });
    }
    // 4 KiB of weights allow 411 million multiplications more.
    let with_weights = |kibibytes: &[i32], is_used: bool| {
        let mut model = TestModel::new();
        model.input(&[1, 2, 2]);
        for size in kibibytes {
            let weights = model.floats(&[size * 256], &[1.0]);
            if !is_used {
                model.set(weights, tensor::BUFFER, int(0));
            }
        }
        product(&mut model);
        model
    };
    cases.expect("few weights", &with_weights(&[4], true), "too slow");
    cases.expect("many weights", &with_weights(&[4, 4], true), "accepted");
    cases.expect("data that no tensor uses", &with_weights(&[4, 4], false), "too slow");
    let mut shared = with_weights(&[4, 4], true);
    let first = shared.graphs[0].tensors[1].clone();
    shared.graphs[0].tensors[2] = first;
    cases.expect("weights that are used twice", &shared, "too slow");
    cases.finish();
}

/// Returns a model with weights for much time, and a tensor of 20 MiB.
fn large(model: &mut TestModel) -> i32 {
    model.input(&[1, 2]);
    model.floats(&[1 << 14], &[1.0]);
    let dims = model.ints(&[5 << 20]);
    let value = model.floats(&[], &[1.0]);
    model.op(Op::FILL, &[dims, value], none())
}

#[test]
fn the_memory_of_a_result_is_free_after_its_last_use() {
    let mut cases = Cases::default();
    cases.case("a chain", "accepted", |model| {
        let mut result = large(model);
        for _ in 0..6 {
            result = model.op(Op::RELU, &[result], none());
        }
    });
    cases.case("results that are used at the end", "too large", |model| {
        let first = large(model);
        let second = model.op(Op::RELU, &[first], none());
        let third = model.op(Op::RELU, &[second], none());
        let sum = model.op(Op::ADD, &[second, third], none());
        model.op(Op::ADD, &[first, sum], none());
    });
    cases.case("results that no operator reads", "accepted", |model| {
        let first = large(model);
        for _ in 0..6 {
            model.op(Op::RELU, &[first], none());
        }
    });
    cases.case("outputs", "too large", |model| {
        let first = large(model);
        for _ in 0..3 {
            let output = model.op(Op::RELU, &[first], none());
            model.graphs[0].outputs.push(output);
        }
    });
    cases.case("a result that is read twice", "accepted", |model| {
        let first = large(model);
        let second = model.op(Op::ADD, &[first, first], none());
        model.op(Op::ADD, &[second, second], none());
    });
    // LiteRT can allocate the shape in the file.
    cases.case("a shape in the file", "too large", |model| {
        let image = model.input(&[1, 2]);
        let result = model.tensor(&[17 << 20], F32);
        model.op_into(Op::RELU, &[image], &[result], none());
    });
    cases.finish();
}

#[test]
fn the_memory_of_a_caller_counts_in_the_subgraph_that_it_calls() {
    let called = |size: i32| {
        let mut model = TestModel::new();
        let held = large(&mut model);
        let second = model.op(Op::RELU, &[held], none());
        let result = model.tensor(&[1], F32);
        let image = model.graphs[0].inputs[0];
        super::graphs::call(&mut model, &[image], &[result], 1);
        let sum = model.op(Op::ADD, &[held, second], none());
        model.graphs[0].outputs = vec![sum, result];
        // The subgraph enlarges its input.
        let mut inner = TestModel::new();
        let image = inner.input(&[1, 2]);
        let dims = inner.ints(&[size << 18]);
        let value = inner.floats(&[], &[1.0]);
        let large = inner.op(Op::FILL, &[dims, value], none());
        let axis = inner.ints(&[0]);
        let small = inner.op(Op::SUM, &[large, axis], none());
        inner.op(Op::ADD, &[image, small], none());
        super::graphs::append(&mut model, inner);
        verdict(&model)
    };
    assert_eq!(called(20), "accepted");
    assert_eq!(called(30), "too large");
}
