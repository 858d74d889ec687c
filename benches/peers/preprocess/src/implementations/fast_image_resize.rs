//! The crate fast_image_resize.

use std::rc::Rc;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::planar::{Planar, Scale};
use super::{Filter, Implementation, Outcome};
use crate::frames::{Frames, Shape};

struct FastImageResize {
    shapes: Vec<Shape>,
    side: usize,
    resizer: Resizer,
    options: ResizeOptions,
}

pub fn boxed(frames: &Rc<Frames>, side: usize, filter: Filter) -> Box<dyn Implementation> {
    let algorithm = match filter {
        Filter::TwoTap => ResizeAlg::Interpolation(FilterType::Bilinear),
        Filter::Antialiased => ResizeAlg::Convolution(FilterType::Bilinear),
    };
    // The fourth channel is luma.
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
    let (shapes, resizer) = (frames.shapes(), Resizer::new());
    Box::new(Planar::new(frames, side, FastImageResize { shapes, side, resizer, options }))
}

impl Scale for FastImageResize {
    fn scale(&mut self, plane: usize, from: &[u8], to: &mut [u8]) -> Outcome {
        let Shape { channels, width, height } = self.shapes[plane];
        let pixel = match channels {
            1 => PixelType::U8,
            2 => PixelType::U8x2,
            _ => PixelType::U8x4,
        };
        let from = ImageRef::new(width as u32, height as u32, from, pixel)?;
        let mut to = Image::from_slice_u8(self.side as u32, self.side as u32, to, pixel)?;
        self.resizer.resize(&from, &mut to, &self.options)?;
        Ok(())
    }
}
