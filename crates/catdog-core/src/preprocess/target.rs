//! The input tensor that a model expects: its size, its element type, and the meaning of an
//! element.

use crate::tensor::{ElementType, Quantization};

/// The channels of a pixel of the tensor: red, green, blue.
pub(super) const CHANNELS: usize = 3;

/// The function from a pixel value to a tensor element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueMap {
    /// The element is the pixel value; in an int8 tensor, it is the pixel value minus 128.
    Level,
    /// The element is (pixel value - mean) / std. This is for float32 tensors.
    Normalized {
        /// The pixel value that becomes 0; finite.
        mean: f32,
        /// The difference in pixel values that makes a difference of 1; finite and not 0.
        std: f32,
    },
    /// The element is round((pixel value - mean) / std / scale) + zero_point, clamped to the range
    /// of the element type. This is for uint8 and int8 tensors.
    Quantized {
        /// The pixel value that represents 0; finite.
        mean: f32,
        /// The difference in pixel values that makes a difference of 1; finite and not 0.
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
    /// The function from pixel values to elements, for red, green and blue.
    pub values: [ValueMap; CHANNELS],
}
