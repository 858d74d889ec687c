//! The weights of the resampling filter, as integers that the kernels multiply with.
//!
//! The filter is the antialiased triangle that Pillow's `Image.resize(BILINEAR)` applies
//! (`precompute_coeffs` in its `Resample.c`): when shrinking by a factor f, an output sample is the
//! weighted mean of the input samples less than f away from its centre, with weights that fall
//! linearly to zero; when enlarging, f is 1 and two samples remain. Samples outside the plane are
//! left out and the other weights scaled up to a sum of 1.
//!
//! Rounding each weight by itself would make a flat surface darker or brighter. Instead the *running
//! sum* is rounded and its steps are the weights: they sum to 1 exactly, and the error of one weight
//! is made good by the next, where a picture changes little.

use std::ops::Range;

use super::geometry::Axis;

/// Vertical weights are multiples of 1/256, so that 255 x 256 fits 16 bits. A frame more than 256
/// times as high as the tensor has rows without weight: a regular sample of rows remains.
pub(super) const VERTICAL_ONE: u32 = 1 << VERTICAL_BITS;
pub(super) const VERTICAL_BITS: u32 = 8;

/// Horizontal weights are multiples of 1/2^14: the largest power of two that an i16 holds.
pub(super) const HORIZONTAL_ONE: u32 = 1 << HORIZONTAL_BITS;
pub(super) const HORIZONTAL_BITS: u32 = 14;

/// The weights of one output sample start at `first` of the plane's samples.
struct Span {
    first: usize,
    weights: Vec<f64>,
}

/// The spans of all output samples along `axis`, over a plane of `samples` samples.
fn triangle(axis: Axis, samples: usize) -> impl Iterator<Item = Span> {
    let scale = (axis.to - axis.from) / axis.len as f64;
    let support = scale.max(1.0);
    (0..axis.len).map(move |index| {
        let centre = axis.from + (index as f64 + 0.5) * scale;
        // `as usize` saturates at 0. A sample's centre is half a sample after its start.
        let first = ((centre - support + 0.5) as usize).min(samples - 1);
        let end = ((centre + support + 0.5) as usize).clamp(first + 1, samples);
        let weight = |sample: usize| {
            let distance = (sample as f64 + 0.5 - centre).abs() / support;
            (1.0 - distance).max(0.0)
        };
        let mut weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Span { first, weights }
    })
}

/// `weights` (which sum to 1) as multiples of 1 / `one` that sum to `one`.
fn quantise(weights: &[f64], one: u32) -> impl Iterator<Item = u32> {
    let mut exact = 0.0;
    let mut given = 0;
    weights.iter().map(move |weight| {
        exact += weight * f64::from(one);
        // Rounding may carry the last sum past `one` by an ulp, never by a half.
        let next = exact.round() as u32;
        let step = next - given;
        given = next;
        step
    })
}

/// A source row and its share in an output row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowTap {
    pub row: u32,
    /// In 1/256.
    pub weight: u8,
}

/// For each output row, the source rows that it is the weighted sum of.
#[derive(Debug)]
pub(super) struct VerticalTaps {
    taps: Vec<RowTap>,
    /// Where the taps of each output row end.
    ends: Vec<usize>,
}

impl VerticalTaps {
    pub fn new(axis: Axis, rows: usize) -> Self {
        let mut taps = Vec::new();
        let mut ends = Vec::with_capacity(axis.len);
        for span in triangle(axis, rows) {
            for (offset, weight) in quantise(&span.weights, VERTICAL_ONE).enumerate() {
                let row = (span.first + offset) as u32;
                // A whole (256) does not fit a byte; as two halves it does.
                let (half, rest) = if weight == VERTICAL_ONE { (128, 128) } else { (0, weight) };
                let parts = [half, rest].into_iter().filter(|part| *part != 0);
                taps.extend(parts.map(|part| RowTap { row, weight: part as u8 }));
            }
            ends.push(taps.len());
        }
        Self { taps, ends }
    }

    /// The taps of output row `index`, top to bottom, none of them zero.
    pub fn of(&self, index: usize) -> &[RowTap] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.taps[start..self.ends[index]]
    }

    /// The rows that output row `index + 1` reads and `index` does not.
    pub fn ahead(&self, index: usize) -> Range<usize> {
        let end =
            |index: usize| self.ends.get(index).map(|&end| self.taps[end - 1].row as usize + 1);
        match (end(index), end(index + 1)) {
            (Some(here), Some(next)) => here..next,
            _ => 0..0,
        }
    }

    /// One more than the last row that any tap reads.
    pub fn rows_read(&self) -> usize {
        self.taps.iter().map(|tap| tap.row as usize + 1).max().unwrap_or(0)
    }
}

