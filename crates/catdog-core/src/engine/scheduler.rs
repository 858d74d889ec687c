//! The engines of each model, and the one queue of requests for them.
//!
//! Several elements of a process may run the same model, and several models may run side by side.
//! An inference is requested in one of two ways:
//!
//! - inline: a thread asks for an engine, waits for it, and runs the inference itself
//!   ([`EnginePool::acquire`]);
//! - on a worker: a [`Job`] is queued, and a worker thread of the process runs it on an engine
//!   ([`submit`]).
//!
//! Both kinds of requests wait in one queue. The engines of a model are assigned to the requests
//! for that model in the order of the queue, and nothing else changes this order: this is the rule
//! of fairness, in `State::dispatch`. A job that wants to run again is queued behind all others, so
//! every stream gets its turn.
//!
//! A worker thread is created when a job has its engine and no worker is idle, so there are never
//! more busy workers than engines. An idle worker ends after some seconds.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Engine;
use crate::sync::lock;
use crate::tensor::TensorInfo;

/// How long a worker thread waits for work before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// The engines of one model.
pub struct EnginePool {
    input: TensorInfo,
    output: TensorInfo,
    evidence: Option<TensorInfo>,
    /// Locked after the state of the scheduler, if both are locked.
    engines: Mutex<Engines>,
    /// Notified when the first request for this pool is inline and an engine is idle; used with the
    /// lock of the scheduler's state.
    idle_for_inline: Condvar,
}

struct Engines {
    idle: Vec<Box<dyn Engine>>,
    /// Number of engines, idle or in use.
    count: usize,
}

/// Work for a worker thread: one inference.
pub trait Job: Send + Sync {
    /// Runs one inference on `engine`. Returns whether the job is queued again.
    fn run(&self, engine: &mut dyn Engine) -> bool;

    /// Fails the inference, because the system cannot create a worker thread.
    fn refuse(&self);
}

struct Scheduler {
    state: Mutex<State>,
    /// Notified when a job is ready.
    job_ready: Condvar,
}

struct State {
    /// The requests that have no engine, in the order in which they were made.
    queue: VecDeque<Request>,
    /// The jobs that have their engine and wait for a worker.
    ready: VecDeque<(Arc<EnginePool>, Arc<dyn Job>, EngineGuard)>,
    next_ticket: u64,
    /// Number of worker threads.
    workers: usize,
    /// Number of worker threads that run no job.
    idle_workers: usize,
}

struct Request {
    pool: Arc<EnginePool>,
    kind: RequestKind,
}

enum RequestKind {
    /// A thread waits for an engine; it recognizes its request by the ticket.
    Inline(u64),
    Worker(Arc<dyn Job>),
}

static SCHEDULER: Scheduler = Scheduler {
    state: Mutex::new(State {
        queue: VecDeque::new(),
        ready: VecDeque::new(),
        next_ticket: 0,
        workers: 0,
        idle_workers: 0,
    }),
    job_ready: Condvar::new(),
};

impl EnginePool {
    /// Creates a pool of one engine.
    pub fn new(engine: Box<dyn Engine>) -> Arc<Self> {
        Arc::new(Self {
            input: engine.input_info().clone(),
            output: engine.output_info().clone(),
            evidence: engine.evidence_info().cloned(),
            engines: Mutex::new(Engines { idle: vec![engine], count: 1 }),
            idle_for_inline: Condvar::new(),
        })
    }

    /// Returns shape, type and quantization of the input.
    pub fn input_info(&self) -> &TensorInfo {
        &self.input
    }

    /// Returns shape, type and quantization of the output.
    pub fn output_info(&self) -> &TensorInfo {
        &self.output
    }

    /// Returns shape, type and quantization of the evidence; `None` if the model has none.
    pub fn evidence_info(&self) -> Option<&TensorInfo> {
        self.evidence.as_ref()
    }

    /// Returns the number of engines, which is the number of inferences that can run at once.
    pub fn engine_count(&self) -> usize {
        lock(&self.engines).count
    }

    /// Adds one more engine of the same model.
    pub fn add(self: &Arc<Self>, engine: Box<dyn Engine>) {
        let mut state = lock(&SCHEDULER.state);
        let mut engines = lock(&self.engines);
        engines.count += 1;
        engines.idle.push(engine);
        drop(engines);
        state.dispatch(self);
        SCHEDULER.provide_workers(state);
    }

