//! The checks of a tensor: type, shape, buffer.

use super::quantization::{Blockwise, TensorQuantization};
use crate::model::tflite::contents::short;
use crate::model::tflite::error::{ModelError, require};
use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::{DYNAMIC_DIMENSION, TensorType, tensor};

/// Limit for the size of a tensor, in bytes. The largest tensors of classifiers, the weights of
/// fully connected layers, have a few hundred megabytes; a damaged shape can require terabytes.
pub const MAX_TENSOR_BYTES: u64 = 1 << 30;
/// Limit for the number of dimensions: `LITERT_TENSOR_MAX_RANK` of LiteRT.
pub const MAX_RANK: usize = 8;
/// Limit for the elements of a tensor whose values are followed through the graph: shapes, axes,
/// paddings and what is computed from them.
pub const MAX_VALUES: usize = 64;

/// The height and width that an input is verified with if the file does not fix them, in pixels.
const USUAL_SIDE: i32 = 224;

/// A verified tensor.
pub struct Tensor<'a> {
    /// The table `Tensor`.
    table: Table<'a>,
    /// Dimensions, none negative. Those of the result of an operator are as stored in the file,
    /// until the operator is verified, and then as the operator computes them.
    pub shape: Vec<i32>,
    /// Dimensions that are not fixed: `true` for each such dimension, none if all are fixed.
    pub is_dynamic: Vec<bool>,
    /// Size of the shape in the file, in bytes.
    stored_bytes: u64,
    /// Type of the elements.
    pub element: TensorType,
    /// The elements are in the file.
    pub is_constant: bool,
    /// LiteRT keeps the elements from one inference to the next.
    pub is_variable: bool,
    /// An operator may read the tensor, for example because it is constant or an earlier operator
    /// has written it.
    pub is_ready: bool,
    /// Scales of the quantization: none, one, or one per channel.
    pub scales: Vec<f32>,
    /// The blockwise quantization, whose scales are in another tensor.
    pub blockwise: Option<Blockwise>,
    /// The elements, if they do not depend on the input of the model and there are at most
    /// [`MAX_VALUES`].
    pub values: Option<Vec<f64>>,
}

impl<'a> Tensor<'a> {
    /// Checks a table `Tensor` of a subgraph with `tensors` tensors, in a model with these buffers.
    pub fn verify(
        tensor: Table<'a>,
        buffers: &[&'a [u8]],
        tensors: usize,
    ) -> Result<Self, ModelError> {
        let shape = tensor.i32_vector(tensor::SHAPE);
        let element = TensorType::of(tensor);
        let bits = element.bits().ok_or(ModelError::Damaged("a tensor's type"))?;
        require(shape.len() <= MAX_RANK, "the number of a tensor's dimensions")?;
        require(shape.iter().all(|&size| size >= 0), "a tensor's dimension")?;
        let bytes = size_in_bytes(&shape, bits).ok_or(ModelError::Damaged("a tensor's size"))?;
        require(bytes <= MAX_TENSOR_BYTES, "a tensor's size")?;
        let is_dynamic = dynamic_dimensions(&shape, &tensor.i32_vector(tensor::SHAPE_SIGNATURE))?;
        let data = buffers.get(tensor.u32(tensor::BUFFER) as usize);
        let data = *data.ok_or(ModelError::Damaged("a tensor's buffer"))?;
        let in_file =
            tensor.u32(tensor::EXTERNAL_BUFFER) == 0 && !tensor.has(tensor::VARIANT_TENSORS);
        require(in_file, "the storage of a tensor")?;
        let is_constant = !data.is_empty();
        let is_complete = !is_constant || data.len() as u64 >= bytes;
        // The kernels of sparse weights read outside of a tensor whose description is wrong.
        if tensor.has(tensor::SPARSITY) {
            return Err(ModelError::SparseWeights { tensor: name_of(tensor) });
        }
        require(is_complete, "the size of a tensor's buffer")?;
        let quantization = TensorQuantization::verify(tensor, &shape, is_constant, tensors)?;
        let is_variable = tensor.u8(tensor::IS_VARIABLE) != 0;
        let TensorQuantization { scales, blockwise } = quantization;
        let values = if is_constant { values(&shape, element, data) } else { None };
        Ok(Self {
            table: tensor,
            shape,
            is_dynamic,
            stored_bytes: bytes,
            element,
            is_constant,
            is_variable,
            is_ready: is_constant || is_variable || bytes == 0,
            scales,
            blockwise,
            values,
        })
    }

    /// Replaces the dimensions of an input that are not fixed: a batch is one image, and another
    /// size of 1 in the file stands for the size that the engine sets.
    pub fn fix_dimensions(&mut self) {
        for (index, size) in self.shape.iter_mut().enumerate() {
            let is_dynamic = self.is_dynamic.get(index).is_some_and(|dynamic| *dynamic);
            match (is_dynamic, index, *size) {
                (true, 0, _) => *size = 1,
                (true, _, 1) => *size = USUAL_SIDE,
                _ => {}
            }
        }
    }

    /// Returns the name, for error messages.
    pub fn name(&self) -> String {
        name_of(self.table)
    }

    /// Returns whether the tensor has a scale.
    pub fn is_quantized(&self) -> bool {
        !self.scales.is_empty() || self.blockwise.is_some()
    }

    /// Returns the number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, &size| product.saturating_mul(size.max(0) as u64))
    }

