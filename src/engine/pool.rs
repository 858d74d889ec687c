//! The engines of one model, for everybody in the process who runs it.
//!
//! Sixteen cameras with one model need no more engines than can run at once. Who wants to run it
//! takes one, waits where all are taken, in the order of asking, and hands it back after one
//! inference: no camera gets a second turn before another that waits has had its first.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

use super::Engine;
use crate::sync::lock;
use crate::tensor::TensorInfo;

/// Engines of one model.
pub struct EnginePool {
    input: TensorInfo,
    output: TensorInfo,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    idle: Vec<Box<dyn Engine>>,
    /// Those in `idle` and those that are taken.
    engines: usize,
    /// Who waits, by ticket.
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

/// Who may wait at once without an allocation.
const EXPECTED_CAMERAS: usize = 64;

impl EnginePool {
    /// A pool of one engine.
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Self {
            input: engine.input_info().clone(),
            output: engine.output_info().clone(),
            state: Mutex::new(State {
                idle: vec![engine],
                engines: 1,
                waiting: VecDeque::with_capacity(EXPECTED_CAMERAS),
                next_ticket: 0,
            }),
            returned: Condvar::new(),
        }
    }

    /// Shape, type and quantisation of the input.
    pub fn input_info(&self) -> &TensorInfo {
        &self.input
    }

    /// Shape, type and quantisation of the output.
    pub fn output_info(&self) -> &TensorInfo {
        &self.output
    }

    /// How many inferences can run at once.
    pub fn engines(&self) -> usize {
        lock(&self.state).engines
    }

    /// One more engine of the same model.
    pub fn add(&self, engine: Box<dyn Engine>) {
        let mut state = lock(&self.state);
        state.engines += 1;
        state.idle.push(engine);
        drop(state);
        self.returned.notify_all();
    }

    /// Takes an engine, after all who asked before.
    pub fn take(&self) -> Taken<'_> {
        let mut state = lock(&self.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        loop {
            if state.waiting.front() == Some(&ticket)
                && let Some(engine) = state.idle.pop()
            {
                state.waiting.pop_front();
                // Whoever is next may find another one.
                let more = !state.idle.is_empty() && !state.waiting.is_empty();
                drop(state);
                if more {
                    self.returned.notify_all();
                }
                return Taken { pool: self, engine: Some(engine) };
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for EnginePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnginePool").field("engines", &self.engines()).finish_non_exhaustive()
    }
}

/// An engine for one inference; handed back when dropped.
pub struct Taken<'a> {
    pool: &'a EnginePool,
    /// Until dropped.
    engine: Option<Box<dyn Engine>>,
}

impl Deref for Taken<'_> {
    type Target = dyn Engine;

    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref(&self) -> &Self::Target {
        self.engine.as_deref().expect("there until dropped")
    }
}

impl DerefMut for Taken<'_> {
    #[expect(clippy::expect_used, reason = "only drop takes it")]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.engine.as_deref_mut().expect("there until dropped")
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        lock(&self.pool.state).idle.extend(self.engine.take());
        self.pool.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::engine::fake::FakeEngine;

    fn pool(engines: usize) -> EnginePool {
        let engine = || Box::new(FakeEngine::new(4, 4));
        let pool = EnginePool::new(engine());
        (1..engines).for_each(|_| pool.add(engine()));
        pool
    }

    #[test]
    fn no_more_run_at_once_than_there_are_engines() {
        let pool = pool(2);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let engine = pool.take();
                        most.fetch_max(
                            running.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        thread::sleep(Duration::from_millis(1));
                        running.fetch_sub(1, Ordering::SeqCst);
                        drop(engine);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
    }

    #[test]
    fn engines_are_given_in_the_order_of_asking() {
        let pool = pool(1);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = pool.take();
            for number in 0..5 {
                let (pool, order) = (&pool, &order);
                scope.spawn(move || {
                    let _engine = pool.take();
                    lock(order).push(number);
                });
                // The next asks when this one waits.
                while lock(&pool.state).waiting.len() <= number {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_panic_hands_the_engine_back() {
        let pool = Arc::new(pool(1));
        let taker = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                let _engine = pool.take();
                panic!("meant to");
            }
        });
        assert!(taker.join().is_err());
        pool.take().run().unwrap();
    }
}
