//! The loops over pixels. They compute one output row at a time, first vertically, then
//! horizontally.
//!
//! Vertical resampling comes first because it processes more data and is simpler: all bytes of a
//! row have the same weights, regardless of what they mean, and bytes that are adjacent in memory
//! are adjacent in a register. Its result is one row of sums. Horizontal resampling, which is one
//! dot product for each output column, computes one row of each component from it; these become one
//! row of red, green and blue pixel values, which become tensor elements. Only these rows are
//! stored.
//!
//! The frame is read as it is stored, whatever its orientation is. Reversed columns are a reversed
//! order of the dot products, and reversed rows a reversed order of the rows of the tensor. If the
//! orientation transposes, each row of pixel values becomes a column of the upright picture, which
//! is as small as the tensor; its rows become tensor elements at the end.
//!
//! The loops that take most of the time are methods of the trait `Isa`. `portable` implements them
//! in safe Rust for every CPU, and defines the results to the bit; `x86` implements them with
//! intrinsics for AVX2 and AVX-512. The code around them, in `fill` and `elements`, is compiled
//! once for each instruction set, and [`Kernels`] selects one at run time. On aarch64, NEON is part
//! of the baseline, and LLVM vectorizes the portable loops with the instructions of a hand-written
//! version (`umlal`, `smlal`, `st3`).

mod elements;
mod fill;
mod isa;
mod portable;
mod prefetch;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::fmt;

use super::plan::Plan;
use crate::frame::FrameView;
use elements::WriteElements;
pub(super) use fill::Scratch;
use portable::Portable;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// An instruction set of this machine that the kernels are compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supported {
    /// The instructions that every CPU of the target has.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl fmt::Debug for Supported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "Baseline",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "Avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "Avx512",
        })
    }
}

/// The kernels for an instruction set of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Supported);

impl Kernels {
    /// Returns all kernels that this machine can run, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [Avx512::new().map(Supported::Avx512), Avx2::new().map(Supported::Avx2)];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Supported>; 0] = [];
        vectors.into_iter().flatten().map(Self).chain([Self::baseline()])
    }

    /// Returns the kernels that every machine of the target can run.
    pub fn baseline() -> Self {
        Self(Supported::Baseline)
    }

    /// Returns the fastest kernels that this machine can run.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::baseline())
    }

    /// Writes all elements of `tensor`, which has the size of `plan`: the picture at its place,
    /// black around it.
    pub(super) fn fill<T: Copy>(
        self,
        plan: &Plan,
        frame: &FrameView<'_>,
        scratch: &mut Scratch,
        maps: &[impl WriteElements<T>],
        tensor: &mut [T],
    ) {
        match self.0 {
            Supported::Baseline => fill::fill(Portable, plan, frame, scratch, maps, tensor),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: A value of `Avx2` exists only if the CPU has AVX2.
            Supported::Avx2(isa) => unsafe { fill_avx2(isa, plan, frame, scratch, maps, tensor) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: A value of `Avx512` exists only if the CPU has AVX2, AVX-512F and AVX-512BW.
            Supported::Avx512(isa) => unsafe {
                fill_avx512(isa, plan, frame, scratch, maps, tensor)
            },
        }
    }
}

/// Runs [`fill::fill`], compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fill_avx2<T: Copy>(
    isa: Avx2,
    plan: &Plan,
    frame: &FrameView<'_>,
    scratch: &mut Scratch,
    maps: &[impl WriteElements<T>],
    tensor: &mut [T],
) {
    fill::fill(isa, plan, frame, scratch, maps, tensor);
}

/// Runs [`fill::fill`], compiled for AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn fill_avx512<T: Copy>(
    isa: Avx512,
    plan: &Plan,
    frame: &FrameView<'_>,
    scratch: &mut Scratch,
    maps: &[impl WriteElements<T>],
    tensor: &mut [T],
) {
    fill::fill(isa, plan, frame, scratch, maps, tensor);
}

#[cfg(test)]
mod tests {
    use super::fill::horizontal;
    use super::isa::Isa;
    use super::*;
    use crate::frame::Plane;
    use crate::preprocess::fixed_point::{COMPONENT_BITS, HORIZONTAL_BITS};
    use crate::preprocess::geometry::Axis;
    use crate::preprocess::taps::{HorizontalTaps, RowPair};

    /// Runs `test` once for each instruction set of this machine.
    macro_rules! for_each_isa {
        ($test:ident) => {
            for kernels in Kernels::available() {
                match kernels.0 {
                    Supported::Baseline => $test(Portable),
                    #[cfg(target_arch = "x86_64")]
                    Supported::Avx2(isa) => $test(isa),
                    #[cfg(target_arch = "x86_64")]
                    Supported::Avx512(isa) => $test(isa),
                }
            }
        };
    }

