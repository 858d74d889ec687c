//! Inference on a worker thread: a stream submits its newest frame and continues.
//!
//! The streaming thread writes each frame that is due into a free input tensor
//! ([`WorkerInference::submit`]) and collects finished results ([`WorkerInference::collect`]).
//! Neither call waits for an inference. A tensor whose inference has not started yet is replaced by
//! the next frame, so an inference always runs on the newest frame and frames do not queue up.
//!
//! A stream has at most one job in the queue of the [`scheduler`], and queues it again for the next
//! frame.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use super::scheduler::{self, EnginePool, Job};
use super::{Engine, EngineError, run};
use crate::frame::FrameTime;
use crate::preprocess::ShownPart;
use crate::sync::lock;
use crate::tensor::{Tensor, TensorMut};

/// Number of frames with input tensors: one is written, one is pending, one is being inferred.
const INPUTS: usize = 3;
/// Number of frames with output tensors: one is written, and two wait to be collected. Two
/// inferences can end between two frames: the one that was running, and the one that was pending.
const OUTPUTS: usize = 3;

/// The largest number of looks at one frame.
pub const MAX_LOOKS: usize = 3;

/// A part of a frame that is to be inferred.
pub struct Look<'a, E> {
    /// The part of the frame that the model will see.
    pub shown_part: ShownPart,
    /// Fills an input tensor with it.
    pub write: &'a mut dyn FnMut(TensorMut<'_>) -> Result<(), E>,
}

/// The result of one frame.
#[derive(Debug)]
pub struct Finished {
    /// Time of the frame that was inferred.
    pub time: FrameTime,
    /// The results of the looks, in their order, and the duration of their inferences. The results
    /// must be given back with [`WorkerInference::recycle`].
    pub result: Result<(SeenLooks, Duration), EngineError>,
}

/// The results of the looks at one frame.
pub type SeenLooks = ArrayVec<Seen, MAX_LOOKS>;

/// The result of one look at a frame.
#[derive(Debug)]
pub struct Seen {
    /// The part of the frame that the model saw.
    pub shown_part: ShownPart,
    /// What the model found.
    pub outputs: Outputs,
}

/// Copies of the outputs of one inference.
#[derive(Debug)]
pub struct Outputs {
    /// The scores.
    pub scores: Tensor,
    /// The evidence; `None` if the model has none.
    pub evidence: Option<Tensor>,
}

impl Outputs {
    /// Creates outputs for the model of `pool`.
    pub fn of(pool: &EnginePool) -> Self {
        Self {
            scores: Tensor::zeroed(pool.output_info()),
            evidence: pool.evidence_info().map(Tensor::zeroed),
        }
    }

    /// Copies the outputs of the last run of `engine`.
    pub fn copy_from(&mut self, engine: &dyn Engine) {
        self.scores.elements_mut().copy_from(engine.output());
        if let (Some(to), Some(from)) = (&mut self.evidence, engine.evidence()) {
            to.elements_mut().copy_from(from);
        }
    }
}

/// The worker inferences of one stream. Dropping it abandons those that are not finished.
#[derive(Debug)]
pub struct WorkerInference {
    mailbox: Arc<Mailbox>,
}

/// The state that the streaming thread shares with the worker threads.
#[derive(Debug)]
struct Mailbox {
    pool: Arc<EnginePool>,
    slots: Mutex<Slots>,
    /// Notified when an inference has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct Slots {
    /// Incremented by each reset; a result of an older generation is discarded.
    generation: u64,
    pending: Option<Pending>,
    /// The job is in the scheduler's queue, or runs.
    scheduled: bool,
    /// The generation of the frame that is being inferred.
    running: Option<u64>,
    /// Results that wait to be collected, oldest first.
    finished: VecDeque<Finished>,
    free_inputs: Vec<Tensor>,
    free_outputs: Vec<Outputs>,
}

