//! Where the components of each format lie, and the passes over planes that fetch them.
//!
//! A pass reads one plane. Its vertical half does not care what the bytes of a row mean, so packed,
//! interleaved and planar layouts share it; only then are the components told apart, by the byte
//! where the first one lies and the step to the next, and resampled horizontally.

use super::geometry::Axis;
use super::taps::{HorizontalTaps, VerticalTaps};
use crate::frame::{FrameSpec, PixelFormat};

/// Every `step`th byte from `offset` on is a sample of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    /// 0, 1, 2: Y, Cb, Cr, or red, green, blue.
    pub index: usize,
    /// Byte of the first sample in a row.
    pub offset: usize,
    /// Bytes from one sample to the next: 1, 2, 3 or 4.
    pub step: usize,
}

/// What to read from one plane, and how to resample it.
#[derive(Debug)]
pub(super) struct Pass {
    /// Index of the plane.
    pub plane: usize,
    /// Where the bytes that are needed of each row start.
    pub first_byte: usize,
    /// How many they are.
    pub bytes: usize,
    /// How many rows are needed, from the first of the plane on.
    pub rows: usize,
    /// Source rows of each output row.
    pub vertical: VerticalTaps,
    /// Samples of each output column, for each set of components that share them.
    pub groups: Vec<Group>,
}

/// Components of a plane with the same sampling.
#[derive(Debug)]
pub(super) struct Group {
    /// The components, all with the same step.
    pub components: Vec<Component>,
    /// Samples of each output column, counted from the pass's first byte on.
    pub horizontal: HorizontalTaps,
}

impl Pass {
    /// The passes over the planes of `spec` that show `columns` x `rows`.
    pub fn all(spec: &FrameSpec, columns: Axis, rows: Axis) -> Vec<Self> {
        (0..spec.format.n_planes()).map(|plane| Self::new(spec, plane, columns, rows)).collect()
    }

    fn new(spec: &FrameSpec, plane: usize, columns: Axis, rows: Axis) -> Self {
        let format = spec.format;
        let (luma, chroma): (Vec<_>, Vec<_>) =
            components(format, plane).partition(|it| it.index == 0 || format.is_rgb());
        let (shift_x, shift_y) = format.chroma_shift();
        // Subsampled rows are in planes of their own: a packed 4:2:2 plane has all rows.
        let shift_y = if luma.is_empty() { shift_y } else { 0 };
        let rows = rows.subsampled(shift_y, spec.chroma_site.v_cosited);
        let size = format.plane_layout(plane, spec.width, spec.height);
        let vertical = VerticalTaps::new(rows, size.rows);

        let chroma_columns = columns.subsampled(shift_x, spec.chroma_site.h_cosited);
        let mut groups: Vec<Group> = [(luma, columns, 0), (chroma, chroma_columns, shift_x)]
            .into_iter()
            .filter(|(components, ..)| !components.is_empty())
            .map(|(components, columns, shift)| Group {
                components,
                horizontal: HorizontalTaps::new(columns, spec.width.div_ceil(1 << shift)),
            })
            .collect();
        let (first_byte, end) = bytes_read(&groups);
        for group in &mut groups {
            group.horizontal.rebase(first_byte / group.step());
        }
        let (bytes, rows) = (end - first_byte, vertical.rows_read());
        Self { plane, first_byte, bytes, rows, vertical, groups }
    }

    /// The bytes that the plane must have when its rows are `stride` apart.
    pub fn plane_bytes(&self, stride: usize) -> usize {
        let before = stride.saturating_mul(self.rows.saturating_sub(1));
        before.saturating_add(self.first_byte + self.bytes)
    }

    /// Samples in a line of sums or of one component, with the padding that the taps run into.
    pub fn line_len(&self) -> usize {
        let padding = self.groups.iter().map(|group| group.horizontal.width).max();
        self.bytes + padding.unwrap_or(0)
    }
}

impl Group {
    /// The step of the components.
    pub fn step(&self) -> usize {
        self.components.first().map_or(1, |component| component.step)
    }
}

/// The part of a row that holds all samples of `groups`, in whole macropixels.
fn bytes_read(groups: &[Group]) -> (usize, usize) {
    let macropixel = groups.iter().map(Group::step).max().unwrap_or(1);
    let ranges = groups.iter().map(|group| {
        let (first, end) = group.horizontal.samples_read();
        let (first, end) = (first * group.step(), end * group.step());
        (first / macropixel * macropixel, end.next_multiple_of(macropixel))
    });
    ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0))
}

/// The components in plane `plane`.
fn components(format: PixelFormat, plane: usize) -> impl Iterator<Item = Component> {
    let component = |&(index, offset, step)| Component { index, offset, step };
    layout(format, plane).iter().map(component)
}

/// The components in plane `plane`, each as index, offset and step.
const fn layout(format: PixelFormat, plane: usize) -> &'static [(usize, usize, usize)] {
    use PixelFormat as F;
    match (format, plane) {
        (F::Yuy2, 0) => &[(0, 0, 2), (1, 1, 4), (2, 3, 4)],
        (F::Uyvy, 0) => &[(0, 1, 2), (1, 0, 4), (2, 2, 4)],
        (F::Rgb, 0) => &[(0, 0, 3), (1, 1, 3), (2, 2, 3)],
        (F::Bgr, 0) => &[(0, 2, 3), (1, 1, 3), (2, 0, 3)],
        (F::Rgbx, 0) => &[(0, 0, 4), (1, 1, 4), (2, 2, 4)],
        (F::Bgrx, 0) => &[(0, 2, 4), (1, 1, 4), (2, 0, 4)],
        (F::Xrgb, 0) => &[(0, 1, 4), (1, 2, 4), (2, 3, 4)],
        (F::Xbgr, 0) => &[(0, 3, 4), (1, 2, 4), (2, 1, 4)],
        (_, 0) => &[(0, 0, 1)],
        (F::Nv12, 1) => &[(1, 0, 2), (2, 1, 2)],
        (F::Nv21, 1) => &[(1, 1, 2), (2, 0, 2)],
        (F::I420 | F::Y42b | F::Y444, 1) | (F::Yv12, 2) => &[(1, 0, 1)],
        (F::I420 | F::Y42b | F::Y444, 2) | (F::Yv12, 1) => &[(2, 0, 1)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::{ResizeMethod, geometry};

    fn passes(spec: &FrameSpec, method: ResizeMethod) -> Vec<Pass> {
        let size = (spec.width, spec.height);
        let (columns, rows) = geometry::axes(method, size, spec.pixel_aspect_ratio, (32, 32));
        Pass::all(spec, columns, rows)
    }

    #[test]
    fn every_format_has_three_components_inside_its_rows() {
        for format in PixelFormat::ALL {
            let spec = FrameSpec::new(format, 7, 5);
            let mut found = Vec::new();
            for pass in passes(&spec, ResizeMethod::Stretch) {
                let layout = format.plane_layout(pass.plane, 7, 5);
                assert!(pass.first_byte + pass.bytes <= layout.row_bytes, "{format:?}");
                assert_eq!(pass.rows, layout.rows, "{format:?}");
                let components = pass.groups.iter().flat_map(|group| &group.components);
                found.extend(components.map(|component| component.index));
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
