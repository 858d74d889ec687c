//! The field ids of the options of operators: the members of union `BuiltinOptions`.
//!
//! Source: `schema.fbs` of TensorFlow Lite, version 3. Modules are named after tables and constants
//! after fields.

use super::reader::I32Field;

/// Table `Conv2DOptions`.
pub mod conv_2d_options {
    use super::I32Field;

    pub const PADDING: usize = 0;
    pub const STRIDE_W: I32Field = I32Field { id: 1, default: 0 };
    pub const STRIDE_H: I32Field = I32Field { id: 2, default: 0 };
    pub const FUSED_ACTIVATION_FUNCTION: usize = 3;
    pub const DILATION_W_FACTOR: I32Field = I32Field { id: 4, default: 1 };
    pub const DILATION_H_FACTOR: I32Field = I32Field { id: 5, default: 1 };
}

/// Table `DepthwiseConv2DOptions`.
pub mod depthwise_conv_2d_options {
    use super::I32Field;

    pub const PADDING: usize = 0;
    pub const STRIDE_W: I32Field = I32Field { id: 1, default: 0 };
    pub const STRIDE_H: I32Field = I32Field { id: 2, default: 0 };
    pub const FUSED_ACTIVATION_FUNCTION: usize = 4;
    pub const DILATION_W_FACTOR: I32Field = I32Field { id: 5, default: 1 };
    pub const DILATION_H_FACTOR: I32Field = I32Field { id: 6, default: 1 };
}

/// Table `Pool2DOptions`.
pub mod pool_2d_options {
    use super::I32Field;

    pub const PADDING: usize = 0;
    pub const STRIDE_W: I32Field = I32Field { id: 1, default: 0 };
    pub const STRIDE_H: I32Field = I32Field { id: 2, default: 0 };
    pub const FILTER_WIDTH: I32Field = I32Field { id: 3, default: 0 };
    pub const FILTER_HEIGHT: I32Field = I32Field { id: 4, default: 0 };
    pub const FUSED_ACTIVATION_FUNCTION: usize = 5;
}

/// Table `TransposeConvOptions`.
pub mod transpose_conv_options {
    use super::I32Field;

    pub const PADDING: usize = 0;
    pub const STRIDE_W: I32Field = I32Field { id: 1, default: 0 };
    pub const STRIDE_H: I32Field = I32Field { id: 2, default: 0 };
    pub const FUSED_ACTIVATION_FUNCTION: usize = 3;
}

/// Table `FullyConnectedOptions`.
pub mod fully_connected_options {
    pub const FUSED_ACTIVATION_FUNCTION: usize = 0;
    pub const WEIGHTS_FORMAT: usize = 1;
    pub const KEEP_NUM_DIMS: usize = 2;
}

/// Table `SoftmaxOptions`.
pub mod softmax_options {
    pub const BETA: usize = 0;
}

/// Table `SplitOptions`.
pub mod split_options {
    use super::I32Field;

    pub const NUM_SPLITS: I32Field = I32Field { id: 0, default: 0 };
}

/// Table `SplitVOptions`.
pub mod split_v_options {
    use super::I32Field;

    pub const NUM_SPLITS: I32Field = I32Field { id: 0, default: 0 };
}

/// Table `PackOptions`.
pub mod pack_options {
    use super::I32Field;

    pub const VALUES_COUNT: I32Field = I32Field { id: 0, default: 0 };
    pub const AXIS: I32Field = I32Field { id: 1, default: 0 };
}

/// Table `UnpackOptions`.
pub mod unpack_options {
    use super::I32Field;

    pub const NUM: I32Field = I32Field { id: 0, default: 0 };
    pub const AXIS: I32Field = I32Field { id: 1, default: 0 };
}

/// Table `AddOptions`, `SubOptions`, `MulOptions`, `DivOptions` and `L2NormOptions`.
pub mod activation_options {
    pub const FUSED_ACTIVATION_FUNCTION: usize = 0;
}

/// Table `ConcatenationOptions`.
pub mod concatenation_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 0, default: 0 };
    pub const FUSED_ACTIVATION_FUNCTION: usize = 1;
}

