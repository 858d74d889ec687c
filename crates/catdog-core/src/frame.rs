//! The input of the preprocessing: borrowed planes with strides, pixel format and colorimetry.
//!
//! [`FrameSpec`] describes all frames of a stream, as its caps do. [`FrameView`] borrows the memory
//! of one frame; its constructor checks that the memory holds every sample that the spec describes,
//! so that later stages cannot read past the end of a plane. Neither type copies pixels.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// A buffer does not hold the frame that its caps promise.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The memory cannot be mapped for reading.
    #[error("its memory cannot be mapped for reading")]
    Map,
    /// The buffer has too few or too many planes.
    #[error("the buffer has {got} planes, expected {want}")]
    PlaneCount {
        /// Number of planes in the buffer.
        got: usize,
        /// Number of planes of the format.
        want: usize,
    },
    /// The stride of a plane is shorter than a row.
    #[error("plane {plane} has a stride of {got} bytes, but a row has {want} bytes")]
    Stride {
        /// Index of the plane.
        plane: usize,
        /// Stride in bytes.
        got: usize,
        /// Bytes of a row.
        want: usize,
    },
    /// A plane holds fewer bytes than its rows need.
    #[error("plane {plane} has {got} bytes, but its rows need {want} bytes")]
    PlaneSize {
        /// Index of the plane.
        plane: usize,
        /// Bytes available.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
}

/// The memory layouts of pixels that the preprocessing reads without conversion.
///
/// Alpha is never read, so RGBA is [`Rgbx`](Self::Rgbx), ARGB is [`Xrgb`](Self::Xrgb), and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 4:2:2 packed, bytes Y0 U Y1 V.
    Yuy2,
    /// 4:2:2 packed, bytes U Y0 V Y1.
    Uyvy,
    /// 4:2:0, a Y plane and a plane of interleaved U V.
    Nv12,
    /// 4:2:0, a Y plane and a plane of interleaved V U.
    Nv21,
    /// 4:2:0, planes Y U V.
    I420,
    /// 4:2:0, planes Y V U.
    Yv12,
    /// 4:2:2, planes Y U V.
    Y42b,
    /// 4:4:4, planes Y U V.
    Y444,
    /// A luma plane without chroma.
    Gray8,
    /// Packed R G B, three bytes per pixel.
    Rgb,
    /// Packed B G R, three bytes per pixel.
    Bgr,
    /// Packed R G B x, four bytes per pixel; x is ignored.
    Rgbx,
    /// Packed B G R x, four bytes per pixel; x is ignored.
    Bgrx,
    /// Packed x R G B, four bytes per pixel; x is ignored.
    Xrgb,
    /// Packed x B G R, four bytes per pixel; x is ignored.
    Xbgr,
}

/// The size of a plane in memory, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneLayout {
    /// Bytes of samples in a row, without the padding up to the stride.
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

impl PixelFormat {
    /// All formats, in the order of the pad template.
    pub const ALL: [Self; 15] = [
        Self::Yuy2,
        Self::Uyvy,
        Self::Nv12,
        Self::Nv21,
        Self::I420,
        Self::Yv12,
        Self::Y42b,
        Self::Y444,
        Self::Gray8,
        Self::Rgb,
        Self::Bgr,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
    ];

    /// Returns the number of planes: 1, 2 or 3.
    pub const fn n_planes(self) -> usize {
        match self {
            Self::Nv12 | Self::Nv21 => 2,
            Self::I420 | Self::Yv12 | Self::Y42b | Self::Y444 => 3,
            _ => 1,
        }
    }

    /// Returns whether the samples are R'G'B', to which no color matrix applies.
    pub const fn is_rgb(self) -> bool {
        matches!(self, Self::Rgb | Self::Bgr | Self::Rgbx | Self::Bgrx | Self::Xrgb | Self::Xbgr)
    }

