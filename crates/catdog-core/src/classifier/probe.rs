//! The load-time probe: runs a model on a few pictures, to find out what its file does not tell.
//!
//! Two questions are answered:
//!
//! - Which range of values does a float input expect? Under the right range, the answer depends on
//!   the picture. A network that scales 0..255 itself gives nearly the same answer for every
//!   picture whose values are in -1..1, because they all look black to it.
//! - Are the scores probabilities? Then they are not negative and their sum is 1.
//!
//! How much the answers depend on the picture is measured as the mutual information between picture
//! and answer: the entropy of the mean of the answers, minus the mean of their entropies.
//!
//! The rules come from 102 float classifiers of public applications. On these pictures, the answers
//! of those that scale pixel values themselves carry less than 0.02 nats under -1..1 and 0..1, or
//! name one class for all pictures, and 0.03 to 1.5 nats under 0..255. The answers of most others
//! carry 0.1 to 2 nats under -1..1 and 0..1. Between these two ranges the information rarely decides:
//! the answers are mostly the same.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::error::ClassifyError;
use super::scaling::{Scaling, tensor_target};
use crate::decision::{Activation, confidences};
use crate::engine::litert::Accelerator;
use crate::engine::scheduler::EnginePool;
use crate::engine::{self, EngineError};
use crate::frame::{FrameSpec, FrameView, PixelFormat, Plane};
use crate::model::tflite::{ExpectedRange, ImageInput, ModelOptions};
use crate::preprocess::{Preprocessor, ResizeMethod};
use crate::sync::lock;
use crate::tensor::TensorRef;
use crate::user_cache::UserCache;

/// Width and height of a picture, in pixels.
const SIDE: usize = 64;
/// Bytes of a picture: red, green and blue of each pixel.
const PICTURE_BYTES: usize = 3 * SIDE * SIDE;
/// Twelve pictures of animals, people, things, rooms and patterns, one after another. Their sources
/// are in `python/probe/make_pictures.py`, which writes the file.
static PICTURES: &[u8] = include_bytes!("probe_pictures.rgb");

/// The smallest number of pictures that tell something.
const MIN_PICTURES: usize = 6;
/// A model whose inference takes longer is run on [`MIN_PICTURES`] only.
const SLOW_INFERENCE: Duration = Duration::from_millis(60);
/// A model whose inference takes longer is not tried out: it would start seconds later.
pub const TOO_SLOW_INFERENCE: Duration = Duration::from_millis(500);

/// Answers that carry less information, in nats, hardly depend on the picture.
const LITTLE_INFORMATION: f32 = 0.15;
/// The same if one class is the best for every picture: then the information is in the confidence.
const LITTLE_FOR_ONE_CLASS: f32 = 0.3;
/// Between -1..1 and 0..1, the answers under the right range carry this many times the information.
const MUCH_MORE: f32 = 3.0;
/// Answers that carry less information, in nats, do not depend on the picture, as those of a network
/// that scales pixel values itself under -1..1 and 0..1.
const NO_INFORMATION: f32 = 0.05;
/// The answers of such a network carry this many times the information under 0..255.
const MUCH_MORE_FOR_PIXELS: f32 = 8.0;

/// Tolerance for the sum of probabilities; 8-bit scores of 1/256 each are rounded.
const SUM_TOLERANCE: f32 = 0.05;

/// The answers of earlier runs, keyed by model and question.
const CACHE: UserCache = UserCache::new("probe.json");
/// Part of the keys; a change of the rule or of the pictures must change it.
const RULE_VERSION: u32 = 2;

/// What the probe says about the range of a float input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RangeVerdict {
    /// The answers depend on the picture under this range, and hardly under the other ranges that
    /// were tried.
    Only(ExpectedRange),
    /// The answers depend on the picture under -1..1 and under 0..1.
    CenteredOrUnit,
    /// The answers do not decide.
    Undecided,
}

