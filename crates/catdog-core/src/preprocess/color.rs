//! From the components of a source to R'G'B' levels, and from levels to tensor elements.
//!
//! Whatever the format, a pixel reaches this file as three components in 1/128 of a level: R G B, or
//! Y Cb Cr, or a luma whose chroma stays neutral. One 3x3 matrix with a bias turns any of them into
//! red, green and blue; what differs is the coefficients. The result is rounded to 8 bits, as a
//! picture file would hold it, because that is what models are trained on. [`Values`] makes tensor
//! elements of it.

use super::PreprocessError;
use super::kernels::Isa;
use super::target::ValueMap;
use crate::frame::{ColorMatrix, ColorRange, FrameSpec};
use crate::tensor::{ElementType, Quantization};

/// Components are multiples of 1/128 level: 255 x 128 is the largest that fits an i16.
pub(super) const COMPONENT_BITS: u32 = 7;

/// The component of neutral chroma: code 128 in every range.
pub(super) const NEUTRAL: i16 = 128 << COMPONENT_BITS;

/// Matrix coefficients are multiples of 1/2^13. Together with the 15 bits of a component and
/// [`LARGEST_COEFFICIENT`], a coefficient fits an i16, and the sum of three products an i32.
const COEFFICIENT_BITS: u32 = 13;

/// 2 (1 - k) 255/224, the largest coefficient of red and blue, is below 2.28 for any matrix.
const LARGEST_COEFFICIENT: f64 = 2.5;

/// What to shift a sum of products by to have a level.
pub(super) const LEVEL_SHIFT: u32 = COMPONENT_BITS + COEFFICIENT_BITS;

