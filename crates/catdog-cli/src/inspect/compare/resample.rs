//! Resizing as other programs do it, where the element has no property for it. Only the comparison
//! needs it, so it is simple and computes in floats.

use image::RgbImage;

/// Channels of a pixel of the picture.
pub const CHANNELS: usize = 3;

/// Positions that are closer to the border of two pixels count as being on it.
const TIE: f64 = 1e-4;

/// A filter that the element does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The nearest pixel, with pixel centers at 0.5; of two equally near pixels the right one.
    Nearest,
    /// As [`Self::Nearest`], but of two equally near pixels the left one. Programs that add up
    /// rounded steps do either.
    NearestLeft,
    /// The pixel at the upper left, as OpenCV's `INTER_NEAREST` takes it.
    UpperLeft,
    /// Bilinear with pixel centers at 0, as TensorFlow 1 resizes.
    LegacyBilinear,
    /// Bilinear with the corners of both images on each other.
    AlignedCorners,
    /// Bicubic interpolation of the four nearest pixels in each direction.
    Bicubic,
    /// Bicubic with antialiasing, as Pillow resizes.
    BicubicAntialias,
    /// Lanczos with antialiasing, as Pillow resizes.
    Lanczos,
    /// The average of the covered pixels, as OpenCV's `INTER_AREA`.
    Area,
}

/// Resizes the part of `pixels` that starts at `from` and has the size `extent` (both width and
/// height, in pixels) to `width` x `height` pixels. Returns pixel values 0 to 255.
pub fn resample(
    pixels: &RgbImage,
    from: (f64, f64),
    extent: (f64, f64),
    (width, height): (usize, usize),
    filter: Filter,
) -> Vec<f32> {
    let source_width = pixels.width() as usize;
    let columns = taps(filter, from.0, extent.0, width, source_width);
    let rows = taps(filter, from.1, extent.1, height, pixels.height() as usize);
    let mut resized = Vec::with_capacity(width * height * CHANNELS);
    let mut sums = vec![0.0; source_width * CHANNELS];
    for row in &rows {
        sums.fill(0.0);
        for &(y, weight) in row {
            let line = pixels.as_raw()[y * source_width * CHANNELS..].iter();
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += weight * f64::from(value);
            }
        }
        for column in &columns {
            for channel in 0..CHANNELS {
                let value = |&(x, weight): &(usize, f64)| weight * sums[x * CHANNELS + channel];
                let value: f64 = column.iter().map(value).sum();
                resized.push(value.clamp(0.0, 255.0) as f32);
            }
        }
    }
    resized
}

/// Returns, for each of `len` output columns, the source columns with their weights, whose sum is 1.
fn taps(
    filter: Filter,
    from: f64,
    extent: f64,
    len: usize,
    source: usize,
) -> Vec<Vec<(usize, f64)>> {
    let scale = extent / len as f64;
    let last = source.saturating_sub(1);
    let clamp = |position: f64| (position.max(0.0) as usize).min(last);
    let linear = |position: f64| {
        let position = position.clamp(0.0, last as f64);
        let left = position.floor();
        vec![(clamp(left), 1.0 - (position - left)), (clamp(left + 1.0), position - left)]
    };
    let shrink = scale.max(1.0);
    let column = |index: usize| {
        let start = from + index as f64 * scale;
        let center = start + 0.5 * scale;
        match filter {
            Filter::Nearest => vec![(clamp((center + TIE).floor()), 1.0)],
            Filter::NearestLeft => vec![(clamp((center - TIE).floor()), 1.0)],
            Filter::UpperLeft => vec![(clamp(start.floor()), 1.0)],
            Filter::LegacyBilinear => linear(start),
            Filter::AlignedCorners if len > 1 => {
                linear(from + index as f64 * (extent - 1.0) / (len - 1) as f64)
            }
            Filter::AlignedCorners => linear(from),
            Filter::Bicubic => kernel(center, 1.0, 2.0, source, cubic),
            Filter::BicubicAntialias => kernel(center, shrink, 2.0, source, cubic),
            Filter::Lanczos => kernel(center, shrink, 3.0, source, lanczos),
            Filter::Area => kernel(center, shrink, 0.5 + 0.5 / shrink, source, |x| {
                // The part of the pixel that the interval of width `shrink` covers.
                ((0.5 - x.abs()) * shrink + 0.5).clamp(0.0, 1.0)
            }),
        }
    };
    (0..len).map(column).collect()
}

/// Returns the pixels around `center` with the weights of `function`, stretched by `stretch` and
/// zero beyond `support`.
fn kernel(
    center: f64,
    stretch: f64,
    support: f64,
    source: usize,
    function: impl Fn(f64) -> f64,
) -> Vec<(usize, f64)> {
    let reach = support * stretch;
    let first = (center - reach).floor().max(0.0) as usize;
    let end = ((center + reach).ceil().max(0.0) as usize).min(source);
    let weight = |index: usize| function((index as f64 + 0.5 - center) / stretch);
    let taps = (first..end).map(|index| (index, weight(index))).filter(|(_, w)| *w != 0.0);
    let taps: Vec<(usize, f64)> = taps.collect();
    let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
    taps.into_iter().map(|(index, weight)| (index, weight / sum)).collect()
}

/// The cubic convolution kernel with a = -0.5. Source: Keys, "Cubic convolution interpolation for
/// digital image processing", 1981.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

/// The Lanczos kernel with three lobes.
fn lanczos(x: f64) -> f64 {
    const LOBES: f64 = 3.0;
    let sinc = |x: f64| {
        let phase = std::f64::consts::PI * x;
        if x == 0.0 { 1.0 } else { phase.sin() / phase }
    };
    if x.abs() < LOBES { sinc(x) * sinc(x / LOBES) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_of_two_pixels_is_their_average() {
        assert_eq!(
            taps(Filter::Area, 0.0, 4.0, 2, 4),
            [[(0, 0.5), (1, 0.5)], [(2, 0.5), (3, 0.5)]]
        );
    }

    #[test]
    fn weights_have_the_sum_1() {
        for filter in [Filter::Bicubic, Filter::BicubicAntialias, Filter::Lanczos, Filter::Area] {
            for column in taps(filter, 1.5, 30.0, 7, 33) {
                let sum: f64 = column.iter().map(|(_, weight)| weight).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{filter:?}");
            }
        }
    }
}
