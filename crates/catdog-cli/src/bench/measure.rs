//! Repeated measurements: their median and their range.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Failure;
use crate::interrupt;

/// Number of runs of a measurement, even if they take longer than its time.
const MIN_RUNS: usize = 5;

/// The median and the range of repeated measurements. The unit is in the name of the JSON field that
/// contains it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lowest value.
    pub min: f64,
    /// The highest value.
    pub max: f64,
    /// The number of values.
    pub runs: usize,
}

impl Spread {
    /// Returns median and range of `values`; `None` if there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (min, max, runs) = (*values.first()?, *values.last()?, values.len());
        let median = f64::midpoint(values[(runs - 1) / 2], values[runs / 2]);
        // Six decimal places: a time in ms has no more.
        let [median, min, max] = [median, min, max].map(|value| (value * 1e6).round() / 1e6);
        Some(Self { median, min, max, runs })
    }
}

/// Calls `measure` for `time`, but at least a few times, and returns the spread of its values.
///
/// # Errors
///
/// The first failure of `measure`, or a signal.
pub fn repeat(
    time: Duration,
    mut measure: impl FnMut() -> Result<f64, Failure>,
) -> Result<Spread, Failure> {
    let start = Instant::now();
    let mut values = Vec::new();
    while values.len() < MIN_RUNS || start.elapsed() < time {
        check_signals()?;
        values.push(measure()?);
    }
    Spread::of(values).ok_or_else(|| "nothing was measured".into())
}

/// Returns an error after a signal.
///
/// # Errors
///
/// A signal has asked the command to finish.
pub fn check_signals() -> Result<(), Failure> {
    if interrupt::is_requested() { Err("interrupted by a signal".into()) } else { Ok(()) }
}

/// Returns a duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    // Unlike the seconds times 1,000, this has no digits behind the ns.
    duration.as_nanos() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_is_the_middle_of_two() {
        assert_eq!(Spread::of(Vec::new()), None);
        let spread = |median, min, max, runs| Some(Spread { median, min, max, runs });
        assert_eq!(Spread::of(vec![3.0]), spread(3.0, 3.0, 3.0, 1));
        assert_eq!(Spread::of(vec![9.0, 1.0, 2.0]), spread(2.0, 1.0, 9.0, 3));
        assert_eq!(Spread::of(vec![4.0, 9.0, 1.0, 2.0]), spread(3.0, 1.0, 9.0, 4));
    }

    #[test]
    fn a_slow_measurement_has_a_few_runs() {
        let mut runs = 0;
        let spread = repeat(Duration::ZERO, || {
            runs += 1;
            Ok(f64::from(runs))
        });
        assert_eq!(spread.unwrap().runs, MIN_RUNS);
    }
}
