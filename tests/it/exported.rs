//! Small classifiers that Keras and the TensorFlow converter exported, with no property that tells
//! anything about them. The classes equal those of the Python LiteRT interpreter, fed as the
//! training fed the network (`python/export_matrix/fixtures.py`).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::common::*;

/// The content of `answers.json`: the size of a picture, and the class and the confidence of each
/// picture for each model.
#[derive(Deserialize)]
struct Answers {
    width: u32,
    height: u32,
    models: BTreeMap<String, Vec<(String, f64)>>,
}

/// The resize differs from the reference by up to one step of a pixel value, which changes a
/// confidence of the int8 models by up to 0.07. The least sure answer has 0.65.
const TOLERANCE: f64 = 0.1;

/// A network that is trained on -1..1. Nothing in the file tells that, and its answers depend on the
/// picture under 0..1 as well.
const NOTHING_TELLS: &str = "softmax_float32_centered_nhwc.tflite";

/// Returns the metadata of `pictures`, classified by the model `file`.
fn classified(file: &str, size: (u32, u32), pictures: &[&[u8]]) -> Vec<Meta> {
    let range = if file == NOTHING_TELLS { "input-mean=127.5 input-std=127.5" } else { "" };
    let filter = format!(
        "model-file={} class-confidence-threshold=0 smoothing=0 hold=0 {range}",
        model(&format!("exported/{file}")).display()
    );
    let pipeline = play_filter_with_caps(&caps("RGB", size.0, size.1), &filter);
    let of = |(index, picture): (usize, &&[u8])| {
        meta(&through(&pipeline, frame(index as u64, picture.to_vec())))
    };
    pictures.iter().enumerate().map(of).collect()
}

#[test]
fn exported_models_run_with_no_property_set() {
    let folder = model("exported");
    let answers = std::fs::read_to_string(folder.join("answers.json")).unwrap();
    let answers: Answers = serde_json::from_str(&answers).unwrap();
    let pictures = std::fs::read(folder.join("pictures.rgb")).unwrap();
    let size = answers.width * answers.height * 3;
    let pictures: Vec<&[u8]> = pictures.chunks_exact(size as usize).collect();
    assert!(answers.models.len() >= 10 && pictures.len() >= 10);

    let mut wrong = Vec::new();
    for (file, expected) in &answers.models {
        let seen = classified(file, (answers.width, answers.height), &pictures);
        assert_eq!(seen.len(), expected.len());
        for (number, ((label, confidence), meta)) in expected.iter().zip(&seen).enumerate() {
            if meta.label != *label || (meta.confidence - confidence).abs() > TOLERANCE {
                let got = format!("{} {:.3}", meta.label, meta.confidence);
                wrong.push(format!(
                    "{file}, picture {number}: {got}; expected {label} {confidence}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}
