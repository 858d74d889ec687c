//! Finds out how a recorded input was made from the picture.
//!
//! The picture is resized in all ways that programs commonly use. For each, a straight line per
//! channel is fitted from pixel values to recorded elements. The way with the smallest residual made
//! the input, and the lines are its normalization. No knowledge of the program is needed.

use std::fmt;

use catdog_core::frame::{ColorMatrix, FrameView};
use catdog_core::preprocess::{
    ChannelOrder, Channels, PreprocessError, Preprocessor, Resize, ResizeMethod, TensorTarget,
    ValueMap,
};
use catdog_core::tensor::{ElementType, TensorMut};
use image::RgbImage;

use super::recorded::RecordedImage;
use super::resample::{self, CHANNELS, Filter};
use crate::Failure;
use crate::picture::{Picture, frame_spec, plane};

/// The part of the picture that remains if the shorter side is resized to 256 pixels and the middle
/// 224 x 224 pixels are cut out, as most programs for ImageNet do.
const CENTER_SHARE: f64 = 224.0 / 256.0;
/// Ways whose residuals differ by less cannot be told apart: decoders of JPEG files differ by that
/// much. In pixel values.
const INDISTINGUISHABLE: f64 = 0.2;
/// A larger residual means that none of the ways made the input. In pixel values.
const UNEXPLAINED: f64 = 6.0;
/// Least standard deviation of the pixel values of a channel with which a line can be fitted.
const LEAST_CONTRAST: f64 = 2.0;

/// How the picture is fitted to the size of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// As a value of `resize-method`.
    Method(ResizeMethod),
    /// The middle 7/8 of the largest centered part with the aspect ratio of the input.
    Center,
}

/// How pixels are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Bilinear, as the element does it with this value of `antialias`.
    Bilinear { antialias: bool },
    /// In a way that the element does not have.
    Other(Filter),
}

/// A way from the picture to the pixels of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The rotation that EXIF asks for was applied.
    pub upright: bool,
    pub fit: Fit,
    pub sampling: Sampling,
    /// Red and blue are exchanged.
    pub bgr: bool,
}

/// A straight line from pixel values to elements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// Difference of elements for one pixel value.
    pub slope: f64,
    /// The element of black.
    pub offset: f64,
}

/// The best explanation of a recorded input.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub way: Way,
    /// One line for each channel of the recorded input.
    pub lines: Vec<Line>,
    /// Root mean square of the difference, in pixel values.
    pub residual: f64,
}

impl Explanation {
    /// Returns whether the way made the input.
    pub fn is_certain(&self) -> bool {
        self.residual <= UNEXPLAINED
    }
}

impl From<Resize> for Sampling {
    fn from(resize: Resize) -> Self {
        Self::Bilinear { antialias: resize.antialias }
    }
}

/// Explains `recorded`, which was made from `picture`. Among ways that cannot be told apart, the one
/// that is closest to `resize` and to the order of the channels of the element wins; `bgr` if that is
/// blue, green, red. Returns `None` if the picture has too little contrast.
///
/// # Errors
///
/// The preprocessing refuses the size of the picture.
pub fn explain(
    picture: &Picture,
    recorded: &RecordedImage,
    resize: Resize,
    bgr: bool,
) -> Result<Option<Explanation>, Failure> {
    let size = (recorded.width, recorded.height);
    let mut explanations = Vec::new();
    for way in ways(picture) {
        let pixels = if way.upright { &picture.upright } else { &picture.stored };
        let resized = resized(pixels, size, way.fit, way.sampling)?;
        for reversed in [false, true] {
            let way = Way { bgr: reversed, ..way };
            explanations.extend(fit_lines(&resized, recorded, way));
        }
    }
    let best = explanations.iter().map(|e| e.residual).fold(f64::INFINITY, f64::min);
    let candidates = explanations.into_iter().filter(|e| e.residual <= best + INDISTINGUISHABLE);
    Ok(candidates.min_by(|a, b| {
        let distance = |e: &Explanation| e.way.distance(resize, bgr);
        distance(a).cmp(&distance(b)).then(a.residual.total_cmp(&b.residual))
    }))
}

/// Returns all ways, without an exchange of red and blue.
fn ways(picture: &Picture) -> Vec<Way> {
    let methods = [ResizeMethod::Stretch, ResizeMethod::Crop, ResizeMethod::Letterbox];
    let bilinear = [true, false].map(|antialias| Sampling::Bilinear { antialias });
    let others = [
        Filter::Nearest,
        Filter::NearestLeft,
        Filter::UpperLeft,
        Filter::LegacyBilinear,
        Filter::AlignedCorners,
        Filter::Bicubic,
        Filter::BicubicAntialias,
        Filter::Lanczos,
        Filter::Area,
    ]
    .map(Sampling::Other);
    let mut ways = Vec::new();
    // Without a rotation, both are the same.
    for upright in if picture.is_turned() { &[true, false][..] } else { &[true] } {
        let mut add = |fit, sampling| {
            ways.push(Way { upright: *upright, fit, sampling, bgr: false });
        };
        for sampling in bilinear.into_iter().chain(others) {
            add(Fit::Center, sampling);
            for method in methods {
                // Other programs letterbox with bilinear interpolation, too.
                if method != ResizeMethod::Letterbox || !matches!(sampling, Sampling::Other(_)) {
                    add(Fit::Method(method), sampling);
                }
            }
        }
    }
    ways
}

