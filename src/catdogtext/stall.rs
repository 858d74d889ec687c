//! Who holds a cue back until it is complete may be the one that all others wait for: a muxer that
//! wants text before it takes more video, and so the tee that feeds both. A thread watches for the
//! frames to stop.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use catdog_core::sync::lock;

/// Tells when frames have stopped coming while a cue is held back.
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
    /// When the last frame came, where a cue is held back since.
    since: Option<Instant>,
    patience: Duration,
    /// Counts what was heard of frames.
    heard: u64,
    ended: bool,
}

impl StallWatch {
    /// Calls `stalled` on a thread of its own, once each time that frames stop, with what
    /// [`StallWatch::is_unheard_since`] takes.
    ///
    /// # Errors
    ///
    /// Where no thread can be made.
    pub fn new(stalled: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let state = State { since: None, patience: Duration::ZERO, heard: 0, ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = std::thread::Builder::new().name("catdogtext-watch".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                while let Some(heard) = shared.wait_for_stall() {
                    stalled(heard);
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A cue is held back, and the next frame is expected within `patience`.
    pub fn expect(&self, patience: Duration) {
        let mut state = lock(&self.shared.state);
        let idle = state.since.replace(Instant::now()).is_none();
        state.patience = patience;
        state.heard += 1;
        drop(state);
        if idle {
            self.shared.changed.notify_one();
        }
    }

    /// Nothing is held back.
    pub fn rest(&self) {
        let mut state = lock(&self.shared.state);
        state.since = None;
        state.heard += 1;
    }

    /// Whether nothing was heard of frames since the stall that `heard` is of.
    pub fn is_unheard_since(&self, heard: u64) -> bool {
        lock(&self.shared.state).heard == heard
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.changed.notify_one();
        // It may be what this is dropped by.
        let thread = self.thread.take();
        let other = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        // The thread of a panic has ended as well.
        let _ = other.map(JoinHandle::join);
    }
}

impl Shared {
    /// Until frames have stopped; `None` at the end.
    fn wait_for_stall(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        while !state.ended {
            let left = state.since.map(|since| state.patience.saturating_sub(since.elapsed()));
            if left == Some(Duration::ZERO) {
                state.since = None;
                return Some(state.heard);
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

    const PATIENCE: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    fn watch() -> (StallWatch, mpsc::Receiver<u64>) {
        let (sender, stalls) = mpsc::channel();
        let watch = StallWatch::new(move |heard| sender.send(heard).unwrap()).unwrap();
        (watch, stalls)
    }

    #[test]
    fn a_stall_is_told_once() {
        let (watch, stalls) = watch();
        watch.expect(PATIENCE);
        let heard = stalls.recv_timeout(LONG).unwrap();
        assert!(watch.is_unheard_since(heard));
        assert!(stalls.recv_timeout(4 * PATIENCE).is_err());
        watch.expect(LONG);
        assert!(!watch.is_unheard_since(heard));
    }

    #[test]
    fn nothing_is_told_of_frames_in_time_or_at_rest() {
        let (watch, stalls) = watch();
        // Each of them in time, all together not.
        for _ in 0..8 {
            watch.expect(40 * PATIENCE);
            std::thread::sleep(6 * PATIENCE);
        }
        assert!(stalls.try_recv().is_err());
        watch.expect(PATIENCE);
        watch.rest();
        assert!(stalls.recv_timeout(4 * PATIENCE).is_err());
        watch.expect(LONG);
        drop(watch);
        assert!(stalls.recv_timeout(LONG).is_err(), "the end is no stall");
    }
}