    /// Returns log2 of the horizontal and the vertical chroma subsampling; (0, 0) for formats
    /// without subsampled chroma.
    pub const fn chroma_shift(self) -> (u32, u32) {
        match self {
            Self::Nv12 | Self::Nv21 | Self::I420 | Self::Yv12 => (1, 1),
            Self::Yuy2 | Self::Uyvy | Self::Y42b => (1, 0),
            _ => (0, 0),
        }
    }

    /// Returns the layout of plane `plane`, without padding, of a frame of `width` x `height`
    /// pixels.
    ///
    /// Subsampled sizes are rounded up, because the last column of an odd width has a chroma
    /// sample.
    pub const fn plane_layout(self, plane: usize, width: usize, height: usize) -> PlaneLayout {
        let (sx, sy) = self.chroma_shift();
        let chroma_width = (width + (1 << sx) - 1) >> sx;
        let chroma_height = (height + (1 << sy) - 1) >> sy;
        let (row_bytes, rows) = match (self, plane) {
            // A packed pair has U, V and two Y samples, even if the second Y is outside the frame.
            (Self::Yuy2 | Self::Uyvy, _) => (chroma_width * 4, height),
            (Self::Rgb | Self::Bgr, _) => (width * 3, height),
            (Self::Rgbx | Self::Bgrx | Self::Xrgb | Self::Xbgr, _) => (width * 4, height),
            (_, 0) => (width, height),
            (Self::Nv12 | Self::Nv21, _) => (chroma_width * 2, chroma_height),
            _ => (chroma_width, chroma_height),
        };
        PlaneLayout { row_bytes, rows }
    }
}

/// The luma coefficients Kr and Kb of a Y'CbCr matrix; Kg is 1 - Kr - Kb.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorMatrix {
    /// Weight of R' in Y'.
    pub kr: f64,
    /// Weight of B' in Y'.
    pub kb: f64,
}

impl ColorMatrix {
    /// ITU-R BT.601 (section 2.5.1), used by standard-definition video and JPEG.
    pub const BT601: Self = Self { kr: 0.299, kb: 0.114 };
    /// ITU-R BT.709 (item 3.2), used by high-definition video.
    pub const BT709: Self = Self { kr: 0.2126, kb: 0.0722 };
    /// ITU-R BT.2020 (table 4, non-constant luminance).
    pub const BT2020: Self = Self { kr: 0.2627, kb: 0.0593 };
}

/// The code values of black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorRange {
    /// Y' 16..235, Cb and Cr 16..240 ("TV").
    Limited,
    /// 0..255 in every component ("PC", JPEG).
    Full,
}

/// The position of a subsampled chroma sample relative to its luma samples. The default is between
/// them in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ChromaSite {
    /// Whether it is at the left column of each pair (MPEG-2), not between the two (JPEG, MPEG-1).
    pub h_cosited: bool,
    /// Whether it is at the upper row of each pair, not between the two.
    pub v_cosited: bool,
}

/// The operation that makes a stored picture upright, as its viewers see it.
///
/// The values are those of `GstVideoOrientationMethod`, and the operations those of the element
/// `videoflip` and of the EXIF tag Orientation (tag 274), whose numbers are given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// The stored picture is upright (EXIF 1).
    #[default]
    Identity,
    /// Rotate by 90 degrees clockwise (EXIF 6, GStreamer `90r`).
    Rotate90,
    /// Rotate by 180 degrees (EXIF 3).
    Rotate180,
    /// Rotate by 270 degrees clockwise, which is 90 degrees counterclockwise (EXIF 8, GStreamer
    /// `90l`).
    Rotate270,
    /// Exchange left and right (EXIF 2, GStreamer `horiz`).
    FlipHorizontal,
    /// Exchange top and bottom (EXIF 4, GStreamer `vert`).
    FlipVertical,
    /// Flip across the diagonal from the upper left to the lower right corner: rows become columns
    /// (EXIF 5, GStreamer `ul-lr`).
    Transpose,
    /// Flip across the diagonal from the upper right to the lower left corner (EXIF 7, GStreamer
    /// `ur-ll`).
    AntiTranspose,
}

