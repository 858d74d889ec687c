//! The exponential moving average of each class's confidence over time.

use std::time::Duration;

use super::ranked_class::RankedClass;

/// The average of past confidences.
#[derive(Clone, Debug)]
pub(super) struct Smoothing {
    /// Average per class; empty before the first frame.
    averages: Vec<f32>,
    /// Time of the last frame.
    at: Duration,
}

impl Smoothing {
    pub fn new(classes: usize) -> Self {
        Self { averages: Vec::with_capacity(classes), at: Duration::ZERO }
    }

    /// Replaces the confidences of `classes`, which are in the order of their indices, by the
    /// average with those of past frames. `at` is the time of the frame.
    ///
    /// The weight of the new frame is 1 - e^(-t / `time_constant`), where t is the time since the
    /// last frame. A picture that stays for a second therefore has the same weight in 5 frames as
    /// in 50.
    pub fn apply(&mut self, classes: &mut [RankedClass], at: Duration, time_constant: Duration) {
        let elapsed = at.saturating_sub(self.at);
        self.at = at;
        if self.averages.len() != classes.len() {
            self.averages.clear();
            self.averages.extend(classes.iter().map(|class| class.confidence));
            return;
        }
        let weight = if time_constant.is_zero() {
            1.0
        } else {
            -(-elapsed.as_secs_f32() / time_constant.as_secs_f32()).exp_m1()
        };
        for (average, class) in self.averages.iter_mut().zip(classes) {
            // In this form, weight 1 gives exactly the new value.
            *average = weight * class.confidence + (1.0 - weight) * *average;
            class.confidence = *average;
        }
    }

    /// Returns the average confidence of the class with index `class`; 0 before the first frame.
    pub fn confidence(&self, class: usize) -> f32 {
        self.averages.get(class).copied().unwrap_or(0.0)
    }

    /// Resets the averages, so that past frames have no influence.
    pub fn reset(&mut self) {
        self.averages.clear();
    }
}
