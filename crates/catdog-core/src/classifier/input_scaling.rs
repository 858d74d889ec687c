//! The choice of the scaling of the input: which source defines it.

use std::fmt;

use super::config::Config;
use super::error::ClassifyError;
use super::probe::{Probe, RangeVerdict};
use super::scaling::Scaling;
use crate::model::modelinfo_file;
use crate::model::tflite::{
    Evidence, ExpectedRange, GraphRange, ModelInfo, RangeConvention, UnusableNormalization,
};
use crate::preprocess::Channels;
use crate::tensor::{ElementType, Quantization};

/// Where a [`Scaling`] comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingSource {
    /// The properties `input-mean` and `input-std`.
    Properties,
    /// The metadata of the model.
    Metadata,
    /// The metadata of the model has a normalization that does not fit the scale of its 8-bit
    /// input, so the pixel values are stored as they are.
    UnusedMetadata,
    /// The `.modelinfo` file next to the model.
    ModelinfoFile,
    /// The graph, or the names of its tensors.
    Graph(GraphRange),
    /// The load-time probe: the answers depend on the picture under this range, and hardly under
    /// the others.
    Probe,
    /// The scale of an 8-bit input, which stores a part of a usual range.
    Quantization,
    /// The element type: 8-bit inputs take pixel values.
    ElementType,
    /// No source defines the scaling.
    Default,
}

impl fmt::Display for ScalingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Properties => "from input-mean and input-std",
            Self::Metadata => "from the metadata of the model",
            Self::UnusedMetadata => {
                "as stored, because the normalization in the metadata does not fit the scale of the \
                 input"
            }
            Self::ModelinfoFile => "from the .modelinfo file next to the model",
            Self::Graph(found) => return write!(f, "because {}", found.reason),
            Self::Probe => {
                "because the answers to the pictures of the probe hardly differ under other ranges"
            }
            Self::Quantization => "because the scale of the input stores this range or a part of it",
            Self::ElementType => "as stored, because the input has 8-bit elements",
            Self::Default => "default, because the model does not define it",
        })
    }
}

/// Returns the scaling from the first of these sources that defines it: the configuration, the
/// model's metadata, a `.modelinfo` file, the element type, the graph, the `probe`. Without a probe,
/// weak evidence of the graph counts as it is. Appends a warning if a source cannot be used, or no
/// source defines the scaling.
///
/// # Errors
///
/// [`ClassifyError`] if the model cannot be run on the pictures of the probe.
pub(super) fn input_scaling(
    config: &Config,
    info: &ModelInfo,
    probe: Option<&Probe<'_>>,
    warnings: &mut Vec<String>,
) -> Result<(Scaling, ScalingSource), ClassifyError> {
    let (input, channels) = (&info.input.tensor, info.input.channels);
    if let Some(normalization) = &config.normalization {
        // Integers without a scale represent no real numbers.
        let stored = !input.element.is_float() && input.quantization.is_none();
        let scaling = if stored { Scaling::Stored } else { Scaling::Real };
        return Ok((scaling(normalization.clone()), ScalingSource::Properties));
    }
    if let Some(Err(UnusableNormalization)) = info.normalization {
        warnings.push(
            "the normalization in the model's metadata is not used: it needs one or three finite means \
             and positive standard deviations; set input-mean and input-std"
                .to_owned(),
        );
    }
    if let Some(Ok(normalization)) = &info.normalization {
        let scaling = Scaling::Real(normalization.clone());
        // Where the elements are those of the pixel values but for rounding, the pixel values are
        // stored, as the readers of such metadata do.
        return Ok(if scaling.is_levels(input) {
            (Scaling::Levels, ScalingSource::Metadata)
        } else if scaling.covers_stored_range(input) {
            (scaling, ScalingSource::Metadata)
        } else {
            (Scaling::Levels, ScalingSource::UnusedMetadata)
        });
    }
    match config.model.file().map_or(Ok(None), modelinfo_file::read_normalization) {
        Ok(Some(normalization)) => {
            return Ok((Scaling::Stored(normalization), ScalingSource::ModelinfoFile));
        }
        Ok(None) => {}
        Err(reason) => warnings.push(reason),
    }
    if !input.element.is_float() {
        return Ok(match input.quantization.and_then(|q| stored_range(input.element, q)) {
            Some(range) => {
                (Scaling::Real(range.normalization(channels)), ScalingSource::Quantization)
            }
            None => (Scaling::Levels, ScalingSource::ElementType),
        });
    }
    let (range, source) = float_range(config, info, probe, warnings)?;
    Ok((Scaling::Real(range.normalization(channels)), source))
}

/// An 8-bit input whose stored values cover less of a usual range is clipped.
const UNCLIPPED: f32 = 0.97;
/// An 8-bit input whose stored values cover less of a usual range expects another one.
const MIN_CLIPPED: f32 = 0.5;

