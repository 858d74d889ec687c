//! The loops with intrinsics of AVX2 and AVX-512.
//!
//! Memory is accessed through references to arrays of the size of a register, so the address of a
//! load or store is always valid. The source rows and the samples of columns are the exception: one
//! bounds check covers all blocks of an output row.
//!
//! The multiplications add adjacent products: `vpmaddubsw` for two source rows, `vpmaddwd` for two
//! taps of a column and for two components of a pixel. Each of them is exact here, as the comments
//! show, so the results are identical to those of `portable`.

mod avx2;
mod avx512;
mod slices;
mod vector;
mod vertical;

pub(super) use avx2::Avx2;
pub(super) use avx512::Avx512;
