//! The loops for AVX2.

use std::arch::x86_64::*;

use super::slices::{array, array_mut, block_starts};
use super::vector::Vector;
use super::vertical::{BLOCK, TO_COMPONENT, vertical};
use crate::frame::Plane;
use crate::preprocess::color::ToRgb;
use crate::preprocess::element_map::{Normalizer, PATTERN};
use crate::preprocess::fixed_point::{HORIZONTAL_BITS, LEVEL_SHIFT};
use crate::preprocess::kernels::isa::Isa;
use crate::preprocess::kernels::portable::Portable;
use crate::preprocess::taps::{HorizontalTaps, RowPair};
use crate::preprocess::target::CHANNELS;

/// The proof that the CPU has AVX2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::preprocess::kernels) struct Avx2(());

impl Avx2 {
    /// Returns a value if the CPU has AVX2. This is the only constructor.
    pub fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Number of output columns that are computed at a time.
const COLUMNS: usize = 8;

/// Number of pixels that are converted at a time.
const PIXELS: usize = 16;

impl Isa for Avx2 {
    #[inline(always)]
    fn vertical<const SPLIT: bool>(
        self,
        source: Plane<'_>,
        first: usize,
        taps: &[RowPair],
        upcoming: &[u32],
        sums: [&mut [i16]; 2],
    ) {
        if sums[0].len() + sums[1].len() < BLOCK {
            return Portable.vertical::<SPLIT>(source, first, taps, upcoming, sums);
        }
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { vertical_avx2::<SPLIT>(self, source, first, taps, upcoming, sums) }
    }

    #[inline(always)]
    fn columns<const N: usize>(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        if out.len() < COLUMNS {
            return Portable.columns::<N>(line, taps, out);
        }
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { columns::<N>(line, taps, out) }
    }

    #[inline(always)]
    fn column_pairs(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        if out.len() < COLUMNS {
            return Portable.column_pairs(line, taps, out);
        }
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { column_pairs(line, taps, out) }
    }

    #[inline(always)]
    fn combine(self, to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
        if levels.len() < PIXELS {
            return Portable.combine(to_rgb, components, levels);
        }
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { combine(to_rgb, components, levels) }
    }

    #[inline(always)]
    fn normalize(
        self,
        normalizer: &Normalizer,
        levels: &[[u8; PATTERN]],
        elements: &mut [[f32; PATTERN]],
    ) {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { normalize(normalizer, levels, elements) }
    }
}

/// Runs [`vertical`], compiled for AVX2.
#[target_feature(enable = "avx2")]
fn vertical_avx2<const SPLIT: bool>(
    avx2: Avx2,
    source: Plane<'_>,
    first: usize,
    taps: &[RowPair],
    upcoming: &[u32],
    sums: [&mut [i16]; 2],
) {
    vertical::<Avx2, { BLOCK / Avx2::BYTES }, SPLIT>(avx2, source, first, taps, upcoming, sums);
}

impl Vector for Avx2 {
    type Register = __m256i;

    const BYTES: usize = 32;

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m256i {
        let bytes: &[u8; 32] = array(bytes, 0);
        // SAFETY: `self` exists, so the CPU has AVX2. `bytes` is a reference to 32 bytes; the load
        // needs no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [i16], start: usize, register: __m256i) {
        let elements: &mut [i16; 16] = array_mut(to, start);
        // SAFETY: `self` exists, so the CPU has AVX2. `elements` is a reference to 32 bytes, which
        // may have any value; the store needs no alignment.
        unsafe { _mm256_storeu_si256(elements.as_mut_ptr().cast(), register) }
    }

    #[inline(always)]
    fn splat(self, value: i16) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_set1_epi16(value) }
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    fn add(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_add_epi16(a, b) }
    }

    #[inline(always)]
    fn to_components(self, sums: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_srli_epi16::<{ TO_COMPONENT as i32 }>(sums) }
    }

    #[inline(always)]
    fn multiply_add(self, weights: __m256i, bytes: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { _mm256_maddubs_epi16(weights, bytes) }
    }

    #[inline(always)]
    fn interleave(self, a: __m256i, b: __m256i) -> [__m256i; 2] {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)] }
    }

    #[inline(always)]
    fn in_order(self, [near, far]: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe {
            [
                _mm256_permute2x128_si256::<0x20>(near, far),
                _mm256_permute2x128_si256::<0x31>(near, far),
            ]
        }
    }

    #[inline(always)]
    fn even_odd(self, [near, far]: [__m256i; 2]) -> [__m256i; 2] {
        // Packing joins the halves of each group that `interleave` has separated. With 15 bits, no
        // element saturates.
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe {
            let low = _mm256_set1_epi32(0xffff);
            [
                _mm256_packus_epi32(_mm256_and_si256(near, low), _mm256_and_si256(far, low)),
                _mm256_packus_epi32(_mm256_srli_epi32::<16>(near), _mm256_srli_epi32::<16>(far)),
            ]
        }
    }
}

