//! A model that XNNPACK would run in several partitions is rewritten when it is loaded, and keeps its
//! decisions.
//!
//! `hybrid_float_depthwise.tflite` is `hybrid_dynamic_range.tflite` with depthwise weights that NumPy
//! converted to float: the rewritten model must compute exactly the same.

use std::fs;
use std::io::{Cursor, Write as _};
use std::sync::Arc;

use catdog_core::engine::Engine;
use catdog_core::engine::agreement::agree;
use catdog_core::engine::litert::LiteRtEngine;
use catdog_core::engine::shared_model::{Optimization, SharedModel};
use catdog_core::model::tflite::{ModelInfo, ModelOptions, optimize};
use catdog_core::tensor::TensorMut;
use catdog_core::testing::{Random, model, noise, outside_data, repository, runtime};

use crate::{engine, litert, model_files};

const HYBRID: &str = "hybrid_dynamic_range.tflite";

/// Runs `engine` on the noise of `seed` and returns the raw scores.
fn scores(engine: &mut LiteRtEngine, seed: u64) -> Vec<f32> {
    let levels = noise(engine.input_info().len(), seed);
    match engine.input_mut() {
        TensorMut::F32(input) => {
            input.iter_mut().zip(levels).for_each(|(i, u)| *i = f32::from(u) / 127.5 - 1.0);
        }
        TensorMut::F16(_) => panic!("no model of these tests has a float16 input"),
        TensorMut::U8(input) => input.copy_from_slice(&levels),
        TensorMut::I8(input) => input.iter_mut().zip(levels).for_each(|(i, u)| *i = u as i8),
    }
    engine.run().unwrap();
    (0..engine.output().len()).map(|i| engine.output().real(i, None)).collect()
}

#[test]
fn the_rewritten_model_computes_the_same_as_one_with_float_weights() {
    let original = fs::read(model(HYBRID)).unwrap();
    let rewritten = optimize(&original).unwrap();
    assert_eq!(rewritten.weights, 1);
    let mut rewritten = engine(&rewritten.file);
    let mut float = engine(&fs::read(model("hybrid_float_depthwise.tflite")).unwrap());
    let mut original = engine(&original);
    let mut difference: f32 = 0.0;
    for seed in 0..20 {
        let (got, want) = (scores(&mut rewritten, seed), scores(&mut float, seed));
        assert_eq!(got, want);
        let unoptimized = scores(&mut original, seed);
        for (got, unoptimized) in got.iter().zip(unoptimized) {
            difference = difference.max((got - unoptimized).abs());
        }
    }
    // The rewritten model does not round activations to eight bits, so its scores differ slightly.
    assert!(difference > 0.0 && difference < 0.2, "{difference}");
    assert!(agree(&mut original, &mut rewritten).unwrap());
}

#[test]
fn only_models_with_hybrid_depthwise_weights_are_rewritten() {
    for path in model_files() {
        let rewritten = optimize(&fs::read(&path).unwrap());
        assert_eq!(rewritten.is_some(), path.ends_with(HYBRID), "{}", path.display());
    }
    assert!(optimize(&fs::read(repository().join("models/catdog.tflite")).unwrap()).is_none());
    let rewritten = optimize(&fs::read(model(HYBRID)).unwrap()).unwrap();
    assert_eq!(optimize(&rewritten.file), None, "a rewritten model needs no other rewrite");
}

#[test]
fn a_model_with_wrong_weights_does_not_agree() {
    let mut original = engine(&fs::read(model(HYBRID)).unwrap());
    // The depthwise weights are the last 3x3x8 floats of the file.
    let rewritten = optimize(&fs::read(model(HYBRID)).unwrap()).unwrap().file;
    let mut wrong = rewritten.clone();
    let weights = wrong.len() - 4 * 3 * 3 * 8..wrong.len();
    for float in wrong[weights].chunks_exact_mut(4) {
        let value = f32::from_le_bytes(float.try_into().unwrap());
        float.copy_from_slice(&(-3.0 * value).to_le_bytes());
    }
    let mut wrong = engine(&wrong);
    assert!(agree(&mut original, &mut engine(&rewritten)).unwrap());
    assert!(!agree(&mut original, &mut wrong).unwrap());
}

#[test]
fn an_appended_archive_stays_readable() {
    let mut file = fs::read(model(HYBRID)).unwrap();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("labels.txt", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(b"heron\notter\n").unwrap();
    file.extend(archive.finish().unwrap().into_inner());
    let rewritten = optimize(&file).unwrap().file;
    let mut archive = zip::ZipArchive::new(Cursor::new(&rewritten)).unwrap();
    let labels = std::io::read_to_string(archive.by_name("labels.txt").unwrap()).unwrap();
    assert_eq!(labels, "heron\notter\n");
    let without = optimize(&fs::read(model(HYBRID)).unwrap()).unwrap().file;
    assert_eq!(scores(&mut engine(&rewritten), 1), scores(&mut engine(&without), 1));
}

#[test]
fn a_damaged_model_is_rewritten_into_a_readable_one_or_not_at_all() {
    let original = fs::read(model(HYBRID)).unwrap();
    let mut random = Random(5);
    let mut rewritten = 0;
    for _ in 0..20_000 {
        let mut damaged = original.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
        }
        if ModelInfo::parse(&damaged).is_ok()
            && let Some(optimized) = optimize(&damaged)
        {
            rewritten += 1;
            assert!(ModelInfo::parse(&optimized.file).is_ok());
        }
    }
    assert!(rewritten > 1000, "{rewritten}");
}

#[test]
fn same_file_shares_the_optimized_model() {
    runtime();
    let file = fs::read(model(HYBRID)).unwrap();
    let load = |optimize| {
        SharedModel::load(&file, &litert(1), &ModelOptions::default(), optimize).unwrap()
    };
    let (first, second, unoptimized) = (load(true), load(true), load(false));
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!Arc::ptr_eq(&first, &unoptimized));
    assert_eq!(*first.optimization(), Optimization::Weights(1));
    assert_eq!(*unoptimized.optimization(), Optimization::Off);
}

#[test]
fn the_depthwise_weights_of_a_mobilenet_v2_are_rewritten() {
    let test = "optimize::the_depthwise_weights_of_a_mobilenet_v2_are_rewritten";
    let Some(path) = outside_data(test, "models/cat-dog-mnv2.tflite") else { return };
    assert_eq!(optimize(&fs::read(path).unwrap()).unwrap().weights, 15);
}
