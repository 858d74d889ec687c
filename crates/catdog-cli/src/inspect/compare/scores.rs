//! Compares recorded scores with those of catdog for the same input tensor.

use std::time::Duration;

use catdog_core::decision::{Activation, Decider, Rules};
use catdog_core::model::tflite::GraphActivation;
use catdog_core::tensor::TensorRef;
use serde::Serialize;

/// Scores that differ by less are equal, as a part of the largest score. Quantized models and other
/// builds of LiteRT round differently.
const TOLERANCE: f32 = 0.03;
/// The least tolerance, for confidences.
const LEAST_TOLERANCE: f32 = 0.01;

/// How recorded scores follow from the scores of catdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// They are equal.
    Equal,
    /// They are the sigmoid of catdog's scores.
    Sigmoid,
    /// They are the softmax of catdog's scores.
    Softmax,
    /// They are logits, and catdog's scores are their sigmoid.
    BeforeSigmoid,
    /// They are logits, and catdog's scores are their softmax.
    BeforeSoftmax,
    /// They are the stored integers of catdog's scores.
    Stored,
    /// They are equal in another order.
    Reordered,
    /// There is only one, and it is 1 minus catdog's confidence.
    Complement,
    /// None of these.
    Different,
}

/// Finds the relation between `catdog`, the real scores of catdog with the stored values `stored`,
/// and the `recorded` scores. `step` is the quantization step of catdog's scores, 0 for floats.
pub fn relation(catdog: &[f32], stored: &[f32], recorded: &[f32], step: f32) -> Relation {
    if catdog.len() != recorded.len() {
        return Relation::Different;
    }
    let equal = |a: &[f32], b: &[f32], step| difference(a, b) <= tolerance(a, step);
    let sorted = |scores: &[f32]| {
        let mut scores = scores.to_vec();
        scores.sort_by(f32::total_cmp);
        scores
    };
    let single = catdog.len() == 1;
    let activated = |scores: &[f32], activation| confidences(scores, activation);
    if equal(catdog, recorded, step) {
        Relation::Equal
    } else if equal(&activated(catdog, Activation::Sigmoid), recorded, 0.0) {
        Relation::Sigmoid
    } else if !single && equal(&activated(catdog, Activation::Softmax), recorded, 0.0) {
        Relation::Softmax
    } else if equal(catdog, &activated(recorded, Activation::Sigmoid), step) {
        Relation::BeforeSigmoid
    } else if !single && equal(catdog, &activated(recorded, Activation::Softmax), step) {
        Relation::BeforeSoftmax
    } else if step > 0.0 && equal(stored, recorded, 1.0) {
        Relation::Stored
    } else if single && are_confidences(catdog) && equal(&[1.0 - catdog[0]], recorded, step) {
        Relation::Complement
    } else if !single && equal(&sorted(catdog), &sorted(recorded), step) {
        Relation::Reordered
    } else {
        Relation::Different
    }
}

/// Returns the largest difference of two rows of scores.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Returns by how much rows of scores may differ, one of which is `scores`.
fn tolerance(scores: &[f32], step: f32) -> f32 {
    let largest = scores.iter().map(|score| score.abs()).fold(0.0, f32::max);
    (TOLERANCE * largest).max(LEAST_TOLERANCE).max(1.5 * step)
}

/// Returns whether `scores` can be confidences: they are between 0 and 1, and if there are several,
/// their sum is 1.
pub fn are_confidences(scores: &[f32]) -> bool {
    let sum: f32 = scores.iter().sum();
    let in_range = scores.iter().all(|score| (-0.001..=1.001).contains(score));
    in_range && (scores.len() == 1 || (sum - 1.0).abs() < 0.02)
}

/// Returns whether `scores` of a model that ends in `graph` are confidences. A single score between 0
/// and 1 may be a logit, so for one score only the graph tells.
pub fn need_no_activation(scores: &[f32], graph: GraphActivation) -> bool {
    are_confidences(scores) && (scores.len() > 1 || graph != GraphActivation::None)
}

/// Returns the confidences of the classes, computed by the decision of the element.
pub fn confidences(scores: &[f32], activation: Activation) -> Vec<f32> {
    let count = scores.len();
    let rules = Rules { max_results: count, ..Rules::default() };
    let mut decider = Decider::new(count, count, activation, None, rules);
    let mut confidences = vec![0.0; count];
    for ranked in decider.decide(TensorRef::F32(scores), Duration::ZERO).ranked {
        confidences[ranked.class] = ranked.confidence;
    }
    confidences
}

/// Returns class and confidence of the best class. A single confidence is that of class 1.
pub fn best(confidences: &[f32]) -> (usize, f32) {
    match confidences {
        [one] if *one >= 0.5 => (1, *one),
        [one] => (0, 1.0 - one),
        _ => {
            let better = |best: (usize, f32), (class, &confidence): (usize, &f32)| {
                if confidence > best.1 { (class, confidence) } else { best }
            };
            confidences.iter().enumerate().fold((0, f32::NEG_INFINITY), better)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits, and their softmax and sigmoid, computed with NumPy.
    const LOGITS: [f32; 3] = [2.0, -1.0, 0.5];
    const SOFTMAX: [f32; 3] = [0.785_597, 0.039_112, 0.175_291];
    const SIGMOID: [f32; 3] = [0.880_797, 0.268_941, 0.622_459];

    fn of_floats(catdog: &[f32], recorded: &[f32]) -> Relation {
        relation(catdog, catdog, recorded, 0.0)
    }

    #[test]
    fn the_function_between_two_rows_of_scores_is_found() {
        assert_eq!(of_floats(&LOGITS, &[2.01, -1.01, 0.5]), Relation::Equal);
        assert_eq!(of_floats(&LOGITS, &SOFTMAX), Relation::Softmax);
        assert_eq!(of_floats(&LOGITS, &SIGMOID), Relation::Sigmoid);
        assert_eq!(of_floats(&SOFTMAX, &LOGITS), Relation::BeforeSoftmax);
        assert_eq!(of_floats(&SIGMOID, &LOGITS), Relation::BeforeSigmoid);
        assert_eq!(of_floats(&LOGITS, &[0.5, 2.0, -1.0]), Relation::Reordered);
        assert_eq!(of_floats(&LOGITS, &[2.0, -1.0, 1.5]), Relation::Different);
        assert_eq!(of_floats(&LOGITS, &[2.0, -1.0]), Relation::Different);
        assert_eq!(of_floats(&[0.2], &[0.8]), Relation::Complement);
    }

    #[test]
    fn a_small_logit_is_not_a_confidence() {
        assert!(!need_no_activation(&[0.4], GraphActivation::None));
        assert!(need_no_activation(&[0.4], GraphActivation::Logistic));
        assert!(need_no_activation(&SOFTMAX, GraphActivation::None));
        assert!(!need_no_activation(&LOGITS, GraphActivation::None));
    }

    #[test]
    fn stored_integers_are_recognized() {
        let (real, stored) = ([0.5, 0.25], [0.0, -64.0]);
        assert_eq!(relation(&real, &stored, &[0.0, -63.0], 1.0 / 256.0), Relation::Stored);
    }
}
