//! Parts of slices that have the size of a register or block.

/// Returns the starts of blocks of `block` elements that together cover `len` elements; `len` is at
/// least `block`. The last block overlaps the one before it instead of being shorter.
#[inline(always)]
pub(super) fn block_starts(len: usize, block: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(block).map(move |start| start.min(len - block))
}

/// Borrows the `N` elements from `start` on.
#[inline(always)]
pub(super) fn array<const N: usize, T>(slice: &[T], start: usize) -> &[T; N] {
    &slice[start..][..N].as_chunks().0[0]
}

/// Borrows the `N` elements from `start` on for writing.
#[inline(always)]
pub(super) fn array_mut<const N: usize, T>(slice: &mut [T], start: usize) -> &mut [T; N] {
    &mut slice[start..][..N].as_chunks_mut().0[0]
}
