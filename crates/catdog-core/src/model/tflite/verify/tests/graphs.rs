//! The structure of a model: buffers, inputs and outputs, the order of its operators, and calls.

use super::{Cases, none, verdict};
use crate::model::tflite::operator_options::stablehlo_composite_options::DECOMPOSITION_SUBGRAPH_INDEX;
use crate::model::tflite::schema::{
    BuiltinOperator as Op, TensorType, buffer, builtin_options_2, metadata, model as root,
    operator, operator_code, tensor,
};
use crate::model::tflite::test_model::{
    TestGraph, TestModel, Value, byte, int, ints, long, option, text,
};

const F32: TensorType = TensorType::FLOAT32;
const OUTPUT: &str = "an operator's output";

/// Returns a model with one RELU: tensor 0 is its input, tensor 1 its output.
fn relu() -> TestModel {
    let mut model = TestModel::new();
    let image = model.input(&[1, 4]);
    model.op(Op::RELU, &[image], none());
    model
}

/// Returns [`relu`] after a change.
fn changed(change: impl FnOnce(&mut TestModel)) -> TestModel {
    let mut model = relu();
    change(&mut model);
    model
}

#[test]
fn the_parts_of_a_file_are_complete() {
    let mut cases = Cases::default();
    cases.expect("unchanged", &relu(), "accepted");
    for (name, wanted, model) in [
        (
            "version",
            "its schema version",
            changed(|model| model.root.push((root::VERSION, int(4)))),
        ),
        ("buffers", "its list of buffers", changed(|model| model.buffers.clear())),
        (
            "operator code",
            "an operator code",
            changed(|model| {
                let deprecated = operator_code::DEPRECATED_BUILTIN_CODE;
                model.codes[0].push(option(operator_code::BUILTIN_CODE, -1));
                model.codes[0].push((deprecated, byte(-1_i8 as u8)));
            }),
        ),
        (
            "operator version",
            "an operator code",
            changed(|model| model.codes[0].push(option(operator_code::VERSION, 0))),
        ),
        (
            "custom operator without a name",
            "an operator code",
            changed(|model| {
                let code = option(operator_code::BUILTIN_CODE, Op::CUSTOM.code());
                model.codes[0].push(code);
            }),
        ),
    ] {
        cases.expect(name, &model, wanted);
    }
    let entry = |name: Option<&str>, buffer: i32| {
        changed(|model| {
            let mut fields = vec![(metadata::BUFFER, int(buffer))];
            fields.extend(name.map(|name| (metadata::NAME, text(name))));
            model.root.push((root::METADATA, Value::Tables(vec![fields])));
        })
    };
    cases.expect("metadata", &entry(Some("x"), 0), "accepted");
    cases.expect("buffer of metadata", &entry(Some("x"), 1), "a metadata entry");
    cases.expect("name of metadata", &entry(None, 0), "a metadata entry");
    cases.finish();
}

#[test]
fn the_data_of_a_buffer_can_be_after_the_flatbuffer() {
    let wrong = "the position of a buffer";
    let length = |model: &TestModel| model.file().len() as u64;
    let with = |offset: u64, size: u64, has_data: bool| {
        let mut model = TestModel::new();
        let image = model.input(&[1, 4]);
        let weights = model.tensor(&[4], F32);
        model.set(weights, tensor::BUFFER, int(1));
        let mut fields = vec![(buffer::OFFSET, long(offset)), (buffer::SIZE, long(size))];
        if has_data {
            fields.push((buffer::DATA, Value::Vector(16, vec![0; 16])));
        }
        model.buffers.push(fields);
        model.op(Op::ADD, &[image, weights], none());
        model
    };
    let end = length(&with(0, 0, false));
    let mut cases = Cases::default();
    cases.expect("inside", &with(end - 16, 16, false), "accepted");
    cases.expect("beyond the end", &with(end - 15, 16, false), wrong);
    cases.expect("offset", &with(u64::MAX, 16, false), wrong);
    cases.expect("size", &with(2, u64::MAX, false), wrong);
    cases.expect("too short", &with(end - 15, 15, false), "the size of a tensor's buffer");
    cases.expect("twice", &with(end - 16, 16, true), wrong);
    // Smaller offsets mean that the data is in the buffer.
    cases.expect("no offset", &with(1, 16, true), "accepted");
    cases.finish();
}

