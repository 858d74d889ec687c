//! From the output tensor to ranked classes and an accepted class: dequantization, activation,
//! smoothing, ranking, threshold, hysteresis.
//!
//! The input is the output tensor of the engine; the output is a [`Ranking`]: the classes, best
//! first, and which of them is accepted. Nothing is allocated after [`Decider::new`].

mod activation;
mod hysteresis;
mod ranked_class;
mod smoothing;

use std::fmt;
use std::time::Duration;

use crate::tensor::{Quantization, TensorRef};
use hysteresis::Hysteresis;
use smoothing::Smoothing;

pub use activation::Activation;
pub use ranked_class::RankedClass;

/// The ranked classes and the accepted class of one output tensor. Smoothing and hysteresis make
/// them depend on earlier output tensors, too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranking<'a> {
    /// The best classes, best first, among equals the lower index first; at least one and at most
    /// `max_results`, but for a multi-label model all that reach the threshold.
    pub ranked: &'a [RankedClass],
    /// The accepted class; `None` if every class is rejected. Until a new class has led for `hold`,
    /// this is the previous class, which need not be the first of `ranked`.
    pub accepted: Option<RankedClass>,
}

/// The rules for accepting a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Minimum confidence, 0..1.
    pub threshold: f32,
    /// Minimum lead of the best class over the second best, 0..1.
    pub margin: f32,
    /// Time constant of the exponential moving average over the confidences; zero disables it.
    pub smoothing: Duration,
    /// How long a new class must lead before it replaces the displayed one. Until then, half the
    /// threshold and no margin are enough for the displayed class to stay accepted. Zero disables
    /// both.
    pub hold: Duration,
    /// Maximum number of ranked classes; 0 is treated as 1.
    pub max_results: usize,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threshold, margin, smoothing, hold, .. } = self;
        write!(f, "threshold {threshold}, margin {margin}, smoothing {smoothing:?}, hold {hold:?}")
    }
}

/// The share of the threshold that the displayed class needs to stay accepted while it is the best.
///
/// With the same threshold in both directions, a confidence near it would toggle the label. On
/// three clips of one animal each, at the default threshold, shares from 0.3 to 0.6 gave the same
/// labels, without a change to the unknown label; 0.7 caused one.
const STAY_SHARE: f32 = 0.5;

/// Turns the output tensors of one model into rankings.
#[derive(Clone, Debug)]
pub struct Decider {
    activation: Activation,
    quantization: Option<Quantization>,
    rules: Rules,
    /// The model has one score for two classes: its confidence c is that of class 1, and 1 - c is
    /// that of class 0.
    binary: bool,
    /// The classes do not exclude each other: each one that reaches the threshold is listed, and the
    /// margin does not count.
    multi_label: bool,
    /// The classes of the current output.
    classes: Vec<RankedClass>,
    /// The sums of the odds of several looks.
    odds: Vec<f64>,
    smoothing: Smoothing,
    hysteresis: Hysteresis,
}

impl Decider {
    /// Creates a decider for a model with `scores` scores and `classes` classes. The numbers are
    /// equal, except that one score can separate two classes.
    pub fn new(
        scores: usize,
        classes: usize,
        activation: Activation,
        quantization: Option<Quantization>,
        rules: Rules,
    ) -> Self {
        let capacity = classes.max(scores);
        Self {
            activation,
            quantization,
            rules,
            binary: scores == 1 && classes == 2,
            multi_label: false,
            classes: Vec::with_capacity(capacity),
            odds: Vec::with_capacity(capacity),
            smoothing: Smoothing::new(capacity),
            hysteresis: Hysteresis::default(),
        }
    }

    /// Sets whether the classes do not exclude each other; at first they do.
    pub fn with_multi_label(self, multi_label: bool) -> Self {
        Self { multi_label, ..self }
    }

    /// Replaces the rules for all later decisions.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Resets smoothing and hysteresis, so that past frames have no influence.
    pub fn reset(&mut self) {
        self.smoothing.reset();
        self.hysteresis = Hysteresis::default();
    }

