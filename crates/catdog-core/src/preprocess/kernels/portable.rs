//! The loops in safe Rust, in a form that LLVM vectorizes: blocks of constant size, 16-bit lanes,
//! no remainders.

use super::isa::Isa;
use super::prefetch::prefetch;
use crate::frame::Plane;
use crate::preprocess::color::ToRgb;
use crate::preprocess::element_map::{Normalizer, PATTERN};
use crate::preprocess::fixed_point::{COMPONENT_BITS, HORIZONTAL_BITS, LEVEL_SHIFT, VERTICAL_BITS};
use crate::preprocess::taps::{HorizontalTaps, RowPair};
use crate::preprocess::target::CHANNELS;

/// The baseline instruction set, which every CPU of the target has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

// The methods are not inlined: inlined into one function they take a tenth more instructions on
// aarch64, and the number changes with every change of the code around them.
impl Isa for Portable {
    #[inline(never)]
    fn vertical<const SPLIT: bool>(
        self,
        source: Plane<'_>,
        first: usize,
        taps: &[RowPair],
        upcoming: &[u32],
        [sums, odd]: [&mut [i16]; 2],
    ) {
        if !SPLIT {
            for (index, block) in sums.chunks_mut(BLOCK).enumerate() {
                let first = first + index * BLOCK;
                prefetch(source, upcoming, first, BLOCK);
                add_rows(source, first, taps, block);
            }
            return;
        }
        let halves = sums.chunks_mut(BLOCK / 2).zip(odd.chunks_mut(BLOCK / 2));
        for (index, (even, odd)) in halves.enumerate() {
            let first = first + index * BLOCK;
            prefetch(source, upcoming, first, BLOCK);
            let mut block = [0; BLOCK];
            if let (([even], []), ([odd], [])) = (even.as_chunks_mut(), odd.as_chunks_mut()) {
                add_block(source, first, taps, &mut block);
                deinterleave::<{ BLOCK / 2 }>(&block, even, odd);
                continue;
            }
            let block = &mut block[..2 * even.len()];
            add_rows(source, first, taps, block);
            for ((even, odd), pair) in even.iter_mut().zip(odd).zip(block.as_chunks().0) {
                [*even, *odd] = *pair;
            }
        }
    }

    #[inline(never)]
    fn columns<const N: usize>(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        let width = taps.width_or::<N>();
        let columns = taps.firsts.iter().zip(taps.weights.chunks_exact(width));
        for (to, (first, weights)) in out.iter_mut().zip(columns) {
            *to = rounded(dot(&line[*first as usize..][..width], &weights[..width]));
        }
    }

    #[inline(never)]
    fn column_pairs(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        self.columns::<2>(line, taps, out);
    }

    #[inline(never)]
    fn combine(self, to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
        let [first, second, third] = components;
        for (((pixel, first), second), third) in levels.iter_mut().zip(first).zip(second).zip(third)
        {
            *pixel = rgb(to_rgb, [*first, *second, *third]);
        }
    }

    #[inline(never)]
    fn normalize(
        self,
        normalizer: &Normalizer,
        levels: &[[u8; PATTERN]],
        elements: &mut [[f32; PATTERN]],
    ) {
        for (levels, elements) in levels.iter().zip(elements) {
            normalizer.apply(levels, elements);
        }
    }
}

/// Number of bytes of a block. Their sums take sixteen NEON registers, half of all registers.
const BLOCK: usize = 64;

/// Writes the weighted sums of at most [`BLOCK`] bytes, see [`Isa::vertical`].
#[inline(always)]
fn add_rows(source: Plane<'_>, first: usize, taps: &[RowPair], block: &mut [i16]) {
    if let ([block], []) = block.as_chunks_mut::<BLOCK>() {
        return add_block(source, first, taps, block);
    }
    let (eights, rest) = block.as_chunks_mut::<8>();
    let done = 8 * eights.len();
    for (index, eight) in eights.iter_mut().enumerate() {
        add_block(source, first + 8 * index, taps, eight);
    }
    for (index, one) in rest.as_chunks_mut::<1>().0.iter_mut().enumerate() {
        add_block(source, first + done + index, taps, one);
    }
}

/// Writes the weighted sums of `N` bytes, see [`Isa::vertical`].
#[inline(always)]
fn add_block<const N: usize>(
    source: Plane<'_>,
    first: usize,
    taps: &[RowPair],
    block: &mut [i16; N],
) {
    let mut sums = [0_u16; N];
    for RowPair { rows, weights } in taps {
        let [upper, lower] =
            rows.map(|row| &source.data[row as usize * source.stride + first..][..N]);
        for ((sum, upper), lower) in sums.iter_mut().zip(upper).zip(lower) {
            *sum += u16::from(*upper) * u16::from(weights[0])
                + u16::from(*lower) * u16::from(weights[1]);
        }
    }
    for (to, sum) in block.iter_mut().zip(sums) {
        *to = (sum >> (VERTICAL_BITS - COMPONENT_BITS)) as i16;
    }
}

/// Writes `sums` to `even` and `odd` alternately. With constant lengths this compiles to a few
/// shuffles.
#[inline(always)]
fn deinterleave<const N: usize>(sums: &[i16; BLOCK], even: &mut [i16; N], odd: &mut [i16; N]) {
    for index in 0..N {
        even[index] = sums[2 * index];
        odd[index] = sums[2 * index + 1];
    }
}

/// Rounds a sum of weighted samples to a sample.
#[inline(always)]
fn rounded(sum: i32) -> i16 {
    const HALF: i32 = 1 << (HORIZONTAL_BITS - 1);
    ((sum + HALF) >> HORIZONTAL_BITS) as i16
}

/// Returns the dot product of `samples` and `weights`. It fits an i32: the weights sum to 2^14, and
/// a sample is less than 2^15.
#[inline(always)]
fn dot(samples: &[i16], weights: &[i16]) -> i32 {
    let products = samples.iter().zip(weights);
    products.map(|(sample, weight)| i32::from(*sample) * i32::from(*weight)).sum()
}

/// Returns the red, green and blue pixel values of one pixel.
#[inline(always)]
fn rgb(to_rgb: &ToRgb, components: [i16; 3]) -> [u8; CHANNELS] {
    let components = components.map(i32::from);
    std::array::from_fn(|channel| {
        let coefficients = to_rgb.matrix[channel].map(i32::from);
        let products = coefficients[0] * components[0]
            + coefficients[1] * components[1]
            + coefficients[2] * components[2];
        ((products + to_rgb.bias[channel]) >> LEVEL_SHIFT).clamp(0, 255) as u8
    })
}
