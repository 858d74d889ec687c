//! Which frames are inferred: every n-th, up to a rate limit.

use std::time::Duration;

use super::config::RuntimeConfig;

/// Tolerance of the rate limit: some containers round timestamps to milliseconds.
const TIME_TOLERANCE: Duration = Duration::from_millis(1);

/// Decides whether a frame is due for an inference. Times are those of the stream clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    /// Frames since the last inference; `None` before the first.
    frames_since_inference: Option<u64>,
    /// The time at which an inference was last due by the rate limit.
    last_due: Option<Duration>,
}

impl Schedule {
    /// Returns whether the frame at the time `at` is due for an inference.
    pub fn is_due(&self, at: Duration, config: &RuntimeConfig) -> bool {
        let by_count = self
            .frames_since_inference
            .is_none_or(|frames| frames + 1 >= config.inference_interval);
        let early = self
            .last_due
            .zip(config.min_period)
            .is_some_and(|(last, period)| at.saturating_sub(last) + TIME_TOLERANCE < period);
        by_count && !early
    }

    /// Records that the frame at the time `at` is inferred.
    pub fn inferred(&mut self, at: Duration, config: &RuntimeConfig) {
        self.frames_since_inference = Some(0);
        self.last_due = config.min_period.map(|period| {
            // The period is counted from the time when the inference was due, so that the average
            // rate is kept at any frame rate.
            let due = self.last_due.map_or(at, |last| last + period);
            if at.abs_diff(due) < period { due } else { at }
        });
    }

    /// Records that a frame is not inferred.
    pub fn skipped(&mut self) {
        self.frames_since_inference = self.frames_since_inference.map(|frames| frames + 1);
    }

    /// Returns whether the latest frame was inferred or submitted to a worker.
    pub fn latest_is_inferred(&self) -> bool {
        self.frames_since_inference == Some(0)
    }

    /// Resets the schedule, so that the next frame is due.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Makes the next frame due, unless the rate limit prevents it.
    pub fn make_due(&mut self) {
        self.frames_since_inference = None;
    }
}
