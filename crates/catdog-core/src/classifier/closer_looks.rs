//! Closer looks: a frame on which the model does not decide is inferred again, closer.
//!
//! The input of a classifier has few pixels. An animal that fills an eighth of a frame of 1280x720
//! pixels has 60 pixels of 176x176, and its head a dozen. If no class reaches [`DECIDED`], the model
//! runs again on the part of the frame where something else than the background is most likely. The
//! part has half the width and height, so that the animal has four times the pixels.
//!
//! If both looks together do not decide either, there is a third one. If the second one found
//! something, which means that the background has less than half of the confidence, the third one
//! looks at a third of the width and height there. Otherwise it looks at a half around the next
//! likeliest place outside the part that the second one saw.
//!
//! Only models that tell where things are, and that have a background class, get closer looks. The
//! place to look at is the one where the evidence for a class leads that for the background by most.
//! The parts are those of a grid, half a part wide, so that an animal which moves by a pixel does not
//! need a new plan for the preprocessing.
//!
//! Let o be the odds of a class against the background, its confidence divided by that of the
//! background. The result has the mean of the odds of all looks: what only one of them sees counts,
//! and at most its share. With the confidences averaged instead, closer looks change little, because
//! a first look that sees nothing is certain of the background. models/README.md has the
//! measurements.
//!
//! If a frame does not wait for its result, its pixels are gone when the result of the first look
//! arrives. The next frame then gets two looks at once, the second one at the place that the result
//! suggests, and the frame after it three.

use std::sync::Arc;

use arrayvec::ArrayVec;

use super::error::ClassifyError;
use super::location::Locator;
use super::region::preprocessor;
use crate::decision::Decider;
use crate::engine::Engine;
use crate::engine::scheduler::EnginePool;
use crate::engine::worker::{MAX_LOOKS, Outputs, Seen};
use crate::frame::{FrameSpec, Region};
use crate::model::labels::is_background;
use crate::preprocess::{Preprocessor, Resize, ShownPart, TensorTarget};
use crate::tensor::{Tensor, TensorRef};

/// The confidence from which on a class, also the background, is decided.
///
/// With 0.9 and the built-in model, 6 % of 901 close-ups and 8 % of 751 scenes get a second look, and
/// two thirds of these a third one.
const DECIDED: f32 = 0.9;
/// The confidence of the background below which the second look found something.
const FOUND: f32 = 0.5;
/// Width and height of a part, relative to the part of the frame that the first look shows.
const HALF: f64 = 1.0 / 2.0;
const THIRD: f64 = 1.0 / 3.0;

/// The outputs of one look at a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub scores: TensorRef<'a>,
    pub evidence: Option<TensorRef<'a>>,
    /// The part of the frame that the model saw.
    pub shown_part: ShownPart,
}

/// The looks at one frame, the one at the whole frame or region first.
pub(super) type Looks<'a> = ArrayVec<Look<'a>, MAX_LOOKS>;
/// The parts of a frame that closer looks show, in their order.
pub(super) type PartsToShow = ArrayVec<Region, { MAX_LOOKS - 1 }>;

impl<'a> Look<'a> {
    /// Returns the look whose outputs are those of the last run of `engine`.
    pub fn of_engine(engine: &'a dyn Engine, shown_part: ShownPart) -> Self {
        Self { scores: engine.output(), evidence: engine.evidence(), shown_part }
    }

    /// Returns the look with these outputs.
    pub fn of_seen(seen: &'a Seen) -> Self {
        let Seen { shown_part, outputs } = seen;
        let evidence = outputs.evidence.as_ref().map(Tensor::elements);
        Self { scores: outputs.scores.elements(), evidence, shown_part: *shown_part }
    }

    /// Returns the part of the frame that the model saw.
    fn part(&self) -> Option<Region> {
        self.shown_part.to_frame(Region::WHOLE)
    }
}

/// What a classifier needs for closer looks.
#[derive(Debug)]
pub(super) struct CloserLooks {
    /// The class that all others are compared with.
    pub background: usize,
    /// The results of the looks at a frame that waits for them.
    pub seen: [Seen; MAX_LOOKS],
    /// The parts of the frame that the preprocessing is planned for.
    planned: ArrayVec<(Region, Preprocessor), { MAX_LOOKS - 1 }>,
    /// Where the latest result of a worker suggests to look.
    pub wanted: PartsToShow,
}

impl CloserLooks {
    /// Returns `None` if the model of `pool` does not tell where things are, or has no background
    /// class or several.
    pub fn new(pool: &Arc<EnginePool>, labels: &[String]) -> Option<Self> {
        pool.evidence_info()?;
        let mut backgrounds = (0..labels.len()).filter(|class| is_background(&labels[*class]));
        let background = backgrounds.next()?;
        let seen = || Seen { shown_part: ShownPart::WHOLE, outputs: Outputs::of(pool) };
        backgrounds.next().is_none().then(|| Self {
            background,
            seen: std::array::from_fn(|_| seen()),
            planned: ArrayVec::new(),
            wanted: PartsToShow::new(),
        })
    }

