//! The conversion of a video frame to the input tensor of a model: resize, color conversion,
//! normalization, quantization.
//!
//! A model reads a tensor of, for example, 150x150 pixels, and a frame has up to millions of
//! pixels. A conversion of the whole frame to RGB before the resize would process pixels that are
//! averaged away afterwards. So each component is resampled first, in the layout of the frame and
//! chroma at its own resolution; then only the small result is converted to RGB. For linear filters
//! and a linear matrix both orders give the same result, except where a converter clips or rounds.
//!
//! The input is a borrowed [`FrameView`], the output is the tensor of the model. Everything that
//! depends only on the caps and the model is computed once, by [`Preprocessor::new`]:
//!
//! - `target`: the tensor that the model expects;
//! - `geometry`: the mapping between frame and tensor: region, resize method, orientation;
//! - `taps`: the weights of the resampling filter, as integers;
//! - `passes`: the positions of the components in the planes of each format;
//! - `color`: the conversion from components to RGB pixel values, with integers;
//! - `element_map`: the conversion from pixel values to tensor elements;
//! - `plan`: all of these together.
//!
//! The loops that run for each frame are in `kernels`. They compute one output row after another,
//! allocate nothing, and read only the rows and columns that have a weight.

mod color;
mod element_map;
mod error;
mod fixed_point;
mod geometry;
mod kernels;
mod passes;
mod plan;
mod taps;
mod target;

pub use error::PreprocessError;
pub use geometry::{Framing, Resize, ResizeMethod, ShownPart};
pub use kernels::Kernels;
pub use target::{ChannelOrder, Channels, TensorTarget, ValueMap};

use crate::frame::{FrameSpec, FrameView};
use crate::tensor::TensorMut;
use element_map::ElementMap;
use kernels::Scratch;
use plan::Plan;

/// Converts frames of one [`FrameSpec`] to tensors of one [`TensorTarget`].
///
/// [`run`](Self::run) takes `&mut self` because it writes to scratch rows of the preprocessor, so
/// each thread needs its own.
#[derive(Debug)]
pub struct Preprocessor {
    plan: Plan,
    map: ElementMap,
    kernels: Kernels,
    scratch: Scratch,
}

impl Preprocessor {
    /// Plans the conversion of frames of `spec` to tensors of `target`, with the fastest kernels of
    /// this machine. A [`Resize`] or a [`ResizeMethod`] as `framing` shows the whole frame.
    ///
    /// # Errors
    ///
    /// Fails if a side of the frame or the tensor is 0 or longer than 65,536 pixels, the pixel
    /// aspect ratio contains a 0, the luma coefficients do not define a color matrix, or a value
    /// map does not fit the element type.
    pub fn new(
        spec: &FrameSpec,
        target: &TensorTarget,
        framing: impl Into<Framing>,
    ) -> Result<Self, PreprocessError> {
        Self::with_kernels(spec, target, framing, Kernels::best())
    }

    /// Does the same as [`new`](Self::new) with the given kernels, so that tests and benchmarks can
    /// run all of them.
    ///
    /// # Errors
    ///
    /// The errors are those of [`new`](Self::new).
    pub fn with_kernels(
        spec: &FrameSpec,
        target: &TensorTarget,
        framing: impl Into<Framing>,
        kernels: Kernels,
    ) -> Result<Self, PreprocessError> {
        let plan = Plan::new(spec, target, framing.into())?;
        let map = ElementMap::new(target)?;
        let scratch = Scratch::new(&plan);
        Ok(Self { plan, map, kernels, scratch })
    }

    /// Returns the part of the upright frame that a tensor shows.
    pub fn shown_part(&self) -> ShownPart {
        self.plan.mapping.shown_part
    }

