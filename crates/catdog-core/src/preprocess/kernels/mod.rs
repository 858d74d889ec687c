//! The loops over pixels: one output row at a time, first vertically, then horizontally.
//!
//! The vertical half goes first because it is the larger one and the simpler: the same few weights
//! for all bytes of a row, whatever they mean, with neighbours in memory as neighbours in a register.
//! It leaves one row of sums, from which the horizontal half, a dot product for every output column,
//! makes one row of each component; those become one row of red, green and blue levels, and these
//! the elements of the tensor. No more than these rows is ever held.
//!
//! The loops that take nearly all of the time are functions of [`Isa`]: `portable` in safe
//! Rust, which runs everywhere and says what the others must come to, bit for bit; `x86` with
//! intrinsics for AVX2 and AVX-512. What is around them is compiled once for each instruction set,
//! of which [`Kernels`] picks one at run time, hence `#[inline(always)]` on each function here: a
//! call that remains is a call of baseline code. On aarch64 NEON is the baseline, and LLVM makes of the
//! portable loops what one would write by hand (`umlal`, `smlal`, `st3`).

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::color::{NEUTRAL, Normalized, PATTERN, ToRgb, Values};
use super::passes::{Packing, Pass, UNUSED};
use super::taps::{HorizontalTaps, RowPair};
use super::{CHANNELS, Plan};
use crate::frame::{FrameView, Plane};
pub(super) use portable::Portable;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// The loops that differ from one instruction set to another, but not in what they compute.
pub(super) trait Isa {
    /// Weighted sums, in 1/128 of a level, of the rows in `taps`, from byte `first` of each row on.
    /// They go to `sums` as they come, so that the second slice is empty, or with `SPLIT` to both in
    /// turn, which have half the length each.
    ///
    /// The rows in `ahead`, which the next output row will read, are asked for meanwhile, see
    /// [`prefetch`].
    fn vertical<const SPLIT: bool>(
        source: Plane<'_>,
        first: usize,
        taps: &[RowPair],
        ahead: &[u32],
        sums: [&mut [i16]; 2],
    );

    /// One dot product of `N` samples of `line` for each output column, or of any multiple of
    /// [`HorizontalTaps::LONG`] where `N` is 0.
    fn columns<const N: usize>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]);

    /// [`columns`](Self::columns) for columns of two taps.
    fn column_pairs(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]);

    /// Red, green and blue levels in turn from rows of components.
    fn combine(to_rgb: &ToRgb, components: [&[i16]; 3], levels: &mut [[u8; CHANNELS]]);

    /// Floats of levels.
    fn normalise(values: &Normalized, levels: &[[u8; PATTERN]], elements: &mut [[f32; PATTERN]]);
}

/// The instruction sets that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supported {
    /// What every processor of the target has.
    Baseline,
    /// Constructed only after asking the processor.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Constructed only after asking the processor.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The kernels for an instruction set that this machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Supported);

impl Kernels {
    /// All that this machine can run, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = {
            let avx2 = is_x86_feature_detected!("avx2");
            let avx512 = avx2 && is_x86_feature_detected!("avx512bw");
            [avx512.then_some(Supported::Avx512), avx2.then_some(Supported::Avx2)]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Supported>; 0] = [];
        vectors.into_iter().flatten().map(Self).chain([Self::baseline()])
    }

    /// Those that every machine of the target can run.
    pub fn baseline() -> Self {
        Self(Supported::Baseline)
    }

    /// The fastest that this machine can run.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::baseline())
    }

    /// Fills `tensor` as `plan` says: the picture where it belongs, black around it.
    pub(super) fn fill<T: Copy>(
        self,
        plan: &Plan,
        frame: &FrameView<'_>,
        rows: &mut Rows,
        values: &impl Values<T>,
        tensor: &mut [T],
    ) {
        match self.0 {
            Supported::Baseline => fill::<Portable, T>(plan, frame, rows, values, tensor),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available`, which alone makes this variant, has asked for AVX2.
            Supported::Avx2 => unsafe { fill_avx2(plan, frame, rows, values, tensor) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available`, which alone makes this variant, has asked for AVX2 and AVX-512BW,
            // which implies AVX-512F.
            Supported::Avx512 => unsafe { fill_avx512(plan, frame, rows, values, tensor) },
        }
    }
}

