//! How long a cue may be that a muxer waits for, learned from what happens when frames stop.
//!
//! A muxer that waits for text holds up the picture, and by a tee the frames that text is made of.
//! So when frames have stopped coming, the cue at hand is sent; and if they come again at once, that
//! was why they had stopped, and cues are to be shorter.

use std::time::{Duration, Instant};

use gst::ClockTime;

/// Before anything is learned. Half of what a `queue` holds by default, since mp4mux takes no more
/// picture before it has the beginning of the next cue but one.
const FIRST_LONGEST: ClockTime = ClockTime::from_mseconds(500);
/// Frames have stopped when none has come for this long, or for so many times what is usual.
const LEAST_PATIENCE: Duration = Duration::from_millis(60);
const PATIENCE_IN_FRAMES: u32 = 3;
/// A frame that was held up comes within this time of what it was held up for: it has only to be
/// handed on, by one thread or two.
const AT_ONCE: Duration = Duration::from_millis(20);
/// After so long without a stall cues may be longer again; if that is too long, one more stall is
/// what it costs.
const CALM: ClockTime = ClockTime::from_seconds(60);

/// The pace of frames, and what was learned from it.
#[derive(Clone, Debug)]
pub struct Pace {
    longest: ClockTime,
    /// When the last frame came.
    came: Option<Instant>,
    /// Between frames, usually.
    between: Option<Duration>,
    /// When what frames may have waited for was sent.
    gave_way: Option<Instant>,
    /// How long the frames last that came since the last stall.
    calm: ClockTime,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            longest: FIRST_LONGEST,
            came: None,
            between: None,
            gave_way: None,
            calm: ClockTime::ZERO,
        }
    }
}

impl Pace {
    /// A frame came, which lasts for `duration`.
    pub fn frame(&mut self, now: Instant, duration: ClockTime) {
        match (self.gave_way.take(), self.came) {
            (Some(gave_way), _) => {
                if now - gave_way < AT_ONCE {
                    self.shorten(duration);
                }
            }
            (None, Some(came)) => {
                let between = now - came;
                self.between =
                    Some(self.between.map_or(between, |usual| (usual * 3 + between) / 4));
            }
            (None, None) => {}
        }
        self.came = Some(now);
        self.calm = self.calm.saturating_add(duration);
        if self.calm >= CALM && self.longest < FIRST_LONGEST {
            self.longest = (self.longest * 2).clamp(duration, FIRST_LONGEST);
            self.calm = ClockTime::ZERO;
        }
    }

    /// What frames may be waiting for was sent.
    pub fn gave_way(&mut self, now: Instant) {
        self.gave_way = Some(now);
    }

    /// What comes next has nothing to do with what came before, but for what was learned.
    pub fn interrupt(&mut self) {
        self.came = None;
        self.gave_way = None;
    }

    /// How long a cue may be; zero: a cue for each frame.
    pub fn longest(&self) -> ClockTime {
        self.longest
    }

    /// Whether there ever was one that was too long.
    pub fn has_learned(&self) -> bool {
        self.longest < FIRST_LONGEST
    }

    /// How late the next frame may come; each lasts for `duration`.
    pub fn patience(&self, duration: ClockTime) -> Duration {
        let usual = self.between.unwrap_or(duration.into());
        LEAST_PATIENCE.max(usual * PATIENCE_IN_FRAMES)
    }

    fn shorten(&mut self, duration: ClockTime) {
        self.longest /= 2;
        if self.longest < duration {
            self.longest = ClockTime::ZERO;
        }
        self.calm = ClockTime::ZERO;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);
    const MS: Duration = Duration::from_millis(1);

    /// A pace, and the time at which its next frame is to come, `step` after the last.
    struct Film(Pace, Instant);

    impl Film {
        fn new() -> Self {
            Self(Pace::default(), Instant::now())
        }

        fn frames(&mut self, count: u32, step: Duration) {
            for _ in 0..count {
                self.1 += step;
                self.0.frame(self.1, FRAME);
            }
        }

        /// Frames stop; they come again `after` the cue was sent.
        fn stall(&mut self, after: Duration) {
            self.1 += self.0.patience(FRAME);
            self.0.gave_way(self.1);
            self.frames(1, after);
        }
    }

    #[test]
    fn what_made_frames_wait_is_shortened_down_to_a_frame() {
        let mut film = Film::new();
        film.frames(20, 2 * MS);
        let mut lengths = vec![];
        for _ in 0..6 {
            lengths.push(film.0.longest().mseconds());
            film.stall(MS);
        }
        assert_eq!(lengths, [500, 250, 125, 62, 0, 0]);
    }

    #[test]
    fn frames_that_are_late_by_themselves_shorten_nothing() {
        let mut film = Film::new();
        film.frames(20, 2 * MS);
        film.stall(300 * MS);
        assert_eq!(film.0.longest(), FIRST_LONGEST);
        // Nor does a source slower than its caps say, once that is known.
        film.frames(20, 130 * MS);
        assert!(film.0.patience(FRAME) > 300 * MS, "{:?}", film.0.patience(FRAME));
    }

    #[test]
    fn after_a_calm_minute_cues_may_be_longer_again() {
        let mut film = Film::new();
        film.frames(20, 2 * MS);
        (0..5).for_each(|_| film.stall(MS));
        assert_eq!(film.0.longest(), ClockTime::ZERO);
        let mut lengths = vec![];
        for _ in 0..6 {
            film.frames(1501, 2 * MS);
            lengths.push(film.0.longest().mseconds());
        }
        assert_eq!(lengths, [40, 80, 160, 320, 500, 500]);
    }
}
