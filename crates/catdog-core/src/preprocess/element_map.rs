//! The functions from pixel values to tensor elements, prepared for the kernels: a subtraction and
//! a multiplication for float32 tensors, a table for float16 and integer tensors.

use super::error::PreprocessError;
use super::target::{CHANNELS, TensorTarget, ValueMap};
use crate::tensor::{ElementType, Quantization, f16};

/// The functions from pixel values to elements, for the element type of the tensor: one for each
/// plane of the tensor. In a tensor with adjacent channels, which is one plane, the function has the
/// constants of the three channels; in other tensors, it has those of the channel three times.
#[derive(Debug)]
pub(super) enum ElementMap {
    F32(Vec<Normalizer>),
    F16(Vec<Table<f16>>),
    U8(Vec<Table<u8>>),
    I8(Vec<Table<i8>>),
}

impl ElementMap {
    /// Prepares the functions of the channels of `target`.
    ///
    /// # Errors
    ///
    /// Fails if one of them does not fit the element type, or if its parameters are not valid.
    pub fn new(target: &TensorTarget) -> Result<Self, PreprocessError> {
        let element = target.element;
        let channels = &target.values[..target.channels.count()];
        for (channel, value) in channels.iter().enumerate() {
            if let Some(reason) = value.fault(element) {
                let element = element.name();
                return Err(PreprocessError::Values { channel, element, reason });
            }
        }
        let planes: Vec<[ValueMap; CHANNELS]> = match target.adjacent() {
            1 => channels.iter().map(|value| [*value; CHANNELS]).collect(),
            _ => vec![target.values],
        };
        let planes = planes.iter();
        Ok(match element {
            ElementType::F32 => Self::F32(planes.map(Normalizer::new).collect()),
            ElementType::F16 => Self::F16(planes.map(Table::rounded).collect()),
            // `as` saturates, which clamps a quantized value to the range of the type.
            ElementType::U8 => {
                let table = |values| Table::quantized(values, element, |value| value as u8);
                Self::U8(planes.map(table).collect())
            }
            ElementType::I8 => {
                let table = |values| Table::quantized(values, element, |value| value as i8);
                Self::I8(planes.map(table).collect())
            }
        })
    }
}

/// The function (pixel value - mean) / std, computed as (pixel value - mean) x (1 / std).
#[derive(Debug)]
pub(super) struct Normalizer {
    pub means: Pattern,
    /// 1 / std.
    pub factors: Pattern,
}

/// The constants of the three channels, repeated to the length of three registers of eight floats.
pub(super) type Pattern = [f32; PATTERN];

/// Number of elements of a [`Pattern`]: a multiple of three channels and of eight floats.
pub(super) const PATTERN: usize = 24;

impl Normalizer {
    fn new(values: &[ValueMap; CHANNELS]) -> Self {
        let constants = |index: usize| match values[index % CHANNELS] {
            ValueMap::Normalized { mean, std } => (mean, 1.0 / std),
            _ => (0.0, 1.0),
        };
        Self {
            means: std::array::from_fn(|index| constants(index).0),
            factors: std::array::from_fn(|index| constants(index).1),
        }
    }

    /// Writes the elements of at most [`PATTERN`] pixel values, of which the first is one of the first
    /// channel.
    #[inline(always)]
    pub fn apply(&self, levels: &[u8], elements: &mut [f32]) {
        let constants = self.means.iter().zip(&self.factors);
        for ((level, element), (mean, factor)) in levels.iter().zip(elements).zip(constants) {
            *element = (f32::from(*level) - mean) * factor;
        }
    }
}

/// The element of each pixel value, for each channel.
#[derive(Debug)]
pub(super) struct Table<T> {
    pub elements: [[T; 256]; CHANNELS],
    /// The constant, if every element is its pixel value XOR one constant: 0 in a uint8 tensor of
    /// plain pixel values, and 0x80 in an int8 tensor of plain pixel values.
    pub flipped: Option<u8>,
}

impl<T> Table<T> {
    /// Returns the table of `element(channel, level)`.
    fn of(element: impl Fn(usize, u8) -> T) -> [[T; 256]; CHANNELS] {
        std::array::from_fn(|channel| std::array::from_fn(|level| element(channel, level as u8)))
    }
}