/// A frame whose inference has not started.
#[derive(Debug)]
struct Pending {
    time: FrameTime,
    looks: Inputs,
}

type Inputs = ArrayVec<Input, MAX_LOOKS>;

/// An input tensor with a part of a frame.
#[derive(Debug)]
struct Input {
    tensor: Tensor,
    shown_part: ShownPart,
}

impl Slots {
    /// Takes back the input tensors of a frame.
    fn recycle(&mut self, looks: Inputs) {
        self.free_inputs.extend(looks.into_iter().map(|look| look.tensor));
    }

    fn recycle_outputs(&mut self, looks: SeenLooks) {
        self.free_outputs.extend(looks.into_iter().map(|look| look.outputs));
    }
}

impl WorkerInference {
    /// Creates the tensors for inferences on the engines of `pool`, with at most `looks` looks at
    /// each frame.
    pub fn new(pool: Arc<EnginePool>, looks: usize) -> Self {
        let slots = Slots {
            generation: 0,
            pending: None,
            scheduled: false,
            running: None,
            finished: VecDeque::with_capacity(OUTPUTS),
            free_inputs: (0..INPUTS * looks).map(|_| Tensor::zeroed(pool.input_info())).collect(),
            free_outputs: (0..OUTPUTS * looks).map(|_| Outputs::of(&pool)).collect(),
        };
        let mailbox = Mailbox { pool, slots: Mutex::new(slots), ended: Condvar::new() };
        Self { mailbox: Arc::new(mailbox) }
    }

