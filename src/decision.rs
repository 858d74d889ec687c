//! From the output tensor to a decision: dequantise, activation, average, ranking, threshold, hold.
//!
//! Input is the engine's output tensor, output a [`Decision`]: the classes by falling confidence,
//! and which of them is believed. Nothing is allocated after [`Decider::new`].

use std::time::Duration;

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

/// What one inference says, in the light of those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision<'a> {
    /// The classes by falling confidence, the lower index first among equals; at most
    /// `max_results`, at least one.
    pub ranked: &'a [Scored],
    /// The class that is believed; `None` where none is. While a new one has not won for long
    /// enough, this is the one before, which need not be the first of `ranked`.
    pub believed: Option<Scored>,
}

/// When a class is believed, and how steady that is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// The least confidence that is believed, 0..1.
    pub threshold: f32,
    /// By how much the best must be ahead of the second best, 0..1.
    pub margin: f32,
    /// Time constant of the exponential average over the confidences; zero: none.
    pub smoothing: Duration,
    /// How long another class must have been the believed one before it is shown. Until then the
    /// one that is shown needs half the threshold, and no margin, to stay. Zero: neither.
    pub hold: Duration,
    /// How many classes are ranked; at least 1, whatever is set.
    pub max_results: usize,
}

/// Share of the threshold down to which the class that is shown stays believed, as long as it is the
/// best: a border that is the same both ways is crossed again and again. On three clips of one animal
/// each, at the default threshold, 0.3 to 0.6 made the same labels, with no flicker to unknown; 0.7
/// let one through.
const STAYING_SHARE: f32 = 0.5;

/// Turns the outputs of one model into decisions.
#[derive(Clone, Debug)]
pub struct Decider {
    activation: Activation,
    quantization: Option<Quantization>,
    rules: Rules,
    /// One score of two classes: its confidence is that of class 1, the rest that of class 0.
    binary: bool,
    /// Of one inference.
    scored: Vec<Scored>,
    average: Average,
    steady: Steady,
}

impl Decider {
    /// A decider for `scores` scores that stand for `classes` classes: as many, or two for one.
    pub fn new(
        scores: usize,
        classes: usize,
        activation: Activation,
        quantization: Option<Quantization>,
        rules: Rules,
    ) -> Self {
        let binary = scores == 1 && classes == 2;
        Self {
            activation,
            quantization,
            rules,
            binary,
            scored: Vec::with_capacity(classes.max(scores)),
            average: Average { confidences: Vec::with_capacity(classes.max(scores)), at: None },
            steady: Steady::default(),
        }
    }

    /// Other rules from the next decision on.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// What comes next is of another picture.
    pub fn forget(&mut self) {
        self.average.forget();
        self.steady = Steady::default();
    }

