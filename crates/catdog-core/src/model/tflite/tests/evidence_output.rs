//! Which output has the evidence.

use super::info;
use crate::model::tflite::EvidenceOutput;
use crate::model::tflite::schema::TensorType;
use crate::model::tflite::tensor_description::TensorDescription;
use crate::tensor::{ElementType, Quantization, TensorInfo};

fn output(name: &str, shape: &[i32], element: Option<ElementType>) -> TensorDescription {
    TensorDescription {
        name: name.into(),
        shape: shape.to_vec(),
        tensor_type: TensorType::FLOAT32,
        element,
        quantization: None,
    }
}

/// Returns the shape of the evidence in the second output `named`, for a model with 3 scores.
fn shape_of(named: TensorDescription, batch: usize) -> Option<Vec<usize>> {
    let scores = output("scores", &[1, 3], Some(ElementType::F32));
    let found = EvidenceOutput::find(&[scores, named], 0, 3, batch)?;
    assert_eq!(found.index, 1);
    Some(found.tensor.shape)
}

#[test]
fn the_evidence_has_a_logit_for_each_score_at_each_place() {
    let float = Some(ElementType::F32);
    let shape = |shape: &[i32], batch| shape_of(output("evidence", shape, float), batch);
    assert_eq!(shape(&[1, 6, 5, 3], 1), Some(vec![1, 6, 5, 3]));
    assert_eq!(shape(&[1, 1, 64, 3], 1), Some(vec![1, 1, 64, 3]));
    assert_eq!(shape(&[-1, 6, 6, 3], 1), Some(vec![1, 6, 6, 3]));
    assert_eq!(shape(&[4, 6, 6, 3], 4), Some(vec![1, 6, 6, 3]));
    for other in [
        &[1, 3][..],
        &[1, 36, 3],
        &[1, 6, 6, 4],
        &[1, 3, 6, 6],
        &[4, 6, 6, 3],
        &[1, 65, 6, 3],
        &[1, 0, 6, 3],
        &[1, 6, -1, 3],
        &[1, 6, 6, -1],
        &[1, 1, 6, 6, 3],
    ] {
        assert_eq!(shape(other, 1), None, "{other:?}");
    }
}

#[test]
fn the_evidence_is_float_or_quantized_and_has_the_name() {
    let places = [1, 6, 6, 3];
    let found = |named| shape_of(named, 1).is_some();
    assert!(found(output("evidence", &places, Some(ElementType::F16))));
    assert!(!found(output("Evidence_map", &places, Some(ElementType::F32))));
    assert!(!found(output("evidence", &places, None)));
    let stored = output("evidence", &places, Some(ElementType::I8));
    assert!(!found(stored.clone()));
    let quantization = Some(Quantization { scale: 0.125, zero_point: -3 });
    assert!(found(TensorDescription { quantization, ..stored }));
}

#[test]
fn the_scores_are_no_evidence() {
    let named = output("evidence", &[1, 1, 1, 3], Some(ElementType::F32));
    assert_eq!(EvidenceOutput::find(&[named], 0, 3, 1), None);
}

#[test]
fn the_evidence_of_a_model_is_read_from_its_file() {
    let evidence = info("evidence/places.tflite").evidence.unwrap();
    let tensor = TensorInfo {
        name: "evidence".into(),
        shape: vec![1, 4, 4, 3],
        element: ElementType::F32,
        quantization: None,
    };
    assert_eq!(evidence, EvidenceOutput { index: 1, tensor });
    let quantized = info("evidence/quantized.tflite").evidence.unwrap().tensor;
    let quantization = Some(Quantization { scale: 0.125, zero_point: 0 });
    assert_eq!((quantized.element, quantized.quantization), (ElementType::I8, quantization));
    assert_eq!(info("color/two_outputs_one_activated.tflite").evidence, None);
}
