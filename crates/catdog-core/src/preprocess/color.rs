//! The conversion from components to R'G'B' pixel values.
//!
//! In every format a pixel has three components, in multiples of 1/128: R', G', B', or Y', Cb, Cr,
//! or a luma whose chroma is neutral. A 3x3 matrix and a bias convert them to red, green and blue;
//! only the coefficients depend on the format. Pixel values are rounded to 8 bits, as in an image
//! file, because models are trained on image files.

use super::error::PreprocessError;
use super::fixed_point::{COEFFICIENT_BITS, COMPONENT_BITS, LEVEL_SHIFT};
use super::target::CHANNELS;
use crate::frame::{ColorMatrix, ColorRange, FrameSpec};

/// An upper bound of the coefficients. The largest coefficient of any Y'CbCr matrix is 2 (1 - k)
/// 255/224, which is less than 2.28.
const LARGEST_COEFFICIENT: f64 = 2.5;

/// Red, green and blue as integer linear functions of the three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToRgb {
    /// A row for each of red, green and blue, with a coefficient for each component, in multiples
    /// of 1/2^[`COEFFICIENT_BITS`].
    pub matrix: [[i16; 3]; CHANNELS],
    /// The constant term of each channel, in multiples of 1/2^[`LEVEL_SHIFT`]. It contains the
    /// offsets of the code range and the half that rounds to the nearest pixel value.
    pub bias: [i32; CHANNELS],
}

impl ToRgb {
    /// Returns the conversion for frames of `spec`.
    ///
    /// # Errors
    ///
    /// Fails if the luma coefficients do not define a Y'CbCr matrix.
    pub fn new(spec: &FrameSpec) -> Result<Self, PreprocessError> {
        if spec.format.is_rgb() {
            let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            return Ok(Self::from_real(identity, [0; 3]));
        }
        let matrix = yuv_to_rgb(spec.matrix, spec.range);
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

/// Returns the matrix from code differences to 8-bit pixel values: the inverse of the Y'CbCr
/// definition of BT.601, BT.709 and BT.2020, which differ only in Kr and Kb.
fn yuv_to_rgb(ColorMatrix { kr, kb }: ColorMatrix, range: ColorRange) -> [[f64; 3]; CHANNELS] {
    // In the limited range, 219 luma codes and 224 chroma codes span the 255 steps of an R'G'B'
    // pixel value.
    let (luma, chroma) = match range {
        ColorRange::Limited => (255.0 / 219.0, 255.0 / 224.0),
        ColorRange::Full => (1.0, 1.0),
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
        let map = ToRgb::new(&spec(ColorMatrix::BT601, ColorRange::Limited)).unwrap();
        assert_eq!(convert(&map, [235, 128, 128]), [255, 255, 255]);
        assert_eq!(convert(&map, [16, 128, 128]), [0, 0, 0]);
        assert_eq!(convert(&map, [81, 90, 240]), [254, 0, 0]);
        assert_eq!(convert(&map, [145, 54, 34]), [0, 255, 1]);
        let map = ToRgb::new(&spec(ColorMatrix::BT709, ColorRange::Limited)).unwrap();
        assert_eq!(convert(&map, [32, 240, 118]), [1, 0, 255]);
        let map = ToRgb::new(&spec(ColorMatrix::BT601, ColorRange::Full)).unwrap();
        assert_eq!(convert(&map, [76, 85, 255]), [254, 0, 0]);
    }

    #[test]
    fn gray_has_no_tint_and_rgb_is_unchanged() {
        for matrix in [ColorMatrix::BT601, ColorMatrix::BT709, ColorMatrix::BT2020] {
            for range in [ColorRange::Limited, ColorRange::Full] {
                let map = ToRgb::new(&spec(matrix, range)).unwrap();
                for code in 0..256 {
                    let [red, green, blue] = convert(&map, [code, 128, 128]);
                    assert!(red == green && green == blue, "{matrix:?} {range:?} {code}");
                }
            }
        }
        let map = ToRgb::new(&FrameSpec::new(PixelFormat::Bgr, 1, 1)).unwrap();
        for level in 0..256 {
            let codes = [level, 255 - level, level / 2];
            assert_eq!(convert(&map, codes), codes);
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
            let rejected = ToRgb::new(&spec(ColorMatrix { kr, kb }, ColorRange::Full));
            assert_eq!(rejected, Err(PreprocessError::ColorMatrix));
        }
    }
}
