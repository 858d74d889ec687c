//! The weights of the resampling filter, as the integers that the kernels multiply with.
//!
//! With antialiasing, the filter is the triangle of Pillow's `Image.resize(BILINEAR)`
//! (`precompute_coeffs` in its `Resample.c`): when downscaling by a factor f, an output sample is
//! the weighted mean of the input samples whose distance to its center is less than f, with weights
//! that decrease linearly to zero; when upscaling, f is 1 and two samples remain. Without
//! antialiasing f is always 1, which is the bilinear interpolation of `tf.image.resize` and of
//! OpenCV's `INTER_LINEAR`. Samples outside the plane are left out, and the other weights are
//! scaled to a sum of 1.
//!
//! If each weight were rounded separately, their sum could differ from 1, and a flat area would
//! become darker or brighter. Instead the running sum is rounded, and each weight is the difference
//! of two rounded sums: their sum is exactly 1, and the rounding error of a weight is compensated
//! by the next one, which belongs to a neighboring sample of similar value.

use super::fixed_point::{HORIZONTAL_ONE, VERTICAL_ONE};
use super::geometry::Axis;

/// The weights of one output sample. The first weight is that of sample `first` of the plane.
struct Span {
    first: usize,
    weights: Vec<f64>,
}

/// Returns the spans of all output samples along `axis`, over a plane of `samples` samples.
fn triangle(axis: Axis, samples: usize, antialias: bool) -> impl Iterator<Item = Span> {
    let scale = (axis.to - axis.from) / axis.len as f64;
    let support = if antialias { scale.max(1.0) } else { 1.0 };
    (0..axis.len).map(move |index| {
        let center = axis.from + (index as f64 + 0.5) * scale;
        // `as usize` saturates at 0. The center of a sample is half a sample after its start.
        let first = ((center - support + 0.5) as usize).min(samples - 1);
        let end = ((center + support + 0.5) as usize).clamp(first + 1, samples);
        let weight = |sample: usize| {
            let distance = (sample as f64 + 0.5 - center).abs() / support;
            (1.0 - distance).max(0.0)
        };
        let mut weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Span { first, weights }
    })
}

/// Returns `weights`, whose sum is 1, in multiples of 1 / `one`. The sum of the result is `one`.
fn quantize(weights: &[f64], one: u32) -> impl Iterator<Item = u32> {
    let mut exact = 0.0;
    let mut rounded = 0;
    weights.iter().map(move |weight| {
        exact += weight * f64::from(one);
        // The floating-point error of the last sum is far below 1/2, so it is rounded to `one`.
        let next = exact.round() as u32;
        let step = next - rounded;
        rounded = next;
        step
    })
}

/// Two source rows and their weights in an output row. The kernels process two rows at a time; if
/// the number of rows is odd, the last row has a partner with weight 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowPair {
    /// Indices of the rows in their plane.
    pub rows: [u32; 2],
    /// Weights of the rows, in multiples of 1/[`VERTICAL_ONE`].
    pub weights: [u8; 2],
}

/// The source rows of each output row, with their weights.
///
/// If the frame is more than 256 times as high as the tensor, the weights of some rows are rounded
/// to 0; these rows are not read.
#[derive(Debug)]
pub(super) struct VerticalTaps {
    pairs: Lists<RowPair>,
    upcoming: Lists<u32>,
}

/// A list of elements for each output row, all in one vector.
#[derive(Debug)]
struct Lists<T> {
    elements: Vec<T>,
    /// The end of each list in `elements`.
    ends: Vec<usize>,
}

impl<T> Lists<T> {
    fn new() -> Self {
        Self { elements: Vec::new(), ends: Vec::new() }
    }

    fn push(&mut self, list: impl Iterator<Item = T>) {
        self.elements.extend(list);
        self.ends.push(self.elements.len());
    }

    fn get(&self, index: usize) -> &[T] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.elements[start..self.ends[index]]
    }
}

