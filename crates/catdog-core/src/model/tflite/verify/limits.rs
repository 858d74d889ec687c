//! The limits for the number and the size of the parts of a file, which are checked before anything
//! else is read.
//!
//! All references of a malicious file can lead to the same part: thousands of tensors to one long
//! name, thousands of subgraphs to one list of tensors. Then the size of the file limits neither the
//! time to read them nor the memory of LiteRT, which copies every part for every reference. A part
//! that is referred to several times therefore counts several times here.
//!
//! A list that is too long for the reader, or outside the file, would look empty to the other checks.

use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::operator_options::{
    reshape_options, squeeze_options, stablehlo_composite_options,
};
use crate::model::tflite::reader::{MAX_INDICES, REFERENCE_BYTES, Table};
use crate::model::tflite::schema::{
    BuiltinOptions, builtin_options_2, dimension_metadata, metadata, model, operator,
    operator_code, quantization_parameters, signature_def, sparsity_parameters, sub_graph, tensor,
    tensor_map,
};

use super::tensor::MAX_RANK;

/// Limit for the number of operators and tensors of all subgraphs together, in which a called
/// subgraph counts for each call. The largest classifiers have a few thousand.
pub const MAX_PARTS: usize = 1 << 17;
/// Limit for the inputs and outputs of all operators together, counted likewise: a hundred times
/// those of the largest classifiers.
pub const MAX_CONNECTIONS: usize = 1 << 20;
/// Limit for the number of all tables together.
const MAX_TABLES: usize = 1 << 19;
/// Limit for the size of all names and lists together, in bytes; the data of buffers does not count.
/// The largest classifiers have one megabyte of names, and less of scales and zero points.
const MAX_BYTES: usize = 64 << 20;

/// Checks the number and the size of the parts of the model with the root table `root`.
///
/// # Errors
///
/// [`ModelError::Damaged`] with what is too much, or is outside the file.
pub fn verify_limits(root: Table<'_>) -> Result<(), ModelError> {
    let mut limits = Limits::default();
    for code in limits.tables(root, model::OPERATOR_CODES)? {
        limits.list(code, operator_code::CUSTOM_CODE, 1)?;
    }
    limits.tables(root, model::BUFFERS)?;
    for entry in limits.tables(root, model::METADATA)? {
        limits.list(entry, metadata::NAME, 1)?;
    }
    for signature in limits.tables(root, model::SIGNATURE_DEFS)? {
        limits.list(signature, signature_def::SIGNATURE_KEY, 1)?;
        for ports in [signature_def::INPUTS, signature_def::OUTPUTS] {
            for port in limits.tables(signature, ports)? {
                limits.list(port, tensor_map::NAME, 1)?;
            }
        }
    }
    for graph in limits.tables(root, model::SUBGRAPHS)? {
        limits.subgraph(graph)?;
    }
    Ok(())
}

/// What was counted so far.
#[derive(Default)]
struct Limits {
    tables: usize,
    parts: usize,
    connections: usize,
    bytes: usize,
}

