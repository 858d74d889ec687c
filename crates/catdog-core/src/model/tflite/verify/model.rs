//! The checks of a whole model: operator codes, buffers, subgraphs, metadata entries.

use std::collections::BTreeSet;

use super::budget::Budget;
use super::codes::Code;
use super::control_dependencies;
use super::graph::GraphVerifier;
use super::tensor::Tensor;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::operator_options::stablehlo_composite_options;
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{
    MIN_BUFFER_OFFSET, MODEL_VERSION, buffer, builtin_options_2, metadata, model, operator,
    sub_graph, tensor,
};

/// The shape that the runtime gives to the input of a subgraph.
pub struct InputShape {
    /// Index of the subgraph.
    pub subgraph: usize,
    /// The shape, with all dimensions fixed.
    pub shape: Vec<i32>,
}

/// Checks the model `file`, whose root table is `root`. `input` is the shape of an input that is
/// open in the file; the other inputs have the shapes in the file.
///
/// # Errors
///
/// [`ModelError`] with the first part that is malformed, the first operator that catdog does not
/// run, or the first result that is too large.
pub fn verify<'a>(
    file: &'a [u8],
    root: Table<'a>,
    subgraphs: &'a [Table<'a>],
    input: Option<&InputShape>,
) -> Result<(), ModelError> {
    require(root.u32(model::VERSION) == MODEL_VERSION, "its schema version")?;
    require(!subgraphs.is_empty(), "its list of subgraphs")?;
    let buffers = buffers(file, root)?;
    let entries = root.tables(model::METADATA);
    for entry in entries {
        let buffer = entry.u32(metadata::BUFFER) as usize;
        let is_valid = entry.has(metadata::NAME) && buffer < buffers.len();
        require(is_valid, "a metadata entry")?;
        if entry.c_string(metadata::NAME) == Some(control_dependencies::NAME) {
            let valid = control_dependencies::are_valid(buffers[buffer], subgraphs);
            require(valid, "its metadata about the order of operators")?;
        }
    }
    let chosen = input.map_or(0, |input| {
        input.shape.iter().map(|&dimension| u64::try_from(dimension).unwrap_or(0)).product()
    });
    // Buffers of a malicious file can share their data.
    let stored = stored_bytes(subgraphs, &buffers).min(file.len() as u64);
    // A subgraph that others call has the shapes of the call. The file says nothing about them.
    let called = called(subgraphs);
    let entries = subgraphs.iter().zip(&called).filter(|(_, is_called)| !**is_called);
    let elements = input_elements(entries.map(|(graph, _)| *graph), &buffers);
    let budget = Budget::new(stored, elements.max(chosen));
    let mut verifier = GraphVerifier::new(subgraphs, Code::all(root)?, buffers, budget);
    // The second round is for subgraphs that call each other in a circle.
    for is_first_round in [true, false] {
        for (index, &is_called) in called.iter().enumerate() {
            if (is_first_round && is_called) || verifier.is_verified(index) {
                continue;
            }
            let shape = input.filter(|input| input.subgraph == index);
            let shapes = shape.map(|input| std::slice::from_ref(&input.shape));
            verifier.verify(index, shapes)?;
        }
    }
    Ok(())
}

/// Returns the size of all buffers that a tensor uses, in bytes. A malicious file can have others.
fn stored_bytes(subgraphs: &[Table<'_>], buffers: &[&[u8]]) -> u64 {
    let tensors = subgraphs.iter().flat_map(|graph| graph.tables(sub_graph::TENSORS));
    let used: BTreeSet<u32> = tensors.map(|table| table.u32(tensor::BUFFER)).collect();
    used.iter().filter_map(|&index| buffers.get(index as usize)).map(|data| data.len() as u64).sum()
}

/// Returns the number of elements of the largest input of a subgraph.
fn input_elements<'a>(subgraphs: impl Iterator<Item = Table<'a>>, buffers: &[&'a [u8]]) -> u64 {
    let elements = subgraphs.flat_map(|graph| {
        let tensors = graph.tables(sub_graph::TENSORS);
        let inputs = graph.i32_vector(sub_graph::INPUTS).into_iter();
        inputs
            .filter_map(|input| tensors.get(usize::try_from(input).ok()?).copied())
            .filter_map(|table| {
                let mut tensor = Tensor::verify(table, buffers, tensors.len()).ok()?;
                tensor.fix_dimensions();
                Some(tensor.elements())
            })
            .collect::<Vec<u64>>()
    });
    elements.max().unwrap_or(0)
}

/// Returns for each subgraph whether an operator calls it.
fn called(subgraphs: &[Table<'_>]) -> Vec<bool> {
    let mut called = vec![false; subgraphs.len()];
    for operator in subgraphs.iter().flat_map(|graph| graph.tables(sub_graph::OPERATORS)) {
        let is_call =
            operator.u8(operator::BUILTIN_OPTIONS_2_TYPE) == builtin_options_2::STABLEHLO_COMPOSITE;
        let options = operator.table(operator::BUILTIN_OPTIONS_2).filter(|_| is_call);
        let index = options
            .map(|options| options.i32(stablehlo_composite_options::DECOMPOSITION_SUBGRAPH_INDEX));
        let index = index.and_then(|index| usize::try_from(index).ok());
        if let Some(called) = index.and_then(|index| called.get_mut(index)) {
            *called = true;
        }
    }
    called
}

/// Returns the contents of each buffer. They are in the flatbuffer or, in files of more than 2 GiB,
/// after it.
pub(super) fn buffers<'a>(file: &'a [u8], root: Table<'a>) -> Result<Vec<&'a [u8]>, ModelError> {
    let data = |buffer: Table<'a>| {
        let damaged = ModelError::Damaged("the position of a buffer");
        let (offset, size) = (buffer.u64(buffer::OFFSET), buffer.u64(buffer::SIZE));
        if offset >= MIN_BUFFER_OFFSET {
            let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
            let data = range.and_then(|(start, size)| file.get(start..start.checked_add(size)?));
            return data.filter(|_| !buffer.has(buffer::DATA)).ok_or(damaged);
        }
        match buffer.byte_vector(buffer::DATA) {
            Some(data) => Ok(data),
            None if buffer.has(buffer::DATA) => Err(damaged),
            None => Ok(&[][..]),
        }
    };
    let buffers = root.tables(model::BUFFERS);
    let buffers: Vec<&[u8]> = buffers.into_iter().map(data).collect::<Result<_, _>>()?;
    require(!buffers.is_empty(), "its list of buffers")?;
    Ok(buffers)
}