impl VerticalTaps {
    /// Returns the taps along `axis` over a plane of `rows` rows. The output rows are in the order of
    /// the plane, even if the axis is reversed, so that the plane is read from top to bottom.
    pub fn new(axis: Axis, rows: usize, antialias: bool) -> Self {
        let mut pairs = Lists::new();
        let mut upcoming = Lists::new();
        let mut last = None;
        for (index, span) in triangle(axis, rows, antialias).enumerate() {
            let mut taps = Vec::new();
            for (offset, weight) in quantize(&span.weights, VERTICAL_ONE).enumerate() {
                let row = (span.first + offset) as u32;
                // The weight 256 does not fit a byte; it becomes two halves of the same row.
                let (half, rest) = if weight == VERTICAL_ONE { (128, 128) } else { (0, weight) };
                let parts = [half, rest].into_iter().filter(|part| *part != 0);
                taps.extend(parts.map(|part| (row, part as u8)));
            }
            pairs.push(taps.chunks(2).map(|taps| {
                let (first, first_weight) = taps[0];
                let (second, second_weight) = taps.get(1).copied().unwrap_or((first, 0));
                RowPair { rows: [first, second], weights: [first_weight, second_weight] }
            }));
            let mut rows: Vec<u32> = taps.into_iter().map(|(row, _)| row).collect();
            rows.dedup();
            rows.retain(|row| last.is_none_or(|last| *row > last));
            last = rows.last().copied().or(last);
            // The new rows of an output row are upcoming for the output row above it.
            if index > 0 {
                upcoming.push(rows.into_iter());
            }
        }
        upcoming.push([].into_iter());
        Self { pairs, upcoming }
    }

    /// Returns the rows of output row `index`, from top to bottom.
    pub fn pairs(&self, index: usize) -> &[RowPair] {
        self.pairs.get(index)
    }

    /// Returns the rows that output row `index + 1` reads first, for prefetching. No output row
    /// above it reads them.
    pub fn upcoming(&self, index: usize) -> &[u32] {
        self.upcoming.get(index)
    }

    /// Returns one more than the index of the last row that is read.
    pub fn rows_read(&self) -> usize {
        self.pairs.elements.iter().map(|pair| pair.rows[1] as usize + 1).max().unwrap_or(0)
    }
}

/// The samples of each output column in a line, with their weights.
///
/// All columns have the same number of taps, [`width`](Self::width). It is rounded up, with weights
/// of 0, to a number that the kernels process without a remainder: 2, 8, 16, 24 or a multiple of
/// [`LONG`](Self::LONG). The taps of the last columns can extend past the last sample, so lines are
/// padded by `width` samples.
#[derive(Debug)]
pub(super) struct HorizontalTaps {
    /// Number of taps of each column.
    pub width: usize,
    /// First sample of each column.
    pub firsts: Vec<u32>,
    /// `width` weights for each column, in multiples of 1/[`HORIZONTAL_ONE`].
    pub weights: Vec<i16>,
}

impl HorizontalTaps {
    /// A number of taps above 24 is a multiple of this.
    pub const LONG: usize = 32;

    /// Returns the taps along `axis` over a line of `samples` samples. The columns are in the order
    /// of the tensor.
    pub fn new(axis: Axis, samples: usize, antialias: bool) -> Self {
        let mut spans: Vec<Span> = triangle(axis, samples, antialias).collect();
        if axis.reversed {
            spans.reverse();
        }
        let longest = spans.iter().map(|span| span.weights.len()).max().unwrap_or(0);
        let width = match longest {
            ..=2 => 2,
            3..=24 => longest.next_multiple_of(8),
            _ => longest.next_multiple_of(Self::LONG),
        };
        let mut weights = vec![0; width * spans.len()];
        for (span, column) in spans.iter().zip(weights.chunks_exact_mut(width)) {
            let quantized = quantize(&span.weights, HORIZONTAL_ONE);
            column.iter_mut().zip(quantized).for_each(|(to, weight)| *to = weight as i16);
        }
        let firsts = spans.iter().map(|span| span.first as u32).collect();
        Self { width, firsts, weights }
    }

    /// Returns the range of samples that have a weight, as its start and its end.
    pub fn samples_read(&self) -> (usize, usize) {
        let end = |(first, weights): (&u32, &[i16])| {
            let last = weights.iter().rposition(|weight| *weight != 0).unwrap_or(0);
            *first as usize + last + 1
        };
        let first = self.firsts.iter().copied().min().unwrap_or(0);
        let columns = self.firsts.iter().zip(self.weights.chunks_exact(self.width));
        (first as usize, columns.map(end).max().unwrap_or(0))
    }

