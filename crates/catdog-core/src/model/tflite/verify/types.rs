//! Sets of element types, for the columns of the operator table.

use crate::model::tflite::schema::TensorType;

/// A set of element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u32);

impl Types {
    /// Returns the set of the types in `list`.
    pub const fn of(list: &[TensorType]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < list.len() {
            bits |= 1 << list[index].code();
            index += 1;
        }
        Self(bits)
    }

    /// Returns the types that are in one of the two sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether `element` is in the set.
    pub fn contains(self, element: TensorType) -> bool {
        1u32.checked_shl(element.code().into()).is_some_and(|bit| self.0 & bit != 0)
    }
}

/// The type of float models, and of all computations that are not quantized.
pub const F32: Types = Types::of(&[TensorType::FLOAT32]);
/// The types of half precision.
pub const HALF: Types = Types::of(&[TensorType::FLOAT16, TensorType::BFLOAT16]);
/// The 8-bit types of quantized models.
pub const I8: Types = Types::of(&[TensorType::INT8]);
/// The 8-bit types of quantized models.
pub const Q8: Types = Types::of(&[TensorType::INT8, TensorType::UINT8]);
/// The type of activations in models with 16-bit activations and 8-bit weights.
pub const I16: Types = Types::of(&[TensorType::INT16]);
/// The types of weights with less than 8 bits.
pub const SUB_BYTE: Types = Types::of(&[TensorType::INT4, TensorType::INT2]);
/// The type of most shapes, axes and indices.
pub const I32: Types = Types::of(&[TensorType::INT32]);
/// The types of shapes, axes and indices.
pub const INDEX: Types = Types::of(&[TensorType::INT32, TensorType::INT64]);
/// The type of conditions.
pub const BOOL: Types = Types::of(&[TensorType::BOOL]);
/// The types of quantized activations.
pub const QUANTIZED: Types = Q8.and(I16);
/// The types of activations.
pub const ACTIVATION: Types = F32.and(QUANTIZED);
/// All types of which elements are moved or converted without a computation.
pub const DATA: Types = ACTIVATION
    .and(HALF)
    .and(INDEX)
    .and(BOOL)
    .and(Types::of(&[TensorType::UINT16, TensorType::UINT32]));
