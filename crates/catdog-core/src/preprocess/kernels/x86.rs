//! The loops in intrinsics of AVX2 and AVX-512.
//!
//! Memory is reached through references to arrays of a register's size, so that a load or store is
//! `unsafe` for its instruction alone, not for its address. Source rows and the samples of columns
//! are the exception: they are looked at once, for all blocks and all columns.
//!
//! The multiplications are of the kind that adds neighbours: `vpmaddubsw` for two source rows,
//! `vpmaddwd` for two taps of a column and for two components of a pixel. Each is exact here, which
//! the comments show, so that results are those of `portable` to the bit.

use std::arch::x86_64::*;

use super::super::CHANNELS;
use super::super::color::{COMPONENT_BITS, LEVEL_SHIFT, Normalized, PATTERN, ToRgb};
use super::super::taps::{HORIZONTAL_BITS, HorizontalTaps, RowPair, VERTICAL_BITS};
use super::portable::Portable;
use super::{Isa, address, prefetch, prefetch_line, taps_each};
use crate::frame::Plane;

/// For processors with AVX2.
pub(super) struct Avx2;

/// For processors with AVX2, AVX-512F and AVX-512BW: twice the bytes of a row at a time. A column has
/// too few samples to fill so wide a register.
pub(super) struct Avx512;

/// Bytes of a row, output columns, and pixels at a time. The sums of a block are half of the
/// registers of AVX2, and it is enough that finding the rows does not matter.
const BLOCK: usize = 128;
const COLUMNS: usize = 8;
const PIXELS: usize = 16;

impl Isa for Avx2 {
    #[inline(always)]
    fn vertical<const SPLIT: bool>(
        source: Plane<'_>,
        first: usize,
        taps: &[RowPair],
        ahead: &[u32],
        sums: [&mut [i16]; 2],
    ) {
        if sums[0].len() + sums[1].len() < BLOCK {
            return Portable::vertical::<SPLIT>(source, first, taps, ahead, sums);
        }
        // SAFETY: `Kernels` has asked for AVX2 before it runs anything of this type.
        unsafe { vertical_avx2::<SPLIT>(source, first, taps, ahead, sums) }
    }

    #[inline(always)]
    fn columns<const N: usize>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        if out.len() < COLUMNS {
            return Portable::columns::<N>(line, taps, out);
        }
        // SAFETY: `Kernels` has asked for AVX2 before it runs anything of this type.
        unsafe { columns::<N>(line, taps, out) }
    }

    #[inline(always)]
    fn column_pairs(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        if out.len() < COLUMNS {
            return Portable::column_pairs(line, taps, out);
        }
        // SAFETY: `Kernels` has asked for AVX2 before it runs anything of this type.
        unsafe { column_pairs(line, taps, out) }
    }

    #[inline(always)]
    fn combine(to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
        if levels.len() < PIXELS {
            return Portable::combine(to_rgb, components, levels);
        }
        // SAFETY: `Kernels` has asked for AVX2 before it runs anything of this type.
        unsafe { combine(to_rgb, components, levels) }
    }

    #[inline(always)]
    fn normalise(values: &Normalized, levels: &[[u8; PATTERN]], elements: &mut [[f32; PATTERN]]) {
        // SAFETY: `Kernels` has asked for AVX2 before it runs anything of this type.
        unsafe { normalise(values, levels, elements) }
    }
}

impl Isa for Avx512 {
    #[inline(always)]
    fn vertical<const SPLIT: bool>(
        source: Plane<'_>,
        first: usize,
        taps: &[RowPair],
        ahead: &[u32],
        sums: [&mut [i16]; 2],
    ) {
        if sums[0].len() + sums[1].len() < BLOCK {
            return Portable::vertical::<SPLIT>(source, first, taps, ahead, sums);
        }
        // SAFETY: `Kernels` has asked for AVX-512BW before it runs anything of this type.
        unsafe { vertical_avx512::<SPLIT>(source, first, taps, ahead, sums) }
    }

    #[inline(always)]
    fn columns<const N: usize>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        Avx2::columns::<N>(line, taps, out);
    }

    #[inline(always)]
    fn column_pairs(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        Avx2::column_pairs(line, taps, out);
    }

    #[inline(always)]
    fn combine(to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
        Avx2::combine(to_rgb, components, levels);
    }

    #[inline(always)]
    fn normalise(values: &Normalized, levels: &[[u8; PATTERN]], elements: &mut [[f32; PATTERN]]) {
        Avx2::normalise(values, levels, elements);
    }
}

