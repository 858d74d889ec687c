//! The view: the part of the frame that is classified and how it is turned, and its change between
//! two frames.
//!
//! Smoothing and hysteresis are reset between the last result of a view and the first one of the
//! next. Each frame carries the number of its view, because worker inferences of frames of the old
//! view may end after the change.

use super::error::ClassifyError;
use super::{Classifier, RuntimeConfig};
use crate::frame::{FrameSpec, Region};
use crate::preprocess::{Framing, Preprocessor, Resize, TensorTarget};

impl Classifier {
    /// Prepares for the region of `runtime`, which takes effect with the next frame. If it differs
    /// from the current one, this frame is due for an inference.
    pub(super) fn change_region(&mut self, runtime: &RuntimeConfig) {
        if runtime.region != self.runtime.region {
            // The next inference plans the preprocessing, because that can fail.
            self.forget_plans();
            self.change_view();
        }
    }

    /// Removes the plans of the preprocessing, because frames change or another part of them is
    /// classified.
    pub(super) fn forget_plans(&mut self) {
        self.preprocessor = None;
        if let Some(closer_looks) = &mut self.closer_looks {
            closer_looks.forget();
        }
    }

    /// Records that the results from the next frame on are of something else, such as boxes instead
    /// of the frame. This frame is due for an inference, and smoothing and hysteresis start again
    /// with its result. Until then, the latest result stays.
    pub fn change_view(&mut self) {
        self.view += 1;
        self.schedule.make_due();
    }

    /// Returns the number of the view of the next frame.
    pub fn view(&self) -> u64 {
        self.view
    }

    /// Returns the number of the view of the latest result.
    pub fn latest_view(&self) -> u64 {
        self.latest.view
    }

    /// Plans the preprocessing of the current region, unless it is planned already.
    ///
    /// # Errors
    ///
    /// [`ClassifyError`] if no format is set, or its frames cannot be preprocessed.
    pub(super) fn plan_preprocessing(&mut self) -> Result<(), ClassifyError> {
        if self.preprocessor.is_none() {
            let spec = self.frame_spec.as_ref().ok_or(ClassifyError::NoFormat)?;
            self.preprocessor =
                Some(preprocessor(spec, &self.target, self.resize, self.runtime.region)?);
        }
        Ok(())
    }
}