    /// Subtracts `origin` from all sample indices, for a line that starts at sample `origin`.
    pub fn rebase(&mut self, origin: usize) {
        self.firsts.iter_mut().for_each(|first| *first -= origin as u32);
    }

    /// Returns the number of taps of each column: `N`, or `width` if `N` is 0. With a constant
    /// number, the compiler unrolls the loops over the taps.
    #[inline(always)]
    pub fn width_or<const N: usize>(&self) -> usize {
        if N == 0 { self.width } else { N }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn axis(from: f64, to: f64, len: usize) -> Axis {
        Axis { from, to, start: 0, len, reversed: false }
    }

    #[test]
    fn each_row_is_upcoming_once_unless_the_first_output_row_reads_it() {
        for (samples, len) in [(1080, 150), (100, 150), (7, 3), (1, 4)] {
            for antialias in [true, false] {
                let taps = VerticalTaps::new(axis(0.0, samples as f64, len), samples, antialias);
                let mut rows: Vec<u32> = taps.pairs(0).iter().flat_map(|pair| pair.rows).collect();
                rows.dedup();
                rows.extend((0..len).flat_map(|index| taps.upcoming(index)));
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
                    let weights = vertical.pairs(index).iter().flat_map(|pair| pair.weights);
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
    fn the_filter_widens_with_the_scale_factor() {
        let of = |taps: &VerticalTaps, index: usize| -> Vec<_> {
            let pairs = taps.pairs(index).iter();
            pairs.flat_map(|pair| std::iter::zip(pair.rows, pair.weights)).collect()
        };
        // 2:1 downscaling, away from the edges: 1/8 3/8 3/8 1/8.
        let taps = VerticalTaps::new(axis(0.0, 16.0, 8), 16, true);
        assert_eq!(of(&taps, 3), [(5, 32), (6, 96), (7, 96), (8, 32)]);
        // 1:2 upscaling: 1/4 and 3/4.
        let taps = VerticalTaps::new(axis(0.0, 8.0, 16), 8, true);
        assert_eq!(of(&taps, 4), [(1, 64), (2, 192)]);
        // 5:1 without antialiasing: the row in the middle, as two halves.
        let taps = VerticalTaps::new(axis(0.0, 25.0, 5), 25, false);
        assert_eq!(of(&taps, 1), [(7, 128), (7, 128)]);
        // 4:1 without antialiasing: the two rows in the middle.
        let taps = VerticalTaps::new(axis(0.0, 16.0, 4), 16, false);
        assert_eq!(of(&taps, 1), [(5, 128), (6, 128)]);
    }

    #[test]
    fn a_reversed_axis_reverses_columns_only() {
        let forward = axis(3.0, 40.0, 9);
        let reversed = Axis { reversed: true, ..forward };
        let columns = HorizontalTaps::new(forward, 50, true);
        let mut backward = HorizontalTaps::new(reversed, 50, true);
        backward.firsts.reverse();
        assert_eq!(backward.firsts, columns.firsts);
        let rows = backward.weights.chunks_exact(backward.width).rev();
        assert_eq!(rows.flatten().copied().collect::<Vec<_>>(), columns.weights);
        let rows = VerticalTaps::new(forward, 50, true);
        assert_eq!(VerticalTaps::new(reversed, 50, true).pairs(0), rows.pairs(0));
        assert_eq!((forward.place(2), reversed.place(2)), (2, 6));
    }

    #[test]
    fn an_odd_number_of_rows_is_padded_with_weight_zero() {
        let taps = VerticalTaps::new(axis(0.0, 9.0, 3), 9, true);
        let pairs = taps.pairs(1);
        assert_eq!(pairs.last().map(|pair| pair.weights[1]), Some(0), "{pairs:?}");
    }

    #[test]
    fn columns_beyond_the_last_sample_repeat_it() {
        // A picture of one column has one chroma sample, here co-sited.
        let columns = HorizontalTaps::new(axis(0.25, 0.75, 4), 1, true);
        assert_eq!(columns.samples_read(), (0, 1));
    }
}