impl Limits {
    /// Counts the tables of a vector, and returns them.
    fn tables<'a>(&mut self, table: Table<'a>, id: usize) -> Result<Vec<Table<'a>>, ModelError> {
        // The references are counted before they are followed.
        self.tables += self.list(table, id, REFERENCE_BYTES)?;
        require(self.tables <= MAX_TABLES, "the number of its tables")?;
        let tables = table.tables(id);
        let is_read = table.list_len(id, REFERENCE_BYTES).unwrap_or(0) == tables.len();
        require(is_read, "a list of tables")?;
        Ok(tables)
    }

    /// Counts a vector or string of elements with `size` bytes, and returns their number.
    fn list(&mut self, table: Table<'_>, id: usize, size: usize) -> Result<usize, ModelError> {
        if !table.has(id) {
            return Ok(0);
        }
        let len = table.list_len(id, size).ok_or(ModelError::Damaged("a list outside the file"))?;
        // The length and a terminator belong to it.
        self.bytes = self.bytes.saturating_add(len.saturating_mul(size) + 2 * REFERENCE_BYTES);
        require(self.bytes <= MAX_BYTES, "the size of all its names and lists")?;
        Ok(len)
    }

    /// Counts a vector of tensor indices.
    fn indices(&mut self, table: Table<'_>, id: usize) -> Result<(), ModelError> {
        let len = self.list(table, id, size_of::<i32>())?;
        self.connections += len;
        let is_usual = len <= MAX_INDICES && self.connections <= MAX_CONNECTIONS;
        require(is_usual, "the number of its inputs and outputs")
    }

    fn subgraph(&mut self, graph: Table<'_>) -> Result<(), ModelError> {
        self.list(graph, sub_graph::NAME, 1)?;
        self.indices(graph, sub_graph::INPUTS)?;
        self.indices(graph, sub_graph::OUTPUTS)?;
        let tensors = self.tables(graph, sub_graph::TENSORS)?;
        let operators = self.tables(graph, sub_graph::OPERATORS)?;
        self.parts += tensors.len() + operators.len();
        require(self.parts <= MAX_PARTS, "the number of its operators")?;
        tensors.into_iter().try_for_each(|tensor| self.tensor(tensor))?;
        operators.into_iter().try_for_each(|operator| self.operator(operator))
    }

    fn tensor(&mut self, tensor: Table<'_>) -> Result<(), ModelError> {
        for id in [tensor::SHAPE, tensor::SHAPE_SIGNATURE] {
            let rank = self.list(tensor, id, size_of::<i32>())?;
            require(rank <= MAX_RANK, "the number of a tensor's dimensions")?;
        }
        self.list(tensor, tensor::NAME, 1)?;
        if let Some(parameters) = tensor.table(tensor::QUANTIZATION) {
            use quantization_parameters::{MAX, MIN, SCALE, ZERO_POINT};
            for id in [MIN, MAX, SCALE] {
                self.list(parameters, id, size_of::<f32>())?;
            }
            self.list(parameters, ZERO_POINT, size_of::<i64>())?;
        }
        if let Some(sparsity) = tensor.table(tensor::SPARSITY) {
            use sparsity_parameters::{BLOCK_MAP, DIM_METADATA, TRAVERSAL_ORDER};
            self.list(sparsity, TRAVERSAL_ORDER, size_of::<i32>())?;
            self.list(sparsity, BLOCK_MAP, size_of::<i32>())?;
            for dimension in self.tables(sparsity, DIM_METADATA)? {
                for id in [dimension_metadata::SEGMENTS, dimension_metadata::INDICES] {
                    if let Some(values) = dimension.table(id) {
                        self.list(values, dimension_metadata::VALUES, 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn operator(&mut self, operator: Table<'_>) -> Result<(), ModelError> {
        for id in [operator::INPUTS, operator::OUTPUTS, operator::INTERMEDIATES] {
            self.indices(operator, id)?;
        }
        self.list(operator, operator::CUSTOM_OPTIONS, 1)?;
        self.list(operator, operator::MUTATING_VARIABLE_INPUTS, 1)?;
        let options = operator.table(operator::BUILTIN_OPTIONS);
        let list = match BuiltinOptions::of(operator) {
            BuiltinOptions::RESHAPE => Some(reshape_options::NEW_SHAPE),
            BuiltinOptions::SQUEEZE => Some(squeeze_options::SQUEEZE_DIMS),
            _ => None,
        };
        if let Some((options, list)) = options.zip(list) {
            let dimensions = self.list(options, list, size_of::<i32>())?;
            require(dimensions <= MAX_RANK, "the number of dimensions in an operator's options")?;
        }
        let kind = operator.u8(operator::BUILTIN_OPTIONS_2_TYPE);
        let options = operator.table(operator::BUILTIN_OPTIONS_2);
        if let Some(options) = options.filter(|_| kind == builtin_options_2::STABLEHLO_COMPOSITE) {
            self.list(options, stablehlo_composite_options::NAME, 1)?;
            self.list(options, stablehlo_composite_options::ATTRIBUTES, 1)?;
        }
        Ok(())
    }
}