/// The rows that one output row passes through. Planned once, because the frame loop must not
/// allocate; their content does not outlive an output row.
#[derive(Debug)]
pub(super) struct Rows {
    /// A plane's bytes after the vertical half, in 1/128 of a level.
    sums: Vec<i16>,
    /// The same taken apart; what is in the fourth is not looked at.
    lines: [Vec<i16>; 4],
    /// The components after the horizontal half.
    components: [Vec<i16>; 3],
    /// Red, green and blue levels of each pixel.
    levels: Vec<[u8; CHANNELS]>,
}

impl Rows {
    /// Rows long enough for `passes`, with `columns` output columns.
    pub fn new(passes: &[Pass], columns: usize) -> Self {
        let line_len = passes.iter().map(Pass::line_len).max().unwrap_or(0);
        Self {
            sums: vec![0; line_len],
            lines: std::array::from_fn(|_| vec![0; line_len]),
            // Chroma that no pass computes stays neutral.
            components: std::array::from_fn(|_| vec![NEUTRAL; columns]),
            levels: vec![[0; CHANNELS]; columns],
        }
    }
}

/// [`fill`], compiled for AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fill_avx2<T: Copy>(
    plan: &Plan,
    frame: &FrameView<'_>,
    rows: &mut Rows,
    values: &impl Values<T>,
    tensor: &mut [T],
) {
    fill::<Avx2, T>(plan, frame, rows, values, tensor);
}

/// [`fill`], compiled for AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw")]
fn fill_avx512<T: Copy>(
    plan: &Plan,
    frame: &FrameView<'_>,
    rows: &mut Rows,
    values: &impl Values<T>,
    tensor: &mut [T],
) {
    fill::<Avx512, T>(plan, frame, rows, values, tensor);
}

/// See [`Kernels::fill`].
#[inline(always)]
fn fill<I: Isa, T: Copy>(
    plan: &Plan,
    frame: &FrameView<'_>,
    rows: &mut Rows,
    values: &impl Values<T>,
    tensor: &mut [T],
) {
    let (left, len) = (plan.columns.start * CHANNELS, plan.columns.len * CHANNELS);
    for (y, row) in tensor.chunks_exact_mut(plan.tensor.0 * CHANNELS).enumerate() {
        let inside = y.checked_sub(plan.rows.start).filter(|y| *y < plan.rows.len);
        let Some(y) = inside else {
            paint::<I, T>(row, values);
            continue;
        };
        levels::<I>(frame, &plan.passes, &plan.to_rgb, y, rows);
        let (before, rest) = row.split_at_mut(left);
        let (picture, after) = rest.split_at_mut(len);
        paint::<I, T>(before, values);
        values.of::<I>(rows.levels.as_flattened(), picture);
        paint::<I, T>(after, values);
    }
}

/// Makes `pixels` black.
#[inline(always)]
fn paint<I: Isa, T: Copy>(pixels: &mut [T], values: &impl Values<T>) {
    for pixels in pixels.chunks_mut(PATTERN) {
        values.of::<I>(&[0; PATTERN][..pixels.len()], pixels);
    }
}

/// Computes the levels of output row `y`.
#[inline(always)]
fn levels<I: Isa>(
    frame: &FrameView<'_>,
    passes: &[Pass],
    to_rgb: &ToRgb,
    y: usize,
    rows: &mut Rows,
) {
    let Rows { sums, lines, components, levels } = rows;
    for pass in passes {
        let source = frame.plane(pass.plane);
        let taps = RowTaps { of: pass.vertical.of(y), ahead: pass.vertical.ahead(y) };
        if let [component] = *pass.order {
            taps.add::<I, false>(source, pass, [sums, &mut []]);
            horizontal::<I>(sums, &pass.horizontal, &mut components[component]);
            continue;
        }
        lines_of::<I>(source, pass, taps, sums, lines);
        let wanted = pass.order.iter().zip(&*lines).filter(|(component, _)| **component != UNUSED);
        for (component, line) in wanted {
            horizontal::<I>(line, pass.taps(*component), &mut components[*component]);
        }
    }
    I::combine(to_rgb, components.each_ref().map(Vec::as_slice), levels);
}

