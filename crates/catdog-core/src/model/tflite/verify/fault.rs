//! What is wrong with one operator, before its name is known.

use crate::model::tflite::error::ModelError;

/// What is wrong with an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator cannot be computed. The text is the reason, as a clause.
    Invalid(&'static str),
    /// The size of a result depends on the picture.
    DataDependent,
    /// The results up to this operator need this much memory at the same time, in bytes.
    TooLarge(u64),
    /// The operators up to this one take too long.
    TooSlow,
}

impl Fault {
    /// Returns the error for the operator with the name `operator` that computes the tensor
    /// `tensor`.
    pub fn error(self, operator: &'static str, tensor: String) -> ModelError {
        match self {
            Self::Invalid(reason) => ModelError::Operator { operator, tensor, reason },
            Self::DataDependent => ModelError::DataDependent { operator, tensor },
            Self::TooLarge(bytes) => {
                ModelError::TooLarge { operator, tensor, mebibytes: bytes.div_ceil(1 << 20) }
            }
            Self::TooSlow => ModelError::TooSlow { operator, tensor },
        }
    }
}

/// Returns the fault [`Fault::Invalid`] with `reason`, unless `holds`.
pub fn ensure(holds: bool, reason: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Invalid(reason)) }
}
