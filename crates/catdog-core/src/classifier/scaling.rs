//! How the pixel values of a frame become elements of the input tensor.

use std::fmt;

use crate::model::tflite::{ImageInput, Normalization};
use crate::preprocess::{TensorTarget, ValueMap};
use crate::tensor::{ElementType, Quantization, TensorInfo, f16};

/// How pixel values become elements of a model's input.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// The elements are the pixel values; in an int8 tensor, minus 128.
    Levels,
    /// The elements are normalized pixel values; a quantized input stores them with its own scale.
    Real(Normalization),
    /// The elements are normalized pixel values; the scale of a quantized input is not applied.
    Stored(Normalization),
}

/// Share of the stored range that pixel values must cover, and share of them that must be in it.
const MIN_COVERAGE: f32 = 0.75;
/// A scaling of an 8-bit input that differs by no more than this from the pixel values, in levels,
/// stores the pixel values: one level, and what rounding of the scale adds.
const LEVEL_TOLERANCE: f32 = 1.01;

/// The elements that the pixel values 0 (black) and 255 (white) become in the input tensor, for its
/// channels. Its `Display` is "0..1", or the ranges of the three channels if they differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputRange {
    /// The elements for the pixel value 0.
    pub black: [f32; 3],
    /// The elements for the pixel value 255.
    pub white: [f32; 3],
}

impl fmt::Display for InputRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |channel: usize| format!("{}..{}", self.black[channel], self.white[channel]);
        let (first, second, third) = (range(0), range(1), range(2));
        if first == second && second == third {
            f.write_str(&first)
        } else {
            write!(f, "{first}, {second} and {third} in the three channels")
        }
    }
}

impl Scaling {
    /// Returns the range of the elements of the input tensor `input`.
    pub fn range(&self, input: &TensorInfo) -> InputRange {
        let elements = |pixel_value: f64| {
            std::array::from_fn(|channel| {
                element(input.element, value_map(input, self, channel), pixel_value)
            })
        };
        InputRange { black: elements(0.0), white: elements(255.0) }
    }

    /// Returns whether this maps the pixel values 0..255 onto about the whole range that the input
    /// can store. Float inputs can store every range.
    ///
    /// Some metadata give mean 0 and standard deviation 1, or 127.5 and 127.5, for an 8-bit input whose
    /// elements are the pixel values (AutoML Vision Edge). Its own readers do not apply them to 8-bit
    /// inputs. Applied, they would leave a small part of the stored range, or saturate.
    pub(super) fn covers_stored_range(&self, input: &TensorInfo) -> bool {
        let Some((low, high)) = stored_bounds(input.element) else { return true };
        (0..3).all(|channel| {
            self.unclamped(input, channel).is_some_and(|(black, white)| {
                let common = white.min(high) - black.max(low);
                common >= MIN_COVERAGE * (high - low) && common >= MIN_COVERAGE * (white - black)
            })
        })
    }

    /// Returns whether this stores each pixel value in an 8-bit input as [`Levels`](Self::Levels)
    /// does, to within one level. The scale of an input is rounded, and some exporters write 1/256
    /// or 1/128 for 1/255 and 1/127.5.
    pub(super) fn is_levels(&self, input: &TensorInfo) -> bool {
        let Some((low, high)) = stored_bounds(input.element) else { return false };
        (0..3).all(|channel| {
            self.unclamped(input, channel).is_some_and(|(black, white)| {
                (black - low).abs() <= LEVEL_TOLERANCE && (white - high).abs() <= LEVEL_TOLERANCE
            })
        })
    }

    /// Returns what the pixel values 0 and 255 of `channel` become in an 8-bit input, neither rounded
    /// nor clamped; `None` if this is no linear function with the scale of an input.
    fn unclamped(&self, input: &TensorInfo, channel: usize) -> Option<(f32, f32)> {
        let ValueMap::Quantized { mean, std, quantization } = value_map(input, self, channel)
        else {
            return None;
        };
        let stored = |pixel_value: f32| {
            (pixel_value - mean) / std / quantization.scale + quantization.zero_point as f32
        };
        Some((stored(0.0), stored(255.0)))
    }
}

