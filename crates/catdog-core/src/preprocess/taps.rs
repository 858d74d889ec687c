//! The weights of the resampling filter, as integers that the kernels multiply with.
//!
//! Antialiased, the filter is the triangle that Pillow's `Image.resize(BILINEAR)` applies
//! (`precompute_coeffs` in its `Resample.c`): when shrinking by a factor f, an output sample is the
//! weighted mean of the input samples less than f away from its centre, with weights that fall
//! linearly to zero; when enlarging, f is 1 and two samples remain. Without antialiasing f is always
//! 1, which is the bilinear interpolation of `tf.image.resize` and of OpenCV's `INTER_LINEAR`.
//! Samples outside the plane are left out and the other weights scaled up to a sum of 1.
//!
//! Rounding each weight by itself would make a flat surface darker or brighter. Instead the *running
//! sum* is rounded and its steps are the weights: they sum to 1 exactly, and the error of one weight
//! is made good by the next, where a picture changes little.

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
fn triangle(axis: Axis, samples: usize, antialias: bool) -> impl Iterator<Item = Span> {
    let scale = (axis.to - axis.from) / axis.len as f64;
    let support = if antialias { scale.max(1.0) } else { 1.0 };
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

/// Two source rows and their shares in an output row, in 1/256. Kernels multiply two rows at a time;
/// an odd one out has a partner without weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowPair {
    pub rows: [u32; 2],
    pub weights: [u8; 2],
}

/// For each output row, the source rows that it is the weighted sum of.
#[derive(Debug)]
pub(super) struct VerticalTaps {
    pairs: Runs<RowPair>,
    ahead: Runs<u32>,
}

/// A run of elements for each output row.
#[derive(Debug)]
struct Runs<T> {
    elements: Vec<T>,
    /// Where each run ends.
    ends: Vec<usize>,
}

impl<T> Runs<T> {
    fn new() -> Self {
        Self { elements: Vec::new(), ends: Vec::new() }
    }

    fn push(&mut self, run: impl Iterator<Item = T>) {
        self.elements.extend(run);
        self.ends.push(self.elements.len());
    }

    fn of(&self, index: usize) -> &[T] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.elements[start..self.ends[index]]
    }
}

impl VerticalTaps {
    pub fn new(axis: Axis, rows: usize, antialias: bool) -> Self {
        let mut pairs = Runs::new();
        let mut ahead = Runs::new();
        let mut last = None;
        for (index, span) in triangle(axis, rows, antialias).enumerate() {
            let mut taps = Vec::new();
            for (offset, weight) in quantise(&span.weights, VERTICAL_ONE).enumerate() {
                let row = (span.first + offset) as u32;
                // A whole (256) does not fit a byte; as two halves it does.
                let (half, rest) = if weight == VERTICAL_ONE { (128, 128) } else { (0, weight) };
                let parts = [half, rest].into_iter().filter(|part| *part != 0);
                taps.extend(parts.map(|part| (row, part as u8)));
            }
            pairs.push(taps.chunks(2).map(|taps| {
                let (row, weight) = taps[0];
                let (partner, its_weight) = taps.get(1).copied().unwrap_or((row, 0));
                RowPair { rows: [row, partner], weights: [weight, its_weight] }
            }));
            let mut rows: Vec<u32> = taps.into_iter().map(|(row, _)| row).collect();
            rows.dedup();
            rows.retain(|row| last.is_none_or(|last| *row > last));
            last = rows.last().copied().or(last);
            // What an output row reads is ahead of the one before.
            if index > 0 {
                ahead.push(rows.into_iter());
            }
        }
        ahead.push([].into_iter());
        Self { pairs, ahead }
    }

    /// The rows of output row `index`, top to bottom.
    pub fn of(&self, index: usize) -> &[RowPair] {
        self.pairs.of(index)
    }

    /// The rows that output row `index + 1` reads and none before it.
    pub fn ahead(&self, index: usize) -> &[u32] {
        self.ahead.of(index)
    }

    /// One more than the last row that any output row reads.
    pub fn rows_read(&self) -> usize {
        self.pairs.elements.iter().map(|pair| pair.rows[1] as usize + 1).max().unwrap_or(0)
    }
}