impl RangeVerdict {
    /// All verdicts with their names in the cache.
    const NAMES: [(&'static str, Self); 5] = [
        ("0..255", Self::Only(ExpectedRange::Pixels)),
        ("0..1", Self::Only(ExpectedRange::Unit)),
        ("-1..1", Self::Only(ExpectedRange::Centered)),
        ("-1..1 or 0..1", Self::CenteredOrUnit),
        ("undecided", Self::Undecided),
    ];
}

/// Runs a loaded model on the pictures.
pub struct Probe<'a> {
    pool: &'a Arc<EnginePool>,
    input: &'a ImageInput,
    activation: Activation,
    pictures: usize,
    /// Key of the model in the cache; `None` if the answers are not cached.
    key: Option<String>,
}

impl<'a> Probe<'a> {
    /// Prepares to run the engines of `pool`, whose input is `input` and whose inferences take
    /// `inference_time`. `activation` is the one that the graph leaves to the caller. Returns `None`
    /// if the model is too slow.
    pub fn new(
        pool: &'a Arc<EnginePool>,
        input: &'a ImageInput,
        activation: Activation,
        inference_time: Duration,
    ) -> Option<Self> {
        let all = PICTURES.len() / PICTURE_BYTES;
        let pictures = if inference_time > SLOW_INFERENCE { MIN_PICTURES } else { all };
        let is_fast_enough = inference_time <= TOO_SLOW_INFERENCE;
        is_fast_enough.then_some(Self { pool, input, activation, pictures, key: None })
    }

    /// Uses the answers of earlier runs of the same `file` with the same `options` on the same
    /// `accelerator`.
    pub fn cached(mut self, file: &[u8], options: &ModelOptions, accelerator: Accelerator) -> Self {
        let version = (RULE_VERSION, env!("CARGO_PKG_VERSION"));
        let mut hasher = DefaultHasher::new();
        (file, options, accelerator.name(), version).hash(&mut hasher);
        self.key = Some(format!("{:016x}", hasher.finish()));
        self
    }

    /// Finds out which range of values the float input expects.
    ///
    /// # Errors
    ///
    /// [`ClassifyError`] if the model cannot be run.
    pub fn range(&self) -> Result<RangeVerdict, ClassifyError> {
        self.answer("range", &RangeVerdict::NAMES, || {
            use ExpectedRange::{Centered, Pixels, Unit};
            let (centered, unit) = (self.measure(Centered)?, self.measure(Unit)?);
            // The answers of a network that scales pixel values itself depend on the picture under
            // neither of these.
            let pixels = match centered.is_weak() && unit.is_weak() {
                true => self.measure(Pixels)?,
                false => Dependence::NONE,
            };
            Ok(decide(centered, unit, pixels))
        })
    }

    /// Returns whether the scores are probabilities: not negative, with a sum of 1 for each picture.
    /// `scaling` is that of the frames.
    ///
    /// # Errors
    ///
    /// [`ClassifyError`] if the model cannot be run.
    pub fn scores_are_probabilities(&self, scaling: &Scaling) -> Result<bool, ClassifyError> {
        let question = format!("probabilities, {scaling:?}");
        self.answer(&question, &[("yes", true), ("no", false)], || {
            self.measured_probabilities(scaling)
        })
    }

    fn measured_probabilities(&self, scaling: &Scaling) -> Result<bool, ClassifyError> {
        let mut probabilities = true;
        let quantization = self.pool.output_info().quantization;
        let ran = self.run(scaling, |output| {
            let scores: Vec<f32> =
                (0..output.len()).map(|index| output.real(index, quantization)).collect();
            let sum: f32 = scores.iter().sum();
            let in_range = scores.iter().all(|score| (0.0..=1.0 + SUM_TOLERANCE).contains(score));
            probabilities &= in_range && (sum - 1.0).abs() <= SUM_TOLERANCE;
        });
        match ran {
            Err(ClassifyError::Engine(EngineError::NotFinite { .. })) => Ok(false),
            ran => ran.map(|()| probabilities),
        }
    }

