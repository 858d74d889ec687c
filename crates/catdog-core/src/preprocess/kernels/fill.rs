//! The code around the loops of an instruction set: from a frame to all elements of a tensor.
//!
//! It is compiled once for each instruction set, as part of a function that enables it. So every
//! function here is `#[inline(always)]`: a function that is not inlined is compiled for the
//! baseline.

use super::elements::WriteElements;
use super::isa::Isa;
use crate::frame::{FrameView, Plane};
use crate::preprocess::color::ToRgb;
use crate::preprocess::element_map::PATTERN;
use crate::preprocess::fixed_point::NEUTRAL;
use crate::preprocess::passes::{Packing, Pass, UNUSED};
use crate::preprocess::plan::Plan;
use crate::preprocess::taps::{HorizontalTaps, RowPair};
use crate::preprocess::target::CHANNELS;

/// The intermediate rows of one output row. They are allocated once, because the frame loop must
/// not allocate. No output row reads what another one has written.
#[derive(Debug)]
pub(in crate::preprocess) struct Scratch {
    /// The bytes of a plane after vertical resampling, in multiples of 1/128.
    sums: Vec<i16>,
    /// `sums`, split by component; the fourth line takes the unused bytes of 32-bit RGB.
    lines: [Vec<i16>; 4],
    /// The components after horizontal resampling.
    components: [Vec<i16>; 3],
    /// The red, green and blue pixel values of each pixel.
    levels: Vec<[u8; CHANNELS]>,
}

impl Scratch {
    /// Allocates rows that are long enough for `passes` and for `columns` output columns.
    pub fn new(passes: &[Pass], columns: usize) -> Self {
        let line_len = passes.iter().map(Pass::line_len).max().unwrap_or(0);
        Self {
            sums: vec![0; line_len],
            lines: std::array::from_fn(|_| vec![0; line_len]),
            // No pass writes the chroma of Gray8, so it stays neutral.
            components: std::array::from_fn(|_| vec![NEUTRAL; columns]),
            levels: vec![[0; CHANNELS]; columns],
        }
    }
}

/// Writes all elements of `tensor`: the picture at its place, black around it.
#[inline(always)]
pub(super) fn fill<I: Isa, T: Copy>(
    isa: I,
    plan: &Plan,
    frame: &FrameView<'_>,
    scratch: &mut Scratch,
    map: &impl WriteElements<T>,
    tensor: &mut [T],
) {
    let (left, len) = (plan.columns.start * CHANNELS, plan.columns.len * CHANNELS);
    for (y, row) in tensor.chunks_exact_mut(plan.tensor.0 * CHANNELS).enumerate() {
        let inside = y.checked_sub(plan.rows.start).filter(|y| *y < plan.rows.len);
        let Some(y) = inside else {
            paint_black(isa, row, map);
            continue;
        };
        compute_levels(isa, frame, &plan.passes, &plan.to_rgb, y, scratch);
        let (before, rest) = row.split_at_mut(left);
        let (picture, after) = rest.split_at_mut(len);
        paint_black(isa, before, map);
        map.write(isa, scratch.levels.as_flattened(), picture);
        paint_black(isa, after, map);
    }
}

/// Writes the elements of black to all of `elements`, which are whole pixels.
#[inline(always)]
fn paint_black<I: Isa, T: Copy>(isa: I, elements: &mut [T], map: &impl WriteElements<T>) {
    for elements in elements.chunks_mut(PATTERN) {
        map.write(isa, &[0; PATTERN][..elements.len()], elements);
    }
}

/// Computes the pixel values of row `y` of the picture.
#[inline(always)]
fn compute_levels<I: Isa>(
    isa: I,
    frame: &FrameView<'_>,
    passes: &[Pass],
    to_rgb: &ToRgb,
    y: usize,
    scratch: &mut Scratch,
) {
    let Scratch { sums, lines, components, levels } = scratch;
    for pass in passes {
        let rows = SourceRows {
            plane: frame.plane(pass.plane),
            pairs: pass.vertical.pairs(y),
            upcoming: pass.vertical.upcoming(y),
        };
        if let [component] = *pass.order {
            rows.resample::<I, false>(isa, pass, [sums, &mut []]);
            horizontal(isa, sums, &pass.horizontal, &mut components[component]);
            continue;
        }
        compute_lines(isa, pass, rows, sums, lines);
        let used = pass.order.iter().zip(&*lines).filter(|(component, _)| **component != UNUSED);
        for (component, line) in used {
            horizontal(isa, line, pass.taps(*component), &mut components[*component]);
        }
    }
    isa.combine(to_rgb, components.each_ref().map(Vec::as_slice), levels);
}