/// Asks for `len` bytes of each of `rows`, from byte `first` on.
///
/// Antialiased they are some fifteen streams, more than the processor foresees by itself; without
/// antialiasing most rows between are left out. With frames that no cache holds, 1080p I420 to
/// 150x150 took 0.18 ms so, antialiased, and 0.10 ms without, instead of 0.5 and 0.24 ms.
#[inline(always)]
fn prefetch(source: Plane<'_>, rows: &[u32], first: usize, len: usize) {
    for row in rows {
        let start = address(source, *row, first);
        for line in (0..len).step_by(CACHE_LINE) {
            prefetch_line(start.wrapping_add(line));
        }
    }
}

/// Where byte `first` of `row` is, or would be.
#[inline(always)]
fn address(source: Plane<'_>, row: u32, first: usize) -> *const u8 {
    source.data.as_ptr().wrapping_add(row as usize * source.stride + first)
}

/// Asks for the cache line around `address`.
#[inline(always)]
fn prefetch_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing and cannot fault, whatever the address; part of SSE,
        // which every x86-64 processor has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// In bytes.
const CACHE_LINE: usize = 64;

/// The rows of an output row, and those of the next.
#[derive(Clone, Copy)]
struct RowTaps<'a> {
    of: &'a [RowPair],
    ahead: &'a [u32],
}

impl RowTaps<'_> {
    /// [`Isa::vertical`] for the bytes of `pass`, into scratch rows that are longer.
    #[inline(always)]
    fn add<I: Isa, const SPLIT: bool>(
        self,
        source: Plane<'_>,
        pass: &Pass,
        [first, second]: [&mut [i16]; 2],
    ) {
        let len = if SPLIT { pass.bytes / 2 } else { pass.bytes };
        let second_len = if SPLIT { len } else { 0 };
        let sums = [&mut first[..len], &mut second[..second_len]];
        I::vertical::<SPLIT>(source, pass.first_byte, self.of, self.ahead, sums);
    }
}

/// Makes a line of each component of a packed plane.
#[inline(always)]
fn lines_of<I: Isa>(
    source: Plane<'_>,
    pass: &Pass,
    taps: RowTaps<'_>,
    sums: &mut [i16],
    lines: &mut [Vec<i16>; 4],
) {
    let [first, second, third, fourth] = lines.each_mut().map(Vec::as_mut_slice);
    let half = pass.bytes / 2;
    match (pass.packing, pass.order.len()) {
        (Packing::LumaFirst, _) => {
            taps.add::<I, true>(source, pass, [first, sums]);
            split(&sums[..half], [second, third]);
        }
        (Packing::ChromaFirst, _) => {
            taps.add::<I, true>(source, pass, [sums, first]);
            split(&sums[..half], [second, third]);
        }
        (Packing::InTurn, 2) => taps.add::<I, true>(source, pass, [first, second]),
        (Packing::InTurn, 3) => {
            taps.add::<I, false>(source, pass, [sums, &mut []]);
            split(&sums[..pass.bytes], [first, second, third]);
        }
        (Packing::InTurn, _) => {
            let (even, odd) = sums.split_at_mut(half);
            taps.add::<I, true>(source, pass, [&mut *even, &mut *odd]);
            split(&even[..half], [first, third]);
            split(&odd[..half], [second, fourth]);
        }
    }
}

/// Deals `sums` out to `lines`, one element to each in turn.
#[inline(always)]
fn split<const N: usize>(sums: &[i16], lines: [&mut [i16]; N]) {
    let groups = sums.as_chunks::<N>().0;
    // Equal lengths that the compiler can see keep bounds checks out of the loop.
    let mut lines = lines.map(|line| &mut line[..groups.len()]);
    for (index, group) in groups.iter().enumerate() {
        for (line, sum) in lines.iter_mut().zip(group) {
            line[index] = *sum;
        }
    }
}

/// One dot product for each output column.
#[inline(always)]
fn horizontal<I: Isa>(line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    // A length known when compiling is worth a sixth of the whole run.
    match taps.width {
        2 => I::column_pairs(line, taps, out),
        8 => I::columns::<8>(line, taps, out),
        16 => I::columns::<16>(line, taps, out),
        24 => I::columns::<24>(line, taps, out),
        HorizontalTaps::LONG => I::columns::<{ HorizontalTaps::LONG }>(line, taps, out),
        _ => I::columns::<0>(line, taps, out),
    }
}

