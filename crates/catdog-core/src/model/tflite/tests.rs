//! Tests of the whole module over the models in `tests/models`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::tflite::{ModelInfo, optimize};

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

/// Models that LiteRT refuses or runs without a crash.
const LEFT_TO_LITERT: [&str; 4] = [
    "graph_depth_multiplier_zero",
    "graph_intermediate_shape_wrong",
    "graph_opcode_version_future",
    "graph_sparsity_garbage",
];
