//! Inference beside the stream: a worker runs the newest frame while the streaming thread goes on.
//!
//! The streaming thread writes each frame that is due into a free tensor
//! ([`AsyncInference::submit`]) and fetches what has been inferred meanwhile
//! ([`AsyncInference::fetch`]); neither waits for an inference. A tensor that no worker has begun
//! with is replaced by the next frame: what is inferred is never old, and nothing queues up.
//!
//! Worker threads belong to the process, not to an element: there are as many as processors, at
//! most, and each runs what has waited longest. An element waits for one inference at a time and
//! queues anew for the next, so that all get their turn. A thread that nobody needs ends after some
//! seconds, and one whose inference nobody waits for any more does not count.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::pool::EnginePool;
use crate::engine::{Engine, run};
use crate::error::EngineError;
use crate::sync::lock;
use crate::tensor::{Tensor, TensorMut};

/// How long a worker thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(3);
/// One that is being written, one that waits, one that runs.
const INPUTS: usize = 3;
/// One that runs, and two that wait to be fetched: between two frames the one that was running may
/// end, and the one that was pending.
const OUTPUTS: usize = 3;

/// What one inference came to.
#[derive(Debug)]
pub struct Finished {
    /// Presentation time of the frame.
    pub pts: Option<Duration>,
    /// The output tensor and how long the inference took. Give the tensor back by
    /// [`AsyncInference::recycle`].
    pub result: Result<(Tensor, Duration), EngineError>,
}

/// One element's inferences beside its stream. Dropping it abandons what is not finished.
#[derive(Debug)]
pub struct AsyncInference {
    mailbox: Arc<Mailbox>,
}

/// Where the streaming thread and the workers meet.
#[derive(Debug)]
struct Mailbox {
    pool: Arc<EnginePool>,
    slots: Mutex<Slots>,
    /// An inference has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct Slots {
    /// Counts what was forgotten; a result of before is thrown away.
    generation: u64,
    pending: Option<Pending>,
    /// In the workers' queue, or with a worker.
    scheduled: bool,
    /// The generation of the frame that runs.
    running: Option<u64>,
    /// Whoever was to fetch the result is gone, and the thread that runs was replaced.
    abandoned: bool,
    /// Oldest first.
    finished: VecDeque<Finished>,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

/// A frame that waits for a worker.
#[derive(Debug)]
struct Pending {
    input: Tensor,
    pts: Option<Duration>,
}

/// What a worker thread does after an inference.
enum Next {
    /// Queue for the frame that has come meanwhile.
    Queue,
    /// Nothing for this element.
    Rest,
    /// End: another thread has taken its place.
    End,
}

impl AsyncInference {
    /// Inferences by the engines of `pool`.
    pub fn new(pool: Arc<EnginePool>) -> Self {
        let inputs = (0..INPUTS).map(|_| Tensor::zeroed(pool.input_info())).collect();
        let outputs = (0..OUTPUTS).map(|_| Tensor::zeroed(pool.output_info())).collect();
        let slots = Slots {
            generation: 0,
            pending: None,
            scheduled: false,
            running: None,
            abandoned: false,
            finished: VecDeque::with_capacity(OUTPUTS),
            inputs,
            outputs,
        };
        let mailbox = Mailbox { pool, slots: Mutex::new(slots), ended: Condvar::new() };
        Self { mailbox: Arc::new(mailbox) }
    }

