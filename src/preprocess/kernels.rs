//! The loops over pixels: one output row at a time, first vertically, then horizontally.
//!
//! The vertical half goes first because it is the larger one and the simpler: the same few weights
//! for all bytes of a row, whatever they mean, with neighbours in memory as neighbours in a register.
//! It leaves one row of sums, from which the horizontal half, a dot product for every output column,
//! makes one row of each component; those become one row of red, green and blue levels.
//! No more than these rows is ever held.
//!
//! All arithmetic is safe Rust in shapes that LLVM turns into vector code: fixed-size blocks,
//! 16-bit lanes, no remainders. On x86-64 it is compiled twice, for the baseline (SSE2) and for
//! AVX2, of which [`Kernels`] picks one at run time; on aarch64 NEON is the baseline. What is to be
//! compiled twice has to be inlined into [`levels`], hence `#[inline(always)]` on each function: a
//! call that remains is a call of baseline code.

use std::ops::Range;

use super::color::{COMPONENT_BITS, LEVEL_SHIFT, NEUTRAL, ToRgb};
use super::passes::{Packing, Pass, UNUSED};
use super::taps::{HORIZONTAL_BITS, HorizontalTaps, RowTap, VERTICAL_BITS};
use crate::frame::{FrameView, Plane};

/// The instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isa {
    /// What every processor of the target has.
    Baseline,
    /// Constructed only after asking the processor.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// The kernels for an instruction set that this machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Isa);