    /// Fills an input tensor with each of `looks` at the frame at `time`, and queues their inference.
    ///
    /// Returns whether a frame whose inference had not started was replaced by this one.
    ///
    /// # Errors
    ///
    /// The error of a look's `write`; a pending frame stays pending.
    pub fn submit<E>(&mut self, time: FrameTime, looks: &mut [Look<'_, E>]) -> Result<bool, E> {
        let mut inputs = Inputs::new();
        for look in looks {
            match self.write(look) {
                Ok(Some(input)) => inputs.push(input),
                // The tensors of at most one frame are pending and those of one are being inferred,
                // so those of a third are always free.
                Ok(None) => break,
                Err(error) => {
                    lock(&self.mailbox.slots).recycle(inputs);
                    return Err(error);
                }
            }
        }
        if inputs.is_empty() {
            return Ok(true);
        }
        let mut slots = lock(&self.mailbox.slots);
        let replaced = slots.pending.replace(Pending { time, looks: inputs });
        let was_replaced = replaced.is_some();
        if let Some(replaced) = replaced {
            slots.recycle(replaced.looks);
        }
        let schedule = !std::mem::replace(&mut slots.scheduled, true);
        drop(slots);
        if schedule {
            let job: Arc<dyn Job> = Arc::<Mailbox>::clone(&self.mailbox);
            scheduler::submit(&self.mailbox.pool, job);
        }
        Ok(was_replaced)
    }

    /// Writes a look into a free input tensor; `None` if there is none.
    fn write<E>(&self, look: &mut Look<'_, E>) -> Result<Option<Input>, E> {
        let Some(mut tensor) = lock(&self.mailbox.slots).free_inputs.pop() else { return Ok(None) };
        // The lock is not held here, so a worker can take a frame or deliver a result meanwhile.
        match (look.write)(tensor.elements_mut()) {
            Ok(()) => Ok(Some(Input { tensor, shown_part: look.shown_part })),
            Err(error) => {
                lock(&self.mailbox.slots).free_inputs.push(tensor);
                Err(error)
            }
        }
    }

    /// Returns the oldest result that was not collected yet.
    pub fn collect(&mut self) -> Option<Finished> {
        lock(&self.mailbox.slots).finished.pop_front()
    }

    /// Gives the results of a [`Finished`] back for later inferences.
    pub fn recycle(&mut self, looks: SeenLooks) {
        lock(&self.mailbox.slots).recycle_outputs(looks);
    }

    /// Discards all frames that were submitted, and their results.
    pub fn reset(&mut self) {
        self.mailbox.reset();
    }

    /// Waits at most `limit` until every submitted frame was inferred or discarded. Returns `false`
    /// on timeout.
    pub fn wait(&self, limit: Duration) -> bool {
        self.wait_while(limit, |slots| {
            slots.pending.is_some() || slots.running == Some(slots.generation)
        })
    }

    /// Waits at most `limit` until no inference runs, including discarded ones. Returns `false` on
    /// timeout.
    pub fn wait_until_idle(&self, limit: Duration) -> bool {
        self.wait_while(limit, |slots| slots.running.is_some())
    }

    fn wait_while(&self, limit: Duration, busy: impl Fn(&Slots) -> bool) -> bool {
        let slots = lock(&self.mailbox.slots);
        let waited = self.mailbox.ended.wait_timeout_while(slots, limit, |slots| busy(slots));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for WorkerInference {
    fn drop(&mut self) {
        // A running inference ends by itself on its worker thread.
        self.mailbox.reset();
    }
}

impl Mailbox {
    fn reset(&self) {
        let mut slots = lock(&self.slots);
        slots.generation += 1;
        if let Some(pending) = slots.pending.take() {
            slots.recycle(pending.looks);
        }
        while let Some(Finished { result, .. }) = slots.finished.pop_front() {
            if let Ok((looks, _)) = result {
                slots.recycle_outputs(looks);
            }
        }
        drop(slots);
        self.ended.notify_all();
    }

    /// Records the end of the inference, with its result unless that is discarded. `slots` is the
    /// lock under which the caller has checked this. Returns whether another frame is pending.
    fn end(&self, mut slots: MutexGuard<'_, Slots>, finished: Option<Finished>) -> bool {
        slots.running = None;
        slots.finished.extend(finished);
        slots.scheduled = slots.pending.is_some();
        let pending = slots.scheduled;
        drop(slots);
        self.ended.notify_all();
        pending
    }
}

impl Job for Mailbox {
    /// Infers the pending frame.
    fn run(&self, engine: &mut dyn Engine) -> bool {
        let mut slots = lock(&self.slots);
        let Some(Pending { time, looks }) = slots.pending.take() else {
            return self.end(slots, None);
        };
        if slots.free_outputs.len() < looks.len() {
            // At most two results wait while one inference runs, so this does not happen.
            slots.recycle(looks);
            return self.end(slots, None);
        }
        let from = slots.free_outputs.len() - looks.len();
        let mut seen: SeenLooks = slots
            .free_outputs
            .drain(from..)
            .zip(&looks)
            .map(|(outputs, look)| Seen { shown_part: look.shown_part, outputs })
            .collect();
        let generation = slots.generation;
        slots.running = Some(generation);
        drop(slots);

        let result: Result<Duration, EngineError> = looks
            .iter()
            .zip(&mut seen)
            .map(|(look, seen)| infer(engine, &look.tensor, &mut seen.outputs))
            .sum();

        let mut slots = lock(&self.slots);
        slots.recycle(looks);
        let wanted = slots.generation == generation;
        let finished = match result {
            Ok(duration) if wanted => Some(Ok((seen, duration))),
            other => {
                slots.recycle_outputs(seen);
                other.err().filter(|_| wanted).map(Err)
            }
        };
        self.end(slots, finished.map(|result| Finished { time, result }))
    }

    fn refuse(&self) {
        let mut slots = lock(&self.slots);
        if let Some(pending) = slots.pending.take() {
            let result = Err(EngineError::NoThread);
            slots.finished.push_back(Finished { time: pending.time, result });
            slots.recycle(pending.looks);
        }
        slots.scheduled = false;
        drop(slots);
        self.ended.notify_all();
    }
}

fn infer(
    engine: &mut dyn Engine,
    input: &Tensor,
    outputs: &mut Outputs,
) -> Result<Duration, EngineError> {
    engine.input_mut().copy_from(input.elements());
    let start = Instant::now();
    run(engine)?;
    let duration = start.elapsed();
    outputs.copy_from(engine);
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::tensor::TensorRef;
    use crate::testing::FakeEngine;

    const SLOW: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(10);

    fn slow(delay: Duration) -> WorkerInference {
        let mut engine = FakeEngine::new(2, 2);
        engine.delay = delay;
        WorkerInference::new(EnginePool::new(Box::new(engine)), MAX_LOOKS)
    }

    /// Submits a gray frame; the output of the fake engine is its pixel value / 255.
    fn submit(inference: &mut WorkerInference, value: u8) -> bool {
        submit_looks(inference, value, &[value])
    }

    /// Submits looks that show these grays. The time of the frame is `second`.
    fn submit_looks(inference: &mut WorkerInference, second: u8, grays: &[u8]) -> bool {
        fn filled(mut input: TensorMut<'_>, value: u8) -> Result<(), ()> {
            input.copy_from(TensorRef::U8(&[value; 12]));
            Ok(())
        }
        let pts = Some(Duration::from_secs(second.into()));
        let time = FrameTime { pts, ..FrameTime::default() };
        let shown_part = ShownPart::WHOLE;
        let mut writes: Vec<_> =
            grays.iter().map(|gray| move |input: TensorMut<'_>| filled(input, *gray)).collect();
        let mut looks: Vec<Look<'_, ()>> =
            writes.iter_mut().map(|write| Look { shown_part, write }).collect();
        inference.submit(time, &mut looks).unwrap()
    }

    /// Waits until a worker has started the inference of the submitted frame.
    fn wait_for_start(inference: &WorkerInference) {
        let started = || {
            let slots = lock(&inference.mailbox.slots);
            slots.running.is_some() && slots.pending.is_none()
        };
        while !started() {
            thread::yield_now();
        }
    }

    fn value(finished: &Finished) -> u8 {
        gray(&finished.result.as_ref().unwrap().0[0])
    }

    fn gray(seen: &Seen) -> u8 {
        (seen.outputs.scores.elements().real(0, None) * 255.0).round() as u8
    }

    #[test]
    fn a_frame_has_the_results_of_all_its_looks() {
        let mut inference = slow(Duration::from_millis(5));
        for grays in [&[10, 20][..], &[30], &[40, 50, 60]] {
            submit_looks(&mut inference, 0, grays);
            assert!(inference.wait(LONG));
            let (looks, duration) = inference.collect().unwrap().result.unwrap();
            assert_eq!(looks.iter().map(gray).collect::<Vec<_>>(), grays);
            assert!(duration >= grays.len() as u32 * Duration::from_millis(5));
            inference.recycle(looks);
        }
    }

    #[test]
    fn a_failed_second_look_fails_the_frame_and_frees_its_tensors() {
        let mut engine = FakeEngine::new(2, 2);
        engine.fail_at = vec![1];
        let mut inference = WorkerInference::new(EnginePool::new(Box::new(engine)), MAX_LOOKS);
        submit_looks(&mut inference, 0, &[10, 20]);
        assert!(inference.wait(LONG));
        assert!(inference.collect().unwrap().result.is_err());
        let slots = lock(&inference.mailbox.slots);
        assert_eq!(
            (slots.free_inputs.len(), slots.free_outputs.len()),
            (INPUTS * MAX_LOOKS, OUTPUTS * MAX_LOOKS)
        );
    }

    #[test]
    fn the_newest_frame_replaces_a_pending_one() {
        let mut inference = slow(SLOW);
        assert!(!submit(&mut inference, 1));
        wait_for_start(&inference);
        assert_eq!([2, 3, 4].map(|value| submit(&mut inference, value)), [false, true, true]);
        assert!(inference.collect().is_none());
        assert!(inference.wait(LONG));
        for frame in [1, 4] {
            let finished = inference.collect().unwrap();
            let pts = Some(Duration::from_secs(frame));
            assert_eq!((u64::from(value(&finished)), finished.time.pts), (frame, pts));
        }
        assert!(inference.collect().is_none());
    }

    #[test]
    fn every_tensor_becomes_free_again() {
        let mut inference = slow(Duration::ZERO);
        for round in 0..500 {
            submit_looks(&mut inference, 0, &[1; MAX_LOOKS][..1 + round % MAX_LOOKS]);
            if round % 4 == 0 {
                inference.reset();
            }
            if round % 5 == 0 {
                assert!(inference.wait(LONG));
            }
            if let Some(Finished { result: Ok((looks, _)), .. }) = inference.collect() {
                inference.recycle(looks);
            }
        }
        assert!(inference.wait(LONG));
        inference.reset();
        let slots = lock(&inference.mailbox.slots);
        assert_eq!(
            (slots.free_inputs.len(), slots.free_outputs.len()),
            (INPUTS * MAX_LOOKS, OUTPUTS * MAX_LOOKS)
        );
    }

    #[test]
    fn a_reset_discards_the_running_inference() {
        let mut inference = slow(SLOW);
        submit(&mut inference, 1);
        wait_for_start(&inference);
        inference.reset();
        assert!(inference.wait(LONG) && inference.wait_until_idle(LONG));
        assert!(inference.collect().is_none());
    }

    #[test]
    fn drop_does_not_block() {
        let mut inference = slow(Duration::from_secs(2));
        submit(&mut inference, 1);
        wait_for_start(&inference);
        let start = Instant::now();
        drop(inference);
        assert!(start.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn a_reset_before_the_start_frees_the_output_tensors() {
        let mut inference = slow(Duration::ZERO);
        for _ in 0..3 * OUTPUTS {
            submit(&mut inference, 1);
            inference.reset();
            thread::sleep(Duration::from_millis(2));
        }
        submit(&mut inference, 7);
        assert!(inference.wait(LONG));
        assert_eq!(value(&inference.collect().unwrap()), 7);
    }

    #[test]
    fn abandoned_inference_does_not_occupy_a_worker() {
        let most = thread::available_parallelism().unwrap().get();
        for _ in 0..2 * most {
            let mut inference = slow(Duration::from_secs(1));
            submit(&mut inference, 1);
            wait_for_start(&inference);
        }
        let mut inference = slow(Duration::ZERO);
        submit(&mut inference, 1);
        assert!(inference.wait(Duration::from_millis(700)));
    }

    #[test]
    fn each_failed_inference_is_reported_once() {
        let mut engine = FakeEngine::new(2, 2);
        engine.fail_from = Some(1);
        let mut inference = WorkerInference::new(EnginePool::new(Box::new(engine)), 1);
        for fails in [false, true, true] {
            submit(&mut inference, 7);
            assert!(inference.wait(LONG));
            assert_eq!(inference.collect().unwrap().result.is_err(), fails);
        }
    }

    #[test]
    fn streams_share_one_engine_fairly() {
        let mut engine = FakeEngine::new(2, 2);
        engine.delay = Duration::from_millis(2);
        let pool = EnginePool::new(Box::new(engine));
        let mut streams: Vec<_> =
            (0..6).map(|_| WorkerInference::new(Arc::clone(&pool), 1)).collect();
        let mut inferred = [0; 6];
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(400) {
            for (stream, count) in streams.iter_mut().zip(&mut inferred) {
                submit(stream, 1);
                if let Some(Finished { result: Ok((looks, _)), .. }) = stream.collect() {
                    stream.recycle(looks);
                    *count += 1;
                }
            }
            thread::sleep(Duration::from_micros(200));
        }
        let (least, most) = (inferred.iter().min().unwrap(), inferred.iter().max().unwrap());
        assert!(*least > 3 && *most <= 2 * least, "{inferred:?}");
    }
}