    /// Has `write` fill an input tensor with the frame shown at `pts`, and hands it to the workers.
    /// A frame handed over before that no worker has begun with is dropped: returns whether there
    /// was one.
    ///
    /// # Errors
    ///
    /// Those of `write`; what was handed over before stays.
    pub fn submit<E>(
        &mut self,
        pts: Option<Duration>,
        write: impl FnOnce(TensorMut<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        // One is pending and one runs, at most, so there is always a third.
        let Some(mut input) = lock(&self.mailbox.slots).inputs.pop() else { return Ok(true) };
        // Without the lock: a worker may fetch and deliver meanwhile.
        let written = write(input.elements_mut());
        let mut slots = lock(&self.mailbox.slots);
        if let Err(error) = written {
            slots.inputs.push(input);
            return Err(error);
        }
        let replaced = slots.pending.replace(Pending { input, pts });
        let dropped = replaced.is_some();
        slots.inputs.extend(replaced.map(|replaced| replaced.input));
        let schedule = !std::mem::replace(&mut slots.scheduled, true);
        drop(slots);
        if schedule {
            WORKERS.schedule(Arc::clone(&self.mailbox));
        }
        Ok(dropped)
    }

    /// The oldest inference that has ended and was not fetched yet.
    pub fn fetch(&mut self) -> Option<Finished> {
        lock(&self.mailbox.slots).finished.pop_front()
    }

    /// Takes back the output tensor of a [`Finished`].
    pub fn recycle(&mut self, output: Tensor) {
        lock(&self.mailbox.slots).outputs.push(output);
    }

    /// Forgets the frames that were handed over; none of them will be fetched.
    pub fn forget(&mut self) {
        self.mailbox.forget();
    }

    /// Waits, at most so long, until every frame handed over was inferred or forgotten. Returns
    /// whether that is so.
    pub fn wait(&self, limit: Duration) -> bool {
        self.wait_while(limit, |slots| {
            slots.pending.is_some() || slots.running == Some(slots.generation)
        })
    }

    /// Waits, at most so long, until nothing runs, be it forgotten. Returns whether that is so.
    pub fn settle(&self, limit: Duration) -> bool {
        self.wait_while(limit, |slots| slots.running.is_some())
    }

    fn wait_while(&self, limit: Duration, busy: impl Fn(&Slots) -> bool) -> bool {
        let slots = lock(&self.mailbox.slots);
        let waited = self.mailbox.ended.wait_timeout_while(slots, limit, |slots| busy(slots));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for AsyncInference {
    fn drop(&mut self) {
        self.mailbox.forget();
        let mut slots = lock(&self.mailbox.slots);
        let runs = slots.running.is_some();
        slots.abandoned = runs;
        drop(slots);
        if runs {
            WORKERS.write_off();
        }
    }
}

impl Mailbox {
    fn forget(&self) {
        let mut slots = lock(&self.slots);
        slots.generation += 1;
        let pending = slots.pending.take();
        slots.inputs.extend(pending.map(|pending| pending.input));
        while let Some(Finished { result, .. }) = slots.finished.pop_front() {
            slots.outputs.extend(result.map(|(output, _)| output));
        }
        drop(slots);
        self.ended.notify_all();
    }

    /// Runs what is pending, on a worker thread.
    fn run(&self) -> Next {
        let mut slots = lock(&self.slots);
        if slots.pending.is_none() {
            slots.scheduled = false;
            return Next::Rest;
        }
        let generation = slots.generation;
        slots.running = Some(generation);
        drop(slots);

        let mut engine = self.pool.take();
        // Only now, since others may have had the engine for long: the newest frame, if any is wanted.
        let mut slots = lock(&self.slots);
        let job = match slots.generation == generation {
            true => slots.pending.take().zip(slots.outputs.pop()),
            false => None,
        };
        let Some((Pending { input, pts }, mut output)) = job else {
            return self.end(slots, None);
        };
        drop(slots);
        let result = infer(&mut *engine, &input, &mut output);
        drop(engine);

        let mut slots = lock(&self.slots);
        slots.inputs.push(input);
        let finished = match result {
            Ok(took) if slots.generation == generation => Some(Ok((output, took))),
            other => {
                slots.outputs.push(output);
                other.err().filter(|_| slots.generation == generation).map(Err)
            }
        };
        self.end(slots, finished.map(|result| Finished { pts, result }))
    }

    /// Notes that nothing runs any more, and what has come of it: under the lock under which it was
    /// found to be wanted still.
    fn end(&self, mut slots: MutexGuard<'_, Slots>, finished: Option<Finished>) -> Next {
        slots.running = None;
        slots.finished.extend(finished);
        slots.scheduled = slots.pending.is_some();
        let next = match (slots.abandoned, slots.scheduled) {
            (true, _) => Next::End,
            (false, true) => Next::Queue,
            (false, false) => Next::Rest,
        };
        drop(slots);
        self.ended.notify_all();
        next
    }

    /// Where nobody can run what is pending.
    fn refuse(&self) {
        let mut slots = lock(&self.slots);
        if let Some(Pending { input, pts }) = slots.pending.take() {
            slots.inputs.push(input);
            slots.finished.push_back(Finished { pts, result: Err(EngineError::NoThread) });
        }
        slots.scheduled = false;
        drop(slots);
        self.ended.notify_all();
    }
}

fn infer(
    engine: &mut dyn Engine,
    input: &Tensor,
    output: &mut Tensor,
) -> Result<Duration, EngineError> {
    engine.input_mut().copy_from(input.elements());
    let start = Instant::now();
    run(engine)?;
    let took = start.elapsed();
    output.elements_mut().copy_from(engine.output());
    Ok(took)
}

/// The worker threads of the process.
struct Workers {
    state: Mutex<WorkersState>,
    scheduled: Condvar,
}

struct WorkersState {
    queue: VecDeque<Arc<Mailbox>>,
    threads: usize,
    idle: usize,
}

static WORKERS: Workers = Workers {
    state: Mutex::new(WorkersState { queue: VecDeque::new(), threads: 0, idle: 0 }),
    scheduled: Condvar::new(),
};

impl Workers {
    fn schedule(&'static self, mailbox: Arc<Mailbox>) {
        let mut state = lock(&self.state);
        if state.idle <= state.queue.len() {
            self.add_thread(&mut state);
        }
        if state.threads == 0 {
            drop(state);
            mailbox.refuse();
            return;
        }
        state.queue.push_back(mailbox);
        drop(state);
        self.scheduled.notify_one();
    }

    /// A thread that runs what nobody waits for is no help to those who wait.
    fn write_off(&'static self) {
        let mut state = lock(&self.state);
        state.threads -= 1;
        if !state.queue.is_empty() {
            self.add_thread(&mut state);
        }
        let refused =
            if state.threads == 0 { std::mem::take(&mut state.queue) } else { VecDeque::new() };
        drop(state);
        refused.iter().for_each(|mailbox| mailbox.refuse());
    }

    fn add_thread(&'static self, state: &mut WorkersState) {
        let most = thread::available_parallelism().map_or(1, usize::from);
        if state.threads < most {
            let thread = thread::Builder::new().name("catdog-worker".into());
            // Where none can be made, those that are there do all the work.
            state.threads += usize::from(thread.spawn(|| self.work()).is_ok());
        }
    }

    /// What a worker thread does.
    fn work(&'static self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(mailbox) = state.queue.pop_front() {
                drop(state);
                let next = mailbox.run();
                // Behind all others that wait. Else dropped, with its engines if it is the last that
                // has them, before the lock that every camera takes.
                let again = matches!(next, Next::Queue).then_some(mailbox);
                state = lock(&self.state);
                state.queue.extend(again);
                if matches!(next, Next::End) {
                    return;
                }
                continue;
            }
            state.idle += 1;
            let waited = self.scheduled.wait_timeout(state, IDLE);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::FakeEngine;
    use crate::tensor::TensorRef;

    const SLOW: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(10);

    fn slow(delay: Duration) -> AsyncInference {
        let mut engine = FakeEngine::new(2, 2);
        engine.delay = delay;
        AsyncInference::new(Arc::new(EnginePool::new(Box::new(engine))))
    }

    /// Hands over a grey frame, whose level the fake engine answers with.
    fn submit(inference: &mut AsyncInference, level: u8) -> bool {
        let write = |mut input: TensorMut<'_>| {
            input.copy_from(TensorRef::U8(&[level; 12]));
            Ok::<_, ()>(())
        };
        inference.submit(Some(Duration::from_secs(level.into())), write).unwrap()
    }

    /// Waits until a worker has begun with what was handed over.
    fn wait_for_begin(inference: &AsyncInference) {
        let begun = || {
            let slots = lock(&inference.mailbox.slots);
            slots.running.is_some() && slots.pending.is_none()
        };
        while !begun() {
            thread::yield_now();
        }
    }

    fn level(finished: &Finished) -> u8 {
        let (output, _) = finished.result.as_ref().unwrap();
        (output.elements().real(0, None) * 255.0).round() as u8
    }

    #[test]
    fn the_newest_frame_is_inferred_and_those_before_it_are_not() {
        let mut inference = slow(SLOW);
        assert!(!submit(&mut inference, 1));
        wait_for_begin(&inference);
        assert_eq!([2, 3, 4].map(|level| submit(&mut inference, level)), [false, true, true]);
        assert!(inference.fetch().is_none());
        assert!(inference.wait(LONG));
        for frame in [1, 4] {
            let finished = inference.fetch().unwrap();
            let pts = Some(Duration::from_secs(frame));
            assert_eq!((u64::from(level(&finished)), finished.pts), (frame, pts));
        }
        assert!(inference.fetch().is_none());
    }

    #[test]
    fn tensors_come_back_however_often_they_are_used() {
        let mut inference = slow(Duration::ZERO);
        for round in 0..500 {
            submit(&mut inference, (round % 250) as u8);
            if round % 3 == 0 {
                inference.forget();
            }
            if round % 5 == 0 {
                assert!(inference.wait(LONG));
            }
            if let Some(Finished { result: Ok((output, _)), .. }) = inference.fetch() {
                inference.recycle(output);
            }
        }
        assert!(inference.wait(LONG));
        inference.forget();
        let slots = lock(&inference.mailbox.slots);
        assert_eq!((slots.inputs.len(), slots.outputs.len()), (INPUTS, OUTPUTS));
    }

    #[test]
    fn what_is_forgotten_is_never_fetched() {
        let mut inference = slow(SLOW);
        submit(&mut inference, 1);
        wait_for_begin(&inference);
        inference.forget();
        assert!(inference.wait(LONG) && inference.settle(LONG));
        assert!(inference.fetch().is_none());
    }

    #[test]
    fn who_is_dropped_waits_for_nothing() {
        let mut inference = slow(Duration::from_secs(2));
        submit(&mut inference, 1);
        wait_for_begin(&inference);
        let start = Instant::now();
        drop(inference);
        assert!(start.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn frames_that_are_forgotten_before_they_run_cost_nothing() {
        let mut inference = slow(Duration::ZERO);
        for _ in 0..3 * OUTPUTS {
            submit(&mut inference, 1);
            inference.forget();
            thread::sleep(Duration::from_millis(2));
        }
        submit(&mut inference, 7);
        assert!(inference.wait(LONG));
        assert_eq!(level(&inference.fetch().unwrap()), 7);
    }

    #[test]
    fn engines_that_nobody_waits_for_are_in_nobodys_way() {
        let most = thread::available_parallelism().unwrap().get();
        for _ in 0..2 * most {
            let mut inference = slow(Duration::from_secs(1));
            submit(&mut inference, 1);
            wait_for_begin(&inference);
        }
        let mut inference = slow(Duration::ZERO);
        submit(&mut inference, 1);
        assert!(inference.wait(Duration::from_millis(700)));
    }

    #[test]
    fn an_engine_that_fails_or_panics_says_so_once_and_goes_on() {
        let mut engine = FakeEngine::new(2, 2);
        engine.fail_from = Some(1);
        let pool = Arc::new(EnginePool::new(Box::new(engine)));
        let mut inference = AsyncInference::new(pool);
        for fails in [false, true, true] {
            submit(&mut inference, 7);
            assert!(inference.wait(LONG));
            assert_eq!(inference.fetch().unwrap().result.is_err(), fails);
        }
    }

    #[test]
    fn cameras_take_turns() {
        let mut engine = FakeEngine::new(2, 2);
        engine.delay = Duration::from_millis(2);
        let pool = Arc::new(EnginePool::new(Box::new(engine)));
        let mut cameras: Vec<_> = (0..6).map(|_| AsyncInference::new(Arc::clone(&pool))).collect();
        let mut inferred = [0; 6];
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(400) {
            for (camera, count) in cameras.iter_mut().zip(&mut inferred) {
                submit(camera, 1);
                if let Some(Finished { result: Ok((output, _)), .. }) = camera.fetch() {
                    camera.recycle(output);
                    *count += 1;
                }
            }
            thread::sleep(Duration::from_micros(200));
        }
        let (least, most) = (inferred.iter().min().unwrap(), inferred.iter().max().unwrap());
        assert!(*least > 3 && *most <= 2 * least, "{inferred:?}");
    }
}
