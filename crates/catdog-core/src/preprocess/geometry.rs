//! The mapping between the picture in the frame and the pixels of the tensor.
//!
//! Region and resize method refer to the upright frame, as a viewer sees it. Columns and rows are
//! independent, so the mapping is one [`Axis`] for each. Aspect ratios are display aspect ratios:
//! an anamorphic picture of 720x576 pixels that is displayed as 16:9 is treated as 16:9. The pixels
//! of the tensor are square.
//!
//! The frame itself is read as it is stored. So at the end the two axes are converted to the stored
//! frame: an orientation can reverse them, and exchange them.

use std::ops::Range;

use crate::frame::{FrameSpec, Region};

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
/// it. The orientation decides whether source columns are shown by columns or by rows.
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
    /// Whether they show it from its end to its start.
    pub reversed: bool,
}

impl Axis {
    /// Shows the interval from `from` to `to`, in fractions of `source` pixels, in all `tensor`
    /// columns or rows.
    fn stretch((from, to): (f64, f64), source: usize, tensor: usize) -> Self {
        let source = source as f64;
        Self { from: from * source, to: to * source, start: 0, len: tensor, reversed: false }
    }

    /// Returns the length of the source interval.
    fn extent(&self) -> f64 {
        self.to - self.from
    }

    /// Reduces the source interval to `extent` pixels in its middle.
    fn crop(self, extent: f64) -> Self {
        let extent = extent.min(self.extent());
        let from = self.from + (self.extent() - extent) / 2.0;
        Self { from, to: from + extent, ..self }
    }

    /// Shows the source interval in `len` columns or rows in the middle of the tensor. Halves are
    /// rounded to even, as in Pillow's `ImageOps.contain` and `ImageOps.pad` (Python's `round`).
    fn letterbox(self, len: f64) -> Self {
        let len = (len.round_ties_even() as usize).clamp(1, self.len);
        let start = ((self.len - len) as f64 / 2.0).round_ties_even() as usize;
        Self { start, len, ..self }
    }

    /// Returns the same interval for a source of `source` pixels that is stored in reverse order.
    fn reverse(self, source: usize) -> Self {
        let source = source as f64;
        Self { from: source - self.to, to: source - self.from, reversed: true, ..self }
    }

    /// Returns the place of output sample `index`, which counts from the start of the interval,
    /// among the columns or rows that show the interval.
    pub fn place(&self, index: usize) -> usize {
        if self.reversed { self.len - 1 - index } else { index }
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

/// Where the columns or rows of the tensor are in the upright frame, in fractions of both.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    /// The interval of the frame that the tensor shows.
    frame: (f64, f64),
    /// The part of the tensor that shows it.
    tensor: (f64, f64),
}

impl Span {
    fn new(axis: &Axis, source: usize, tensor: usize) -> Self {
        let (source, tensor) = (source as f64, tensor as f64);
        let end = axis.start + axis.len;
        Self {
            frame: (axis.from / source, axis.to / source),
            tensor: (axis.start as f64 / tensor, end as f64 / tensor),
        }
    }

    /// Returns the place in the frame that the tensor shows at `at`. The bars around a letterboxed
    /// picture show its edge.
    fn to_frame(self, at: f64) -> f64 {
        let share = (at - self.tensor.0) / (self.tensor.1 - self.tensor.0);
        self.frame.0 + share.clamp(0.0, 1.0) * (self.frame.1 - self.frame.0)
    }
}

/// The part of the upright frame that the tensor shows: from a place in the input of the model to a
/// place in the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShownPart {
    columns: Span,
    rows: Span,
}

impl ShownPart {
    /// The whole frame, in the whole tensor.
    pub const WHOLE: Self = {
        let span = Span { frame: (0.0, 1.0), tensor: (0.0, 1.0) };
        Self { columns: span, rows: span }
    };

    /// Returns the part of the upright frame that `in_tensor` shows, which is a rectangle in
    /// fractions of the tensor; `None` if it shows only the bars around a letterboxed picture.
    pub fn to_frame(&self, in_tensor: Region) -> Option<Region> {
        let Self { columns, rows } = self;
        let (x, y) = (in_tensor.x(), in_tensor.y());
        Region::clamped(
            columns.to_frame(x),
            rows.to_frame(y),
            columns.to_frame(x + in_tensor.width()),
            rows.to_frame(y + in_tensor.height()),
        )
    }
}

/// The mapping between the stored frame and the tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mapping {
    /// The columns of the stored frame.
    pub columns: Axis,
    /// The rows of the stored frame.
    pub rows: Axis,
    /// Whether the rows of the tensor show the columns of the stored frame.
    pub transposed: bool,
    /// The part of the upright frame that the tensor shows.
    pub shown_part: ShownPart,
}

