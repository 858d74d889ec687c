//! Memory that a runtime accesses through a pointer.

use std::ptr::{self, NonNull};

/// A fixed number of bytes, aligned and padded as LiteRT requires.
///
/// They start at a multiple of 64 (`LITERT_HOST_MEMORY_BUFFER_ALIGNMENT` of
/// `litert_tensor_buffer_types.h`). At least one cache line of padding follows them, because
/// XNNPACK's kernels may read up to 16 bytes (`XNN_EXTRA_BYTES`) past the end of an input.
///
/// The memory is held as a raw pointer, not as a `Vec`: LiteRT keeps a pointer to it while the
/// owner moves, which the aliasing rules of `Box` and `Vec` forbid.
pub(super) struct AlignedBytes {
    lines: NonNull<CacheLine>,
    /// Number of cache lines, padding included.
    line_count: usize,
    /// Number of bytes, padding not included.
    len: usize,
}

#[repr(C, align(64))]
#[derive(Clone)]
struct CacheLine([u8; 64]);

// SAFETY: `AlignedBytes` owns plain bytes, and freeing them does not depend on the thread.
unsafe impl Send for AlignedBytes {}
// SAFETY: through `&AlignedBytes`, this type only reads the bytes.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// Returns `len` zero bytes.
    pub(super) fn zeroed(len: usize) -> Self {
        let line_count = len.div_ceil(size_of::<CacheLine>()) + 1;
        let lines = Box::leak(vec![CacheLine([0; 64]); line_count].into_boxed_slice());
        // The pointer comes from the whole slice, not from its first line, so it may access all
        // lines.
        Self { lines: NonNull::from(lines).cast(), line_count, len }
    }

    /// Returns a copy of `bytes`.
    pub(super) fn copy_of(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.as_mut_slice().copy_from_slice(bytes);
        copy
    }

    /// Returns the number of bytes, padding not included.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns a pointer to the first byte.
    pub(super) fn as_ptr(&self) -> *const u8 {
        self.lines.as_ptr().cast()
    }

    /// Returns a pointer to the first byte, for writing.
    pub(super) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.lines.as_ptr().cast()
    }

    /// Returns the bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        // SAFETY: `zeroed` allocated and initialized at least `len` bytes. The borrow of `self`
        // excludes writes through `as_mut_ptr` and `as_mut_slice`.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len) }
    }

    /// Returns the bytes for writing.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: `zeroed` allocated and initialized at least `len` bytes. The exclusive borrow of
        // `self` excludes every other access through this type.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.len) }
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        let lines = ptr::slice_from_raw_parts_mut(self.lines.as_ptr(), self.line_count);
        // SAFETY: `zeroed` leaked a boxed slice of `line_count` lines at this address, and only
        // `drop` takes it back.
        drop(unsafe { Box::from_raw(lines) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_and_padded() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let bytes = AlignedBytes::zeroed(len);
            assert_eq!(bytes.as_ptr() as usize % 64, 0);
            assert_eq!(bytes.as_slice(), vec![0; len]);
            assert!(bytes.line_count * 64 >= len + 16);
        }
    }

    #[test]
    fn a_copy_holds_the_same_bytes() {
        let bytes: Vec<u8> = (0..200).collect();
        assert_eq!(AlignedBytes::copy_of(&bytes).as_slice(), bytes);
        assert_eq!(AlignedBytes::copy_of(&bytes).len(), 200);
    }
}
