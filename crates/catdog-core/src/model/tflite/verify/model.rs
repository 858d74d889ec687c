//! The checks of a whole model: operator codes, buffers, subgraphs, signatures, metadata entries.

use super::graph::Graph;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{
    BuiltinOperator, MIN_BUFFER_OFFSET, MODEL_VERSION, buffer, metadata, model, operator_code,
};

/// Checks the model `file`, whose root table is `root`.
///
/// # Errors
///
/// [`ModelError::Damaged`] with the first part that is malformed.
pub fn verify(file: &[u8], root: Table<'_>, subgraphs: &[Table<'_>]) -> Result<(), ModelError> {
    require(root.u32(model::VERSION) == MODEL_VERSION, "its schema version")?;
    require(!subgraphs.is_empty(), "its list of subgraphs")?;
    let codes = operator_codes(root)?;
    let buffers = buffer_sizes(file, root)?;
    for graph in subgraphs {
        Graph::verify(*graph, &codes, &buffers)?;
    }
    for entry in root.tables(model::METADATA) {
        let buffer = entry.u32(metadata::BUFFER) as usize;
        let is_valid = entry.string(metadata::NAME).is_some() && buffer < buffers.len();
        require(is_valid, "a metadata entry")?;
    }
    Ok(())
}

/// Returns the operations that the operators refer to by index.
fn operator_codes(root: Table<'_>) -> Result<Vec<BuiltinOperator>, ModelError> {
    let verify = |code: Table<'_>| {
        let builtin = BuiltinOperator::of(code);
        let custom_name = code.string(operator_code::CUSTOM_CODE).unwrap_or_default();
        let is_valid = builtin.is_valid()
            && code.i32(operator_code::VERSION) >= 1
            && (builtin != BuiltinOperator::CUSTOM || !custom_name.is_empty());
        require(is_valid, "an operator code").map(|()| builtin)
    };
    root.tables(model::OPERATOR_CODES).into_iter().map(verify).collect()
}

/// Returns the size of each buffer in bytes. The data is in the flatbuffer or, in files of more
/// than 2 GiB, after it.
fn buffer_sizes(file: &[u8], root: Table<'_>) -> Result<Vec<u64>, ModelError> {
    let size = |buffer: Table<'_>| {
        let (offset, size) = (buffer.u64(buffer::OFFSET), buffer.u64(buffer::SIZE));
        if offset >= MIN_BUFFER_OFFSET {
            let end = offset.checked_add(size).filter(|&end| end <= file.len() as u64);
            require(end.is_some() && !buffer.has(buffer::DATA), "the position of a buffer")?;
            return Ok(size);
        }
        match buffer.byte_vector(buffer::DATA) {
            Some(data) => Ok(data.len() as u64),
            None => require(!buffer.has(buffer::DATA), "the position of a buffer").map(|()| 0),
        }
    };
    let buffers = root.tables(model::BUFFERS);
    let sizes: Vec<u64> = buffers.into_iter().map(size).collect::<Result<_, _>>()?;
    require(!sizes.is_empty(), "its list of buffers")?;
    Ok(sizes)
}