impl Mapping {
    /// Returns the mapping of frames of `spec` to a tensor of `tensor` (width, height) pixels.
    pub fn new(spec: &FrameSpec, framing: &Framing, tensor: (usize, usize)) -> Self {
        let orientation = spec.orientation;
        let transposed = orientation.transposes();
        let (mut source, mut pixel) = ((spec.width, spec.height), spec.pixel_aspect_ratio);
        if transposed {
            (source, pixel) = ((source.1, source.0), (pixel.1, pixel.0));
        }
        let (mut columns, mut rows) = upright_axes(framing, source, pixel, tensor);
        let shown_part = ShownPart {
            columns: Span::new(&columns, source.0, tensor.0),
            rows: Span::new(&rows, source.1, tensor.1),
        };
        if transposed {
            (columns, rows) = (rows, columns);
        }
        if orientation.reverses_columns() {
            columns = columns.reverse(spec.width);
        }
        if orientation.reverses_rows() {
            rows = rows.reverse(spec.height);
        }
        Self { columns, rows, transposed, shown_part }
    }

    /// Returns the columns and the rows of the tensor that show the picture.
    pub fn shown(&self) -> [Range<usize>; 2] {
        let shown = [self.columns, self.rows].map(|axis| axis.start..axis.start + axis.len);
        let [columns, rows] = shown;
        if self.transposed { [rows, columns] } else { [columns, rows] }
    }
}