impl Way {
    /// Returns in how many respects the way differs from what the element does with `resize` and `bgr`.
    fn distance(&self, resize: Resize, bgr: bool) -> usize {
        usize::from(!self.upright)
            + usize::from(self.bgr != bgr)
            + usize::from(self.fit != Fit::Method(resize.method))
            + usize::from(self.sampling != Sampling::from(resize))
    }
}

/// Resizes `pixels` to `size` and returns pixel values 0 to 255.
fn resized(
    pixels: &RgbImage,
    size: (usize, usize),
    fit: Fit,
    sampling: Sampling,
) -> Result<Vec<f32>, PreprocessError> {
    match (fit, sampling) {
        (Fit::Method(method), Sampling::Bilinear { antialias }) => {
            as_the_element(pixels, size, Resize { method, antialias })
        }
        (Fit::Center, Sampling::Bilinear { antialias }) => {
            // A crop of the middle is the same as resizing a smaller picture.
            let (from, extent) = part(pixels, size, fit);
            let x = from.0.round() as u32;
            let y = from.1.round() as u32;
            let (width, height) =
                (extent.0.round().max(1.0) as u32, extent.1.round().max(1.0) as u32);
            let middle = image::imageops::crop_imm(pixels, x, y, width, height).to_image();
            as_the_element(&middle, size, Resize { method: ResizeMethod::Stretch, antialias })
        }
        (_, Sampling::Other(filter)) => {
            let (from, extent) = part(pixels, size, fit);
            Ok(resample::resample(pixels, from, extent, size, filter))
        }
    }
}

/// Resizes `pixels` with the preprocessing of the element.
fn as_the_element(
    pixels: &RgbImage,
    (width, height): (usize, usize),
    resize: Resize,
) -> Result<Vec<f32>, PreprocessError> {
    let spec = frame_spec(pixels);
    let pixel_values = ValueMap::Normalized { mean: 0.0, std: 1.0 };
    let target = TensorTarget {
        width,
        height,
        channels: Channels::Rgb,
        order: ChannelOrder::Last,
        element: ElementType::F32,
        values: [pixel_values; CHANNELS],
    };
    let mut resized = vec![0.0; width * height * CHANNELS];
    // The plane is made from the pixels, so it fits.
    if let Ok(frame) = FrameView::new(&spec, &[plane(pixels)]) {
        Preprocessor::new(&spec, &target, resize)?.run(&frame, TensorMut::F32(&mut resized))?;
    }
    Ok(resized)
}

/// Returns start and size of the part of `pixels` that `fit` shows, in pixels.
fn part(pixels: &RgbImage, (width, height): (usize, usize), fit: Fit) -> ((f64, f64), (f64, f64)) {
    let whole = (f64::from(pixels.width()), f64::from(pixels.height()));
    let aspect = width as f64 / height as f64;
    let largest = (whole.0.min(whole.1 * aspect), whole.1.min(whole.0 / aspect));
    let extent = match fit {
        Fit::Method(ResizeMethod::Stretch | ResizeMethod::Letterbox) => whole,
        Fit::Method(ResizeMethod::Crop) => largest,
        Fit::Center => (largest.0 * CENTER_SHARE, largest.1 * CENTER_SHARE),
    };
    (((whole.0 - extent.0) / 2.0, (whole.1 - extent.1) / 2.0), extent)
}

/// Fits a line per channel from `pixels`, red, green and blue values, to `recorded`. Returns `None`
/// without contrast.
fn fit_lines(pixels: &[f32], recorded: &RecordedImage, way: Way) -> Option<Explanation> {
    let channels = recorded.channels;
    let mut lines = Vec::with_capacity(channels);
    let mut squares = 0.0;
    for (channel, weights) in weights(channels, way.bgr).into_iter().enumerate() {
        let weigh = |pixel: &[f32]| -> f64 {
            pixel.iter().zip(weights).map(|(&value, weight)| f64::from(value) * weight).sum()
        };
        let xs = pixels.chunks_exact(CHANNELS).map(weigh);
        let ys = recorded.values.iter().skip(channel).step_by(channels).map(|&y| f64::from(y));
        let (line, mean_square) = fit_line(xs.zip(ys))?;
        squares += mean_square / line.slope.powi(2);
        lines.push(line);
    }
    let residual = (squares / channels as f64).sqrt();
    residual.is_finite().then_some(Explanation { way, lines, residual })
}

