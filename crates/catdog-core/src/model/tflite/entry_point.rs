//! The entry point of a model: the signature to run, and its subgraph.

use super::error::ModelError;
use super::reader::Table;
use super::schema::{model, signature_def, sub_graph, tensor_map};

/// The key of the forward pass in models that are exported from Keras or from a SavedModel.
const DEFAULT_SIGNATURE: &str = "serving_default";

/// The subgraph to run, with its inputs and outputs.
pub struct EntryPoint<'a> {
    /// Key of the signature; `None` if the model has no signatures.
    pub key: Option<String>,
    /// The table `SubGraph`.
    pub graph: Table<'a>,
    /// The inputs of the signature, else of the subgraph.
    pub inputs: Vec<Port>,
    /// The outputs of the signature, else of the subgraph.
    pub outputs: Vec<Port>,
}

/// An input or output of an entry point.
pub struct Port {
    /// Name in the signature; `None` if the model has no signatures.
    pub name: Option<String>,
    /// Index of the tensor in the subgraph. The index can be out of range.
    pub tensor: usize,
}

impl<'a> EntryPoint<'a> {
    /// Chooses the entry point: the signature `serving_default`, else the first signature, else the
    /// first subgraph.
    ///
    /// # Errors
    ///
    /// [`ModelError::Damaged`] if that subgraph does not exist.
    pub fn choose(root: Table<'a>, subgraphs: &[Table<'a>]) -> Result<Self, ModelError> {
        let signatures = root.tables(model::SIGNATURE_DEFS);
        let is_default = |signature: &&Table<'_>| {
            signature.string(signature_def::SIGNATURE_KEY) == Some(DEFAULT_SIGNATURE)
        };
        match signatures.iter().find(is_default).or(signatures.first()) {
            Some(signature) => Self::of_signature(*signature, subgraphs),
            None => Self::of_first_subgraph(subgraphs),
        }
    }

    fn of_signature(signature: Table<'_>, subgraphs: &[Table<'a>]) -> Result<Self, ModelError> {
        let index = signature.u32(signature_def::SUBGRAPH_INDEX) as usize;
        let graph = *subgraphs.get(index).ok_or(ModelError::Damaged("a signature's subgraph"))?;
        let ports = |id| {
            let maps = signature.tables(id).into_iter();
            maps.map(|map| Port {
                name: map.string(tensor_map::NAME).map(str::to_owned),
                tensor: map.u32(tensor_map::TENSOR_INDEX) as usize,
            })
            .collect()
        };
        Ok(Self {
            key: signature.string(signature_def::SIGNATURE_KEY).map(str::to_owned),
            graph,
            inputs: ports(signature_def::INPUTS),
            outputs: ports(signature_def::OUTPUTS),
        })
    }

    fn of_first_subgraph(subgraphs: &[Table<'a>]) -> Result<Self, ModelError> {
        let graph = *subgraphs.first().ok_or(ModelError::Damaged("its list of subgraphs"))?;
        let ports = |id| {
            let indices = graph.i32_vector(id).into_iter();
            // A negative index is out of range, like the largest one.
            let tensors = indices.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
            tensors.map(|tensor| Port { name: None, tensor }).collect()
        };
        let (inputs, outputs) = (ports(sub_graph::INPUTS), ports(sub_graph::OUTPUTS));
        Ok(Self { key: None, graph, inputs, outputs })
    }
}