/// Runs [`Isa::columns`] for at least [`COLUMNS`] columns.
///
/// # Panics
///
/// Panics if `line` is shorter than the taps, which
/// [`Pass::line_len`](crate::preprocess::passes::Pass::line_len) rules out.
#[target_feature(enable = "avx2")]
fn columns<const N: usize>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    let width = taps.width_or::<N>();
    // One bounds check for all columns.
    let last = taps.firsts.iter().copied().max().unwrap_or(0) as usize;
    assert!(last + width <= line.len(), "column {last} of a line of {}", line.len());
    for start in block_starts(out.len(), COLUMNS) {
        let firsts: &[u32; COLUMNS] = array(&taps.firsts, start);
        let weights = &taps.weights[start * width..][..COLUMNS * width];
        let mut sums = [_mm256_setzero_si256(); COLUMNS];
        for (index, sums) in sums.iter_mut().enumerate() {
            let first = firsts[index] as usize;
            // SAFETY: `first` is at most `last`, and `line` has `width` samples from `last` on.
            let samples = unsafe { line.get_unchecked(first..first + width) };
            *sums = partial_sums(samples, &weights[index * width..][..width]);
        }
        // Each addition adds adjacent elements; after two, each half of a register has one sum of
        // each of four columns.
        let [a, b, c, d, e, f, g, h] = sums;
        let first = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let second = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
        let near = _mm256_permute2x128_si256::<0x20>(first, second);
        let far = _mm256_permute2x128_si256::<0x31>(first, second);
        store_half(array_mut(out, start), rounded(_mm256_add_epi32(near, far)));
    }
}

/// Returns eight numbers whose sum is the dot product of `samples` and `weights`.
#[inline]
#[target_feature(enable = "avx2")]
fn partial_sums(samples: &[i16], weights: &[i16]) -> __m256i {
    let (samples, half_samples) = samples.as_chunks::<16>();
    let (weights, half_weights) = weights.as_chunks::<16>();
    let mut sums = _mm256_setzero_si256();
    for (samples, weights) in samples.iter().zip(weights) {
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(load(samples), load(weights)));
    }
    let (half_samples, half_weights) = (half_samples.as_chunks().0, half_weights.as_chunks().0);
    if let ([samples], [weights]) = (half_samples, half_weights) {
        let half = _mm_madd_epi16(load_half(samples), load_half(weights));
        sums = _mm256_add_epi32(sums, _mm256_zextsi128_si256(half));
    }
    sums
}

/// Runs [`Isa::column_pairs`] for at least [`COLUMNS`] columns.
///
/// # Panics
///
/// Panics under the same condition as [`columns`].
#[target_feature(enable = "avx2")]
fn column_pairs(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    // One bounds check for all columns.
    let last = taps.firsts.iter().copied().max().unwrap_or(0) as usize;
    assert!(last + 1 < line.len(), "column {last} of a line of {}", line.len());
    for start in block_starts(out.len(), COLUMNS) {
        let firsts: &[u32; COLUMNS] = array(&taps.firsts, start);
        let mut pairs = [0; COLUMNS];
        for (pair, first) in pairs.iter_mut().zip(firsts) {
            // SAFETY: `first` is at most `last`, and `line` has two samples from `last` on. An i32
            // may have any bytes, and `read_unaligned` needs no alignment.
            *pair = unsafe { line.as_ptr().add(*first as usize).cast::<i32>().read_unaligned() };
        }
        let [a, b, c, d, e, f, g, h] = pairs;
        let samples = _mm256_setr_epi32(a, b, c, d, e, f, g, h);
        let weights: &[i16; 2 * COLUMNS] = array(&taps.weights, 2 * start);
        let sums = _mm256_madd_epi16(samples, load(weights));
        store_half(array_mut(out, start), rounded(sums));
    }
}

/// Rounds eight sums of weighted samples to samples.
#[inline]
#[target_feature(enable = "avx2")]
fn rounded(sums: __m256i) -> __m128i {
    let half = _mm256_set1_epi32(1 << (HORIZONTAL_BITS - 1));
    let samples = _mm256_srai_epi32::<{ HORIZONTAL_BITS as i32 }>(_mm256_add_epi32(sums, half));
    // Samples have at most 15 bits, so no element saturates.
    _mm_packs_epi32(_mm256_castsi256_si128(samples), _mm256_extracti128_si256::<1>(samples))
}

