//! The checks of a subgraph: its tensors, its inputs and outputs, and the order of its operators.

use super::operator::Operator;
use super::options::{verify_options, verify_options_type};
use super::scales::verify_scales;
use super::tensor::{MAX_TENSOR_BYTES, Tensor};
use super::weights::verify_weights;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{BuiltinOperator, operator, sub_graph};

/// Limit for a subgraph's input, in bytes: five times an image of 4096 x 4096 pixels in uint8.
const MAX_INPUT_BYTES: u64 = 256 << 20;
/// Limit for the number of scales of all tensors together. Each channel of a weight tensor has a
/// scale. Without the limit, a file whose tensors all share one long vector would take minutes to
/// read.
const MAX_SCALES: usize = 1 << 24;

/// A verified subgraph.
pub struct Graph {
    /// Tensor indices of the inputs.
    pub inputs: Vec<usize>,
    /// Tensor indices of the outputs.
    pub outputs: Vec<usize>,
}

impl Graph {
    /// Checks a table `SubGraph` of a model with these operator codes and buffer sizes.
    pub fn verify(
        graph: Table<'_>,
        codes: &[BuiltinOperator],
        buffers: &[u64],
    ) -> Result<Self, ModelError> {
        let mut tensors = tensors(graph, buffers)?;
        let inputs = distinct(&graph.i32_vector(sub_graph::INPUTS), tensors.len())?;
        let outputs = distinct(&graph.i32_vector(sub_graph::OUTPUTS), tensors.len())?;
        for &input in &inputs {
            let usable = !tensors[input].is_constant && tensors[input].bytes <= MAX_INPUT_BYTES;
            require(usable, "a subgraph's input")?;
            tensors[input].is_ready = true;
        }
        let activations = tensors.iter().filter(|tensor| !tensor.is_constant);
        let activation_bytes = activations.map(|tensor| tensor.bytes).sum::<u64>();
        require(activation_bytes <= MAX_TENSOR_BYTES, "the total size of its tensors")?;
        let is_written = verify_operators(graph, codes, &mut tensors, &inputs)?;
        let computed =
            outputs.iter().all(|&output| is_written[output] && !inputs.contains(&output));
        require(computed, "a subgraph's output")?;
        Ok(Self { inputs, outputs })
    }
}

/// Checks the tensors of a subgraph.
fn tensors(graph: Table<'_>, buffers: &[u64]) -> Result<Vec<Tensor>, ModelError> {
    let tables = graph.tables(sub_graph::TENSORS);
    let mut tensors: Vec<Tensor> = Vec::with_capacity(tables.len());
    let mut scales = 0;
    for table in &tables {
        let tensor = Tensor::verify(*table, buffers, tables.len())?;
        scales += tensor.scales.len();
        require(scales <= MAX_SCALES, "the total number of its scales")?;
        tensors.push(tensor);
    }
    Ok(tensors)
}

/// Checks the operators in the order in which they run. An operator may read constant tensors,
/// inputs of the subgraph, and outputs of earlier operators. Each tensor is written once. Returns
/// for each tensor whether it is an input of the subgraph or written by an operator.
fn verify_operators(
    graph: Table<'_>,
    codes: &[BuiltinOperator],
    tensors: &mut [Tensor],
    inputs: &[usize],
) -> Result<Vec<bool>, ModelError> {
    let mut is_written = vec![false; tensors.len()];
    inputs.iter().for_each(|&input| is_written[input] = true);
    for operator in graph.tables(sub_graph::OPERATORS) {
        let code = codes.get(operator.u32(operator::OPCODE_INDEX) as usize);
        let code = *code.ok_or(ModelError::Damaged("an operator's code"))?;
        let operator = Operator::new(operator, code, tensors)?;
        for &output in &operator.outputs {
            let writable = !tensors[output].is_constant && !is_written[output];
            require(writable, "an operator's output")?;
            tensors[output].is_ready = true;
            is_written[output] = true;
        }
        verify_options_type(&operator)?;
        verify_scales(&operator, tensors)?;
        verify_options(&operator)?;
        verify_weights(&operator, tensors)?;
    }
    Ok(is_written)
}

/// Returns the tensor indices of the inputs or outputs, if each is valid and occurs once.
fn distinct(indices: &[i32], tensors: usize) -> Result<Vec<usize>, ModelError> {
    let mut distinct = Vec::with_capacity(indices.len());
    for &index in indices {
        let index = usize::try_from(index).ok();
        let index = index.filter(|index| *index < tensors && !distinct.contains(index));
        distinct.push(index.ok_or(ModelError::Damaged("a subgraph's inputs or outputs"))?);
    }
    Ok(distinct)
}
