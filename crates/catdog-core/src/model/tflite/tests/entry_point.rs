//! Which signature runs, and when signatures are ignored.

use crate::model::tflite::ModelError;
use crate::model::tflite::schema::BuiltinOperator as Op;
use crate::model::tflite::test_model::{TestGraph, TestModel};

/// Returns a model with one subgraph: tensor 0 is the image, 3 and 5 are the outputs.
fn model() -> TestModel {
    let mut model = TestModel::new();
    let image = model.input(&[1, 8, 8, 3]);
    for _ in 0..2 {
        let axes = model.ints(&[1, 2]);
        let means = model.op_as(Op::MEAN, &[image, axes], &[1, 3], vec![]);
        let result = if model.graphs[0].outputs.is_empty() {
            means
        } else {
            model.op_as(Op::LOGISTIC, &[means], &[1, 3], vec![])
        };
        model.graphs[0].outputs.push(result);
    }
    model
}

const INPUTS: [(&str, i32); 1] = [("image", 0)];
const OUTPUTS: [(&str, i32); 2] = [("means", 2), ("scores", 5)];

/// Returns the model with a signature.
fn signed(key: &str, inputs: &[(&str, i32)], outputs: &[(&str, i32)]) -> TestModel {
    let mut model = model();
    model.signature(key, 0, inputs, outputs);
    model
}

#[test]
fn names_are_those_of_the_signature_in_the_order_of_the_subgraph() {
    let reversed = [OUTPUTS[1], OUTPUTS[0]];
    for outputs in [OUTPUTS, reversed] {
        let info = signed("any", &INPUTS, &outputs).parse().unwrap();
        assert_eq!((info.signature.as_deref(), info.ignores_signatures), (Some("any"), false));
        assert_eq!(info.input.tensor.name, "image");
        let names: Vec<&str> = info.outputs.iter().map(|output| &*output.name).collect();
        assert_eq!(names, ["means", "scores"]);
        assert_eq!(info.output_index, 1, "it ends in an activation");
    }
}

#[test]
fn the_default_signature_runs_and_otherwise_the_first() {
    let key = |keys: &[&str]| {
        let mut model = model();
        keys.iter().for_each(|key| model.signature(key, 0, &INPUTS, &OUTPUTS));
        model.parse().unwrap().signature.unwrap()
    };
    assert_eq!(key(&["a", "serving_default", "b"]), "serving_default");
    assert_eq!(key(&["b", "a"]), "b");
}

#[test]
fn signatures_that_do_not_fit_are_ignored() {
    let long = "x".repeat(200);
    let too_long = "x".repeat(201);
    let fits = |model: TestModel| {
        let info = model.parse().unwrap();
        assert_eq!(info.ignores_signatures, info.signature.is_none());
        // Without a signature, the names are those of the graph.
        assert_eq!(info.input.tensor.name == "t0", info.ignores_signatures);
        !info.ignores_signatures
    };
    assert!(fits(signed(&long, &INPUTS, &OUTPUTS)));
    assert!(fits(signed("a", &[(&*long, 0)], &OUTPUTS)));
    for (name, model) in [
        ("no key", signed("", &INPUTS, &OUTPUTS)),
        ("a long key", signed(&too_long, &INPUTS, &OUTPUTS)),
        ("a key with NUL", signed("a\0b", &INPUTS, &OUTPUTS)),
        ("no name", signed("a", &[("", 0)], &OUTPUTS)),
        ("a long name", signed("a", &[(&*too_long, 0)], &OUTPUTS)),
        ("a name with NUL", signed("a", &[("a\0b", 0)], &OUTPUTS)),
        ("another input", signed("a", &[("image", 1)], &OUTPUTS)),
        ("no input", signed("a", &[], &OUTPUTS)),
        ("a weight as an input", signed("a", &[("image", 0), ("weight", 1)], &OUTPUTS)),
        ("one output", signed("a", &INPUTS, &OUTPUTS[..1])),
        ("equal names", signed("a", &INPUTS, &[("a", 2), ("a", 5)])),
        ("an output twice", signed("a", &INPUTS, &[("a", 2), ("b", 2)])),
    ] {
        assert!(!fits(model), "{name}");
    }
    let mut twice = signed("a", &INPUTS, &OUTPUTS);
    twice.signature("a", 0, &INPUTS, &OUTPUTS);
    assert!(!fits(twice), "equal keys");
    // One signature that does not fit is enough, even if another one would run.
    let mut second = signed("serving_default", &INPUTS, &OUTPUTS);
    second.signature("b", 0, &INPUTS, &[]);
    assert!(!fits(second), "another signature");
    let mut beyond = signed("a", &INPUTS, &OUTPUTS);
    beyond.signature("b", 1, &INPUTS, &OUTPUTS);
    assert!(!fits(beyond), "no subgraph");
}

#[test]
fn the_number_of_signatures_is_limited() {
    for (count, ignored) in [(64, false), (65, true)] {
        let mut model = model();
        for number in 0..count {
            model.signature(&format!("{number}"), 0, &INPUTS, &OUTPUTS);
        }
        assert_eq!(model.parse().unwrap().ignores_signatures, ignored, "{count}");
    }
}

#[test]
fn a_signature_of_a_later_subgraph_must_fit() {
    let build = |outputs: &[(&str, i32)]| {
        let mut model = model();
        let graph: TestGraph = model.graphs[0].clone();
        // The first subgraph is no image classifier.
        model.graphs.insert(0, TestGraph { outputs: vec![2], ..graph });
        model.signature("serving_default", 1, &INPUTS, outputs);
        model.parse()
    };
    assert_eq!(build(&OUTPUTS).unwrap().outputs.len(), 2);
    let refused = Err(ModelError::Damaged("a signature's inputs or outputs"));
    assert_eq!(build(&OUTPUTS[..1]).map(|info| info.outputs.len()), refused);
}
