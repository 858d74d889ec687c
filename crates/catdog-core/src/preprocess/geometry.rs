//! The mapping between the picture in the frame and the pixels of the tensor.
//!
//! Columns and rows are independent, so the mapping is one [`Axis`] for each. Aspect ratios are
//! display aspect ratios: an anamorphic picture of 720x576 pixels that is displayed as 16:9 is
//! treated as 16:9. The pixels of the tensor are square.

use crate::frame::Region;

/// How a picture is fitted to a tensor of another aspect ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResizeMethod {
    /// Scale the whole picture to the size of the tensor, without keeping its aspect ratio.
    Stretch,
    /// Cut out the largest centered part of the picture that has the aspect ratio of the tensor.
    Crop,
    /// Keep the whole picture and its aspect ratio, centered between black bars.
    Letterbox,
}

/// How a picture is resized to the size of the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resize {
    /// How it is fitted to the aspect ratio of the tensor.
    pub method: ResizeMethod,
    /// Whether downscaling uses all pixels. If not, it uses the two nearest in each direction
    /// (plain bilinear interpolation).
    pub antialias: bool,
}

impl From<ResizeMethod> for Resize {
    /// Returns `method` with antialiasing.
    fn from(method: ResizeMethod) -> Self {
        Self { method, antialias: true }
    }
}

/// The part of a picture that the tensor shows, and how it is resized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Framing {
    /// The rectangle of the upright frame that is the picture.
    pub region: Region,
    /// How the picture is resized.
    pub resize: Resize,
}

impl<T: Into<Resize>> From<T> for Framing {
    /// Returns the whole frame, resized as `resize` says.
    fn from(resize: T) -> Self {
        Self { region: Region::WHOLE, resize: resize.into() }
    }
}

/// The mapping along one axis: an interval of the source, and the tensor columns or rows that show
/// it.
///
/// Source coordinates are continuous, in pixels; the center of pixel `i` is at `i + 0.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    /// Start of the interval, in source pixels.
    pub from: f64,
    /// End of the interval, in source pixels.
    pub to: f64,
    /// First tensor column or row that shows the interval.
    pub start: usize,
    /// Number of tensor columns or rows that show the interval.
    pub len: usize,
}

impl Axis {
    /// Shows all `source` pixels in all `tensor` columns or rows.
    fn stretch(source: usize, tensor: usize) -> Self {
        Self { from: 0.0, to: source as f64, start: 0, len: tensor }
    }

    /// Reduces the source interval to `extent` pixels in its middle.
    fn crop(self, extent: f64) -> Self {
        let extent = extent.min(self.to);
        let from = (self.to - extent) / 2.0;
        Self { from, to: from + extent, ..self }
    }

    /// Shows the source interval in `len` columns or rows in the middle of the tensor. Halves are
    /// rounded to even, as in Pillow's `ImageOps.contain` and `ImageOps.pad` (Python's `round`).
    fn letterbox(self, len: f64) -> Self {
        let len = (len.round_ties_even() as usize).clamp(1, self.len);
        let start = ((self.len - len) as f64 / 2.0).round_ties_even() as usize;
        Self { start, len, ..self }
    }

    /// Returns the same interval in the coordinates of a plane that is subsampled by `1 << shift`.
    ///
    /// A chroma sample covers `1 << shift` pixels, so coordinates are divided by exactly that
    /// factor, even if the size of the plane was rounded up. If samples are co-sited with the first
    /// pixel of each pair, the center of that pixel (0.5, which is 0.25 after halving) is the
    /// center of the sample (0.5), so all coordinates move by 0.25.
    pub fn subsampled(self, shift: u32, cosited: bool) -> Self {
        if shift == 0 {
            return self;
        }
        let factor = f64::from(1_u32 << shift);
        let offset = if cosited { 0.5 - 0.5 / factor } else { 0.0 };
        Self { from: self.from / factor + offset, to: self.to / factor + offset, ..self }
    }
}

