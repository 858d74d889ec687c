//! The checks of a tensor's quantization.

use std::ops::RangeInclusive;

use super::tensor::name_of;
use crate::model::tflite::error::ModelError;
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{
    ABSENT_ZERO_POINTS, TensorType, blockwise_quantization, quantization_details,
    quantization_parameters, tensor,
};

/// Smallest and largest scale of an activation. Exporters write any positive number: layers whose
/// results are almost 0 have scales of 1e-16, and the EXP in a SELU has one of 1e12.
const ACTIVATION_SCALES: RangeInclusive<f32> = f32::MIN_POSITIVE..=f32::MAX;

/// The verified quantization of a tensor.
#[derive(Default)]
pub struct TensorQuantization {
    /// The scales: none, one, or one per channel.
    pub scales: Vec<f32>,
    /// The blockwise quantization, whose scales are in another tensor.
    pub blockwise: Option<Blockwise>,
}

/// A blockwise quantization: the elements of a row share a scale block by block.
#[derive(Clone, Copy)]
pub struct Blockwise {
    /// Tensor index of the scales.
    pub scales: usize,
    /// Tensor index of the zero points; `None` if all are 0.
    pub zero_points: Option<usize>,
    /// Number of elements of a block, at least 1.
    pub block_size: u64,
}

impl TensorQuantization {
    /// Checks the quantization of a table `Tensor` of a subgraph with `tensors` tensors. The
    /// quantization of a type that is not quantized is ignored, as LiteRT ignores it.
    pub fn verify(
        tensor: Table<'_>,
        shape: &[i32],
        is_constant: bool,
        tensors: usize,
    ) -> Result<Self, ModelError> {
        let Some(parameters) = tensor.table(tensor::QUANTIZATION) else {
            return Ok(Self::default());
        };
        match parameters.u8(quantization_parameters::DETAILS_TYPE) {
            quantization_details::NONE | quantization_details::CUSTOM_QUANTIZATION => {
                let element = TensorType::of(tensor);
                let affine = verify_affine(parameters, shape, element, is_constant);
                affine
                    .map_err(|reason| ModelError::Quantization { tensor: name_of(tensor), reason })
            }
            quantization_details::BLOCKWISE_QUANTIZATION => {
                let blockwise = read_blockwise(parameters, tensors);
                let blockwise = blockwise.ok_or(ModelError::Damaged("a blockwise quantization"))?;
                Ok(Self { blockwise: Some(blockwise), ..Self::default() })
            }
            _ => Err(ModelError::Damaged("the quantization of a tensor")),
        }
    }
}

/// Checks an affine quantization, per tensor or per channel. Returns the reason if it is invalid.
fn verify_affine(
    parameters: Table<'_>,
    shape: &[i32],
    element: TensorType,
    is_constant: bool,
) -> Result<TensorQuantization, &'static str> {
    let scales = parameters.f32_vector(quantization_parameters::SCALE);
    let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
    if scales.is_empty() {
        return Ok(TensorQuantization::default());
    }
    // LiteRT refuses or crashes on wrong numbers of scales and zero points for all types.
    if zero_points.len() != scales.len() {
        return Err("the numbers of its scales and zero points differ");
    }
    if scales.len() > 1 {
        let dimension = parameters.i32(quantization_parameters::QUANTIZED_DIMENSION);
        let channels = usize::try_from(dimension).ok().and_then(|index| shape.get(index));
        if channels.map(|&size| size as usize) != Some(scales.len()) {
            return Err("the number of its scales is neither 1 nor the number of its channels");
        }
    }
    let Some(range) = zero_point_range(element) else { return Ok(TensorQuantization::default()) };
    // A weight tensor can have channels that are all 0, with a scale of 0.
    let usable = |scale: f32| {
        let sane = scale.is_finite() && scale >= 0.0;
        sane && (is_constant || ACTIVATION_SCALES.contains(&scale))
    };
    if !scales.iter().all(|&scale| usable(scale)) {
        return Err("a scale is not a positive number");
    }
    if !zero_points.iter().all(|zero_point| range.contains(zero_point)) {
        return Err("a zero point is outside the range of its type");
    }
    Ok(TensorQuantization { scales, blockwise: None })
}

/// Reads a blockwise quantization, which refers to other tensors of the subgraph. `None` if they do not
/// exist, or a block has no elements.
fn read_blockwise(parameters: Table<'_>, tensors: usize) -> Option<Blockwise> {
    let details = parameters.table(quantization_parameters::DETAILS)?;
    let existing = |tensor: i32| usize::try_from(tensor).ok().filter(|&index| index < tensors);
    let zero_points = match details.i32(blockwise_quantization::ZERO_POINTS) {
        ABSENT_ZERO_POINTS => None,
        index => Some(existing(index)?),
    };
    let block_size = u64::try_from(details.i32(blockwise_quantization::BLOCK_SIZE)).ok()?;
    let scales = existing(details.i32(blockwise_quantization::SCALES))?;
    (block_size >= 1).then_some(Blockwise { scales, zero_points, block_size })
}

/// Returns the valid zero points of a type: its values, but only 0 for int32 (biases). `None` for
/// types whose zero points are not used.
fn zero_point_range(element: TensorType) -> Option<RangeInclusive<i64>> {
    match element {
        TensorType::UINT8 => Some(0..=255),
        TensorType::INT8 => Some(-128..=127),
        TensorType::INT16 => Some(-32768..=32767),
        TensorType::UINT16 => Some(0..=65535),
        TensorType::INT4 => Some(-8..=7),
        TensorType::INT2 => Some(-2..=1),
        TensorType::INT32 => Some(0..=0),
        _ => None,
    }
}
