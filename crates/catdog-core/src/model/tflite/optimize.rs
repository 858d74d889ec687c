//! Rewrites a dynamic-range model in memory, so that XNNPACK can run it as one partition.
//!
//! Dynamic-range quantization stores weights as int8 and computes with float activations ("hybrid"
//! operators). XNNPACK runs hybrid convolutions and fully connected layers, but not hybrid
//! depthwise convolutions. Each of these runs in a reference kernel and ends a partition of the
//! graph. The rewrite dequantizes depthwise weights to float32. The file hardly grows, because
//! these weights are few (nine per channel for a 3x3 kernel). No accuracy is lost: the float kernel
//! uses the values that the int8 weights represent, and it does not round the activations to eight
//! bits.
//!
//! The rewrite overwrites values in place and appends data: the type of the weight tensor, the
//! references to its quantization and to its data. All other offsets of the flatbuffer stay valid.

use std::io::Cursor;

use super::model_info::verify_file;
use super::reader::{EMPTY_TABLE, EMPTY_TABLE_POSITION, Flatbuffer, REFERENCE_BYTES, Table};
use super::schema::{
    BuiltinOperator, MODEL_IDENTIFIER, TensorType, buffer, layer_inputs, model, operator,
    quantization_details, quantization_parameters, sub_graph, tensor,
};
use super::verify::verify_limits;

/// Limit for the size of the float weights, in bytes. Depthwise weights are few: the largest networks
/// have two megabytes. Weights of a malicious file can share their data.
const MAX_FLOAT_BYTES: usize = 64 << 20;
/// Alignment of tensor data, in bytes: `force_align` of `Buffer.data` in `schema.fbs`.
const DATA_ALIGNMENT: usize = 16;

/// A rewritten model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Optimized {
    /// The bytes of a `.tflite` file.
    pub file: Vec<u8>,
    /// Number of weight tensors that were dequantized.
    pub weights: usize,
}

/// Rewrites `file`, which [`ModelInfo::parse`](super::ModelInfo::parse) accepts. Returns `None` if it has no hybrid
/// depthwise convolutions, or if the rewritten model would not be accepted.
pub fn optimize(file: &[u8]) -> Option<Optimized> {
    let root = Flatbuffer::root(file, MODEL_IDENTIFIER)?;
    verify_limits(root).ok()?;
    let found = hybrid_depthwise_weights(root);
    if found.is_empty() {
        return None;
    }
    // The archive must stay at the end of the file.
    let archive = archive_start(file);
    let mut rewritten = file[..archive].to_vec();
    align(&mut rewritten, REFERENCE_BYTES);
    let no_quantization = rewritten.len() + EMPTY_TABLE_POSITION;
    rewritten.extend(EMPTY_TABLE);
    for weights in &found {
        // A vector is its count and its elements; the elements are aligned.
        align(&mut rewritten, DATA_ALIGNMENT);
        rewritten.extend([0; DATA_ALIGNMENT - REFERENCE_BYTES]);
        let vector = rewritten.len();
        let bytes = size_of::<f32>() * weights.values.len();
        rewritten.extend(u32::try_from(bytes).ok()?.to_le_bytes());
        rewritten.extend(weights.values.iter().flat_map(|value| value.to_le_bytes()));
        *rewritten.get_mut(weights.type_position)? = TensorType::FLOAT32.code();
        set_reference(&mut rewritten, weights.quantization_position, no_quantization)?;
        set_reference(&mut rewritten, weights.data_position, vector)?;
    }
    align(&mut rewritten, DATA_ALIGNMENT);
    rewritten.extend(&file[archive..]);
    // In a damaged file, tables can overlap, so that an overwritten value also changes another
    // table.
    verify_file(&rewritten).ok()?;
    Some(Optimized { file: rewritten, weights: found.len() })
}

/// A weight tensor to be dequantized. Positions are byte offsets in the file.
struct Weights {
    /// The dequantized elements.
    values: Vec<f32>,
    /// Position of the type of the tensor.
    type_position: usize,
    /// Position of the reference to the quantization of the tensor.
    quantization_position: usize,
    /// Position of the reference to the data of the buffer.
    data_position: usize,
}

/// A table `SubGraph`.
struct Graph<'a> {
    tensors: Vec<Table<'a>>,
    operators: Vec<Table<'a>>,
}

/// Returns the weights of all hybrid depthwise convolutions that can be changed without side
/// effects.
fn hybrid_depthwise_weights(root: Table<'_>) -> Vec<Weights> {
    let codes = root.tables(model::OPERATOR_CODES).into_iter().map(BuiltinOperator::of);
    let codes: Vec<BuiltinOperator> = codes.collect();
    let buffers = root.tables(model::BUFFERS);
    let graphs = root.tables(model::SUBGRAPHS).into_iter().map(|graph| Graph {
        tensors: graph.tables(sub_graph::TENSORS),
        operators: graph.tables(sub_graph::OPERATORS),
    });
    let graphs: Vec<Graph<'_>> = graphs.collect();
    let tensors = graphs.iter().flat_map(|graph| &graph.tensors);
    let buffer_uses = count_uses(buffers.len(), tensors.map(|tensor| buffer_index(*tensor)));
    let (mut found, mut bytes) = (Vec::new(), 0);
    for (weights, buffer_index) in graphs.iter().flat_map(|graph| graph.hybrid_weights(&codes)) {
        // Another tensor with the same buffer would change, too.
        if buffer_uses.get(buffer_index) == Some(&1) {
            let weights = buffers.get(buffer_index).and_then(|b| dequantize(weights, *b));
            bytes += weights.as_ref().map_or(0, |weights| size_of::<f32>() * weights.values.len());
            if bytes > MAX_FLOAT_BYTES {
                return Vec::new();
            }
            found.extend(weights);
        }
    }
    if positions_overlap(&found) { Vec::new() } else { found }
}

