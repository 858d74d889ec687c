//! Counters and durations of the frame loop, recorded without allocating.

use std::time::Duration;

/// Number of runs that the percentiles cover: ten seconds of a camera at 25 frames/s.
const WINDOW: usize = 256;

/// The durations of the latest runs of one step.
#[derive(Clone, Debug)]
pub struct Durations {
    recent: [u64; WINDOW],
    count: u64,
    max: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { recent: [0; WINDOW], count: 0, max: 0 }
    }
}

impl Durations {
    /// Records one run.
    pub fn add(&mut self, duration: Duration) {
        let nanoseconds = nanoseconds(duration);
        self.recent[self.count as usize % WINDOW] = nanoseconds;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// Returns the duration of the latest run; `None` before the first run.
    pub fn latest(&self) -> Option<Duration> {
        let index = self.count.checked_sub(1)? as usize % WINDOW;
        Some(Duration::from_nanos(self.recent[index]))
    }

    /// Returns the `percent`-th percentile (nearest rank) of the latest runs, in ns; 0 before the
    /// first run.
    pub fn percentile(&self, percent: usize) -> u64 {
        let len = WINDOW.min(self.count as usize);
        let mut recent = self.recent;
        let recent = &mut recent[..len];
        if recent.is_empty() {
            return 0;
        }
        recent.sort_unstable();
        let rank = (len * percent).div_ceil(100).clamp(1, len);
        recent[rank - 1]
    }

    /// Updates this older copy of `source` if `source` has recorded runs since the copy was made.
    fn update_from(&mut self, source: &Self) {
        if self.count != source.count {
            self.clone_from(source);
        }
    }

    /// Returns the duration of the longest run so far, in ns.
    pub fn max(&self) -> u64 {
        self.max
    }
}

/// Frames and inferences since the start, and durations since the model was loaded.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Number of frames.
    pub frames: u64,
    /// Number of frames that were inferred.
    pub inferences: u64,
    /// Number of these that got more than one look.
    pub second_looks: u64,
    /// Number of frames that were due for an inference but got none, because they were late or were
    /// replaced by the next frame before a worker was free.
    pub skipped: u64,
    /// Durations of preprocessing.
    pub preprocess: Durations,
    /// Durations of inferences.
    pub invoke: Durations,
    /// How long frames waited for their results, including the wait for an engine that other
    /// streams use.
    pub wait: Durations,
}

impl Counters {
    /// Updates an older copy of `source`. The durations, which take some kilobytes, are copied only
    /// if they have changed.
    pub fn update_from(&mut self, source: &Self) {
        self.frames = source.frames;
        self.inferences = source.inferences;
        self.second_looks = source.second_looks;
        self.skipped = source.skipped;
        self.preprocess.update_from(&source.preprocess);
        self.invoke.update_from(&source.invoke);
        self.wait.update_from(&source.wait);
    }

    /// Returns the counters with which the next model starts: the same counts, and no durations.
    pub fn continued(&self) -> Self {
        let Self { frames, inferences, second_looks, skipped, .. } = *self;
        Self { frames, inferences, second_looks, skipped, ..Self::default() }
    }
}

/// Converts a duration to ns, at most `u64::MAX - 1`: `u64::MAX` is GStreamer's
/// `GST_CLOCK_TIME_NONE`.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_use_the_nearest_rank() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50), 0);
        for nanoseconds in (1..=100).rev() {
            durations.add(Duration::from_nanos(nanoseconds));
        }
        assert_eq!(durations.percentile(50), 50);
        assert_eq!(durations.percentile(95), 95);
        assert_eq!(durations.percentile(100), 100);
    }

    #[test]
    fn the_latest_run_is_known_after_the_window_has_been_filled() {
        let mut durations = Durations::default();
        assert_eq!(durations.latest(), None);
        for nanoseconds in 1..=2 * WINDOW as u64 + 1 {
            durations.add(Duration::from_nanos(nanoseconds));
            assert_eq!(durations.latest(), Some(Duration::from_nanos(nanoseconds)));
        }
    }

    #[test]
    fn the_maximum_covers_all_runs() {
        let mut durations = Durations::default();
        durations.add(Duration::from_nanos(1_000));
        for _ in 0..WINDOW {
            durations.add(Duration::from_nanos(7));
        }
        assert_eq!(durations.percentile(100), 7);
        assert_eq!(durations.max(), 1_000);
    }
}