    /// Returns the cached answer to `question`, or the answer of `compute`, which is then cached.
    /// `names` are the answers with their names in the cache.
    fn answer<T: Copy + PartialEq>(
        &self,
        question: &str,
        names: &[(&str, T)],
        compute: impl FnOnce() -> Result<T, ClassifyError>,
    ) -> Result<T, ClassifyError> {
        let Some(key) = &self.key else { return compute() };
        let key = format!("{key} {question}");
        static ANSWERS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
        let known = || {
            let known = lock(&ANSWERS).get(&key).cloned().or_else(|| CACHE.get(&key))?;
            names.iter().find(|(name, _)| *name == known).map(|(_, answer)| *answer)
        };
        if let Some(answer) = known() {
            return Ok(answer);
        }
        // The lock of the question is held during the inferences, so that elements that start at the
        // same time run the probe once.
        static PROBING: Mutex<BTreeMap<String, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());
        let probing = Arc::clone(lock(&PROBING).entry(key.clone()).or_default());
        let _probing = lock(&probing);
        if let Some(answer) = known() {
            return Ok(answer);
        }
        let answer = compute()?;
        if let Some((name, _)) = names.iter().find(|(_, other)| *other == answer) {
            CACHE.insert(&key, name);
            lock(&ANSWERS).insert(key, (*name).to_owned());
        }
        Ok(answer)
    }

    /// Measures how much the answers depend on the picture if the pixel values are scaled to
    /// `range`. They do not if a score is not finite.
    fn measure(&self, range: ExpectedRange) -> Result<Dependence, ClassifyError> {
        let scaling = Scaling::Real(range.normalization(self.input.channels));
        let mut mean: Vec<f32> = Vec::new();
        let mut entropies = 0.0;
        let mut best = BTreeSet::new();
        let quantization = self.pool.output_info().quantization;
        let ran = self.run(&scaling, |output| {
            let confidences = confidences(output, quantization, self.activation);
            mean.resize(confidences.len(), 0.0);
            for (mean, confidence) in mean.iter_mut().zip(&confidences) {
                *mean += confidence;
            }
            entropies += entropy(&confidences);
            best.insert(
                (0..confidences.len()).max_by(|a, b| confidences[*a].total_cmp(&confidences[*b])),
            );
        });
        match ran {
            Err(ClassifyError::Engine(EngineError::NotFinite { .. })) => {
                return Ok(Dependence::NONE);
            }
            ran => ran?,
        }
        let count = self.pictures as f32;
        mean.iter_mut().for_each(|mean| *mean /= count);
        let information = (entropy(&mean) - entropies / count).max(0.0);
        Ok(Dependence { information, classes: best.len() })
    }

    /// Runs the model on each picture and calls `visit` with the scores.
    fn run(
        &self,
        scaling: &Scaling,
        mut visit: impl FnMut(TensorRef<'_>),
    ) -> Result<(), ClassifyError> {
        let spec = FrameSpec::new(PixelFormat::Rgb, SIDE, SIDE);
        let target = tensor_target(self.input, scaling);
        let mut preprocessor = Preprocessor::new(&spec, &target, ResizeMethod::Stretch)?;
        for picture in PICTURES.chunks_exact(PICTURE_BYTES).take(self.pictures) {
            let plane = Plane { data: picture, stride: 3 * SIDE };
            let Ok(frame) = FrameView::new(&spec, &[plane]) else { continue };
            // Another element may run the same model, so an engine is held for one inference.
            let mut engine = self.pool.acquire();
            preprocessor.run(&frame, engine.input_mut())?;
            engine::run(&mut *engine)?;
            visit(engine.output());
        }
        Ok(())
    }
}

/// How much answers depend on the picture.
#[derive(Clone, Copy, Debug)]
struct Dependence {
    /// Mutual information between picture and answer, in nats.
    information: f32,
    /// Number of classes that are the best for a picture.
    classes: usize,
}

impl Dependence {
    const NONE: Self = Self { information: 0.0, classes: 1 };

    /// Returns whether the answers hardly depend on the picture.
    fn is_weak(self) -> bool {
        let limit = if self.classes == 1 { LITTLE_FOR_ONE_CLASS } else { LITTLE_INFORMATION };
        self.information < limit
    }