impl<'a> Graph<'a> {
    /// Returns the weight tensors of hybrid depthwise convolutions that no other operator reads,
    /// with the indices of their buffers.
    fn hybrid_weights(&self, codes: &[BuiltinOperator]) -> Vec<(Table<'a>, usize)> {
        let inputs = self.operators.iter().flat_map(|o| o.i32_vector(operator::INPUTS));
        let indices = inputs.filter_map(|index| usize::try_from(index).ok());
        let tensor_uses = count_uses(self.tensors.len(), indices);
        let mut found = Vec::new();
        for operator in &self.operators {
            let code = codes.get(operator.u32(operator::OPCODE_INDEX) as usize);
            if code != Some(&BuiltinOperator::DEPTHWISE_CONV_2D) {
                continue;
            }
            let inputs = operator.i32_vector(operator::INPUTS);
            let tensor = |position: usize| {
                let index = usize::try_from(*inputs.get(position)?).ok()?;
                Some((index, *self.tensors.get(index)?))
            };
            let (Some((_, input)), Some((index, weights))) =
                (tensor(layer_inputs::INPUT), tensor(layer_inputs::WEIGHTS))
            else {
                continue;
            };
            let is_hybrid = TensorType::of(input) == TensorType::FLOAT32
                && TensorType::of(weights) == TensorType::INT8;
            if is_hybrid && tensor_uses[index] == 1 {
                found.push((weights, buffer_index(weights)));
            }
        }
        found
    }
}

fn buffer_index(tensor: Table<'_>) -> usize {
    tensor.u32(tensor::BUFFER) as usize
}

/// Counts how often each index below `len` occurs.
fn count_uses(len: usize, indices: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut uses = vec![0; len];
    for index in indices {
        if let Some(uses) = uses.get_mut(index) {
            *uses += 1;
        }
    }
    uses
}

/// Returns whether two of the values to be overwritten have the same position, because tables of a
/// damaged file overlap.
fn positions_overlap(found: &[Weights]) -> bool {
    let positions =
        found.iter().flat_map(|w| [w.type_position, w.quantization_position, w.data_position]);
    let mut positions: Vec<usize> = positions.collect();
    positions.sort_unstable();
    positions.windows(2).any(|pair| pair[0] == pair[1])
}

/// Computes the real values of int8 weights: `scale[channel] * stored`. Returns `None` if the zero
/// points are not 0 or the quantization is not per tensor or per channel.
///
/// Source: the TensorFlow Lite 8-bit quantization specification.
fn dequantize(tensor: Table<'_>, buffer: Table<'_>) -> Option<Weights> {
    let parameters = tensor.table(tensor::QUANTIZATION)?;
    let scales = parameters.f32_vector(quantization_parameters::SCALE);
    let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
    let has_details =
        parameters.u8(quantization_parameters::DETAILS_TYPE) != quantization_details::NONE;
    let is_inline = buffer.u64(buffer::OFFSET) == 0;
    if zero_points.iter().any(|zero_point| *zero_point != 0) || has_details || !is_inline {
        return None;
    }
    let shape = tensor.i32_vector(tensor::SHAPE).into_iter().map(usize::try_from);
    let shape: Vec<usize> = shape.collect::<Result<_, _>>().ok()?;
    let stored = buffer.byte_vector(buffer::DATA)?;
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
    if count == 0 || stored.len() != count {
        return None;
    }
    let dimension = parameters.i32(quantization_parameters::QUANTIZED_DIMENSION);
    let dimension = usize::try_from(dimension).ok()?;
    // The number of consecutive elements with the same scale.
    let run = match scales.len() {
        1 => count,
        channels if shape.get(dimension) == Some(&channels) => {
            shape[dimension + 1..].iter().product()
        }
        _ => return None,
    };
    let scale = |index: usize| scales[index / run % scales.len()];
    let values = stored.iter().enumerate().map(|(i, &byte)| scale(i) * f32::from(byte as i8));
    Some(Weights {
        values: values.collect(),
        type_position: tensor.field(tensor::TYPE)?,
        quantization_position: tensor.field(tensor::QUANTIZATION)?,
        data_position: buffer.field(buffer::DATA)?,
    })
}

/// Makes the reference at `position` lead to `target`, which must be at a larger position.
fn set_reference(file: &mut [u8], position: usize, target: usize) -> Option<()> {
    let distance = u32::try_from(target.checked_sub(position)?).ok()?;
    let reference = file.get_mut(position..position + REFERENCE_BYTES)?;
    reference.copy_from_slice(&distance.to_le_bytes());
    Some(())
}

/// Appends zeros until the length is a multiple of `alignment`.
fn align(file: &mut Vec<u8>, alignment: usize) {
    file.resize(file.len().next_multiple_of(alignment), 0);
}

/// Returns the position of the ZIP archive after the flatbuffer; the length of the file if there is
/// no archive.
fn archive_start(file: &[u8]) -> usize {
    let start = || {
        let mut archive = zip::ZipArchive::new(Cursor::new(file)).ok()?;
        let starts = (0..archive.len()).map(|i| Some(archive.by_index_raw(i).ok()?.header_start()));
        starts.collect::<Option<Vec<u64>>>()?.into_iter().min()
    };
    start().and_then(|start| usize::try_from(start).ok()).unwrap_or(file.len()).min(file.len())
}
