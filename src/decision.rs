//! From the output tensor to a decision: dequantise, activation, ranking, threshold.
//!
//! Input is the engine's output tensor, output a [`Decision`]: the classes by falling confidence,
//! and whether the best reaches the threshold. Nothing is allocated after [`Decider::new`].

use crate::tensor::{Quantization, TensorRef};

/// How scores become confidences between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The scores are confidences already; they are only kept within 0..1.
    None,
    /// Logistic function of each score.
    Sigmoid,
    /// Exponentials of all scores, normalised to the sum 1.
    Softmax,
}

/// One class and its confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Index into the labels.
    pub class: usize,
    /// 0..1.
    pub confidence: f32,
}

/// What one inference says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision<'a> {
    /// The classes by falling confidence, the lower index first among equals; at most
    /// `max_results`, at least one.
    pub ranked: &'a [Scored],
    /// Whether the best reaches the threshold.
    pub known: bool,
}

/// Turns the outputs of one model into decisions.
#[derive(Clone, Debug)]
pub struct Decider {
    activation: Activation,
    quantization: Option<Quantization>,
    threshold: f32,
    max_results: usize,
    /// One score of two classes: its confidence is that of class 1, the rest that of class 0.
    binary: bool,
    scored: Vec<Scored>,
}

impl Decider {
    /// A decider for `scores` scores that stand for `classes` classes: as many, or two for one.
    /// `threshold` is the least confidence that is believed.
    pub fn new(
        scores: usize,
        classes: usize,
        activation: Activation,
        quantization: Option<Quantization>,
        threshold: f32,
        max_results: usize,
    ) -> Self {
        let binary = scores == 1 && classes == 2;
        Self {
            activation,
            quantization,
            threshold,
            max_results: max_results.max(1),
            binary,
            scored: Vec::with_capacity(classes.max(scores)),
        }
    }

    /// Changes the least confidence that is believed.
    pub fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }

    /// Changes how many classes are ranked, at least 1.
    pub fn set_max_results(&mut self, max_results: usize) {
        self.max_results = max_results.max(1);
    }

    /// Decides on one output, which must be as long as `new` was told.
    pub fn decide(&mut self, output: TensorRef<'_>) -> Decision<'_> {
        self.read_scores(output);
        match self.activation {
            Activation::None => self.map(|score| score.clamp(0.0, 1.0)),
            Activation::Sigmoid => self.map(sigmoid),
            Activation::Softmax => softmax(&mut self.scored),
        }
        if self.binary {
            self.split_binary();
        }
        let results = self.max_results.min(self.scored.len());
        rank(&mut self.scored, results);
        let known = self.scored.first().is_some_and(|best| best.confidence >= self.threshold);
        Decision { ranked: &self.scored[..results], known }
    }

    fn read_scores(&mut self, output: TensorRef<'_>) {
        self.scored.clear();
        for class in 0..output.len() {
            let score = output.real(class, self.quantization);
            // A score that is no number says nothing for its class.
            let confidence = if score.is_nan() { f32::NEG_INFINITY } else { score };
            self.scored.push(Scored { class, confidence });
        }
    }

    fn map(&mut self, activation: impl Fn(f32) -> f32) {
        for scored in &mut self.scored {
            scored.confidence = activation(scored.confidence);
        }
    }

    fn split_binary(&mut self) {
        let Some(one) = self.scored.first_mut() else { return };
        let positive = one.confidence;
        one.confidence = 1.0 - positive;
        self.scored.push(Scored { class: 1, confidence: positive });
    }
}