/// The starts of blocks of `block` elements that cover `len`, which is not less. The last overlaps
/// the one before instead of being shorter.
#[inline(always)]
fn blocks(len: usize, block: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(block).map(move |start| start.min(len - block))
}

/// The array of the `N` elements from `start` on.
#[inline(always)]
fn array<const N: usize, T>(slice: &[T], start: usize) -> &[T; N] {
    &slice[start..][..N].as_chunks().0[0]
}

/// [`array`] to be written.
#[inline(always)]
fn array_mut<const N: usize, T>(slice: &mut [T], start: usize) -> &mut [T; N] {
    &mut slice[start..][..N].as_chunks_mut().0[0]
}

#[inline]
#[target_feature(enable = "avx2")]
fn load<T: Vector32>(from: &T) -> __m256i {
    // SAFETY: a reference to 32 bytes, of which any are a vector; no alignment is asked for.
    unsafe { _mm256_loadu_si256(std::ptr::from_ref(from).cast()) }
}

/// Arrays of integers.
///
/// # Safety
///
/// They have 32 bytes.
unsafe trait Vector32 {}
// SAFETY: 32 times one.
unsafe impl Vector32 for [u8; 32] {}
// SAFETY: 16 times two.
unsafe impl Vector32 for [i16; 16] {}

