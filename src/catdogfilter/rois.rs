//! The inference of the boxes of a frame.
//!
//! Boxes belong to their frame, so their inferences run on the streaming thread, while the frame
//! waits. In synchronous mode, it waits for all of them; in asynchronous mode, for as many as a
//! [`TimeBudget`] allows.

use std::time::{Duration, Instant};

use catdog_core::classifier::{Classifier, ClassifyError};
use catdog_core::frame::{FrameSpec, FrameTime, FrameView, Region};

use super::geometry;
use crate::roi::{self, PixelBox, Roi, RoiResult};

/// The share of the time between two frames that a frame may wait for its boxes in asynchronous
/// mode. The other elements of the thread need time, too.
const BUDGET_SHARE: f64 = 0.5;

/// The time between two frames if the caps do not define it: 30 frames/s.
const NOMINAL_DURATION: Duration = Duration::from_nanos(33_333_333);

/// The time that frames may wait for their boxes in asynchronous mode.
///
/// An inference starts if time is left. It may take longer; the following frames then wait less. So
/// a frame waits for its share and one inference at most, and a slow model delays a frame now and
/// then, but not the stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeBudget {
    /// In seconds; negative after an inference that took longer.
    left: f64,
}

impl TimeBudget {
    /// Adds the share of the next frame of `spec`. Time that earlier frames did not use is lost.
    pub fn begin_frame(&mut self, spec: &FrameSpec) {
        let duration = spec.frame_duration.unwrap_or(NOMINAL_DURATION);
        let share = duration.as_secs_f64() * BUDGET_SHARE;
        self.left = (self.left + share).min(share);
    }

    /// Returns whether an inference may start.
    pub fn allows_inference(self) -> bool {
        self.left > 0.0
    }

    /// Subtracts the duration of an inference.
    fn spend(&mut self, duration: Duration) {
        self.left -= duration.as_secs_f64();
    }
}

/// Returns the boxes of `buffer` that are classified: at most `max_rois`, those of which a part is
/// inside `limits`.
pub fn find(
    buffer: &gst::BufferRef,
    spec: &FrameSpec,
    limits: Region,
    max_rois: usize,
) -> Vec<Roi> {
    let mut rois = roi::find(buffer, |pixels| region_of(pixels, spec, limits));
    rois.truncate(max_rois);
    rois
}

/// Infers `rois`, boxes of `frame`, and stores their results: all of them, or with a `budget` those
/// for which time is left. Returns false if `interrupted` returned true, so that the results are not
/// complete.
///
/// # Errors
///
/// [`ClassifyError`] if a box cannot be inferred; the boxes before it keep their results.
pub fn infer(
    rois: &mut [Roi],
    classifier: &mut Classifier,
    frame: &FrameView<'_>,
    time: FrameTime,
    mut budget: Option<&mut TimeBudget>,
    interrupted: &dyn Fn() -> bool,
) -> Result<bool, ClassifyError> {
    for roi in rois {
        if interrupted() {
            return Ok(false);
        }
        if budget.as_ref().is_some_and(|budget| !budget.allows_inference()) {
            break;
        }
        let start = Instant::now();
        let result = classifier.infer_box(frame, roi.region, time);
        roi.result = result.as_ref().ok().map(RoiResult::new);
        if let Some(budget) = &mut budget {
            budget.spend(start.elapsed());
        }
        result.map(drop)?;
    }
    Ok(true)
}

/// Returns the part of the upright frame that shows `pixels`, clamped to `limits`; `None` if nothing
/// of it is inside.
fn region_of(pixels: PixelBox, spec: &FrameSpec, limits: Region) -> Option<Region> {
    let PixelBox { x, y, width, height } = pixels;
    let column = |at: i64| at as f64 / spec.width as f64;
    let row = |at: i64| at as f64 / spec.height as f64;
    let (x, y) = (i64::from(x), i64::from(y));
    let (right, bottom) = (x + i64::from(width), y + i64::from(height));
    let stored = geometry::clamped(column(x), row(y), column(right), row(bottom))?;
    geometry::intersection(geometry::upright(stored, spec.orientation), limits)
}

#[cfg(test)]
mod tests {
    use catdog_core::frame::{Orientation, PixelFormat};

    use super::*;

    fn pixels(x: i32, y: i32, width: i32, height: i32) -> PixelBox {
        PixelBox { x, y, width, height }
    }

    fn region(x: f64, y: f64, width: f64, height: f64) -> Option<Region> {
        Region::new(x, y, width, height).ok()
    }

    #[test]
    fn boxes_are_clamped_to_the_frame_and_empty_ones_are_skipped() {
        let spec = FrameSpec::new(PixelFormat::I420, 64, 32);
        let clamped = |pixels| region_of(pixels, &spec, Region::WHOLE);
        assert_eq!(clamped(pixels(16, 8, 32, 16)), region(0.25, 0.25, 0.5, 0.5));
        assert_eq!(clamped(pixels(-16, 16, 32, 99)), region(0.0, 0.5, 0.25, 0.5));
        for outside in [
            pixels(64, 0, 8, 8),
            pixels(-8, 0, 8, 8),
            pixels(0, 0, 0, 8),
            pixels(0, 0, 8, -8),
            pixels(i32::MAX, i32::MIN, i32::MAX, i32::MAX),
        ] {
            assert_eq!(clamped(outside), None, "{outside:?}");
        }
    }

    #[test]
    fn boxes_are_turned_with_the_frame_and_clamped_to_the_region() {
        let orientation = Orientation::Rotate90;
        let spec = FrameSpec { orientation, ..FrameSpec::new(PixelFormat::I420, 64, 32) };
        // The upper left quarter of the stored frame is the upper right quarter of the upright one.
        let quarter = pixels(0, 0, 32, 16);
        assert_eq!(region_of(quarter, &spec, Region::WHOLE), region(0.5, 0.0, 0.5, 0.5));
        let right = region(0.75, 0.0, 0.25, 1.0).unwrap();
        assert_eq!(region_of(quarter, &spec, right), region(0.75, 0.0, 0.25, 0.5));
        let left = region(0.0, 0.0, 0.5, 1.0).unwrap();
        assert_eq!(region_of(quarter, &spec, left), None);
    }

    #[test]
    fn a_long_inference_uses_the_time_of_several_frames() {
        let spec = FrameSpec {
            frame_duration: Some(Duration::from_millis(40)),
            ..FrameSpec::new(PixelFormat::I420, 64, 32)
        };
        let mut budget = TimeBudget::default();
        assert!(!budget.allows_inference());
        budget.begin_frame(&spec);
        assert!(budget.allows_inference());
        budget.spend(Duration::from_millis(50));
        // 20 ms per frame: 30 ms are missing, so the second next frame has time again.
        budget.begin_frame(&spec);
        assert!(!budget.allows_inference());
        budget.begin_frame(&spec);
        assert!(budget.allows_inference());
    }
}
