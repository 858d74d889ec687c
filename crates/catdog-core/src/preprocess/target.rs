//! The input tensor that a model expects: its size, its element type, and the meaning of an
//! element.

use crate::tensor::{ElementType, Quantization};

/// The number of channels of a pixel before it is written to the tensor.
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
    /// Blue, green and red.
    Bgr,
    /// Luma.
    ///
    /// For Y'CbCr formats, it is the Y' of the frame, expanded to 0..255: the value that red, green
    /// and blue have if the chroma is neutral. Only the luma is read. For RGB formats, it is
    /// Kr R' + Kg G' + Kb B' with the [`matrix`] of the frames, which is BT.601 unless the caps
    /// define another one.
    ///
    /// Pillow's `convert("L")`, OpenCV's `cvtColor` and TensorFlow's `rgb_to_grayscale` have the
    /// weights of BT.601. So a model that is trained with one of them gets the same picture from
    /// RGB and BT.601 frames. From frames with another matrix, such as BT.709, grays are the same and
    /// colors differ: pure green is 182 instead of 150.
    ///
    /// [`matrix`]: crate::frame::FrameSpec::matrix
    Gray,
}

impl Channels {
    /// Returns the number of channels.
    pub const fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
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
    /// The functions from pixel values to elements, for the channels in their order: red, green and
    /// blue, or blue, green and red. A gray tensor uses the first one.
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
