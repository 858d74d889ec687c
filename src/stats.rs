//! Durations of the latest runs, for medians and maxima without allocating.

use std::time::Duration;

/// How many runs the percentiles look back: ten seconds of a 25 fps camera.
const WINDOW: usize = 256;

/// The latest durations of one stage.
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
    /// Takes one more run into account.
    pub fn add(&mut self, duration: Duration) {
        let nanoseconds = nanoseconds(duration);
        self.recent[self.count as usize % WINDOW] = nanoseconds;
        self.count += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// The `percent`-th percentile (nearest rank) of the latest runs, in ns; 0 before the first.
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

    /// The longest run since the beginning, in ns.
    pub fn max(&self) -> u64 {
        self.max
    }
}

/// A duration in ns; the longest stands for all that are longer. It is one less than GStreamer's
/// word for no time.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
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
    fn old_runs_are_forgotten_but_not_the_longest() {
        let mut durations = Durations::default();
        durations.add(Duration::from_nanos(1_000));
        for _ in 0..WINDOW {
            durations.add(Duration::from_nanos(7));
        }
        assert_eq!(durations.percentile(100), 7);
        assert_eq!(durations.max(), 1_000);
    }
}