#[test]
fn inputs_and_outputs_are_different_tensors_that_exist() {
    let wrong = "a subgraph's inputs or outputs";
    let output = "a subgraph's output";
    let mut cases = Cases::default();
    for (inputs, outputs, wanted) in [
        (&[0][..], &[1][..], "accepted"),
        (&[0, 0], &[1], wrong),
        (&[0], &[1, 1], wrong),
        (&[2], &[1], wrong),
        (&[-1], &[1], wrong),
        (&[0], &[2], wrong),
        (&[0], &[0], output),
        (&[0], &[1, 0], output),
    ] {
        let model = changed(|model| {
            model.graphs[0].inputs = inputs.to_vec();
            model.graphs[0].outputs = outputs.to_vec();
        });
        cases.expect(&format!("{inputs:?} {outputs:?}"), &model, wanted);
    }
    let unwritten = changed(|model| {
        let other = model.tensor(&[1], F32);
        model.graphs[0].outputs = vec![other];
    });
    cases.expect("an output that no operator writes", &unwritten, output);
    cases.finish();
}

#[test]
fn an_input_is_a_picture_of_limited_size() {
    let wrong = "a subgraph's input";
    let mut cases = Cases::default();
    for (shape, element, wanted) in [
        (&[1, 16384, 16384][..], TensorType::UINT8, "accepted"),
        (&[1, 16384, 16385], TensorType::UINT8, wrong),
        (&[1, 0, 4], TensorType::UINT8, wrong),
    ] {
        cases.case(&format!("{shape:?}"), wanted, |model| {
            let image = model.input_of(shape, element);
            let limits = [model.ints(&[0, 0, 0]), model.ints(&[1, 1, 1])];
            model.op_of(Op::SLICE, &[image, limits[0], limits[1]], &[element], none());
        });
    }
    let constant = changed(|model| {
        let weights = model.floats(&[4], &[1.0]);
        model.graphs[0].inputs.push(weights);
    });
    cases.expect("constant", &constant, wrong);
    cases.finish();
}

#[test]
fn a_tensor_is_written_once_and_before_it_is_read() {
    let mut cases = Cases::default();
    cases.case("in order", "accepted", |model| {
        let image = model.input(&[1, 4]);
        let first = model.op(Op::RELU, &[image], none());
        model.op(Op::RELU, &[first], none());
    });
    cases.case("out of order", "the order of its operators", |model| {
        let image = model.input(&[1, 4]);
        let later = model.tensor(&[1], F32);
        model.op(Op::RELU, &[later], none());
        model.op_into(Op::RELU, &[image], &[later], none());
    });
    cases.case("twice", OUTPUT, |model| {
        let image = model.input(&[1, 4]);
        let first = model.op(Op::RELU, &[image], none());
        model.op_into(Op::RELU6, &[image], &[first], none());
    });
    cases.case("twice by one operator", OUTPUT, |model| {
        use crate::model::tflite::operator_options::unpack_options::*;
        let image = model.input(&[1, 2]);
        let output = model.tensor(&[1], F32);
        let options = vec![option(NUM, 2), option(AXIS, 1)];
        model.op_into(Op::UNPACK, &[image], &[output, output], options);
        model.graphs[0].outputs = vec![output];
    });
    cases.case("the input of the graph", OUTPUT, |model| {
        let image = model.input(&[1, 4]);
        let first = model.op(Op::RELU, &[image], none());
        model.op_into(Op::RELU, &[first], &[image], none());
    });
    cases.case("a constant", OUTPUT, |model| {
        let image = model.input(&[1, 4]);
        let weights = model.floats(&[1, 4], &[1.0]);
        model.op_into(Op::RELU, &[image], &[weights], none());
    });
    cases.case("a variable", "accepted", |model| {
        let image = model.input(&[1, 4]);
        let state = model.tensor(&[1, 4], F32);
        model.set(state, tensor::IS_VARIABLE, byte(1));
        model.op(Op::ADD, &[image, state], none());
    });
    cases.case("a tensor without data", "the order of its operators", |model| {
        let image = model.input(&[1, 4]);
        let other = model.tensor(&[1, 4], F32);
        model.op(Op::ADD, &[image, other], none());
    });
    for (id, wanted) in [
        (operator::INPUTS, "an operator's input"),
        (operator::OUTPUTS, "an operator's output"),
        (operator::INTERMEDIATES, "an operator's intermediate result"),
    ] {
        for index in [2, -2] {
            let model = changed(|model| {
                let outputs = [1];
                model.graphs[0].outputs = outputs.to_vec();
                model.graphs[0].operators[0].push((id, ints(&[index])));
            });
            cases.expect(&format!("{id} {index}"), &model, wanted);
        }
    }
    let code = changed(|model| {
        model.graphs[0].operators[0].push((operator::OPCODE_INDEX, int(1)));
    });
    cases.expect("code", &code, "an operator's code");
    cases.finish();
}

