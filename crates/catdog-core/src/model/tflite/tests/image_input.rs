//! Which dimensions of an input are batch, height, width and channels.

use crate::model::tflite::schema::TensorType;
use crate::model::tflite::tensor_description::TensorDescription;
use crate::model::tflite::{ImageInput, ModelError, ModelOptions};
use crate::preprocess::{ChannelOrder, Channels};
use crate::tensor::ElementType;

fn described(shape: &[i32]) -> TensorDescription {
    TensorDescription {
        name: "input".into(),
        shape: shape.to_vec(),
        tensor_type: TensorType::FLOAT32,
        element: Some(ElementType::F32),
        quantization: None,
    }
}

/// Interprets an input, which a RESHAPE reads, with a size that the user has chosen.
fn input(
    shape: &[i32],
    reshaped: Option<&[i32]>,
    input_size: Option<(usize, usize)>,
) -> Result<ImageInput, ModelError> {
    let options = ModelOptions { input_size, ..ModelOptions::default() };
    ImageInput::new(&described(shape), reshaped, &options)
}

/// Returns the reason for which an input is refused.
fn reason(shape: &[i32], reshaped: Option<&[i32]>) -> String {
    match input(shape, reshaped, None) {
        Err(ModelError::InputShape { reason, shape: stored }) => {
            assert_eq!(stored, shape, "the error has the shape in the file");
            reason.to_owned()
        }
        other => panic!("{shape:?}: {other:?}"),
    }
}

#[test]
fn the_place_of_the_channels_tells_the_layout() {
    use ChannelOrder::{First, Last};
    use Channels::{Gray, Rgb};
    // The shape in the file; width and height, channels, their order; one picture.
    for (shape, size, channels, order, picture) in [
        (&[1, 6, 8, 3][..], (8, 6), Rgb, Last, [1, 6, 8, 3]),
        (&[1, 3, 6, 8], (8, 6), Rgb, First, [1, 3, 6, 8]),
        (&[1, 6, 8, 1], (8, 6), Gray, Last, [1, 6, 8, 1]),
        (&[1, 1, 6, 8], (8, 6), Gray, First, [1, 1, 6, 8]),
        (&[6, 8, 3], (8, 6), Rgb, Last, [1, 6, 8, 3]),
        (&[3, 6, 8], (8, 6), Rgb, First, [1, 3, 6, 8]),
        (&[6, 8, 1], (8, 6), Gray, Last, [1, 6, 8, 1]),
        (&[1, 6, 8], (8, 6), Gray, Last, [1, 6, 8, 1]),
        (&[-1, 6, 8], (8, 6), Gray, Last, [1, 6, 8, 1]),
        // Where two readings are possible, the last dimension decides, and three channels.
        (&[1, 3, 8, 3], (8, 3), Rgb, Last, [1, 3, 8, 3]),
        (&[1, 1, 8, 3], (8, 1), Rgb, Last, [1, 1, 8, 3]),
        (&[1, 3, 8, 1], (1, 8), Rgb, First, [1, 3, 8, 1]),
        (&[3, 8, 3], (8, 3), Rgb, Last, [1, 3, 8, 3]),
        (&[3, 8, 1], (1, 8), Rgb, First, [1, 3, 8, 1]),
    ] {
        let found = input(shape, None, None).unwrap();
        assert_eq!(
            (found.size, found.channels, found.order, &found.tensor.shape[..]),
            (size, channels, order, &picture[..]),
            "{shape:?}"
        );
        let runtime: Vec<i32> = found.runtime_shape.iter().map(|&size| size as i32).collect();
        let fixed: Vec<i32> = shape.iter().map(|&size| size.max(1)).collect();
        assert_eq!(runtime, fixed, "{shape:?}");
        assert_eq!(found.is_open, shape.contains(&-1), "{shape:?}");
    }
}

#[test]
fn shapes_that_are_no_pictures_are_refused() {
    let channels = "it has neither the three channels of RGB nor one channel of gray";
    let other = "its dimensions are not those of a picture";
    for (shape, wanted) in [
        (&[1, 8, 8, 4][..], channels),
        (&[1, 2, 8, 8], channels),
        (&[1, 8, 8, -1], "its number of channels is not fixed"),
        (&[1, 8, 3], "its height is 1"),
        (&[1, 8, 1], "its height is 1"),
        (&[2, 8, 8], other),
        (&[8, 8], other),
        (&[], other),
        (&[1, 1, 8, 8, 3], other),
    ] {
        assert_eq!(reason(shape, None), wanted, "{shape:?}");
    }
}

