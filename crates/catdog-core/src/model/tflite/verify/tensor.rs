//! The checks of a tensor: type, shape, buffer.

use super::quantization::TensorQuantization;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{DYNAMIC_DIMENSION, TensorType, tensor};

/// Limit for the size of a tensor, and of all activations of a subgraph together, in bytes. The
/// largest activation of a classifier has a few megabytes; a damaged shape can require terabytes.
pub const MAX_TENSOR_BYTES: u64 = 1 << 30;
/// Limit for the number of dimensions: `LITERT_TENSOR_MAX_RANK` of LiteRT.
const MAX_RANK: usize = 8;

/// A verified tensor.
pub struct Tensor {
    /// Dimensions, none negative.
    pub shape: Vec<i32>,
    /// Type of the elements.
    pub element: TensorType,
    /// The elements are in the file.
    pub is_constant: bool,
    /// An operator may read the tensor, for example because it is constant or an earlier operator
    /// has written it.
    pub is_ready: bool,
    /// Scales of the quantization: none, one, or one per channel.
    pub scales: Vec<f32>,
    /// The quantization is blockwise: its scales are in another tensor.
    pub is_blockwise: bool,
    /// Size in bytes.
    pub bytes: u64,
}

impl Tensor {
    /// Checks a table `Tensor` of a subgraph with `tensors` tensors, in a model with these buffer
    /// sizes.
    pub fn verify(tensor: Table<'_>, buffers: &[u64], tensors: usize) -> Result<Self, ModelError> {
        let shape = tensor.i32_vector(tensor::SHAPE);
        let element = TensorType::of(tensor);
        let bits = element.bits().ok_or(ModelError::Damaged("a tensor's type"))?;
        let bytes = size_in_bytes(&shape, bits)?;
        verify_shape_signature(&shape, &tensor.i32_vector(tensor::SHAPE_SIGNATURE))?;
        let stored = buffers.get(tensor.u32(tensor::BUFFER) as usize);
        let stored = *stored.ok_or(ModelError::Damaged("a tensor's buffer"))?;
        let in_file =
            tensor.u32(tensor::EXTERNAL_BUFFER) == 0 && !tensor.has(tensor::VARIANT_TENSORS);
        require(in_file, "the storage of a tensor")?;
        let is_constant = stored > 0;
        require(!is_constant || stored >= bytes, "the size of a tensor's buffer")?;
        let quantization = TensorQuantization::verify(tensor, &shape, is_constant, tensors)?;
        let is_handle =
            matches!(element, TensorType::STRING | TensorType::RESOURCE | TensorType::VARIANT);
        let is_variable = tensor.u8(tensor::IS_VARIABLE) != 0;
        let is_ready = is_constant || is_variable || bytes == 0 || is_handle;
        let TensorQuantization { scales, is_blockwise } = quantization;
        Ok(Self { shape, element, is_constant, is_ready, scales, is_blockwise, bytes })
    }

    /// Returns whether the tensor has a scale.
    pub fn is_quantized(&self) -> bool {
        !self.scales.is_empty() || self.is_blockwise
    }
}

/// Returns the size of a tensor in bytes.
fn size_in_bytes(shape: &[i32], bits_per_element: u64) -> Result<u64, ModelError> {
    require(shape.len() <= MAX_RANK, "the number of a tensor's dimensions")?;
    let invalid = || ModelError::Damaged("a tensor's dimension");
    let mut elements = 1u64;
    for &dimension in shape {
        let dimension = u64::try_from(dimension).map_err(|_| invalid())?;
        elements = elements.checked_mul(dimension).ok_or_else(invalid)?;
    }
    let bits = elements.checked_mul(bits_per_element);
    let bytes = bits.map_or(u64::MAX, |bits| bits.div_ceil(8));
    require(bytes <= MAX_TENSOR_BYTES, "a tensor's size")?;
    Ok(bytes)
}

/// Checks that the shape signature, if there is one, is the shape, in which some dimensions may be
/// dynamic.
fn verify_shape_signature(shape: &[i32], signature: &[i32]) -> Result<(), ModelError> {
    let matches = signature.len() == shape.len()
        && signature
            .iter()
            .zip(shape)
            .all(|(signed, size)| *signed == DYNAMIC_DIMENSION || signed == size);
    require(signature.is_empty() || matches, "a tensor's shape signature")
}
