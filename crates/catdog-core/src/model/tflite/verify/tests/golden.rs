//! The shapes and values that the verifier computes are those of LiteRT.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::budget::Budget;
use super::super::codes::Code;
use super::super::graph::GraphVerifier;
use super::super::model::buffers;
use crate::model::tflite::reader::{Flatbuffer, Table};
use crate::model::tflite::schema::{MODEL_IDENTIFIER, model, sub_graph, tensor};

/// Returns the content of `tests/{name}`.
fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name)).unwrap()
}

/// Returns the names of the outputs of the model in `tests/models/rules`, with their shapes.
fn computed(name: &str) -> BTreeMap<String, Vec<i32>> {
    let file = read(&format!("models/rules/{name}.tflite"));
    let root = Flatbuffer::root(&file, MODEL_IDENTIFIER).unwrap();
    let graphs: Vec<Table<'_>> = root.tables(model::SUBGRAPHS);
    let (codes, buffers) = (Code::all(root).unwrap(), buffers(&file, root).unwrap());
    let mut verifier = GraphVerifier::new(&graphs, codes, buffers, Budget::new(1 << 20, 1 << 20));
    let graph = verifier.verify(0, None).unwrap();
    let tensors = graphs[0].tables(sub_graph::TENSORS);
    let outputs = graphs[0].i32_vector(sub_graph::OUTPUTS).into_iter();
    let names = outputs.map(|index| tensors[index as usize].string(tensor::NAME).unwrap());
    let shapes = graph.results.into_iter().map(|(shape, _)| shape);
    names.map(str::to_owned).zip(shapes).collect()
}

fn assert_is_golden(name: &str) {
    let golden: BTreeMap<String, BTreeMap<String, Vec<i32>>> =
        serde_json::from_slice(&read("golden/shapes.json")).unwrap();
    let (golden, computed) = (&golden[name], computed(name));
    assert_eq!(computed.len(), golden.len());
    let differs = |(output, shape): &(&String, &Vec<i32>)| golden.get(*output) != Some(*shape);
    let different: Vec<_> = computed.iter().filter(differs).collect();
    assert!(different.is_empty(), "{different:?}");
}

#[test]
fn shapes_are_those_of_litert() {
    assert_is_golden("shapes");
}

#[test]
fn values_are_those_of_litert() {
    assert_is_golden("values");
}
