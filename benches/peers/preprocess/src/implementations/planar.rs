//! The implementations whose libraries scale images and do not support video formats: they scale each plane to the size of
//! the tensor, and convert the colors of the result.

use std::rc::Rc;

use super::{Implementation, Outcome};
use crate::finish::Finish;
use crate::frames::Frames;

/// Scales plane `plane` from `from` to `to`.
pub trait Scale {
    fn scale(&mut self, plane: usize, from: &[u8], to: &mut [u8]) -> Outcome;
}

pub struct Planar<S> {
    frames: Rc<Frames>,
    scale: S,
    scaled: Vec<Vec<u8>>,
    finish: Finish,
    tensor: Vec<f32>,
}

impl<S> Planar<S> {
    pub fn new(frames: &Rc<Frames>, side: usize, scale: S) -> Self {
        let shapes = frames.shapes().into_iter();
        let scaled = shapes.map(|shape| vec![0; side * side * shape.channels]).collect();
        let finish = Finish::new(frames.format, side);
        let tensor = vec![0.0; side * side * 3];
        Self { frames: Rc::clone(frames), scale, scaled, finish, tensor }
    }
}

impl<S: Scale> Implementation for Planar<S> {
    fn fill(&mut self, index: usize) -> Outcome {
        let planes = self.frames.planes(index).zip(&mut self.scaled);
        for (plane, ((from, _), to)) in planes.enumerate() {
            self.scale.scale(plane, from, to)?;
        }
        self.finish.run(&self.scaled, &mut self.tensor)?;
        Ok(())
    }

    fn tensor(&mut self) -> Outcome<Vec<f32>> {
        Ok(self.tensor.clone())
    }
}
