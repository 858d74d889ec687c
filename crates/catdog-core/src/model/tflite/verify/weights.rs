//! The checks of operators with weights: convolutions and fully connected layers.

use super::operator::Operator;
use super::tensor::Tensor;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::schema::{
    BuiltinOperator, CONV_2D_CHANNELS, DEPTHWISE_CONV_2D_CHANNELS, TensorType, layer_inputs,
};

/// Limit for the multiplications of one convolution; this many take seconds. The largest
/// convolution of MobileNetV2 has 1.4e7.
const MAX_MULTIPLICATIONS: i128 = 1 << 40;

/// Checks an operator with weights: a convolution or a fully connected layer. `tensors` are those
/// of the subgraph.
pub fn verify_weights(operator: &Operator<'_>, tensors: &[Tensor]) -> Result<(), ModelError> {
    match operator.code {
        BuiltinOperator::CONV_2D | BuiltinOperator::DEPTHWISE_CONV_2D => {
            verify_convolution(operator, tensors)
        }
        BuiltinOperator::FULLY_CONNECTED => {
            let weights = operator.input(tensors, layer_inputs::WEIGHTS);
            let is_matrix = weights.is_some_and(|weights| weights.shape.len() >= 2);
            require(is_matrix, "the weights of a fully connected layer")
        }
        _ => Ok(()),
    }
}

/// Checks the ranks, the amount of work and the bias.
fn verify_convolution(operator: &Operator<'_>, tensors: &[Tensor]) -> Result<(), ModelError> {
    let damaged = "the tensors of a convolution";
    let (Some(input), Some(weights), Some(output)) = (
        operator.input(tensors, layer_inputs::INPUT),
        operator.input(tensors, layer_inputs::WEIGHTS),
        operator.output(tensors),
    ) else {
        return Err(ModelError::Damaged(damaged));
    };
    let are_4d = [input, weights, output].iter().all(|tensor| tensor.shape.len() == 4);
    require(are_4d && weights.shape.iter().all(|&size| size >= 1), damaged)?;
    let is_depthwise = operator.code == BuiltinOperator::DEPTHWISE_CONV_2D;
    let dimension = if is_depthwise { DEPTHWISE_CONV_2D_CHANNELS } else { CONV_2D_CHANNELS };
    let channels = i128::from(weights.shape[dimension]);
    // Each output is the sum over the weights of its channel.
    let work = elements(output).saturating_mul(elements(weights)) / channels;
    require(work <= MAX_MULTIPLICATIONS, "the size of a convolution")?;
    match operator.input(tensors, layer_inputs::BIAS) {
        Some(bias) => require(elements(bias) == channels, "the bias of a convolution"),
        None => {
            // The hybrid kernels read the bias without a check that there is one.
            let is_hybrid = input.element == TensorType::FLOAT32
                && matches!(
                    weights.element,
                    TensorType::INT8 | TensorType::UINT8 | TensorType::INT4
                );
            require(!is_hybrid, "the bias of a convolution")
        }
    }
}

/// Returns the number of elements of a tensor.
fn elements(tensor: &Tensor) -> i128 {
    tensor.shape.iter().fold(1, |product: i128, &size| product.saturating_mul(size.into()))
}
