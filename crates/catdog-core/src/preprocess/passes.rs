//! Where the components of each format lie, and the passes over planes that fetch them.
//!
//! A pass reads one plane. Its vertical half does not care what the bytes of a row mean, so packed,
//! interleaved and planar layouts share it. Only its result, one row where the plane had many, is
//! taken apart into a line for each component, and those are resampled horizontally.

use super::geometry::Axis;
use super::taps::{HorizontalTaps, VerticalTaps};
use crate::frame::{FrameSpec, PixelFormat};

/// In place of a component: the unused byte of 32-bit RGB.
pub(super) const UNUSED: usize = 3;

/// How a row is taken apart into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// A byte for each line in turn. With one line, there is nothing to take apart.
    InTurn,
    /// Luma and chroma in turn, luma first; the chroma again Cb and Cr in turn.
    LumaFirst,
    /// The same, chroma first.
    ChromaFirst,
}

/// What to read from one plane, and how to resample it.
#[derive(Debug)]
pub(super) struct Pass {
    /// Index of the plane.
    pub plane: usize,
    /// How its rows are taken apart.
    pub packing: Packing,
    /// The component (0, 1, 2: Y, Cb, Cr, or red, green, blue) in each line, or [`UNUSED`].
    pub order: &'static [usize],
    /// Where the bytes that are needed of each row start.
    pub first_byte: usize,
    /// How many they are.
    pub bytes: usize,
    /// How many rows are needed, from the first of the plane on.
    pub rows: usize,
    /// Source rows of each output row.
    pub vertical: VerticalTaps,
    /// Samples of each output column, counted from the first byte that is read.
    pub horizontal: HorizontalTaps,
    /// The same for Cb and Cr, where they share the plane with a luma of twice as many samples.
    pub chroma: Option<HorizontalTaps>,
}

impl Pass {
    /// The passes over the planes of `spec` that show columns x rows `axes`.
    pub fn all(spec: &FrameSpec, axes: (Axis, Axis), antialias: bool) -> Vec<Self> {
        let planes = 0..spec.format.n_planes();
        planes.map(|plane| Self::new(spec, plane, axes, antialias)).collect()
    }

    fn new(spec: &FrameSpec, plane: usize, (columns, rows): (Axis, Axis), antialias: bool) -> Self {
        let format = spec.format;
        let layout = format.plane_layout(plane, spec.width, spec.height);
        let (packing, order) = packing(format, plane);
        let (shift_x, shift_y) = format.chroma_shift();
        let chroma_columns = columns.subsampled(shift_x, spec.chroma_site.h_cosited);
        let chroma_rows = rows.subsampled(shift_y, spec.chroma_site.v_cosited);
        let (columns, rows) =
            if plane == 0 { (columns, rows) } else { (chroma_columns, chroma_rows) };

        let vertical = VerticalTaps::new(rows, layout.rows, antialias);
        let (mut horizontal, mut chroma, macropixel) = match packing {
            Packing::InTurn => {
                let samples = layout.row_bytes / order.len();
                (HorizontalTaps::new(columns, samples, antialias), None, order.len())
            }
            Packing::LumaFirst | Packing::ChromaFirst => {
                let samples = layout.row_bytes / 4;
                let chroma = HorizontalTaps::new(chroma_columns, samples, antialias);
                (HorizontalTaps::new(columns, spec.width, antialias), Some(chroma), 4)
            }
        };
        // Whole macropixels that hold all samples with a weight.
        let luma_each = if chroma.is_some() { 2 } else { 1 };
        let (mut first, mut end) = horizontal.samples_read();
        (first, end) = (first / luma_each, end.div_ceil(luma_each));
        if let Some(chroma) = &chroma {
            let (chroma_first, chroma_end) = chroma.samples_read();
            (first, end) = (first.min(chroma_first), end.max(chroma_end));
        }
        horizontal.rebase(first * luma_each);
        chroma.iter_mut().for_each(|chroma| chroma.rebase(first));
        let (first_byte, bytes) = (first * macropixel, (end - first) * macropixel);
        let rows = vertical.rows_read();
        Self { plane, packing, order, first_byte, bytes, rows, vertical, horizontal, chroma }
    }

    /// The horizontal taps of `component`.
    pub fn taps(&self, component: usize) -> &HorizontalTaps {
        self.chroma.as_ref().filter(|_| component != 0).unwrap_or(&self.horizontal)
    }

    /// The bytes that the plane must have when its rows are `stride` apart.
    pub fn plane_bytes(&self, stride: usize) -> usize {
        let before = stride.saturating_mul(self.rows.saturating_sub(1));
        before.saturating_add(self.first_byte + self.bytes)
    }

    /// The longest line, with the padding that the last taps run into.
    pub fn line_len(&self) -> usize {
        let chroma = self.chroma.as_ref().map_or(0, |chroma| chroma.width);
        self.bytes + self.horizontal.width.max(chroma)
    }
}

/// How the rows of plane `plane` are taken apart, and the component of each line.
const fn packing(format: PixelFormat, plane: usize) -> (Packing, &'static [usize]) {
    use PixelFormat as F;
    let order: &[usize] = match (format, plane) {
        (F::Yuy2, _) => return (Packing::LumaFirst, &[0, 1, 2]),
        (F::Uyvy, _) => return (Packing::ChromaFirst, &[0, 1, 2]),
        (F::Rgb, _) => &[0, 1, 2],
        (F::Bgr, _) => &[2, 1, 0],
        (F::Rgbx, _) => &[0, 1, 2, UNUSED],
        (F::Bgrx, _) => &[2, 1, 0, UNUSED],
        (F::Xrgb, _) => &[UNUSED, 0, 1, 2],
        (F::Xbgr, _) => &[UNUSED, 2, 1, 0],
        (_, 0) => &[0],
        (F::Nv12, _) => &[1, 2],
        (F::Nv21, _) => &[2, 1],
        (F::Yv12, 1) => &[2],
        (F::Yv12, _) | (_, 1) => &[1],
        _ => &[2],
    };
    (Packing::InTurn, order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{ResizeMethod, geometry};

    fn passes(spec: &FrameSpec, method: ResizeMethod) -> Vec<Pass> {
        let size = (spec.width, spec.height);
        Pass::all(spec, geometry::axes(method, size, spec.pixel_aspect_ratio, (32, 32)), true)
    }

    #[test]
    fn every_format_has_three_components_inside_its_rows() {
        for format in PixelFormat::ALL {
            let spec = FrameSpec::new(format, 7, 5);
            let mut found: Vec<usize> = Vec::new();
            for pass in passes(&spec, ResizeMethod::Stretch) {
                let layout = format.plane_layout(pass.plane, 7, 5);
                assert!(pass.first_byte + pass.bytes <= layout.row_bytes, "{format:?}");
                assert_eq!(pass.rows, layout.rows, "{format:?}");
                found.extend(pass.order.iter().filter(|component| **component != UNUSED));
            }
            found.sort_unstable();
            let want: &[usize] = if format == PixelFormat::Gray8 { &[0] } else { &[0, 1, 2] };
            assert_eq!(found, want, "{format:?}");
        }
    }

    #[test]
    fn a_crop_reads_its_columns_only() {
        // 64 columns shown, from 32 on; the filter reaches two more on either side.
        let spec = FrameSpec::new(PixelFormat::Yuy2, 128, 64);
        let pass = &passes(&spec, ResizeMethod::Crop)[0];
        assert_eq!((pass.first_byte, pass.bytes), (60, 136));
    }
}
