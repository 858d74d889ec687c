//! Watches for frames to stop while a cue is held.
//!
//! All other elements may wait for a cue that is held until it is complete: a muxer needs text
//! before it takes more video, and blocks the tee that feeds both. A thread reports if the next
//! frame does not come in time.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use catdog_core::sync::lock;

/// Reports when frames have stopped coming while a cue is held.
#[derive(Debug)]
pub struct StallWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// When the last frame came; `None` while no cue is held.
    since: Option<Instant>,
    timeout: Duration,
    /// Incremented at each call of [`StallWatch::expect_frame`] and [`StallWatch::disarm`].
    counter: u64,
    ended: bool,
}

impl StallWatch {
    /// Creates the thread. It calls `report` once for each stall, with a number that
    /// [`StallWatch::is_current`] takes.
    ///
    /// # Errors
    ///
    /// The error of the system if the thread cannot be created.
    pub fn new(report: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let state = State { since: None, timeout: Duration::ZERO, counter: 0, ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("catdogtext-watch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                while let Some(stall) = shared.wait_for_stall() {
                    report(stall);
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Notes that a cue is held and that the next frame must come within `timeout`.
    pub fn expect_frame(&self, timeout: Duration) {
        let mut state = lock(&self.shared.state);
        let idle = state.since.replace(Instant::now()).is_none();
        state.timeout = timeout;
        state.counter += 1;
        drop(state);
        if idle {
            self.shared.changed.notify_one();
        }
    }

    /// Notes that no cue is held.
    pub fn disarm(&self) {
        let mut state = lock(&self.shared.state);
        state.since = None;
        state.counter += 1;
    }

    /// Returns whether no frame has come since the stall `stall` was reported.
    pub fn is_current(&self, stall: u64) -> bool {
        lock(&self.shared.state).counter == stall
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.changed.notify_one();
        // The thread itself may drop the watch, and cannot wait for its own end.
        let thread = self.thread.take();
        let other = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        // A thread that panicked has ended, too.
        let _ = other.map(JoinHandle::join);
    }
}

impl Shared {
    /// Waits for a stall and returns its number; `None` at the end.
    fn wait_for_stall(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        while !state.ended {
            let left = state.since.map(|since| state.timeout.saturating_sub(since.elapsed()));
            if left == Some(Duration::ZERO) {
                state.since = None;
                return Some(state.counter);
            }
            state = self.wait(state, left);
        }
        None
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match limit {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout(state, limit);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    fn watch() -> (StallWatch, mpsc::Receiver<u64>) {
        let (sender, stalls) = mpsc::channel();
        let watch = StallWatch::new(move |stall| sender.send(stall).unwrap()).unwrap();
        (watch, stalls)
    }

    #[test]
    fn stall_is_reported_once() {
        let (watch, stalls) = watch();
        watch.expect_frame(TIMEOUT);
        let stall = stalls.recv_timeout(LONG).unwrap();
        assert!(watch.is_current(stall));
        assert!(stalls.recv_timeout(4 * TIMEOUT).is_err());
        watch.expect_frame(LONG);
        assert!(!watch.is_current(stall));
    }

    #[test]
    fn frames_in_time_and_disarming_report_nothing() {
        let (watch, stalls) = watch();
        // Each frame is in time, but all of them take longer than one timeout.
        for _ in 0..8 {
            watch.expect_frame(40 * TIMEOUT);
            std::thread::sleep(6 * TIMEOUT);
        }
        assert!(stalls.try_recv().is_err());
        watch.expect_frame(TIMEOUT);
        watch.disarm();
        assert!(stalls.recv_timeout(4 * TIMEOUT).is_err());
        watch.expect_frame(LONG);
        drop(watch);
        assert!(stalls.recv_timeout(LONG).is_err(), "the end must not report a stall");
    }
}
