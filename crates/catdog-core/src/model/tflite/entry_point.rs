//! The entry point of a model: the signature to run, and its subgraph.

use std::collections::HashSet;

use super::error::{ModelError, require};
use super::reader::Table;
use super::schema::{model, signature_def, sub_graph, tensor_map};

/// The key of the forward pass in models that are exported from Keras or from a SavedModel.
const DEFAULT_SIGNATURE: &str = "serving_default";

/// Limit for the number of signatures. All signatures of a malicious file can share their parts, so
/// that the size of the file does not limit the work of reading them.
const MAX_SIGNATURES: usize = 64;
/// Limit for the inputs or outputs of a signature.
const MAX_PORTS: usize = 64;
/// Limit for a key or a name, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// The subgraph to run, with its inputs and outputs.
pub struct EntryPoint<'a> {
    /// Key of the signature; `None` if no signature is used.
    pub key: Option<String>,
    /// The signatures of the model do not fit its subgraphs, so they are ignored.
    pub ignores_signatures: bool,
    /// Index of the subgraph.
    pub subgraph: usize,
    /// The table `SubGraph`.
    pub graph: Table<'a>,
    /// The inputs of the signature, else of the subgraph.
    pub inputs: Vec<Port>,
    /// The outputs of the signature, else of the subgraph.
    pub outputs: Vec<Port>,
}

/// An input or output of an entry point.
pub struct Port {
    /// Name in the signature; `None` if no signature is used.
    pub name: Option<String>,
    /// Index of the tensor in the subgraph. The index can be out of range.
    pub tensor: usize,
}

impl<'a> EntryPoint<'a> {
    /// Chooses the entry point: the signature `serving_default`, else the first signature, else the
    /// first subgraph. If one of the signatures does not fit its subgraph, all are ignored.
    ///
    /// # Errors
    ///
    /// [`ModelError::Damaged`] if there is no subgraph, or the chosen signature is of another one than
    /// the first and cannot be used.
    pub fn choose(root: Table<'a>, subgraphs: &[Table<'a>]) -> Result<Self, ModelError> {
        let signatures = root.tables(model::SIGNATURE_DEFS);
        let is_default = |signature: &&Table<'_>| {
            signature.string(signature_def::SIGNATURE_KEY) == Some(DEFAULT_SIGNATURE)
        };
        let fit = signatures_fit(&signatures, subgraphs);
        let chosen = signatures.iter().find(is_default).or(signatures.first());
        match chosen.filter(|_| fit).and_then(|chosen| Self::of_signature(*chosen, subgraphs)) {
            Some(entry) => Ok(entry),
            None => {
                // Without signatures, LiteRT runs the first subgraph.
                let subgraph = chosen.map_or(0, |chosen| chosen.u32(signature_def::SUBGRAPH_INDEX));
                let runs_first = subgraph == 0 || subgraphs.get(subgraph as usize).is_none();
                require(runs_first, "a signature's inputs or outputs")?;
                Self::of_first_subgraph(subgraphs, !signatures.is_empty())
            }
        }
    }

    /// Returns the entry point that `signature` describes; `None` if its subgraph does not exist.
    fn of_signature(signature: Table<'_>, subgraphs: &[Table<'a>]) -> Option<Self> {
        let subgraph = signature.u32(signature_def::SUBGRAPH_INDEX) as usize;
        let graph = *subgraphs.get(subgraph)?;
        // The order of a subgraph counts: LiteRT numbers inputs and outputs in it, while a
        // signature lists them in the order of their names.
        let ports = |ports_id, tensors_id| {
            let maps = signature.tables(ports_id);
            let name_of = |tensor: usize| {
                let named = maps.iter().find(|map| port_tensor(**map) == tensor)?;
                named.string(tensor_map::NAME).map(str::to_owned)
            };
            let tensors = graph_ports(graph, tensors_id).into_iter();
            tensors.map(|tensor| Port { name: name_of(tensor), tensor }).collect()
        };
        Some(Self {
            key: signature.string(signature_def::SIGNATURE_KEY).map(str::to_owned),
            ignores_signatures: false,
            subgraph,
            graph,
            inputs: ports(signature_def::INPUTS, sub_graph::INPUTS),
            outputs: ports(signature_def::OUTPUTS, sub_graph::OUTPUTS),
        })
    }

    fn of_first_subgraph(
        subgraphs: &[Table<'a>],
        ignores_signatures: bool,
    ) -> Result<Self, ModelError> {
        let graph = *subgraphs.first().ok_or(ModelError::Damaged("its list of subgraphs"))?;
        let ports = |id| {
            let tensors = graph_ports(graph, id).into_iter();
            tensors.map(|tensor| Port { name: None, tensor }).collect()
        };
        let (inputs, outputs) = (ports(sub_graph::INPUTS), ports(sub_graph::OUTPUTS));
        Ok(Self { key: None, ignores_signatures, subgraph: 0, graph, inputs, outputs })
    }
}

/// Returns the tensor indices of the inputs or outputs of `graph`.
fn graph_ports(graph: Table<'_>, id: usize) -> Vec<usize> {
    let indices = graph.i32_vector(id).into_iter();
    // A negative index is out of range, like the largest one.
    indices.map(|index| usize::try_from(index).unwrap_or(usize::MAX)).collect()
}

/// Returns the tensor index of a table `TensorMap`.
fn port_tensor(map: Table<'_>) -> usize {
    map.u32(tensor_map::TENSOR_INDEX) as usize
}

/// Returns whether the keys of `signatures` are unique, and each signature names exactly the inputs
/// and outputs of its subgraph.
///
/// LiteRT looks the tensors of a signature up by name and crashes if one is missing. The TensorFlow
/// 2.5 converter wrote signatures that name the tensors before and after the outer QUANTIZE and
/// DEQUANTIZE, which are not the subgraph's own. The Python interpreter runs such models, because
/// it uses the inputs and outputs of the subgraph.
fn signatures_fit(signatures: &[Table<'_>], subgraphs: &[Table<'_>]) -> bool {
    let mut keys = HashSet::new();
    signatures.len() <= MAX_SIGNATURES
        && signatures.iter().all(|signature| {
            let key = signature.string(signature_def::SIGNATURE_KEY).unwrap_or_default();
            let graph = subgraphs.get(signature.u32(signature_def::SUBGRAPH_INDEX) as usize);
            graph.is_some_and(|graph| {
                let fit = |ports_id, tensors_id| {
                    ports_fit(&signature.tables(ports_id), graph_ports(*graph, tensors_id))
                };
                is_name(key)
                    && keys.insert(key)
                    && fit(signature_def::INPUTS, sub_graph::INPUTS)
                    && fit(signature_def::OUTPUTS, sub_graph::OUTPUTS)
            })
        })
}

/// Returns whether `name` is neither empty nor longer than any exporter writes it, and LiteRT reads
/// all of it: its names end at NUL.
fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains('\0')
}

/// Returns whether `maps` give each of `tensors` one unique name.
fn ports_fit(maps: &[Table<'_>], mut tensors: Vec<usize>) -> bool {
    if maps.len() > MAX_PORTS {
        return false;
    }
    let names = maps.iter().filter_map(|map| map.string(tensor_map::NAME));
    let names: HashSet<&str> = names.filter(|name| is_name(name)).collect();
    let mut named: Vec<usize> = maps.iter().map(|map| port_tensor(*map)).collect();
    named.sort_unstable();
    tensors.sort_unstable();
    names.len() == maps.len() && named == tensors
}
