//! The output that tells where in the picture a class is: the logits of the classes at each place.
//!
//! Models of `models/train` with a last layer at each place have it, and other models may provide it.
//! It is found by its name, because nothing else distinguishes it from a map of features.

use super::schema::DYNAMIC_DIMENSION;
use super::tensor_description::TensorDescription;
use crate::tensor::TensorInfo;

/// The name of the output in the signature, or in the graph if no signature is used.
const NAME: &str = "evidence";
/// Limit for the rows and for the columns of places.
const MAX_PLACES: usize = 64;

/// The output with the evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceOutput {
    /// Index in [`ModelInfo::outputs`](super::ModelInfo::outputs).
    pub index: usize,
    /// The logits of one picture, of shape `[1, rows, columns, scores]`.
    pub tensor: TensorInfo,
}

impl EvidenceOutput {
    /// Finds the output with the evidence for a model with `scores` scores in the output
    /// `scores_index`. `batch` is the batch size of the input. Returns `None` if no other output is
    /// named `evidence` and has logits: float or quantized elements, with one for each score at each
    /// of up to 64x64 places.
    pub(super) fn find(
        outputs: &[TensorDescription],
        scores_index: usize,
        scores: usize,
        batch: usize,
    ) -> Option<Self> {
        let mut others = outputs.iter().enumerate().filter(|(index, _)| *index != scores_index);
        let (index, described) = others.find(|(_, output)| output.name == NAME)?;
        let [pictures, rows, columns, classes] = described.shape[..] else { return None };
        let is_batch = pictures == DYNAMIC_DIMENSION
            || usize::try_from(pictures).is_ok_and(|pictures| pictures == 1 || pictures == batch);
        let side = |side| usize::try_from(side).ok().filter(|n| (1..=MAX_PLACES).contains(n));
        let (rows, columns) = (side(rows)?, side(columns)?);
        let element = described.element?;
        let has_logits = element.is_float() || described.quantization.is_some();
        if !is_batch || usize::try_from(classes) != Ok(scores) || !has_logits {
            return None;
        }
        let tensor = TensorInfo {
            name: described.name.clone(),
            shape: vec![1, rows, columns, scores],
            element,
            quantization: described.quantization,
        };
        Some(Self { index, tensor })
    }
}
