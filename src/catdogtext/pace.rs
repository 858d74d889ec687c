//! The maximum duration of a cue for a muxer, which adapts to stalls.
//!
//! A muxer that waits for text blocks the video and, through a tee, the frames from which the text
//! is made. So the open cue is sent if frames stop coming. If they continue at once, the muxer was
//! waiting for text, and cues become shorter.

use std::time::{Duration, Instant};

use gst::ClockTime;

/// The maximum duration of a cue without stalls: half of what a `queue` holds by default, because
/// mp4mux waits for the beginning of two more cues before it takes more video.
pub const DEFAULT_MAX_DURATION: ClockTime = ClockTime::from_mseconds(500);
/// Frames have stopped if none has come for this time and for [`TIMEOUT_IN_FRAMES`].
const MIN_TIMEOUT: Duration = Duration::from_millis(60);
/// See [`MIN_TIMEOUT`]; the unit is the usual interval between frames.
const TIMEOUT_IN_FRAMES: u32 = 3;
/// A frame that was blocked comes within this time after the cue that it waited for: one or two
/// threads have to pass it on.
const UNBLOCK_TIME: Duration = Duration::from_millis(20);
/// After this duration without a stall, cues become longer again. If that is too long, it costs one
/// stall.
const RECOVERY_TIME: ClockTime = ClockTime::from_seconds(60);

/// The pace of frames, and the maximum duration of a cue.
#[derive(Clone, Debug)]
pub struct Pace {
    max_duration: ClockTime,
    /// When the last frame came.
    last_frame: Option<Instant>,
    /// Moving average of the time between frames.
    interval: Option<Duration>,
    /// When a cue was sent early, if no frame has come since.
    early_cue: Option<Instant>,
    /// Total duration of the frames since the last stall.
    since_stall: ClockTime,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            max_duration: DEFAULT_MAX_DURATION,
            last_frame: None,
            interval: None,
            early_cue: None,
            since_stall: ClockTime::ZERO,
        }
    }
}

impl Pace {
    /// Notes that a frame of this duration came.
    pub fn note_frame(&mut self, now: Instant, duration: ClockTime) {
        match (self.early_cue.take(), self.last_frame) {
            (Some(early_cue), _) => {
                if now - early_cue < UNBLOCK_TIME {
                    self.shorten(duration);
                }
            }
            (None, Some(last_frame)) => {
                let interval = now - last_frame;
                self.interval =
                    Some(self.interval.map_or(interval, |usual| (usual * 3 + interval) / 4));
            }
            (None, None) => {}
        }
        self.last_frame = Some(now);
        self.since_stall = self.since_stall.saturating_add(duration);
        if self.since_stall >= RECOVERY_TIME && self.is_shortened() {
            self.max_duration = (self.max_duration * 2).clamp(duration, DEFAULT_MAX_DURATION);
            self.since_stall = ClockTime::ZERO;
        }
    }

    /// Notes that a cue was sent early, because frames may be waiting for it.
    pub fn note_early_cue(&mut self, now: Instant) {
        self.early_cue = Some(now);
    }

    /// Notes that the next frame does not continue the stream. The maximum duration stays.
    pub fn interrupt(&mut self) {
        self.last_frame = None;
        self.early_cue = None;
    }

    /// Returns the maximum duration of a cue; zero = one cue per frame.
    pub fn max_duration(&self) -> ClockTime {
        self.max_duration
    }

    /// Returns whether a stall has shortened the cues.
    pub fn is_shortened(&self) -> bool {
        self.max_duration < DEFAULT_MAX_DURATION
    }

    /// Returns how long after a frame of this duration the next one may come.
    pub fn frame_timeout(&self, duration: ClockTime) -> Duration {
        let usual = self.interval.unwrap_or(duration.into());
        MIN_TIMEOUT.max(usual * TIMEOUT_IN_FRAMES)
    }

    fn shorten(&mut self, duration: ClockTime) {
        self.max_duration /= 2;
        if self.max_duration < duration {
            self.max_duration = ClockTime::ZERO;
        }
        self.since_stall = ClockTime::ZERO;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);
    const MS: Duration = Duration::from_millis(1);

    /// A pace, and the time of its last frame.
    struct Film(Pace, Instant);

    impl Film {
        fn new() -> Self {
            Self(Pace::default(), Instant::now())
        }

        fn frames(&mut self, count: u32, step: Duration) {
            for _ in 0..count {
                self.1 += step;
                self.0.note_frame(self.1, FRAME);
            }
        }

        /// Frames stop, and continue `after` the cue was sent early.
        fn stall(&mut self, after: Duration) {
            self.1 += self.0.frame_timeout(FRAME);
            self.0.note_early_cue(self.1);
            self.frames(1, after);
        }
    }

    #[test]
    fn stalls_shorten_cues_down_to_a_frame() {
        let mut film = Film::new();
        film.frames(20, 2 * MS);
        let mut lengths = vec![];
        for _ in 0..6 {
            lengths.push(film.0.max_duration().mseconds());
            film.stall(MS);
        }
        assert_eq!(lengths, [500, 250, 125, 62, 0, 0]);
    }

    #[test]
    fn late_frames_without_a_stall_shorten_nothing() {
        let mut film = Film::new();
        film.frames(20, 2 * MS);
        film.stall(300 * MS);
        assert_eq!(film.0.max_duration(), DEFAULT_MAX_DURATION);
        // The timeout adapts to a source that is slower than its caps.
        film.frames(20, 130 * MS);
        assert!(film.0.frame_timeout(FRAME) > 300 * MS, "{:?}", film.0.frame_timeout(FRAME));
    }

    #[test]
    fn cues_become_longer_after_a_minute_without_a_stall() {
        let mut film = Film::new();
        film.frames(20, 2 * MS);
        (0..5).for_each(|_| film.stall(MS));
        assert_eq!(film.0.max_duration(), ClockTime::ZERO);
        let mut lengths = vec![];
        for _ in 0..6 {
            film.frames(1501, 2 * MS);
            lengths.push(film.0.max_duration().mseconds());
        }
        assert_eq!(lengths, [40, 80, 160, 320, 500, 500]);
    }
}