    /// Waits for an engine, after all earlier requests for this pool, and takes it for one
    /// inference.
    pub fn acquire(self: &Arc<Self>) -> EngineGuard {
        let mut state = lock(&SCHEDULER.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let kind = RequestKind::Inline(ticket);
        state.queue.push_back(Request { pool: Arc::clone(self), kind });
        loop {
            let first = state.first_request(self);
            if let Some((index, &RequestKind::Inline(first_ticket))) = first
                && first_ticket == ticket
                && let Some(engine) = self.take_idle()
            {
                state.queue.remove(index);
                // Another engine may be idle for the next request.
                state.dispatch(self);
                SCHEDULER.provide_workers(state);
                return engine;
            }
            state = self.idle_for_inline.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn has_idle(&self) -> bool {
        !lock(&self.engines).idle.is_empty()
    }

    fn take_idle(self: &Arc<Self>) -> Option<EngineGuard> {
        let engine = lock(&self.engines).idle.pop()?;
        Some(EngineGuard { pool: Arc::clone(self), engine: Some(engine) })
    }
}

impl fmt::Debug for EnginePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnginePool").field("engines", &self.engine_count()).finish_non_exhaustive()
    }
}

/// Queues `job`, which runs on a worker thread with an engine of `pool`.
///
/// The job is refused ([`Job::refuse`]) if the process has no worker thread and the system cannot
/// create one.
pub fn submit(pool: &Arc<EnginePool>, job: Arc<dyn Job>) {
    let mut state = lock(&SCHEDULER.state);
    state.queue.push_back(Request { pool: Arc::clone(pool), kind: RequestKind::Worker(job) });
    state.dispatch(pool);
    SCHEDULER.provide_workers(state);
}

impl State {
    /// Returns the index and the kind of the first request for `pool`.
    fn first_request(&self, pool: &Arc<EnginePool>) -> Option<(usize, &RequestKind)> {
        let mut requests = self.queue.iter().enumerate();
        let (index, request) = requests.find(|(_, request)| Arc::ptr_eq(&request.pool, pool))?;
        Some((index, &request.kind))
    }

    /// Gives the idle engines of `pool` to the requests for it, in their order: the rule of
    /// fairness.
    ///
    /// A job that gets an engine becomes ready. If an inline request is first, its thread is woken
    /// and takes the engine itself, and then dispatches the other engines to the requests after it.
    fn dispatch(&mut self, pool: &Arc<EnginePool>) {
        while pool.has_idle() {
            match self.first_request(pool) {
                None => return,
                Some((_, RequestKind::Inline(_))) => {
                    pool.idle_for_inline.notify_all();
                    return;
                }
                Some((index, RequestKind::Worker(_))) => {
                    let request = self.queue.remove(index);
                    if let Some(Request { pool, kind: RequestKind::Worker(job) }) = request
                        && let Some(engine) = pool.take_idle()
                    {
                        self.ready.push_back((pool, job, engine));
                    }
                }
            }
        }
    }
}

impl Scheduler {
    /// Releases the lock, and provides a worker for each job that is ready.
    ///
    /// If the system creates no more threads, the workers that exist run all jobs; if there is
    /// none, the jobs are refused.
    fn provide_workers(&'static self, mut state: MutexGuard<'_, State>) {
        let mut refused = VecDeque::new();
        while state.idle_workers < state.ready.len() {
            let thread = thread::Builder::new().name("catdog-worker".into());
            if thread.spawn(|| self.work()).is_err() {
                if state.workers == 0 {
                    refused = std::mem::take(&mut state.ready);
                }
                break;
            }
            state.workers += 1;
            state.idle_workers += 1;
        }
        let ready = !state.ready.is_empty();
        drop(state);
        if ready {
            self.job_ready.notify_one();
        }
        for (_, job, engine) in refused {
            drop(engine);
            job.refuse();
        }
    }

