//! Everything about a conversion that depends only on the caps and the model.

use super::color::ToRgb;
use super::error::PreprocessError;
use super::geometry::{Framing, Mapping};
use super::passes::Pass;
use super::target::TensorTarget;
use crate::frame::{FrameSpec, FrameView, PixelFormat};
use crate::tensor::TensorMut;

/// The longest side of a frame or a tensor, in pixels. Sample indices and the number of bytes of a
/// plan fit 32 bits.
pub(super) const MAX_SIDE: usize = 1 << 16;

/// The conversion of frames of one kind to tensors of one kind.
#[derive(Debug)]
pub(super) struct Plan {
    /// Pixel format of the frames.
    format: PixelFormat,
    /// The tensor.
    pub target: TensorTarget,
    /// The mapping between the stored frame and the tensor.
    pub mapping: Mapping,
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
        check_size("frame", source)?;
        check_size("input tensor", tensor)?;
        let (width, height) = spec.pixel_aspect_ratio;
        if width == 0 || height == 0 {
            return Err(PreprocessError::PixelAspectRatio { width, height });
        }
        let to_rgb = ToRgb::new(spec, target.channels)?;
        let mapping = Mapping::new(spec, &framing, tensor);
        let passes = Pass::all(spec, &mapping, framing.resize.antialias, target.channels);
        Ok(Self { format: spec.format, target: target.clone(), mapping, passes, to_rgb })
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
        let want = self.target.len();
        if tensor.len() != want {
            return Err(PreprocessError::TensorLength { got: tensor.len(), want });
        }
        Ok(tensor)
    }

    /// Returns the error for `tensor`, which has another element type than the plan.
    pub fn wrong_element(&self, tensor: &TensorMut<'_>) -> PreprocessError {
        let (got, want) = (tensor.element().name(), self.target.element.name());
        PreprocessError::TensorElement { got, want }
    }
}

fn check_size(what: &'static str, (width, height): (usize, usize)) -> Result<(), PreprocessError> {
    let fits = |side| (1..=MAX_SIDE).contains(&side);
    if fits(width) && fits(height) {
        return Ok(());
    }
    Err(PreprocessError::Size { what, width, height, max: MAX_SIDE })
}
