//! The classification of boxes of a frame, which a detector found.
//!
//! The boxes of a frame are independent of each other and of other frames: threshold and margin
//! apply, but neither smoothing nor hysteresis, because nothing says which boxes of two frames show
//! the same object. The latest result, which the frame itself gets, is that of its best box.

use std::time::{Duration, Instant};

use super::region::preprocessor;
use super::{Classification, Classifier, ClassifyError, Latest};
use crate::decision::{Ranking, Rules};
use crate::engine;
use crate::frame::{FrameTime, FrameView, Region};

/// What the boxes of a frame have contributed to the latest result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BoxResults {
    /// Nothing; the latest result is that of an earlier frame.
    #[default]
    Missing,
    /// The frame has no boxes, so that it has no class.
    NoBoxes,
    /// The latest result is that of the best box so far.
    Best,
}

/// Returns `rules` without smoothing and hysteresis.
pub(super) fn rules_of_boxes(rules: &Rules) -> Rules {
    Rules { smoothing: Duration::ZERO, hold: Duration::ZERO, ..rules.clone() }
}

impl Classifier {
    /// Makes the latest result that of the current frame, whose time is `time` and which has no
    /// boxes: it has no class. This takes no inference, so a frame that was due leaves the next one
    /// due.
    pub fn set_no_boxes(&mut self, time: FrameTime) {
        self.latest.ranked.clear();
        self.latest.accepted = None;
        self.latest.location = None;
        self.latest.pts = time.pts;
        self.latest.view = time.view;
        self.latest.inference_time = Duration::ZERO;
        self.box_results = BoxResults::NoBoxes;
        self.schedule.skipped();
    }

    /// Infers the box `region` of `frame`, the current frame, whose time is `time`, on this thread,
    /// and returns the result of the box. If it is the best one of the frame so far, it becomes the
    /// latest result.
    ///
    /// The frame counts as inferred from its first result on. If no box has one, the caller
    /// [skips](Self::skip) the frame.
    ///
    /// The preprocessing is planned for each box, which allocates.
    ///
    /// # Errors
    ///
    /// [`ClassifyError`] if no format is set, the frame does not match it, or the engine fails. The
    /// latest result stays.
    pub fn infer_box(
        &mut self,
        frame: &FrameView<'_>,
        region: Region,
        time: FrameTime,
    ) -> Result<Classification<'_>, ClassifyError> {
        let spec = self.frame_spec.as_ref().ok_or(ClassifyError::NoFormat)?;
        let multi_label = self.multi_label().then_some(self.runtime.rules.threshold);
        let mut engine = self.pool.acquire();
        let start = Instant::now();
        let mut preprocessor = preprocessor(spec, &self.target, self.resize, region)?;
        preprocessor.run(frame, engine.input_mut())?;
        let preprocessed = Instant::now();
        engine::run(&mut *engine)?;
        let inference_time = preprocessed.elapsed();
        let Ranking { ranked, accepted } = self.box_decider.decide(engine.output(), time.elapsed);
        self.counters.inferences += 1;
        self.counters.preprocess.add(preprocessed - start);
        self.counters.invoke.add(inference_time);
        let classification = Classification {
            ranked,
            accepted,
            fresh: true,
            inference_pts: time.pts,
            age: time.pts.map(|_| Duration::ZERO),
            inference_time,
            location: None,
            multi_label,
        };
        if self.box_results != BoxResults::Best {
            self.box_results = BoxResults::Best;
            self.schedule.inferred(time.elapsed, &self.runtime);
            self.latest.ranked.clear();
            self.latest.location = None;
            self.latest.pts = time.pts;
            self.latest.view = time.view;
        }
        self.latest.keep_best(&classification);
        Ok(classification)
    }

    /// Records that the frame whose boxes were inferred waited for `duration`.
    pub fn end_boxes(&mut self, duration: Duration) {
        self.counters.wait.add(duration);
    }
}