/// Runs [`Isa::combine`] for at least [`PIXELS`] pixels.
#[target_feature(enable = "avx2")]
fn combine(to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
    for start in block_starts(levels.len(), PIXELS) {
        let first = load(array(components[0], start));
        let second = load(array(components[1], start));
        let third = load(array(components[2], start));
        // Unpacking separates the halves of each group of 16 bytes, and packing joins them again.
        let zero = _mm256_setzero_si256();
        let near = [_mm256_unpacklo_epi16(first, second), _mm256_unpacklo_epi16(third, zero)];
        let far = [_mm256_unpackhi_epi16(first, second), _mm256_unpackhi_epi16(third, zero)];
        let mut channels = [_mm_setzero_si128(); CHANNELS];
        for (index, channel) in channels.iter_mut().enumerate() {
            let (coefficients, bias) = (to_rgb.matrix[index], to_rgb.bias[index]);
            let near = channel_levels(near, coefficients, bias);
            let far = channel_levels(far, coefficients, bias);
            // Saturation to 16 bits and then to an unsigned byte clamps to 0..=255.
            let both = _mm256_packs_epi32(near, far);
            let low = _mm256_castsi256_si128(both);
            *channel = _mm_packus_epi16(low, _mm256_extracti128_si256::<1>(both));
        }
        let levels: &mut [[u8; 16]; CHANNELS] = {
            let levels: &mut [[u8; CHANNELS]; PIXELS] = array_mut(levels, start);
            array_mut(levels.as_flattened_mut().as_chunks_mut().0, 0)
        };
        for (to, orders) in levels.iter_mut().zip(&PIXEL_OF_BYTE) {
            let mut bytes = _mm_setzero_si128();
            for (channel, order) in channels.iter().zip(orders) {
                let spread = _mm_shuffle_epi8(*channel, load_bytes(order));
                bytes = _mm_or_si128(bytes, spread);
            }
            store_bytes(to, bytes);
        }
    }
}

/// Returns one channel of eight pixels from pairs of components; the third component is paired with
/// 0.
#[inline]
#[target_feature(enable = "avx2")]
fn channel_levels(pairs: [__m256i; 2], [k0, k1, k2]: [i16; 3], bias: i32) -> __m256i {
    let first_two = _mm256_set1_epi32(i32::from(k0 as u16) | i32::from(k1) << 16);
    let third = _mm256_set1_epi32(i32::from(k2 as u16));
    let products = _mm256_add_epi32(
        _mm256_madd_epi16(pairs[0], first_two),
        _mm256_madd_epi16(pairs[1], third),
    );
    let sums = _mm256_add_epi32(products, _mm256_set1_epi32(bias));
    _mm256_srai_epi32::<{ LEVEL_SHIFT as i32 }>(sums)
}

/// For each 16 bytes of 48 interleaved bytes, and each channel: the pixel of each byte, or -1 if
/// the byte belongs to another channel.
const PIXEL_OF_BYTE: [[[i8; 16]; CHANNELS]; 3] = {
    let mut orders = [[[-1; 16]; CHANNELS]; 3];
    let mut byte = 0;
    while byte < 48 {
        orders[byte / 16][byte % CHANNELS][byte % 16] = (byte / CHANNELS) as i8;
        byte += 1;
    }
    orders
};

/// Runs [`Isa::normalize`]. The multiplications are not fused with the subtractions, because the
/// results must be identical to those of [`Portable`].
#[target_feature(enable = "avx2")]
fn normalize(normalizer: &Normalizer, levels: &[[u8; PATTERN]], elements: &mut [[f32; PATTERN]]) {
    let means = normalizer.means.as_chunks::<8>().0;
    let factors = normalizer.factors.as_chunks::<8>().0;
    for (levels, elements) in levels.iter().zip(elements) {
        let vectors = levels.as_chunks::<8>().0.iter().zip(elements.as_chunks_mut::<8>().0);
        for ((levels, elements), (mean, factor)) in vectors.zip(means.iter().zip(factors)) {
            let levels = _mm_cvtsi64_si128(i64::from_le_bytes(*levels));
            let levels = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(levels));
            let centered = _mm256_sub_ps(levels, load_floats(mean));
            store_floats(elements, _mm256_mul_ps(centered, load_floats(factor)));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[i16; 16]) -> __m256i {
    // SAFETY: `from` is a reference to 32 bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_half(from: &[i16; 8]) -> __m128i {
    // SAFETY: `from` is a reference to 16 bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(from: &[i8; 16]) -> __m128i {
    // SAFETY: `from` is a reference to 16 bytes; the load needs no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_floats(from: &[f32; 8]) -> __m256 {
    // SAFETY: `from` is a reference to eight floats; the load needs no alignment.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_half(to: &mut [i16; 8], vector: __m128i) {
    // SAFETY: `to` is a reference to 16 bytes, which may have any value; the store needs no
    // alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_bytes(to: &mut [u8; 16], vector: __m128i) {
    // SAFETY: `to` is a reference to 16 bytes, which may have any value; the store needs no
    // alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_floats(to: &mut [f32; 8], vector: __m256) {
    // SAFETY: `to` is a reference to eight floats; the store needs no alignment.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), vector) }
}
