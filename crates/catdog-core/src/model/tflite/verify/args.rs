//! What the rules for shapes and values read of an operator.

use super::fault::{Fault, ensure};
use super::operator::Operator;
use super::tensor::Tensor;
use crate::model::tflite::reader::I32Field;

/// Dimensions of a tensor.
pub type Dims = Vec<i64>;

/// Limit for a dimension: the dimensions of LiteRT are i32.
const MAX_DIMENSION: i64 = i32::MAX as i64;

/// An operator and the tensors of its subgraph.
#[derive(Clone, Copy)]
pub struct Args<'t, 'f> {
    /// The operator.
    pub operator: &'t Operator<'f>,
    /// The tensors of the subgraph, with the shapes that the operators before compute.
    pub tensors: &'t [Tensor<'f>],
}

impl<'t, 'f> Args<'t, 'f> {
    /// Returns the input at `position`.
    pub fn input(self, position: usize) -> Result<&'t Tensor<'f>, Fault> {
        let input = self.operator.input(self.tensors, position);
        input.ok_or(Fault::Invalid("an input that it needs is absent"))
    }

    /// Returns the dimensions of the input at `position`.
    pub fn dims(self, position: usize) -> Result<Dims, Fault> {
        Ok(self.input(position)?.shape.iter().map(|&size| size.into()).collect())
    }

    /// Returns the dimensions of the input at `position`, which must be four.
    pub fn dims_4d(self, position: usize) -> Result<[i64; 4], Fault> {
        let dims = self.dims(position)?;
        dims.try_into().map_err(|_| Fault::Invalid("an input does not have four dimensions"))
    }

    /// Returns the dimensions of each input.
    pub fn all_dims(self) -> Result<Vec<Dims>, Fault> {
        (0..self.operator.inputs.len()).map(|position| self.dims(position)).collect()
    }

    /// Returns the integers in the input at `position`.
    ///
    /// # Errors
    ///
    /// [`Fault::DataDependent`] if they depend on the input of the model, or are too many.
    pub fn values(self, position: usize) -> Result<Vec<i64>, Fault> {
        let values = self.input(position)?.values.as_ref().ok_or(Fault::DataDependent)?;
        Ok(values.iter().map(|&value| value as i64).collect())
    }

    /// Returns the only integer in the input at `position`.
    pub fn value(self, position: usize) -> Result<i64, Fault> {
        match self.values(position)?[..] {
            [value] => Ok(value),
            _ => Err(Fault::Invalid("an input that must be one number has another size")),
        }
    }

    /// Returns the dimension that the option `field` names, of a tensor with `rank` dimensions.
    /// Negative ones count from the last.
    pub fn axis_option(self, field: I32Field, rank: usize) -> Result<usize, Fault> {
        axis(self.operator.integer(field), rank)
    }
}

/// Returns a dimension of a tensor with `rank` dimensions; negative ones count from the last.
pub fn axis(index: i64, rank: usize) -> Result<usize, Fault> {
    let from_start = if index < 0 { index + rank as i64 } else { index };
    let dimension = usize::try_from(from_start).ok().filter(|&dimension| dimension < rank);
    dimension.ok_or(Fault::Invalid("its axis is out of range"))
}

/// Returns the number of elements of a tensor with the dimensions `dims`.
pub fn product(dims: &[i64]) -> i64 {
    dims.iter().fold(1, |product: i64, &size| product.saturating_mul(size))
}

/// Converts dimensions to those of a tensor.
pub fn to_shape(dims: &[i64]) -> Result<Vec<i32>, Fault> {
    let in_range = dims.iter().all(|size| (0..=MAX_DIMENSION).contains(size));
    ensure(in_range, "a dimension of its result is out of range")?;
    Ok(dims.iter().map(|&size| size as i32).collect())
}

/// Returns the shape to which two shapes are broadcast.
pub fn broadcast(a: &[i64], b: &[i64]) -> Result<Dims, Fault> {
    let rank = a.len().max(b.len());
    let size = |dims: &[i64], from_end: usize| match dims.len().checked_sub(from_end) {
        Some(index) => dims[index],
        None => 1,
    };
    let mut dims = Vec::with_capacity(rank);
    for from_end in (1..=rank).rev() {
        let (a, b) = (size(a, from_end), size(b, from_end));
        ensure(a == b || a == 1 || b == 1, "the shapes of its inputs do not fit each other")?;
        dims.push(if a == 1 { b } else { a });
    }
    Ok(dims)
}
