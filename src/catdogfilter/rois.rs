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
///
/// The share is that of the time since the frame before arrived, because the caps may not define the
/// frame rate, or frames may arrive faster. After a pause, it is that of the nominal time between two
/// frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeBudget {
    /// In seconds; negative after an inference that took longer.
    left: f64,
    /// When the latest frame arrived.
    arrival: Option<Instant>,
}

impl TimeBudget {
    /// Adds the share of the next frame of `spec`, which arrives at `now`. Time that earlier frames
    /// did not use is lost.
    pub fn begin_frame(&mut self, spec: &FrameSpec, now: Instant) {
        let nominal = spec.frame_duration.unwrap_or(NOMINAL_DURATION);
        let previous = self.arrival.replace(now);
        let measured = previous.map(|previous| now.saturating_duration_since(previous));
        let duration = measured.map_or(nominal, |measured| measured.min(nominal));
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

/// Fills `rois`, whose boxes are dropped, with the boxes of `buffer` that are classified: at most
/// `max_rois`, those of which a part is inside `limits`.
pub fn find(
    buffer: &gst::BufferRef,
    spec: &FrameSpec,
    limits: Region,
    max_rois: usize,
    rois: &mut Vec<Roi>,
) {
    roi::find(buffer, |pixels| region_of(pixels, spec, limits), rois);
    rois.truncate(max_rois);
}

/// Infers `rois`, boxes of `frame`, and stores their results: all of them, or with a `budget` those
/// for which time is left. Returns false if `interrupted` returned true, so that the results are not
/// complete.
///
/// # Errors
///
/// [`ClassifyError`] if a box cannot be inferred. After a failed inference, the other boxes are
/// inferred all the same, and the first error is returned. Every other error would be that of each
/// box, so it is returned at once.
pub fn infer(
    rois: &mut [Roi],
    classifier: &mut Classifier,
    frame: &FrameView<'_>,
    time: FrameTime,
    mut budget: Option<&mut TimeBudget>,
    interrupted: &dyn Fn() -> bool,
) -> Result<bool, ClassifyError> {
    let mut failure = None;
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
        match result {
            Ok(_) => {}
            Err(error @ ClassifyError::Engine(_)) => failure = failure.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    failure.map_or(Ok(true), Err)
}

/// Returns the part of the upright frame that shows `pixels`, clamped to `limits`; `None` if nothing
/// of it is inside.
fn region_of(pixels: PixelBox, spec: &FrameSpec, limits: Region) -> Option<Region> {
    let PixelBox { x, y, width, height } = pixels;
    let column = |at: i64| at as f64 / spec.width as f64;
    let row = |at: i64| at as f64 / spec.height as f64;
    let (x, y) = (i64::from(x), i64::from(y));
    let (right, bottom) = (x + i64::from(width), y + i64::from(height));
    let stored = Region::clamped(column(x), row(y), column(right), row(bottom))?;
    geometry::intersection(geometry::upright(stored, spec.orientation)?, limits)
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
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        budget.begin_frame(&spec, at(0));
        assert!(budget.allows_inference());
        budget.spend(Duration::from_millis(50));
        // 20 ms per frame: 30 ms are missing, so the second next frame has time again.
        budget.begin_frame(&spec, at(50));
        assert!(!budget.allows_inference());
        budget.begin_frame(&spec, at(90));
        assert!(budget.allows_inference());
    }

    /// Returns the share of the time that inferences of 12 ms take, one per frame if there is time,
    /// and how late the last frame is. Frames arrive at 60 frames/s for ten seconds.
    fn load_at_60_frames_per_second(frame_duration: Option<Duration>) -> (f64, Duration) {
        let spec = FrameSpec { frame_duration, ..FrameSpec::new(PixelFormat::I420, 64, 32) };
        let inference = Duration::from_millis(12);
        // The other elements of the thread.
        let other = Duration::from_millis(6);
        let (start, mut budget) = (Instant::now(), TimeBudget::default());
        let (mut now, mut spent, mut delay) = (start, Duration::ZERO, Duration::ZERO);
        for frame in 0..600 {
            let captured = start + Duration::from_nanos(16_666_667) * frame;
            now = now.max(captured);
            budget.begin_frame(&spec, now);
            if budget.allows_inference() {
                budget.spend(inference);
                spent += inference;
                now += inference;
            }
            now += other;
            delay = now - captured;
        }
        (spent.as_secs_f64() / 10.0, delay)
    }

    #[test]
    fn inferences_take_half_of_the_time_if_frames_arrive_faster_than_the_caps_say() {
        let thirtieth = Duration::from_nanos(33_333_333);
        for frame_duration in [None, Some(thirtieth), Some(thirtieth / 2)] {
            let (load, delay) = load_at_60_frames_per_second(frame_duration);
            assert!((0.3..=0.51).contains(&load), "{frame_duration:?}: {load}");
            assert!(delay < Duration::from_millis(20), "{frame_duration:?}: {delay:?}");
        }
    }

    #[test]
    fn a_pause_does_not_leave_time_for_the_frames_after_it() {
        let spec = FrameSpec::new(PixelFormat::I420, 64, 32);
        let (start, mut budget) = (Instant::now(), TimeBudget::default());
        budget.begin_frame(&spec, start);
        budget.begin_frame(&spec, start + Duration::from_secs(10));
        budget.spend(Duration::from_millis(17));
        assert!(!budget.allows_inference());
    }
}
