//! The output of an image classifier: which of the outputs has the scores.

use super::error::ModelError;
use super::schema::DYNAMIC_DIMENSION;
use super::tensor_description::TensorDescription;
use crate::tensor::TensorInfo;

/// Limit for the number of scores; ImageNet-21k has 21,843 classes.
const MAX_SCORES: usize = 1 << 20;

/// Limit for the number of outputs. Classifiers of many attributes have one for each, CelebA 40.
pub const MAX_OUTPUTS: usize = 64;

/// Returns the index of the output with the scores, and the row of scores of one picture.
///
/// It is the output that the user has chosen, else the only one that can be a row of scores, else
/// the only row that `has_activation` says to end in an activation.
///
/// # Errors
///
/// [`ModelError`] if no output or several outputs can be a row of scores.
pub(super) fn choose(
    outputs: &[TensorDescription],
    batch: usize,
    chosen: Option<&str>,
    has_activation: impl Fn(usize) -> bool,
) -> Result<(usize, TensorInfo), ModelError> {
    if let Some(chosen) = chosen {
        let by_name = outputs.iter().position(|output| output.name == chosen);
        let by_index = || chosen.parse().ok().filter(|index| *index < outputs.len());
        let index = by_name.or_else(by_index).ok_or_else(|| ModelError::NoSuchOutput {
            chosen: chosen.to_owned(),
            outputs: list(outputs, 0..outputs.len()),
        })?;
        return Ok((index, row_of_scores(&outputs[index], batch)?));
    }
    if let [only] = outputs {
        return Ok((0, row_of_scores(only, batch)?));
    }
    // The boxes of a detector have four coordinates.
    let is_boxes = |output: &TensorDescription| matches!(output.shape[..], [_, _, 4]);
    if outputs.iter().any(is_boxes) {
        return Err(ModelError::Boxes { outputs: list(outputs, 0..outputs.len()) });
    }
    let rows: Vec<(usize, TensorInfo)> = outputs
        .iter()
        .enumerate()
        .filter_map(|(index, output)| Some((index, row_of_scores(output, batch).ok()?)))
        .collect();
    let mut with_activation = rows.iter().filter(|(index, _)| has_activation(*index));
    match (&rows[..], with_activation.next(), with_activation.next()) {
        ([], ..) => Err(ModelError::Outputs(outputs.len())),
        ([only], ..) | (_, Some(only), None) => Ok(only.clone()),
        _ => Err(ModelError::SeveralOutputs {
            outputs: list(outputs, rows.iter().map(|(index, _)| *index)),
        }),
    }
}

/// Lists outputs for an error message: `0 'features' [1, 64], 1 'scores' [1, 3]`.
fn list(outputs: &[TensorDescription], indices: impl IntoIterator<Item = usize>) -> String {
    let items = indices.into_iter().map(|index| {
        let TensorDescription { name, shape, .. } = &outputs[index];
        format!("{index} '{name}' {shape:?}")
    });
    items.collect::<Vec<_>>().join(", ")
}

/// Returns the scores of one picture in the output `described`: a row, of which at most one
/// dimension besides the batch is larger than 1. `batch` is the batch size of the input.
///
/// # Errors
///
/// [`ModelError::OutputShape`] if it is not a row of scores, [`ModelError::Element`] if its
/// elements are not supported.
fn row_of_scores(described: &TensorDescription, batch: usize) -> Result<TensorInfo, ModelError> {
    let element = described.element()?;
    let wrong = |reason| ModelError::OutputShape { shape: described.shape.clone(), reason };
    let mut dimensions = described.shape.clone();
    let Some(first) = dimensions.first_mut() else {
        return Err(wrong("it has no dimensions"));
    };
    // The first dimension is open if the batch size of the input is.
    if *first == DYNAMIC_DIMENSION || (batch > 1 && usize::try_from(*first) == Ok(batch)) {
        *first = 1;
    }
    let mut larger = dimensions.iter().filter(|&&dimension| dimension != 1);
    let scores = larger.next().copied().unwrap_or(1);
    if larger.next().is_some() {
        return Err(wrong("the model may be a detector or a segmenter"));
    }
    let scores = usize::try_from(scores).ok().filter(|scores| (1..=MAX_SCORES).contains(scores));
    let scores =
        scores.ok_or_else(|| wrong("the number of scores is not between 1 and 1048576"))?;
    Ok(TensorInfo {
        name: described.name.clone(),
        shape: vec![1, scores],
        element,
        quantization: described.quantization,
    })
}