    /// Runs jobs on a worker thread.
    fn work(&'static self) {
        let mut state = lock(&self.state);
        loop {
            if let Some((pool, job, mut engine)) = state.ready.pop_front() {
                state.idle_workers -= 1;
                drop(state);
                let again = job.run(&mut *engine);
                // A job that is done is dropped here and not under the lock that every stream
                // takes.
                let kind = again.then_some(RequestKind::Worker(job));
                state = lock(&self.state);
                state.idle_workers += 1;
                engine.return_to_pool();
                let request = kind.map(|kind| Request { pool: Arc::clone(&pool), kind });
                state.queue.extend(request);
                state.dispatch(&pool);
                // This may be the last user of the engines, which take milliseconds to free.
                drop(state);
                drop((engine, pool));
                state = lock(&self.state);
                continue;
            }
            let waited = self.job_ready.wait_timeout(state, IDLE_TIMEOUT);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.ready.is_empty() {
                state.workers -= 1;
                state.idle_workers -= 1;
                return;
            }
        }
    }
}

/// An engine that is taken for one inference; it returns to its pool when the guard is dropped.
pub struct EngineGuard {
    pool: Arc<EnginePool>,
    /// `Some` until the engine returns to the pool.
    engine: Option<Box<dyn Engine>>,
}

impl Deref for EngineGuard {
    type Target = dyn Engine;

    #[expect(clippy::expect_used, reason = "only drop takes the engine")]
    fn deref(&self) -> &Self::Target {
        self.engine.as_deref().expect("the engine is there until the guard is dropped")
    }
}

impl DerefMut for EngineGuard {
    #[expect(clippy::expect_used, reason = "only drop takes the engine")]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.engine.as_deref_mut().expect("the engine is there until the guard is dropped")
    }
}

impl EngineGuard {
    /// Returns the engine to its pool. The caller has locked the state of the scheduler, and
    /// dispatches the engine.
    fn return_to_pool(&mut self) {
        lock(&self.pool.engines).idle.extend(self.engine.take());
    }
}

impl Drop for EngineGuard {
    fn drop(&mut self) {
        if self.engine.is_some() {
            let mut state = lock(&SCHEDULER.state);
            self.return_to_pool();
            state.dispatch(&self.pool);
            SCHEDULER.provide_workers(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::FakeEngine;

    fn pool(engines: usize) -> Arc<EnginePool> {
        let engine = || Box::new(FakeEngine::new(4, 4));
        let pool = EnginePool::new(engine());
        (1..engines).for_each(|_| pool.add(engine()));
        pool
    }

    /// Returns the number of requests for `pool` that wait.
    fn waiting(pool: &Arc<EnginePool>) -> usize {
        let state = lock(&SCHEDULER.state);
        state.queue.iter().filter(|request| Arc::ptr_eq(&request.pool, pool)).count()
    }

    #[test]
    fn each_engine_runs_one_inference_at_a_time() {
        let pool = pool(2);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let engine = pool.acquire();
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
    fn engines_are_assigned_in_the_order_of_the_requests() {
        let pool = pool(1);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = pool.acquire();
            for number in 0..5 {
                let (pool, order) = (&pool, &order);
                scope.spawn(move || {
                    let _engine = pool.acquire();
                    lock(order).push(number);
                });
                // The next request is made when this one waits.
                while waiting(pool) <= number {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_panic_returns_the_engine_to_its_pool() {
        let pool = pool(1);
        let user = thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                let _engine = pool.acquire();
                panic!("this test panics on purpose");
            }
        });
        assert!(user.join().is_err());
        pool.acquire().run().unwrap();
    }

    /// A job that records its number when it runs.
    struct Numbered(usize, Arc<Mutex<Vec<usize>>>);

    impl Job for Numbered {
        fn run(&self, _engine: &mut dyn Engine) -> bool {
            lock(&self.1).push(self.0);
            false
        }

        fn refuse(&self) {}
    }

    #[test]
    fn inline_requests_and_jobs_share_one_queue() {
        let pool = pool(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = pool.acquire();
        thread::scope(|scope| {
            for number in 0..4 {
                let (pool, order) = (&pool, Arc::clone(&order));
                if number % 2 == 0 {
                    submit(pool, Arc::new(Numbered(number, order)));
                } else {
                    scope.spawn(move || {
                        let _engine = pool.acquire();
                        lock(&order).push(number);
                    });
                }
                while waiting(pool) <= number {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            drop(held);
        });
        while lock(&order).len() < 4 {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(*lock(&order), [0, 1, 2, 3]);
    }
}