/// For each output column, the samples of a line that it is the weighted sum of.
///
/// Every column has the same number of taps, filled up with zeros to one that the kernel has a loop
/// without remainder for: 8, 16, 24 or a multiple of [`LONG`](Self::LONG). Lines are padded by so
/// much, because the last column may reach past the last sample.
#[derive(Debug)]
pub(super) struct HorizontalTaps {
    /// Taps of each column.
    pub width: usize,
    /// First sample of each column.
    pub firsts: Vec<u32>,
    /// `width` weights for each column.
    pub weights: Vec<i16>,
}

impl HorizontalTaps {
    /// Long columns are a number of blocks of so many taps.
    pub const LONG: usize = 32;

    pub fn new(axis: Axis, samples: usize) -> Self {
        let spans: Vec<Span> = triangle(axis, samples).collect();
        let longest = spans.iter().map(|span| span.weights.len()).max().unwrap_or(0);
        let width = longest.next_multiple_of(if longest <= 24 { 8 } else { Self::LONG });
        let mut weights = vec![0; width * spans.len()];
        for (span, column) in spans.iter().zip(weights.chunks_exact_mut(width)) {
            let quantised = quantise(&span.weights, HORIZONTAL_ONE);
            column.iter_mut().zip(quantised).for_each(|(to, weight)| *to = weight as i16);
        }
        let firsts = spans.iter().map(|span| span.first as u32).collect();
        Self { width, firsts, weights }
    }

    /// The samples that have a weight: `first..end`.
    pub fn samples_read(&self) -> (usize, usize) {
        let end = |(first, weights): (&u32, &[i16])| {
            let last = weights.iter().rposition(|weight| *weight != 0).unwrap_or(0);
            *first as usize + last + 1
        };
        let first = self.firsts.iter().copied().min().unwrap_or(0);
        let columns = self.firsts.iter().zip(self.weights.chunks_exact(self.width));
        (first as usize, columns.map(end).max().unwrap_or(0))
    }

    /// Counts samples from `origin` on, because the line starts there.
    pub fn rebase(&mut self, origin: usize) {
        self.firsts.iter_mut().for_each(|first| *first -= origin as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(from: f64, to: f64, len: usize) -> Axis {
        Axis { from, to, start: 0, len }
    }

    #[test]
    fn every_row_is_either_in_the_first_output_row_or_ahead_of_one_once() {
        for (samples, len) in [(1080, 150), (100, 150), (7, 3), (1, 4)] {
            let taps = VerticalTaps::new(axis(0.0, samples as f64, len), samples);
            let mut next = taps.of(0).last().map_or(0, |tap| tap.row as usize + 1);
            for index in 0..len {
                let ahead = taps.ahead(index);
                assert!(ahead.is_empty() || ahead.start == next, "{samples} to {len}, {index}");
                next = next.max(ahead.end);
            }
            assert_eq!(next, taps.rows_read());
        }
    }

    #[test]
    fn weights_sum_to_one_at_any_scale() {
        for samples in 1..80 {
            for len in 1..80 {
                let axis = axis(0.0, samples as f64, len);
                let vertical = VerticalTaps::new(axis, samples);
                for index in 0..len {
                    let sum: u32 = vertical.of(index).iter().map(|tap| u32::from(tap.weight)).sum();
                    assert_eq!(sum, VERTICAL_ONE, "{samples} rows to {len}");
                }
                assert!(vertical.rows_read() <= samples);
                let horizontal = HorizontalTaps::new(axis, samples);
                for column in horizontal.weights.chunks_exact(horizontal.width) {
                    let sum: u32 = column.iter().map(|weight| *weight as u32).sum();
                    assert_eq!(sum, HORIZONTAL_ONE, "{samples} columns to {len}");
                }
                assert!(horizontal.samples_read().1 <= samples);
            }
        }
    }

    #[test]
    fn the_filter_is_as_wide_as_the_scale() {
        // Two to one, away from the edges: 1/8 3/8 3/8 1/8.
        let taps = VerticalTaps::new(axis(0.0, 16.0, 8), 16);
        let rows: Vec<_> = taps.of(3).iter().map(|tap| (tap.row, tap.weight)).collect();
        assert_eq!(rows, [(5, 32), (6, 96), (7, 96), (8, 32)]);
        // One to two: a quarter and three quarters.
        let taps = VerticalTaps::new(axis(0.0, 8.0, 16), 8);
        let rows: Vec<_> = taps.of(4).iter().map(|tap| (tap.row, tap.weight)).collect();
        assert_eq!(rows, [(1, 64), (2, 192)]);
    }

    #[test]
    fn a_row_that_is_copied_fits_the_weight() {
        let taps = VerticalTaps::new(axis(0.0, 1.0, 1), 1);
        assert_eq!(taps.of(0), [RowTap { row: 0, weight: 128 }; 2]);
    }

    #[test]
    fn chroma_beyond_the_last_sample_repeats_it() {
        // One chroma sample for a picture of one column, co-sited.
        let columns = HorizontalTaps::new(axis(0.25, 0.75, 4), 1);
        assert_eq!(columns.samples_read(), (0, 1));
    }
}
