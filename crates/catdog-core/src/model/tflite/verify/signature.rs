//! The checks of signatures.

use std::collections::HashSet;

use super::graph::Graph;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{model, signature_def, tensor_map};

/// Checks that the keys are unique, and that each signature names exactly the inputs and outputs of
/// its subgraph: LiteRT looks them up by name and does not expect a missing one.
pub fn verify_signatures(root: Table<'_>, graphs: &[Option<Graph>]) -> Result<(), ModelError> {
    let mut keys = HashSet::new();
    for signature in root.tables(model::SIGNATURE_DEFS) {
        let graph = graphs.get(signature.u32(signature_def::SUBGRAPH_INDEX) as usize);
        let graph =
            graph.and_then(Option::as_ref).ok_or(ModelError::Damaged("a signature's subgraph"))?;
        let key = signature.string(signature_def::SIGNATURE_KEY).unwrap_or_default();
        require(!key.is_empty() && keys.insert(key), "a signature's key")?;
        verify_ports(&signature.tables(signature_def::INPUTS), &graph.inputs)?;
        verify_ports(&signature.tables(signature_def::OUTPUTS), &graph.outputs)?;
    }
    Ok(())
}

/// Checks that `maps` give each of `tensors` one unique name.
fn verify_ports(maps: &[Table<'_>], tensors: &[usize]) -> Result<(), ModelError> {
    let names = maps.iter().filter_map(|map| map.string(tensor_map::NAME));
    let names: HashSet<&str> = names.filter(|name| !name.is_empty()).collect();
    let mut named: Vec<usize> =
        maps.iter().map(|map| map.u32(tensor_map::TENSOR_INDEX) as usize).collect();
    let mut expected = tensors.to_vec();
    named.sort_unstable();
    expected.sort_unstable();
    require(names.len() == maps.len() && named == expected, "a signature's inputs or outputs")
}
