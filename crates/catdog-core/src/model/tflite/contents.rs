//! What a model consists of: its operators and the size of its weights, for a report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::entry_point::EntryPoint;
use super::reader::{Flatbuffer, Table};
use super::schema::{
    BuiltinOperator, MIN_BUFFER_OFFSET, MODEL_IDENTIFIER, buffer, model, operator, operator_code,
    sub_graph, tensor,
};
use super::verify::verify_limits;

/// Returns the names of the operators of the model `file`, as `schema.fbs` spells them, with the
/// number of times that each occurs in the subgraph that runs. The most frequent operators are
/// first. A custom operator has the name that its exporter chose. A file that
/// [`ModelInfo::parse`](super::ModelInfo::parse) refuses can have none.
pub fn operator_counts(file: &[u8]) -> Vec<(String, usize)> {
    let Some((root, graph)) = graph_that_runs(file) else { return Vec::new() };
    let codes = root.tables(model::OPERATOR_CODES);
    let mut uses = vec![0; codes.len()];
    for operator in graph.tables(sub_graph::OPERATORS) {
        if let Some(uses) = uses.get_mut(operator.u32(operator::OPCODE_INDEX) as usize) {
            *uses += 1;
        }
    }
    // Two codes of a model can have the same name and different versions.
    let mut counts = BTreeMap::new();
    for (code, uses) in codes.iter().zip(uses).filter(|(_, uses)| *uses > 0) {
        *counts.entry(name(*code)).or_insert(0) += uses;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

/// Returns the size of all constants that the subgraph that runs can read, in bytes. Nearly all of
/// it is weights; the rest is shapes and axes. Tensors that share their data count once.
pub fn weight_bytes(file: &[u8]) -> u64 {
    let Some((root, graph)) = graph_that_runs(file) else { return 0 };
    let buffers = root.tables(model::BUFFERS);
    let tensors = graph.tables(sub_graph::TENSORS);
    let used: BTreeSet<u32> = tensors.iter().map(|tensor| tensor.u32(tensor::BUFFER)).collect();
    let bytes = used.iter().filter_map(|index| buffers.get(*index as usize));
    bytes.map(|buffer| buffer_bytes(*buffer)).fold(0, u64::saturating_add)
}

/// Returns the size of the data of a table `Buffer`, in bytes.
pub(super) fn buffer_bytes(buffer: Table<'_>) -> u64 {
    if buffer.u64(buffer::OFFSET) >= MIN_BUFFER_OFFSET {
        buffer.u64(buffer::SIZE)
    } else {
        buffer.byte_vector(buffer::DATA).map_or(0, |data| data.len() as u64)
    }
}

/// Returns the root table of a file, and its subgraph that runs; `None` if the file has more or larger
/// parts than a model.
pub(super) fn graph_that_runs(file: &[u8]) -> Option<(Table<'_>, Table<'_>)> {
    let root = Flatbuffer::root(file, MODEL_IDENTIFIER)?;
    verify_limits(root).ok()?;
    let subgraphs = root.tables(model::SUBGRAPHS);
    let entry = EntryPoint::choose(root, &subgraphs).ok()?;
    Some((root, entry.graph))
}

/// Returns the start of a name. Thousands of tables of a malicious file can share a name of the size
/// of the file.
pub(super) fn short(name: &str) -> String {
    const MAX_CHARS: usize = 200;
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    name.chars().take(MAX_CHARS).map(printable).collect()
}

/// Returns the name of the operator of a table `OperatorCode`.
pub(super) fn name(code: Table<'_>) -> String {
    let operator = BuiltinOperator::of(code);
    let custom = (operator == BuiltinOperator::CUSTOM)
        .then(|| code.string(operator_code::CUSTOM_CODE))
        .flatten();
    match custom.or(operator.name()) {
        Some(name) => short(name),
        None => format!("operator {}", operator.code()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn test_model(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models");
        fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn operators_are_counted_by_name() {
        // The operators that `hybrid_dynamic_range` of tests/models/good_models.py writes.
        let counts = operator_counts(&test_model("hybrid_dynamic_range.tflite"));
        let want = ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN"];
        assert_eq!(counts, want.map(|name| (name.to_owned(), 1)));
    }

    #[test]
    fn operators_of_the_subgraph_that_runs_are_counted() {
        // The first subgraph of the model has no FULLY_CONNECTED and no SOFTMAX.
        let counts = operator_counts(&test_model("signature_two.tflite"));
        let want = ["CONV_2D", "FULLY_CONNECTED", "MEAN", "SOFTMAX"];
        assert_eq!(counts, want.map(|name| (name.to_owned(), 1)));
    }

    #[test]
    fn a_custom_operator_has_its_own_name() {
        let counts = operator_counts(&test_model("bad/unknown_custom_op.tflite"));
        assert_eq!(counts.last().unwrap().0, "CatdogNoSuchOperator");
    }

    #[test]
    fn weights_are_counted_in_bytes() {
        // Float weights and biases of a 3x3 convolution with four outputs and of a dense layer from
        // 64 to 3, and the shape of the RESHAPE.
        let floats = 4 * 27 + 4 + 3 * 64 + 3;
        assert_eq!(weight_bytes(&test_model("float_logits.tflite")), 4 * floats + 4 * 2);
    }

    #[test]
    fn the_last_names_have_the_values_of_the_schema() {
        assert_eq!(BuiltinOperator::BATCH_MATMUL.name(), Some("BATCH_MATMUL"));
        assert_eq!(BuiltinOperator::QUANTIZE.name(), Some("QUANTIZE"));
        assert_eq!(BuiltinOperator::SOFTMAX.name(), Some("SOFTMAX"));
    }

    #[test]
    fn a_file_without_a_model_has_no_operators() {
        assert_eq!(operator_counts(b"not a model"), []);
        assert_eq!(weight_bytes(b"not a model"), 0);
    }
}