/// Plans the preprocessing of `region` of frames of `spec`.
///
/// # Errors
///
/// [`ClassifyError::Preprocess`] if the frames cannot be preprocessed.
pub(super) fn preprocessor(
    spec: &FrameSpec,
    target: &TensorTarget,
    resize: Resize,
    region: Region,
) -> Result<Preprocessor, ClassifyError> {
    Ok(Preprocessor::new(spec, target, Framing { region, resize })?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::decision::Rules;
    use crate::frame::{FrameView, Orientation, PixelFormat, Plane};
    use crate::testing::FakeEngine;

    /// A frame of 4x4 pixels whose left half is red and whose right half is blue.
    static RED_AND_BLUE: [u8; 48] = {
        let mut pixels = [0; 48];
        let mut at = 0;
        while at < 16 {
            pixels[at * 3 + if at % 4 < 2 { 0 } else { 2 }] = 255;
            at += 1;
        }
        pixels
    };

    const RED: usize = 0;
    const BLUE: usize = 2;

    fn runtime(region: Region) -> RuntimeConfig {
        let rules = Rules {
            threshold: 0.6,
            max_results: 3,
            smoothing: Duration::from_secs(10),
            hold: Duration::from_secs(10),
            ..Rules::default()
        };
        RuntimeConfig { rules, inference_interval: 1000, region, ..RuntimeConfig::default() }
    }

    fn left() -> Region {
        Region::new(0.0, 0.0, 0.5, 1.0).unwrap()
    }

    fn right() -> Region {
        Region::new(0.5, 0.0, 0.5, 1.0).unwrap()
    }

    /// Classifies the frame and returns the accepted class, and whether the frame was inferred.
    fn classify(classifier: &mut Classifier, spec: &FrameSpec) -> (Option<usize>, bool) {
        let time = classifier.begin_frame(None);
        if classifier.is_due(time) {
            let plane = Plane { data: &RED_AND_BLUE, stride: 12 };
            let view = FrameView::new(spec, &[plane]).unwrap();
            classifier.infer(&view, time).unwrap();
        } else {
            classifier.skip(time);
        }
        let classification = classifier.classification(None);
        (classification.accepted.map(|class| class.class), classification.fresh)
    }

    #[test]
    fn another_region_takes_effect_at_once_without_the_smoothing_of_the_old_one() {
        let spec = FrameSpec::new(PixelFormat::Rgb, 4, 4);
        let mut classifier = Classifier::fake(FakeEngine::new(4, 4), runtime(left()));
        classifier.set_frame_spec(&spec).unwrap();
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), true));
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), false));
        classifier.set_runtime(runtime(right()));
        assert_eq!(classify(&mut classifier, &spec), (Some(BLUE), true));
        // The same region again changes nothing.
        classifier.set_runtime(runtime(right()));
        assert_eq!(classify(&mut classifier, &spec), (Some(BLUE), false));
    }

    #[test]
    fn the_region_is_a_part_of_the_upright_frame() {
        let spec = FrameSpec {
            orientation: Orientation::FlipHorizontal,
            ..FrameSpec::new(PixelFormat::Rgb, 4, 4)
        };
        let mut classifier = Classifier::fake(FakeEngine::new(4, 4), runtime(left()));
        classifier.set_frame_spec(&spec).unwrap();
        assert_eq!(classify(&mut classifier, &spec), (Some(BLUE), true));
    }

    #[test]
    fn another_orientation_takes_effect_at_once_without_the_smoothing_of_the_old_one() {
        let spec = FrameSpec::new(PixelFormat::Rgb, 4, 4);
        let mut classifier = Classifier::fake(FakeEngine::new(4, 4), runtime(left()));
        classifier.set_frame_spec(&spec).unwrap();
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), true));
        let flipped = FrameSpec { orientation: Orientation::FlipHorizontal, ..spec.clone() };
        classifier.set_frame_spec(&flipped).unwrap();
        assert_eq!(classify(&mut classifier, &flipped), (Some(BLUE), true));
    }

    #[test]
    fn another_view_takes_effect_at_once() {
        let spec = FrameSpec::new(PixelFormat::Rgb, 4, 4);
        let mut classifier = Classifier::fake(FakeEngine::new(4, 4), runtime(left()));
        classifier.set_frame_spec(&spec).unwrap();
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), true));
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), false));
        classifier.change_view();
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), true));
    }

    #[test]
    fn a_result_of_the_old_view_does_not_end_the_change() {
        let spec = FrameSpec::new(PixelFormat::Rgb, 4, 4);
        let mut classifier = Classifier::fake(FakeEngine::new(4, 4), runtime(left()));
        classifier.set_frame_spec(&spec).unwrap();
        assert_eq!(classify(&mut classifier, &spec), (Some(RED), true));
        let old = classifier.begin_frame(None);
        classifier.set_runtime(runtime(right()));
        // The result of a frame from before the change arrives after it, as from a worker thread.
        let plane = Plane { data: &RED_AND_BLUE, stride: 12 };
        classifier.infer(&FrameView::new(&spec, &[plane]).unwrap(), old).unwrap();
        let accepted = classifier.classification(None).accepted.unwrap().class;
        assert_eq!((accepted, classifier.latest_view()), (RED, classifier.view() - 1));
        classifier.change_view();
        assert_eq!(classify(&mut classifier, &spec), (Some(BLUE), true));
        assert_eq!(classifier.latest_view(), classifier.view());
    }
}
