//! Tests of the whole module over the models in `tests/models`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::tflite::{ModelError, ModelInfo, optimize};

fn models_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> =
        files.filter(|file| file.is_file() && file.extension().is_none_or(|e| e != "py")).collect();
    models.sort();
    assert!(!models.is_empty());
    models
}

#[test]
fn valid_models_are_accepted() {
    let models = [models_in("tests/models"), models_in("tests/models/operators")].concat();
    for model in models {
        let info = ModelInfo::parse(&fs::read(&model).unwrap());
        assert!(info.is_ok(), "{}: {}", model.display(), info.unwrap_err());
    }
}

#[test]
fn parsing_a_truncated_model_does_not_panic() {
    let file = fs::read(models_in("tests/models").remove(0)).unwrap();
    for len in 0..file.len() {
        let _ = ModelInfo::parse(&file[..len]);
    }
}

#[test]
fn a_mutated_model_is_refused_or_rewritten_to_an_accepted_one() {
    let models = models_in("tests/models");
    let files: Vec<Vec<u8>> = models.iter().map(|model| fs::read(model).unwrap()).collect();
    // xorshift64, so that the mutations are the same in every run.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let (mut refused, mut rewritten) = (0, 0);
    for number in 0..2000 {
        let mut file = files[number % files.len()].clone();
        for _ in 0..1 + random(4) {
            let position = random(file.len());
            file[position] = random(256) as u8;
        }
        if ModelInfo::parse(&file).is_err() {
            refused += 1;
        } else if let Some(optimized) = optimize(&file) {
            assert!(ModelInfo::parse(&optimized.file).is_ok(), "mutation {number}");
            rewritten += 1;
        }
    }
    assert!(refused > 100 && rewritten > 10, "{refused} refused, {rewritten} rewritten");
}

#[test]
fn models_that_are_not_image_classifiers_are_refused_or_left_to_litert() {
    let accepted: Vec<String> = models_in("tests/models/bad")
        .iter()
        .filter(|model| ModelInfo::parse(&fs::read(model).unwrap()).is_ok())
        .map(|model| model.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(accepted, LEFT_TO_LITERT);
}

/// Returns the error for a model of `tests/models/bad`.
fn refusal(name: &str) -> ModelError {
    let path = models_in("tests/models/bad").into_iter().find(|path| path.ends_with(name));
    ModelInfo::parse(&fs::read(path.unwrap()).unwrap()).unwrap_err()
}

#[test]
fn an_operator_outside_the_table_is_refused_by_name() {
    for (file, operator) in [
        ("hash_table.tflite", "HASHTABLE_LOOKUP"),
        ("unknown_custom_op.tflite", "CatdogNoSuchOperator"),
        ("detection_op.tflite", "TFLite_Detection_PostProcess"),
        ("edge_tpu.tflite", "edgetpu-custom-op"),
        ("flex_op.tflite", "FlexErf"),
    ] {
        let error = refusal(file);
        let is_named =
            matches!(&error, ModelError::UnsupportedOperator { name, .. } if name == operator);
        assert!(is_named, "{file}: {error}");
    }
}

#[test]
fn a_result_that_the_file_and_its_input_do_not_explain_is_refused() {
    for file in ["resize_huge", "tile_huge", "pad_huge", "fill_huge", "range_huge"] {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_limit = matches!(error, ModelError::TooLarge { .. } | ModelError::TooSlow { .. });
        assert!(is_limit, "{file}: {error}");
    }
}

#[test]
fn an_operator_that_cannot_be_computed_is_refused_by_name() {
    for (file, operator) in [
        ("depthwise_without_bias", "DEPTHWISE_CONV_2D"),
        ("concatenation_input_absent", "CONCATENATION"),
        ("call_of_itself", "STABLEHLO_COMPOSITE"),
        ("call_of_nothing", "STABLEHLO_COMPOSITE"),
        ("transpose_order_repeats", "TRANSPOSE"),
        ("gather_index_out_of_range", "GATHER"),
        ("range_step_zero", "RANGE"),
        ("reshape_wrong_size", "RESHAPE"),
    ] {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_named =
            matches!(&error, ModelError::Operator { operator: name, .. } if *name == operator);
        assert!(is_named, "{file}: {error}");
    }
    let error = refusal("graph_fake_quant_of_uint8.tflite");
    let ModelError::OperatorType { operator, tensor, element } = error else { panic!("{error}") };
    assert_eq!((operator, &*tensor, element), ("FAKE_QUANT", "conv", "uint8"));
}

#[test]
fn an_invalid_quantization_is_refused_by_the_name_of_the_tensor() {
    for (file, name) in [
        ("scale_nan", "conv"),
        ("scale_negative", "conv"),
        ("scale_infinite", "image"),
        ("scale_zero", "image"),
        ("scales_too_many", "conv/w"),
        ("zero_point_out_of_range", "image"),
    ] {
        let error = refusal(&format!("graph_{file}.tflite"));
        let is_named = matches!(&error, ModelError::Quantization { tensor, .. } if tensor == name);
        assert!(is_named, "{file}: {error}");
    }
}

/// Models that LiteRT refuses or runs without a crash.
const LEFT_TO_LITERT: [&str; 4] = [
    "graph_depth_multiplier_zero",
    "graph_intermediate_shape_wrong",
    "graph_opcode_version_future",
    "graph_sparsity_garbage",
];
