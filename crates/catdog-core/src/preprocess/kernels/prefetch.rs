//! Prefetching of source rows.

use crate::frame::Plane;

/// Size of a cache line in bytes.
const CACHE_LINE: usize = 64;

/// Prefetches `len` bytes of each of `rows`, from byte `first` on.
///
/// With antialiasing, the rows of an output row are about fifteen streams, more than the hardware
/// prefetcher follows; without antialiasing, most rows between them are skipped. With frames that
/// are not in any cache, prefetching reduces the time for 1080p I420 to 150x150 from 0.5 to 0.18 ms
/// with antialiasing, and from 0.24 to 0.10 ms without.
#[inline(always)]
pub(super) fn prefetch(source: Plane<'_>, rows: &[u32], first: usize, len: usize) {
    for row in rows {
        let start = address(source, *row, first);
        for line in (0..len).step_by(CACHE_LINE) {
            prefetch_line(start.wrapping_add(line));
        }
    }
}

/// Returns the address of byte `first` of `row`, without a check that the plane contains it.
#[inline(always)]
pub(super) fn address(source: Plane<'_>, row: u32, first: usize) -> *const u8 {
    source.data.as_ptr().wrapping_add(row as usize * source.stride + first)
}

/// Prefetches the cache line that contains `address`.
#[inline(always)]
pub(super) fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: A prefetch is a hint that cannot fault, for any address. The instruction is part
        // of SSE, which every x86-64 CPU has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
