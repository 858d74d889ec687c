//! The activation: how raw scores become confidences between 0 and 1.

use std::fmt;

use super::ranked_class::RankedClass;

/// The function that turns scores into confidences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The scores are confidences; they are clamped to 0..1.
    None,
    /// The logistic function of each score.
    Sigmoid,
    /// The exponential of each score, divided by the sum of all.
    Softmax,
    /// The exponential of each score. The scores are logarithms of confidences.
    Exp,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
            Self::Exp => "exp",
        })
    }
}

impl Activation {
    /// Replaces the score of each class by its confidence.
    pub(super) fn apply(self, classes: &mut [RankedClass]) {
        let map = |classes: &mut [RankedClass], function: fn(f32) -> f32| {
            for class in classes {
                class.confidence = function(class.confidence);
            }
        };
        match self {
            Self::None => map(classes, |score| score.clamp(0.0, 1.0)),
            Self::Sigmoid => map(classes, sigmoid),
            Self::Softmax => softmax(classes),
            Self::Exp => map(classes, |score| score.exp().clamp(0.0, 1.0)),
        }
    }
}

/// Returns 1 / (1 + e^-x), computed with the exponential that cannot overflow.
fn sigmoid(logit: f32) -> f32 {
    let small = (-logit.abs()).exp();
    if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// Computes e^(x - max) / sum. With the maximum subtracted, no exponential overflows and the sum is
/// at least 1.
fn softmax(classes: &mut [RankedClass]) {
    let bounded = |score: f32| score.clamp(f32::MIN, f32::MAX);
    let max = classes.iter().map(|c| bounded(c.confidence)).fold(f32::MIN, f32::max);
    // The sum is f64, because f32 would lose the small terms of a thousand classes.
    let mut sum = 0.0;
    for class in classes.iter_mut() {
        class.confidence = (bounded(class.confidence) - max).exp();
        sum += f64::from(class.confidence);
    }
    for class in classes.iter_mut() {
        class.confidence = (f64::from(class.confidence) / sum) as f32;
    }
}
