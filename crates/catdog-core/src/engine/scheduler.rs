//! The engines of each model, and the one queue of requests for them.
//!
//! Several elements of a process may run the same model, and several models may run side by side.
//! An inference is requested in one of two ways:
//!
//! - inline: a thread asks for an engine, waits for it, and runs the inference itself
//!   ([`EnginePool::acquire`]);
//! - on a worker: a [`Job`] is queued, and a worker thread of the process runs it with an engine
//!   ([`submit`]).
//!
//! Both kinds of requests wait in one queue, in the order in which they were made.
//! `State::may_start` is the only place that decides which request is served: a request starts when
//! its pool has more idle engines than there are earlier requests for that pool. A job that wants
//! to run again is queued behind all others, so every stream gets its turn.
//!
//! The process has at most as many worker threads as CPUs. An idle worker ends after some seconds.
//! A worker whose job was abandoned is not counted, so that another one may take its place.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Engine;
use crate::sync::lock;
use crate::tensor::TensorInfo;

/// How long a worker thread waits for work before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// The largest number of worker threads.
static MAX_WORKERS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

/// The engines of one model.
///
/// The idle engines change only while the scheduler's state is locked. Its lock is taken before
/// that of `engines`.
pub struct EnginePool {
    input: TensorInfo,
    output: TensorInfo,
    engines: Mutex<Engines>,
    /// Notified when an engine becomes idle; used with the lock of the scheduler's state.
    returned: Condvar,
}

struct Engines {
    idle: Vec<Box<dyn Engine>>,
    /// Number of engines, idle or in use.
    count: usize,
}

/// Work for a worker thread: one inference.
pub trait Job: Send + Sync {
    /// Runs one inference on `engine`.
    fn run(&self, engine: EngineGuard) -> AfterJob;

    /// Fails the inference, because the system cannot create a worker thread.
    fn refuse(&self);
}

/// What a worker thread does after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterJob {
    /// Queue the job again, behind all others.
    Requeue,
    /// Drop the job.
    Done,
    /// End this thread: the job was abandoned ([`abandon_worker`]), and another thread took its
    /// place.
    EndWorker,
}

struct Scheduler {
    state: Mutex<State>,
    /// Notified when a queued job may be able to start.
    work: Condvar,
}

struct State {
    queue: VecDeque<Request>,
    next_ticket: u64,
    /// Number of worker threads, without those of abandoned jobs.
    workers: usize,
    /// Number of these threads that run a job.
    busy: usize,
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
    state: Mutex::new(State { queue: VecDeque::new(), next_ticket: 0, workers: 0, busy: 0 }),
    work: Condvar::new(),
};

