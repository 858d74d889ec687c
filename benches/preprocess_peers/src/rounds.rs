//! Contenders take turns, so that whatever else the machine does meets all of them.

use crate::contenders::{Entry, Filter, Outcome};
use crate::frames::COUNT;

/// Frames of a turn that are timed, after one that is not: it brings back the contender's own memory.
const TURN: usize = 5;

/// Levels, in the mean over a tensor, up to which two contenders did the same thing. Filters and
/// integer arithmetic differ by one; another frame, or channels in another order, by tens.
const TOLERANCE: f64 = 3.0;

/// Whether a frame is in cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// One frame over and over.
    Hot,
    /// All frames in turn, whoever takes them, so that the last touch of each is long ago.
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

/// What a contender took: the median of each of its turns, in milliseconds, in one state.
pub type Turns = Vec<f64>;

/// What is known of a contender at the end.
pub struct Measured {
    pub name: &'static str,
    pub filter: Filter,
    pub hot: Turns,
    pub cold: Turns,
    /// Mean absolute difference to ours of the same filter, in levels; the largest of those seen.
    pub difference: f64,
}

/// Everything that `entries` do in `rounds` rounds.
///
/// # Errors
///
/// That of a contender, or where one's tensor is not what it should be.
pub fn measure(entries: &mut [Entry], rounds: usize) -> Outcome<Vec<Measured>> {
    let new = |entry: &Entry| {
        let (hot, cold) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
        Measured { name: entry.name, filter: entry.filter, hot, cold, difference: 0.0 }
    };
    let mut measured: Vec<Measured> = entries.iter().map(new).collect();
    for index in [COUNT / 3, 0] {
        entries.iter_mut().try_for_each(|entry| entry.contender.fill(index))?;
        compare(entries, &mut measured)?;
    }
    let mut next = 0;
    for state in [State::Hot, State::Cold] {
        for round in 0..rounds {
            for turn in 0..entries.len() {
                // Nobody always follows the same one.
                let who = (turn + round) % entries.len();
                let indices: [usize; TURN + 1] = std::array::from_fn(|_| {
                    next = (next + 1) % COUNT;
                    if state == State::Hot { 0 } else { next }
                });
                let times = entries[who].contender.time(&indices)?;
                let mut times: Vec<f64> =
                    times[1..].iter().map(|time| time.as_secs_f64() * 1e3).collect();
                times.sort_by(f64::total_cmp);
                let turns = match state {
                    State::Hot => &mut measured[who].hot,
                    State::Cold => &mut measured[who].cold,
                };
                turns.push(times[TURN / 2]);
            }
        }
    }
    // Those that were timed still do what they should.
    entries.iter_mut().try_for_each(|entry| entry.contender.fill(COUNT / 2))?;
    compare(entries, &mut measured)?;
    Ok(measured)
}

/// Holds the tensors of the last frame against ours.
fn compare(entries: &mut [Entry], measured: &mut [Measured]) -> Outcome {
    let tensors: Vec<Vec<f32>> =
        entries.iter_mut().map(|entry| entry.contender.tensor()).collect::<Outcome<_>>()?;
    for (measured, tensor) in measured.iter_mut().zip(&tensors) {
        let ours = entries.iter().position(|entry| entry.filter == measured.filter);
        let ours = &tensors[ours.ok_or("nothing of ours to compare with")?];
        let differences = ours.iter().zip(tensor).map(|(ours, theirs)| (ours - theirs).abs());
        let mean = differences.map(f64::from).sum::<f64>() / ours.len() as f64 * 127.5;
        // of a tensor with a NaN the mean is one too, and no smaller than anything
        let same = ours.len() == tensor.len() && mean <= TOLERANCE;
        if !same {
            let name = measured.name;
            return Err(format!("{name}: {mean:.1} levels away from ours").into());
        }
        measured.difference = measured.difference.max(mean);
    }
    Ok(())
}