    /// Decides on one output, which must be as long as `new` was told, of a frame shown at `at`.
    /// Where frames have no time, every output stands for itself.
    pub fn decide(&mut self, output: TensorRef<'_>, at: Option<Duration>) -> Decision<'_> {
        self.read_scores(output);
        match self.activation {
            Activation::None => self.map(|score| score.clamp(0.0, 1.0)),
            Activation::Sigmoid => self.map(sigmoid),
            Activation::Softmax => softmax(&mut self.scored),
        }
        if self.binary {
            self.split_binary();
        }
        self.average.add(&mut self.scored, at, self.rules.smoothing);
        let classes = self.scored.len();
        let results = self.rules.max_results.max(1).min(classes);
        // The second is needed for the margin, listed or not.
        rank(&mut self.scored, results.max(2).min(classes));
        let staying = self.steady.staying(at, self.rules.hold);
        let best = self.scored.first().filter(|best| {
            if staying == Some(best.class) {
                return best.confidence >= self.rules.threshold * STAYING_SHARE;
            }
            let second = self.scored.get(1).map_or(0.0, |second| second.confidence);
            best.confidence >= self.rules.threshold && best.confidence - second >= self.rules.margin
        });
        let class = self.steady.follow(best.map(|best| best.class), at, self.rules.hold);
        let believed = class.map(|class| Scored { class, confidence: self.average.of(class) });
        Decision { ranked: &self.scored[..results], believed }
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

/// The exponential average of each class' confidence over time.
#[derive(Clone, Debug, Default)]
struct Average {
    /// By class; empty before the first.
    confidences: Vec<f32>,
    /// Of the last frame.
    at: Option<Duration>,
}

impl Average {
    /// Averages `scored`, which is in the order of the classes, with what came before.
    ///
    /// The weight of what is new is 1 - e^(-t / time constant), t being the time since the last
    /// frame: the same picture for a second weighs the same, whether in five frames or in fifty.
    fn add(&mut self, scored: &mut [Scored], at: Option<Duration>, time_constant: Duration) {
        // Backwards in time, where a stream is played in reverse.
        let passed = at.zip(self.at).map(|(now, then)| now.abs_diff(then));
        // Frames that all have the same time have none.
        let passed = passed.filter(|passed| !passed.is_zero());
        self.at = at;
        if self.confidences.len() != scored.len() {
            self.confidences.clear();
            self.confidences.extend(scored.iter().map(|scored| scored.confidence));
            return;
        }
        let weight = match passed {
            Some(passed) if !time_constant.is_zero() => {
                -(-passed.as_secs_f32() / time_constant.as_secs_f32()).exp_m1()
            }
            _ => 1.0,
        };
        for (average, scored) in self.confidences.iter_mut().zip(scored) {
            // Written so that the weight 1 gives the new value exactly.
            *average = weight * scored.confidence + (1.0 - weight) * *average;
            scored.confidence = *average;
        }
    }

    fn of(&self, class: usize) -> f32 {
        self.confidences.get(class).copied().unwrap_or(0.0)
    }

    fn forget(&mut self) {
        self.confidences.clear();
        self.at = None;
    }
}

/// Keeps to a class until another one has won for some time. `None` is a class too: unknown.
#[derive(Clone, Debug, Default)]
struct Steady {
    /// What is shown; `None` before the first decision.
    shown: Option<Option<usize>>,
    /// Who would be shown instead, and since when.
    challenger: Option<(Option<usize>, Duration)>,
    /// Time of the last decision.
    at: Option<Duration>,
}

impl Steady {
    fn follow(
        &mut self,
        class: Option<usize>,
        at: Option<Duration>,
        hold: Duration,
    ) -> Option<usize> {
        // A challenger has won since the last frame that it did not win: where frames are far apart,
        // one is enough.
        let before = std::mem::replace(&mut self.at, at).or(at);
        let (Some(shown), Some(before), Some(now)) = (self.shown, before, at) else {
            return self.show(class);
        };
        if shown == class || hold.is_zero() || before == now {
            return self.show(class);
        }
        let since = match self.challenger {
            Some((challenger, since)) if challenger == class => since,
            _ => before,
        };
        if now.abs_diff(since) >= hold {
            return self.show(class);
        }
        self.challenger = Some((class, since));
        shown
    }

    /// The class that is shown, where the frame at `at` goes on with the last one: it comes within
    /// `hold` of it.
    fn staying(&self, at: Option<Duration>, hold: Duration) -> Option<usize> {
        let passed = at?.abs_diff(self.at?);
        let goes_on = !passed.is_zero() && passed < hold;
        self.shown.flatten().filter(|_| goes_on)
    }

    fn show(&mut self, class: Option<usize>) -> Option<usize> {
        self.shown = Some(class);
        self.challenger = None;
        class
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
        let dog = decider.decide(TensorRef::F32(&[2.0]), None);
        assert_eq!(dog.ranked[0].class, 1);
        // 1 / (1 + e^-2)
        assert!((dog.ranked[0].confidence - 0.880_797).abs() < 1e-6);
        assert!(dog.believed.is_some());
        let cat = decider.decide(TensorRef::F32(&[-2.0]), None);
        assert_eq!(cat.ranked[0].class, 0);
        assert!((cat.ranked[0].confidence - 0.880_797).abs() < 1e-6);
        assert!(decider.decide(TensorRef::F32(&[0.5]), None).believed.is_none());
    }

    #[test]
    fn quantised_scores_are_dequantised_before_the_activation() {
        let quantization = Some(Quantization { scale: 0.5, zero_point: -10 });
        let mut decider = Decider::new(3, 3, Activation::Softmax, quantization, rules(0.0, 3));
        let decision = decider.decide(TensorRef::I8(&[-10, -8, -12]), None);
        // softmax(0, 1, -1), computed with NumPy.
        let want = [(1, 0.665_241), (0, 0.244_728), (2, 0.090_031)];
        for (scored, (class, confidence)) in decision.ranked.iter().zip(want) {
            assert_eq!(scored.class, class);
            assert!((scored.confidence - confidence).abs() < 1e-5, "{scored:?}");
        }
    }

    #[test]
    fn the_threshold_itself_is_reached() {
        let mut decider = with_rules(2, 2, Activation::None, rules(0.75, 2));
        assert!(decider.decide(TensorRef::F32(&[0.25, 0.75]), None).believed.is_some());
        decider.set_rules(rules(0.76, 2));
        assert!(decider.decide(TensorRef::F32(&[0.25, 0.75]), None).believed.is_none());
    }

    #[test]
    fn no_more_classes_are_ranked_than_asked_for() {
        let mut decider = with_rules(4, 4, Activation::None, rules(0.5, 2));
        let decision = decider.decide(TensorRef::F32(&[0.1, 0.4, 0.2, 0.3]), None);
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn among_equals_the_lower_index_comes_first() {
        let mut decider = decider(3, Activation::Softmax);
        let decision = decider.decide(TensorRef::F32(&[1.0, 1.0, 1.0]), None);
        assert_eq!(decision.ranked.iter().map(|s| s.class).collect::<Vec<_>>(), [0, 1, 2]);
    }

    fn at(milliseconds: u64) -> Option<Duration> {
        Some(Duration::from_millis(milliseconds))
    }

    #[test]
    fn the_average_follows_time_and_not_frames() {
        let smoothed = Rules { smoothing: Duration::from_millis(200), ..rules(0.5, 2) };
        let dog = TensorRef::F32(&[0.0, 1.0]);
        let after = |times: &[u64]| {
            let mut decider = with_rules(2, 2, Activation::None, smoothed.clone());
            decider.decide(TensorRef::F32(&[1.0, 0.0]), at(0));
            times.iter().map(|t| decider.decide(dog, at(*t)).ranked[0]).last().unwrap()
        };
        // 1 - e^(-t / 200 ms), computed with NumPy: after 100 ms 0.393469, after 400 ms 0.864665.
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
    fn what_is_forgotten_or_has_no_time_is_not_averaged() {
        let rules = Rules { smoothing: Duration::from_secs(9), ..rules(0.5, 2) };
        let mut decider = with_rules(2, 2, Activation::None, rules);
        decider.decide(TensorRef::F32(&[1.0, 0.0]), at(0));
        decider.forget();
        assert_eq!(decider.decide(TensorRef::F32(&[0.25, 0.75]), at(1)).ranked[0].confidence, 0.75);
        assert_eq!(decider.decide(TensorRef::F32(&[0.0, 1.0]), None).ranked[0].confidence, 1.0);
    }

    #[test]
    fn the_best_must_be_ahead_by_the_margin() {
        let rules = Rules { margin: 0.25, ..rules(0.5, 1) };
        let mut decider = with_rules(3, 3, Activation::None, rules);
        assert_eq!(
            decider.decide(TensorRef::F32(&[0.5, 0.75, 0.0]), None).believed.unwrap().class,
            1
        );
        let close = decider.decide(TensorRef::F32(&[0.625, 0.75, 0.0]), None);
        assert_eq!((close.believed, close.ranked.len()), (None, 1));
    }

    /// The classes shown for one output after another, 100 ms apart.
    fn shown(hold: u64, outputs: &[[f32; 2]]) -> Vec<Option<usize>> {
        let rules = Rules { hold: Duration::from_millis(hold), ..rules(0.7, 2) };
        let mut decider = with_rules(2, 2, Activation::None, rules);
        let mut time = 0;
        let mut decide = |output: &[f32; 2]| {
            time += 100;
            decider.decide(TensorRef::F32(output), at(time)).believed.map(|scored| scored.class)
        };
        outputs.iter().map(&mut decide).collect()
    }

    const CAT: [f32; 2] = [0.9, 0.1];
    const DOG: [f32; 2] = [0.1, 0.9];
    const NOTHING: [f32; 2] = [0.5, 0.5];

    #[test]
    fn a_class_is_shown_until_another_has_won_for_long_enough() {
        let (cat, dog) = (Some(0), Some(1));
        let outputs = [CAT, DOG, CAT, DOG, DOG, DOG, DOG, NOTHING, CAT, NOTHING, NOTHING, NOTHING];
        let unsteady = [cat, dog, cat, dog, dog, dog, dog, None, cat, None, None, None];
        assert_eq!(shown(0, &outputs), unsteady);
        let steady = [cat, cat, cat, cat, dog, dog, dog, dog, dog, dog, None, None];
        assert_eq!(shown(200, &outputs), steady);
        // Frames 100 ms apart, so one is enough.
        assert_eq!(shown(100, &outputs), unsteady);
    }

    #[test]
    fn the_class_that_is_shown_stays_down_to_half_the_threshold() {
        let (cat, faint, fainter) = (Some(0), [0.36, 0.2], [0.34, 0.2]);
        // In frames 100 ms apart.
        assert_eq!(shown(300, &[CAT, faint, faint, faint, faint, faint]), [cat; 6]);
        let leaves = [cat, cat, cat, None, None];
        assert_eq!(shown(300, &[CAT, fainter, fainter, fainter, fainter]), leaves);
        // Not where it is not shown, where another one is ahead, or where each frame stands alone.
        assert_eq!(shown(300, &[NOTHING, faint, faint, faint, faint]), [None; 5]);
        assert_eq!(shown(300, &[CAT, [0.36, 0.4], [0.36, 0.4], [0.36, 0.4]])[3], None);
        for hold in [0, 100] {
            assert_eq!(shown(hold, &[CAT, faint]), [cat, None], "{hold}");
        }
    }

    #[test]
    fn the_first_class_is_shown_at_once_and_its_confidence_is_its_own() {
        let rules = Rules { hold: Duration::from_secs(1), ..rules(0.7, 2) };
        let mut decider = with_rules(2, 2, Activation::None, rules);
        decider.decide(TensorRef::F32(&CAT), at(0));
        let held = decider.decide(TensorRef::F32(&DOG), at(100));
        assert_eq!(held.believed, Some(Scored { class: 0, confidence: 0.1 }));
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
        prop::sample::select(vec![Activation::None, Activation::Sigmoid, Activation::Softmax])
    }

    proptest! {
        #[test]
        fn confidences_are_numbers_between_0_and_1(
            scores in prop::collection::vec(any_score(), 1..40),
            activation in any_activation(),
        ) {
            let mut decider = decider(scores.len(), activation);
            for scored in decider.decide(TensorRef::F32(&scores), None).ranked {
                prop_assert!((0.0..=1.0).contains(&scored.confidence), "{scored:?}");
            }
        }

        #[test]
        fn softmax_sums_to_1(scores in prop::collection::vec(any_score(), 1..1200)) {
            let mut decider = decider(scores.len(), Activation::Softmax);
            let decision = decider.decide(TensorRef::F32(&scores), None);
            let sum: f64 = decision.ranked.iter().map(|s| f64::from(s.confidence)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }

        #[test]
        fn a_binary_decision_sums_to_1(score in any_score(), activation in any_activation()) {
            let mut decider = with_rules(1, 2, activation, rules(0.5, 2));
            let decision = decider.decide(TensorRef::F32(&[score]), None);
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
            let decision = decider.decide(TensorRef::F32(&scores), None);
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
            let mut decider = with_rules(count, count, activation, rules(0.5, max_results));
            let ranked = decider.decide(TensorRef::F32(&scores), None).ranked.to_vec();
            prop_assert_eq!(ranked.len(), max_results.min(count));
            prop_assert!(ranked.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
            let mut classes: Vec<_> = ranked.iter().map(|s| s.class).collect();
            classes.sort_unstable();
            classes.dedup();
            prop_assert_eq!(classes.len(), ranked.len());
        }
    }
}