impl Kernels {
    /// All that this machine can run, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let avx2 = is_x86_feature_detected!("avx2").then_some(Self(Isa::Avx2));
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = None;
        avx2.into_iter().chain([Self::baseline()])
    }

    /// Those that every machine of the target can run.
    pub fn baseline() -> Self {
        Self(Isa::Baseline)
    }

    /// The fastest that this machine can run.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::baseline())
    }

    /// Computes the levels of output row `y` into `rows.rgb`.
    pub(super) fn levels(
        self,
        frame: &FrameView<'_>,
        passes: &[Pass],
        to_rgb: &ToRgb,
        y: usize,
        rows: &mut Rows,
    ) {
        match self.0 {
            Isa::Baseline => levels(frame, passes, to_rgb, y, rows),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available`, which alone makes this variant, has asked for AVX2.
            Isa::Avx2 => unsafe { levels_avx2(frame, passes, to_rgb, y, rows) },
        }
    }
}

/// The rows that one output row passes through. Planned once, because the frame loop must not
/// allocate; their content does not outlive an output row.
#[derive(Debug)]
pub(super) struct Rows {
    /// A plane's bytes after the vertical half, in 1/128 of a level.
    sums: Vec<i16>,
    /// `sums` taken apart; what is in the fourth is not looked at.
    lines: [Vec<i16>; 4],
    /// The components after the horizontal half.
    components: [Vec<i16>; 3],
    /// Red, green and blue levels.
    pub rgb: [Vec<u8>; 3],
}

impl Rows {
    /// Rows long enough for `passes`, with `columns` output columns.
    pub fn new(passes: &[Pass], columns: usize) -> Self {
        let line_len = passes.iter().map(Pass::line_len).max().unwrap_or(0);
        Self {
            sums: vec![0; line_len],
            lines: std::array::from_fn(|_| vec![0; line_len]),
            // Chroma that no pass computes stays neutral.
            components: std::array::from_fn(|_| vec![NEUTRAL; columns]),
            rgb: std::array::from_fn(|_| vec![0; columns]),
        }
    }
}

/// [`levels`], compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn levels_avx2(frame: &FrameView<'_>, passes: &[Pass], to_rgb: &ToRgb, y: usize, rows: &mut Rows) {
    levels(frame, passes, to_rgb, y, rows);
}

/// See [`Kernels::levels`].
#[inline(always)]
fn levels(frame: &FrameView<'_>, passes: &[Pass], to_rgb: &ToRgb, y: usize, rows: &mut Rows) {
    let Rows { sums, lines, components, rgb } = rows;
    for pass in passes {
        let source = frame.plane(pass.plane);
        vertical(
            source,
            pass.first_byte,
            pass.vertical.of(y),
            pass.vertical.ahead(y),
            &mut sums[..pass.bytes],
        );
        if let [component] = *pass.order {
            horizontal(sums, &pass.horizontal, &mut components[component]);
            continue;
        }
        take_apart(pass, &sums[..pass.bytes], lines);
        let wanted = pass.order.iter().zip(&*lines).filter(|(component, _)| **component != UNUSED);
        for (component, line) in wanted {
            horizontal(line, pass.taps(*component), &mut components[*component]);
        }
    }
    let components = components.each_ref().map(Vec::as_slice);
    for (channel, levels) in rgb.iter_mut().enumerate() {
        combine(to_rgb.matrix[channel], to_rgb.bias[channel], components, levels);
    }
}

/// Bytes that the vertical kernel adds up at a time: their 16-bit sums are eight AVX2 registers or
/// sixteen of NEON, half of what there is, and stay there until all rows are in.
const BLOCK: usize = 64;

/// Weighted sums of the rows in `taps`, from byte `first` of each row on.
///
/// The rows in `ahead`, which the next output row will read, are asked for meanwhile. They are some
/// fifteen streams of a cache line each, more than the processor foresees by itself: with frames
/// that no cache holds, 1080p I420 to 150x150 takes 0.21 ms so, and 0.53 ms without.
#[inline(always)]
fn vertical(
    source: Plane<'_>,
    first: usize,
    taps: &[RowTap],
    ahead: Range<usize>,
    sums: &mut [i16],
) {
    let len = sums.len();
    if len < BLOCK {
        let mut block = [0; BLOCK];
        add_rows(source, first, taps, &mut block[..len]);
        sums.copy_from_slice(&block[..len]);
        return;
    }
    for start in (0..len).step_by(BLOCK) {
        // The last block overlaps the one before instead of being shorter.
        let start = start.min(len - BLOCK);
        for row in ahead.clone() {
            prefetch(source.data, row * source.stride + first + start);
        }
        add_rows(source, first + start, taps, &mut sums[start..][..BLOCK]);
    }
}

/// Asks for the cache line of `bytes[index]`, where there is one.
#[inline(always)]
fn prefetch(bytes: &[u8], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = bytes.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing and cannot fault, about a byte that is there; part
        // of SSE, which every x86-64 processor has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, index);
}

/// [`vertical`] for at most [`BLOCK`] bytes.
#[inline(always)]
fn add_rows(source: Plane<'_>, first: usize, taps: &[RowTap], block: &mut [i16]) {
    let mut sums = [0_u16; BLOCK];
    let sums = &mut sums[..block.len()];
    for tap in taps {
        let bytes = &source.data[tap.row as usize * source.stride + first..][..block.len()];
        for (sum, byte) in sums.iter_mut().zip(bytes) {
            *sum += u16::from(*byte) * u16::from(tap.weight);
        }
    }
    for (to, sum) in block.iter_mut().zip(sums) {
        *to = (*sum >> (VERTICAL_BITS - COMPONENT_BITS)) as i16;
    }
}

/// Makes a line of each component of `sums`.
#[inline(always)]
fn take_apart(pass: &Pass, sums: &[i16], lines: &mut [Vec<i16>; 4]) {
    let [first, second, third, fourth] = lines.each_mut().map(Vec::as_mut_slice);
    let chroma_len = sums.len() / 2;
    match (pass.packing, pass.order.len()) {
        (Packing::LumaFirst, _) => {
            split(sums, [first, fourth]);
            split(&fourth[..chroma_len], [second, third]);
        }
        (Packing::ChromaFirst, _) => {
            split(sums, [fourth, first]);
            split(&fourth[..chroma_len], [second, third]);
        }
        (Packing::InTurn, 2) => split(sums, [first, second]),
        (Packing::InTurn, 3) => split(sums, [first, second, third]),
        (Packing::InTurn, _) => split(sums, [first, second, third, fourth]),
    }
}

/// Deals `sums` out to `lines`, one element to each in turn.
#[inline(always)]
fn split<const N: usize>(sums: &[i16], lines: [&mut [i16]; N]) {
    let groups = sums.as_chunks::<N>().0;
    // Equal lengths that the compiler can see keep bounds checks out of the loop.
    let mut lines = lines.map(|line| &mut line[..groups.len()]);
    for (index, group) in groups.iter().enumerate() {
        for (line, sum) in lines.iter_mut().zip(group) {
            line[index] = *sum;
        }
    }
}

/// One dot product for each output column.
#[inline(always)]
fn horizontal(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    const LONG: usize = HorizontalTaps::LONG;
    // A length known when compiling is worth a sixth of the whole run.
    match taps.width {
        8 => columns::<8>(line, taps, out),
        16 => columns::<16>(line, taps, out),
        24 => columns::<24>(line, taps, out),
        LONG => columns::<LONG>(line, taps, out),
        _ => long_columns(line, taps, out),
    }
}

/// [`horizontal`] for columns of `N` taps.
#[inline(always)]
fn columns<const N: usize>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    let columns = taps.firsts.iter().zip(taps.weights.chunks_exact(N));
    for (to, (first, weights)) in out.iter_mut().zip(columns) {
        *to = rounded(dot::<N>(&line[*first as usize..], weights));
    }
}

/// [`horizontal`] for columns of any number of blocks.
#[inline(always)]
fn long_columns(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    const LONG: usize = HorizontalTaps::LONG;
    let columns = taps.firsts.iter().zip(taps.weights.chunks_exact(taps.width));
    for (to, (first, weights)) in out.iter_mut().zip(columns) {
        let blocks = line[*first as usize..].chunks_exact(LONG).zip(weights.chunks_exact(LONG));
        let mut sum = 0;
        for (samples, weights) in blocks {
            sum += dot::<LONG>(samples, weights);
        }
        *to = rounded(sum);
    }
}

/// A sum of weighted samples as a sample.
#[inline(always)]
fn rounded(sum: i32) -> i16 {
    const HALF: i32 = 1 << (HORIZONTAL_BITS - 1);
    ((sum + HALF) >> HORIZONTAL_BITS) as i16
}

/// The sum of `N` products: at most 255 levels times [`HORIZONTAL_ONE`](super::taps::HORIZONTAL_ONE),
/// because weights sum to one.
#[inline(always)]
fn dot<const N: usize>(samples: &[i16], weights: &[i16]) -> i32 {
    let products = samples[..N].iter().zip(&weights[..N]);
    products.map(|(sample, weight)| i32::from(*sample) * i32::from(*weight)).sum()
}

/// One channel of the colour conversion.
#[inline(always)]
fn combine(coefficients: [i32; 3], bias: i32, components: [&[i16]; 3], levels: &mut [u8]) {
    let [first, second, third] = components;
    for (((to, first), second), third) in levels.iter_mut().zip(first).zip(second).zip(third) {
        let products = coefficients[0] * i32::from(*first)
            + coefficients[1] * i32::from(*second)
            + coefficients[2] * i32::from(*third);
        *to = ((products + bias) >> LEVEL_SHIFT).clamp(0, 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Axis;
    use super::*;

    #[test]
    fn blocks_leave_no_byte_out() {
        let data: Vec<u8> = (0..3 * 400).map(|index| (index * 7 % 251) as u8).collect();
        let source = Plane { data: &data, stride: 400 };
        let taps = [RowTap { row: 0, weight: 56 }, RowTap { row: 2, weight: 200 }];
        for len in [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK - 1] {
            let mut sums = vec![-1; len];
            vertical(source, 5, &taps, 0..0, &mut sums);
            for (column, sum) in sums.into_iter().enumerate() {
                let row = |row: usize| i32::from(data[row * 400 + 5 + column]);
                assert_eq!(i32::from(sum), (row(0) * 56 + row(2) * 200) / 2, "{column} of {len}");
            }
        }
    }

    #[test]
    fn white_fits_every_sum() {
        let data = [255; 64];
        let taps = [RowTap { row: 0, weight: 1 }, RowTap { row: 1, weight: 255 }];
        let mut sums = [0; 32];
        vertical(Plane { data: &data, stride: 32 }, 0, &taps, 0..0, &mut sums);
        assert_eq!(sums, [255 << COMPONENT_BITS; 32]);
        let axis = Axis { from: 0.0, to: 32.0, start: 0, len: 5 };
        let mut out = [0; 5];
        let taps = HorizontalTaps::new(axis, 32);
        let mut line = sums.to_vec();
        line.resize(32 + taps.width, 0);
        horizontal(&line, &taps, &mut out);
        assert_eq!(out, [255 << COMPONENT_BITS; 5]);
    }

    #[test]
    fn every_number_of_taps_gives_the_weighted_sum() {
        for samples in 1..300 {
            let axis = Axis { from: 0.0, to: samples as f64, start: 0, len: 2 };
            let taps = HorizontalTaps::new(axis, samples);
            let mut line: Vec<i16> =
                (0..samples).map(|index| (index * 997 % 32_640) as i16).collect();
            line.resize(samples + taps.width, i16::MAX);
            let mut out = [0; 2];
            horizontal(&line, &taps, &mut out);
            for (index, (first, weights)) in
                taps.firsts.iter().zip(taps.weights.chunks_exact(taps.width)).enumerate()
            {
                let products = line[*first as usize..].iter().zip(weights);
                let sum: f64 = products.map(|(s, w)| f64::from(*s) * f64::from(*w)).sum();
                let want = (sum / f64::from(1 << HORIZONTAL_BITS) + 0.5).floor();
                assert_eq!(f64::from(out[index]), want, "{samples} samples");
            }
        }
    }
}
