//! The loops for AVX-512.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::slices::{array, array_mut};
use super::vector::Vector;
use super::vertical::{BLOCK, TO_COMPONENT, vertical, vertical_pair};
use crate::frame::Plane;
use crate::preprocess::color::ToRgb;
use crate::preprocess::element_map::{Normalizer, PATTERN};
use crate::preprocess::kernels::isa::Isa;
use crate::preprocess::kernels::portable::Portable;
use crate::preprocess::taps::{HorizontalTaps, RowPair};
use crate::preprocess::target::CHANNELS;

/// The proof that the CPU has AVX2, AVX-512F and AVX-512BW.
///
/// Only vertical resampling uses registers of 64 bytes; an output column has too few samples to
/// fill one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::preprocess::kernels) struct Avx512 {
    avx2: Avx2,
}

impl Avx512 {
    /// Returns a value if the CPU has AVX2, AVX-512F and AVX-512BW. This is the only constructor.
    pub fn new() -> Option<Self> {
        let avx2 = Avx2::new()?;
        let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        avx512.then_some(Self { avx2 })
    }
}

impl Isa for Avx512 {
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
        if let [pair] = taps {
            // SAFETY: `self` exists, so the CPU has AVX2, AVX-512F and AVX-512BW.
            return unsafe { pair_avx512::<SPLIT>(self, source, first, pair, upcoming, sums) };
        }
        // SAFETY: `self` exists, so the CPU has AVX2, AVX-512F and AVX-512BW.
        unsafe { vertical_avx512::<SPLIT>(self, source, first, taps, upcoming, sums) }
    }

    #[inline(always)]
    fn columns<const N: usize>(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        self.avx2.columns::<N>(line, taps, out);
    }

    #[inline(always)]
    fn column_pairs(self, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
        self.avx2.column_pairs(line, taps, out);
    }

    #[inline(always)]
    fn combine(self, to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]) {
        self.avx2.combine(to_rgb, components, levels);
    }

    #[inline(always)]
    fn normalize(
        self,
        normalizer: &Normalizer,
        levels: &[[u8; PATTERN]],
        elements: &mut [[f32; PATTERN]],
    ) {
        self.avx2.normalize(normalizer, levels, elements);
    }
}

/// Runs [`vertical_pair`], compiled for AVX-512.
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn pair_avx512<const SPLIT: bool>(
    avx512: Avx512,
    source: Plane<'_>,
    first: usize,
    pair: &RowPair,
    upcoming: &[u32],
    sums: [&mut [i16]; 2],
) {
    vertical_pair::<_, SPLIT>(avx512, source, first, pair, upcoming, sums);
}

/// Runs [`vertical`], compiled for AVX-512.
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn vertical_avx512<const SPLIT: bool>(
    avx512: Avx512,
    source: Plane<'_>,
    first: usize,
    taps: &[RowPair],
    upcoming: &[u32],
    sums: [&mut [i16]; 2],
) {
    const VECTORS: usize = BLOCK / Avx512::BYTES;
    vertical::<_, VECTORS, SPLIT>(avx512, source, first, taps, upcoming, sums);
}

impl Vector for Avx512 {
    type Register = __m512i;

    const BYTES: usize = 64;

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m512i {
        let bytes: &[u8; 64] = array(bytes, 0);
        // SAFETY: `self` exists, so the CPU has AVX-512F. `bytes` is a reference to 64 bytes; the
        // load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [i16], start: usize, register: __m512i) {
        let elements: &mut [i16; 32] = array_mut(to, start);
        // SAFETY: `self` exists, so the CPU has AVX-512F. `elements` is a reference to 64 bytes,
        // which may have any value; the store needs no alignment.
        unsafe { _mm512_storeu_si512(elements.as_mut_ptr().cast(), register) }
    }

    #[inline(always)]
    fn splat(self, value: i16) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512BW.
        unsafe { _mm512_set1_epi16(value) }
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512BW.
        unsafe { _mm512_add_epi16(a, b) }
    }

    #[inline(always)]
    fn to_components(self, sums: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512BW.
        unsafe { _mm512_srli_epi16::<TO_COMPONENT>(sums) }
    }

    #[inline(always)]
    fn multiply_add(self, weights: __m512i, bytes: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has AVX-512BW.
        unsafe { _mm512_maddubs_epi16(weights, bytes) }
    }

    #[inline(always)]
    fn interleave(self, a: __m512i, b: __m512i) -> [__m512i; 2] {
        // SAFETY: `self` exists, so the CPU has AVX-512BW.
        unsafe { [_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)] }
    }

    #[inline(always)]
    fn in_order(self, [near, far]: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe {
            let lower = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
            let upper = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
            [
                _mm512_permutex2var_epi64(near, lower, far),
                _mm512_permutex2var_epi64(near, upper, far),
            ]
        }
    }

    #[inline(always)]
    fn even_odd(self, [near, far]: [__m512i; 2]) -> [__m512i; 2] {
        // Packing joins the halves of each group that `interleave` has separated. With 15 bits, no
        // element saturates.
        // SAFETY: `self` exists, so the CPU has AVX-512BW.
        unsafe {
            let low = _mm512_set1_epi32(0xffff);
            [
                _mm512_packus_epi32(_mm512_and_si512(near, low), _mm512_and_si512(far, low)),
                _mm512_packus_epi32(_mm512_srli_epi32::<16>(near), _mm512_srli_epi32::<16>(far)),
            ]
        }
    }
}
