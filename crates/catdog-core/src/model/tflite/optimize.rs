//! Rewriting a model, in memory, into one that XNNPACK takes whole.
//!
//! Dynamic-range quantisation leaves weights as int8 while activations are float ("hybrid"). XNNPACK
//! takes such convolutions and fully connected layers, but no depthwise ones: at each of them the
//! graph is left to a reference kernel, and every piece between is a graph of its own. Depthwise
//! weights are few (nine a channel), so nothing is lost when they are floats: the kernel computes
//! with the very values that the int8 weights stand for, and activations are no longer rounded to
//! eight bits before it.
//!
//! Only values are overwritten, and data appended: the type of the weight tensor, the references to
//! its quantisation and to its data. Every offset of the flatbuffer stays as it is.

use super::reader::{Bytes, Table};
use super::*;

/// Field numbers of `schema.fbs`.
const BUFFER_DATA: usize = 0;
const BUFFER_OFFSET: usize = 1;
const QUANTIZATION_DETAILS_TYPE: usize = 4;
const QUANTIZATION_DIMENSION: usize = 6;

const OP_DEPTHWISE_CONV_2D: i32 = 4;

/// `TensorType`.
const FLOAT32: u8 = 0;
const INT8: u8 = 9;

/// Flatbuffers of TFLite align data to this, and XNNPACK wants it.
const DATA_ALIGNMENT: usize = 16;

/// A model that was rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimized {
    /// The bytes of a `.tflite` file.
    pub file: Vec<u8>,
    /// How many weight tensors are floats now.
    pub weights: usize,
}

/// Rewrites `file`, which [`ModelInfo::parse`] accepts; `None` where there is nothing to gain.
pub fn optimize(file: &[u8]) -> Option<Optimized> {
    let model = Bytes(file).root(b"TFL3")?;
    let found = hybrid_depthwise_weights(model);
    if found.is_empty() {
        return None;
    }
    // Files packed behind the flatbuffer must stay at the end.
    let archive = archive_start(file);
    let mut rewritten = file[..archive].to_vec();
    align(&mut rewritten, 4);
    // A table without fields: the size of its vtable, its own size, and the way back to the vtable.
    let no_quantization = rewritten.len() + 4;
    rewritten.extend([4, 0, 4, 0, 4, 0, 0, 0]);
    for weights in &found {
        // The count comes before the aligned data.
        align(&mut rewritten, DATA_ALIGNMENT);
        rewritten.extend([0; DATA_ALIGNMENT - 4]);
        let vector = rewritten.len();
        rewritten.extend(u32::try_from(4 * weights.values.len()).ok()?.to_le_bytes());
        rewritten.extend(weights.values.iter().flat_map(|value| value.to_le_bytes()));
        *rewritten.get_mut(weights.kind)? = FLOAT32;
        refer(&mut rewritten, weights.quantization, no_quantization)?;
        refer(&mut rewritten, weights.data, vector)?;
    }
    align(&mut rewritten, DATA_ALIGNMENT);
    rewritten.extend(&file[archive..]);
    // What cannot be read must not be run.
    ModelInfo::parse(&rewritten).ok()?;
    Some(Optimized { file: rewritten, weights: found.len() })
}

/// One weight tensor: what it is to hold, and where the file says what it holds.
struct Weights {
    values: Vec<f32>,
    /// Position of the tensor's type.
    kind: usize,
    /// Position of the reference to its quantisation.
    quantization: usize,
    /// Position of the reference to its data.
    data: usize,
}