    /// Writes all elements of `tensor`, from the pixels of `frame`.
    ///
    /// # Errors
    ///
    /// Fails, without a change to `tensor`, if the format of `frame`, a plane of `frame`, or the
    /// element type or size of `tensor` is not the planned one.
    pub fn run(
        &mut self,
        frame: &FrameView<'_>,
        tensor: TensorMut<'_>,
    ) -> Result<(), PreprocessError> {
        let Self { plan, map, kernels, scratch } = self;
        plan.check_frame(frame)?;
        match (&*map, tensor) {
            (ElementMap::F32(maps), TensorMut::F32(to)) => {
                kernels.fill(plan, frame, scratch, maps, plan.check_len(to)?);
            }
            (ElementMap::F16(maps), TensorMut::F16(to)) => {
                kernels.fill(plan, frame, scratch, maps, plan.check_len(to)?);
            }
            (ElementMap::U8(maps), TensorMut::U8(to)) => {
                kernels.fill(plan, frame, scratch, maps, plan.check_len(to)?);
            }
            (ElementMap::I8(maps), TensorMut::I8(to)) => {
                kernels.fill(plan, frame, scratch, maps, plan.check_len(to)?);
            }
            (_, tensor) => return Err(plan.wrong_element(&tensor)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{PixelFormat, Plane};
    use crate::tensor::ElementType;
    use plan::MAX_SIDE;

    fn target(width: usize, height: usize, element: ElementType) -> TensorTarget {
        let (channels, order) = (Channels::Rgb, ChannelOrder::Last);
        TensorTarget { width, height, channels, order, element, values: [ValueMap::Level; 3] }
    }

    fn gray(width: usize, height: usize) -> FrameSpec {
        FrameSpec::new(PixelFormat::Gray8, width, height)
    }

    #[test]
    fn rejected_input_leaves_the_tensor_unchanged() {
        let spec = gray(8, 8);
        let target = target(2, 2, ElementType::U8);
        let mut preprocessor = Preprocessor::new(&spec, &target, ResizeMethod::Stretch).unwrap();
        let data = [235; 64];
        let plane = Plane { data: &data, stride: 8 };
        let frame = FrameView::new(&spec, &[plane]).unwrap();
        let mut tensor = [7; 12];

        let mut signed = [0; 12];
        let result = preprocessor.run(&frame, TensorMut::I8(&mut signed));
        assert_eq!(result, Err(PreprocessError::TensorElement { got: "int8", want: "uint8" }));
        let result = preprocessor.run(&frame, TensorMut::U8(&mut tensor[..11]));
        assert_eq!(result, Err(PreprocessError::TensorLength { got: 11, want: 12 }));
        let smaller = FrameView::new(&gray(8, 7), &[Plane { data: &data[..56], stride: 8 }]);
        let result = preprocessor.run(&smaller.unwrap(), TensorMut::U8(&mut tensor));
        let short = PreprocessError::FramePlane { plane: 0, got: 56, want: 64 };
        assert_eq!(result, Err(short));
        let other = FrameView::new(&FrameSpec::new(PixelFormat::Rgb, 1, 1), &[plane]).unwrap();
        let result = preprocessor.run(&other, TensorMut::U8(&mut tensor));
        assert!(matches!(result, Err(PreprocessError::FrameFormat { .. })));

        assert_eq!(tensor, [7; 12]);
        preprocessor.run(&frame, TensorMut::U8(&mut tensor)).unwrap();
        assert_eq!(tensor, [255; 12]);
    }

    #[test]
    fn zero_and_excessive_sizes_are_rejected() {
        let size = |spec: &FrameSpec, target: &TensorTarget| {
            let rejected = Preprocessor::new(spec, target, ResizeMethod::Crop);
            matches!(rejected, Err(PreprocessError::Size { .. }))
        };
        assert!(size(&gray(0, 8), &target(2, 2, ElementType::U8)));
        assert!(size(&gray(8, MAX_SIDE + 1), &target(2, 2, ElementType::U8)));
        assert!(size(&gray(8, 8), &target(2, 0, ElementType::U8)));
        let spec = FrameSpec { pixel_aspect_ratio: (1, 0), ..gray(8, 8) };
        let target = target(2, 2, ElementType::U8);
        let rejected = Preprocessor::new(&spec, &target, ResizeMethod::Stretch).err();
        assert_eq!(rejected, Some(PreprocessError::PixelAspectRatio { width: 1, height: 0 }));
    }

    #[test]
    fn letterbox_bars_are_normalized_black() {
        let value = ValueMap::Normalized { mean: 127.5, std: 127.5 };
        let target = TensorTarget { values: [value; 3], ..target(4, 4, ElementType::F32) };
        let spec = gray(8, 4);
        let mut preprocessor = Preprocessor::new(&spec, &target, ResizeMethod::Letterbox).unwrap();
        let data = [235; 32];
        let frame = FrameView::new(&spec, &[Plane { data: &data, stride: 8 }]).unwrap();
        let mut tensor = [0.0; 48];
        preprocessor.run(&frame, TensorMut::F32(&mut tensor)).unwrap();
        let (bar, picture) = ([-1.0; 12], [1.0; 24]);
        assert_eq!(tensor[..12], bar);
        assert_eq!(tensor[12..36], picture);
        assert_eq!(tensor[36..], bar);
    }

    #[test]
    fn a_preprocessor_can_move_to_another_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<Preprocessor>();
    }
}