/// The number of taps that `N` stands for.
#[inline(always)]
fn taps_each<const N: usize>(taps: &HorizontalTaps) -> usize {
    if N == 0 { taps.width } else { N }
}

#[cfg(test)]
mod tests {
    use super::super::color::COMPONENT_BITS;
    use super::super::geometry::Axis;
    use super::super::taps::HORIZONTAL_BITS;
    use super::*;

    /// Runs `test` once for each instruction set of this machine.
    macro_rules! for_each_isa {
        ($test:ident) => {
            for kernels in Kernels::available() {
                match kernels.0 {
                    Supported::Baseline => $test::<Portable>(),
                    #[cfg(target_arch = "x86_64")]
                    Supported::Avx2 => $test::<Avx2>(),
                    #[cfg(target_arch = "x86_64")]
                    Supported::Avx512 => $test::<Avx512>(),
                }
            }
        };
    }

    #[test]
    fn blocks_leave_no_byte_out() {
        fn test<I: Isa>() {
            let data: Vec<u8> = (0..3 * 500).map(|index| (index * 7 % 251) as u8).collect();
            let source = Plane { data: &data, stride: 500 };
            let taps = [
                RowPair { rows: [0, 2], weights: [50, 200] },
                RowPair { rows: [1, 1], weights: [6, 0] },
            ];
            for len in [1, 2, 63, 64, 65, 127, 128, 129, 256, 383] {
                let mut sums = vec![-1; len];
                I::vertical::<false>(source, 5, &taps, &[], [&mut sums, &mut []]);
                for (column, sum) in sums.into_iter().enumerate() {
                    let row = |row: usize| i32::from(data[row * 500 + 5 + column]);
                    let want = (row(0) * 50 + row(2) * 200 + row(1) * 6) / 2;
                    assert_eq!(i32::from(sum), want, "{column} of {len}");
                }
                if len % 2 == 0 {
                    let mut whole = vec![-1; len];
                    I::vertical::<false>(source, 5, &taps, &[], [&mut whole, &mut []]);
                    let (mut even, mut odd) = (vec![-1; len / 2], vec![-1; len / 2]);
                    I::vertical::<true>(source, 5, &taps, &[], [&mut even, &mut odd]);
                    let in_turn: Vec<i16> =
                        even.into_iter().zip(odd).flat_map(|(even, odd)| [even, odd]).collect();
                    assert_eq!(in_turn, whole, "{len}");
                }
            }
        }
        for_each_isa!(test);
    }

    #[test]
    fn black_and_white_fit_every_sum() {
        fn test<I: Isa>() {
            for level in [0_u8, 255] {
                let want = i16::from(level) << COMPONENT_BITS;
                let data = [level; 256];
                for weights in [[1, 255], [128, 128], [255, 1]] {
                    let taps = [RowPair { rows: [0, 1], weights }];
                    let source = Plane { data: &data, stride: 128 };
                    let mut sums = [0; 128];
                    I::vertical::<false>(source, 0, &taps, &[], [&mut sums, &mut []]);
                    assert_eq!(sums, [want; 128]);
                }
                for antialias in [true, false] {
                    let axis = Axis { from: 0.0, to: 32.0, start: 0, len: 19 };
                    let mut out = [0; 19];
                    let taps = HorizontalTaps::new(axis, 32, antialias);
                    let mut line = vec![want; 32];
                    line.resize(32 + taps.width, 0);
                    horizontal::<I>(&line, &taps, &mut out);
                    assert_eq!(out, [want; 19]);
                }
            }
        }
        for_each_isa!(test);
    }

    #[test]
    fn every_number_of_taps_gives_the_weighted_sum() {
        fn test<I: Isa>() {
            for (samples, len) in (1..300).flat_map(|samples| [2, 9].map(|len| (samples, len))) {
                for antialias in [true, false] {
                    let axis = Axis { from: 0.0, to: f64::from(samples), start: 0, len };
                    let taps = HorizontalTaps::new(axis, samples as usize, antialias);
                    let mut line: Vec<i16> =
                        (0..samples).map(|index| (index * 997 % 32_640) as i16).collect();
                    line.resize(samples as usize + taps.width, i16::MAX);
                    let mut out = vec![0; len];
                    horizontal::<I>(&line, &taps, &mut out);
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
