//! What a model expects: the size of its input, the type of an element, and what an element means.

use crate::tensor::{ElementType, Quantization};

/// How a colour level, 0 to 255, becomes a tensor element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueMap {
    /// The level itself; in an int8 tensor, the level less 128.
    Level,
    /// (level - mean) / std. For float tensors.
    Normalized {
        /// The level that becomes 0.
        mean: f32,
        /// How many levels make 1.
        std: f32,
    },
    /// round((level - mean) / std / scale) + zero_point, clamped. For uint8 and int8 tensors.
    Quantized {
        /// The level that stands for 0.
        mean: f32,
        /// How many levels stand for 1.
        std: f32,
        /// The tensor's own.
        quantization: Quantization,
    },
}

/// The input tensor of a model: 1 x height x width x 3, the channels red, green, blue.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorTarget {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Type of the elements.
    pub element: ElementType,
    /// What a level becomes: for red, green and blue.
    pub values: [ValueMap; 3],
}
