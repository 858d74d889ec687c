//! The classification of boxes of a frame, which a detector found.
//!
//! The boxes of a frame are independent of each other and of other frames: threshold and margin
//! apply, but neither smoothing nor hysteresis, because nothing says which boxes of two frames show
//! the same object. The latest result, which the frame itself gets, is that of its best box.

use std::time::{Duration, Instant};

use super::region::preprocessor;
use super::{Classification, Classifier, ClassifyError};
use crate::decision::{Ranking, Rules};
use crate::engine;
use crate::frame::{FrameTime, FrameView, Region};

/// Returns `rules` without smoothing and hysteresis.
pub(super) fn rules_of_boxes(rules: &Rules) -> Rules {
    Rules { smoothing: Duration::ZERO, hold: Duration::ZERO, ..rules.clone() }
}

impl Classifier {
    /// Makes the latest result that of the frame at `time` without any box, which counts as
    /// inferred. [`infer_box`](Self::infer_box) adds the boxes.
    pub fn begin_boxes(&mut self, time: FrameTime) {
        self.latest.ranked.clear();
        self.latest.accepted = None;
        self.latest.pts = time.pts;
        self.latest.inference_time = Duration::ZERO;
        self.schedule.inferred(time.elapsed, &self.runtime);
    }

    /// Infers the box `region` of `frame`, whose time is `time`, on this thread, and returns the
    /// result of the box. If it is the best one since [`begin_boxes`](Self::begin_boxes), it becomes
    /// the latest result.
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
            multi_label,
        };
        let best = |accepted: bool, confidence: f32| (u8::from(accepted), confidence);
        let latest = &mut self.latest;
        let previous = latest.ranked.first().map(|class| class.confidence);
        let previous = previous.map(|confidence| best(latest.accepted.is_some(), confidence));
        if previous
            .is_none_or(|previous| best(accepted.is_some(), classification.confidence()) > previous)
        {
            latest.ranked.clear();
            latest.ranked.extend_from_slice(ranked);
            latest.accepted = accepted;
            latest.inference_time = inference_time;
        }
        Ok(classification)
    }

    /// Records that the frame whose boxes were inferred waited for `duration`.
    pub fn end_boxes(&mut self, duration: Duration) {
        self.counters.wait.add(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::super::RuntimeConfig;
    use super::*;
    use crate::frame::{FrameSpec, PixelFormat, Plane};
    use crate::testing::FakeEngine;

    /// Returns a row of 4 pixels: 200 of red, 250 of green, 100 of blue, and black.
    const ROW: [u8; 12] = [200, 0, 0, 0, 250, 0, 0, 0, 100, 0, 0, 0];

    fn classifier(threshold: f32) -> (Classifier, FrameView<'static>) {
        let rules = Rules {
            threshold,
            max_results: 1,
            smoothing: Duration::from_secs(10),
            hold: Duration::from_secs(10),
            ..Rules::default()
        };
        let runtime = RuntimeConfig { rules, inference_interval: 1, ..RuntimeConfig::default() };
        let mut classifier = Classifier::fake(FakeEngine::new(1, 1), runtime);
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
        classifier.begin_boxes(time);
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
    fn a_rejected_box_is_the_result_of_the_frame_if_no_box_is_accepted() {
        let (mut classifier, view) = classifier(0.99);
        assert_eq!(classes(&mut classifier, &view, &[2, 1, 3]), (vec![None; 3], None));
        let classification = classifier.classification(None);
        assert_eq!(classification.ranked[0].class, 1);
        assert!((classification.confidence() - 250.0 / 255.0).abs() < 0.01);
    }
}