/// Returns the columns and the rows for an upright frame of `source` (width, height) pixels, which
/// have the aspect ratio `pixel_aspect_ratio`, in a tensor of `tensor` (width, height) pixels.
fn upright_axes(
    Framing { region, resize }: &Framing,
    source: (usize, usize),
    pixel_aspect_ratio: (u32, u32),
    tensor: (usize, usize),
) -> (Axis, Axis) {
    let columns = Axis::stretch((region.x(), region.x() + region.width()), source.0, tensor.0);
    let rows = Axis::stretch((region.y(), region.y() + region.height()), source.1, tensor.1);
    let (tensor_width, tensor_height) = (tensor.0 as f64, tensor.1 as f64);
    let pixel = f64::from(pixel_aspect_ratio.0) / f64::from(pixel_aspect_ratio.1);
    let (width, height) = (columns.extent() * pixel, rows.extent());
    let wider = width / height > tensor_width / tensor_height;
    match resize.method {
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

    use crate::frame::{Orientation, PixelFormat};

    const SQUARE: (u32, u32) = (1, 1);

    fn axes(
        method: ResizeMethod,
        source: (usize, usize),
        pixel_aspect_ratio: (u32, u32),
        tensor: (usize, usize),
    ) -> (Axis, Axis) {
        upright_axes(&method.into(), source, pixel_aspect_ratio, tensor)
    }

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
    fn a_region_is_fitted_like_a_frame() {
        // The right half of 1920x1080 is 960x1080, and the lower half of it 960x540.
        let framing = |y, height, method: ResizeMethod| Framing {
            region: Region::new(0.5, y, 0.5, height).unwrap(),
            resize: method.into(),
        };
        let axes = |framing| upright_axes(&framing, (1920, 1080), SQUARE, (90, 90));
        let (columns, rows) = axes(framing(0.0, 1.0, ResizeMethod::Stretch));
        assert_eq!((columns.from, columns.to, rows.from, rows.to), (960.0, 1920.0, 0.0, 1080.0));
        let (columns, rows) = axes(framing(0.5, 0.5, ResizeMethod::Crop));
        assert_eq!((columns.from, columns.to, rows.from, rows.to), (1170.0, 1710.0, 540.0, 1080.0));
        let (_, rows) = axes(framing(0.5, 0.5, ResizeMethod::Letterbox));
        // 50.6 rows are rounded to 51, and the 19.5 above them to 20.
        assert_eq!((rows.start, rows.len), (20, 51));
    }

    #[test]
    fn the_mapping_is_that_of_the_upright_frame() {
        // The left third of the upright frame, and its upper half.
        let framing = Framing {
            region: Region::new(0.0, 0.0, 1.0 / 3.0, 0.5).unwrap(),
            resize: ResizeMethod::Stretch.into(),
        };
        let mapping = |orientation| {
            let spec = FrameSpec { orientation, ..FrameSpec::new(PixelFormat::Rgb, 300, 120) };
            let Mapping { columns, rows, .. } = Mapping::new(&spec, &framing, (10, 20));
            assert_eq!(
                (columns.len, rows.len),
                if orientation.transposes() { (20, 10) } else { (10, 20) }
            );
            [columns, rows].map(|axis| (axis.from, axis.to, axis.reversed))
        };
        let want = |orientation| match orientation {
            Orientation::Identity => [(0.0, 100.0, false), (0.0, 60.0, false)],
            Orientation::FlipHorizontal => [(200.0, 300.0, true), (0.0, 60.0, false)],
            Orientation::FlipVertical => [(0.0, 100.0, false), (60.0, 120.0, true)],
            Orientation::Rotate180 => [(200.0, 300.0, true), (60.0, 120.0, true)],
            Orientation::Transpose => [(0.0, 150.0, false), (0.0, 40.0, false)],
            Orientation::Rotate90 => [(0.0, 150.0, false), (80.0, 120.0, true)],
            Orientation::Rotate270 => [(150.0, 300.0, true), (0.0, 40.0, false)],
            Orientation::AntiTranspose => [(150.0, 300.0, true), (80.0, 120.0, true)],
        };
        for orientation in Orientation::ALL {
            assert_eq!(mapping(orientation), want(orientation), "{orientation:?}");
        }
    }

    /// Returns where the place `x`, `y`, `width`, `height` of a tensor of 40x40 pixels is in a frame
    /// of 80x40 pixels, of which `framing` is shown.
    fn in_frame(
        framing: impl Into<Framing>,
        orientation: Orientation,
        at: [f64; 4],
    ) -> Option<Region> {
        let spec = FrameSpec { orientation, ..FrameSpec::new(PixelFormat::Rgb, 80, 40) };
        let shown = Mapping::new(&spec, &framing.into(), (40, 40)).shown_part;
        let [x, y, width, height] = at;
        shown.to_frame(Region::new(x, y, width, height).unwrap())
    }

    #[test]
    fn a_place_of_the_tensor_is_found_in_the_upright_frame() {
        let right_half = |method: ResizeMethod| Framing {
            region: Region::new(0.5, 0.0, 0.5, 1.0).unwrap(),
            resize: method.into(),
        };
        let lower_half = |method: ResizeMethod| Framing {
            region: Region::new(0.0, 0.5, 1.0, 0.5).unwrap(),
            resize: method.into(),
        };
        use Orientation::{Identity, Rotate90, Rotate180};
        use ResizeMethod::{Crop, Letterbox, Stretch};
        let at = [0.25, 0.5, 0.25, 0.25];
        for (framing, orientation, want) in [
            (Framing::from(Stretch), Identity, [0.25, 0.5, 0.25, 0.25]),
            // Columns 20..60 of 80: x is 0.25 + 0.25 / 2.
            (Framing::from(Crop), Identity, [0.375, 0.5, 0.125, 0.25]),
            // Rows 10..30 of the tensor: y is (20 - 10) / 20, and the height 10 / 20.
            (Framing::from(Letterbox), Identity, [0.25, 0.5, 0.25, 0.5]),
            (right_half(Stretch), Identity, [0.625, 0.5, 0.125, 0.25]),
            // The lower half is 80x20, of which the columns 30..50 are cropped.
            (lower_half(Crop), Identity, [0.4375, 0.75, 0.0625, 0.125]),
            // 80x20 are the rows 15..25 of the tensor: y is 0.5 + (20 - 15) / 10 / 2.
            (lower_half(Letterbox), Identity, [0.25, 0.75, 0.25, 0.25]),
            // The upright frame is what counts, so half a turn changes nothing.
            (Framing::from(Crop), Rotate180, [0.375, 0.5, 0.125, 0.25]),
            // Upright, the frame is 40x80, of which the rows 20..60 are cropped.
            (Framing::from(Crop), Rotate90, [0.25, 0.5, 0.25, 0.125]),
            // The columns 10..30 of the tensor: x is 0, because column 10 is the first.
            (Framing::from(Letterbox), Rotate90, [0.0, 0.5, 0.5, 0.25]),
        ] {
            let [x, y, width, height] = want;
            let want = Region::new(x, y, width, height).ok();
            assert_eq!(in_frame(framing, orientation, at), want, "{framing:?} {orientation:?}");
        }
    }

    #[test]
    fn the_bars_of_a_letterboxed_picture_are_cut_off() {
        let in_frame = |at| in_frame(ResizeMethod::Letterbox, Orientation::Identity, at);
        assert_eq!(in_frame([0.0, 0.0, 1.0, 0.25]), None);
        assert_eq!(in_frame([0.0, 0.0, 0.5, 0.5]), Region::new(0.0, 0.0, 0.5, 0.5).ok());
        assert_eq!(in_frame([0.0, 0.0, 1.0, 1.0]), Some(Region::WHOLE));
    }

    #[test]
    fn a_rotated_pixel_has_the_inverse_aspect_ratio() {
        // 720x576 with 64:45, rotated, is 576x720 with 45:64 and is displayed as 9:16.
        let spec = FrameSpec {
            pixel_aspect_ratio: (64, 45),
            orientation: Orientation::Rotate90,
            ..FrameSpec::new(PixelFormat::Rgb, 720, 576)
        };
        let mapping = Mapping::new(&spec, &ResizeMethod::Letterbox.into(), (160, 160));
        assert_eq!(mapping.shown(), [35..125, 0..160]);
        let mapping = Mapping::new(&spec, &ResizeMethod::Crop.into(), (90, 90));
        assert!((mapping.columns.extent() - 405.0).abs() < 1e-9, "{mapping:?}");
        assert_eq!(mapping.rows.extent(), 576.0);
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