/// Table `ReshapeOptions`.
pub mod reshape_options {
    pub const NEW_SHAPE: usize = 0;
}

/// Table `SqueezeOptions`.
pub mod squeeze_options {
    pub const SQUEEZE_DIMS: usize = 0;
}

/// Table `ReducerOptions`.
pub mod reducer_options {
    pub const KEEP_DIMS: usize = 0;
}

/// Table `GatherOptions`.
pub mod gather_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 0, default: 0 };
    pub const BATCH_DIMS: I32Field = I32Field { id: 1, default: 0 };
}

/// Table `StridedSliceOptions`.
pub mod strided_slice_options {
    use super::I32Field;

    /// The slice starts at the first element; `begin` does not count.
    pub const BEGIN_MASK: I32Field = I32Field { id: 0, default: 0 };
    /// The slice ends after the last element; `end` does not count.
    pub const END_MASK: I32Field = I32Field { id: 1, default: 0 };
    pub const ELLIPSIS_MASK: I32Field = I32Field { id: 2, default: 0 };
    pub const NEW_AXIS_MASK: I32Field = I32Field { id: 3, default: 0 };
    /// The slice has one element, and its dimension is removed.
    pub const SHRINK_AXIS_MASK: I32Field = I32Field { id: 4, default: 0 };
    pub const OFFSET: usize = 5;
}

/// Table `OneHotOptions`.
pub mod one_hot_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 0, default: 0 };
}

/// Table `SpaceToDepthOptions` and `DepthToSpaceOptions`.
pub mod block_options {
    use super::I32Field;

    pub const BLOCK_SIZE: I32Field = I32Field { id: 0, default: 0 };
}

/// Table `UnidirectionalSequenceLSTMOptions`.
pub mod sequence_lstm_options {
    pub const FUSED_ACTIVATION_FUNCTION: usize = 0;
    pub const TIME_MAJOR: usize = 3;
    pub const DIAGONAL_RECURRENT_TENSORS: usize = 5;
}

/// Table `BatchMatMulOptions`.
pub mod batch_mat_mul_options {
    pub const ADJ_X: usize = 0;
    pub const ADJ_Y: usize = 1;
}

/// Table `LocalResponseNormalizationOptions`.
pub mod local_response_normalization_options {
    use super::I32Field;

    pub const RADIUS: I32Field = I32Field { id: 0, default: 0 };
}

/// Tables `ArgMaxOptions`, `ArgMinOptions` and `ShapeOptions`.
pub mod index_options {
    /// A [`TensorType`](super::super::schema::TensorType).
    pub const OUTPUT_TYPE: usize = 0;
}

/// Table `MirrorPadOptions`.
pub mod mirror_pad_options {
    /// A value of enum `MirrorPadMode`: REFLECT or SYMMETRIC.
    pub const MODE: usize = 0;
    /// Value of enum `MirrorPadMode`, the largest.
    pub const SYMMETRIC: u8 = 1;
}

/// Table `StableHLOCompositeOptions`.
pub mod stablehlo_composite_options {
    use super::I32Field;

    pub const NAME: usize = 0;
    pub const ATTRIBUTES: usize = 2;
    pub const DECOMPOSITION_SUBGRAPH_INDEX: I32Field = I32Field { id: 1, default: 0 };
}

/// Value SAME of enum `Padding`.
pub const PADDING_SAME: u8 = 0;
/// Number of values of enum `Padding` (SAME, VALID), which start at 0.
pub const PADDINGS: u8 = 2;
/// Number of values of enum `ActivationFunctionType` (NONE to SIGN_BIT), which start at 0.
pub const ACTIVATION_FUNCTION_TYPES: u8 = 6;
/// Number of values of enum `FullyConnectedOptionsWeightsFormat` (DEFAULT, SHUFFLED4x16INT8), which
/// start at 0.
pub const WEIGHTS_FORMATS: u8 = 2;

/// Enum `ActivationFunctionType`: the activation that an operator applies to its output.
pub mod activation_function_type {
    pub const NONE: u8 = 0;
    pub const RELU: u8 = 1;
    pub const RELU_N1_TO_1: u8 = 2;
    pub const RELU6: u8 = 3;
}