impl Latest {
    /// Copies `classification`, that of a box, if it is better than the one that this result has of
    /// another box: an accepted class is better than a rejected one.
    fn keep_best(&mut self, classification: &Classification<'_>) {
        let rank = |accepted: bool, confidence: f32| (u8::from(accepted), confidence);
        let previous = self.ranked.first().map(|class| class.confidence);
        let previous = previous.map(|confidence| rank(self.accepted.is_some(), confidence));
        let next = rank(classification.accepted.is_some(), classification.confidence());
        if previous.is_none_or(|previous| next > previous) {
            self.ranked.clear();
            self.ranked.extend_from_slice(classification.ranked);
            self.accepted = classification.accepted;
            self.inference_time = classification.inference_time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::RuntimeConfig;
    use super::*;
    use crate::frame::{FrameSpec, PixelFormat, Plane};
    use crate::testing::FakeEngine;

    /// A row of 4 pixels: 200 of red, 250 of green, 100 of blue, and black.
    const ROW: [u8; 12] = [200, 0, 0, 0, 250, 0, 0, 0, 100, 0, 0, 0];

    fn classifier(threshold: f32) -> (Classifier, FrameView<'static>) {
        classifier_of(FakeEngine::new(1, 1), threshold)
    }

    fn classifier_of(engine: FakeEngine, threshold: f32) -> (Classifier, FrameView<'static>) {
        let rules = Rules {
            threshold,
            max_results: 1,
            smoothing: Duration::from_secs(10),
            hold: Duration::from_secs(10),
            ..Rules::default()
        };
        let runtime = RuntimeConfig { rules, inference_interval: 1, ..RuntimeConfig::default() };
        let mut classifier = Classifier::fake(engine, runtime);
        let spec = FrameSpec::new(PixelFormat::Rgb, 4, 1);
        classifier.set_frame_spec(&spec).unwrap();
        let view = FrameView::new(&spec, &[Plane { data: &ROW, stride: 12 }]).unwrap();
        (classifier, view)
    }

    /// Returns the region of column `column`.
    fn column(column: u8) -> Region {
        Region::new(f64::from(column) / 4.0, 0.0, 0.25, 1.0).unwrap()
    }

    /// Infers the columns and returns the accepted class of each, and that of the frame.
    fn classes(
        classifier: &mut Classifier,
        view: &FrameView<'_>,
        columns: &[u8],
    ) -> (Vec<Option<usize>>, Option<usize>) {
        let time = classifier.begin_frame(Some(Duration::from_secs(1)));
        if columns.is_empty() {
            classifier.set_no_boxes(time);
        }
        let of_boxes = columns.iter().map(|index| {
            let result = classifier.infer_box(view, column(*index), time).unwrap();
            result.accepted.map(|class| class.class)
        });
        let of_boxes = of_boxes.collect();
        let of_frame = classifier.classification(time.pts);
        assert!(of_frame.fresh);
        (of_boxes, of_frame.accepted.map(|class| class.class))
    }

    #[test]
    fn each_box_has_a_result_of_its_own_and_the_frame_has_the_best() {
        let (mut classifier, view) = classifier(0.6);
        let found = classes(&mut classifier, &view, &[0, 1, 2, 3]);
        assert_eq!(found, (vec![Some(0), Some(1), None, None], Some(1)));
        // The next frame does not depend on this one.
        assert_eq!(classes(&mut classifier, &view, &[0]), (vec![Some(0)], Some(0)));
        assert_eq!(classifier.counters().inferences, 5);
    }

    #[test]
    fn a_frame_without_boxes_has_no_class() {
        let (mut classifier, view) = classifier(0.0);
        classes(&mut classifier, &view, &[0]);
        assert_eq!(classes(&mut classifier, &view, &[]), (vec![], None));
        assert!(classifier.classification(None).ranked.is_empty());
    }

    #[test]
    fn a_frame_without_boxes_leaves_the_next_one_due() {
        let (mut classifier, view) = classifier(0.0);
        let runtime = RuntimeConfig { inference_interval: 2, ..classifier.runtime.clone() };
        classifier.set_runtime(runtime);
        let is_due = |classifier: &mut Classifier, boxes: &[u8]| {
            let time = classifier.begin_frame(None);
            let due = classifier.is_due(time);
            match boxes {
                _ if !due => classifier.skip(time),
                [] => classifier.set_no_boxes(time),
                [first, ..] => drop(classifier.infer_box(&view, column(*first), time).unwrap()),
            }
            due
        };
        assert!(is_due(&mut classifier, &[]) && is_due(&mut classifier, &[]));
        assert!(is_due(&mut classifier, &[0]));
        assert!(!is_due(&mut classifier, &[]) && !classifier.classification(None).fresh);
        assert!(is_due(&mut classifier, &[]) && classifier.classification(None).fresh);
        assert!(is_due(&mut classifier, &[1]) && !is_due(&mut classifier, &[2]));
    }

    #[test]
    fn a_failed_box_keeps_the_latest_result_unless_another_box_has_one() {
        let mut engine = FakeEngine::new(1, 1);
        engine.fail_from = Some(2);
        let (mut classifier, view) = classifier_of(engine, 0.0);
        classes(&mut classifier, &view, &[0]);
        // The second run of the engine is the last one that succeeds.
        let time = classifier.begin_frame(Some(Duration::from_secs(2)));
        classifier.infer_box(&view, column(1), time).unwrap();
        assert!(classifier.infer_box(&view, column(2), time).is_err());
        let partial = classifier.classification(time.pts);
        assert_eq!((partial.accepted.map(|class| class.class), partial.fresh), (Some(1), true));
        let time = classifier.begin_frame(Some(Duration::from_secs(3)));
        assert!(classifier.infer_box(&view, column(2), time).is_err());
        classifier.skip(time);
        let held = classifier.classification(time.pts);
        assert_eq!((held.accepted.map(|class| class.class), held.fresh), (Some(1), false));
        assert_eq!(held.age, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_rejected_box_is_the_result_of_the_frame_if_no_box_is_accepted() {
        let (mut classifier, view) = classifier(0.99);
        assert_eq!(classes(&mut classifier, &view, &[2, 1, 3]), (vec![None; 3], None));
        let classification = classifier.classification(None);
        assert_eq!(classification.ranked[0].class, 1);
        assert!((classification.confidence() - 250.0 / 255.0).abs() < 0.01);
    }
}
