//! From the components of a source to R'G'B' levels, and from levels to tensor elements.
//!
//! Whatever the format, a pixel reaches this file as three components in 1/128 of a level: R G B, or
//! Y Cb Cr, or a luma whose chroma stays neutral. One 3x3 matrix with a bias turns any of them into
//! red, green and blue; what differs is the coefficients. The result is rounded to 8 bits, as a
//! picture file would hold it, because that is what models are trained on, and because it makes
//! every normalisation and quantisation a table of 256 entries.

use super::target::{self, ValueMap};
use crate::error::PreprocessError;
use crate::frame::{ColorMatrix, ColorRange, FrameSpec};
use crate::tensor::{ElementType, Quantization};

/// Components are multiples of 1/128 level: 255 x 128 is the largest that fits an i16.
pub(super) const COMPONENT_BITS: u32 = 7;

/// The component of neutral chroma: code 128 in every range.
pub(super) const NEUTRAL: i16 = 128 << COMPONENT_BITS;

/// Matrix coefficients are multiples of 1/2^13. Together with the 15 bits of a component and
/// [`LARGEST_COEFFICIENT`], the sum of three products stays inside an i32.
const COEFFICIENT_BITS: u32 = 13;

/// 2 (1 - k) 255/224, the largest coefficient of red and blue, is below 2.28 for any matrix.
const LARGEST_COEFFICIENT: f64 = 2.5;

/// What to shift a sum of products by to have a level.
pub(super) const LEVEL_SHIFT: u32 = COMPONENT_BITS + COEFFICIENT_BITS;

/// Red, green and blue as integer combinations of the three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToRgb {
    /// A row for each of red, green, blue; a column for each component.
    pub matrix: [[i32; 3]; 3],
    /// Added to each sum: the offsets of the code range, and a half to round by.
    pub bias: [i32; 3],
}

impl ToRgb {
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

    /// The map `matrix` x (code - `offsets`).
    fn from_real(matrix: [[f64; 3]; 3], offsets: [i32; 3]) -> Self {
        let one = f64::from(1 << COEFFICIENT_BITS);
        let matrix = matrix.map(|row| row.map(|real| (real * one).round() as i32));
        let half = 1 << (LEVEL_SHIFT - 1);
        // From the rounded coefficients, so that grey has no tint.
        let bias = matrix.map(|row| {
            let zero: i32 =
                row.iter().zip(offsets).map(|(coefficient, code)| coefficient * code).sum();
            half - (zero << COMPONENT_BITS)
        });
        Self { matrix, bias }
    }
}

/// The inverse of the Y'CbCr definition of BT.601, BT.709 and BT.2020 (they differ in Kr and Kb
/// only), from code differences to 8-bit levels.
fn yuv_to_rgb(ColorMatrix { kr, kb }: ColorMatrix, range: ColorRange) -> [[f64; 3]; 3] {
    // 219 luma and 224 chroma codes span the 255 levels of R'G'B'.
    let (luma, chroma) = match range {
        ColorRange::Limited => (255.0 / 219.0, 255.0 / 224.0),
        ColorRange::Full => (1.0, 1.0),
    };
    let kg = 1.0 - kr - kb;
    let (red, blue) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
    [[luma, 0.0, red], [luma, -blue * kb / kg, -red * kr / kg], [luma, blue, 0.0]]
}

/// For each channel, the tensor element of each level.
pub(super) type Table<T> = [[T; 256]; 3];

/// The table in the tensor's element type.
#[derive(Debug)]
pub(super) enum Levels {
    F32(Box<Table<f32>>),
    U8(Box<Table<u8>>),
    I8(Box<Table<i8>>),
}

impl Levels {
    pub fn new(element: ElementType, values: &[ValueMap; 3]) -> Result<Self, PreprocessError> {
        for (channel, value) in values.iter().enumerate() {
            if let Some(reason) = value.fault(element) {
                let element = target::name(element);
                return Err(PreprocessError::Values { channel, element, reason });
            }
        }
        let value = |channel: usize, level: usize| values[channel].apply(element, level as f64);
        // `as` saturates, which is the clamp of a quantised value.
        Ok(match element {
            ElementType::F32 => Self::F32(tabulate(|c, level| value(c, level) as f32)),
            ElementType::U8 => Self::U8(tabulate(|c, level| value(c, level) as u8)),
            ElementType::I8 => Self::I8(tabulate(|c, level| value(c, level) as i8)),
        })
    }
}

fn tabulate<T>(element: impl Fn(usize, usize) -> T) -> Box<Table<T>> {
    Box::new(std::array::from_fn(|channel| std::array::from_fn(|level| element(channel, level))))
}

impl ValueMap {
    /// Why this map cannot fill a tensor of `element`, if it cannot.
    fn fault(&self, element: ElementType) -> Option<&'static str> {
        let (mean, std, scale) = match (*self, element) {
            (Self::Level, _) => return None,
            (Self::Normalized { mean, std }, ElementType::F32) => (mean, std, 1.0),
            (Self::Normalized { .. }, _) => return Some("normalised values need a quantisation"),
            (Self::Quantized { .. }, ElementType::F32) => {
                return Some("a float element takes no quantisation");
            }
            (Self::Quantized { mean, std, quantization }, _) => (mean, std, quantization.scale),
        };
        if !mean.is_finite() {
            return Some("the mean must be a finite number");
        }
        if !(std.is_normal() && scale.is_normal() && scale > 0.0) {
            return Some("the standard deviation and the scale must be finite and not zero");
        }
        None
    }

    /// The value for `level`.
    fn apply(&self, element: ElementType, level: f64) -> f64 {
        let normalised = |mean: f32, std: f32| (level - f64::from(mean)) / f64::from(std);
        match *self {
            Self::Level if element == ElementType::I8 => level - 128.0,
            Self::Level => level,
            Self::Normalized { mean, std } => normalised(mean, std),
            Self::Quantized { mean, std, quantization: Quantization { scale, zero_point } } => {
                // Halves away from zero, as TFLite's Quantize rounds them.
                (normalised(mean, std) / f64::from(scale)).round() + f64::from(zero_point)
            }
        }
    }
}
