//! The memory and the time that a model may need.
//!
//! A file of a few kilobytes can describe tensors of gigabytes: a RESIZE, a TILE or a RANGE makes a
//! large result from small numbers. The limits depend on the two quantities that are not invented:
//! the size of the input, and the size of the file, which holds the weights.

use std::ops::RangeInclusive;

use super::args::Args;
use super::fault::Fault;
use super::shape_rule::ShapeRule as Rule;
use super::tensor::Tensor;
use crate::model::tflite::operator_options::{
    local_response_normalization_options, pool_2d_options,
};
use crate::model::tflite::reader::I32Field;
use crate::model::tflite::schema::BuiltinOperator;
use crate::model::tflite::schema::layer_inputs::WEIGHTS;

/// Memory that every model may need for its activations, in bytes. It suffices for the usual
/// networks at 224x224, so that a model with a small input may enlarge it to this size.
const BASE_MEMORY: u64 = 64 << 20;
/// Additional memory for each element of the input, in bytes. EfficientNet-B7 at 600x600 needs 130
/// bytes, VGG-16 at 224x224 needs 170.
const MEMORY_PER_ELEMENT: u64 = 1 << 10;
/// Limit for the memory, in bytes.
const MAX_MEMORY: u64 = 1 << 30;
/// Bytes for the weights that the operators keep in their own form, for each byte of the file: int8
/// weights that are dequantized have four, and a few operators can share weights. Many operators that
/// share large weights need terabytes.
const PACKED_PER_BYTE: u64 = 8;

/// Multiplications that every model may need; they take a few tenths of a second.
const BASE_WORK: u64 = 1 << 29;
/// Additional multiplications for each element of the input, for products of activations. ViT-L at
/// 384x384 needs 37,000.
const WORK_PER_ELEMENT: u64 = 1 << 17;
/// Positions at which every weight may be used, at least; a model with a larger input may use it at
/// every pixel.
const MIN_POSITIONS: u64 = 224 * 224;
/// Weights in a byte of the file, at most (int4).
const WEIGHTS_PER_BYTE: u64 = 2;
/// Limit for the multiplications; ViT-L at 384x384 needs 2^37.5.
const MAX_WORK: u64 = 1 << 38;
/// Bytes that XNNPACK keeps for each element of the kernel at each position of its result: a pointer
/// to a pixel (`indirection_buffer`). A kernel of 1x1 needs none.
const INDIRECTION_BYTES: u64 = 8;
/// Positions of the weights in the inputs of UNIDIRECTIONAL_SEQUENCE_LSTM.
const LSTM_WEIGHTS: RangeInclusive<usize> = 1..=8;
/// Multiplications that take as long as one element of an operator without multiplications.
const WORK_OF_ELEMENT: u64 = 16;

/// The memory and the time that are left for a model.
pub struct Budget {
    memory: u64,
    work: u64,
    /// Memory that the operators so far keep between inferences, in bytes.
    kept: u64,
    /// Size of the weights that the operators so far keep in their own form, in bytes.
    packed: u64,
    /// Limit for `packed`.
    max_packed: u64,
}

impl Budget {
    /// Returns the budget of a model whose tensors have `stored_bytes` bytes in the file, and whose
    /// input has `elements` elements.
    pub fn new(stored_bytes: u64, elements: u64) -> Self {
        let memory = elements.saturating_mul(MEMORY_PER_ELEMENT).saturating_add(BASE_MEMORY);
        let weights = stored_bytes.saturating_mul(WEIGHTS_PER_BYTE);
        let work = elements
            .saturating_mul(WORK_PER_ELEMENT)
            .saturating_add(weights.saturating_mul(MIN_POSITIONS.max(elements)))
            .saturating_add(BASE_WORK);
        let max_packed = stored_bytes.saturating_mul(PACKED_PER_BYTE).saturating_add(BASE_MEMORY);
        Self {
            memory: memory.min(MAX_MEMORY),
            work: work.min(MAX_WORK),
            kept: 0,
            packed: 0,
            max_packed,
        }
    }

    /// Checks the memory that is in use at the same time, in bytes, with what the operators keep.
    pub fn hold(&self, bytes: u64) -> Result<(), Fault> {
        let bytes = bytes.saturating_add(self.kept);
        if bytes <= self.memory { Ok(()) } else { Err(Fault::TooLarge(bytes)) }
    }

    /// Adds the memory that an operator keeps. Its outputs must have their computed shapes.
    pub fn keep(&mut self, args: Args<'_, '_>) -> Result<(), Fault> {
        let kernel = kernel_elements(args)?;
        let positions = args.operator.output(args.tensors).map_or(1, |output| {
            let sides = output.shape.iter().skip(1).take(2);
            sides.fold(1, |size: u64, &side| size.saturating_mul(side.unsigned_abs().into()))
        });
        if kernel > 1 {
            let bytes = positions.saturating_mul(kernel).saturating_mul(INDIRECTION_BYTES);
            self.kept = self.kept.saturating_add(bytes);
        }
        self.packed = self.packed.saturating_add(weight_bytes(args));
        if self.packed <= self.max_packed { Ok(()) } else { Err(Fault::TooLarge(self.packed)) }
    }