impl Table<f16> {
    /// Returns the float32 elements of `values`, rounded to the nearest float16.
    fn rounded(values: &[ValueMap; CHANNELS]) -> Self {
        let normalizer = Normalizer::new(values);
        let element = |channel: usize, level| {
            let mut pixel = [0.0; CHANNELS];
            normalizer.apply(&[level; CHANNELS], &mut pixel);
            f16::from_f32(pixel[channel])
        };
        Self { elements: Self::of(element), flipped: None }
    }
}

impl<T: Byte> Table<T> {
    /// Returns the elements of `values`, converted with `convert`.
    fn quantized(
        values: &[ValueMap; CHANNELS],
        element: ElementType,
        convert: fn(f64) -> T,
    ) -> Self {
        let elements =
            Self::of(|channel, level| convert(values[channel].quantized(element, level)));
        let is_xor = |bits: &u8| {
            let want = |level: usize| T::from_bits(level as u8 ^ bits);
            elements.iter().all(|table| (0..256).all(|level| table[level] == want(level)))
        };
        let flipped = [0, 0x80].into_iter().find(is_xor);
        Self { elements, flipped }
    }
}

/// A tensor element of one byte.
pub(super) trait Byte: Copy + PartialEq {
    /// Reinterprets `bits` as an element.
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
    /// Returns the reason why this function cannot fill a tensor of `element`, or `None` if it can.
    fn fault(&self, element: ElementType) -> Option<&'static str> {
        let (mean, std, scale) = match (*self, element) {
            (Self::Level, _) => return None,
            (Self::Normalized { mean, std }, _) if element.is_float() => (mean, std, 1.0),
            (Self::Normalized { .. }, _) => {
                return Some("normalized values need the quantization of the tensor");
            }
            (Self::Quantized { .. }, _) if element.is_float() => {
                return Some("float elements cannot be quantized");
            }
            (Self::Quantized { mean, std, quantization }, _) => (mean, std, quantization.scale),
        };
        if !mean.is_finite() {
            return Some("the mean must be a finite number");
        }
        if !(std.is_normal() && scale.is_normal() && scale > 0.0) {
            return Some(
                "the standard deviation must be finite and not 0, the scale finite and positive",
            );
        }
        None
    }

    /// Returns the element of the pixel value `level` in a tensor of integers, not clamped to their
    /// range.
    fn quantized(&self, element: ElementType, level: u8) -> f64 {
        let level = f64::from(level);
        match *self {
            Self::Quantized { mean, std, quantization: Quantization { scale, zero_point } } => {
                let real = (level - f64::from(mean)) / f64::from(std);
                // Halves are rounded away from zero, as in TFLite's Quantize operator.
                (real / f64::from(scale)).round() + f64::from(zero_point)
            }
            _ if element == ElementType::I8 => level - 128.0,
            _ => level,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::target::{ChannelOrder, Channels};

    fn target(element: ElementType, values: [ValueMap; CHANNELS]) -> TensorTarget {
        let (channels, order) = (Channels::Rgb, ChannelOrder::Last);
        TensorTarget { width: 1, height: 1, channels, order, element, values }
    }

    #[test]
    fn functions_that_do_not_fit_the_element_type_are_rejected() {
        let quantization = Quantization { scale: 0.0, zero_point: 0 };
        let rejected = [
            (ElementType::F32, ValueMap::Normalized { mean: 0.0, std: 0.0 }),
            (ElementType::F32, ValueMap::Normalized { mean: f32::INFINITY, std: 1.0 }),
            (ElementType::F16, ValueMap::Normalized { mean: 0.0, std: f32::NAN }),
            (ElementType::U8, ValueMap::Normalized { mean: 0.0, std: 1.0 }),
            (ElementType::F16, ValueMap::Quantized { mean: 0.0, std: 1.0, quantization }),
            (ElementType::F32, ValueMap::Quantized { mean: 0.0, std: 1.0, quantization }),
            (ElementType::I8, ValueMap::Quantized { mean: 0.0, std: 1.0, quantization }),
        ];
        for (element, value) in rejected {
            let values = [ValueMap::Level, ValueMap::Level, value];
            let result = ElementMap::new(&target(element, values));
            let element = element.name();
            assert!(
                matches!(result, Err(PreprocessError::Values { channel: 2, element: e, .. }) if e == element),
                "{value:?}"
            );
        }
    }
}
