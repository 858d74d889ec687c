//! Hysteresis: the displayed class changes only after a new class has led for some time.

use std::time::Duration;

/// The displayed class, and the class that may replace it. `None` is a class, too: no class is
/// accepted.
#[derive(Clone, Debug, Default)]
pub(super) struct Hysteresis {
    /// The displayed class; `None` before the first decision.
    displayed: Option<Option<usize>>,
    /// The class that may replace it, and the time since which it leads.
    challenger: Option<(Option<usize>, Duration)>,
    /// Time of the last decision.
    at: Duration,
}

impl Hysteresis {
    /// Returns the class to display if `leader` leads at the time `at`.
    ///
    /// The time of a new class starts at the last decision in which this class did not lead. If
    /// decisions are further apart than `hold`, one decision is therefore enough.
    pub fn update(&mut self, leader: Option<usize>, at: Duration, hold: Duration) -> Option<usize> {
        let previous = std::mem::replace(&mut self.at, at);
        let Some(displayed) = self.displayed else { return self.display(leader) };
        if displayed == leader || hold.is_zero() {
            return self.display(leader);
        }
        let since = match self.challenger {
            Some((challenger, since)) if challenger == leader => since,
            _ => previous,
        };
        if at.saturating_sub(since) >= hold {
            return self.display(leader);
        }
        self.challenger = Some((leader, since));
        displayed
    }

    /// Returns the displayed class if a decision at the time `at` continues the last one, that is,
    /// comes less than `hold` after it.
    pub fn continuing(&self, at: Duration, hold: Duration) -> Option<usize> {
        let continues = at.saturating_sub(self.at) < hold;
        self.displayed.flatten().filter(|_| continues)
    }

    fn display(&mut self, class: Option<usize>) -> Option<usize> {
        self.displayed = Some(class);
        self.challenger = None;
        class
    }
}