/// 1 / (1 + e^-x), by the branch in which the exponential cannot overflow.
fn sigmoid(logit: f32) -> f32 {
    let small = (-logit.abs()).exp();
    if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// e^(x - max) over its sum: with the maximum taken off no exponential overflows, and the sum is
/// at least 1.
fn softmax(scored: &mut [Scored]) {
    let bounded = |score: f32| score.clamp(f32::MIN, f32::MAX);
    let max = scored.iter().map(|s| bounded(s.confidence)).fold(f32::MIN, f32::max);
    // In f64, because the sum of many thousand small terms would lose them in f32.
    let mut sum = 0.0;
    for s in scored.iter_mut() {
        s.confidence = (bounded(s.confidence) - max).exp();
        sum += f64::from(s.confidence);
    }
    for s in scored.iter_mut() {
        s.confidence = (f64::from(s.confidence) / sum) as f32;
    }
}

/// Brings the `count` best to the front, in order.
fn rank(scored: &mut [Scored], count: usize) {
    let better =
        |a: &Scored, b: &Scored| b.confidence.total_cmp(&a.confidence).then(a.class.cmp(&b.class));
    if count < scored.len() {
        scored.select_nth_unstable_by(count, better);
    }
    scored[..count].sort_unstable_by(better);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decider(scores: usize, activation: Activation) -> Decider {
        Decider::new(scores, scores, activation, None, 0.5, usize::MAX)
    }

    #[test]
    fn one_logit_separates_two_classes() {
        let mut decider = Decider::new(1, 2, Activation::Sigmoid, None, 0.7, 5);
        let dog = decider.decide(TensorRef::F32(&[2.0]));
        assert_eq!(dog.ranked[0].class, 1);
        // 1 / (1 + e^-2)
        assert!((dog.ranked[0].confidence - 0.880_797).abs() < 1e-6);
        assert!(dog.known);
        let cat = decider.decide(TensorRef::F32(&[-2.0]));
        assert_eq!(cat.ranked[0].class, 0);
        assert!((cat.ranked[0].confidence - 0.880_797).abs() < 1e-6);
        assert!(!decider.decide(TensorRef::F32(&[0.5])).known);
    }

    #[test]
    fn quantised_scores_are_dequantised_before_the_activation() {
        let quantization = Some(Quantization { scale: 0.5, zero_point: -10 });
        let mut decider = Decider::new(3, 3, Activation::Softmax, quantization, 0.0, 3);
        let decision = decider.decide(TensorRef::I8(&[-10, -8, -12]));
        // softmax(0, 1, -1), computed with NumPy.
        let want = [(1, 0.665_241), (0, 0.244_728), (2, 0.090_031)];
        for (scored, (class, confidence)) in decision.ranked.iter().zip(want) {
            assert_eq!(scored.class, class);
            assert!((scored.confidence - confidence).abs() < 1e-5, "{scored:?}");
        }
    }

    #[test]
    fn the_threshold_itself_is_reached() {
        let mut decider = Decider::new(2, 2, Activation::None, None, 0.75, 2);
        assert!(decider.decide(TensorRef::F32(&[0.25, 0.75])).known);
        decider.set_threshold(0.76);
        assert!(!decider.decide(TensorRef::F32(&[0.25, 0.75])).known);
    }

    #[test]
    fn no_more_classes_are_ranked_than_asked_for() {
        let mut decider = Decider::new(4, 4, Activation::None, None, 0.5, 2);
        let decision = decider.decide(TensorRef::F32(&[0.1, 0.4, 0.2, 0.3]));
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn among_equals_the_lower_index_comes_first() {
        let mut decider = decider(3, Activation::Softmax);
        let decision = decider.decide(TensorRef::F32(&[1.0, 1.0, 1.0]));
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [0, 1, 2]);
    }

    fn any_score() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => -50.0f32..50.0,
            1 => any::<f32>(),
            1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN]),
        ]
    }

    fn any_activation() -> impl Strategy<Value = Activation> {
        prop::sample::select(vec![Activation::None, Activation::Sigmoid, Activation::Softmax])
    }

    proptest! {
        #[test]
        fn confidences_are_numbers_between_0_and_1(
            scores in prop::collection::vec(any_score(), 1..40),
            activation in any_activation(),
        ) {
            let mut decider = decider(scores.len(), activation);
            for scored in decider.decide(TensorRef::F32(&scores)).ranked {
                prop_assert!((0.0..=1.0).contains(&scored.confidence), "{scored:?}");
            }
        }

        #[test]
        fn softmax_sums_to_1(scores in prop::collection::vec(any_score(), 1..1200)) {
            let mut decider = decider(scores.len(), Activation::Softmax);
            let decision = decider.decide(TensorRef::F32(&scores));
            let sum: f64 = decision.ranked.iter().map(|s| f64::from(s.confidence)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }

        #[test]
        fn a_binary_decision_sums_to_1(score in any_score(), activation in any_activation()) {
            let mut decider = Decider::new(1, 2, activation, None, 0.5, 2);
            let decision = decider.decide(TensorRef::F32(&[score]));
            let sum: f32 = decision.ranked.iter().map(|s| s.confidence).sum();
            // Softmax over one score is 1 whatever the score, and 0 remains for the other class.
            prop_assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        }

        #[test]
        fn the_order_of_the_scores_is_kept(
            scores in prop::collection::vec(-80.0f32..80.0, 2..40),
            activation in prop::sample::select(vec![Activation::Sigmoid, Activation::Softmax]),
        ) {
            let mut decider = decider(scores.len(), activation);
            let decision = decider.decide(TensorRef::F32(&scores));
            let mut confidences = vec![0.0; scores.len()];
            for scored in decision.ranked {
                confidences[scored.class] = scored.confidence;
            }
            for a in 0..scores.len() {
                for b in 0..scores.len() {
                    prop_assert!(scores[a] <= scores[b] || confidences[a] >= confidences[b]);
                }
            }
        }

        #[test]
        fn the_ranking_falls_and_names_every_class_once(
            scores in prop::collection::vec(any_score(), 1..40),
            activation in any_activation(),
            max_results in 1usize..50,
        ) {
            let count = scores.len();
            let mut decider = Decider::new(count, count, activation, None, 0.5, max_results);
            let ranked = decider.decide(TensorRef::F32(&scores)).ranked.to_vec();
            prop_assert_eq!(ranked.len(), max_results.min(count));
            prop_assert!(ranked.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
            let mut classes: Vec<_> = ranked.iter().map(|s| s.class).collect();
            classes.sort_unstable();
            classes.dedup();
            prop_assert_eq!(classes.len(), ranked.len());
        }
    }
}
