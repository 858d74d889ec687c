//! The clock of smoothing, hysteresis and rate limits.
//!
//! Presentation timestamps alone are not sufficient: frames after a network stall may share one
//! timestamp, raw sources may set none, an application may set microseconds instead of nanoseconds,
//! and a loop starts again at 0. The clock advances with every frame: by the difference of the
//! timestamps if it is plausible, otherwise by the frame duration or the time between the arrivals.

use std::time::{Duration, Instant};

use crate::frame::FrameTime;

/// In forward playback, a step back of at most this length is a reordered frame, and a longer one
/// is a restart.
const MAX_REORDERING: Duration = Duration::from_secs(1);
/// A shorter step between timestamps is not taken as the time between two frames, because cameras
/// deliver less than 1000 frames/s.
const MIN_STEP: Duration = Duration::from_millis(1);
/// The step for timestamps that advance by less than [`MIN_STEP`], if the frame rate is unknown: 30
/// frames/s.
const NOMINAL_STEP: Duration = Duration::from_nanos(33_333_333);

/// Measures the time of a stream, frame by frame.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamClock {
    elapsed: Duration,
    /// A frame has been counted.
    started: bool,
    pts: Option<Duration>,
    /// When the last frame arrived, if the frame rate is unknown.
    arrival: Option<Instant>,
    frame_duration: Option<Duration>,
    /// Frames arrive in reverse order.
    reverse: bool,
}

impl StreamClock {
    /// Sets the time from one frame to the next, if the caps have a frame rate.
    pub fn set_frame_duration(&mut self, frame_duration: Option<Duration>) {
        self.frame_duration = frame_duration.filter(|duration| !duration.is_zero());
    }

    /// Sets whether frames arrive in reverse order, so that every step back counts in full.
    pub fn set_reverse(&mut self, reverse: bool) {
        self.reverse = reverse;
    }

    /// Returns the time of the next frame, which has the timestamp `pts`. `now` returns the time of
    /// its arrival; it is called only if the frame rate is unknown.
    pub fn advance(&mut self, pts: Option<Duration>, now: impl FnOnce() -> Instant) -> FrameTime {
        let previous_pts = std::mem::replace(&mut self.pts, pts);
        let arrival = if self.frame_duration.is_none() { Some(now()) } else { None };
        let previous_arrival = std::mem::replace(&mut self.arrival, arrival);
        if std::mem::replace(&mut self.started, true) {
            let since_arrival = arrival
                .zip(previous_arrival)
                .map_or(NOMINAL_STEP, |(now, then)| now.saturating_duration_since(then));
            self.elapsed += self.step(previous_pts, pts, since_arrival);
        }
        FrameTime { pts, elapsed: self.elapsed, ..FrameTime::default() }
    }

    /// Returns the time between two frames with these timestamps, the second of which arrived
    /// `since_arrival` after the first.
    fn step(
        &self,
        previous: Option<Duration>,
        pts: Option<Duration>,
        since_arrival: Duration,
    ) -> Duration {
        let without_pts = self.frame_duration.unwrap_or(since_arrival);
        let Some((previous, pts)) = previous.zip(pts) else { return without_pts };
        let step = pts.abs_diff(previous);
        if step.is_zero() || (pts < previous && !self.reverse && step > MAX_REORDERING) {
            without_pts
        } else if step < MIN_STEP {
            self.frame_duration.unwrap_or(NOMINAL_STEP)
        } else {
            step
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);
    /// Time between the arrivals of two frames in the tests.
    const ARRIVAL: Duration = Duration::from_millis(7);

    /// Returns the elapsed times, in ms, of frames with these timestamps in µs.
    fn elapsed(frame_duration: Option<Duration>, stamps: &[Option<u64>]) -> Vec<u128> {
        let mut clock = StreamClock::default();
        clock.set_frame_duration(frame_duration);
        let start = Instant::now();
        let times = stamps.iter().zip(0..).map(|(stamp, index)| {
            clock.advance(stamp.map(Duration::from_micros), || start + ARRIVAL * index)
        });
        times.map(|time| time.elapsed.as_millis()).collect()
    }

    #[test]
    fn timestamps_that_advance_set_the_time_and_a_gap_counts_in_full() {
        let stamps = [Some(5_000), Some(45_000), Some(85_000), Some(10_085_000)];
        assert_eq!(elapsed(Some(FRAME), &stamps), [0, 40, 80, 10_080]);
        assert_eq!(elapsed(None, &stamps), [0, 40, 80, 10_080]);
    }

    #[test]
    fn equal_and_missing_timestamps_advance_by_the_frame_duration_or_by_arrival() {
        for stamps in [[Some(5), Some(5), Some(5)], [None; 3]] {
            assert_eq!(elapsed(Some(FRAME), &stamps), [0, 40, 80]);
            assert_eq!(elapsed(None, &stamps), [0, 7, 14]);
        }
    }

    #[test]
    fn reverse_playback_advances_and_a_restart_takes_one_frame() {
        assert_eq!(elapsed(None, &[Some(100_000), Some(60_000), Some(20_000)]), [0, 40, 80]);
        assert_eq!(elapsed(Some(FRAME), &[Some(90_000_000), Some(0), Some(50_000)]), [0, 40, 90]);
    }

    #[test]
    fn key_frames_in_reverse_order_advance_by_their_distance() {
        let mut clock = StreamClock::default();
        clock.set_reverse(true);
        let times =
            [6, 4, 2].map(|second| clock.advance(Some(Duration::from_secs(second)), Instant::now));
        assert_eq!(times.map(|time| time.elapsed.as_secs()), [0, 2, 4]);
    }

    #[test]
    fn timestamps_in_the_wrong_unit_advance_by_whole_frames() {
        assert_eq!(elapsed(Some(FRAME), &[Some(0), Some(1), Some(2)]), [0, 40, 80]);
        assert_eq!(elapsed(None, &[Some(0), Some(1), Some(2), Some(3)]), [0, 33, 66, 99]);
    }
}
