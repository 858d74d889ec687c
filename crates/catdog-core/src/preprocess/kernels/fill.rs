//! The code around the loops of an instruction set: from a frame to all elements of a tensor.
//!
//! It is compiled once for each instruction set, as part of a function that enables it. So every
//! function here is `#[inline(always)]`: a function that is not inlined is compiled for the
//! baseline.

use std::ops::Range;

use super::elements::WriteElements;
use super::isa::Isa;
use crate::frame::{FrameView, Plane};
use crate::preprocess::color::ToRgb;
use crate::preprocess::element_map::PATTERN;
use crate::preprocess::fixed_point::NEUTRAL;
use crate::preprocess::geometry::Mapping;
use crate::preprocess::passes::{Packing, Pass, UNUSED};
use crate::preprocess::plan::Plan;
use crate::preprocess::taps::{HorizontalTaps, RowPair};
use crate::preprocess::target::CHANNELS;

/// The intermediate results. They are allocated once, because the frame loop must not allocate. All
/// but `picture` are of one output row, which does not read what another one has written.
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
    /// The pixel values of the whole upright picture, if the orientation transposes it; otherwise
    /// empty.
    picture: Vec<[u8; CHANNELS]>,
    /// The pixel values of one channel, if the channels of the tensor are not adjacent; otherwise
    /// empty.
    channel: Vec<u8>,
}

impl Scratch {
    /// Allocates rows that are long enough for `plan`.
    pub fn new(plan: &Plan) -> Self {
        let line_len = plan.passes.iter().map(Pass::line_len).max().unwrap_or(0);
        let Mapping { columns, rows, transposed, .. } = plan.mapping;
        let picture = if transposed { columns.len * rows.len } else { 0 };
        let channel = if plan.target.adjacent() == 1 { columns.len.max(rows.len) } else { 0 };
        Self {
            sums: vec![0; line_len],
            lines: std::array::from_fn(|_| vec![0; line_len]),
            // No pass writes the chroma of Gray8, or of any format for a gray tensor, so it stays
            // neutral.
            components: std::array::from_fn(|_| vec![NEUTRAL; columns.len]),
            levels: vec![[0; CHANNELS]; columns.len],
            picture: vec![[0; CHANNELS]; picture],
            channel: vec![0; channel],
        }
    }
}

/// Writes all elements of `tensor`: the picture at its place, black around it. There is one of
/// `maps` for each plane of the tensor.
#[inline(always)]
pub(super) fn fill<I: Isa, T: Copy>(
    isa: I,
    plan: &Plan,
    frame: &FrameView<'_>,
    scratch: &mut Scratch,
    maps: &[impl WriteElements<T>],
    tensor: &mut [T],
) {
    let mut writer = RowWriter::new(plan, maps, tensor);
    writer.paint_bars(isa);
    let Mapping { rows, transposed, .. } = &plan.mapping;
    for row in 0..rows.len {
        compute_levels(isa, frame, &plan.passes, &plan.to_rgb, row, scratch);
        let Scratch { levels, picture, channel, .. } = &mut *scratch;
        let place = rows.place(row);
        if *transposed {
            put_column(picture, (place, rows.len), levels);
        } else {
            writer.write(isa, place, levels, channel);
        }
    }
    if *transposed {
        writer.write_all(isa, &scratch.picture, &mut scratch.channel);
    }
}

/// Writes `levels` to column `x` of `picture`, which is `width` pixels wide.
#[inline(always)]
fn put_column(
    picture: &mut [[u8; CHANNELS]],
    (x, width): (usize, usize),
    levels: &[[u8; CHANNELS]],
) {
    for (row, level) in picture.chunks_exact_mut(width).zip(levels) {
        row[x] = *level;
    }
}

/// Writes pixel values to the rows of a tensor.
struct RowWriter<'a, T, M> {
    maps: &'a [M],
    tensor: &'a mut [T],
    /// Number of adjacent elements of a pixel.
    adjacent: usize,
    /// Number of elements of a row of a plane.
    row_len: usize,
    /// Number of elements of a plane.
    plane_len: usize,
    /// The columns of the tensor that show the picture.
    columns: Range<usize>,
    /// The rows of the tensor that show the picture.
    rows: Range<usize>,
}