impl Orientation {
    /// All orientations, in the order of their EXIF numbers, which start with 1.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::FlipHorizontal,
        Self::Rotate180,
        Self::FlipVertical,
        Self::Transpose,
        Self::Rotate90,
        Self::AntiTranspose,
        Self::Rotate270,
    ];

    /// Returns whether stored rows become columns, so that width and height are exchanged.
    pub const fn transposes(self) -> bool {
        matches!(self, Self::Rotate90 | Self::Rotate270 | Self::Transpose | Self::AntiTranspose)
    }

    /// Returns whether the stored columns, from left to right, become columns from right to left or
    /// rows from bottom to top.
    pub const fn reverses_columns(self) -> bool {
        use Orientation as O;
        matches!(self, O::FlipHorizontal | O::Rotate180 | O::Rotate270 | O::AntiTranspose)
    }

    /// Returns whether the stored rows, from top to bottom, become rows from bottom to top or
    /// columns from right to left.
    pub const fn reverses_rows(self) -> bool {
        use Orientation as O;
        matches!(self, O::FlipVertical | O::Rotate180 | O::Rotate90 | O::AntiTranspose)
    }
}

/// A [`Region`] is empty, or not inside the frame.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error(
    "the region {x},{y},{width},{height} (x, y, width, height) is not inside the frame; expected \
     fractions of the frame from 0 to 1, with a positive width and height"
)]
pub struct RegionError {
    /// Left edge.
    x: f64,
    /// Upper edge.
    y: f64,
    /// Width.
    width: f64,
    /// Height.
    height: f64,
}

/// The rectangle of a frame that is classified, in fractions of the width and height of the upright
/// frame, which is what a viewer sees. The default is the whole frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Region {
    /// The whole frame.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };

    /// Returns the region of `width` x `height` whose upper left corner is at `x`, `y`. All four are
    /// fractions, from 0 to 1, of the width or height of the upright frame.
    ///
    /// # Errors
    ///
    /// Fails if a number is not finite, `width` or `height` is not positive, or the region is not
    /// inside the frame.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Result<Self, RegionError> {
        // A comparison with NaN is false.
        let inside = |start: f64, len: f64| start >= 0.0 && len > 0.0 && start + len <= 1.0;
        if inside(x, width) && inside(y, height) {
            return Ok(Self { x, y, width, height });
        }
        Err(RegionError { x, y, width, height })
    }

    /// Returns the region with these edges, which may exceed the frame; `None` if nothing of it is
    /// inside the frame.
    pub fn clamped(left: f64, top: f64, right: f64, bottom: f64) -> Option<Self> {
        let (left, top) = (left.max(0.0), top.max(0.0));
        // For numbers from 0 to 1, x + (1 - x) is not more than 1, whatever the rounding.
        let width = (right - left).min(1.0 - left);
        let height = (bottom - top).min(1.0 - top);
        Self::new(left, top, width, height).ok()
    }

    /// Returns the left edge.
    pub const fn x(self) -> f64 {
        self.x
    }

    /// Returns the upper edge.
    pub const fn y(self) -> f64 {
        self.y
    }

    /// Returns the width.
    pub const fn width(self) -> f64 {
        self.width
    }

    /// Returns the height.
    pub const fn height(self) -> f64 {
        self.height
    }
}

impl fmt::Display for Region {
    /// Writes x, y, width and height with at most four decimal places, separated by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = |number: f64| (number * 1e4).round() / 1e4;
        let [x, y, width, height] = [self.x, self.y, self.width, self.height].map(rounded);
        write!(f, "{x},{y},{width},{height}")
    }
}

impl Default for Region {
    /// Returns [`Region::WHOLE`].
    fn default() -> Self {
        Self::WHOLE
    }
}