#[test]
fn sizes_and_batches_are_limited() {
    let size = "its height or width is not between 1 and 4096";
    let batch = "its batch size is not between 1 and 256";
    for (shape, wanted) in [
        ([1, 4096, 4096, 3], None),
        ([1, 4097, 8, 3], Some(size)),
        ([1, 8, 4097, 3], Some(size)),
        ([1, 0, 8, 3], Some(size)),
        ([1, 8, 0, 3], Some(size)),
        ([256, 8, 8, 3], None),
        ([257, 8, 8, 3], Some(batch)),
        ([0, 8, 8, 3], Some(batch)),
        ([-2, 8, 8, 3], Some(batch)),
    ] {
        match wanted {
            Some(wanted) => assert_eq!(reason(&shape, None), wanted, "{shape:?}"),
            None => assert!(input(&shape, None, None).is_ok(), "{shape:?}"),
        }
    }
}

#[test]
fn the_first_picture_of_a_fixed_batch_is_used() {
    for (shape, batch, runtime) in [
        (&[4, 6, 8, 3][..], 4, &[4, 6, 8, 3][..]),
        (&[4, 3, 6, 8], 4, &[4, 3, 6, 8]),
        (&[-1, 6, 8, 3], 1, &[1, 6, 8, 3]),
        (&[6, 8, 3], 1, &[6, 8, 3]),
    ] {
        let found = input(shape, None, None).unwrap();
        assert_eq!((found.batch(), &found.runtime_shape[..]), (batch, runtime), "{shape:?}");
        assert_eq!(found.tensor.shape[0], 1);
    }
}

#[test]
fn an_open_size_is_that_of_the_user_or_224() {
    for (shape, chosen, size, is_default) in [
        ([1, -1, -1, 3], None, (224, 224), true),
        ([1, -1, 8, 3], None, (8, 224), true),
        ([1, 6, -1, 3], None, (224, 6), true),
        ([1, 6, 8, 3], None, (8, 6), false),
        ([1, -1, -1, 3], Some((320, 240)), (320, 240), false),
        ([1, -1, 8, 3], Some((8, 240)), (8, 240), false),
        ([1, 6, 8, 3], Some((8, 6)), (8, 6), false),
    ] {
        let found = input(&shape, None, chosen).unwrap();
        assert_eq!((found.size, found.size_is_default), (size, is_default), "{shape:?}");
        assert_eq!(found.runtime_shape, [1, size.1, size.0, 3]);
    }
    for (shape, chosen, fixed) in [
        ([1, 6, 8, 3], (6, 8), (8, 6)),
        ([1, -1, 8, 3], (9, 240), (8, 240)),
        ([1, 6, -1, 3], (8, 7), (8, 6)),
    ] {
        let error = input(&shape, None, Some(chosen)).unwrap_err();
        assert_eq!(error, ModelError::InputSize { fixed, chosen }, "{shape:?}");
    }
    let error = input(&[1, -1, -1, 3], None, Some((4097, 8))).unwrap_err();
    assert!(matches!(error, ModelError::InputShape { .. }), "{error}");
}

#[test]
fn a_flat_input_is_the_picture_that_a_reshape_makes_of_it() {
    let picture = Some(&[1, 6, 8, 3][..]);
    for (shape, runtime) in
        [(&[144][..], &[144][..]), (&[1, 144], &[1, 144]), (&[-1, 144], &[1, 144])]
    {
        let found = input(shape, picture, None).unwrap();
        assert_eq!((found.size, &found.tensor.shape[..]), ((8, 6), &[1, 6, 8, 3][..]));
        assert_eq!((&found.runtime_shape[..], found.batch()), (runtime, 1), "{shape:?}");
    }
    let unfit = "it does not have as many elements as the picture that it is reshaped to";
    for shape in [&[143][..], &[1, 145], &[2, 144], &[1, -1]] {
        assert_eq!(reason(shape, picture), unfit, "{shape:?}");
    }
    // A RESHAPE of a picture says nothing about its layout.
    let found = input(&[1, 6, 8, 3], Some(&[1, 144]), None).unwrap();
    assert_eq!(found.size, (8, 6));
}

#[test]
fn an_element_type_without_support_is_refused() {
    let described = TensorDescription {
        tensor_type: TensorType::INT16,
        element: None,
        ..described(&[1, 6, 8, 3])
    };
    let error = ImageInput::new(&described, None, &ModelOptions::default()).unwrap_err();
    assert_eq!(error, ModelError::Element { name: "input".into(), element: "int16" });
}