/// Returns the weights of red, green and blue in each channel of an input: one color per channel, or
/// the luma if there is one channel.
fn weights(channels: usize, bgr: bool) -> Vec<[f64; CHANNELS]> {
    let ColorMatrix { kr, kb } = ColorMatrix::BT601;
    let mut weights = match channels {
        1 => vec![[kr, 1.0 - kr - kb, kb]],
        _ => vec![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    };
    if bgr {
        weights.iter_mut().for_each(|weights| weights.reverse());
    }
    weights
}

/// Fits a line by least squares. Returns it with the mean square of the differences; `None` if the
/// first coordinates have too little contrast.
fn fit_line(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<(Line, f64)> {
    let count = points.clone().count() as f64;
    let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x, sum.1 + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (xx, xy, yy) = points.fold((0.0, 0.0, 0.0), |sum, (x, y)| {
        let (x, y) = (x - mean_x, y - mean_y);
        (sum.0 + x * x, sum.1 + x * y, sum.2 + y * y)
    });
    if (xx / count).sqrt() < LEAST_CONTRAST {
        return None;
    }
    let slope = xy / xx;
    let line = Line { slope, offset: mean_y - slope * mean_x };
    // The variance that the line does not explain; rounding can make it negative.
    Some((line, ((yy - slope * xy) / count).max(0.0)))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Way { upright, fit, sampling, bgr } = self.way;
        let colors = match (self.lines.len(), bgr) {
            (1, false) => "gray",
            (1, true) => "gray of BGR",
            (_, false) => "RGB",
            (_, true) => "BGR",
        };
        write!(f, "{fit}, {sampling}, {colors}")?;
        if upright { Ok(()) } else { f.write_str(", without the EXIF rotation") }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method(ResizeMethod::Stretch) => "stretched",
            Self::Method(ResizeMethod::Crop) => "cropped",
            Self::Method(ResizeMethod::Letterbox) => "letterboxed",
            Self::Center => "cropped to the middle 7/8",
        })
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bilinear { antialias: true } => "bilinear with antialiasing",
            Self::Bilinear { antialias: false } => "plain bilinear",
            Self::Other(Filter::Nearest | Filter::NearestLeft) => "nearest pixel",
            Self::Other(Filter::UpperLeft) => "nearest pixel (upper left)",
            Self::Other(Filter::LegacyBilinear) => "bilinear of TensorFlow 1",
            Self::Other(Filter::AlignedCorners) => "bilinear with aligned corners",
            Self::Other(Filter::Bicubic) => "plain bicubic",
            Self::Other(Filter::BicubicAntialias) => "bicubic with antialiasing",
            Self::Other(Filter::Lanczos) => "Lanczos",
            Self::Other(Filter::Area) => "area average",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_with_its_residual() {
        // y = 2x + 1, with differences of 1, -1, -1, 1, which no line can explain.
        let points = [(0.0, 2.0), (10.0, 20.0), (20.0, 40.0), (30.0, 62.0)];
        let (line, mean_square) = fit_line(points.into_iter()).unwrap();
        assert_eq!((line, mean_square), (Line { slope: 2.0, offset: 1.0 }, 1.0));
    }

    #[test]
    fn a_gray_input_is_fitted_to_the_luma() {
        // Red, green, blue and a mixture, and their luma of BT.601.
        let pixels = [255., 0., 0., 0., 255., 0., 0., 0., 255., 40., 160., 64.];
        let luma = [76.245, 149.685, 29.07, 113.176];
        let values = luma.map(|luma| luma / 255.0).to_vec();
        let recorded = RecordedImage { width: 4, height: 1, channels: 1, values };
        let way = Way {
            upright: true,
            fit: Fit::Method(ResizeMethod::Stretch),
            sampling: Sampling::Bilinear { antialias: true },
            bgr: false,
        };
        let found = fit_lines(&pixels, &recorded, way).unwrap();
        assert!(found.residual < 1e-3 && found.lines.len() == 1, "{found:?}");
        assert!((found.lines[0].slope - 1.0 / 255.0).abs() < 1e-6, "{found:?}");
        assert!(found.to_string().ends_with(", gray"), "{found}");
        let exchanged = fit_lines(&pixels, &recorded, Way { bgr: true, ..way }).unwrap();
        assert!(exchanged.residual > 10.0, "{exchanged:?}");
    }

    #[test]
    fn a_flat_picture_has_no_line() {
        assert_eq!(fit_line([(7.0, 1.0), (7.5, 2.0)].into_iter()), None);
    }
}
