//! The choice of the scaling of the input: which source defines it.

use std::fmt;

use super::config::Config;
use super::error::ClassifyError;
use super::probe::{Probe, RangeVerdict};
use super::scaling::Scaling;
use crate::model::modelinfo_file;
use crate::model::tflite::{
    Evidence, ExpectedRange, GraphRange, ModelInfo,
};
use crate::preprocess::{TensorTarget, ValueMap};
use crate::tensor::{ElementType, Quantization, TensorInfo, f16};

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
    let input = &info.input.tensor;
    if let Some(normalization) = &config.normalization {
        // Integers without a scale represent no real numbers.
        let stored = !input.element.is_float() && input.quantization.is_none();
        let scaling = if stored { Scaling::Stored } else { Scaling::Real };
        return Ok((scaling(normalization.clone()), ScalingSource::Properties));
    }
    if let Some(normalization) = &info.normalization {
        let scaling = Scaling::Real(normalization.clone());
        return Ok(match scaling.covers_stored_range(input) {
            true => (scaling, ScalingSource::Metadata),
            false => (Scaling::Levels, ScalingSource::UnusedMetadata),
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
        return Ok((Scaling::Levels, ScalingSource::ElementType));
    }
    let (range, source) = float_range(config, info, probe, warnings)?;
    Ok((Scaling::Real(range.normalization()), source))
}

/// Returns the range of a float input that no metadata describe.
fn float_range(
    config: &Config,
    info: &ModelInfo,
    probe: Option<&Probe<'_>>,
    warnings: &mut Vec<String>,
) -> Result<(ExpectedRange, ScalingSource), ClassifyError> {
    let found = info.range.as_ref().and_then(|found| Some((found.range?, found)));
    let is_certain =
        |found: &GraphRange| matches!(found.evidence, Evidence::Operators | Evidence::Quantization);
    if let Some((range, found)) = found
        && (probe.is_none() || is_certain(found))
    {
        return Ok((range, ScalingSource::Graph(found.clone())));
    }
    let verdict = probe.map(|probe| probe.range(found.map(|(range, _)| range))).transpose()?;
    match (verdict, found) {
        (Some(RangeVerdict::Only(range)), Some((hint, found))) if hint == range => {
            return Ok((range, ScalingSource::Graph(found.clone())));
        }
        (Some(RangeVerdict::Only(range)), _) => return Ok((range, ScalingSource::Probe)),
        (Some(RangeVerdict::Centered), Some((ExpectedRange::Centered, found))) => {
            return Ok((ExpectedRange::Centered, ScalingSource::Graph(found.clone())));
        }
        _ => {}
    }
    warnings.push(assumed_range(config, info, verdict));
    Ok((ExpectedRange::Centered, ScalingSource::Default))
}

/// Returns the warning that -1..1 is assumed.
fn assumed_range(config: &Config, info: &ModelInfo, verdict: Option<RangeVerdict>) -> String {
    let model = &config.model;
    let why = match (verdict, &info.range) {
        (_, Some(GraphRange { range: None, reason, .. })) => format!(" ({reason})"),
        (Some(RangeVerdict::Centered), _) => {
            " (0..1 is equally plausible, 0..255 is not)".to_owned()
        }
        (Some(_), _) => " (its answers hardly depend on the picture under any range)".to_owned(),
        (None, _) => String::new(),
    };
    format!(
        "{model} does not define the range of its float input, so pixel values 0..255 become -1..1{why}; \
         set input-mean and input-std (0 and 1 for 0..255, 0 and 255 for 0..1)"
    )
}