/// Returns the usual range that an 8-bit input stores, if its elements are not the pixel values: a
/// part of a range, or values that are normalized with mean and standard deviation of ImageNet.
/// `None` if it stores a whole range, so that its elements are the pixel values, or none of the
/// usual ones.
///
/// The scale comes from the smallest and the largest value in the pictures of the calibration. If
/// none of them contained white, the input saturates before white (Edge Impulse exports).
fn stored_range(element: ElementType, quantization: Quantization) -> Option<ExpectedRange> {
    let lowest = if element == ElementType::I8 { -128 } else { 0 };
    let real = |stored: i32| quantization.scale * (stored - quantization.zero_point) as f32;
    let (low, high) = (real(lowest), real(lowest + 255));
    if ExpectedRange::is_imagenet(low.into(), high.into()) {
        return Some(ExpectedRange::ImageNet);
    }
    let ranges = [
        (ExpectedRange::Unit, 0.0, 1.0),
        (ExpectedRange::Centered, -1.0, 1.0),
        (ExpectedRange::Pixels, 0.0, 255.0),
    ];
    // The share of the range that the input stores; `None` if it stores values outside of it.
    let share = |(_, usual_low, usual_high): &(ExpectedRange, f32, f32)| {
        let width = usual_high - usual_low;
        let tolerance = (1.0 - UNCLIPPED) * width;
        let is_inside = low >= usual_low - tolerance && high <= usual_high + tolerance;
        is_inside.then_some((high - low) / width)
    };
    if ranges.iter().filter_map(share).any(|share| share >= UNCLIPPED) {
        return None;
    }
    let clipped =
        ranges.iter().find(|range| share(range).is_some_and(|share| share >= MIN_CLIPPED));
    clipped.map(|(range, ..)| *range)
}

/// Returns the range of a float input that no metadata describe.
fn float_range(
    config: &Config,
    info: &ModelInfo,
    probe: Option<&Probe<'_>>,
    warnings: &mut Vec<String>,
) -> Result<(ExpectedRange, ScalingSource), ClassifyError> {
    let found = info.input_range.as_ref().and_then(|found| Some((found.range?, found)));
    let is_certain =
        |found: &GraphRange| matches!(found.evidence, Evidence::Operators | Evidence::Quantization);
    if let Some((range, found)) = found
        && (probe.is_none() || is_certain(found))
    {
        return Ok((range, ScalingSource::Graph(found.clone())));
    }
    // The kind of a padded MobileNet is certain enough, so the inferences are saved.
    let probe = probe.filter(|_| info.range_convention != RangeConvention::PaddedMobileNet);
    let verdict = probe.map(Probe::range).transpose()?;
    let only_pixels = verdict == Some(RangeVerdict::Only(ExpectedRange::Pixels));
    // A model may answer the same for all pictures of the probe, because they show nothing that it
    // knows, so an undecided probe does not contradict the graph.
    let is_undecided = matches!(verdict, None | Some(RangeVerdict::Undecided));
    match found {
        Some((range, found)) if (range == ExpectedRange::Pixels) == only_pixels || is_undecided => {
            return Ok((range, ScalingSource::Graph(found.clone())));
        }
        _ if only_pixels => return Ok((ExpectedRange::Pixels, ScalingSource::Probe)),
        _ => {}
    }
    let assumed = match (info.input.channels, verdict) {
        // The range of the tutorials for handwritten digits and of Edge Impulse. The pictures of the
        // probe show no digits, so that the answers to them do not tell the range of such a network.
        (Channels::Gray, _) => ExpectedRange::Unit,
        // Another range near this one can be right as well, such as that of ImageNet.
        (Channels::Rgb | Channels::Bgr, Some(RangeVerdict::Only(range))) => range,
        (Channels::Rgb | Channels::Bgr, _) => info.range_convention.range(),
    };
    warnings.push(assumed_range(config, info, assumed, verdict));
    Ok((assumed, ScalingSource::Default))
}

/// Returns the warning that the range `assumed` is assumed.
fn assumed_range(
    config: &Config,
    info: &ModelInfo,
    assumed: ExpectedRange,
    verdict: Option<RangeVerdict>,
) -> String {
    let model = &config.model;
    let other = match assumed {
        ExpectedRange::Unit => ExpectedRange::Centered,
        _ => ExpectedRange::Unit,
    };
    let why = match (verdict, &info.input_range) {
        (_, Some(GraphRange { range: None, reason, .. })) => format!(" ({reason})"),
        (Some(RangeVerdict::Only(range)), _) if range == assumed => {
            format!(" (its answers hardly depend on the picture under {other})")
        }
        (Some(RangeVerdict::Undecided), _) => {
            format!(" (its answers to a few pictures do not decide; {other} is possible, too)")
        }
        _ => format!(" ({other} is possible, too)"),
    };
    format!(
        "{model} does not define the range of its float input, so pixel values 0..255 become \
         {assumed}{why}; set input-mean and input-std (127.5 and 127.5 for -1..1, 0 and 255 for 0..1, 0 \
         and 1 for 0..255)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_8_bit_input_whose_elements_are_not_pixel_values_is_recognized() {
        let of =
            |element, scale, zero_point| stored_range(element, Quantization { scale, zero_point });
        assert_eq!(of(ElementType::I8, 0.003_118, -128), Some(ExpectedRange::Unit));
        assert_eq!(of(ElementType::U8, 0.7, 0), Some(ExpectedRange::Pixels));
        assert_eq!(of(ElementType::I8, 0.007, 14), Some(ExpectedRange::Centered));
        assert_eq!(of(ElementType::U8, 0.018_66, 114), Some(ExpectedRange::ImageNet));
        assert_eq!(of(ElementType::I8, 0.0186, -14), Some(ExpectedRange::ImageNet));
        for (element, scale, zero_point) in [
            (ElementType::U8, 1.0 / 255.0, 0),
            (ElementType::U8, 1.0 / 256.0, 0),
            (ElementType::U8, 0.007_874_02, 128),
            (ElementType::I8, 1.0 / 127.5, -1),
            (ElementType::U8, 1.0, 0),
        ] {
            assert_eq!(of(element, scale, zero_point), None, "{scale}, {zero_point}");
        }
    }
}