/// The source rows of one output row.
#[derive(Clone, Copy)]
struct SourceRows<'a> {
    plane: Plane<'a>,
    pairs: &'a [RowPair],
    /// The rows that the next output row reads, for prefetching.
    upcoming: &'a [u32],
}

impl SourceRows<'_> {
    /// Resamples the bytes of `pass` with [`Isa::vertical`]. Only the start of each of the two
    /// scratch rows is written.
    #[inline(always)]
    fn resample<I: Isa, const SPLIT: bool>(
        self,
        isa: I,
        pass: &Pass,
        [first, second]: [&mut [i16]; 2],
    ) {
        let len = if SPLIT { pass.bytes / 2 } else { pass.bytes };
        let second_len = if SPLIT { len } else { 0 };
        let sums = [&mut first[..len], &mut second[..second_len]];
        isa.vertical::<SPLIT>(self.plane, pass.first_byte, self.pairs, self.upcoming, sums);
    }
}

/// Computes one line for each component of a packed plane.
#[inline(always)]
fn compute_lines<I: Isa>(
    isa: I,
    pass: &Pass,
    rows: SourceRows<'_>,
    sums: &mut [i16],
    lines: &mut [Vec<i16>; 4],
) {
    let [first, second, third, fourth] = lines.each_mut().map(Vec::as_mut_slice);
    let half = pass.bytes / 2;
    match (pass.packing, pass.order.len()) {
        (Packing::LumaFirst, _) => {
            rows.resample::<I, true>(isa, pass, [first, sums]);
            deinterleave(&sums[..half], [second, third]);
        }
        (Packing::ChromaFirst, _) => {
            rows.resample::<I, true>(isa, pass, [sums, first]);
            deinterleave(&sums[..half], [second, third]);
        }
        (Packing::Interleaved, 2) => rows.resample::<I, true>(isa, pass, [first, second]),
        (Packing::Interleaved, 3) => {
            rows.resample::<I, false>(isa, pass, [sums, &mut []]);
            deinterleave(&sums[..pass.bytes], [first, second, third]);
        }
        (Packing::Interleaved, _) => {
            let (even, odd) = sums.split_at_mut(half);
            rows.resample::<I, true>(isa, pass, [&mut *even, &mut *odd]);
            deinterleave(&even[..half], [first, third]);
            deinterleave(&odd[..half], [second, fourth]);
        }
    }
}

/// Writes the elements of `sums` to the `N` lines alternately.
#[inline(always)]
fn deinterleave<const N: usize>(sums: &[i16], lines: [&mut [i16]; N]) {
    let groups = sums.as_chunks::<N>().0;
    // Slices of the same length need no bounds checks in the loop.
    let mut lines = lines.map(|line| &mut line[..groups.len()]);
    for (index, group) in groups.iter().enumerate() {
        for (line, sum) in lines.iter_mut().zip(group) {
            line[index] = *sum;
        }
    }
}

/// Computes one dot product for each output column.
#[inline(always)]
pub(super) fn horizontal<I: Isa>(isa: I, line: &[i16], taps: &HorizontalTaps, out: &mut [i16]) {
    // A constant number of taps saves a sixth of the time of a frame.
    match taps.width {
        2 => isa.column_pairs(line, taps, out),
        8 => isa.columns::<8>(line, taps, out),
        16 => isa.columns::<16>(line, taps, out),
        24 => isa.columns::<24>(line, taps, out),
        HorizontalTaps::LONG => isa.columns::<{ HorizontalTaps::LONG }>(line, taps, out),
        _ => isa.columns::<0>(line, taps, out),
    }
}