    /// Takes the time of an operator from the budget. Its outputs must have their computed shapes.
    pub fn spend(&mut self, args: Args<'_, '_>) -> Result<(), Fault> {
        let left = self.work.checked_sub(work(args)?);
        self.work = left.ok_or(Fault::TooSlow)?;
        Ok(())
    }
}

/// Returns the size of the weights of an operator, which XNNPACK stores a second time in its own
/// order, in bytes.
fn weight_bytes(args: Args<'_, '_>) -> u64 {
    let weights = match args.operator.rule.shape {
        Rule::Conv | Rule::DepthwiseConv | Rule::FullyConnected | Rule::TransposeConv => {
            WEIGHTS..=WEIGHTS
        }
        Rule::MatMul => 0..=1,
        Rule::Lstm => LSTM_WEIGHTS,
        _ => return 0,
    };
    let is_stored =
        |input: &&Tensor<'_>| args.operator.rule.shape != Rule::MatMul || input.is_constant;
    let weights = weights.filter_map(|position| args.input(position).ok()).filter(is_stored);
    weights.map(Tensor::bytes).fold(0, u64::saturating_add)
}

/// Returns the number of elements of the kernel or window that moves over the image; 1 for operators
/// without one.
fn kernel_elements(args: Args<'_, '_>) -> Result<u64, Fault> {
    let sides: Vec<u64> = match args.operator.rule.shape {
        Rule::Conv | Rule::DepthwiseConv | Rule::TransposeConv => {
            args.dims(WEIGHTS)?.iter().skip(1).take(2).map(|&d| d.unsigned_abs()).collect()
        }
        Rule::Pool => {
            let window = [pool_2d_options::FILTER_HEIGHT, pool_2d_options::FILTER_WIDTH];
            let image = args.dims(0)?;
            let sides = window.iter().zip(image.iter().skip(1));
            let side = |(field, &side): (&I32Field, &i64)| {
                let window: u64 = args.operator.integer(*field).unsigned_abs();
                window.min(side.unsigned_abs())
            };
            sides.map(side).collect()
        }
        _ => Vec::new(),
    };
    Ok(sides.into_iter().fold(1, u64::saturating_mul))
}

/// Returns the number of multiplications of an operator, or the time of the others in this unit.
fn work(args: Args<'_, '_>) -> Result<u64, Fault> {
    let operator = args.operator;
    let outputs = operator.outputs.iter().map(|&output| args.tensors[output].elements());
    let outputs = outputs.fold(0, u64::saturating_add);
    // The product of some dimensions of an input.
    let size = |position, dimensions: &[usize]| {
        let dims = args.dims(position)?;
        let sizes = dimensions.iter().filter_map(|&index| dims.get(index));
        Ok::<u64, Fault>(sizes.fold(1, |size: u64, &d| size.saturating_mul(d.unsigned_abs())))
    };
    let products = match operator.rule.shape {
        Rule::Conv => outputs.saturating_mul(size(WEIGHTS, &[1, 2, 3])?),
        Rule::DepthwiseConv => outputs.saturating_mul(size(WEIGHTS, &[1, 2])?),
        Rule::FullyConnected => outputs.saturating_mul(size(WEIGHTS, &[1])?),
        Rule::TransposeConv => args.input(2)?.elements().saturating_mul(size(WEIGHTS, &[0, 1, 2])?),
        // Four gates, each with the weights of the input and of the state.
        Rule::Lstm => {
            let weights = size(0, &[2])?.saturating_add(size(1, &[0])?);
            outputs.saturating_mul(weights.saturating_mul(4))
        }
        Rule::MatMul => {
            let input = args.input(0)?;
            let rows = operator.output(args.tensors).map_or(1, |output| {
                output.shape.iter().rev().nth(1).map_or(1, |&rows| rows.unsigned_abs().into())
            });
            let batches = outputs / rows.max(1);
            // Each output is the sum over a row of the left matrix.
            let inner = matrix_elements(input) / rows.max(1);
            batches.saturating_mul(rows).saturating_mul(inner.max(1))
        }
        Rule::Pool => {
            let window = [pool_2d_options::FILTER_HEIGHT, pool_2d_options::FILTER_WIDTH];
            let sides = window.map(|field| operator.integer(field).unsigned_abs());
            let image = [size(0, &[1])?, size(0, &[2])?];
            outputs.saturating_mul(sides[0].min(image[0]) * sides[1].min(image[1]))
        }
        _ => 0,
    };
    let radius = operator.integer(local_response_normalization_options::RADIUS).unsigned_abs();
    let repeats = if operator.code == BuiltinOperator::LOCAL_RESPONSE_NORMALIZATION {
        radius.saturating_mul(2).saturating_add(1).min(size(0, &[3])?)
    } else {
        1
    };
    let inputs = operator.inputs.iter().flatten().map(|&input| &args.tensors[input]);
    // Operators that share a large constant read it several times.
    let elements =
        inputs.map(Tensor::elements).fold(outputs.saturating_mul(repeats), u64::saturating_add);
    Ok(elements.saturating_mul(WORK_OF_ELEMENT).saturating_add(products))
}

/// Returns the number of elements of one matrix of a batch.
fn matrix_elements(tensor: &Tensor<'_>) -> u64 {
    tensor
        .shape
        .iter()
        .rev()
        .take(2)
        .fold(1, |size: u64, &d| size.saturating_mul(d.unsigned_abs().into()))
}
