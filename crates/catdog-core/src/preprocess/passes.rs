//! The positions of the components in the planes of each format, and the passes that read them.
//!
//! A pass reads one plane. Vertical resampling treats all bytes of a row alike, so packed,
//! interleaved and planar layouts share it. Its result is one row, which is then split into one
//! line per component; these lines are resampled horizontally.

use super::geometry::Mapping;
use super::taps::{HorizontalTaps, VerticalTaps};
use super::target::Channels;
use crate::frame::{FrameSpec, PixelFormat};

/// The value in [`Pass::order`] for the unused byte of 32-bit RGB.
pub(super) const UNUSED: usize = 3;

/// How a row is split into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Successive bytes belong to successive lines. A row with one line is not split.
    Interleaved,
    /// Luma and chroma alternate, luma first; Cb and Cr alternate in the chroma.
    LumaFirst,
    /// Luma and chroma alternate, chroma first; Cb and Cr alternate in the chroma.
    ChromaFirst,
}

/// The bytes that are read from one plane, and their resampling.
#[derive(Debug)]
pub(super) struct Pass {
    /// Index of the plane.
    pub plane: usize,
    /// How its rows are split into lines.
    pub packing: Packing,
    /// The component of each line: 0, 1, 2 for Y, Cb, Cr or red, green, blue, or [`UNUSED`]. Lines
    /// at the end whose components are not needed are left out.
    pub order: &'static [usize],
    /// First byte that is read of each row.
    pub first_byte: usize,
    /// Number of bytes that are read of each row.
    pub bytes: usize,
    /// One more than the index of the last row that is read.
    pub rows: usize,
    /// Source rows of each output row.
    pub vertical: VerticalTaps,
    /// Samples of each output column, counted from `first_byte`.
    pub horizontal: HorizontalTaps,
    /// Samples of each output column of Cb and Cr, if they share the plane with the luma, which
    /// then has twice as many samples.
    pub chroma: Option<HorizontalTaps>,
}

impl Pass {
    /// Returns the passes over the planes of frames of `spec` that a tensor of `channels` needs: a
    /// gray tensor needs no chroma.
    pub fn all(
        spec: &FrameSpec,
        mapping: &Mapping,
        antialias: bool,
        channels: Channels,
    ) -> Vec<Self> {
        let luma_only = channels == Channels::Gray && !spec.format.is_rgb();
        let planes = if luma_only { 1 } else { spec.format.n_planes() };
        (0..planes).map(|plane| Self::new(spec, plane, mapping, antialias, luma_only)).collect()
    }

    fn new(
        spec: &FrameSpec,
        plane: usize,
        &Mapping { columns, rows, .. }: &Mapping,
        antialias: bool,
        luma_only: bool,
    ) -> Self {
        let format = spec.format;
        let layout = format.plane_layout(plane, spec.width, spec.height);
        let (packing, mut order) = packing(format, plane);
        let (shift_x, shift_y) = format.chroma_shift();
        let chroma_columns = columns.subsampled(shift_x, spec.chroma_site.h_cosited);
        let chroma_rows = rows.subsampled(shift_y, spec.chroma_site.v_cosited);
        let (columns, rows) =
            if plane == 0 { (columns, rows) } else { (chroma_columns, chroma_rows) };

        let vertical = VerticalTaps::new(rows, layout.rows, antialias);
        let (samples, luma_per_macropixel, macropixel) = match packing {
            Packing::Interleaved => (layout.row_bytes / order.len(), 1, order.len()),
            Packing::LumaFirst | Packing::ChromaFirst => (spec.width, 2, 4),
        };
        let mut horizontal = HorizontalTaps::new(columns, samples, antialias);
        let mut chroma = None;
        if luma_only {
            order = &order[..1];
        } else if packing != Packing::Interleaved {
            let samples = layout.row_bytes / macropixel;
            chroma = Some(HorizontalTaps::new(chroma_columns, samples, antialias));
        }
        // Only the macropixels that contain a sample with a weight are read.
        let (mut first, mut end) = horizontal.samples_read();
        (first, end) = (first / luma_per_macropixel, end.div_ceil(luma_per_macropixel));
        if let Some(chroma) = &chroma {
            let (chroma_first, chroma_end) = chroma.samples_read();
            (first, end) = (first.min(chroma_first), end.max(chroma_end));
        }
        horizontal.rebase(first * luma_per_macropixel);
        chroma.iter_mut().for_each(|chroma| chroma.rebase(first));
        let (first_byte, bytes) = (first * macropixel, (end - first) * macropixel);
        let rows = vertical.rows_read();
        Self { plane, packing, order, first_byte, bytes, rows, vertical, horizontal, chroma }
    }

