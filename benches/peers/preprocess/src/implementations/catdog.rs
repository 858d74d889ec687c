//! The preprocessing of catdog.

use std::rc::Rc;

use catdog_core::frame::{FrameSpec, FrameView, Plane};
use catdog_core::preprocess::{
    ChannelOrder, Channels, Kernels, Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};

use super::{Implementation, Outcome};
use crate::frames::{Frames, SIZE};

pub struct Catdog {
    frames: Rc<Frames>,
    spec: FrameSpec,
    preprocessor: Preprocessor,
    tensor: Vec<f32>,
}

impl Catdog {
    pub fn boxed(
        frames: &Rc<Frames>,
        side: usize,
        antialias: bool,
        kernels: Kernels,
    ) -> Outcome<Box<dyn Implementation>> {
        let spec = FrameSpec::new(frames.format, SIZE.0, SIZE.1);
        let target = TensorTarget {
            width: side,
            height: side,
            channels: Channels::Rgb,
            order: ChannelOrder::Last,
            element: ElementType::F32,
            values: [ValueMap::Normalized { mean: 127.5, std: 127.5 }; 3],
        };
        let resize = Resize { method: ResizeMethod::Stretch, antialias };
        let preprocessor = Preprocessor::with_kernels(&spec, &target, resize, kernels)?;
        let tensor = vec![0.0; side * side * 3];
        Ok(Box::new(Self { frames: Rc::clone(frames), spec, preprocessor, tensor }))
    }
}

impl Implementation for Catdog {
    fn fill(&mut self, index: usize) -> Outcome {
        let mut planes = [Plane { data: &[], stride: 0 }; 3];
        let count = self.spec.format.n_planes();
        for (plane, (data, stride)) in planes.iter_mut().zip(self.frames.planes(index)) {
            *plane = Plane { data, stride };
        }
        let frame = FrameView::new(&self.spec, &planes[..count])?;
        self.preprocessor.run(&frame, TensorMut::F32(&mut self.tensor))?;
        Ok(())
    }

    fn tensor(&mut self) -> Outcome<Vec<f32>> {
        Ok(self.tensor.clone())
    }
}