#[test]
fn an_output_is_not_larger_than_in_the_file() {
    let mut cases = Cases::default();
    for (stored, wanted) in
        [(&[8][..], "accepted"), (&[2, 4], "accepted"), (&[7], "the file gives it a smaller one")]
    {
        cases.case(&format!("{stored:?}"), wanted, |model| {
            // No dimension is open.
            let image = model.tensor(&[1, 8], F32);
            model.graphs[0].inputs.push(image);
            let output = model.tensor(stored, F32);
            model.op_into(Op::RELU, &[image], &[output], none());
        });
    }
    // A batch that is open does not change the size of the output for one picture.
    cases.case("open batch", "the file gives it a smaller one", |model| {
        let image = model.tensor(&[1, 8], F32);
        model.set(image, tensor::SHAPE_SIGNATURE, ints(&[-1, 8]));
        model.graphs[0].inputs.push(image);
        let output = model.tensor(&[7], F32);
        model.op_into(Op::RELU, &[image], &[output], none());
    });
    cases.finish();
}

#[test]
fn dequantized_weights_have_the_shape_in_the_file() {
    let wrong = "its result does not have the shape of its input";
    let mut cases = Cases::default();
    for (is_constant, shape, wanted) in [
        (true, &[1, 4][..], "accepted"),
        (true, &[4], wrong),
        (true, &[1, 5], wrong),
        (false, &[1, 5], "accepted"),
    ] {
        cases.case(&format!("{is_constant} {shape:?}"), wanted, |model| {
            let half = TensorType::FLOAT16;
            let image = model.input(&[1, 4]);
            let packed = match is_constant {
                true => model.constant(&[1, 4], half, vec![0; 8]),
                false => model.op_of(Op::CAST, &[image], &[half], none()),
            };
            let weights = model.tensor(shape, F32);
            model.op_into(Op::DEQUANTIZE, &[packed], &[weights], none());
            model.op(Op::ADD, &[image, weights], none());
        });
    }
    cases.finish();
}

#[test]
fn only_vectors_of_sizes_can_be_empty() {
    let empty = "its result has no elements";
    let mut cases = Cases::default();
    for (element, size, wanted) in [
        (TensorType::INT32, &[0][..], "accepted"),
        (TensorType::INT64, &[0], "accepted"),
        (F32, &[0], empty),
        (TensorType::INT32, &[1, 0], empty),
    ] {
        cases.case(&format!("{} {size:?}", element.name()), wanted, |model| {
            model.input(&[1, 4]);
            let dims = model.ints(size);
            let value = model.constant(&[], element, vec![0; 8]);
            model.op_of(Op::FILL, &[dims, value], &[element], none());
        });
    }
    cases.finish();
}

/// Returns a subgraph with an input of the given shape, which is in the file, and a RELU or, with
/// `calls`, calls of another subgraph, one after the other. Operator code 0 is RELU, 1 is the call.
fn subgraph(shape: &[i32], element: TensorType, calls: &[i32]) -> TestGraph {
    let tensor = |index: usize| {
        vec![
            (tensor::SHAPE, ints(shape)),
            (tensor::TYPE, byte(element.code())),
            (tensor::NAME, text(&format!("t{index}"))),
        ]
    };
    let operator = |index: usize, code: i32| {
        vec![
            (operator::OPCODE_INDEX, int(code)),
            (operator::INPUTS, ints(&[index as i32])),
            (operator::OUTPUTS, ints(&[index as i32 + 1])),
        ]
    };
    let call = |(index, graph): (usize, &i32)| {
        let mut fields = operator(index, 1);
        let options = vec![option(DECOMPOSITION_SUBGRAPH_INDEX, *graph)];
        fields
            .push((operator::BUILTIN_OPTIONS_2_TYPE, byte(builtin_options_2::STABLEHLO_COMPOSITE)));
        fields.push((operator::BUILTIN_OPTIONS_2, Value::Table(options)));
        fields
    };
    let operators: Vec<_> = match calls {
        [] => vec![operator(0, 0)],
        _ => calls.iter().enumerate().map(call).collect(),
    };
    TestGraph {
        tensors: (0..=operators.len()).map(tensor).collect(),
        outputs: vec![operators.len() as i32],
        operators,
        inputs: vec![0],
    }
}

/// Returns the model with these subgraphs.
fn model_of(graphs: Vec<TestGraph>) -> TestModel {
    let code = |code: Op| vec![option(operator_code::BUILTIN_CODE, code.code())];
    let codes = vec![code(Op::RELU), code(Op::STABLEHLO_COMPOSITE)];
    TestModel { graphs, codes, ..TestModel::new() }
}

