//! Vertical resampling, generic over the width of a register.
//!
//! Every function here is `#[inline(always)]`, because only the calling function enables the
//! instruction set.

use super::slices::block_starts;
use super::vector::Vector;
use crate::frame::Plane;
use crate::preprocess::fixed_point::{COMPONENT_BITS, VERTICAL_BITS};
use crate::preprocess::kernels::prefetch::{address, prefetch, prefetch_line};
use crate::preprocess::taps::RowPair;

/// Number of bytes of a row that are processed at a time. Their sums take half of the registers of
/// AVX2, and the block is large enough to make the time for the addresses of the rows
/// insignificant.
pub(super) const BLOCK: usize = 128;

/// The shift from a sum of weighted bytes to a component.
pub(super) const TO_COMPONENT: u32 = VERTICAL_BITS - COMPONENT_BITS;

/// XOR with this subtracts 128 from each byte, as a signed byte.
///
/// `vpmaddubsw` multiplies unsigned with signed bytes. The weights are the unsigned ones, so 128 is
/// subtracted from the bytes of the rows. No sum of products saturates: the weights sum to 256, so
/// a sum is between 256 x -128 = -32,768 and 256 x 127.
const TO_SIGNED: i16 = i16::from_le_bytes([0x80, 0x80]);

/// XOR with this corrects a sum for [`TO_SIGNED`]: 128 less in each byte is 256 x 128 = 32,768 less
/// in the sum, which is the top bit of a 16-bit number.
const TO_UNSIGNED: i16 = i16::MIN;

/// Writes the weighted sums of at least [`BLOCK`] bytes, see
/// [`Isa::vertical`](crate::preprocess::kernels::isa::Isa::vertical). `VECTORS` is the number of
/// registers of a block.
#[inline(always)]
pub(super) fn vertical<V: Vector, const VECTORS: usize, const SPLIT: bool>(
    vector: V,
    source: Plane<'_>,
    first: usize,
    taps: &[RowPair],
    upcoming: &[u32],
    mut sums: [&mut [i16]; 2],
) {
    const { assert!(VECTORS * V::BYTES == BLOCK) };
    let len = sums[0].len() + sums[1].len();
    let blocks = SourceBlocks::new(source, first, len, taps);
    for start in block_starts(len, BLOCK) {
        prefetch(source, upcoming, first + start, BLOCK);
        let mut totals = [[vector.splat(0); 2]; VECTORS];
        for RowPair { rows: [upper, lower], weights } in taps {
            let weights = vector.splat(i16::from_le_bytes(*weights));
            // SAFETY: Both rows are in `taps`, and `block_starts` leaves `BLOCK` bytes after each
            // start.
            let [upper, lower] = unsafe { [blocks.get(*upper, start), blocks.get(*lower, start)] };
            let chunks = upper.chunks_exact(V::BYTES).zip(lower.chunks_exact(V::BYTES));
            for ([near, far], (upper, lower)) in totals.iter_mut().zip(chunks) {
                let sums = weigh(vector, upper, lower, weights);
                *near = vector.add(*near, sums[0]);
                *far = vector.add(*far, sums[1]);
            }
        }
        for (index, total) in totals.into_iter().enumerate() {
            put::<V, SPLIT>(vector, &mut sums, start + V::BYTES * index, total);
        }
    }
}

/// Does the same as [`vertical`] for a single pair of rows, with at least [`Vector::BYTES`] bytes.
///
/// A single pair, the normal case without antialiasing, needs no totals; with [`vertical`] the
/// addresses of the rows of each block would take as long as the multiplications.
#[inline(always)]
pub(super) fn vertical_pair<V: Vector, const SPLIT: bool>(
    vector: V,
    source: Plane<'_>,
    first: usize,
    pair: &RowPair,
    upcoming: &[u32],
    mut sums: [&mut [i16]; 2],
) {
    let len = sums[0].len() + sums[1].len();
    let weights = vector.splat(i16::from_le_bytes(pair.weights));
    let [upper, lower] = pair.rows.map(|row| bytes_of(source, row, first, len));
    // There are at most two upcoming rows. If there are fewer, a current row is prefetched again,
    // which has no effect.
    let mut next = [upper.as_ptr(); 2];
    for (next, row) in next.iter_mut().zip(upcoming) {
        *next = address(source, *row, first);
    }
    for start in block_starts(len, V::BYTES) {
        prefetch_line(next[0].wrapping_add(start));
        prefetch_line(next[1].wrapping_add(start));
        let (upper, lower) = (&upper[start..][..V::BYTES], &lower[start..][..V::BYTES]);
        put::<V, SPLIT>(vector, &mut sums, start, weigh(vector, upper, lower, weights));
    }
}

