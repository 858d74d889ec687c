//! The input tensor that a model expects: its size, its element type, and the meaning of an
//! element.

use crate::tensor::{ElementType, Quantization};

/// The number of channels of a pixel before it is written to the tensor: red, green, blue.
pub(super) const CHANNELS: usize = 3;

/// The function from a pixel value to a tensor element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueMap {
    /// The element is the pixel value; in an int8 tensor, it is the pixel value minus 128.
    Level,
    /// The element is (pixel value - mean) / std. This is for float32 and float16 tensors.
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

/// The channels of a pixel of the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Channels {
    /// Red, green and blue.
    #[default]
    Rgb,
    /// Luma.
    ///
    /// For Y'CbCr formats, it is the Y' of the frame, expanded to 0..255: the value of red, green
    /// and blue in the gray picture that the frame is without its chroma. Only the luma is read.
    /// For RGB formats, it is Kr R' + Kg G' + Kb B' with the [`matrix`] of the frames, which is
    /// BT.601 unless the caps define another one. Pillow's `convert("L")`, OpenCV's `cvtColor` and
    /// TensorFlow's `rgb_to_grayscale` have these weights of BT.601, so a model that is trained with
    /// one of them sees the same picture, unless the frames are in another matrix, such as BT.709.
    /// Then only saturated colors differ: pure green is 182 instead of 150.
    ///
    /// [`matrix`]: crate::frame::FrameSpec::matrix
    Gray,
}

impl Channels {
    /// Returns the number of channels.
    pub const fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Gray => 1,
        }
    }
}

/// The position of the channels among the dimensions of the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ChannelOrder {
    /// The channels of a pixel are adjacent: [1, height, width, channels], NHWC.
    #[default]
    Last,
    /// Each channel is a plane: [1, channels, height, width], NCHW.
    First,
}

/// The input tensor of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorTarget {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// The channels of a pixel.
    pub channels: Channels,
    /// The position of the channels.
    pub order: ChannelOrder,
    /// Type of the elements.
    pub element: ElementType,
    /// The functions from pixel values to elements, for red, green and blue. A gray tensor uses the
    /// first one.
    pub values: [ValueMap; CHANNELS],
}

impl TensorTarget {
    /// Returns the number of elements of a pixel that are adjacent: all channels or one.
    pub(super) const fn adjacent(&self) -> usize {
        match self.order {
            ChannelOrder::Last => self.channels.count(),
            ChannelOrder::First => 1,
        }
    }

    /// Returns the number of elements.
    pub(super) const fn len(&self) -> usize {
        self.width * self.height * self.channels.count()
    }
}
