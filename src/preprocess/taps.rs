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

use super::geometry::Axis;

/// Vertical weights are multiples of 1/256, so that 255 x 256 fits 16 bits.
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

    /// One more than the last row that any tap reads.
    pub fn rows_read(&self) -> usize {
        self.taps.iter().map(|tap| tap.row as usize + 1).max().unwrap_or(0)
    }
}

/// For each output column, the samples of a line that it is the weighted sum of.
///
/// Every column has the same number of taps, a multiple of [`LANES`](Self::LANES), the last ones
/// zero: the kernel has no remainder to treat, and its lines are padded by so much.
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
    /// Multiplications that the kernel does at a time: one 128-bit register of i16.
    pub const LANES: usize = 8;

    pub fn new(axis: Axis, samples: usize) -> Self {
        let spans: Vec<Span> = triangle(axis, samples).collect();
        let longest = spans.iter().map(|span| span.weights.len()).max().unwrap_or(0);
        let width = longest.next_multiple_of(Self::LANES);
        let mut weights = vec![0; width * spans.len()];
        for (span, column) in spans.iter().zip(weights.chunks_exact_mut(width)) {
            let quantised = quantise(&span.weights, HORIZONTAL_ONE);
            column.iter_mut().zip(quantised).for_each(|(to, weight)| *to = weight as i16);
        }
        let firsts = spans.iter().map(|span| span.first as u32).collect();
        Self { width, firsts, weights }
    }

    /// The samples that the columns read, padding left out: `first..end`.
    pub fn samples_read(&self) -> (usize, usize) {
        let end = |(first, weights): (&u32, &[i16])| {
            let used = weights.iter().rposition(|weight| *weight != 0).map_or(1, |last| last + 1);
            *first as usize + used
        };
        let columns = self.firsts.iter().zip(self.weights.chunks_exact(self.width));
        let first = self.firsts.iter().copied().min().unwrap_or(0);
        (first as usize, columns.map(end).max().unwrap_or(0))
    }

    /// Counts samples from `origin` on, because the line starts there.
    pub fn rebase(&mut self, origin: usize) {
        self.firsts.iter_mut().for_each(|first| *first -= origin as u32);
    }
}
