//! Errors of the conversion of a frame to the input tensor.

use thiserror::Error;

use crate::frame::PixelFormat;

/// A frame cannot be converted to the input tensor.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PreprocessError {
    /// A side is zero or longer than the plan can index.
    #[error("the {what} is {width}x{height}, but each side must be 1 to {max}")]
    Size {
        /// "frame" or "input tensor".
        what: &'static str,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The longest side, in pixels.
        max: usize,
    },
    /// The pixel aspect ratio contains a zero.
    #[error("the pixel-aspect-ratio is {width}/{height}, but both numbers must be positive")]
    PixelAspectRatio {
        /// Numerator.
        width: u32,
        /// Denominator.
        height: u32,
    },
    /// The luma coefficients do not define a Y'CbCr matrix.
    #[error(
        "the color matrix cannot be used; set colorimetry to bt601, bt709 or bt2020 in the caps"
    )]
    ColorMatrix,
    /// The normalization or quantization does not give elements of the tensor's type.
    #[error("channel {channel} of the {element} input tensor cannot be filled: {reason}")]
    Values {
        /// 0 red or gray, 1 green, 2 blue.
        channel: usize,
        /// Element type of the tensor.
        element: &'static str,
        /// The reason, as a clause.
        reason: &'static str,
    },
    /// The frame has another pixel format than the plan.
    #[error("the frame is {got:?}, but the caps said {want:?}")]
    FrameFormat {
        /// Format of the frame.
        got: PixelFormat,
        /// Format of the caps.
        want: PixelFormat,
    },
    /// A plane is smaller than the caps say.
    #[error("plane {plane} has {got} bytes, but {want} bytes are read")]
    FramePlane {
        /// Index of the plane.
        plane: usize,
        /// Bytes available.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
    /// The tensor has another element type than the plan.
    #[error("the input tensor is {got}, but the model declares {want}")]
    TensorElement {
        /// Element type of the tensor.
        got: &'static str,
        /// Element type that the model declares.
        want: &'static str,
    },
    /// The tensor has another size than the plan.
    #[error("the input tensor has {got} elements, but the model declares {want}")]
    TensorLength {
        /// Number of elements of the tensor.
        got: usize,
        /// Height x width x number of channels.
        want: usize,
    },
}
