//! The conversion from components to the pixel values of a tensor's channels.
//!
//! In every format a pixel has three components, in multiples of 1/128: R', G', B', or Y', Cb, Cr,
//! or a luma whose chroma is neutral. A 3x3 matrix and a bias convert them to red, green and blue,
//! or to blue, green and red; only the coefficients depend on format and order. Pixel values are rounded to 8 bits, as in an image
//! file, because models are trained on image files.
//!
//! For a gray tensor, the result is a gray picture: red, green and blue are the luma. See
//! [`Channels::Gray`](super::Channels::Gray) for its definition.

use super::error::PreprocessError;
use super::fixed_point::{COEFFICIENT_BITS, COMPONENT_BITS, LEVEL_SHIFT};
use super::target::{CHANNELS, Channels};
use crate::frame::{ColorMatrix, ColorRange, FrameSpec};

/// An upper bound of the coefficients. The largest coefficient of any Y'CbCr matrix is 2 (1 - k)
/// 255/224, which is less than 2.28.
const LARGEST_COEFFICIENT: f64 = 2.5;

/// The channels of the tensor as integer linear functions of the three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToRgb {
    /// A row for each channel of the tensor, with a coefficient for each component, in multiples of
    /// 1/2^[`COEFFICIENT_BITS`].
    pub matrix: [[i16; 3]; CHANNELS],
    /// The constant term of each channel, in multiples of 1/2^[`LEVEL_SHIFT`]. It contains the
    /// offsets of the code range and the half that rounds to the nearest pixel value.
    pub bias: [i32; CHANNELS],
}

impl ToRgb {
    /// Returns the conversion of frames of `spec` for a tensor of `channels`.
    ///
    /// # Errors
    ///
    /// Fails if the luma coefficients are needed and do not define a Y'CbCr matrix.
    pub fn new(spec: &FrameSpec, channels: Channels) -> Result<Self, PreprocessError> {
        if spec.format.is_rgb() {
            let matrix = match channels {
                Channels::Rgb => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                Channels::Bgr => [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
                Channels::Gray => [rgb_to_luma(spec.matrix)?; CHANNELS],
            };
            return Ok(Self::from_real(matrix, [0; 3]));
        }
        let matrix = match channels {
            Channels::Rgb => yuv_to_rgb(spec.matrix, spec.range),
            Channels::Bgr => {
                let [red, green, blue] = yuv_to_rgb(spec.matrix, spec.range);
                [blue, green, red]
            }
            Channels::Gray => [[luma_scale(spec.range), 0.0, 0.0]; CHANNELS],
        };
        let usable = |coefficient: &f64| coefficient.abs() <= LARGEST_COEFFICIENT;
        if !matrix.iter().flatten().all(usable) {
            return Err(PreprocessError::ColorMatrix);
        }
        let black = match spec.range {
            ColorRange::Limited => 16,
            ColorRange::Full => 0,
        };
        Ok(Self::from_real(matrix, [black, 128, 128]))
    }

    /// Returns the function `matrix` x (code - `offsets`).
    fn from_real(matrix: [[f64; 3]; CHANNELS], offsets: [i32; 3]) -> Self {
        let one = f64::from(1 << COEFFICIENT_BITS);
        let matrix = matrix.map(|row| row.map(|real| (real * one).round() as i16));
        let half = 1 << (LEVEL_SHIFT - 1);
        // The bias is computed from the rounded coefficients, so that gray stays exactly gray.
        let bias = matrix.map(|row| {
            let zero: i32 = row.iter().zip(offsets).map(|(k, code)| i32::from(*k) * code).sum();
            half - (zero << COMPONENT_BITS)
        });
        Self { matrix, bias }
    }
}

/// Returns the weights of R', G' and B' in the luma.
///
/// # Errors
///
/// Fails if a weight is negative or not a number.
fn rgb_to_luma(ColorMatrix { kr, kb }: ColorMatrix) -> Result<[f64; 3], PreprocessError> {
    let weights = [kr, 1.0 - kr - kb, kb];
    if weights.iter().all(|weight| *weight >= 0.0) {
        return Ok(weights);
    }
    Err(PreprocessError::ColorMatrix)
}

/// Returns the factor from luma codes to the 255 steps of an R'G'B' pixel value: the limited range
/// has 219 codes.
fn luma_scale(range: ColorRange) -> f64 {
    match range {
        ColorRange::Limited => 255.0 / 219.0,
        ColorRange::Full => 1.0,
    }
}

/// Returns the matrix from code differences to 8-bit pixel values: the inverse of the Y'CbCr
/// definition of BT.601, BT.709 and BT.2020, which differ only in Kr and Kb.
fn yuv_to_rgb(ColorMatrix { kr, kb }: ColorMatrix, range: ColorRange) -> [[f64; 3]; CHANNELS] {
    let luma = luma_scale(range);
    // The limited range has 224 chroma codes.
    let chroma = match range {
        ColorRange::Limited => 255.0 / 224.0,
        ColorRange::Full => 1.0,
    };
    let kg = 1.0 - kr - kb;
    let (red, blue) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
    [[luma, 0.0, red], [luma, -blue * kb / kg, -red * kr / kg], [luma, blue, 0.0]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;

    fn spec(matrix: ColorMatrix, range: ColorRange) -> FrameSpec {
        FrameSpec { matrix, range, ..FrameSpec::new(PixelFormat::I420, 16, 16) }
    }

    /// Converts `codes` with the arithmetic of the kernels.
    fn convert(map: &ToRgb, codes: [i32; 3]) -> [i32; 3] {
        std::array::from_fn(|channel| {
            let products = map.matrix[channel].iter().zip(codes);
            let sum: i32 = products.map(|(k, code)| i32::from(*k) * (code << COMPONENT_BITS)).sum();
            ((sum + map.bias[channel]) >> LEVEL_SHIFT).clamp(0, 255)
        })
    }

    #[test]
    fn primary_colors_convert_to_pure_pixel_values() {
        // The 8-bit codes of BT.601 and BT.709 color bars at full amplitude.
        let map =
            ToRgb::new(&spec(ColorMatrix::BT601, ColorRange::Limited), Channels::Rgb).unwrap();
        assert_eq!(convert(&map, [235, 128, 128]), [255, 255, 255]);
        assert_eq!(convert(&map, [16, 128, 128]), [0, 0, 0]);
        assert_eq!(convert(&map, [81, 90, 240]), [254, 0, 0]);
        assert_eq!(convert(&map, [145, 54, 34]), [0, 255, 1]);
        let map =
            ToRgb::new(&spec(ColorMatrix::BT709, ColorRange::Limited), Channels::Rgb).unwrap();
        assert_eq!(convert(&map, [32, 240, 118]), [1, 0, 255]);
        let map = ToRgb::new(&spec(ColorMatrix::BT601, ColorRange::Full), Channels::Rgb).unwrap();
        assert_eq!(convert(&map, [76, 85, 255]), [254, 0, 0]);
    }

    #[test]
    fn gray_has_no_tint_and_rgb_is_unchanged() {
        for matrix in [ColorMatrix::BT601, ColorMatrix::BT709, ColorMatrix::BT2020] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let map = ToRgb::new(&spec(matrix, range), Channels::Rgb).unwrap();
                for code in 0..256 {
                    let [red, green, blue] = convert(&map, [code, 128, 128]);
                    assert!(red == green && green == blue, "{matrix:?} {range:?} {code}");
                }
            }
        }
        let map = ToRgb::new(&FrameSpec::new(PixelFormat::Bgr, 1, 1), Channels::Rgb).unwrap();
        for level in 0..256 {
            let codes = [level, 255 - level, level / 2];
            assert_eq!(convert(&map, codes), codes);
        }
    }