    /// Returns the horizontal taps of `component`.
    pub fn taps(&self, component: usize) -> &HorizontalTaps {
        self.chroma.as_ref().filter(|_| component != 0).unwrap_or(&self.horizontal)
    }

    /// Returns the number of bytes that a plane with a stride of `stride` bytes must have.
    pub fn plane_bytes(&self, stride: usize) -> usize {
        let before = stride.saturating_mul(self.rows.saturating_sub(1));
        before.saturating_add(self.first_byte + self.bytes)
    }

    /// Returns the length of the longest line, including the padding for the taps of the last
    /// column.
    pub fn line_len(&self) -> usize {
        let chroma = self.chroma.as_ref().map_or(0, |chroma| chroma.width);
        self.bytes + self.horizontal.width.max(chroma)
    }
}

/// Returns how the rows of plane `plane` are split into lines, and the component of each line.
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
    (Packing::Interleaved, order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Orientation, Region};
    use crate::preprocess::geometry::{Framing, ResizeMethod};

    fn passes(spec: &FrameSpec, framing: impl Into<Framing>, channels: Channels) -> Vec<Pass> {
        let mapping = Mapping::new(spec, &framing.into(), (32, 32));
        Pass::all(spec, &mapping, true, channels)
    }

    #[test]
    fn passes_read_each_component_once_and_stay_inside_the_rows() {
        for format in PixelFormat::ALL {
            let spec = FrameSpec::new(format, 7, 5);
            let mut found: Vec<usize> = Vec::new();
            for pass in passes(&spec, ResizeMethod::Stretch, Channels::Rgb) {
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
    fn a_gray_tensor_reads_no_chroma() {
        for format in PixelFormat::ALL {
            let spec = FrameSpec::new(format, 64, 64);
            let passes = passes(&spec, ResizeMethod::Stretch, Channels::Gray);
            let order: Vec<usize> = passes.iter().flat_map(|pass| pass.order).copied().collect();
            let components = order.iter().filter(|component| **component != UNUSED).count();
            assert_eq!(components, if format.is_rgb() { 3 } else { 1 }, "{format:?}");
        }
    }

    #[test]
    fn a_region_reads_only_its_rows_and_columns() {
        // In the upright frame, which is 64x128, the lower left quarter. In the stored frame, which
        // is rotated clockwise, that is the right half of the lower half.
        let orientation = Orientation::Rotate90;
        let spec = FrameSpec { orientation, ..FrameSpec::new(PixelFormat::Rgb, 128, 64) };
        let framing = Framing {
            region: Region::new(0.0, 0.5, 0.5, 0.5).unwrap(),
            resize: ResizeMethod::Stretch.into(),
        };
        let pass = &passes(&spec, framing, Channels::Rgb)[0];
        // The filter needs one more column, because it shrinks 64 columns to 32. The rows have the
        // size of the tensor already.
        assert_eq!((pass.first_byte, pass.bytes, pass.rows), (3 * 63, 3 * 65, 64));
        assert_eq!(pass.vertical.pairs(0)[0].rows, [32, 32]);
    }

    #[test]
    fn crop_reads_only_its_columns() {
        // The crop shows 64 columns from 32 on; the filter needs two more on each side.
        let spec = FrameSpec::new(PixelFormat::Yuy2, 128, 64);
        let pass = &passes(&spec, ResizeMethod::Crop, Channels::Rgb)[0];
        assert_eq!((pass.first_byte, pass.bytes), (60, 136));
    }
}