/// For each output column, the samples of a line that it is the weighted sum of.
///
/// Every column has the same number of taps, filled up with zeros to one that the kernel has a loop
/// without remainder for: 2, 8, 16, 24 or a multiple of [`LONG`](Self::LONG). Lines are padded by so
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

    pub fn new(axis: Axis, samples: usize, antialias: bool) -> Self {
        let spans: Vec<Span> = triangle(axis, samples, antialias).collect();
        let longest = spans.iter().map(|span| span.weights.len()).max().unwrap_or(0);
        let width = match longest {
            ..=2 => 2,
            3..=24 => longest.next_multiple_of(8),
            _ => longest.next_multiple_of(Self::LONG),
        };
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
    use std::collections::BTreeSet;

    use super::*;

    fn axis(from: f64, to: f64, len: usize) -> Axis {
        Axis { from, to, start: 0, len }
    }

    #[test]
    fn every_row_that_is_read_is_in_the_first_output_row_or_ahead_of_one_once() {
        for (samples, len) in [(1080, 150), (100, 150), (7, 3), (1, 4)] {
            for antialias in [true, false] {
                let taps = VerticalTaps::new(axis(0.0, samples as f64, len), samples, antialias);
                let mut rows: Vec<u32> = taps.of(0).iter().flat_map(|pair| pair.rows).collect();
                rows.dedup();
                rows.extend((0..len).flat_map(|index| taps.ahead(index)));
                let read: BTreeSet<u32> =
                    taps.pairs.elements.iter().flat_map(|pair| pair.rows).collect();
                assert_eq!(rows, Vec::from_iter(read), "{samples} to {len}");
            }
        }
    }

    #[test]
    fn weights_sum_to_one_at_any_scale() {
        for samples in 1..80 {
            for (len, antialias) in (1..80).flat_map(|len| [(len, true), (len, false)]) {
                let axis = axis(0.0, samples as f64, len);
                let vertical = VerticalTaps::new(axis, samples, antialias);
                for index in 0..len {
                    let weights = vertical.of(index).iter().flat_map(|pair| pair.weights);
                    let sum: u32 = weights.map(u32::from).sum();
                    assert_eq!(sum, VERTICAL_ONE, "{samples} rows to {len}");
                }
                assert!(vertical.rows_read() <= samples);
                let horizontal = HorizontalTaps::new(axis, samples, antialias);
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
        let of = |taps: &VerticalTaps, index: usize| -> Vec<_> {
            let pairs = taps.of(index).iter();
            pairs.flat_map(|pair| std::iter::zip(pair.rows, pair.weights)).collect()
        };
        // Two to one, away from the edges: 1/8 3/8 3/8 1/8.
        let taps = VerticalTaps::new(axis(0.0, 16.0, 8), 16, true);
        assert_eq!(of(&taps, 3), [(5, 32), (6, 96), (7, 96), (8, 32)]);
        // One to two: a quarter and three quarters.
        let taps = VerticalTaps::new(axis(0.0, 8.0, 16), 8, true);
        assert_eq!(of(&taps, 4), [(1, 64), (2, 192)]);
        // Five to one without antialiasing: the row in the middle, which is one and no second.
        let taps = VerticalTaps::new(axis(0.0, 25.0, 5), 25, false);
        assert_eq!(of(&taps, 1), [(7, 128), (7, 128)]);
        // Four to one: the two rows in the middle.
        let taps = VerticalTaps::new(axis(0.0, 16.0, 4), 16, false);
        assert_eq!(of(&taps, 1), [(5, 128), (6, 128)]);
    }

    #[test]
    fn an_odd_row_out_has_a_partner_without_weight() {
        let taps = VerticalTaps::new(axis(0.0, 9.0, 3), 9, true);
        let pairs = taps.of(1);
        assert_eq!(pairs.last().map(|pair| pair.weights[1]), Some(0), "{pairs:?}");
    }

    #[test]
    fn chroma_beyond_the_last_sample_repeats_it() {
        // One chroma sample for a picture of one column, co-sited.
        let columns = HorizontalTaps::new(axis(0.25, 0.75, 4), 1, true);
        assert_eq!(columns.samples_read(), (0, 1));
    }
}
