//! Which output has the scores.

use crate::model::tflite::ModelError;
use crate::model::tflite::schema::TensorType;
use crate::model::tflite::scores_output::choose;
use crate::model::tflite::tensor_description::TensorDescription;
use crate::tensor::ElementType;

fn output(name: &str, shape: &[i32]) -> TensorDescription {
    TensorDescription {
        name: name.into(),
        shape: shape.to_vec(),
        tensor_type: TensorType::FLOAT32,
        element: Some(ElementType::F32),
        quantization: None,
    }
}

/// Returns the shape of the scores of the only output.
fn row(shape: &[i32], batch: usize) -> Result<Vec<usize>, ModelError> {
    choose(&[output("only", shape)], batch, None, |_| false).map(|(_, output)| output.shape)
}

#[test]
fn a_row_has_at_most_one_dimension_that_is_larger_than_1() {
    for (shape, batch, scores) in [
        (&[1, 5][..], 1, 5),
        (&[5], 1, 5),
        (&[1], 1, 1),
        (&[1, 1, 1, 5], 1, 5),
        (&[1, 5, 1, 1], 1, 5),
        (&[-1, 5], 1, 5),
        (&[4, 5], 4, 5),
        (&[4, 1], 4, 1),
        (&[1, 1 << 20], 1, 1 << 20),
    ] {
        assert_eq!(row(shape, batch), Ok(vec![1, scores]), "{shape:?} {batch}");
    }
    let number = "the number of scores is not between 1 and 1048576";
    let larger = "the model may be a detector or a segmenter";
    for (shape, batch, wanted) in [
        (&[][..], 1, "it has no dimensions"),
        (&[4, 5], 1, larger),
        (&[4, 5], 3, larger),
        (&[1, 8, 5], 1, larger),
        // Only the first dimension can be that of the batch.
        (&[1, 4, 5], 4, larger),
        (&[1, -1], 1, number),
        (&[1, 0], 1, number),
        (&[1, (1 << 20) + 1], 1, number),
    ] {
        match row(shape, batch) {
            Err(ModelError::OutputShape { reason, shape: stored }) => {
                assert_eq!((reason, &stored[..]), (wanted, shape), "{shape:?} {batch}");
            }
            other => panic!("{shape:?} {batch}: {other:?}"),
        }
    }
}

/// Returns the index of the chosen one of several outputs, of which those in `activated` end in an
/// activation.
fn chosen(
    outputs: &[TensorDescription],
    chosen: Option<&str>,
    activated: &[usize],
) -> Result<usize, ModelError> {
    choose(outputs, 1, chosen, |index| activated.contains(&index)).map(|(index, _)| index)
}

#[test]
fn of_several_outputs_the_only_row_or_the_only_activated_row_has_the_scores() {
    let (features, scores) = (output("features", &[1, 64]), output("scores", &[1, 3]));
    let map = output("map", &[1, 7, 7, 64]);
    assert_eq!(chosen(&[map.clone(), scores.clone()], None, &[]), Ok(1));
    // The activation of an output that is no row does not count.
    assert_eq!(chosen(&[map.clone(), scores.clone()], None, &[0]), Ok(1));
    let rows = [features.clone(), scores.clone(), map.clone()];
    assert_eq!(chosen(&rows, None, &[1, 2]), Ok(1));
    let listed = "0 'features' [1, 64], 1 'scores' [1, 3]".to_owned();
    for activated in [&[][..], &[0, 1]] {
        let error = Err(ModelError::SeveralOutputs { outputs: listed.clone() });
        assert_eq!(chosen(&rows, None, activated), error);
    }
    assert_eq!(chosen(&[map.clone(), map], None, &[]), Err(ModelError::Outputs(2)));
    // Boxes are those of a detector, whatever its other outputs are.
    let boxes = output("boxes", &[1, 10, 4]);
    let listed = "0 'scores' [1, 3], 1 'boxes' [1, 10, 4]".to_owned();
    let error = Err(ModelError::Boxes { outputs: listed });
    assert_eq!(chosen(&[scores.clone(), boxes.clone()], None, &[0]), error);
    assert_eq!(chosen(&[scores, boxes], Some("scores"), &[]), Ok(0));
}

#[test]
fn the_user_chooses_an_output_by_name_or_index() {
    // A name that is a number comes before an index.
    let outputs = [output("1", &[1, 3]), output("b", &[1, 4]), output("map", &[1, 7, 7, 9])];
    assert_eq!(chosen(&outputs, Some("1"), &[]), Ok(0));
    assert_eq!(chosen(&outputs, Some("b"), &[0]), Ok(1));
    assert_eq!(chosen(&outputs, Some("0"), &[]), Ok(0));
    for name in ["3", "-1", "B", ""] {
        let error = chosen(&outputs, Some(name), &[]).unwrap_err();
        let is_listed = matches!(&error, ModelError::NoSuchOutput { chosen, outputs }
            if chosen == name && outputs.contains("2 'map' [1, 7, 7, 9]"));
        assert!(is_listed, "{error}");
    }
    let error = chosen(&outputs, Some("map"), &[]).unwrap_err();
    assert!(matches!(error, ModelError::OutputShape { .. }), "{error}");
}
