//! How the pixel values of a frame become elements of the input tensor.

use std::fmt;

use super::config::Config;
use crate::model::modelinfo_file;
use crate::model::tflite::{ModelInfo, Normalization};
use crate::preprocess::{ChannelOrder, Channels, TensorTarget, ValueMap};
use crate::tensor::{ElementType, Quantization, TensorInfo, f16};

/// The meaning of the elements of a model's input.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// No source defines it.
    Unknown,
    /// Real numbers; a quantized input stores them with its own scale.
    Real(Normalization),
    /// Stored values; the scale of the tensor is not applied.
    Stored(Normalization),
}

/// Where a [`Scaling`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalingSource {
    /// The properties `input-mean` and `input-std`.
    Properties,
    /// The metadata of the model.
    Metadata,
    /// The `.modelinfo` file next to the model.
    ModelinfoFile,
    /// No source defines the scaling.
    Default,
}

impl fmt::Display for ScalingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Properties => "from input-mean and input-std",
            Self::Metadata => "from the metadata of the model",
            Self::ModelinfoFile => "from the .modelinfo file next to the model",
            Self::Default => "default, because the model does not define it",
        })
    }
}

/// The elements that the pixel values 0 (black) and 255 (white) become in the input tensor, for
/// red, green and blue. Its `Display` is "0..1", or the ranges of the three channels if they
/// differ.
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
        let (red, green, blue) = (range(0), range(1), range(2));
        if red == green && green == blue {
            f.write_str(&red)
        } else {
            write!(f, "{red} (red), {green} (green), {blue} (blue)")
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

/// Returns the scaling from the first of these sources that defines it: the configuration, the
/// model's metadata, a `.modelinfo` file. Appends a warning if the `.modelinfo` file cannot be
/// used.
pub(super) fn input_scaling(
    config: &Config,
    info: &ModelInfo,
    warnings: &mut Vec<String>,
) -> (Scaling, ScalingSource) {
    if let Some(normalization) = &config.normalization {
        // Integers without a scale represent no real numbers.
        let stored = !info.input.element.is_float() && info.input.quantization.is_none();
        let scaling = if stored { Scaling::Stored } else { Scaling::Real };
        return (scaling(normalization.clone()), ScalingSource::Properties);
    }
    if let Some(normalization) = &info.normalization {
        return (Scaling::Real(normalization.clone()), ScalingSource::Metadata);
    }
    match config.model.file().map_or(Ok(None), modelinfo_file::read_normalization) {
        Ok(Some(normalization)) => (Scaling::Stored(normalization), ScalingSource::ModelinfoFile),
        Ok(None) => (Scaling::Unknown, ScalingSource::Default),
        Err(reason) => {
            warnings.push(reason);
            (Scaling::Unknown, ScalingSource::Default)
        }
    }
}

/// Mean and standard deviation of a float input without a defined scaling: 0..255 becomes -1..1,
/// the range of the MobileNet family.
const FLOAT_CENTER: f32 = 127.5;

/// Returns what preprocessing must produce for the input tensor `input`.
pub(super) fn tensor_target(input: &TensorInfo, scaling: &Scaling) -> TensorTarget {
    TensorTarget {
        width: input.shape.get(2).copied().unwrap_or(0),
        height: input.shape.get(1).copied().unwrap_or(0),
        channels: Channels::Rgb,
        order: ChannelOrder::Last,
        element: input.element,
        values: std::array::from_fn(|channel| value_map(input, scaling, channel)),
    }
}

/// Returns the function from the pixel values of `channel` (0 red, 1 green, 2 blue) to elements.
fn value_map(input: &TensorInfo, scaling: &Scaling, channel: usize) -> ValueMap {
    let of_channel = |normalization: &Normalization| {
        // A single number applies to all channels.
        let pick = |values: &[f32]| values.get(channel).or(values.first()).copied();
        Some((pick(&normalization.mean)?, pick(&normalization.std)?))
    };
    if input.element.is_float() {
        let (mean, std) = match scaling {
            Scaling::Real(normalization) | Scaling::Stored(normalization) => {
                of_channel(normalization)
            }
            Scaling::Unknown => None,
        }
        .unwrap_or((FLOAT_CENTER, FLOAT_CENTER));
        return ValueMap::Normalized { mean, std };
    }
    /// The quantization that stores a number as itself.
    const IDENTITY: Quantization = Quantization { scale: 1.0, zero_point: 0 };
    let mapped = match scaling {
        Scaling::Real(normalization) => of_channel(normalization).zip(input.quantization),
        Scaling::Stored(normalization) => of_channel(normalization).zip(Some(IDENTITY)),
        Scaling::Unknown => None,
    };
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
    fn an_undefined_input_gets_pixel_values_or_a_centered_range() {
        assert_eq!(value_map(&input(ElementType::I8, None), &Scaling::Unknown, 0), ValueMap::Level);
        let centered = ValueMap::Normalized { mean: 127.5, std: 127.5 };
        assert_eq!(value_map(&input(ElementType::F32, None), &Scaling::Unknown, 2), centered);
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
        assert_eq!(Scaling::Unknown.range(&input(ElementType::U8, None)), range(0.0, 255.0));
        assert_eq!(Scaling::Unknown.range(&input(ElementType::I8, None)), range(-128.0, 127.0));
    }

    #[test]
    fn three_numbers_apply_to_one_channel_each() {
        let normalization = Normalization { mean: vec![1.0, 2.0, 3.0], std: vec![4.0] };
        let map = value_map(&input(ElementType::F32, None), &Scaling::Real(normalization), 1);
        assert_eq!(map, ValueMap::Normalized { mean: 2.0, std: 4.0 });
    }
}