    /// Returns whether the tensor has no elements, and is not a vector of sizes or axes, which can be
    /// empty. Kernels divide by the dimensions of activations.
    pub fn is_empty_activation(&self) -> bool {
        let is_sizes =
            matches!(self.element, TensorType::INT32 | TensorType::INT64) && self.shape.len() == 1;
        self.elements() == 0 && !is_sizes
    }

    /// Returns whether a dimension other than the batch is not fixed.
    pub fn has_open_size(&self) -> bool {
        self.is_dynamic.iter().skip(1).any(|&is_dynamic| is_dynamic)
    }

    /// Returns whether the result is larger than the shape in the file.
    pub fn exceeds_file(&self) -> bool {
        self.bytes() > self.stored_bytes
    }

    /// Returns the memory that LiteRT needs for the tensor, in bytes. LiteRT can allocate the shape
    /// in the file before it computes the shape of the result.
    pub fn memory(&self) -> u64 {
        self.bytes().max(self.stored_bytes)
    }

    /// Returns the size in bytes.
    pub fn bytes(&self) -> u64 {
        size_in_bytes(&self.shape, self.element.bits().unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

/// Returns the name in a table `Tensor`. It is short and printable: thousands of tensors can share a
/// name of the size of the file.
pub fn name_of(tensor: Table<'_>) -> String {
    short(tensor.string(tensor::NAME).unwrap_or_default())
}

/// Returns the size of a tensor in bytes; `None` if it is more than 64 bits can count.
fn size_in_bytes(shape: &[i32], bits_per_element: u64) -> Option<u64> {
    let sizes = shape.iter().map(|&size| u64::try_from(size).ok());
    let elements = sizes.into_iter().try_fold(1u64, |product, size| product.checked_mul(size?))?;
    elements.checked_mul(bits_per_element).map(|bits| bits.div_ceil(8))
}

/// Checks that the shape signature, if there is one, is the shape, in which some dimensions may be
/// dynamic. Returns which are.
fn dynamic_dimensions(shape: &[i32], signature: &[i32]) -> Result<Vec<bool>, ModelError> {
    let matches = signature.len() == shape.len()
        && signature
            .iter()
            .zip(shape)
            .all(|(signed, size)| *signed == DYNAMIC_DIMENSION || signed == size);
    require(signature.is_empty() || matches, "a tensor's shape signature")?;
    Ok(signature.iter().map(|size| *size == DYNAMIC_DIMENSION).collect())
}

/// Reads the elements of a small tensor; `None` if it is not small, or its type is not one of those
/// that shapes are computed with.
fn values(shape: &[i32], element: TensorType, data: &[u8]) -> Option<Vec<f64>> {
    let count = size_in_bytes(shape, 8).and_then(|count| usize::try_from(count).ok())?;
    if count > MAX_VALUES {
        return None;
    }
    match element {
        TensorType::INT64 => elements(data, count, |b| i64::from_le_bytes(b) as f64),
        TensorType::INT32 => elements(data, count, |b| i32::from_le_bytes(b).into()),
        TensorType::INT16 => elements(data, count, |b| i16::from_le_bytes(b).into()),
        TensorType::FLOAT32 => elements(data, count, |b| f32::from_le_bytes(b).into()),
        TensorType::BOOL => elements(data, count, |[b]: [u8; 1]| if b == 0 { 0.0 } else { 1.0 }),
        _ => None,
    }
}

/// Reads `count` elements of `N` bytes.
fn elements<const N: usize>(
    data: &[u8],
    count: usize,
    convert: fn([u8; N]) -> f64,
) -> Option<Vec<f64>> {
    let (chunks, _) = data.as_chunks::<N>();
    chunks.get(..count).map(|chunks| chunks.iter().map(|chunk| convert(*chunk)).collect())
}