/// The description of all frames of a stream, as in its caps.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameSpec {
    /// Memory layout of the pixels.
    pub format: PixelFormat,
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in rows, at least 1. An interlaced frame contains the rows of both fields.
    pub height: usize,
    /// Y'CbCr matrix. For RGB formats, only the luma of a gray tensor depends on it.
    pub matrix: ColorMatrix,
    /// Code range; ignored for RGB formats, which are always full range.
    pub range: ColorRange,
    /// Siting of subsampled chroma; ignored for other formats.
    pub chroma_site: ChromaSite,
    /// Width of a pixel divided by its height, as numerator and denominator, both positive.
    pub pixel_aspect_ratio: (u32, u32),
    /// Time from one frame to the next; `None` if the frame rate is variable or unknown.
    pub frame_duration: Option<Duration>,
    /// The operation that makes the frames upright. All other fields describe the stored frames.
    pub orientation: Orientation,
}

impl FrameSpec {
    /// Returns the description of upright frames of `width` x `height` square pixels, with BT.601
    /// matrix, limited range and chroma between the luma samples.
    pub const fn new(format: PixelFormat, width: usize, height: usize) -> Self {
        Self {
            format,
            width,
            height,
            matrix: ColorMatrix::BT601,
            range: ColorRange::Limited,
            chroma_site: ChromaSite { h_cosited: false, v_cosited: false },
            pixel_aspect_ratio: (1, 1),
            frame_duration: None,
            orientation: Orientation::Identity,
        }
    }
}

/// The time of a frame in its stream, and its view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameTime {
    /// Presentation timestamp; `None` if the frame has none.
    pub pts: Option<Duration>,
    /// Time since the start of the stream. It advances with every frame, even if the timestamps do
    /// not.
    pub elapsed: Duration,
    /// Number of the view: what part of the frame is classified, and how it is turned. Results of
    /// different views are not smoothed together.
    pub view: u64,
}

/// The memory of one plane of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// Bytes of the plane, starting with the first sample of the first row.
    pub data: &'a [u8],
    /// Distance between the starts of two rows, in bytes.
    pub stride: usize,
}

/// The borrowed planes of one frame, checked against a [`FrameSpec`].
#[derive(Clone, Copy, Debug)]
pub struct FrameView<'a> {
    format: PixelFormat,
    planes: [Plane<'a>; 3],
}

