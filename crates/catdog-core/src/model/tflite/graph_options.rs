//! The options of operators that the analyses of the graph read. They continue `schema`, in the
//! same notation: modules are named after tables and constants after fields.

use super::reader::I32Field;

/// Field id of the fused activation in tables `AddOptions`, `SubOptions`, `MulOptions` and
/// `DivOptions`.
pub const ARITHMETIC_FUSED_ACTIVATION_FUNCTION: usize = 0;

/// Table `ConcatenationOptions`.
pub mod concatenation_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 0, default: 0 };
    pub const FUSED_ACTIVATION_FUNCTION: usize = 1;
}

/// Table `GatherOptions`.
pub mod gather_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 0, default: 0 };
    pub const BATCH_DIMS: I32Field = I32Field { id: 1, default: 0 };
}

/// Table `PackOptions`.
pub mod pack_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 1, default: 0 };
}

/// Table `UnpackOptions`.
pub mod unpack_options {
    use super::I32Field;

    pub const AXIS: I32Field = I32Field { id: 1, default: 0 };
}

/// Table `StridedSliceOptions`. A bit of a mask belongs to a dimension.
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
}

/// Enum `ActivationFunctionType`: the activation that an operator applies to its output.
pub mod activation_function_type {
    pub const NONE: u8 = 0;
    pub const RELU: u8 = 1;
    pub const RELU_N1_TO_1: u8 = 2;
    pub const RELU6: u8 = 3;
}
