//! The crate pic-scale, with a plan and scratch memory that all frames share, as its documentation recommends.

use std::rc::Rc;
use std::sync::Arc;

use pic_scale::{
    ImageSize, ImageStore, ImageStoreMut, PicScaleError, Resampling, ResamplingFunction, Scaler,
    ThreadingPolicy, WorkloadStrategy,
};

use super::planar::{Planar, Scale};
use super::{Filter, Implementation, Outcome};
use crate::frames::{Frames, Shape};

pub fn boxed(
    frames: &Rc<Frames>,
    side: usize,
    filter: Filter,
) -> Result<Box<dyn Implementation>, PicScaleError> {
    let scaler = Scaler::new(ResamplingFunction::Bilinear)
        .set_threading_policy(ThreadingPolicy::Single)
        .set_workload_strategy(WorkloadStrategy::PreferSpeed)
        // Supersampling picks single pixels on a grid of twice the size of the tensor and filters
        // those.
        .set_supersampling(filter == Filter::TwoTap);
    let shapes = frames.shapes().into_iter();
    let plans = shapes.map(|shape| Plan::new(&scaler, shape, side));
    let scale = PicScale { plans: plans.collect::<Result<_, _>>()? };
    Ok(Box::new(Planar::new(frames, side, scale)))
}

struct PicScale {
    plans: Vec<Plan>,
}

enum Plan {
    One(Planned<1>),
    Two(Planned<2>),
    Four(Planned<4>),
}

struct Planned<const N: usize> {
    plan: Arc<Resampling<u8, N>>,
    scratch: Vec<u8>,
}

impl Plan {
    fn new(scaler: &Scaler, shape: Shape, side: usize) -> Result<Self, PicScaleError> {
        let (from, to) = (ImageSize::new(shape.width, shape.height), ImageSize::new(side, side));
        Ok(match shape.channels {
            1 => Self::One(scaler.plan_planar_resampling(from, to)?.into()),
            2 => Self::Two(scaler.plan_cbcr_resampling(from, to)?.into()),
            // The fourth channel is luma.
            _ => Self::Four(scaler.plan_rgba_resampling(from, to, false)?.into()),
        })
    }
}

impl<const N: usize> From<Arc<Resampling<u8, N>>> for Planned<N> {
    fn from(plan: Arc<Resampling<u8, N>>) -> Self {
        let scratch = plan.alloc_scratch();
        Self { plan, scratch }
    }
}

impl<const N: usize> Planned<N> {
    fn run(&mut self, from: &[u8], to: &mut [u8]) -> Outcome {
        let (source, target) = (self.plan.source_size(), self.plan.target_size());
        let from = ImageStore::<u8, N>::from_slice(from, source.width, source.height)?;
        let mut to = ImageStoreMut::<u8, N>::from_slice(to, target.width, target.height)?;
        self.plan.resample_with_scratch(&from, &mut to, &mut self.scratch)?;
        Ok(())
    }
}

impl Scale for PicScale {
    fn scale(&mut self, plane: usize, from: &[u8], to: &mut [u8]) -> Outcome {
        match &mut self.plans[plane] {
            Plan::One(plan) => plan.run(from, to),
            Plan::Two(plan) => plan.run(from, to),
            Plan::Four(plan) => plan.run(from, to),
        }
    }
}