    #[test]
    fn debug_output_names_the_instruction_set() {
        let names: Vec<String> =
            Kernels::available().map(|kernels| format!("{kernels:?}")).collect();
        let all = ["Kernels(Avx512)", "Kernels(Avx2)", "Kernels(Baseline)"];
        assert!(all.map(String::from).ends_with(&names), "{names:?}");
    }

    #[test]
    fn vertical_resampling_covers_every_byte() {
        fn test<I: Isa>(isa: I) {
            let data: Vec<u8> = (0..3 * 500).map(|index| (index * 7 % 251) as u8).collect();
            let source = Plane { data: &data, stride: 500 };
            let taps = [
                RowPair { rows: [0, 2], weights: [50, 200] },
                RowPair { rows: [1, 1], weights: [6, 0] },
            ];
            for len in [1, 2, 63, 64, 65, 127, 128, 129, 256, 383] {
                let mut sums = vec![-1; len];
                isa.vertical::<false>(source, 5, &taps, &[], [&mut sums, &mut []]);
                for (column, sum) in sums.into_iter().enumerate() {
                    let row = |row: usize| i32::from(data[row * 500 + 5 + column]);
                    let want = (row(0) * 50 + row(2) * 200 + row(1) * 6) / 2;
                    assert_eq!(i32::from(sum), want, "{column} of {len}");
                }
                if len % 2 == 0 {
                    let mut whole = vec![-1; len];
                    isa.vertical::<false>(source, 5, &taps, &[], [&mut whole, &mut []]);
                    let (mut even, mut odd) = (vec![-1; len / 2], vec![-1; len / 2]);
                    isa.vertical::<true>(source, 5, &taps, &[], [&mut even, &mut odd]);
                    let alternating: Vec<i16> =
                        even.into_iter().zip(odd).flat_map(|(even, odd)| [even, odd]).collect();
                    assert_eq!(alternating, whole, "{len}");
                }
            }
        }
        for_each_isa!(test);
    }

    #[test]
    fn black_and_white_stay_exact() {
        fn test<I: Isa>(isa: I) {
            for level in [0_u8, 255] {
                let want = i16::from(level) << COMPONENT_BITS;
                let data = [level; 256];
                for weights in [[1, 255], [128, 128], [255, 1]] {
                    let taps = [RowPair { rows: [0, 1], weights }];
                    let source = Plane { data: &data, stride: 128 };
                    let mut sums = [0; 128];
                    isa.vertical::<false>(source, 0, &taps, &[], [&mut sums, &mut []]);
                    assert_eq!(sums, [want; 128]);
                }
                for antialias in [true, false] {
                    let axis = Axis { from: 0.0, to: 32.0, start: 0, len: 19, reversed: false };
                    let mut out = [0; 19];
                    let taps = HorizontalTaps::new(axis, 32, antialias);
                    let mut line = vec![want; 32];
                    line.resize(32 + taps.width, 0);
                    horizontal(isa, &line, &taps, &mut out);
                    assert_eq!(out, [want; 19]);
                }
            }
        }
        for_each_isa!(test);
    }

    #[test]
    fn every_number_of_taps_computes_the_weighted_sum() {
        fn test<I: Isa>(isa: I) {
            for (samples, len) in (1..300).flat_map(|samples| [2, 9].map(|len| (samples, len))) {
                for antialias in [true, false] {
                    let axis =
                        Axis { from: 0.0, to: f64::from(samples), start: 0, len, reversed: false };
                    let taps = HorizontalTaps::new(axis, samples as usize, antialias);
                    let mut line: Vec<i16> =
                        (0..samples).map(|index| (index * 997 % 32_640) as i16).collect();
                    line.resize(samples as usize + taps.width, i16::MAX);
                    let mut out = vec![0; len];
                    horizontal(isa, &line, &taps, &mut out);
                    let columns = taps.firsts.iter().zip(taps.weights.chunks_exact(taps.width));
                    for (out, (first, weights)) in out.into_iter().zip(columns) {
                        let products = line[*first as usize..].iter().zip(weights);
                        let sum: f64 = products.map(|(s, w)| f64::from(*s) * f64::from(*w)).sum();
                        let want = (sum / f64::from(1 << HORIZONTAL_BITS) + 0.5).floor();
                        assert_eq!(f64::from(out), want, "{samples} samples to {len}");
                    }
                }
            }
        }
        for_each_isa!(test);
    }
}
