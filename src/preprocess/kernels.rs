//! The loops over pixels: one output row at a time, first vertically, then horizontally.
//!
//! The vertical half goes first because it is the larger one and the simpler: the same few weights
//! for all bytes of a row, whatever they mean, with neighbours in memory as neighbours in a register.
//! It leaves one row of sums, from which the horizontal half, a dot product for every output column,
//! makes one row of each component; those become one row of red, green and blue levels.
//! No more than these rows is ever held.
//!
//! Everything here is safe Rust in shapes that LLVM turns into vector code: fixed-size blocks,
//! 16-bit lanes, no remainders. On x86-64 it is compiled twice, for the baseline (SSE2) and for
//! AVX2, of which [`Kernels`] picks one at run time; on aarch64 NEON is the baseline.

use super::color::{COMPONENT_BITS, LEVEL_SHIFT, NEUTRAL, ToRgb};
use super::passes::{Group, Pass};
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
        avx2.into_iter().chain([Self(Isa::Baseline)])
    }

    /// The fastest that this machine can run.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self(Isa::Baseline))
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

/// The rows that one output row passes through.
#[derive(Debug)]
pub(super) struct Rows {
    /// Bytes of a plane's row after the vertical half.
    sums: Vec<i16>,
    /// The samples of one component of `sums`.
    line: Vec<i16>,
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
            line: vec![0; line_len],
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

#[inline(always)]
fn levels(frame: &FrameView<'_>, passes: &[Pass], to_rgb: &ToRgb, y: usize, rows: &mut Rows) {
    for pass in passes {
        let source = frame.plane(pass.plane);
        vertical(source, pass.first_byte, pass.vertical.of(y), &mut rows.sums[..pass.bytes]);
        for group in &pass.groups {
            components(group, pass.bytes, rows);
        }
    }
    let [first, second, third] = &rows.components;
    for (channel, levels) in rows.rgb.iter_mut().enumerate() {
        let (coefficients, bias) = (to_rgb.matrix[channel], to_rgb.bias[channel]);
        combine(coefficients, bias, [first, second, third], levels);
    }
}

/// Resamples the components of one group, out of the first `bytes` sums.
#[inline(always)]
fn components(group: &Group, bytes: usize, rows: &mut Rows) {
    let Rows { sums, line, components, .. } = rows;
    for component in &group.components {
        let sums_of_it = &sums[component.offset..bytes];
        let samples = match component.step {
            1 => &sums[..],
            2 => every::<2>(sums_of_it, line),
            3 => every::<3>(sums_of_it, line),
            _ => every::<4>(sums_of_it, line),
        };
        horizontal(samples, &group.horizontal, &mut components[component.index]);
    }
}

/// Bytes that the vertical kernel adds up at a time: their 16-bit sums are four AVX2 registers,
/// eight of SSE2 or NEON, and stay there until all rows are in.
const BLOCK: usize = 64;

/// Weighted sums of the rows in `taps`, from byte `first` of each row on.
#[inline(always)]
fn vertical(source: Plane<'_>, first: usize, taps: &[RowTap], sums: &mut [i16]) {
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
        let block: &mut [i16] = &mut sums[start..start + BLOCK];
        add_rows(source, first + start, taps, &mut block[..BLOCK]);
    }
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
        *to = (*sum >> (u8::BITS.min(VERTICAL_BITS) - COMPONENT_BITS)) as i16;
    }
}

/// Moves every `STEP`th of `sums` to the start of `line`.
#[inline(always)]
fn every<'a, const STEP: usize>(sums: &[i16], line: &'a mut [i16]) -> &'a [i16] {
    for (to, group) in line.iter_mut().zip(sums.chunks(STEP)) {
        *to = group[0];
    }
    line
}

/// One dot product for each output column.
#[inline(always)]
fn horizontal(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    let columns = taps.firsts.iter().zip(taps.weights.chunks_exact(taps.width));
    for (to, (first, weights)) in out.iter_mut().zip(columns) {
        let samples = &line[*first as usize..][..taps.width];
        let mut sum = 0_i32;
        for (samples, weights) in samples.chunks_exact(8).zip(weights.chunks_exact(8)) {
            for (sample, weight) in samples.iter().zip(weights) {
                sum += i32::from(*sample) * i32::from(*weight);
            }
        }
        let half = 1 << (HORIZONTAL_BITS - 1);
        *to = ((sum + half) >> HORIZONTAL_BITS) as i16;
    }
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