#[test]
fn a_call_fits_the_subgraph() {
    let other = "its inputs or outputs are not those of the subgraph";
    let circle = "it calls a subgraph that is running";
    let missing = "it calls a subgraph that does not exist";
    let float = |shape: &[i32], calls: &[i32]| subgraph(shape, F32, calls);
    let mut cases = Cases::default();
    for (name, graphs, wanted) in [
        ("a call", vec![float(&[1, 4], &[1]), float(&[1, 4], &[])], "accepted"),
        // The called subgraph gets the shape of the call, whatever is in the file.
        ("another shape", vec![float(&[1, 4], &[1]), float(&[0, 0], &[])], "accepted"),
        (
            "another type",
            vec![float(&[1, 4], &[1]), subgraph(&[1, 4], TensorType::INT8, &[])],
            "a quantized tensor without a scale",
        ),
        (
            "half precision",
            vec![float(&[1, 4], &[1]), subgraph(&[1, 4], TensorType::FLOAT16, &[])],
            other,
        ),
        ("itself", vec![float(&[1, 4], &[0])], circle),
        ("a circle", vec![float(&[1, 4], &[1]), float(&[1, 4], &[0])], circle),
        (
            "a circle that no other subgraph calls",
            vec![float(&[1, 4], &[]), float(&[1, 4], &[2]), float(&[1, 4], &[1])],
            circle,
        ),
        ("no subgraph", vec![float(&[1, 4], &[1])], missing),
        ("a negative index", vec![float(&[1, 4], &[-1])], missing),
    ] {
        cases.expect(name, &model_of(graphs), wanted);
    }
    let caller = || float(&[1, 4], &[1]);
    let mut two_inputs = float(&[1, 4], &[]);
    two_inputs.tensors.push(two_inputs.tensors[0].clone());
    two_inputs.inputs.push(2);
    let model = model_of(vec![caller(), two_inputs]);
    cases.expect("two inputs", &model, "the number of a subgraph's inputs");
    let mut without = caller();
    without.operators[0].retain(|(id, _)| *id != operator::BUILTIN_OPTIONS_2);
    let model = model_of(vec![without, float(&[1, 4], &[])]);
    cases.expect("without options", &model, "it has no options");
    let mut of_another_type = caller();
    of_another_type.operators[0].push((operator::BUILTIN_OPTIONS_2_TYPE, byte(1)));
    let model = model_of(vec![of_another_type, float(&[1, 4], &[])]);
    cases.expect("options of another type", &model, "it has no options");
    cases.finish();
}

#[test]
fn calls_that_multiply_are_limited() {
    // Each subgraph calls the next one twice, and the last one has one operator.
    let chain = |length: i32| {
        let calling = (1..length).map(|next| subgraph(&[1, 4], F32, &[next, next]));
        let mut graphs: Vec<TestGraph> = calling.collect();
        graphs.push(subgraph(&[1, 4], F32, &[]));
        model_of(graphs)
    };
    assert_eq!(verdict(&chain(10)), "accepted");
    assert_eq!(verdict(&chain(16)), "the number of its operators");
    assert_eq!(verdict(&chain(18)), "calls are nested in it too deeply");
}

/// Adds a call of the subgraph `graph`.
pub fn call(model: &mut TestModel, inputs: &[i32], outputs: &[i32], graph: i32) {
    model.op_into(Op::STABLEHLO_COMPOSITE, inputs, outputs, none());
    let fields = model.graphs[0].operators.last_mut().unwrap();
    let options = vec![option(DECOMPOSITION_SUBGRAPH_INDEX, graph)];
    fields.push((operator::BUILTIN_OPTIONS_2_TYPE, byte(builtin_options_2::STABLEHLO_COMPOSITE)));
    fields.push((operator::BUILTIN_OPTIONS_2, Value::Table(options)));
}

/// Appends the subgraph of another model, with its operator codes and buffers.
pub fn append(model: &mut TestModel, other: TestModel) {
    let (codes, buffers) = (model.codes.len() as i32, model.buffers.len() as i32);
    let shift = |fields: &mut crate::model::tflite::test_model::Fields, wanted: usize, by: i32| {
        for (id, value) in fields.iter_mut().filter(|(id, _)| *id == wanted) {
            let Value::Scalar(data) = value else { panic!("field {id} is no number") };
            let index = i32::from_le_bytes(data[..4].try_into().unwrap());
            *value = int(index + by);
        }
    };
    for mut graph in other.graphs {
        for operator in &mut graph.operators {
            shift(operator, operator::OPCODE_INDEX, codes);
        }
        for tensor in &mut graph.tensors {
            shift(tensor, tensor::BUFFER, buffers);
        }
        if graph.outputs.is_empty() {
            graph.outputs = vec![graph.tensors.len() as i32 - 1];
        }
        model.graphs.push(graph);
    }
    model.codes.extend(other.codes);
    model.buffers.extend(other.buffers);
}
