//! The checks of an operator's options.

use super::operator::Operator;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::operator_options::{
    ACTIVATION_FUNCTION_TYPES, PADDINGS, WEIGHTS_FORMATS, activation_options,
    concatenation_options, conv_2d_options, depthwise_conv_2d_options, fully_connected_options,
    local_response_normalization_options, pack_options, pool_2d_options, softmax_options,
    split_options, split_v_options, transpose_conv_options, unpack_options,
};
use crate::model::tflite::reader::{I32Field, Table};
use crate::model::tflite::schema::{BuiltinOperator, BuiltinOptions, operator};

/// Limit for a stride, dilation or window, in pixels: the largest side of an input.
const MAX_STEP: i32 = 4096;

/// Checks that the options are those of the operator: the kernel would read other options as its
/// own.
pub fn verify_options_type(operator: &Operator<'_>) -> Result<(), ModelError> {
    let options_type = BuiltinOptions::of(operator.table);
    let is_none = options_type == BuiltinOptions::NONE;
    let is_expected = is_none || operator.rule.options == options_type;
    let is_present = !is_none && operator.table.table(operator::BUILTIN_OPTIONS).is_some();
    let valid = is_expected && (is_present || !needs_options(operator.code));
    require(valid, "an operator's options")
}

/// Checks the values in the options of the operator.
pub fn verify_options(operator: &Operator<'_>) -> Result<(), ModelError> {
    let Some(table) = operator.table.table(operator::BUILTIN_OPTIONS) else { return Ok(()) };
    let options = Options(table);
    match operator.code {
        BuiltinOperator::CONV_2D => {
            use conv_2d_options::*;
            options.require_enum(PADDING, PADDINGS)?;
            options.require_activation(FUSED_ACTIVATION_FUNCTION)?;
            options.require_steps(&[STRIDE_W, STRIDE_H, DILATION_W_FACTOR, DILATION_H_FACTOR])
        }
        BuiltinOperator::DEPTHWISE_CONV_2D => {
            use depthwise_conv_2d_options::*;
            options.require_enum(PADDING, PADDINGS)?;
            options.require_activation(FUSED_ACTIVATION_FUNCTION)?;
            options.require_steps(&[STRIDE_W, STRIDE_H, DILATION_W_FACTOR, DILATION_H_FACTOR])
        }
        BuiltinOperator::AVERAGE_POOL_2D
        | BuiltinOperator::L2_POOL_2D
        | BuiltinOperator::MAX_POOL_2D => {
            use pool_2d_options::*;
            options.require_enum(PADDING, PADDINGS)?;
            options.require_activation(FUSED_ACTIVATION_FUNCTION)?;
            options.require_steps(&[STRIDE_W, STRIDE_H, FILTER_WIDTH, FILTER_HEIGHT])
        }
        BuiltinOperator::TRANSPOSE_CONV => {
            use transpose_conv_options::*;
            options.require_enum(PADDING, PADDINGS)?;
            options.require_activation(FUSED_ACTIVATION_FUNCTION)?;
            options.require_steps(&[STRIDE_W, STRIDE_H])
        }
        BuiltinOperator::FULLY_CONNECTED => {
            use fully_connected_options::*;
            options.require_activation(FUSED_ACTIVATION_FUNCTION)?;
            options.require_enum(WEIGHTS_FORMAT, WEIGHTS_FORMATS)
        }
        BuiltinOperator::ADD
        | BuiltinOperator::SUB
        | BuiltinOperator::MUL
        | BuiltinOperator::DIV
        | BuiltinOperator::L2_NORMALIZATION => {
            options.require_activation(activation_options::FUSED_ACTIVATION_FUNCTION)
        }
        BuiltinOperator::CONCATENATION => {
            options.require_activation(concatenation_options::FUSED_ACTIVATION_FUNCTION)
        }
        BuiltinOperator::LOCAL_RESPONSE_NORMALIZATION => {
            let radius = table.i32(local_response_normalization_options::RADIUS);
            require((0..=MAX_STEP).contains(&radius), "the radius of a response normalization")
        }
        BuiltinOperator::SOFTMAX => {
            let beta = table.f32(softmax_options::BETA);
            require(beta.is_finite() && beta > 0.0, "the beta of a softmax")
        }
        BuiltinOperator::SPLIT => {
            options.require_count(split_options::NUM_SPLITS, operator.outputs.len())
        }
        BuiltinOperator::SPLIT_V => {
            options.require_count(split_v_options::NUM_SPLITS, operator.outputs.len())
        }
        BuiltinOperator::UNPACK => {
            options.require_count(unpack_options::NUM, operator.outputs.len())
        }
        BuiltinOperator::PACK => {
            options.require_count(pack_options::VALUES_COUNT, operator.inputs.len())
        }
        _ => Ok(()),
    }
}

/// The options table of an operator.
struct Options<'a>(Table<'a>);

impl Options<'_> {
    /// Checks a field that is an enum with `values` values.
    fn require_enum(&self, field: usize, values: u8) -> Result<(), ModelError> {
        let what = "an operator's padding, activation or weights format";
        require(self.0.u8(field) < values, what)
    }

    /// Checks a field that is the activation at the end of the operator.
    fn require_activation(&self, field: usize) -> Result<(), ModelError> {
        self.require_enum(field, ACTIVATION_FUNCTION_TYPES)
    }

    /// Checks fields that are strides, dilations or window sizes.
    fn require_steps(&self, fields: &[I32Field]) -> Result<(), ModelError> {
        let valid = fields.iter().all(|field| (1..=MAX_STEP).contains(&self.0.i32(*field)));
        require(valid, "an operator's stride, dilation or window size")
    }

    /// Checks a field that repeats the number of inputs or outputs.
    fn require_count(&self, field: I32Field, count: usize) -> Result<(), ModelError> {
        let matches = usize::try_from(self.0.i32(field)) == Ok(count);
        require(matches, "the number of parts in an operator's options")
    }
}

/// Returns whether the kernels of an operator read its options without a check that there are any.
fn needs_options(code: BuiltinOperator) -> bool {
    use BuiltinOperator as Op;
    matches!(
        code,
        Op::AVERAGE_POOL_2D
            | Op::CONCATENATION
            | Op::CONV_2D
            | Op::DEPTHWISE_CONV_2D
            | Op::DEPTH_TO_SPACE
            | Op::L2_POOL_2D
            | Op::LEAKY_RELU
            | Op::LOCAL_RESPONSE_NORMALIZATION
            | Op::MAX_POOL_2D
            | Op::PACK
            | Op::SOFTMAX
            | Op::SPACE_TO_DEPTH
            | Op::SPLIT
            | Op::SPLIT_V
            | Op::TRANSPOSE_CONV
            | Op::UNPACK
    )
}
