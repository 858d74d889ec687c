//! From a video frame to the input tensor of a model: scale, convert, normalise, quantise.
//!
//! A model sees some 150x150 pixels of a frame that may have two million. Converting the frame to
//! RGB first and shrinking it afterwards would spend nearly all its time on pixels that are averaged
//! away, so the order is the other way round: every component is resampled in the form in which the
//! frame has it, chroma at its own resolution, and only the small result changes colour space. For
//! linear filters and a linear matrix the two orders agree, up to where a converter clips or rounds.
//!
//! Input is a [`FrameView`], borrowed and never written; output is the model's own tensor. All that
//! depends on caps and model alone is worked out by [`Preprocessor::new`]:
//!
//! - `target`: what the model expects;
//! - `geometry`: which part of the picture fills which part of the tensor;
//! - `taps`: the weights of the resampling filter, as integers;
//! - `passes`: where each component lies in the planes of each format;
//! - `color`: matrix and code range as integers, and what makes a tensor element of a level.
//!
//! What is left for each frame are the loops in `kernels`, which go from one output row to the next,
//! allocate nothing, and touch only the rows and columns that have a weight.

mod color;
mod error;
mod geometry;
mod kernels;
mod passes;
mod taps;
mod target;

pub use error::PreprocessError;
pub use geometry::{Resize, ResizeMethod};
pub use kernels::Kernels;
pub use target::{TensorTarget, ValueMap};

use crate::frame::{FrameSpec, FrameView, PixelFormat};
use crate::tensor::{ElementType, TensorMut};
use color::{Levels, ToRgb, Values};
use geometry::Axis;
use kernels::Rows;
use passes::Pass;

/// Red, green, blue.
const CHANNELS: usize = 3;

/// The longest side of a frame or a tensor: sample indices fit 32 bits with room to spare, and so
/// do the bytes of a plan.
const MAX_SIDE: usize = 1 << 16;

/// The way from frames of one kind to a tensor of one kind.
///
/// [`run`](Self::run) takes `&mut self` because it works in rows that the preprocessor keeps: give
/// each thread a preprocessor of its own.
#[derive(Debug)]
pub struct Preprocessor {
    plan: Plan,
    levels: Levels,
    rows: Rows,
}

/// All that is decided before the first frame.
#[derive(Debug)]
struct Plan {
    format: PixelFormat,
    /// Columns and rows of the tensor.
    tensor: (usize, usize),
    /// Those of them that show the picture.
    columns: Axis,
    rows: Axis,
    /// Type of its elements.
    element: ElementType,
    passes: Vec<Pass>,
    to_rgb: ToRgb,
    kernels: Kernels,
}

impl Preprocessor {
    /// Plans the way from frames of `spec` to a tensor of `target`.
    ///
    /// # Errors
    ///
    /// [`PreprocessError`] where `spec` or `target` contradicts itself: a side of zero, a value map
    /// that does not belong to the element type, coefficients that make no colour matrix.
    pub fn new(
        spec: &FrameSpec,
        target: &TensorTarget,
        resize: impl Into<Resize>,
    ) -> Result<Self, PreprocessError> {
        Self::with_kernels(spec, target, resize, Kernels::best())
    }

    /// As [`new`](Self::new), with a choice of kernels, so that tests reach all of them.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn with_kernels(
        spec: &FrameSpec,
        target: &TensorTarget,
        resize: impl Into<Resize>,
        kernels: Kernels,
    ) -> Result<Self, PreprocessError> {
        let Resize { method, antialias } = resize.into();
        let (source, tensor) = ((spec.width, spec.height), (target.width, target.height));
        check_size("frame", source)?;
        check_size("input tensor", tensor)?;
        let (width, height) = spec.pixel_aspect_ratio;
        if width == 0 || height == 0 {
            return Err(PreprocessError::PixelAspectRatio { width, height });
        }
        let to_rgb = ToRgb::new(spec)?;
        let levels = Levels::new(target.element, &target.values)?;
        let axes = geometry::axes(method, source, spec.pixel_aspect_ratio, tensor);
        let passes = Pass::all(spec, axes, antialias);
        let (columns, rows) = axes;
        let scratch = Rows::new(&passes, columns.len);
        let (format, element) = (spec.format, target.element);
        let plan = Plan { format, tensor, element, columns, rows, passes, to_rgb, kernels };
        Ok(Self { plan, levels, rows: scratch })
    }

    /// Fills `tensor` from `frame`.
    ///
    /// # Errors
    ///
    /// [`PreprocessError`] where `frame` or `tensor` is not of the kind that was planned for. The
    /// tensor is untouched then.
    pub fn run(
        &mut self,
        frame: &FrameView<'_>,
        tensor: TensorMut<'_>,
    ) -> Result<(), PreprocessError> {
        let Self { plan, levels, rows } = self;
        plan.check(frame)?;
        match (&*levels, tensor) {
            (Levels::F32(values), TensorMut::F32(to)) => plan.fill(frame, rows, values, to),
            (Levels::U8(values), TensorMut::U8(to)) => plan.fill(frame, rows, &**values, to),
            (Levels::I8(values), TensorMut::I8(to)) => plan.fill(frame, rows, &**values, to),
            (_, tensor) => Err(plan.wrong_element(&tensor)),
        }
    }
}