    /// Decides on the output tensor of a frame. `at` is the time of the frame, which must not
    /// decrease from call to call; `output` must have the number of scores with which the decider
    /// was created.
    pub fn decide(&mut self, output: TensorRef<'_>, at: Duration) -> Ranking<'_> {
        self.read(output);
        self.rank_and_accept(at)
    }

    /// Decides on the output tensors of several looks at a frame, as [`Self::decide`] on one. The odds
    /// of each class against the class `background` are the mean of those of all looks.
    pub fn decide_looks(
        &mut self,
        looks: &[TensorRef<'_>],
        background: usize,
        at: Duration,
    ) -> Ranking<'_> {
        self.read_looks(looks, background);
        self.rank_and_accept(at)
    }

    /// Returns the largest confidence of all looks together, without smoothing; NaN if there is no
    /// class.
    pub fn largest_confidence(&mut self, looks: &[TensorRef<'_>], background: usize) -> f32 {
        self.read_looks(looks, background);
        self.classes.iter().map(|class| class.confidence).fold(f32::NAN, f32::max)
    }

    /// Returns the confidence of `class` in `output`, without smoothing; 0 if there is no such class.
    pub fn confidence_of(&mut self, output: TensorRef<'_>, class: usize) -> f32 {
        self.read(output);
        self.classes.get(class).map_or(0.0, |class| class.confidence)
    }

    fn rank_and_accept(&mut self, at: Duration) -> Ranking<'_> {
        self.smoothing.apply(&mut self.classes, at, self.rules.smoothing);
        let count = self.classes.len();
        let mut results = self.rules.max_results.max(1).min(count);
        if self.multi_label {
            let reaches = |class: &&RankedClass| class.confidence >= self.rules.threshold;
            results = results.max(self.classes.iter().filter(reaches).count());
        }
        // The margin needs the second best class, even if only one is listed.
        rank(&mut self.classes, results.max(2).min(count));
        let displayed = self.hysteresis.continuing(at, self.rules.hold);
        let leader = self.classes.first().filter(|best| {
            if displayed == Some(best.class) {
                return best.confidence >= self.rules.threshold * STAY_SHARE;
            }
            let second = self.classes.get(1).map_or(0.0, |second| second.confidence);
            let leads = self.multi_label || best.confidence - second >= self.rules.margin;
            best.confidence >= self.rules.threshold && leads
        });
        let leader = leader.map(|best| best.class);
        let accepted = self.hysteresis.update(leader, at, self.rules.hold);
        let accepted = accepted
            .map(|class| RankedClass { class, confidence: self.smoothing.confidence(class) });
        Ranking { ranked: &self.classes[..results], accepted }
    }

    /// Reads the confidences of several looks into the classes: those whose odds against the class
    /// `background` are the mean of the odds of the looks.
    fn read_looks(&mut self, looks: &[TensorRef<'_>], background: usize) {
        if let [output] = looks {
            return self.read(*output);
        }
        self.odds.clear();
        for output in looks {
            self.read(*output);
            self.odds.resize(self.classes.len(), 0.0);
            let of_background = self.classes.get(background).map_or(0.0, |class| class.confidence);
            // The smallest number that is not denormal: the background is never impossible.
            let of_background = f64::from(of_background.max(f32::MIN_POSITIVE));
            for (sum, class) in self.odds.iter_mut().zip(&self.classes) {
                *sum += f64::from(class.confidence) / of_background;
            }
        }
        let total: f64 = self.odds.iter().sum();
        for (class, odds) in self.classes.iter_mut().zip(&self.odds) {
            class.confidence = (odds / total) as f32;
        }
    }

    /// Reads the confidences of `output` into the classes, in the order of the classes.
    fn read(&mut self, output: TensorRef<'_>) {
        self.read_scores(output);
        self.activation.apply(&mut self.classes);
        if self.binary {
            self.split_binary();
        }
    }

    fn read_scores(&mut self, output: TensorRef<'_>) {
        self.classes.clear();
        for class in 0..output.len() {
            let score = output.real(class, self.quantization);
            // NaN is not evidence for the class.
            let confidence = if score.is_nan() { f32::NEG_INFINITY } else { score };
            self.classes.push(RankedClass { class, confidence });
        }
    }

    fn split_binary(&mut self) {
        let Some(one) = self.classes.first_mut() else { return };
        let positive = one.confidence;
        one.confidence = 1.0 - positive;
        self.classes.push(RankedClass { class: 1, confidence: positive });
    }
}

/// Returns the confidence of each class for the scores in `output`, without smoothing. One score
/// gives the confidences of two classes.
pub fn confidences(
    output: TensorRef<'_>,
    quantization: Option<Quantization>,
    activation: Activation,
) -> Vec<f32> {
    let score = |class| RankedClass { class, confidence: output.real(class, quantization) };
    let mut classes: Vec<RankedClass> = (0..output.len()).map(score).collect();
    activation.apply(&mut classes);
    match classes[..] {
        [only] => vec![1.0 - only.confidence, only.confidence],
        _ => classes.iter().map(|class| class.confidence).collect(),
    }
}

/// Moves the `count` best classes to the front, in order.
fn rank(classes: &mut [RankedClass], count: usize) {
    let better = |a: &RankedClass, b: &RankedClass| {
        b.confidence.total_cmp(&a.confidence).then(a.class.cmp(&b.class))
    };
    if count < classes.len() {
        classes.select_nth_unstable_by(count, better);
    }
    classes[..count].sort_unstable_by(better);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decider(scores: usize, activation: Activation) -> Decider {
        with_rules(scores, scores, activation, rules(0.5, usize::MAX))
    }

    fn rules(threshold: f32, max_results: usize) -> Rules {
        Rules { threshold, max_results, ..Rules::default() }
    }

    fn with_rules(scores: usize, classes: usize, activation: Activation, rules: Rules) -> Decider {
        Decider::new(scores, classes, activation, None, rules)
    }

    #[test]
    fn one_logit_separates_two_classes() {
        let mut decider = with_rules(1, 2, Activation::Sigmoid, rules(0.7, 5));
        let dog = decider.decide(TensorRef::F32(&[2.0]), Duration::ZERO);
        assert_eq!(dog.ranked[0].class, 1);
        // Reference: 1 / (1 + e^-2).
        assert!((dog.ranked[0].confidence - 0.880_797).abs() < 1e-6);
        assert!(dog.accepted.is_some());
        let cat = decider.decide(TensorRef::F32(&[-2.0]), Duration::ZERO);
        assert_eq!(cat.ranked[0].class, 0);
        assert!((cat.ranked[0].confidence - 0.880_797).abs() < 1e-6);
        assert!(decider.decide(TensorRef::F32(&[0.5]), Duration::ZERO).accepted.is_none());
    }

    /// Returns the confidences of several looks together, in the order of the classes.
    fn all_looks(looks: &[&[f32]], background: usize) -> Vec<f32> {
        let mut decider = decider(looks[0].len(), Activation::None);
        let looks: Vec<_> = looks.iter().map(|look| TensorRef::F32(look)).collect();
        let decision = decider.decide_looks(&looks, background, Duration::ZERO);
        let mut ranked = decision.ranked.to_vec();
        ranked.sort_unstable_by_key(|class| class.class);
        ranked.iter().map(|class| class.confidence).collect()
    }

    #[test]
    fn looks_have_the_mean_of_their_odds() {
        // Odds of the first look: 0.125 and 0.125, of the second one: 8 and 1.
        let confidences = all_looks(&[&[0.1, 0.1, 0.8], &[0.8, 0.1, 0.1]], 2);
        let sum = 4.0625 + 0.5625 + 1.0;
        for (found, want) in confidences.iter().zip([4.0625, 0.5625, 1.0]) {
            assert!((found - want / sum).abs() < 1e-6, "{confidences:?}");
        }
        let equal = all_looks(&[&[0.2, 0.5, 0.3][..]; 3], 0);
        for (found, want) in equal.iter().zip([0.2, 0.5, 0.3]) {
            assert!((found - want).abs() < 1e-6, "{equal:?}");
        }
        // Odds 0, 4 and 1 of class 0.
        let three = all_looks(&[&[0.0, 1.0], &[0.8, 0.2], &[0.5, 0.5]], 1);
        assert!((three[0] - 0.625).abs() < 1e-6, "{three:?}");
    }

    #[test]
    fn looks_that_are_certain_have_finite_confidences() {
        for (first, second, want) in [
            ([0.0, 1.0], [1.0, 0.0], 1.0),
            ([0.0, 1.0], [0.0, 1.0], 0.0),
            ([1.0, 0.0], [1.0, 0.0], 1.0),
        ] {
            let found = all_looks(&[&first, &second], 1);
            assert!((found[0] - want).abs() < 1e-6 && (found[0] + found[1] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_largest_confidence_has_no_influence_on_later_decisions() {
        let mut decider = decider(3, Activation::Softmax);
        let output = TensorRef::F32(&[9.0, 0.0, 0.0]);
        let certain = decider.largest_confidence(&[output], 2);
        assert!((decider.confidence_of(output, 0) - certain).abs() < 1e-9);
        assert!((certain - 0.999_753).abs() < 1e-6);
        let decision = decider.decide(TensorRef::F32(&[0.0, 0.0, 1.0]), Duration::ZERO);
        // Reference: e / (e + 2).
        assert!((decision.ranked[0].confidence - 0.576_117).abs() < 1e-6);
    }

    #[test]
    fn scores_are_dequantized_before_the_activation() {
        let quantization = Some(Quantization { scale: 0.5, zero_point: -10 });
        let mut decider = Decider::new(3, 3, Activation::Softmax, quantization, rules(0.0, 3));
        let decision = decider.decide(TensorRef::I8(&[-10, -8, -12]), Duration::ZERO);
        // Reference: softmax(0, 1, -1), computed with NumPy.
        let want = [(1, 0.665_241), (0, 0.244_728), (2, 0.090_031)];
        for (scored, (class, confidence)) in decision.ranked.iter().zip(want) {
            assert_eq!(scored.class, class);
            assert!((scored.confidence - confidence).abs() < 1e-5, "{scored:?}");
        }
    }

    #[test]
    fn logarithms_of_confidences_become_confidences() {
        let mut decider = decider(3, Activation::Exp);
        let scores = [-1.407_606, -0.407_606, -2.407_606];
        let decision = decider.decide(TensorRef::F32(&scores), Duration::ZERO);
        // Reference: exp of the log-softmax of (0, 1, -1), computed with NumPy.
        let want = [(1, 0.665_241), (0, 0.244_728), (2, 0.090_031)];
        for (scored, (class, confidence)) in decision.ranked.iter().zip(want) {
            assert_eq!(scored.class, class);
            assert!((scored.confidence - confidence).abs() < 1e-5, "{scored:?}");
        }
    }

    #[test]
    fn a_confidence_equal_to_the_threshold_is_accepted() {
        let mut decider = with_rules(2, 2, Activation::None, rules(0.75, 2));
        assert!(decider.decide(TensorRef::F32(&[0.25, 0.75]), Duration::ZERO).accepted.is_some());
        decider.set_rules(rules(0.76, 2));
        assert!(decider.decide(TensorRef::F32(&[0.25, 0.75]), Duration::ZERO).accepted.is_none());
    }

    #[test]
    fn max_results_limits_the_ranked_classes() {
        let mut decider = with_rules(4, 4, Activation::None, rules(0.5, 2));
        let decision = decider.decide(TensorRef::F32(&[0.1, 0.4, 0.2, 0.3]), Duration::ZERO);
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn every_class_of_a_multi_label_model_that_reaches_the_threshold_is_listed() {
        let rules = Rules { margin: 0.3, ..rules(0.5, 1) };
        let mut decider = with_rules(4, 4, Activation::None, rules).with_multi_label(true);
        let decision = decider.decide(TensorRef::F32(&[0.8, 0.2, 0.9, 0.5]), Duration::ZERO);
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [2, 0, 3]);
        // The lead over the second class does not count.
        assert_eq!(decision.accepted.map(|accepted| accepted.class), Some(2));
        let none = decider.decide(TensorRef::F32(&[0.1, 0.2, 0.3, 0.4]), Duration::ZERO);
        assert_eq!((none.ranked.len(), none.accepted), (1, None));
    }

    #[test]
    fn equal_confidences_are_ranked_by_index() {
        let mut decider = decider(3, Activation::Softmax);
        let decision = decider.decide(TensorRef::F32(&[1.0, 1.0, 1.0]), Duration::ZERO);
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [0, 1, 2]);
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn smoothing_depends_on_time_and_not_on_the_frame_rate() {
        let smoothed = Rules { smoothing: Duration::from_millis(200), ..rules(0.5, 2) };
        let dog = TensorRef::F32(&[0.0, 1.0]);
        let after = |times: &[u64]| {
            let mut decider = with_rules(2, 2, Activation::None, smoothed.clone());
            decider.decide(TensorRef::F32(&[1.0, 0.0]), at(0));
            times.iter().map(|t| decider.decide(dog, at(*t)).ranked[0]).last().unwrap()
        };
        // Reference: 1 - e^(-t / 200 ms), computed with NumPy: 0.393469 after 100 ms, 0.864665
        // after 400 ms.
        for times in [&[100][..], &[20, 40, 60, 80, 100]] {
            let best = after(times);
            assert_eq!(best.class, 0, "{times:?}");
            assert!((best.confidence - 0.606_531).abs() < 1e-5, "{times:?}: {best:?}");
        }
        for times in [&[400][..], &[10, 390, 400]] {
            let best = after(times);
            assert_eq!(best.class, 1, "{times:?}");
            assert!((best.confidence - 0.864_665).abs() < 1e-5, "{times:?}: {best:?}");
        }
    }

    #[test]
    fn after_a_reset_past_frames_have_no_influence() {
        let rules = Rules { smoothing: Duration::from_secs(9), ..rules(0.5, 2) };
        let mut decider = with_rules(2, 2, Activation::None, rules);
        decider.decide(TensorRef::F32(&[1.0, 0.0]), at(0));
        decider.reset();
        assert_eq!(decider.decide(TensorRef::F32(&[0.25, 0.75]), at(1)).ranked[0].confidence, 0.75);
    }

    #[test]
    fn a_lead_smaller_than_the_margin_is_rejected() {
        let rules = Rules { margin: 0.25, ..rules(0.5, 1) };
        let mut decider = with_rules(3, 3, Activation::None, rules);
        assert_eq!(
            decider
                .decide(TensorRef::F32(&[0.5, 0.75, 0.0]), Duration::ZERO)
                .accepted
                .unwrap()
                .class,
            1
        );
        let close = decider.decide(TensorRef::F32(&[0.625, 0.75, 0.0]), Duration::ZERO);
        assert_eq!((close.accepted, close.ranked.len()), (None, 1));
    }

    /// Returns the displayed classes for `outputs` that are 100 ms apart.
    fn displayed(hold: u64, outputs: &[[f32; 2]]) -> Vec<Option<usize>> {
        let rules = Rules { hold: Duration::from_millis(hold), ..rules(0.7, 2) };
        let mut decider = with_rules(2, 2, Activation::None, rules);
        let mut time = 0;
        let mut decide = |output: &[f32; 2]| {
            time += 100;
            decider.decide(TensorRef::F32(output), at(time)).accepted.map(|class| class.class)
        };
        outputs.iter().map(&mut decide).collect()
    }

    const CAT: [f32; 2] = [0.9, 0.1];
    const DOG: [f32; 2] = [0.1, 0.9];
    const UNDECIDED: [f32; 2] = [0.5, 0.5];

    #[test]
    fn a_class_is_displayed_until_another_has_led_for_hold() {
        let (cat, dog) = (Some(0), Some(1));
        let outputs =
            [CAT, DOG, CAT, DOG, DOG, DOG, DOG, UNDECIDED, CAT, UNDECIDED, UNDECIDED, UNDECIDED];
        let without_hold = [cat, dog, cat, dog, dog, dog, dog, None, cat, None, None, None];
        assert_eq!(displayed(0, &outputs), without_hold);
        let with_hold = [cat, cat, cat, cat, dog, dog, dog, dog, dog, dog, None, None];
        assert_eq!(displayed(200, &outputs), with_hold);
        // The frames are 100 ms apart, so one frame is enough.
        assert_eq!(displayed(100, &outputs), without_hold);
    }

    #[test]
    fn the_displayed_class_stays_accepted_down_to_half_the_threshold() {
        let (cat, faint, fainter) = (Some(0), [0.36, 0.2], [0.34, 0.2]);
        assert_eq!(displayed(300, &[CAT, faint, faint, faint, faint, faint]), [cat; 6]);
        let leaves = [cat, cat, cat, None, None];
        assert_eq!(displayed(300, &[CAT, fainter, fainter, fainter, fainter]), leaves);
        // The lower threshold applies to a displayed class that leads, and if `hold` is longer than
        // a frame.
        assert_eq!(displayed(300, &[UNDECIDED, faint, faint, faint, faint]), [None; 5]);
        assert_eq!(displayed(300, &[CAT, [0.36, 0.4], [0.36, 0.4], [0.36, 0.4]])[3], None);
        for hold in [0, 100] {
            assert_eq!(displayed(hold, &[CAT, faint]), [cat, None], "{hold}");
        }
    }

    #[test]
    fn the_first_class_is_displayed_at_once_with_its_current_confidence() {
        let rules = Rules { hold: Duration::from_secs(1), ..rules(0.7, 2) };
        let mut decider = with_rules(2, 2, Activation::None, rules);
        decider.decide(TensorRef::F32(&CAT), at(0));
        let held = decider.decide(TensorRef::F32(&DOG), at(100));
        assert_eq!(held.accepted, Some(RankedClass { class: 0, confidence: 0.1 }));
        assert_eq!(held.ranked[0].class, 1);
    }

    fn any_score() -> impl Strategy<Value = f32> {
        prop_oneof![
            8 => -50.0f32..50.0,
            1 => any::<f32>(),
            1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN]),
        ]
    }

    fn any_activation() -> impl Strategy<Value = Activation> {
        use Activation::{Exp, None, Sigmoid, Softmax};
        prop::sample::select(vec![None, Sigmoid, Softmax, Exp])
    }

    proptest! {
        #[test]
        fn confidences_are_numbers_between_0_and_1(
            scores in prop::collection::vec(any_score(), 1..40),
            activation in any_activation(),
        ) {
            let mut decider = decider(scores.len(), activation);
            for scored in decider.decide(TensorRef::F32(&scores), Duration::ZERO).ranked {
                prop_assert!((0.0..=1.0).contains(&scored.confidence), "{scored:?}");
            }
        }

        #[test]
        fn softmax_sums_to_1(scores in prop::collection::vec(any_score(), 1..1200)) {
            let mut decider = decider(scores.len(), Activation::Softmax);
            let decision = decider.decide(TensorRef::F32(&scores), Duration::ZERO);
            let sum: f64 = decision.ranked.iter().map(|s| f64::from(s.confidence)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }

        #[test]
        fn a_binary_decision_sums_to_1(score in any_score(), activation in any_activation()) {
            let mut decider = with_rules(1, 2, activation, rules(0.5, 2));
            let decision = decider.decide(TensorRef::F32(&[score]), Duration::ZERO);
            let sum: f32 = decision.ranked.iter().map(|s| s.confidence).sum();
            // Softmax of a single score is always 1, which leaves 0 for the other class.
            prop_assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        }

        #[test]
        fn confidences_keep_the_order_of_the_scores(
            scores in prop::collection::vec(-80.0f32..80.0, 2..40),
            activation in prop::sample::select(vec![Activation::Sigmoid, Activation::Softmax]),
        ) {
            let mut decider = decider(scores.len(), activation);
            let decision = decider.decide(TensorRef::F32(&scores), Duration::ZERO);
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
        fn the_ranking_is_sorted_and_contains_every_class_once(
            scores in prop::collection::vec(any_score(), 1..40),
            activation in any_activation(),
            max_results in 1usize..50,
        ) {
            let count = scores.len();
            let mut decider = with_rules(count, count, activation, rules(0.5, max_results));
            let ranked = decider.decide(TensorRef::F32(&scores), Duration::ZERO).ranked.to_vec();
            prop_assert_eq!(ranked.len(), max_results.min(count));
            prop_assert!(ranked.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
            let mut classes: Vec<_> = ranked.iter().map(|s| s.class).collect();
            classes.sort_unstable();
            classes.dedup();
            prop_assert_eq!(classes.len(), ranked.len());
        }
    }
}