    /// Returns whether these answers depend on the picture, and much more than `other` answers,
    /// which hardly do.
    fn beats(self, other: Self) -> bool {
        !self.is_weak() && other.is_weak() && self.information >= MUCH_MORE * other.information
    }

    /// Returns whether these answers under 0..255 depend on the picture, and `other` answers do not.
    fn beats_as_pixels(self, other: Self) -> bool {
        self.information >= NO_INFORMATION
            && (other.information < NO_INFORMATION || other.classes == 1)
            && self.information >= MUCH_MORE_FOR_PIXELS * other.information
    }
}

/// Decides by the answers under -1..1, 0..1 and 0..255.
fn decide(centered: Dependence, unit: Dependence, pixels: Dependence) -> RangeVerdict {
    if centered.beats(unit) {
        RangeVerdict::Only(ExpectedRange::Centered)
    } else if unit.beats(centered) {
        RangeVerdict::Only(ExpectedRange::Unit)
    } else if pixels.beats_as_pixels(centered) && pixels.beats_as_pixels(unit) {
        RangeVerdict::Only(ExpectedRange::Pixels)
    } else if !centered.is_weak() && !unit.is_weak() {
        RangeVerdict::CenteredOrUnit
    } else {
        RangeVerdict::Undecided
    }
}

/// Returns the entropy of `confidences` in nats, as of a distribution of which they are the
/// probabilities.
fn entropy(confidences: &[f32]) -> f32 {
    let sum: f32 = confidences.iter().sum();
    if sum <= 0.0 {
        return 0.0;
    }
    let shares = confidences.iter().map(|confidence| confidence / sum).filter(|share| *share > 0.0);
    -shares.map(|share| share * share.ln()).sum::<f32>()
}

#[cfg(test)]
mod tests_with_engine;

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(information: f32, classes: usize) -> Dependence {
        Dependence { information, classes }
    }

    #[test]
    fn the_range_is_the_one_under_which_answers_depend_on_the_picture() {
        use ExpectedRange::{Centered, Pixels, Unit};
        let decided = |centered, unit, pixels| decide(centered, unit, pixels);
        // Measured values of public classifiers, and their ranges.
        for (centered, unit, pixels, want) in [
            (answers(0.0, 1), answers(0.0, 1), answers(0.517, 3), RangeVerdict::Only(Pixels)),
            (answers(0.011, 1), answers(0.001, 1), answers(0.402, 2), RangeVerdict::Only(Pixels)),
            (answers(0.178, 1), answers(0.032, 1), answers(1.51, 7), RangeVerdict::Only(Pixels)),
            (answers(0.0, 1), answers(0.545, 3), answers(0.824, 3), RangeVerdict::Only(Unit)),
            (answers(0.287, 2), answers(0.0, 1), answers(0.451, 2), RangeVerdict::Only(Centered)),
            (answers(0.669, 3), answers(0.676, 3), answers(0.288, 2), RangeVerdict::CenteredOrUnit),
            (answers(0.037, 1), answers(0.007, 1), answers(0.003, 1), RangeVerdict::Undecided),
            (answers(0.088, 2), answers(0.046, 1), answers(0.187, 2), RangeVerdict::Undecided),
        ] {
            assert_eq!(decided(centered, unit, pixels), want, "{centered:?} {unit:?} {pixels:?}");
        }
    }

    #[test]
    fn the_entropy_is_that_of_a_distribution() {
        assert_eq!(entropy(&[1.0, 0.0]), 0.0);
        assert!((entropy(&[0.25; 4]) - 4f32.ln()).abs() < 1e-6);
        // Independent confidences are scaled to a sum of 1.
        assert!((entropy(&[0.9, 0.9]) - 2f32.ln()).abs() < 1e-6);
        assert_eq!(entropy(&[0.0, 0.0]), 0.0);
    }

    #[test]
    fn all_pictures_are_whole() {
        assert_eq!(PICTURES.len() % PICTURE_BYTES, 0);
        assert!(PICTURES.len() / PICTURE_BYTES >= MIN_PICTURES);
    }
}