impl<'a, T: Copy, M: WriteElements<T>> RowWriter<'a, T, M> {
    #[inline(always)]
    fn new(plan: &Plan, maps: &'a [M], tensor: &'a mut [T]) -> Self {
        let adjacent = plan.target.adjacent();
        let row_len = plan.target.width * adjacent;
        let plane_len = plan.target.height * row_len;
        let [columns, rows] = plan.mapping.shown();
        Self { maps, tensor, adjacent, row_len, plane_len, columns, rows }
    }

    /// Writes the elements of black to all rows above and below the picture.
    // This and `write_all` are not inlined, because they make the usual case take 1 to 2 % more
    // instructions. They run once for each frame, and the loops of `isa` have its instruction set.
    #[inline(never)]
    fn paint_bars<I: Isa>(&mut self, isa: I) {
        for (plane, map) in self.tensor.chunks_exact_mut(self.plane_len).zip(self.maps) {
            paint_black(isa, &mut plane[..self.rows.start * self.row_len], map);
            paint_black(isa, &mut plane[self.rows.end * self.row_len..], map);
        }
    }

    /// Writes all rows of `picture`. It is as small as the tensor, so it is still in the cache.
    #[inline(never)]
    fn write_all<I: Isa>(&mut self, isa: I, picture: &[[u8; CHANNELS]], channel: &mut [u8]) {
        for (y, levels) in picture.chunks_exact(self.columns.len()).enumerate() {
            self.write(isa, y, levels, channel);
        }
    }

    /// Writes row `y` of the picture, whose pixel values are `levels`, and black next to it.
    /// `channel` is as long as `levels`, or longer; only pixels without adjacent channels need it.
    #[inline(always)]
    fn write<I: Isa>(&mut self, isa: I, y: usize, levels: &[[u8; CHANNELS]], channel: &mut [u8]) {
        let start = (self.rows.start + y) * self.row_len;
        let left = self.columns.start * self.adjacent;
        let len = self.columns.len() * self.adjacent;
        for (index, map) in self.maps.iter().enumerate() {
            let row = &mut self.tensor[index * self.plane_len + start..][..self.row_len];
            let (before, rest) = row.split_at_mut(left);
            let (picture, after) = rest.split_at_mut(len);
            paint_black(isa, before, map);
            let levels = if self.adjacent == CHANNELS {
                levels.as_flattened()
            } else {
                let channel = &mut channel[..levels.len()];
                for (to, pixel) in channel.iter_mut().zip(levels) {
                    *to = pixel[index];
                }
                channel
            };
            map.write(isa, levels, picture);
            paint_black(isa, after, map);
        }
    }
}

/// Writes the elements of black to all of `elements`, which are whole pixels or those of a single
/// channel.
#[inline(always)]
fn paint_black<I: Isa, T: Copy>(isa: I, elements: &mut [T], map: &impl WriteElements<T>) {
    for elements in elements.chunks_mut(PATTERN) {
        map.write(isa, &[0; PATTERN][..elements.len()], elements);
    }
}

/// Computes the pixel values of output row `y`, which is a row of the stored picture.
#[inline(always)]
fn compute_levels<I: Isa>(
    isa: I,
    frame: &FrameView<'_>,
    passes: &[Pass],
    to_rgb: &ToRgb,
    y: usize,
    scratch: &mut Scratch,
) {
    let Scratch { sums, lines, components, levels, .. } = scratch;
    for pass in passes {
        let rows = SourceRows {
            plane: frame.plane(pass.plane),
            pairs: pass.vertical.pairs(y),
            upcoming: pass.vertical.upcoming(y),
        };
        if let (Packing::Interleaved, [component]) = (pass.packing, pass.order) {
            rows.resample::<I, false>(isa, pass, [sums, &mut []]);
            horizontal(isa, sums, &pass.horizontal, &mut components[*component]);
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
    let components = pass.order.len();
    match (pass.packing, components) {
        (Packing::LumaFirst, _) => {
            rows.resample::<I, true>(isa, pass, [first, sums]);
            if components == 3 {
                deinterleave(&sums[..half], [second, third]);
            }
        }
        (Packing::ChromaFirst, _) => {
            rows.resample::<I, true>(isa, pass, [sums, first]);
            if components == 3 {
                deinterleave(&sums[..half], [second, third]);
            }
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