    #[test]
    fn bgr_has_the_rows_of_rgb_in_reverse() {
        let yuv = spec(ColorMatrix::BT709, ColorRange::Limited);
        for spec in [yuv, FrameSpec::new(PixelFormat::Bgr, 1, 1)] {
            let rgb = ToRgb::new(&spec, Channels::Rgb).unwrap();
            let bgr = ToRgb::new(&spec, Channels::Bgr).unwrap();
            for codes in [[81, 90, 240], [145, 54, 34], [10, 200, 90]] {
                let [red, green, blue] = convert(&rgb, codes);
                assert_eq!(convert(&bgr, codes), [blue, green, red]);
            }
        }
    }

    #[test]
    fn luma_is_the_gray_of_the_frame() {
        for range in [ColorRange::Limited, ColorRange::Full] {
            let spec = spec(ColorMatrix::BT709, range);
            let rgb = ToRgb::new(&spec, Channels::Rgb).unwrap();
            let gray = ToRgb::new(&spec, Channels::Gray).unwrap();
            for code in 0..256 {
                // The chroma has no influence.
                assert_eq!(convert(&gray, [code, 7, 200]), convert(&rgb, [code, 128, 128]));
            }
        }
    }

    #[test]
    fn luma_of_rgb_has_the_weights_of_the_matrix() {
        let gray = |matrix| {
            let spec = FrameSpec { matrix, ..FrameSpec::new(PixelFormat::Rgb, 1, 1) };
            ToRgb::new(&spec, Channels::Gray)
        };
        let primaries = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
        for (matrix, want) in [
            // Pillow 13: Image.new("RGB", (1, 1), color).convert("L").
            (ColorMatrix::BT601, [76, 150, 29, 255]),
            (ColorMatrix::BT709, [54, 182, 18, 255]),
        ] {
            let luma = primaries.map(|color| convert(&gray(matrix).unwrap(), color)[0]);
            assert_eq!(luma, want);
        }
        for (kr, kb) in [(0.6, 0.6), (f64::NAN, 0.1), (-0.1, 0.1)] {
            assert_eq!(gray(ColorMatrix { kr, kb }), Err(PreprocessError::ColorMatrix));
        }
    }

    #[test]
    fn sums_of_products_fit_an_i32_for_any_accepted_matrix() {
        let largest = (LARGEST_COEFFICIENT * f64::from(1 << COEFFICIENT_BITS)) as i64;
        assert!(largest <= i64::from(i16::MAX));
        assert!(3 * largest * (255 << COMPONENT_BITS) <= i64::from(i32::MAX));
    }

    #[test]
    fn unusable_luma_coefficients_are_rejected() {
        for (kr, kb) in [(0.5, 0.5), (f64::NAN, 0.1), (0.9, 0.09)] {
            let rejected =
                ToRgb::new(&spec(ColorMatrix { kr, kb }, ColorRange::Full), Channels::Rgb);
            assert_eq!(rejected, Err(PreprocessError::ColorMatrix));
        }
    }
}