fn hybrid_depthwise_weights(model: Table<'_>) -> Vec<Weights> {
    let codes: Vec<i32> = model.tables(OPERATOR_CODES).into_iter().map(builtin_operator).collect();
    let buffers = model.tables(BUFFERS);
    let graphs = model.tables(SUBGRAPHS);
    let graphs: Vec<(Vec<Table<'_>>, Vec<Table<'_>>)> = graphs
        .iter()
        .map(|graph| (graph.tables(GRAPH_TENSORS), graph.tables(GRAPH_OPERATORS)))
        .collect();
    // Of buffers and of tables that two tensors use, neither may be changed for one of them.
    let mut users = vec![0; buffers.len()];
    for tensor in graphs.iter().flat_map(|(tensors, _)| tensors) {
        if let Some(users) = users.get_mut(tensor.u32(TENSOR_BUFFER) as usize) {
            *users += 1;
        }
    }
    let mut found = Vec::new();
    for (tensors, operators) in &graphs {
        let mut readers = vec![0; tensors.len()];
        for index in operators.iter().flat_map(|operator| operator.i32_vector(OPERATOR_INPUTS)) {
            if let Some(readers) = usize::try_from(index).ok().and_then(|i| readers.get_mut(i)) {
                *readers += 1;
            }
        }
        for operator in operators {
            if codes.get(operator.u32(OPERATOR_CODE) as usize) != Some(&OP_DEPTHWISE_CONV_2D) {
                continue;
            }
            let inputs = operator.i32_vector(OPERATOR_INPUTS);
            let tensor = |position: usize| {
                let index = usize::try_from(*inputs.get(position)?).ok()?;
                Some((index, *tensors.get(index)?))
            };
            let (Some((_, input)), Some((index, weights))) = (tensor(0), tensor(1)) else {
                continue;
            };
            let buffer = weights.u32(TENSOR_BUFFER) as usize;
            let hybrid = input.u8(TENSOR_TYPE) == FLOAT32 && weights.u8(TENSOR_TYPE) == INT8;
            let alone = readers[index] == 1 && users.get(buffer) == Some(&1);
            if hybrid && alone {
                found.extend(buffers.get(buffer).and_then(|buffer| read_weights(weights, *buffer)));
            }
        }
    }
    // Damaged files may lay one table over another.
    let mut positions: Vec<usize> =
        found.iter().flat_map(|w| [w.kind, w.quantization, w.data]).collect();
    positions.sort_unstable();
    if positions.windows(2).any(|pair| pair[0] == pair[1]) {
        return Vec::new();
    }
    found
}

/// The values that the int8 weights stand for: `scale[channel] * stored`, the zero points being 0
/// (the TensorFlow Lite 8-bit quantisation specification).
fn read_weights(tensor: Table<'_>, buffer: Table<'_>) -> Option<Weights> {
    let parameters = tensor.table(TENSOR_QUANTIZATION)?;
    let scales = parameters.f32_vector(QUANTIZATION_SCALE);
    let symmetric = parameters.i64_vector(QUANTIZATION_ZERO_POINT).iter().all(|zero| *zero == 0);
    let plain = parameters.u8(QUANTIZATION_DETAILS_TYPE) == 0 && buffer.u64(BUFFER_OFFSET) == 0;
    if !symmetric || !plain {
        return None;
    }
    let shape: Vec<usize> = tensor
        .i32_vector(TENSOR_SHAPE)
        .into_iter()
        .map(usize::try_from)
        .collect::<Result<_, _>>()
        .ok()?;
    let stored = buffer.byte_vector(BUFFER_DATA)?;
    let count = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))?;
    if count == 0 || stored.len() != count {
        return None;
    }
    // How many elements in a row share a scale, along the quantised dimension.
    let dimension = usize::try_from(parameters.i32(QUANTIZATION_DIMENSION, 0)).ok()?;
    let run = match scales.len() {
        1 => count,
        channels if shape.get(dimension) == Some(&channels) => {
            shape[dimension + 1..].iter().product()
        }
        _ => return None,
    };
    let scale = |index: usize| scales[index / run % scales.len()];
    let values =
        stored.iter().enumerate().map(|(i, &byte)| scale(i) * f32::from(byte as i8)).collect();
    Some(Weights {
        values,
        kind: tensor.field(TENSOR_TYPE)?,
        quantization: tensor.field(TENSOR_QUANTIZATION)?,
        data: buffer.field(BUFFER_DATA)?,
    })
}

/// Makes the reference at `position` lead to `target`, further on.
fn refer(file: &mut [u8], position: usize, target: usize) -> Option<()> {
    let distance = u32::try_from(target.checked_sub(position)?).ok()?;
    file.get_mut(position..position + 4)?.copy_from_slice(&distance.to_le_bytes());
    Some(())
}

fn align(file: &mut Vec<u8>, alignment: usize) {
    file.resize(file.len().next_multiple_of(alignment), 0);
}

/// Where the ZIP archive behind the flatbuffer begins, or the end.
fn archive_start(file: &[u8]) -> usize {
    let start = || {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).ok()?;
        let starts = (0..archive.len()).map(|i| Some(archive.by_index(i).ok()?.header_start()));
        starts.collect::<Option<Vec<u64>>>()?.into_iter().min()
    };
    start().and_then(|start| usize::try_from(start).ok()).unwrap_or(file.len()).min(file.len())
}