impl Plan {
    /// Whether `frame` has every sample that will be read.
    ///
    /// A view does not know the size it was checked for, so the planes are measured again.
    fn check(&self, frame: &FrameView<'_>) -> Result<(), PreprocessError> {
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

    /// Writes all of `tensor`.
    fn fill<T: Copy>(
        &self,
        frame: &FrameView<'_>,
        rows: &mut Rows,
        values: &impl Values<T>,
        tensor: &mut [T],
    ) -> Result<(), PreprocessError> {
        let want = self.tensor.0 * self.tensor.1 * CHANNELS;
        if tensor.len() != want {
            return Err(PreprocessError::TensorLength { got: tensor.len(), want });
        }
        self.kernels.fill(self, frame, rows, values, tensor);
        Ok(())
    }

    fn wrong_element(&self, tensor: &TensorMut<'_>) -> PreprocessError {
        PreprocessError::TensorElement { got: tensor.element().name(), want: self.element.name() }
    }
}

fn check_size(what: &'static str, size: (usize, usize)) -> Result<(), PreprocessError> {
    let fits = |side| (1..=MAX_SIDE).contains(&side);
    if fits(size.0) && fits(size.1) {
        return Ok(());
    }
    let (width, height) = size;
    Err(PreprocessError::Size { what, width, height, max: MAX_SIDE })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::frame::Plane;

    fn target(width: usize, height: usize, element: ElementType) -> TensorTarget {
        TensorTarget { width, height, element, values: [ValueMap::Level; 3] }
    }

    fn grey(width: usize, height: usize) -> FrameSpec {
        FrameSpec::new(PixelFormat::Gray8, width, height)
    }

    #[test]
    fn what_is_not_as_planned_is_refused_and_the_tensor_untouched() {
        let spec = grey(8, 8);
        let target = target(2, 2, ElementType::U8);
        let mut plan = Preprocessor::new(&spec, &target, ResizeMethod::Stretch).unwrap();
        let data = [235; 64];
        let plane = Plane { data: &data, stride: 8 };
        let frame = FrameView::new(&spec, &[plane]).unwrap();
        let mut tensor = [7; 12];

        let mut signed = [0; 12];
        let result = plan.run(&frame, TensorMut::I8(&mut signed));
        assert_eq!(result, Err(PreprocessError::TensorElement { got: "int8", want: "uint8" }));
        let result = plan.run(&frame, TensorMut::U8(&mut tensor[..11]));
        assert_eq!(result, Err(PreprocessError::TensorLength { got: 11, want: 12 }));
        let smaller = FrameView::new(&grey(8, 7), &[Plane { data: &data[..56], stride: 8 }]);
        let result = plan.run(&smaller.unwrap(), TensorMut::U8(&mut tensor));
        let short = PreprocessError::FramePlane { plane: 0, got: 56, want: 64 };
        assert_eq!(result, Err(short));
        let other = FrameView::new(&FrameSpec::new(PixelFormat::Rgb, 1, 1), &[plane]).unwrap();
        let result = plan.run(&other, TensorMut::U8(&mut tensor));
        assert!(matches!(result, Err(PreprocessError::FrameFormat { .. })));

        assert_eq!(tensor, [7; 12]);
        plan.run(&frame, TensorMut::U8(&mut tensor)).unwrap();
        assert_eq!(tensor, [255; 12]);
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        let size = |spec: &FrameSpec, target: &TensorTarget| {
            let refused = Preprocessor::new(spec, target, ResizeMethod::Crop);
            matches!(refused, Err(PreprocessError::Size { .. }))
        };
        assert!(size(&grey(0, 8), &target(2, 2, ElementType::U8)));
        assert!(size(&grey(8, MAX_SIDE + 1), &target(2, 2, ElementType::U8)));
        assert!(size(&grey(8, 8), &target(2, 0, ElementType::U8)));
        let spec = FrameSpec { pixel_aspect_ratio: (1, 0), ..grey(8, 8) };
        let target = target(2, 2, ElementType::U8);
        let refused = Preprocessor::new(&spec, &target, ResizeMethod::Stretch).err();
        assert_eq!(refused, Some(PreprocessError::PixelAspectRatio { width: 1, height: 0 }));
    }

    #[test]
    fn bars_are_black_after_normalisation_too() {
        let value = ValueMap::Normalized { mean: 127.5, std: 127.5 };
        let target = TensorTarget { values: [value; 3], ..target(4, 4, ElementType::F32) };
        let spec = grey(8, 4);
        let mut plan = Preprocessor::new(&spec, &target, ResizeMethod::Letterbox).unwrap();
        let data = [235; 32];
        let frame = FrameView::new(&spec, &[Plane { data: &data, stride: 8 }]).unwrap();
        let mut tensor = [0.0; 48];
        plan.run(&frame, TensorMut::F32(&mut tensor)).unwrap();
        let (bar, picture) = ([-1.0; 12], [1.0; 24]);
        assert_eq!(tensor[..12], bar);
        assert_eq!(tensor[12..36], picture);
        assert_eq!(tensor[36..], bar);
    }

    #[test]
    fn a_plan_can_move_to_another_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<Preprocessor>();
    }
}
