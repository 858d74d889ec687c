//! Inferring a frame: preprocessing, one look or several, on this thread or on a worker.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use super::closer_looks::{CloserLooks, Look, Looks};
use super::{Classifier, ClassifyError};
use crate::engine;
use crate::engine::scheduler::EngineGuard;
use crate::engine::worker::{self, MAX_LOOKS};
use crate::frame::{FrameTime, FrameView, Region};
use crate::preprocess::Preprocessor;
use crate::tensor::TensorMut;

impl Classifier {
    /// Submits `frame` to the worker, with the closer looks that the latest result suggests. Returns
    /// whether it replaces a frame that was not inferred yet.
    pub(super) fn submit(
        &mut self,
        frame: &FrameView<'_>,
        time: FrameTime,
    ) -> Result<bool, ClassifyError> {
        let Self { worker, preprocessor, closer_looks, frame_spec, target, resize, .. } = self;
        let (Some(worker), Some(preprocessor), Some(spec)) = (worker, preprocessor, frame_spec)
        else {
            return Err(ClassifyError::NoFormat);
        };
        let mut preprocessors: ArrayVec<&mut Preprocessor, MAX_LOOKS> = ArrayVec::new();
        preprocessors.push(preprocessor);
        if let Some(closer) = closer_looks.as_mut().filter(|_| self.runtime.second_look) {
            let wanted = closer.wanted.clone();
            for (number, part) in wanted.iter().enumerate() {
                closer.plan(number, *part, spec, target, *resize)?;
            }
            preprocessors.extend(closer.plans().take(wanted.len()));
        }
        let mut writes: ArrayVec<_, MAX_LOOKS> = preprocessors
            .into_iter()
            .map(|planned| (planned.shown_part(), |input: TensorMut<'_>| planned.run(frame, input)))
            .collect();
        let mut looks: ArrayVec<_, MAX_LOOKS> = writes
            .iter_mut()
            .map(|(shown_part, write)| worker::Look { shown_part: *shown_part, write })
            .collect();
        Ok(worker.submit(time, &mut looks)?)
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
        let mut closer_looks = self.closer_looks.take();
        let part = closer_looks.as_ref().and_then(|closer| self.next_part(closer, &[first]));
        let result = match closer_looks.as_mut().zip(part) {
            Some((closer, part)) => {
                closer.seen[0].shown_part = shown_part;
                closer.seen[0].outputs.copy_from(&*engine);
                self.look_closer(closer, part, &mut engine, frame).map(
                    |(count, preprocessing, inference)| {
                        self.counters.preprocess.add(preprocessing_time + preprocessing);
                        let looks: Looks<'_> =
                            closer.seen.iter().take(count).map(Look::of_seen).collect();
                        self.decide(
                            &looks,
                            Some(closer.background),
                            time,
                            inference_time + inference,
                        );
                    },
                )
            }
            None => {
                self.counters.preprocess.add(preprocessing_time);
                self.decide(&[first], None, time, inference_time);
                Ok(())
            }
        };
        self.closer_looks = closer_looks;
        result
    }

    /// Returns the part of the frame that the look after `looks` shows, if they do not decide.
    fn next_part(&mut self, closer: &CloserLooks, looks: &[Look<'_>]) -> Option<Region> {
        let locator = self.locator.as_mut().filter(|_| self.runtime.second_look)?;
        closer.next_part(looks, &mut self.decider, locator)
    }

    /// Runs `engine` on `part` of `frame`, and on further parts until the looks decide. Returns the
    /// number of looks in `closer.seen`, the first one included, and the durations of preprocessing
    /// and inference.
    fn look_closer(
        &mut self,
        closer: &mut CloserLooks,
        part: Region,
        engine: &mut EngineGuard,
        frame: &FrameView<'_>,
    ) -> Result<(usize, Duration, Duration), ClassifyError> {
        let (mut preprocessing, mut inference) = (Duration::ZERO, Duration::ZERO);
        let (mut count, mut next) = (1, Some(part));
        while let Some(part) = next {
            let start = Instant::now();
            let spec = self.frame_spec.as_ref().ok_or(ClassifyError::NoFormat)?;
            let planned = closer.plan(count - 1, part, spec, &self.target, self.resize)?;
            planned.run(frame, engine.input_mut())?;
            let shown_part = planned.shown_part();
            let preprocessed = Instant::now();
            engine::run(&mut **engine)?;
            preprocessing += preprocessed - start;
            inference += preprocessed.elapsed();
            closer.seen[count].shown_part = shown_part;
            closer.seen[count].outputs.copy_from(&**engine);
            count += 1;
            let looks: Looks<'_> = closer.seen.iter().take(count).map(Look::of_seen).collect();
            next = self.next_part(closer, &looks);
        }
        Ok((count, preprocessing, inference))
    }
}
