//! Inferring a frame: preprocessing, one look or two, on this thread or on a worker.

use std::time::{Duration, Instant};

use super::second_look::{Look, SecondLook};
use super::{Classifier, ClassifyError};
use crate::engine;
use crate::engine::scheduler::EngineGuard;
use crate::engine::worker;
use crate::frame::{FrameTime, FrameView, Region};
use crate::preprocess::ShownPart;
use crate::tensor::TensorMut;

impl Classifier {
    /// Submits `frame` to the worker, with a second look if the latest result suggests one. Returns
    /// whether it replaces a frame that was not inferred yet.
    pub(super) fn submit(
        &mut self,
        frame: &FrameView<'_>,
        time: FrameTime,
    ) -> Result<bool, ClassifyError> {
        let Self { worker, preprocessor, second_look, frame_spec, target, resize, .. } = self;
        let (Some(worker), Some(preprocessor), Some(spec)) = (worker, preprocessor, frame_spec)
        else {
            return Err(ClassifyError::NoFormat);
        };
        let second_look = second_look.as_mut().filter(|_| self.runtime.second_look);
        let mut closer =
            match second_look.and_then(|second| second.wanted.map(|part| (second, part))) {
                Some((second, part)) => Some(second.plan(part, spec, target, *resize)?),
                None => None,
            };
        let shown_closer = closer.as_ref().map(|closer| closer.shown_part());
        let shown_part = preprocessor.shown_part();
        let mut write_closer = |input: TensorMut<'_>| match &mut closer {
            Some(closer) => closer.run(frame, input),
            None => Ok(()),
        };
        let second =
            shown_closer.map(|shown_part| worker::Look { shown_part, write: &mut write_closer });
        let mut write = |input: TensorMut<'_>| preprocessor.run(frame, input);
        let first = worker::Look { shown_part, write: &mut write };
        Ok(worker.submit(time, first, second)?)
    }

    /// Infers `frame` on this thread.
    pub(super) fn infer_inline(
        &mut self,
        frame: &FrameView<'_>,
        time: FrameTime,
    ) -> Result<(), ClassifyError> {
        let preprocessor = self.preprocessor.as_mut().ok_or(ClassifyError::NoFormat)?;
        let shown_part = preprocessor.shown_part();
        let mut engine = self.pool.acquire();
        let acquired = Instant::now();
        preprocessor.run(frame, engine.input_mut())?;
        let preprocessed = Instant::now();
        engine::run(&mut *engine)?;
        let inference_time = preprocessed.elapsed();
        let preprocessing_time = preprocessed - acquired;
        let first = Look::of_engine(&*engine, shown_part);
        // Taken out, because the decision needs the whole classifier.
        let mut second_look = self.second_look.take();
        let part = second_look.as_ref().and_then(|second| self.part_for_second_look(second, first));
        let result = match second_look.as_mut().zip(part) {
            Some((second, part)) => self.look_again(second, part, &mut engine, frame).map(
                |(shown_closer, preprocessing, inference)| {
                    self.counters.preprocess.add(preprocessing_time + preprocessing);
                    let first = Look::of_outputs(&second.first, shown_part);
                    let closer = Look::of_engine(&*engine, shown_closer);
                    let closer = Some((second.background, closer));
                    self.decide(first, closer, time, inference_time + inference);
                },
            ),
            None => {
                self.counters.preprocess.add(preprocessing_time);
                self.decide(first, None, time, inference_time);
                Ok(())
            }
        };
        self.second_look = second_look;
        result
    }

    /// Returns the part of the frame that a second look shows, if the first one does not decide.
    pub(super) fn part_for_second_look(
        &mut self,
        second: &SecondLook,
        first: Look<'_>,
    ) -> Option<Region> {
        let locator = self.locator.as_mut().filter(|_| self.runtime.second_look)?;
        second.part(first, &mut self.decider, locator)
    }

    /// Runs `engine`, whose outputs are those of the first look, on `part` of `frame`. Returns the
    /// part that the model sees, and the durations of preprocessing and inference.
    fn look_again(
        &self,
        second: &mut SecondLook,
        part: Region,
        engine: &mut EngineGuard,
        frame: &FrameView<'_>,
    ) -> Result<(ShownPart, Duration, Duration), ClassifyError> {
        second.first.copy_from(&**engine);
        let start = Instant::now();
        let spec = self.frame_spec.as_ref().ok_or(ClassifyError::NoFormat)?;
        let closer = second.plan(part, spec, &self.target, self.resize)?;
        closer.run(frame, engine.input_mut())?;
        let preprocessed = Instant::now();
        engine::run(&mut **engine)?;
        Ok((closer.shown_part(), preprocessed - start, preprocessed.elapsed()))
    }
}