/// Returns the smallest and the largest element of an 8-bit input; `None` for float inputs, which can
/// store every range.
fn stored_bounds(element: ElementType) -> Option<(f32, f32)> {
    match element {
        ElementType::F32 | ElementType::F16 => None,
        ElementType::U8 => Some((0.0, 255.0)),
        ElementType::I8 => Some((-128.0, 127.0)),
    }
}

/// Returns the element that `pixel_value` becomes, computed as preprocessing does.
fn element(element: ElementType, map: ValueMap, pixel_value: f64) -> f32 {
    let value = match map {
        ValueMap::Level if element == ElementType::I8 => pixel_value - 128.0,
        ValueMap::Level => pixel_value,
        ValueMap::Normalized { mean, std } => (pixel_value - f64::from(mean)) / f64::from(std),
        ValueMap::Quantized { mean, std, quantization } => {
            let real = (pixel_value - f64::from(mean)) / f64::from(std);
            (real / f64::from(quantization.scale)).round() + f64::from(quantization.zero_point)
        }
    };
    match element {
        ElementType::F32 => value as f32,
        ElementType::F16 => f16::from_f64(value).to_f32(),
        // A conversion to an integer clamps.
        ElementType::U8 => f32::from(value as u8),
        ElementType::I8 => f32::from(value as i8),
    }
}

/// Returns what preprocessing must produce for the input `input`.
pub(super) fn tensor_target(input: &ImageInput, scaling: &Scaling) -> TensorTarget {
    let (width, height) = input.size;
    TensorTarget {
        width,
        height,
        channels: input.channels,
        order: input.order,
        element: input.tensor.element,
        values: std::array::from_fn(|channel| value_map(&input.tensor, scaling, channel)),
    }
}