    /// Forgets the plans and the latest result, because another part of the frame is classified.
    pub fn forget(&mut self) {
        self.planned.clear();
        self.wanted.clear();
    }

    /// Returns the parts of the next frame that closer looks show, if it is as the frame of `looks`.
    pub fn parts_for_next_frame(
        &self,
        looks: &[Look<'_>],
        decider: &mut Decider,
        locator: &mut Locator,
    ) -> PartsToShow {
        let mut parts = PartsToShow::new();
        for count in 1..MAX_LOOKS {
            let Some(previous) = looks.get(..count) else { break };
            // A closer look at another place says nothing about what to do after this one.
            if previous.iter().skip(1).zip(&parts).any(|(look, part)| !shows(look, *part)) {
                break;
            }
            let Some(part) = self.next_part(previous, decider, locator) else { break };
            parts.push(part);
        }
        parts
    }

    /// Returns the part of the frame that the look after `looks` shows; `None` if they decide, or if
    /// there are no more looks.
    pub fn next_part(
        &self,
        looks: &[Look<'_>],
        decider: &mut Decider,
        locator: &mut Locator,
    ) -> Option<Region> {
        let first = looks.first()?;
        if looks.len() >= MAX_LOOKS {
            return None;
        }
        let scores: ArrayVec<_, MAX_LOOKS> = looks.iter().map(|look| look.scores).collect();
        if decider.largest_confidence(&scores, self.background) >= DECIDED {
            return None;
        }
        let Some(second) = looks.get(1) else {
            let place = locator.likeliest_place(first.evidence?, self.background, |_| true)?;
            return part_around(first, first, place, HALF);
        };
        if decider.confidence_of(second.scores, self.background) < FOUND {
            let place = locator.likeliest_place(second.evidence?, self.background, |_| true)?;
            return part_around(first, second, place, THIRD);
        }
        let seen = second.part()?;
        let outside = |place: Region| {
            first.shown_part.to_frame(place).is_some_and(|place| !contains(seen, center(place)))
        };
        let place = locator.likeliest_place(first.evidence?, self.background, outside)?;
        part_around(first, first, place, HALF)
    }

    /// Returns the preprocessing of `part` of frames of `spec` for the closer look with this number,
    /// counted from 0.
    ///
    /// # Errors
    ///
    /// [`ClassifyError::Preprocess`] if the frames cannot be preprocessed.
    pub fn plan(
        &mut self,
        number: usize,
        part: Region,
        spec: &FrameSpec,
        target: &TensorTarget,
        resize: Resize,
    ) -> Result<&mut Preprocessor, ClassifyError> {
        if self.planned.get(number).is_none_or(|(planned, _)| *planned != part) {
            self.planned.truncate(number);
            self.planned.push((part, preprocessor(spec, target, resize, part)?));
        }
        let planned = self.planned.get_mut(number).map(|(_, preprocessor)| preprocessor);
        planned.ok_or(ClassifyError::NoFormat)
    }

    /// Returns the preprocessings that are planned for closer looks, in their order.
    pub fn plans(&mut self) -> impl Iterator<Item = &mut Preprocessor> {
        self.planned.iter_mut().map(|(_, preprocessor)| preprocessor)
    }
}

/// Returns the part of the frame around `place`, which is a place of the input of `look`. `size` is its
/// width and height, relative to the part of the frame that `first` shows.
fn part_around(first: &Look<'_>, look: &Look<'_>, place: Region, size: f64) -> Option<Region> {
    let whole = first.part()?;
    let (x, y) = center(look.shown_part.to_frame(place)?);
    let start = |center: f64, whole: f64, length: f64| {
        let step = size / 2.0;
        let start = ((center - whole) / length - step).clamp(0.0, 1.0 - size);
        whole + (start / step).round() * step * length
    };
    let (left, top) = (start(x, whole.x(), whole.width()), start(y, whole.y(), whole.height()));
    Region::clamped(left, top, left + size * whole.width(), top + size * whole.height())
}

fn center(region: Region) -> (f64, f64) {
    (region.x() + region.width() / 2.0, region.y() + region.height() / 2.0)
}

fn contains(region: Region, (x, y): (f64, f64)) -> bool {
    let inside = |at: f64, start: f64, length: f64| (start..=start + length).contains(&at);
    inside(x, region.x(), region.width()) && inside(y, region.y(), region.height())
}

/// Returns whether `look` shows `part` of the frame, except for the rounding to pixels. Parts of the
/// grid are half a part apart.
fn shows(look: &Look<'_>, part: Region) -> bool {
    let near = |a: f64, b: f64, size: f64| (a - b).abs() < size / 8.0;
    look.part().is_some_and(|seen| {
        let ((x, y), (part_x, part_y)) = (center(seen), center(part));
        let (width, height) = (part.width(), part.height());
        near(x, part_x, width) && near(y, part_y, height) && near(seen.width(), width, width)
    })
}
