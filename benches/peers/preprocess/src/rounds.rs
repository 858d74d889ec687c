//! The measurement. The implementations alternate, so that other load on the machine affects all of them alike.

use crate::frames::COUNT;
use crate::implementations::{Entry, Filter, Outcome};

/// Number of measured frames of an implementation in a round. One unmeasured frame precedes them, which brings the memory
/// of the implementation back into the cache.
const MEASURED_FRAMES: usize = 5;

/// Maximum mean difference of two tensors of the same frame, in levels. Filters and integer arithmetic differ by
/// one level; another frame, or channels in another order, differ by tens.
const TOLERANCE: f64 = 3.0;

/// Whether a frame is in cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A single frame.
    Hot,
    /// All frames in rotation across all implementations, so that no frame is in cache.
    Cold,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }
}

/// The median time of an implementation in each round, in milliseconds, in one state.
pub type Rounds = Vec<f64>;

/// The result of an implementation.
pub struct Measured {
    pub name: &'static str,
    pub filter: Filter,
    pub hot: Rounds,
    pub cold: Rounds,
    /// Mean absolute difference to catdog with the same filter, in levels; the maximum over the compared frames.
    pub difference: f64,
}

/// Measures `entries` in `rounds` rounds.
///
/// # Errors
///
/// The error of an implementation, or a tensor that differs from that of catdog.
pub fn measure(entries: &mut [Entry], rounds: usize) -> Outcome<Vec<Measured>> {
    let new = |entry: &Entry| {
        let (hot, cold) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
        Measured { name: entry.name, filter: entry.filter, hot, cold, difference: 0.0 }
    };
    let mut measured: Vec<Measured> = entries.iter().map(new).collect();
    for index in [COUNT / 3, 0] {
        entries.iter_mut().try_for_each(|entry| entry.implementation.fill(index))?;
        compare(entries, &mut measured)?;
    }
    let mut next = 0;
    for state in [State::Hot, State::Cold] {
        for round in 0..rounds {
            for place in 0..entries.len() {
                // The order rotates, so that an implementation does not always follow the same one.
                let index = (place + round) % entries.len();
                let indices: [usize; MEASURED_FRAMES + 1] = std::array::from_fn(|_| {
                    next = (next + 1) % COUNT;
                    if state == State::Hot { 0 } else { next }
                });
                let times = entries[index].implementation.time(&indices)?;
                let mut times: Vec<f64> =
                    times[1..].iter().map(|time| time.as_secs_f64() * 1e3).collect();
                times.sort_by(f64::total_cmp);
                let medians = match state {
                    State::Hot => &mut measured[index].hot,
                    State::Cold => &mut measured[index].cold,
                };
                medians.push(times[MEASURED_FRAMES / 2]);
            }
        }
    }
    // The result must still be right after the measurement.
    entries.iter_mut().try_for_each(|entry| entry.implementation.fill(COUNT / 2))?;
    compare(entries, &mut measured)?;
    Ok(measured)
}

/// Compares the tensors of the last frame with those of catdog.
fn compare(entries: &mut [Entry], measured: &mut [Measured]) -> Outcome {
    let tensors: Vec<Vec<f32>> =
        entries.iter_mut().map(|entry| entry.implementation.tensor()).collect::<Outcome<_>>()?;
    for (measured, tensor) in measured.iter_mut().zip(&tensors) {
        let catdog = entries.iter().position(|entry| entry.filter == measured.filter);
        let catdog =
            &tensors[catdog.ok_or("there is no implementation of catdog with this filter")?];
        let differences = catdog.iter().zip(tensor).map(|(catdog, other)| (catdog - other).abs());
        let mean = differences.map(f64::from).sum::<f64>() / catdog.len() as f64 * 127.5;
        // If a tensor contains NaN, the mean is NaN and the comparison is false.
        let same = catdog.len() == tensor.len() && mean <= TOLERANCE;
        if !same {
            let name = measured.name;
            return Err(format!(
                "{name}: its tensor differs from that of catdog by {mean:.1} levels"
            )
            .into());
        }
        measured.difference = measured.difference.max(mean);
    }
    Ok(())
}