impl EnginePool {
    /// Creates a pool of one engine.
    pub fn new(engine: Box<dyn Engine>) -> Arc<Self> {
        Arc::new(Self {
            input: engine.input_info().clone(),
            output: engine.output_info().clone(),
            engines: Mutex::new(Engines { idle: vec![engine], count: 1 }),
            returned: Condvar::new(),
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

    /// Returns the number of engines, which is the number of inferences that can run at once.
    pub fn engine_count(&self) -> usize {
        lock(&self.engines).count
    }

    /// Adds one more engine of the same model.
    pub fn add(&self, engine: Box<dyn Engine>) {
        let state = lock(&SCHEDULER.state);
        let mut engines = lock(&self.engines);
        engines.count += 1;
        engines.idle.push(engine);
        drop(engines);
        state.notify(self);
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
            let mine =
                |request: &Request| matches!(request.kind, RequestKind::Inline(t) if t == ticket);
            let index = state.queue.iter().position(mine);
            if let Some((_, engine)) = index.and_then(|index| state.start(index)) {
                return engine;
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn idle_count(&self) -> usize {
        lock(&self.engines).idle.len()
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
    if state.workers - state.busy < state.queued_jobs() {
        state.add_worker();
    }
    SCHEDULER.finish_change(state);
}

/// Excludes the worker that runs an abandoned job from the count, so that another one can be
/// created.
///
/// The caller guarantees that the job is running and that its `run` returns
/// [`AfterJob::EndWorker`].
pub fn abandon_worker() {
    let mut state = lock(&SCHEDULER.state);
    state.workers -= 1;
    state.busy -= 1;
    if state.queued_jobs() > 0 {
        state.add_worker();
    }
    SCHEDULER.finish_change(state);
}

impl State {
    /// Returns whether the request at `index` of the queue may start. This is the fairness rule.
    ///
    /// A job that finds no free worker does not reserve an engine, so that an inline request of the
    /// same model need not wait for workers that are busy with other models.
    fn may_start(&self, index: usize) -> bool {
        let Request { pool, kind } = &self.queue[index];
        let earlier = self.queue.iter().take(index);
        let reserved =
            earlier.filter(|other| Arc::ptr_eq(&other.pool, pool) && self.has_thread(&other.kind));
        self.has_thread(kind) && pool.idle_count() > reserved.count()
    }

    /// Returns whether a thread can serve a request of this kind.
    fn has_thread(&self, kind: &RequestKind) -> bool {
        match kind {
            RequestKind::Inline(_) => true,
            RequestKind::Worker(_) => self.busy < *MAX_WORKERS,
        }
    }

    /// Takes the request at `index` from the queue, with an engine, if it may start.
    fn start(&mut self, index: usize) -> Option<(Request, EngineGuard)> {
        if !self.may_start(index) {
            return None;
        }
        let engine = lock(&self.queue[index].pool.engines).idle.pop()?;
        let request = self.queue.remove(index)?;
        let engine = EngineGuard { pool: Arc::clone(&request.pool), engine: Some(engine) };
        // The next request may be able to start, too.
        self.notify(&request.pool);
        Some((request, engine))
    }

    /// Takes the first job that may start.
    fn start_job(&mut self) -> Option<(Arc<EnginePool>, Arc<dyn Job>, EngineGuard)> {
        let index = (0..self.queue.len()).find(|&index| {
            matches!(self.queue[index].kind, RequestKind::Worker(_)) && self.may_start(index)
        })?;
        let (Request { pool, kind }, engine) = self.start(index)?;
        match kind {
            RequestKind::Worker(job) => Some((pool, job, engine)),
            RequestKind::Inline(_) => None,
        }
    }

    fn queued_jobs(&self) -> usize {
        let is_job = |request: &&Request| matches!(request.kind, RequestKind::Worker(_));
        self.queue.iter().filter(is_job).count()
    }

    /// Wakes the threads that may now get an engine of `pool`.
    fn notify(&self, pool: &EnginePool) {
        let mut of_pool = self.queue.iter().filter(|request| std::ptr::eq(&*request.pool, pool));
        match of_pool.next().map(|request| &request.kind) {
            Some(RequestKind::Inline(_)) => pool.returned.notify_all(),
            Some(RequestKind::Worker(_)) => {
                SCHEDULER.work.notify_one();
                // An inline request may overtake a job that finds no free worker.
                pool.returned.notify_all();
            }
            None => {}
        }
    }

    fn add_worker(&mut self) {
        if self.workers < *MAX_WORKERS {
            let thread = thread::Builder::new().name("catdog-worker".into());
            // If the system cannot create a thread, the existing workers do all the work.
            self.workers += usize::from(thread.spawn(|| SCHEDULER.work()).is_ok());
        }
    }
}

impl Scheduler {
    /// Wakes a worker, or refuses every job if there is none, and releases the lock.
    fn finish_change(&self, mut state: MutexGuard<'_, State>) {
        let mut refused = Vec::new();
        if state.workers == 0 {
            state.queue.retain(|request| match &request.kind {
                RequestKind::Inline(_) => true,
                RequestKind::Worker(job) => {
                    refused.push(Arc::clone(job));
                    false
                }
            });
        }
        drop(state);
        self.work.notify_one();
        for job in refused {
            job.refuse();
        }
    }

    /// Runs jobs on a worker thread.
    fn work(&'static self) {
        let mut state = lock(&self.state);
        loop {
            if let Some((pool, job, engine)) = state.start_job() {
                state.busy += 1;
                drop(state);
                let after = job.run(engine);
                // A finished job is dropped here, without the lock that every stream takes: the job
                // may be the last user of its engines, and drop them, too.
                let kind = RequestKind::Worker(job);
                let again = (after == AfterJob::Requeue).then_some(Request { pool, kind });
                state = lock(&self.state);
                if after == AfterJob::EndWorker {
                    return;
                }
                state.busy -= 1;
                state.queue.extend(again);
                continue;
            }
            let waited = self.work.wait_timeout(state, IDLE_TIMEOUT);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.queued_jobs() == 0 {
                state.workers -= 1;
                return;
            }
        }
    }
}

/// An engine that is taken for one inference; it returns to its pool when the guard is dropped.
pub struct EngineGuard {
    pool: Arc<EnginePool>,
    /// `Some` until the guard is dropped.
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

impl Drop for EngineGuard {
    fn drop(&mut self) {
        let state = lock(&SCHEDULER.state);
        lock(&self.pool.engines).idle.extend(self.engine.take());
        state.notify(&self.pool);
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
    fn at_most_as_many_inferences_run_as_there_are_engines() {
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
        fn run(&self, _engine: EngineGuard) -> AfterJob {
            lock(&self.1).push(self.0);
            AfterJob::Done
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
