//! The result for one frame.

use std::time::Duration;

use crate::decision::RankedClass;
use crate::frame::Region;

/// The classification of a frame: its own, or the held one of an earlier frame.
#[derive(Clone, Copy, Debug)]
pub struct Classification<'a> {
    /// The best classes, best first; empty before the first inference, and if the held result is
    /// older than `result_timeout`.
    pub ranked: &'a [RankedClass],
    /// The accepted class; `None` if every class is rejected.
    pub accepted: Option<RankedClass>,
    /// Whether this frame itself was inferred.
    pub fresh: bool,
    /// Presentation timestamp of the inferred frame, if it has one.
    pub inference_pts: Option<Duration>,
    /// How much older the inferred frame is than this frame, if both have timestamps.
    pub age: Option<Duration>,
    /// Duration of the inference.
    pub inference_time: Duration,
    /// Where the accepted class is in the upright frame that was inferred; `None` if no class is
    /// accepted, the accepted class is the background, or the model does not tell.
    pub location: Option<Region>,
    /// For a multi-label model, whose classes do not exclude each other, the minimum confidence of
    /// an accepted class; `None` for all other models.
    pub multi_label: Option<f32>,
}

impl<'a> Classification<'a> {
    /// Returns the confidence of the accepted class, otherwise of the best one, 0..1; 0 without a
    /// result.
    pub fn confidence(&self) -> f32 {
        self.accepted.or(self.ranked.first().copied()).map_or(0.0, |class| class.confidence)
    }

    /// Returns every accepted class among the ranked ones, best first: for a multi-label model those
    /// that reach the threshold, otherwise the accepted class, if it is ranked.
    ///
    /// The accepted class is included even if it is below the threshold, because hysteresis may
    /// keep it.
    pub fn accepted_classes(&self) -> impl Iterator<Item = &'a RankedClass> + use<'a> {
        let accepted = self.accepted.map(|accepted| accepted.class);
        let threshold = self.multi_label.filter(|_| accepted.is_some());
        self.ranked.iter().filter(move |ranked| {
            accepted == Some(ranked.class)
                || threshold.is_some_and(|threshold| ranked.confidence >= threshold)
        })
    }
}