impl<'a> FrameView<'a> {
    /// Borrows `planes`, which are in the plane order of the format, and checks them against
    /// `spec`.
    ///
    /// # Errors
    ///
    /// Fails if the number of planes is not that of the format, a stride is shorter than a row, or
    /// a plane ends before its last row.
    pub fn new(spec: &FrameSpec, planes: &[Plane<'a>]) -> Result<Self, FrameError> {
        let format = spec.format;
        if planes.len() != format.n_planes() {
            return Err(FrameError::PlaneCount { got: planes.len(), want: format.n_planes() });
        }
        let mut view = Self { format, planes: [Plane { data: &[], stride: 0 }; 3] };
        for (index, plane) in planes.iter().enumerate() {
            let layout = format.plane_layout(index, spec.width, spec.height);
            if plane.stride < layout.row_bytes {
                return Err(FrameError::Stride {
                    plane: index,
                    got: plane.stride,
                    want: layout.row_bytes,
                });
            }
            // The last row may end without the padding up to the stride.
            let want = plane.stride * layout.rows.saturating_sub(1) + layout.row_bytes;
            if plane.data.len() < want {
                return Err(FrameError::PlaneSize { plane: index, got: plane.data.len(), want });
            }
            view.planes[index] = *plane;
        }
        Ok(view)
    }

    /// Returns the pixel format of the frame.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Returns plane `index`, or an empty plane if the format has no plane with this index.
    pub fn plane(&self, index: usize) -> Plane<'a> {
        self.planes.get(index).copied().unwrap_or(Plane { data: &[], stride: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_have_a_last_chroma_sample() {
        let uv = PixelFormat::Nv12.plane_layout(1, 641, 361);
        assert_eq!(uv, PlaneLayout { row_bytes: 642, rows: 181 });
        let packed = PixelFormat::Yuy2.plane_layout(0, 641, 361);
        assert_eq!(packed, PlaneLayout { row_bytes: 1284, rows: 361 });
        assert_eq!(PixelFormat::I420.plane_layout(2, 1, 1), PlaneLayout { row_bytes: 1, rows: 1 });
    }

    #[test]
    fn regions_outside_the_frame_are_rejected() {
        assert_eq!(Region::new(0.0, 0.0, 1.0, 1.0), Ok(Region::WHOLE));
        let region = Region::new(0.25, 0.5, 0.75, 0.125).unwrap();
        assert_eq!(
            [region.x(), region.y(), region.width(), region.height()],
            [0.25, 0.5, 0.75, 0.125]
        );
        for [x, y, width, height] in [
            [f64::NAN, 0.0, 1.0, 1.0],
            [0.0, 0.0, f64::INFINITY, 1.0],
            [-0.1, 0.0, 0.5, 0.5],
            [0.0, 0.6, 0.5, 0.5],
            [0.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 1.0, -1.0],
        ] {
            assert!(Region::new(x, y, width, height).is_err(), "{x},{y},{width},{height}");
        }
    }

    #[test]
    fn a_region_is_written_as_the_property() {
        assert_eq!(Region::WHOLE.to_string(), "0,0,1,1");
        let thirds = Region::new(1.0 / 3.0, 0.125, 2.0 / 3.0, 0.12344).unwrap();
        assert_eq!(thirds.to_string(), "0.3333,0.125,0.6667,0.1234");
    }

    #[test]
    fn what_is_outside_the_frame_is_cut_off() {
        let clamped = |edges: [f64; 4]| Region::clamped(edges[0], edges[1], edges[2], edges[3]);
        assert_eq!(clamped([-0.5, 0.5, 0.5, 2.0]), Region::new(0.0, 0.5, 0.5, 0.5).ok());
        assert_eq!(clamped([1.0, 0.0, 2.0, 1.0]), None);
        assert_eq!(clamped([0.5, 0.0, 0.5, 1.0]), None);
    }

    #[test]
    fn a_region_to_the_edge_is_inside() {
        for parts in 2..1000 {
            for part in 0..parts {
                let (start, len) = (f64::from(part), f64::from(parts - part));
                let (x, width) = (start / f64::from(parts), len / f64::from(parts));
                assert!(Region::new(x, 0.0, width, 1.0).is_ok(), "{part} of {parts}");
            }
        }
    }

    #[test]
    fn the_last_row_needs_no_padding() {
        let spec = FrameSpec::new(PixelFormat::Rgb, 150, 2);
        let data = vec![0; 452 + 450];
        assert!(FrameView::new(&spec, &[Plane { data: &data, stride: 452 }]).is_ok());
        let short = FrameView::new(&spec, &[Plane { data: &data[1..], stride: 452 }]);
        assert!(matches!(short, Err(FrameError::PlaneSize { plane: 0, got: 901, want: 902 })));
    }

    #[test]
    fn too_short_strides_and_missing_planes_are_rejected() {
        let spec = FrameSpec::new(PixelFormat::I420, 16, 16);
        let data = vec![0; 256];
        let plane = |stride| Plane { data: &data, stride };
        let view = FrameView::new(&spec, &[plane(16), plane(7), plane(8)]);
        assert!(matches!(view, Err(FrameError::Stride { plane: 1, got: 7, want: 8 })));
        let two = FrameView::new(&spec, &[plane(16), plane(8)]);
        assert!(matches!(two, Err(FrameError::PlaneCount { got: 2, want: 3 })));
    }
}
