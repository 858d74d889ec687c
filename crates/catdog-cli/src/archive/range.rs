//! A part of the time of a video.

use std::fmt;
use std::str::FromStr;

/// The frames from `start` up to, and without, `end`, in seconds since the start of the video.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The first second.
    pub start: f64,
    /// The end; `None` is that of the video.
    pub end: Option<f64>,
}

impl FromStr for Range {
    type Err = String;

    /// Parses `START-END` or `START-`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|value| (0.0..1e9).contains(value));
        let parsed = text.split_once('-').and_then(|(start, end)| {
            let end = if end.is_empty() { None } else { Some(number(end)?) };
            Some(Self { start: number(start)?, end })
        });
        parsed
            .filter(|range| range.end.is_none_or(|end| end > range.start))
            .ok_or_else(|| "write START-END in seconds, such as 3600-7200, or START-".into())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.start)?;
        self.end.map_or(Ok(()), |end| write!(f, "{end}"))
    }
}

/// Chooses the frames that are classified.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Seconds between frames; `None` for every frame.
    pub every: Option<f64>,
    /// The part of the video.
    pub range: Option<Range>,
    /// The last interval of which a frame was chosen.
    last: Option<u64>,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It is classified.
    Yes,
    /// It is left out.
    No,
    /// It is after the range, and so are all that follow.
    End,
}

impl Choice {
    /// Returns the choice.
    pub fn new(every: Option<f64>, range: Option<Range>) -> Self {
        Self { every, range, last: None }
    }

    /// Decides about the next frame, whose time is in seconds since the start of the video.
    ///
    /// The first frame of each interval is chosen. Intervals begin at multiples of `every`, wherever the
    /// range begins, and an interval belongs to the range that has its beginning: so the frames of
    /// adjacent ranges are those of the whole.
    pub fn next(&mut self, time: f64) -> Chosen {
        let Some(every) = self.every else { return self.within(time) };
        // Times are multiples of a nanosecond, which fractions such as 1/30 are not.
        let interval = ((time + 1e-6) / every).floor().max(0.0) as u64;
        let chosen = self.within(interval as f64 * every);
        if chosen != Chosen::Yes {
            return chosen;
        }
        if self.last.replace(interval) == Some(interval) { Chosen::No } else { Chosen::Yes }
    }

    fn within(&self, time: f64) -> Chosen {
        let Some(range) = self.range else { return Chosen::Yes };
        // See next().
        if range.end.is_some_and(|end| time >= end - 1e-6) {
            return Chosen::End;
        }
        if time < range.start - 1e-6 { Chosen::No } else { Chosen::Yes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of a video with 30 frames a second that lasts 20 s which are chosen.
    fn chosen(every: Option<f64>, range: Option<&str>) -> Vec<usize> {
        let mut choice = Choice::new(every, range.map(|text| text.parse().unwrap()));
        // As in a file, times are whole nanoseconds.
        let time = |frame: usize| (frame as u64 * 1_000_000_000 / 30) as f64 / 1e9;
        (0..600).filter(|frame| choice.next(time(*frame)) == Chosen::Yes).collect()
    }

    #[test]
    fn adjacent_ranges_have_the_frames_of_the_whole() {
        for every in [None, Some(1.0), Some(0.5), Some(0.1), Some(0.7), Some(7.0)] {
            let whole = chosen(every, None);
            for joints in [[3.0, 9.0], [2.5, 7.7], [0.033, 12.0], [6.99, 7.01]] {
                let ranges = [
                    format!("0-{}", joints[0]),
                    format!("{}-{}", joints[0], joints[1]),
                    format!("{}-", joints[1]),
                ];
                let parts: Vec<_> =
                    ranges.iter().flat_map(|range| chosen(every, Some(range))).collect();
                assert_eq!(parts, whole, "{every:?} {joints:?}");
            }
        }
        assert_eq!(chosen(Some(1.0), None).len(), 20);
        assert_eq!(chosen(None, Some("1-2")).len(), 30);
    }

    #[test]
    fn ranges_are_written_as_they_are_read() {
        for text in ["0-10", "3600-", "1.5-2.25"] {
            assert_eq!(text.parse::<Range>().unwrap().to_string(), text);
        }
        for wrong in ["", "5", "2-1", "2-2", "-3", "a-b", "nan-", "1-inf"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong}");
        }
    }
}