#[inline]
#[target_feature(enable = "avx2")]
fn load_half(from: &[i16; 8]) -> __m128i {
    // SAFETY: a reference to 16 bytes, of which any are a vector; no alignment is asked for.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(from).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_floats(from: &[f32; 8]) -> __m256 {
    // SAFETY: a reference to eight floats; no alignment is asked for.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_floats(to: &mut [f32; 8], vector: __m256) {
    // SAFETY: a reference to eight floats; no alignment is asked for.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_order(from: &[i8; 16]) -> __m128i {
    // SAFETY: a reference to 16 bytes, of which any are a vector; no alignment is asked for.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(from).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [i16; 16], vector: __m256i) {
    // SAFETY: a reference to 32 bytes, and any vector is sixteen i16; no alignment is asked for.
    unsafe { _mm256_storeu_si256(std::ptr::from_mut(to).cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_half(to: &mut [i16; 8], vector: __m128i) {
    // SAFETY: a reference to 16 bytes, and any vector is eight i16; no alignment is asked for.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(to).cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_512(from: &[u8; 64]) -> __m512i {
    // SAFETY: a reference to 64 bytes, of which any are a vector; no alignment is asked for.
    unsafe { _mm512_loadu_si512(std::ptr::from_ref(from).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_512(to: &mut [i16; 32], vector: __m512i) {
    // SAFETY: a reference to 64 bytes, and any vector is 32 i16; no alignment is asked for.
    unsafe { _mm512_storeu_si512(std::ptr::from_mut(to).cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_bytes(to: &mut [u8; 16], vector: __m128i) {
    // SAFETY: a reference to 16 bytes; no alignment is asked for.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(to).cast(), vector) }
}

/// `vpmaddubsw` multiplies an unsigned with a signed byte. The weights are the unsigned ones, and
/// pixels become signed by taking 128 off. No sum of products saturates: the weights sum to 256, so
/// it is between 256 x -128 = -32,768 and 256 x 127. Taking 128 off each pixel takes 32,768 off
/// the sum, which as a 16-bit number is its top bit.
const OFF: i8 = i8::MIN;
const BACK: i16 = i16::MIN;
const TO_COMPONENT: i32 = (VERTICAL_BITS - COMPONENT_BITS) as i32;

/// `len` bytes of `row`, from byte `first` on.
#[inline(always)]
fn bytes_of(source: Plane<'_>, row: u32, first: usize, len: usize) -> &[u8] {
    &source.data[row as usize * source.stride + first..][..len]
}

/// The bytes of rows, looked at once for all of them: to look again at each block of each row takes a
/// third of the time of adding them up.
struct Blocks<'a> {
    source: Plane<'a>,
    first: usize,
    len: usize,
    end: u32,
}

impl<'a> Blocks<'a> {
    /// Of `len` bytes, from byte `first` on, of the rows in `taps`.
    fn new(source: Plane<'a>, first: usize, len: usize, taps: &[RowPair]) -> Self {
        let last = taps.iter().flat_map(|pair| pair.rows).max().unwrap_or(0);
        // Panics where the last row is too short.
        bytes_of(source, last, first, len);
        Self { source, first, len, end: last + 1 }
    }

    /// The block of `row` that starts with byte `start` of those.
    ///
    /// # Safety
    ///
    /// `row` is one of the taps that `new` was given, and `start` + [`BLOCK`] at most its `len`.
    #[inline(always)]
    unsafe fn of(&self, row: u32, start: usize) -> &'a [u8; BLOCK] {
        debug_assert!(row < self.end && start + BLOCK <= self.len);
        let offset = row as usize * self.source.stride + self.first + start;
        // SAFETY: no row lies behind the last, and `new` has seen that all bytes of that one are
        // there, so those of `row` are too; any bytes are an array of bytes.
        unsafe { &*self.source.data.as_ptr().add(offset).cast() }
    }
}

/// The weights of `pair` as the two bytes that `vpmaddubsw` takes.
#[inline(always)]
fn two_weights(pair: &RowPair) -> i16 {
    i16::from_le_bytes(pair.weights)
}

/// [`Isa::vertical`] for at least [`BLOCK`] bytes.
#[target_feature(enable = "avx2")]
fn vertical_avx2<const SPLIT: bool>(
    source: Plane<'_>,
    first: usize,
    taps: &[RowPair],
    ahead: &[u32],
    mut sums: [&mut [i16]; 2],
) {
    let len = sums[0].len() + sums[1].len();
    let rows = Blocks::new(source, first, len, taps);
    for start in blocks(len, BLOCK) {
        prefetch(source, ahead, first + start, BLOCK);
        let mut totals = [[_mm256_setzero_si256(); 2]; BLOCK / 32];
        for pair in taps {
            let weights = _mm256_set1_epi16(two_weights(pair));
            // SAFETY: a pair of the taps, and `blocks` leaves a whole block after each start.
            let [upper, lower] =
                unsafe { [rows.of(pair.rows[0], start), rows.of(pair.rows[1], start)] };
            let (upper, lower) = (upper.as_chunks().0, lower.as_chunks().0);
            for ((total, upper), lower) in totals.iter_mut().zip(upper).zip(lower) {
                let [near, far] = weigh(upper, lower, weights);
                total[0] = _mm256_add_epi16(total[0], near);
                total[1] = _mm256_add_epi16(total[1], far);
            }
        }
        for (index, total) in totals.into_iter().enumerate() {
            put::<SPLIT>(&mut sums, start + 32 * index, total);
        }
    }
}

/// The weighted sums of two rows: of bytes 0 to 7 and 16 to 23, and of the others.
#[inline]
#[target_feature(enable = "avx2")]
fn weigh(upper: &[u8; 32], lower: &[u8; 32], weights: __m256i) -> [__m256i; 2] {
    let upper = _mm256_xor_si256(load(upper), _mm256_set1_epi8(OFF));
    let lower = _mm256_xor_si256(load(lower), _mm256_set1_epi8(OFF));
    [
        _mm256_maddubs_epi16(weights, _mm256_unpacklo_epi8(upper, lower)),
        _mm256_maddubs_epi16(weights, _mm256_unpackhi_epi8(upper, lower)),
    ]
}

/// Makes components of sums in the order of [`weigh`], those from byte `start` on.
#[inline]
#[target_feature(enable = "avx2")]
fn put<const SPLIT: bool>(sums: &mut [&mut [i16]; 2], start: usize, [near, far]: [__m256i; 2]) {
    let back = _mm256_set1_epi16(BACK);
    let near = _mm256_srli_epi16::<TO_COMPONENT>(_mm256_xor_si256(near, back));
    let far = _mm256_srli_epi16::<TO_COMPONENT>(_mm256_xor_si256(far, back));
    if !SPLIT {
        store(array_mut(sums[0], start), _mm256_permute2x128_si256::<0x20>(near, far));
        store(array_mut(sums[0], start + 16), _mm256_permute2x128_si256::<0x31>(near, far));
        return;
    }
    // Packing joins what unpacking took apart: order is kept. Components have 15 bits, so that
    // nothing saturates.
    let low = _mm256_set1_epi32(0xffff);
    let even = _mm256_packus_epi32(_mm256_and_si256(near, low), _mm256_and_si256(far, low));
    let odd = _mm256_packus_epi32(_mm256_srli_epi32::<16>(near), _mm256_srli_epi32::<16>(far));
    store(array_mut(sums[0], start / 2), even);
    store(array_mut(sums[1], start / 2), odd);
}

/// [`Isa::vertical`] for at least [`BLOCK`] bytes.
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn vertical_avx512<const SPLIT: bool>(
    source: Plane<'_>,
    first: usize,
    taps: &[RowPair],
    ahead: &[u32],
    mut sums: [&mut [i16]; 2],
) {
    if let [pair] = taps {
        return two_rows_avx512::<SPLIT>(source, first, pair, ahead, sums);
    }
    let len = sums[0].len() + sums[1].len();
    let rows = Blocks::new(source, first, len, taps);
    for start in blocks(len, BLOCK) {
        prefetch(source, ahead, first + start, BLOCK);
        let mut totals = [[_mm512_setzero_si512(); 2]; BLOCK / 64];
        for pair in taps {
            let weights = _mm512_set1_epi16(two_weights(pair));
            // SAFETY: a pair of the taps, and `blocks` leaves a whole block after each start.
            let [upper, lower] =
                unsafe { [rows.of(pair.rows[0], start), rows.of(pair.rows[1], start)] };
            let (upper, lower) = (upper.as_chunks().0, lower.as_chunks().0);
            for ((total, upper), lower) in totals.iter_mut().zip(upper).zip(lower) {
                let [near, far] = weigh_512(upper, lower, weights);
                total[0] = _mm512_add_epi16(total[0], near);
                total[1] = _mm512_add_epi16(total[1], far);
            }
        }
        for (index, total) in totals.into_iter().enumerate() {
            put_512::<SPLIT>(&mut sums, start + 64 * index, total);
        }
    }
}

/// [`vertical_avx512`] of a single pair, which needs no totals: without antialiasing, finding the
/// rows for each block would take as long as weighing them.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn two_rows_avx512<const SPLIT: bool>(
    source: Plane<'_>,
    first: usize,
    pair: &RowPair,
    ahead: &[u32],
    mut sums: [&mut [i16]; 2],
) {
    const VECTOR: usize = 64;
    let len = sums[0].len() + sums[1].len();
    let weights = _mm512_set1_epi16(two_weights(pair));
    let upper = bytes_of(source, pair.rows[0], first, len);
    let lower = bytes_of(source, pair.rows[1], first, len);
    // At most two; where there is none, what is here already is asked for again.
    let mut next = [upper.as_ptr(); 2];
    for (next, row) in next.iter_mut().zip(ahead) {
        *next = address(source, *row, first);
    }
    for start in blocks(len, VECTOR) {
        prefetch_line(next[0].wrapping_add(start));
        prefetch_line(next[1].wrapping_add(start));
        let weighed = weigh_512(array(upper, start), array(lower, start), weights);
        put_512::<SPLIT>(&mut sums, start, weighed);
    }
}

/// The weighted sums of two rows: of the first eight of each 16 bytes, and of the others.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn weigh_512(upper: &[u8; 64], lower: &[u8; 64], weights: __m512i) -> [__m512i; 2] {
    let upper = _mm512_xor_si512(load_512(upper), _mm512_set1_epi8(OFF));
    let lower = _mm512_xor_si512(load_512(lower), _mm512_set1_epi8(OFF));
    [
        _mm512_maddubs_epi16(weights, _mm512_unpacklo_epi8(upper, lower)),
        _mm512_maddubs_epi16(weights, _mm512_unpackhi_epi8(upper, lower)),
    ]
}

/// Makes components of sums in the order of [`weigh_512`], those from byte `start` on; see [`put`].
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn put_512<const SPLIT: bool>(sums: &mut [&mut [i16]; 2], start: usize, [near, far]: [__m512i; 2]) {
    let back = _mm512_set1_epi16(BACK);
    let near = _mm512_srli_epi16::<{ TO_COMPONENT as u32 }>(_mm512_xor_si512(near, back));
    let far = _mm512_srli_epi16::<{ TO_COMPONENT as u32 }>(_mm512_xor_si512(far, back));
    if !SPLIT {
        let lower_half = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        let upper_half = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
        let lower = _mm512_permutex2var_epi64(near, lower_half, far);
        let upper = _mm512_permutex2var_epi64(near, upper_half, far);
        store_512(array_mut(sums[0], start), lower);
        store_512(array_mut(sums[0], start + 32), upper);
        return;
    }
    let low = _mm512_set1_epi32(0xffff);
    let even = _mm512_packus_epi32(_mm512_and_si512(near, low), _mm512_and_si512(far, low));
    let odd = _mm512_packus_epi32(_mm512_srli_epi32::<16>(near), _mm512_srli_epi32::<16>(far));
    store_512(array_mut(sums[0], start / 2), even);
    store_512(array_mut(sums[1], start / 2), odd);
}

/// [`Isa::columns`] for at least [`COLUMNS`].
#[target_feature(enable = "avx2")]
fn columns<const N: usize>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    let width = taps_each::<N>(taps);
    // Looked at once, so that it need not be for each column.
    let last = taps.firsts.iter().copied().max().unwrap_or(0) as usize;
    assert!(last + width <= line.len(), "column {last} of a line of {}", line.len());
    for start in blocks(out.len(), COLUMNS) {
        let firsts: &[u32; COLUMNS] = array(&taps.firsts, start);
        let weights = &taps.weights[start * width..][..COLUMNS * width];
        let mut sums = [_mm256_setzero_si256(); COLUMNS];
        for (index, sums) in sums.iter_mut().enumerate() {
            let first = firsts[index] as usize;
            // SAFETY: no first is larger than `last`, after which there are `width` samples.
            let samples = unsafe { line.get_unchecked(first..first + width) };
            *sums = partial_sums(samples, &weights[index * width..][..width]);
        }
        // Neighbours of neighbours: after two rounds a lane has one sum of each of four columns.
        let [a, b, c, d, e, f, g, h] = sums;
        let first = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let second = _mm256_hadd_epi32(_mm256_hadd_epi32(e, f), _mm256_hadd_epi32(g, h));
        let near = _mm256_permute2x128_si256::<0x20>(first, second);
        let far = _mm256_permute2x128_si256::<0x31>(first, second);
        store_half(array_mut(out, start), rounded(_mm256_add_epi32(near, far)));
    }
}

/// Eight numbers that sum to the dot product of `samples` and `weights`.
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

/// [`Isa::column_pairs`] for at least [`COLUMNS`].
#[target_feature(enable = "avx2")]
fn column_pairs(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    // Looked at once, so that the loads need not be.
    let last = taps.firsts.iter().copied().max().unwrap_or(0) as usize;
    assert!(last + 1 < line.len(), "column {last} of a line of {}", line.len());
    for start in blocks(out.len(), COLUMNS) {
        let firsts: &[u32; COLUMNS] = array(&taps.firsts, start);
        let mut pairs = [0; COLUMNS];
        for (pair, first) in pairs.iter_mut().zip(firsts) {
            // SAFETY: this sample and the next are in `line`, as no first is larger than `last`;
            // any four bytes are an i32, and no alignment is asked for.
            *pair = unsafe { line.as_ptr().add(*first as usize).cast::<i32>().read_unaligned() };
        }
        let [a, b, c, d, e, f, g, h] = pairs;
        let samples = _mm256_setr_epi32(a, b, c, d, e, f, g, h);
        let weights: &[i16; 2 * COLUMNS] = array(&taps.weights, 2 * start);
        let sums = _mm256_madd_epi16(samples, load(weights));
        store_half(array_mut(out, start), rounded(sums));
    }
}

/// Eight sums of weighted samples as samples.
#[inline]
#[target_feature(enable = "avx2")]
fn rounded(sums: __m256i) -> __m128i {
    let half = _mm256_set1_epi32(1 << (HORIZONTAL_BITS - 1));
    let samples = _mm256_srai_epi32::<{ HORIZONTAL_BITS as i32 }>(_mm256_add_epi32(sums, half));
    // Samples fit 15 bits, so that nothing saturates.
    _mm_packs_epi32(_mm256_castsi256_si128(samples), _mm256_extracti128_si256::<1>(samples))
}

/// [`Isa::combine`] for at least [`PIXELS`].
#[target_feature(enable = "avx2")]
fn combine(to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
    for start in blocks(levels.len(), PIXELS) {
        let first = load::<[i16; PIXELS]>(array(components[0], start));
        let second = load::<[i16; PIXELS]>(array(components[1], start));
        let third = load::<[i16; PIXELS]>(array(components[2], start));
        // Unpacking takes the halves of each lane apart and packing joins them again: order is kept.
        let zero = _mm256_setzero_si256();
        let near = [_mm256_unpacklo_epi16(first, second), _mm256_unpacklo_epi16(third, zero)];
        let far = [_mm256_unpackhi_epi16(first, second), _mm256_unpackhi_epi16(third, zero)];
        let mut channels = [_mm_setzero_si128(); CHANNELS];
        for (index, channel) in channels.iter_mut().enumerate() {
            let (coefficients, bias) = (to_rgb.matrix[index], to_rgb.bias[index]);
            let near = channel_of(near, coefficients, bias);
            let far = channel_of(far, coefficients, bias);
            // Saturation to 16 bits and then to a byte is the clamp to 0..=255.
            let both = _mm256_packs_epi32(near, far);
            let low = _mm256_castsi256_si128(both);
            *channel = _mm_packus_epi16(low, _mm256_extracti128_si256::<1>(both));
        }
        let levels: &mut [[u8; 16]; CHANNELS] = {
            let levels: &mut [[u8; CHANNELS]; PIXELS] = array_mut(levels, start);
            array_mut(levels.as_flattened_mut().as_chunks_mut().0, 0)
        };
        for (to, orders) in levels.iter_mut().zip(&INTERLEAVE) {
            let mut bytes = _mm_setzero_si128();
            for (channel, order) in channels.iter().zip(orders) {
                let spread = _mm_shuffle_epi8(*channel, load_order(order));
                bytes = _mm_or_si128(bytes, spread);
            }
            store_bytes(to, bytes);
        }
    }
}

/// One channel of eight pixels from pairs of components, the third paired with zero.
#[inline]
#[target_feature(enable = "avx2")]
fn channel_of(pairs: [__m256i; 2], [k0, k1, k2]: [i16; 3], bias: i32) -> __m256i {
    let first_two = _mm256_set1_epi32(i32::from(k0 as u16) | i32::from(k1) << 16);
    let third = _mm256_set1_epi32(i32::from(k2 as u16));
    let products = _mm256_add_epi32(
        _mm256_madd_epi16(pairs[0], first_two),
        _mm256_madd_epi16(pairs[1], third),
    );
    let sums = _mm256_add_epi32(products, _mm256_set1_epi32(bias));
    _mm256_srai_epi32::<{ LEVEL_SHIFT as i32 }>(sums)
}

/// For each 16 of 48 interleaved bytes and each channel, which pixel's level goes there; none where
/// it is negative.
const INTERLEAVE: [[[i8; 16]; CHANNELS]; 3] = {
    let mut orders = [[[-1; 16]; CHANNELS]; 3];
    let mut byte = 0;
    while byte < 48 {
        orders[byte / 16][byte % CHANNELS][byte % 16] = (byte / CHANNELS) as i8;
        byte += 1;
    }
    orders
};

/// [`Isa::normalise`]. No multiplication is fused with the subtraction before it.
#[target_feature(enable = "avx2")]
fn normalise(values: &Normalized, levels: &[[u8; PATTERN]], elements: &mut [[f32; PATTERN]]) {
    let (means, inverses) = (values.mean.as_chunks::<8>().0, values.inverse.as_chunks::<8>().0);
    for (levels, elements) in levels.iter().zip(elements) {
        let vectors = levels.as_chunks::<8>().0.iter().zip(elements.as_chunks_mut::<8>().0);
        for ((levels, elements), (mean, inverse)) in vectors.zip(means.iter().zip(inverses)) {
            let levels = _mm_cvtsi64_si128(i64::from_le_bytes(*levels));
            let levels = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(levels));
            let centred = _mm256_sub_ps(levels, load_floats(mean));
            store_floats(elements, _mm256_mul_ps(centred, load_floats(inverse)));
        }
    }
}