/// Returns the columns and the rows for a picture of `source` (width, height) pixels, which have
/// the aspect ratio `pixel_aspect_ratio`, in a tensor of `tensor` (width, height) pixels.
pub(super) fn axes(
    method: ResizeMethod,
    source: (usize, usize),
    pixel_aspect_ratio: (u32, u32),
    tensor: (usize, usize),
) -> (Axis, Axis) {
    let columns = Axis::stretch(source.0, tensor.0);
    let rows = Axis::stretch(source.1, tensor.1);
    let (tensor_width, tensor_height) = (tensor.0 as f64, tensor.1 as f64);
    let pixel = f64::from(pixel_aspect_ratio.0) / f64::from(pixel_aspect_ratio.1);
    let (width, height) = (source.0 as f64 * pixel, source.1 as f64);
    let wider = width / height > tensor_width / tensor_height;
    match method {
        ResizeMethod::Stretch => (columns, rows),
        ResizeMethod::Crop if wider => {
            (columns.crop(height * tensor_width / tensor_height / pixel), rows)
        }
        ResizeMethod::Crop => (columns, rows.crop(width * tensor_height / tensor_width)),
        ResizeMethod::Letterbox if wider => {
            (columns, rows.letterbox(height / width * tensor_width))
        }
        ResizeMethod::Letterbox => (columns.letterbox(width / height * tensor_height), rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: (u32, u32) = (1, 1);

    #[test]
    fn crop_keeps_the_middle_of_the_longer_side() {
        let (columns, rows) = axes(ResizeMethod::Crop, (1920, 1080), SQUARE, (150, 150));
        assert_eq!((columns.from, columns.to), (420.0, 1500.0));
        assert_eq!((rows.from, rows.to, rows.start, rows.len), (0.0, 1080.0, 0, 150));
        let (columns, rows) = axes(ResizeMethod::Crop, (480, 640), SQUARE, (200, 100));
        assert_eq!((columns.from, columns.to), (0.0, 480.0));
        assert_eq!((rows.from, rows.to), (200.0, 440.0));
    }

    #[test]
    fn letterbox_rounds_halves_to_even() {
        // 640x361 in 100x100 is 56.4 rows. 8x5 in 100x100 is 62.5 rows, rounded to 62.
        let (_, rows) = axes(ResizeMethod::Letterbox, (640, 361), SQUARE, (100, 100));
        assert_eq!((rows.start, rows.len), (22, 56));
        let (_, rows) = axes(ResizeMethod::Letterbox, (8, 5), SQUARE, (100, 100));
        assert_eq!((rows.start, rows.len), (19, 62));
        // 61 of 64 columns leave 1.5 on the left, rounded to 2.
        let (columns, _) = axes(ResizeMethod::Letterbox, (61, 64), SQUARE, (64, 64));
        assert_eq!((columns.start, columns.len), (2, 61));
    }

    #[test]
    fn a_thin_picture_keeps_one_column() {
        let (columns, rows) = axes(ResizeMethod::Letterbox, (1, 2000), SQUARE, (64, 64));
        assert_eq!((columns.len, rows.len), (1, 64));
    }

    #[test]
    fn the_display_aspect_ratio_is_used() {
        // 720x576 with a pixel aspect ratio of 64:45 is displayed as 16:9.
        let (columns, _) = axes(ResizeMethod::Crop, (720, 576), (64, 45), (90, 90));
        assert!((columns.to - columns.from - 405.0).abs() < 1e-9);
        let (_, rows) = axes(ResizeMethod::Letterbox, (720, 576), (64, 45), (160, 160));
        assert_eq!((rows.start, rows.len), (35, 90));
    }

    #[test]
    fn chroma_coordinates_do_not_depend_on_rounded_plane_sizes() {
        let (columns, _) = axes(ResizeMethod::Stretch, (641, 361), SQUARE, (32, 32));
        let centered = columns.subsampled(1, false);
        assert_eq!((centered.from, centered.to), (0.0, 320.5));
        let cosited = columns.subsampled(1, true);
        assert_eq!((cosited.from, cosited.to), (0.25, 320.75));
        assert_eq!(columns.subsampled(0, true), columns);
    }
}