/// Returns the weighted sums of [`Vector::BYTES`] bytes of two rows, in the order of
/// [`Vector::interleave`] and without the correction by [`TO_UNSIGNED`].
#[inline(always)]
fn weigh<V: Vector>(
    vector: V,
    upper: &[u8],
    lower: &[u8],
    weights: V::Register,
) -> [V::Register; 2] {
    let to_signed = vector.splat(TO_SIGNED);
    let upper = vector.xor(vector.load(upper), to_signed);
    let lower = vector.xor(vector.load(lower), to_signed);
    let [near, far] = vector.interleave(upper, lower);
    [vector.multiply_add(weights, near), vector.multiply_add(weights, far)]
}

/// Converts the results of [`weigh`] to components and writes them to `sums`; `start` is the index
/// of the first one in the row.
#[inline(always)]
fn put<V: Vector, const SPLIT: bool>(
    vector: V,
    sums: &mut [&mut [i16]; 2],
    start: usize,
    [near, far]: [V::Register; 2],
) {
    let to_unsigned = vector.splat(TO_UNSIGNED);
    let near = vector.to_components(vector.xor(near, to_unsigned));
    let far = vector.to_components(vector.xor(far, to_unsigned));
    if SPLIT {
        let [even, odd] = vector.even_odd([near, far]);
        vector.store(sums[0], start / 2, even);
        vector.store(sums[1], start / 2, odd);
    } else {
        let [lower, upper] = vector.in_order([near, far]);
        vector.store(sums[0], start, lower);
        vector.store(sums[0], start + V::BYTES / 2, upper);
    }
}

/// Borrows `len` bytes of `row`, from byte `first` on.
#[inline(always)]
fn bytes_of(source: Plane<'_>, row: u32, first: usize, len: usize) -> &[u8] {
    &source.data[row as usize * source.stride + first..][..len]
}

/// The bytes of several rows, with one bounds check for all of them. A bounds check for each block
/// of each row would add a third to the time of the sums.
struct SourceBlocks<'a> {
    source: Plane<'a>,
    first: usize,
    len: usize,
    /// One more than the index of the last row.
    end: u32,
}

impl<'a> SourceBlocks<'a> {
    /// Borrows `len` bytes, from byte `first` on, of the rows in `taps`.
    ///
    /// # Panics
    ///
    /// Panics if the plane does not contain all of them, which
    /// [`Plan::check_frame`](crate::preprocess::plan::Plan::check_frame) rules out.
    fn new(source: Plane<'a>, first: usize, len: usize, taps: &[RowPair]) -> Self {
        let last = taps.iter().flat_map(|pair| pair.rows).max().unwrap_or(0);
        bytes_of(source, last, first, len);
        Self { source, first, len, end: last + 1 }
    }

    /// Borrows the block of `row` that starts at byte `start` of the borrowed bytes.
    ///
    /// # Safety
    ///
    /// `row` must be in the `taps` of [`new`](Self::new), and `start` + [`BLOCK`] at most its
    /// `len`.
    #[inline(always)]
    unsafe fn get(&self, row: u32, start: usize) -> &'a [u8; BLOCK] {
        debug_assert!(row < self.end && start + BLOCK <= self.len);
        let offset = row as usize * self.source.stride + self.first + start;
        // SAFETY: `new` has checked the bytes of the last row of `taps`. The index of `row` is not
        // larger, so the plane contains the bytes of `row` too. A `[u8; BLOCK]` has no alignment
        // and no invalid value.
        unsafe { &*self.source.data.as_ptr().add(offset).cast() }
    }
}