/// Returns the function from the pixel values of the input's channel `channel` to elements.
fn value_map(input: &TensorInfo, scaling: &Scaling, channel: usize) -> ValueMap {
    let of_channel = |normalization: &Normalization| {
        // A single number applies to all channels.
        let pick = |values: &[f32]| values.get(channel).or(values.first()).copied();
        Some((pick(&normalization.mean)?, pick(&normalization.std)?))
    };
    let normalization = match scaling {
        Scaling::Levels => return ValueMap::Level,
        Scaling::Real(normalization) | Scaling::Stored(normalization) => of_channel(normalization),
    };
    if input.element.is_float() {
        let to_value = |(mean, std)| ValueMap::Normalized { mean, std };
        return normalization.map_or(ValueMap::Level, to_value);
    }
    /// The quantization that stores a number as itself.
    const IDENTITY: Quantization = Quantization { scale: 1.0, zero_point: 0 };
    let quantization = match scaling {
        Scaling::Stored(_) => Some(IDENTITY),
        _ => input.quantization,
    };
    let mapped = normalization.zip(quantization);
    // Without a normalization or a scale, the bytes of the tensor are the pixel values.
    mapped.map_or(ValueMap::Level, |((mean, std), quantization)| ValueMap::Quantized {
        mean,
        std,
        quantization,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(element: ElementType, quantization: Option<Quantization>) -> TensorInfo {
        TensorInfo { name: "input".into(), shape: vec![1, 8, 8, 3], element, quantization }
    }

    #[test]
    fn ranges_of_a_modelinfo_are_in_stored_units() {
        let passthrough = Scaling::Stored(Normalization { mean: vec![0.0], std: vec![1.0] });
        let quantization = Some(Quantization { scale: 1.0 / 127.5, zero_point: 127 });
        // 0..255 is stored as 0..255; the scale of the tensor is not applied.
        let want = ValueMap::Quantized {
            mean: 0.0,
            std: 1.0,
            quantization: Quantization { scale: 1.0, zero_point: 0 },
        };
        assert_eq!(value_map(&input(ElementType::U8, quantization), &passthrough, 0), want);
    }

    #[test]
    fn metadata_that_do_not_fit_the_stored_range_are_recognized() {
        let real = |mean, std| Scaling::Real(Normalization { mean: vec![mean], std: vec![std] });
        let quantized =
            |element, scale, zero_point| input(element, Some(Quantization { scale, zero_point }));
        let unit = quantized(ElementType::U8, 1.0 / 255.0, 0);
        assert!(real(0.0, 255.0).covers_stored_range(&unit));
        assert!(!real(0.0, 1.0).covers_stored_range(&unit), "it saturates");
        assert!(!real(127.5, 127.5).covers_stored_range(&unit), "half of it is below 0");
        let pixels = quantized(ElementType::U8, 1.0, 0);
        assert!(real(0.0, 1.0).covers_stored_range(&pixels));
        assert!(!real(127.5, 127.5).covers_stored_range(&pixels), "it is stored as 0 or 1");
        let centered = quantized(ElementType::I8, 1.0 / 128.0, 0);
        assert!(real(127.5, 127.5).covers_stored_range(&centered));
        assert!(!real(0.0, 1.0).covers_stored_range(&input(ElementType::I8, None)));
        // Mean and standard deviation of ImageNet: each channel covers most of a common range.
        let imagenet = Scaling::Real(Normalization {
            mean: vec![123.675, 116.28, 103.53],
            std: vec![58.395, 57.12, 57.375],
        });
        assert!(imagenet.covers_stored_range(&quantized(ElementType::U8, 0.018_66, 114)));
        assert!(real(0.0, 1.0).covers_stored_range(&input(ElementType::F32, None)));
    }

    #[test]
    fn metadata_that_store_the_pixel_values_but_for_rounding_are_the_pixel_values() {
        let real = |mean, std| Scaling::Real(Normalization { mean: vec![mean], std: vec![std] });
        let quantized =
            |element, scale, zero_point| input(element, Some(Quantization { scale, zero_point }));
        for (scaling, stored) in [
            (real(0.0, 255.0), quantized(ElementType::U8, 1.0 / 256.0, 0)),
            (real(127.5, 127.5), quantized(ElementType::U8, 0.007_874_02, 127)),
            (real(127.5, 127.5), quantized(ElementType::I8, 1.0 / 128.0, 0)),
            (real(0.0, 1.0), quantized(ElementType::I8, 1.0, -128)),
        ] {
            assert!(scaling.is_levels(&stored), "{scaling:?} {stored}");
        }
        assert!(!real(0.0, 255.0).is_levels(&quantized(ElementType::U8, 1.0 / 260.0, 0)));
        assert!(!real(127.5, 127.5).is_levels(&quantized(ElementType::I8, 1.0 / 128.0, 2)));
        assert!(!real(0.0, 255.0).is_levels(&input(ElementType::F32, None)));
        let one_channel = Normalization { mean: vec![0.0, 0.0, 20.0], std: vec![255.0] };
        let unit = quantized(ElementType::U8, 1.0 / 255.0, 0);
        assert!(!Scaling::Real(one_channel).is_levels(&unit));
    }

    fn range(black: f32, white: f32) -> InputRange {
        InputRange { black: [black; 3], white: [white; 3] }
    }

    #[test]
    fn the_range_is_what_black_and_white_become() {
        let half = Scaling::Real(Normalization { mean: vec![127.5], std: vec![127.5] });
        assert_eq!(half.range(&input(ElementType::F32, None)), range(-1.0, 1.0));
        let quantization = Some(Quantization { scale: 1.0 / 128.0, zero_point: 0 });
        assert_eq!(half.range(&input(ElementType::I8, quantization)), range(-128.0, 127.0));
        assert_eq!(Scaling::Levels.range(&input(ElementType::U8, None)), range(0.0, 255.0));
        assert_eq!(Scaling::Levels.range(&input(ElementType::I8, None)), range(-128.0, 127.0));
    }

    #[test]
    fn three_numbers_apply_to_one_channel_each() {
        let normalization = Normalization { mean: vec![1.0, 2.0, 3.0], std: vec![4.0] };
        let map = value_map(&input(ElementType::F32, None), &Scaling::Real(normalization), 1);
        assert_eq!(map, ValueMap::Normalized { mean: 2.0, std: 4.0 });
    }
}
