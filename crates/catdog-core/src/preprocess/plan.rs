//! Everything about a conversion that depends only on the caps and the model.

use super::color::ToRgb;
use super::error::PreprocessError;
use super::geometry::{self, Axis, Framing};
use super::passes::Pass;
use super::target::{CHANNELS, TensorTarget};
use crate::frame::{FrameSpec, FrameView, PixelFormat};
use crate::tensor::{ElementType, TensorMut};

/// The longest side of a frame or a tensor, in pixels. Sample indices and the number of bytes of a
/// plan fit 32 bits.
pub(super) const MAX_SIDE: usize = 1 << 16;

/// The conversion of frames of one kind to tensors of one kind.
#[derive(Debug)]
pub(super) struct Plan {
    /// Pixel format of the frames.
    format: PixelFormat,
    /// Width and height of the tensor.
    pub tensor: (usize, usize),
    /// Type of the elements of the tensor.
    element: ElementType,
    /// The columns of the tensor that show the picture.
    pub columns: Axis,
    /// The rows of the tensor that show the picture.
    pub rows: Axis,
    /// The passes over the planes of a frame.
    pub passes: Vec<Pass>,
    /// The color conversion.
    pub to_rgb: ToRgb,
}

impl Plan {
    /// Plans the conversion of frames of `spec` to tensors of `target`.
    ///
    /// # Errors
    ///
    /// Fails if a side is 0 or longer than [`MAX_SIDE`], the pixel aspect ratio contains a 0, or
    /// the luma coefficients do not define a color matrix.
    pub fn new(
        spec: &FrameSpec,
        target: &TensorTarget,
        framing: Framing,
    ) -> Result<Self, PreprocessError> {
        let (source, tensor) = ((spec.width, spec.height), (target.width, target.height));
        let resize = framing.resize;
        check_size("frame", source)?;
        check_size("input tensor", tensor)?;
        let (width, height) = spec.pixel_aspect_ratio;
        if width == 0 || height == 0 {
            return Err(PreprocessError::PixelAspectRatio { width, height });
        }
        let to_rgb = ToRgb::new(spec)?;
        let axes = geometry::axes(resize.method, source, spec.pixel_aspect_ratio, tensor);
        let passes = Pass::all(spec, axes, resize.antialias);
        let (columns, rows) = axes;
        let (format, element) = (spec.format, target.element);
        Ok(Self { format, tensor, element, columns, rows, passes, to_rgb })
    }

    /// Checks that `frame` has the planned format and every sample that is read.
    ///
    /// A [`FrameView`] does not contain the size that it was checked for, so it can belong to a
    /// smaller frame than the plan.
    ///
    /// # Errors
    ///
    /// Fails if the format is another one or a plane is too small.
    pub fn check_frame(&self, frame: &FrameView<'_>) -> Result<(), PreprocessError> {
        if frame.format() != self.format {
            return Err(PreprocessError::FrameFormat { got: frame.format(), want: self.format });
        }
        for pass in &self.passes {
            let plane = frame.plane(pass.plane);
            let (got, want) = (plane.data.len(), pass.plane_bytes(plane.stride));
            if got < want {
                return Err(PreprocessError::FramePlane { plane: pass.plane, got, want });
            }
        }
        Ok(())
    }

    /// Returns `tensor` if it has the planned number of elements.
    ///
    /// # Errors
    ///
    /// Fails if it has another number of elements.
    pub fn check_len<'a, T>(&self, tensor: &'a mut [T]) -> Result<&'a mut [T], PreprocessError> {
        let want = self.tensor.0 * self.tensor.1 * CHANNELS;
        if tensor.len() != want {
            return Err(PreprocessError::TensorLength { got: tensor.len(), want });
        }
        Ok(tensor)
    }

    /// Returns the error for `tensor`, which has another element type than the plan.
    pub fn wrong_element(&self, tensor: &TensorMut<'_>) -> PreprocessError {
        PreprocessError::TensorElement { got: tensor.element().name(), want: self.element.name() }
    }
}

fn check_size(what: &'static str, (width, height): (usize, usize)) -> Result<(), PreprocessError> {
    let fits = |side| (1..=MAX_SIDE).contains(&side);
    if fits(width) && fits(height) {
        return Ok(());
    }
    Err(PreprocessError::Size { what, width, height, max: MAX_SIDE })
}
