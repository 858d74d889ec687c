//! The second look: a frame on which the model does not decide is inferred again, closer.
//!
//! The input of a classifier has few pixels. An animal that fills an eighth of a frame of 1280x720
//! pixels has 60 pixels of 176x176, and its head a dozen. If no class reaches [`DECIDED`], the model
//! runs again on the part of the frame where something else than the background is most likely. The
//! part has half the width and height, so that the animal has four times the pixels.
//!
//! Only models that tell where things are, and that have a background class, get second looks. The
//! place to look at is the one where the evidence for a class leads that for the background by most.
//! The parts are those of a grid of 3x3 parts that overlap by half, so that an animal which moves by
//! a pixel does not need a new plan for the preprocessing.
//!
//! Let o be the odds of a class against the background, its confidence divided by that of the
//! background. The result has the mean of the odds of both looks: what only one of them sees counts,
//! and at most half of it. With the confidences averaged instead, the second look changes little,
//! because a first look that sees nothing is certain of the background. models/README.md has the
//! measurements.
//!
//! If a frame does not wait for its result, its pixels are gone when the result of the first look
//! arrives. The next frame then gets both looks at once, at the place that the result suggests.

use std::sync::Arc;

use super::error::ClassifyError;
use super::location::Locator;
use super::region::preprocessor;
use crate::decision::Decider;
use crate::engine::Engine;
use crate::engine::scheduler::EnginePool;
use crate::engine::worker::Outputs;
use crate::frame::{FrameSpec, Region};
use crate::model::labels::is_background;
use crate::preprocess::{Preprocessor, Resize, ShownPart, TensorTarget};
use crate::tensor::{Tensor, TensorRef};

/// The confidence from which on a class, also the background, is decided by the first look.
///
/// With 0.9 and the built-in model, 6 % of 901 close-ups and 8 % of 751 scenes get a second look.
pub(super) const DECIDED: f32 = 0.9;
/// Width and height of the part of the input that the second look shows, and the distance between two
/// parts.
const PART: f64 = 0.5;
const STEP: f64 = 0.25;

/// The outputs of one look at a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub scores: TensorRef<'a>,
    pub evidence: Option<TensorRef<'a>>,
    /// The part of the frame that the model saw.
    pub shown_part: ShownPart,
}

impl<'a> Look<'a> {
    /// Returns the look whose outputs are those of the last run of `engine`.
    pub fn of_engine(engine: &'a dyn Engine, shown_part: ShownPart) -> Self {
        Self { scores: engine.output(), evidence: engine.evidence(), shown_part }
    }

    /// Returns the look with these outputs.
    pub fn of_outputs(outputs: &'a Outputs, shown_part: ShownPart) -> Self {
        let evidence = outputs.evidence.as_ref().map(Tensor::elements);
        Self { scores: outputs.scores.elements(), evidence, shown_part }
    }
}

/// What a classifier needs for second looks.
#[derive(Debug)]
pub(super) struct SecondLook {
    /// The class that all others are compared with.
    pub background: usize,
    /// The outputs of the first look, while the engine runs the second one.
    pub first: Outputs,
    /// The part of the frame that the preprocessing is planned for.
    planned: Option<(Region, Preprocessor)>,
    /// Where the latest result of a worker suggests to look.
    pub wanted: Option<Region>,
}

impl SecondLook {
    /// Returns `None` if the model of `pool` does not tell where things are, or has no background
    /// class or several.
    pub fn new(pool: &Arc<EnginePool>, labels: &[String]) -> Option<Self> {
        pool.evidence_info()?;
        let mut backgrounds = (0..labels.len()).filter(|class| is_background(&labels[*class]));
        let background = backgrounds.next()?;
        backgrounds.next().is_none().then(|| Self {
            background,
            first: Outputs::of(pool),
            planned: None,
            wanted: None,
        })
    }

    /// Forgets the plan and the latest result, because another part of the frame is classified.
    pub fn forget(&mut self) {
        self.planned = None;
        self.wanted = None;
    }

    /// Returns the part of the frame that the second look shows; `None` if the first one decides.
    pub fn part(
        &self,
        first: Look<'_>,
        decider: &mut Decider,
        locator: &mut Locator,
    ) -> Option<Region> {
        if decider.largest_confidence(first.scores) >= DECIDED {
            return None;
        }
        let (x, y) = locator.likeliest_place(first.evidence?, self.background)?;
        let start = |center: f64| {
            let first = (center - PART / 2.0).clamp(0.0, 1.0 - PART);
            (first / STEP).round() * STEP
        };
        first.shown_part.to_frame(Region::new(start(x), start(y), PART, PART).ok()?)
    }

    /// Returns the preprocessing of `part` of frames of `spec`.
    ///
    /// # Errors
    ///
    /// [`ClassifyError::Preprocess`] if the frames cannot be preprocessed.
    pub fn plan(
        &mut self,
        part: Region,
        spec: &FrameSpec,
        target: &TensorTarget,
        resize: Resize,
    ) -> Result<&mut Preprocessor, ClassifyError> {
        if self.planned.as_ref().is_none_or(|(planned, _)| *planned != part) {
            self.planned = Some((part, preprocessor(spec, target, resize, part)?));
        }
        let planned = self.planned.as_mut().map(|(_, preprocessor)| preprocessor);
        planned.ok_or(ClassifyError::NoFormat)
    }
}
