//! The input tensor that a model expects: its size, its element type, and the meaning of an
//! element.

use crate::tensor::{ElementType, Quantization};

/// The channels of a pixel of the tensor: red, green, blue.
pub(super) const CHANNELS: usize = 3;

/// The function from a color level, 0 to 255, to a tensor element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueMap {
    /// The element is the level; in an int8 tensor, it is the level minus 128.
    Level,
    /// The element is (level - mean) / std. For float32 tensors.
    Normalized {
        /// The level that becomes 0; finite.
        mean: f32,
        /// The number of levels per unit; finite and not 0.
        std: f32,
    },
    /// The element is round((level - mean) / std / scale) + zero_point, clamped to the range of the
    /// element type. For uint8 and int8 tensors.
    Quantized {
        /// The level that represents 0; finite.
        mean: f32,
        /// The number of levels per unit; finite and not 0.
        std: f32,
        /// The quantization of the tensor.
        quantization: Quantization,
    },
}

/// The input tensor of a model, of shape [1, height, width, 3], with the channels red, green, blue.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorTarget {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Type of the elements.
    pub element: ElementType,
    /// The function from levels to elements, for red, green and blue.
    pub values: [ValueMap; CHANNELS],
}