/// Red, green and blue as integer combinations of the three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToRgb {
    /// A row for each of red, green, blue; a column for each component.
    pub matrix: [[i16; 3]; 3],
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
        let matrix = matrix.map(|row| row.map(|real| (real * one).round() as i16));
        let half = 1 << (LEVEL_SHIFT - 1);
        // From the rounded coefficients, so that grey has no tint.
        let bias = matrix.map(|row| {
            let zero: i32 = row.iter().zip(offsets).map(|(k, code)| i32::from(*k) * code).sum();
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

/// From levels to tensor elements.
pub(super) trait Values<T> {
    /// Gives `elements` those of `levels`, which are red, green and blue in turn and as many.
    fn of<I: Isa>(&self, levels: &[u8], elements: &mut [T]);
}

/// The values in the tensor's element type.
#[derive(Debug)]
pub(super) enum Levels {
    F32(Normalized),
    U8(Box<Table<u8>>),
    I8(Box<Table<i8>>),
}

impl Levels {
    pub fn new(element: ElementType, values: &[ValueMap; 3]) -> Result<Self, PreprocessError> {
        for (channel, value) in values.iter().enumerate() {
            if let Some(reason) = value.fault(element) {
                let element = element.name();
                return Err(PreprocessError::Values { channel, element, reason });
            }
        }
        // `as` saturates, which is the clamp of a quantised value.
        let value = |channel: usize, level: u8| values[channel].quantized(element, level);
        Ok(match element {
            ElementType::F32 => Self::F32(Normalized::new(values)),
            ElementType::U8 => Self::U8(Table::new(|c, level| value(c, level) as u8)),
            ElementType::I8 => Self::I8(Table::new(|c, level| value(c, level) as i8)),
        })
    }
}

/// (level - mean) / std, computed as (level - mean) x (1 / std).
#[derive(Debug)]
pub(super) struct Normalized {
    pub mean: Pattern,
    pub inverse: Pattern,
}

/// A constant for red, green and blue in turn, to the length of three vectors.
pub(super) type Pattern = [f32; PATTERN];
pub(super) const PATTERN: usize = 24;

impl Normalized {
    fn new(values: &[ValueMap; 3]) -> Self {
        let of = |index: usize| match values[index % 3] {
            ValueMap::Normalized { mean, std } => (mean, 1.0 / std),
            _ => (0.0, 1.0),
        };
        Self {
            mean: std::array::from_fn(|index| of(index).0),
            inverse: std::array::from_fn(|index| of(index).1),
        }
    }

    /// Gives `elements` the values of at most [`PATTERN`] `levels`.
    #[inline(always)]
    pub fn apply(&self, levels: &[u8], elements: &mut [f32]) {
        let constants = self.mean.iter().zip(&self.inverse);
        for ((level, element), (mean, inverse)) in levels.iter().zip(elements).zip(constants) {
            *element = (f32::from(*level) - mean) * inverse;
        }
    }
}

impl Values<f32> for Normalized {
    #[inline(always)]
    fn of<I: Isa>(&self, levels: &[u8], elements: &mut [f32]) {
        let (patterns, rest) = levels.as_chunks();
        let (elements, rest_elements) = elements.as_chunks_mut();
        I::normalise(self, patterns, elements);
        self.apply(rest, rest_elements);
    }
}

/// For each channel, the tensor element of each level.
#[derive(Debug)]
pub(super) struct Table<T> {
    elements: [[T; 256]; 3],
    /// The bits in which all elements differ from their levels, where that is the only difference:
    /// none in a plain uint8 tensor, the top one in a plain int8 tensor.
    flipped: Option<u8>,
}

impl<T: Byte> Table<T> {
    fn new(element: impl Fn(usize, u8) -> T) -> Box<Self> {
        let elements: [[T; 256]; 3] = std::array::from_fn(|channel| {
            std::array::from_fn(|level| element(channel, level as u8))
        });
        let only = |bits: &u8| {
            let of = |level: usize| T::from_bits(level as u8 ^ bits);
            elements.iter().all(|table| (0..256).all(|level| table[level] == of(level)))
        };
        let flipped = [0, 0x80].into_iter().find(only);
        Box::new(Self { elements, flipped })
    }
}

impl<T: Byte> Values<T> for Table<T> {
    #[inline(always)]
    fn of<I: Isa>(&self, levels: &[u8], elements: &mut [T]) {
        if let Some(bits) = self.flipped {
            for (element, level) in elements.iter_mut().zip(levels) {
                *element = T::from_bits(level ^ bits);
            }
            return;
        }
        let (pixels, _) = levels.as_chunks::<3>();
        for (pixel, elements) in pixels.iter().zip(elements.as_chunks_mut::<3>().0) {
            for ((element, level), table) in elements.iter_mut().zip(pixel).zip(&self.elements) {
                *element = table[usize::from(*level)];
            }
        }
    }
}

/// A tensor element of one byte.
pub(super) trait Byte: Copy + PartialEq {
    fn from_bits(bits: u8) -> Self;
}

impl Byte for u8 {
    fn from_bits(bits: u8) -> Self {
        bits
    }
}

impl Byte for i8 {
    fn from_bits(bits: u8) -> Self {
        bits.cast_signed()
    }
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

    /// The value for `level` in a tensor of integers, before it is clamped to their range.
    fn quantized(&self, element: ElementType, level: u8) -> f64 {
        let level = f64::from(level);
        match *self {
            Self::Quantized { mean, std, quantization: Quantization { scale, zero_point } } => {
                let real = (level - f64::from(mean)) / f64::from(std);
                // Halves away from zero, as TFLite's Quantize rounds them.
                (real / f64::from(scale)).round() + f64::from(zero_point)
            }
            _ if element == ElementType::I8 => level - 128.0,
            _ => level,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::super::kernels::Portable;
    use super::*;
    use crate::frame::PixelFormat;

    fn spec(matrix: ColorMatrix, range: ColorRange) -> FrameSpec {
        FrameSpec { matrix, range, ..FrameSpec::new(PixelFormat::I420, 16, 16) }
    }

    /// As the kernel applies it.
    fn convert(map: &ToRgb, codes: [i32; 3]) -> [i32; 3] {
        std::array::from_fn(|channel| {
            let products = map.matrix[channel].iter().zip(codes);
            let sum: i32 = products.map(|(k, code)| i32::from(*k) * (code << COMPONENT_BITS)).sum();
            ((sum + map.bias[channel]) >> LEVEL_SHIFT).clamp(0, 255)
        })
    }

    #[test]
    fn primaries_come_out_pure() {
        // The 8-bit codes of BT.601 and BT.709 colour bars at full amplitude.
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
    fn grey_has_no_tint_and_rgb_does_not_change() {
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
    fn a_matrix_without_green_is_refused() {
        for (kr, kb) in [(0.5, 0.5), (f64::NAN, 0.1), (0.9, 0.09)] {
            let refused = ToRgb::new(&spec(ColorMatrix { kr, kb }, ColorRange::Full));
            assert_eq!(refused, Err(PreprocessError::ColorMatrix));
        }
    }

    /// The elements of a pixel of each grey.
    fn greys<T: Copy + Default>(values: &impl Values<T>) -> Vec<[T; 3]> {
        let levels: Vec<u8> = (0..=255).flat_map(|level| [level; 3]).collect();
        let mut elements = vec![T::default(); levels.len()];
        values.of::<Portable>(&levels, &mut elements);
        elements.as_chunks().0.to_vec()
    }

    fn values(element: ElementType, value: ValueMap) -> Levels {
        Levels::new(element, &[value; 3]).unwrap()
    }

    #[test]
    fn plain_levels_keep_their_order_in_every_element_type() {
        let Levels::U8(table) = values(ElementType::U8, ValueMap::Level) else { panic!() };
        assert_eq!(greys(&*table), Vec::from_iter((0..=255).map(|level| [level; 3])));
        let Levels::I8(table) = values(ElementType::I8, ValueMap::Level) else { panic!() };
        assert_eq!(greys(&*table), Vec::from_iter((-128..=127).map(|level| [level; 3])));
        let Levels::F32(plain) = values(ElementType::F32, ValueMap::Level) else { panic!() };
        let want = Vec::from_iter((0..=255_u8).map(|level| [f32::from(level); 3]));
        assert_eq!(greys(&plain), want);
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let of = |mean: f32, std: f32| ValueMap::Normalized { mean, std };
        let maps = [of(0.0, 2.0), of(100.0, 1.0), of(127.5, 127.5)];
        let Levels::F32(normalized) = Levels::new(ElementType::F32, &maps).unwrap() else {
            panic!()
        };
        let greys = greys(&normalized);
        assert_eq!(greys[0], [0.0, -100.0, -1.0]);
        assert_eq!(greys[201], [100.5, 101.0, 73.5 / 127.5]);
        assert_eq!(greys[255], [127.5, 155.0, 1.0]);
    }

    #[test]
    fn quantised_values_round_away_from_zero_and_saturate() {
        let quantization = Quantization { scale: 2.0, zero_point: 0 };
        let value = ValueMap::Quantized { mean: 100.0, std: 1.0, quantization };
        let Levels::I8(table) = values(ElementType::I8, value) else { panic!() };
        // -0.5 and 0.5 are halves.
        assert_eq!(greys(&*table)[99..=101], [[-1; 3], [0; 3], [1; 3]]);
        let quantization = Quantization { scale: 0.5, zero_point: 10 };
        let value = ValueMap::Quantized { mean: 100.0, std: 1.0, quantization };
        let Levels::U8(table) = values(ElementType::U8, value) else { panic!() };
        let greys = greys(&*table);
        assert_eq!((greys[0], greys[100], greys[255]), ([0; 3], [10; 3], [255; 3]));
    }

    #[test]
    fn a_value_map_must_fit_the_element_type() {
        let quantization = Quantization { scale: 0.0, zero_point: 0 };
        let refused = [
            (ElementType::F32, ValueMap::Normalized { mean: 0.0, std: 0.0 }),
            (ElementType::F32, ValueMap::Normalized { mean: f32::INFINITY, std: 1.0 }),
            (ElementType::U8, ValueMap::Normalized { mean: 0.0, std: 1.0 }),
            (ElementType::F32, ValueMap::Quantized { mean: 0.0, std: 1.0, quantization }),
            (ElementType::I8, ValueMap::Quantized { mean: 0.0, std: 1.0, quantization }),
        ];
        for (element, value) in refused {
            let result = Levels::new(element, &[ValueMap::Level, ValueMap::Level, value]);
            let element = element.name();
            assert!(
                matches!(result, Err(PreprocessError::Values { channel: 2, element: e, .. }) if e == element),
                "{value:?}"
            );
        }
    }
}
