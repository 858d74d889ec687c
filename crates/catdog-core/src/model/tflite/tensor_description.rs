//! The description of a tensor in a file.

use std::ops::RangeInclusive;

use super::contents::short;
use super::entry_point::Port;
use super::error::ModelError;
use super::reader::Table;
use super::schema::{
    DYNAMIC_DIMENSION, TensorType, quantization_details, quantization_parameters, tensor,
};
use crate::tensor::{ElementType, Quantization};

/// The description of an input or output, as it is stored in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDescription {
    /// Name in the signature, or in the graph if no signature is used.
    pub name: String,
    /// Dimensions, with -1 for a dimension that is not fixed.
    pub shape: Vec<i32>,
    /// Type of the elements in the file.
    pub tensor_type: TensorType,
    /// Type of the elements; `None` if catdog does not support it.
    pub element: Option<ElementType>,
    /// Per-tensor quantization, if the elements are integers that represent real numbers.
    pub quantization: Option<Quantization>,
}

impl TensorDescription {
    /// Describes the tensor of `port`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Damaged`] if the tensor does not exist.
    pub(super) fn read(tensors: &[Table<'_>], port: &Port) -> Result<Self, ModelError> {
        let table = tensors.get(port.tensor).ok_or(ModelError::Damaged("the index of a tensor"))?;
        let tensor_type = TensorType::of(*table);
        let element = match tensor_type {
            TensorType::FLOAT32 => Some(ElementType::F32),
            TensorType::FLOAT16 => Some(ElementType::F16),
            TensorType::UINT8 => Some(ElementType::U8),
            TensorType::INT8 => Some(ElementType::I8),
            _ => None,
        };
        let stored_name = table.string(tensor::NAME);
        let quantization = match element {
            Some(ElementType::U8) => quantization(*table, 0..=255),
            Some(ElementType::I8) => quantization(*table, -128..=127),
            _ => None,
        };
        Ok(Self {
            name: short(port.name.as_deref().or(stored_name).unwrap_or_default()),
            shape: open_shape(*table),
            tensor_type,
            element,
            quantization,
        })
    }

    /// Returns the number of elements, with 1 for each dimension that is not fixed.
    pub fn elements(&self) -> usize {
        self.shape.iter().map(|&dimension| usize::try_from(dimension).unwrap_or(1)).product()
    }

    /// Returns the element type.
    ///
    /// # Errors
    ///
    /// [`ModelError::Element`] if catdog does not support it.
    pub(super) fn element(&self) -> Result<ElementType, ModelError> {
        let unsupported =
            || ModelError::Element { name: self.name.clone(), element: self.tensor_type.name() };
        self.element.ok_or_else(unsupported)
    }
}

/// Returns the shape of a tensor, with -1 for each dimension that is not fixed. The field `shape`
/// contains 1 for such a dimension, or -1 in old files; `shape_signature` contains -1.
fn open_shape(table: Table<'_>) -> Vec<i32> {
    let mut shape = table.i32_vector(tensor::SHAPE);
    for (dimension, signed) in shape.iter_mut().zip(table.i32_vector(tensor::SHAPE_SIGNATURE)) {
        if signed == DYNAMIC_DIMENSION {
            *dimension = DYNAMIC_DIMENSION;
        }
    }
    shape
}

/// Returns the per-tensor quantization; `None` if there is none, or it cannot be used. `range` are
/// the stored values, of which the zero point is one.
fn quantization(table: Table<'_>, range: RangeInclusive<i32>) -> Option<Quantization> {
    let parameters = table.table(tensor::QUANTIZATION)?;
    if parameters.u8(quantization_parameters::DETAILS_TYPE) != quantization_details::NONE {
        return None;
    }
    let [scale] = parameters.f32_vector(quantization_parameters::SCALE)[..] else { return None };
    let zero_points = parameters.i64_vector(quantization_parameters::ZERO_POINT);
    let zero_point = i32::try_from(zero_points.first().copied().unwrap_or(0)).ok()?;
    let is_usable = scale.is_normal() && scale > 0.0 && range.contains(&zero_point);
    is_usable.then_some(Quantization { scale, zero_point })
}
