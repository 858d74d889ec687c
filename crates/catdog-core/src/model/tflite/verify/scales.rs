//! The checks of the scales that the kernels of an operator compute with.

use super::operator::Operator;
use super::shape_rule::ShapeRule::{
    Conv, DepthwiseConv, FullyConnected, Lstm, MatMul, TransposeConv,
};
use super::tensor::Tensor;
use super::types::QUANTIZED;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::schema::{BuiltinOperator, TensorType};

/// Limit for the shift of a requantization, in bits.
const MAX_SHIFT: i32 = 30;
/// Bits by which the 8-bit kernels shift the summands to the left.
const LEFT_SHIFT_8_BIT: i32 = 19;
/// Bits by which the 16-bit kernels shift the summands to the left.
const LEFT_SHIFT_16_BIT: i32 = 14;

/// Checks that quantized tensors have the scales that the operator needs. `tensors` are those of
/// the subgraph.
pub fn verify_scales(operator: &Operator<'_>, tensors: &[Tensor<'_>]) -> Result<(), ModelError> {
    match operator.code {
        BuiltinOperator::QUANTIZE | BuiltinOperator::DEQUANTIZE => {
            let is_float = |element| {
                matches!(element, TensorType::FLOAT32 | TensorType::FLOAT16 | TensorType::BFLOAT16)
            };
            require_scales(operator, tensors, |element| !is_float(element))
        }
        code if computes_with_scales(code) => {
            require_scales(operator, tensors, |element| QUANTIZED.contains(element))?;
            refuse_channel_scales(operator, tensors)?;
            verify_sum(operator, tensors)
        }
        _ => Ok(()),
    }
}

/// Checks that the inputs and outputs with an element type that `needs_scale` have a scale.
fn require_scales(
    operator: &Operator<'_>,
    tensors: &[Tensor<'_>],
    needs_scale: impl Fn(TensorType) -> bool,
) -> Result<(), ModelError> {
    let mut tensors = operator.tensors(tensors);
    // The weights of a layer can have channels that are all 0, with a scale of 0.
    let has_weights = has_weights(operator);
    let complete = tensors.all(|tensor| {
        let usable = has_weights || tensor.scales.iter().all(|&scale| scale > 0.0);
        !needs_scale(tensor.element) || tensor.is_quantized() && usable
    });
    require(complete, "a quantized tensor without a scale")
}

/// Refuses scales per channel of other tensors than weights: the kernels take a scale of 0 instead,
/// and some divide by it and end the process.
fn refuse_channel_scales(
    operator: &Operator<'_>,
    tensors: &[Tensor<'_>],
) -> Result<(), ModelError> {
    let takes_weights = has_weights(operator) || operator.rule.shape == MatMul;
    let is_refused = |tensor: &&Tensor<'_>| {
        let is_weights = takes_weights && tensor.is_constant;
        QUANTIZED.contains(tensor.element) && tensor.scales.len() > 1 && !is_weights
    };
    match operator.tensors(tensors).find(is_refused) {
        Some(tensor) => Err(ModelError::Quantization {
            tensor: tensor.name(),
            reason: "it has several scales, but is not the weights of a layer",
        }),
        None => Ok(()),
    }
}

/// Returns whether the operator has weights, which can have a scale per channel.
fn has_weights(operator: &Operator<'_>) -> bool {
    matches!(operator.rule.shape, Conv | DepthwiseConv | FullyConnected | Lstm | TransposeConv)
}

/// Checks the scales of a quantized sum or difference. The kernels bring both inputs to a common
/// scale by a left shift, and the result to the scale of the output by a right shift.
fn verify_sum(operator: &Operator<'_>, tensors: &[Tensor<'_>]) -> Result<(), ModelError> {
    let Some(output) = operator.output(tensors) else { return Ok(()) };
    let is_sum = matches!(
        operator.code,
        BuiltinOperator::ADD | BuiltinOperator::SUB | BuiltinOperator::SQUARED_DIFFERENCE
    );
    let left_shift = match output.element {
        TensorType::INT8 | TensorType::UINT8 => LEFT_SHIFT_8_BIT,
        TensorType::INT16 => LEFT_SHIFT_16_BIT,
        _ => return Ok(()),
    };
    if !is_sum || operator.tensors(tensors).any(|tensor| tensor.scales.is_empty()) {
        return Ok(());
    }
    let inputs = [0, 1].map(|position| operator.input(tensors, position));
    let scales = inputs.iter().flatten().map(|input| input.scales[0]);
    // The kernels double the scale as a float32, which can overflow.
    let doubled = 2.0 * scales.fold(0.0, f32::max);
    let ratio = f64::from(doubled) / f64::from(output.scales[0]);
    let fits = 2f64.powi(-MAX_SHIFT) < ratio && ratio < 2f64.powi(left_shift);
    require(fits, "the scales of a sum")
}

/// Returns whether the kernels of an operator compute with the scales of its tensors. Source: the
/// operators' reference kernels.
fn computes_with_scales(code: BuiltinOperator) -> bool {
    use BuiltinOperator as Op;
    matches!(
        code,
        Op::ABS
            | Op::ADD
            | Op::AVERAGE_POOL_2D
            | Op::BATCH_MATMUL
            | Op::CONV_2D
            | Op::DEPTHWISE_CONV_2D
            | Op::DIV
            | Op::ELU
            | Op::EQUAL
            | Op::EXP
            | Op::FULLY_CONNECTED
            | Op::GELU
            | Op::GREATER
            | Op::GREATER_EQUAL
            | Op::HARD_SWISH
            | Op::L2_NORMALIZATION
            | Op::LEAKY_RELU
            | Op::LESS
            | Op::LESS_EQUAL
            | Op::LOG
            | Op::LOGISTIC
            | Op::LOG_SOFTMAX
            | Op::MAX_POOL_2D
            | Op::MEAN
            | Op::MUL
            | Op::NEG
            | Op::NOT_EQUAL
            | Op::PRELU
            | Op::REDUCE_PROD
            | Op::RELU
            | Op::RELU6
            | Op::RELU_0_TO_1
            | Op::RELU_N1_TO_1
            | Op::RSQRT
            | Op::SOFTMAX
            | Op::SQUARED_DIFFERENCE
            | Op::SUB
            | Op::SUM
            | Op::TANH
            | Op::TRANSPOSE_CONV
            | Op::UNIDIRECTIONAL_SEQUENCE_LSTM
    )
}
