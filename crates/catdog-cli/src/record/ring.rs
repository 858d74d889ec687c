//! The encoded pictures of the last seconds.

use std::collections::VecDeque;

use gst::ClockTime;

/// Bytes of pictures that are kept at most, whatever their times are.
const LIMIT: usize = 200 << 20;

/// An encoded picture.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The bytes, with the flags of GStreamer.
    pub buffer: gst::Buffer,
    /// Their format.
    pub caps: gst::Caps,
    /// Running time of the pipeline.
    pub time: ClockTime,
}

impl Encoded {
    /// Returns whether a clip can begin with it.
    pub fn is_keyframe(&self) -> bool {
        !self.buffer.flags().contains(gst::BufferFlags::DELTA_UNIT)
    }
}

/// The pictures of the last seconds, from a keyframe on.
#[derive(Debug)]
pub struct Ring {
    keep: ClockTime,
    pictures: VecDeque<Encoded>,
    bytes: usize,
    limit: usize,
}

impl Ring {
    /// Returns a ring of the pictures of at least `keep`.
    pub fn new(keep: ClockTime) -> Self {
        Self { keep, pictures: VecDeque::new(), bytes: 0, limit: LIMIT }
    }

    /// Adds the newest picture. Removes the oldest group of pictures if the next one begins early
    /// enough, or there are too many bytes.
    pub fn push(&mut self, picture: Encoded) {
        if self.pictures.back().is_some_and(|last| last.caps != picture.caps) {
            self.pictures.clear();
            self.bytes = 0;
        }
        if self.pictures.is_empty() && !picture.is_keyframe() {
            return;
        }
        let oldest = picture.time.saturating_sub(self.keep);
        self.bytes += picture.buffer.size();
        self.pictures.push_back(picture);
        while let Some(next) = self.pictures.iter().skip(1).position(Encoded::is_keyframe) {
            if self.pictures[next + 1].time > oldest && self.bytes <= self.limit {
                break;
            }
            for removed in self.pictures.drain(..=next) {
                self.bytes -= removed.buffer.size();
            }
        }
    }

    /// Returns the pictures since `start`, from the newest keyframe before it on.
    pub fn since(&self, start: ClockTime) -> impl Iterator<Item = &Encoded> {
        let is_begin = |picture: &Encoded| picture.is_keyframe() && picture.time <= start;
        let begin = self.pictures.iter().rposition(is_begin).unwrap_or(0);
        self.pictures.iter().skip(begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of ten bytes; each third one is a keyframe.
    fn picture(second: u64) -> Encoded {
        let mut buffer = gst::Buffer::from_slice([0; 10]);
        if !second.is_multiple_of(3) {
            buffer.make_mut().set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        let caps = gst::Caps::new_empty_simple("video/x-h264");
        Encoded { buffer, caps, time: ClockTime::from_seconds(second) }
    }

    fn times(ring: &Ring, since: u64) -> Vec<u64> {
        let pictures = ring.since(ClockTime::from_seconds(since));
        pictures.map(|picture| picture.time.seconds()).collect()
    }

    #[test]
    fn the_last_seconds_are_kept_from_a_keyframe_on() {
        gst::init().unwrap();
        let mut ring = Ring::new(ClockTime::from_seconds(4));
        (1..12).for_each(|second| ring.push(picture(second)));
        // 11 - 4 s is 7 s, and the keyframe before it is at 6 s.
        assert_eq!(times(&ring, 0), [6, 7, 8, 9, 10, 11]);
        assert_eq!(times(&ring, 10), [9, 10, 11]);
        assert_eq!(ring.bytes, 60);
    }

    #[test]
    fn a_ring_has_a_limited_size_and_one_format() {
        gst::init().unwrap();
        let mut ring = Ring { limit: 35, ..Ring::new(ClockTime::from_seconds(100)) };
        (0..12).for_each(|second| ring.push(picture(second)));
        assert_eq!(times(&ring, 0), [9, 10, 11]);
        let caps = gst::Caps::new_empty_simple("video/x-vp8");
        ring.push(Encoded { caps: caps.clone(), ..picture(13) });
        assert_eq!(times(&ring, 0), [0; 0]);
        ring.push(Encoded { caps, ..picture(15) });
        assert_eq!(times(&ring, 0), [15]);
    }
}
