//! Models that XNNPACK would run in pieces are rewritten when they are loaded, and say what they
//! said.
//!
//! `hybrid_float_depthwise.tflite` is `hybrid_dynamic_range.tflite` with the floats that NumPy makes
//! of its depthwise weights: what the rewritten model must compute, to the last digit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::{Cursor, Write as _};

use common::*;
use gst::prelude::*;
use gstcatdog::engine::agreement::agree;
use gstcatdog::engine::litert::{Accelerator, LiteRtEngine, LiteRtOptions};
use gstcatdog::engine::tflite::{ModelInfo, optimize};
use gstcatdog::engine::{Engine, shared};
use gstcatdog::tensor::TensorMut;

const OPTIONS: LiteRtOptions = LiteRtOptions { threads: 1, accelerator: Accelerator::Cpu };

const HYBRID: &str = "hybrid_dynamic_range.tflite";

fn engine(file: &[u8]) -> LiteRtEngine {
    runtime();
    LiteRtEngine::new(file, &OPTIONS).unwrap()
}

fn scores(engine: &mut LiteRtEngine, seed: u64) -> Vec<f32> {
    let levels = noise(engine.input_info().len(), seed);
    match engine.input_mut() {
        TensorMut::F32(input) => {
            input.iter_mut().zip(levels).for_each(|(i, u)| *i = f32::from(u) / 127.5 - 1.0);
        }
        TensorMut::U8(input) => input.copy_from_slice(&levels),
        TensorMut::I8(input) => input.iter_mut().zip(levels).for_each(|(i, u)| *i = u as i8),
    }
    engine.run().unwrap();
    (0..engine.output().len()).map(|i| engine.output().real(i, None)).collect()
}

fn model_files() -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(manifest().join("tests/models")).unwrap();
    let mut files: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    files.sort();
    assert!(files.len() >= 15);
    files
}

/// What `stats` says of the model `properties` name, after a frame.
fn said(properties: &str) -> (String, f64) {
    let pipeline = launch(&format!(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=16,height=16 \
         ! catdogfilter name=filter {properties} ! fakesink"
    ));
    pipeline.run();
    let stats = pipeline.get("filter").property::<gst::Structure>("stats");
    let confidence = pipeline.get("filter").property::<f64>("last-confidence");
    (stats.get("optimization").unwrap(), confidence)
}

#[test]
fn a_rewritten_model_computes_what_the_float_one_does() {
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
        let before = scores(&mut original, seed);
        for (got, before) in got.iter().zip(before) {
            difference = difference.max((got - before).abs());
        }
    }
    // The activations are not rounded to eight bits any more, so it is not the same either.
    assert!(difference > 0.0 && difference < 0.2, "{difference}");
    assert!(agree(&mut original, &mut rewritten).unwrap());
}

#[test]
fn where_there_is_nothing_to_do_nothing_is_done() {
    for path in model_files() {
        let done = optimize(&fs::read(&path).unwrap());
        let wanted = path.ends_with(HYBRID);
        assert_eq!(done.is_some(), wanted, "{}", path.display());
    }
    assert!(optimize(&fs::read(manifest().join("models/catdog.tflite")).unwrap()).is_none());
    let rewritten = optimize(&fs::read(model(HYBRID)).unwrap()).unwrap();
    assert_eq!(optimize(&rewritten.file), None, "once is enough");
}

#[test]
fn a_model_that_decides_otherwise_is_told_apart() {
    let mut original = engine(&fs::read(model(HYBRID)).unwrap());
    // Its depthwise weights, 3x3x8 floats at the end, become others.
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
fn files_behind_the_model_stay_readable() {
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
fn damaged_models_are_rewritten_into_readable_ones_or_not_at_all() {
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
            && let Some(done) = optimize(&damaged)
        {
            rewritten += 1;
            assert!(ModelInfo::parse(&done.file).is_ok());
        }
    }
    assert!(rewritten > 1000, "{rewritten}");
}

#[test]
fn the_element_says_what_it_did() {
    let path = model(HYBRID);
    let file = format!("model-file={} input-mean=127.5 input-std=127.5", path.display());
    let (done, confidence) = said(&file);
    assert_eq!(done, "1 depthwise weights as floats");
    let (off, before) = said(&format!("{file} optimize=off"));
    assert_eq!(off, "off");
    assert!((confidence - before).abs() < 0.05, "{confidence} for {before}");
    assert_eq!(said("").0, "nothing to do");
}

#[test]
fn whoever_asks_for_the_same_file_gets_the_rewritten_model() {
    runtime();
    let file = fs::read(model(HYBRID)).unwrap();
    let load = |optimize| shared::SharedModel::load(&file, &OPTIONS, optimize).unwrap();
    let (first, second, as_it_is) = (load(true), load(true), load(false));
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert!(!std::sync::Arc::ptr_eq(&first, &as_it_is));
    assert_eq!(*first.optimization(), shared::Optimization::Weights(1));
    assert_eq!(*as_it_is.optimization(), shared::Optimization::Off);
}

#[test]
fn the_first_users_model_is_one_piece_and_says_the_same_of_photos() {
    let test = "the_first_users_model_is_one_piece_and_says_the_same_of_photos";
    let (Some(path), Some(photos)) =
        (outside_data(test, "models/cat-dog-mnv2.tflite"), outside_data(test, "data/heldout"))
    else {
        return;
    };
    let file = fs::read(&path).unwrap();
    assert_eq!(optimize(&file).unwrap().weights, 15);
    let mut names: Vec<_> = ["cats", "dogs", "neither"]
        .iter()
        .flat_map(|class| fs::read_dir(photos.join(class)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .collect();
    names.sort();
    let names: Vec<_> = names.into_iter().step_by(9).collect();
    assert!(names.len() > 50);
    let seen = |optimize: &str| {
        let properties = format!("model-file={} optimize={optimize}", path.display());
        classified(&names, "jpegdec ! videoconvert", &properties)
    };
    let (auto, off) = (seen("auto"), seen("off"));
    let best = |meta: &Meta| meta.labels[0].clone();
    let others = auto.iter().zip(&off).filter(|(a, b)| best(a) != best(b)).count();
    let logit = |meta: &Meta| {
        let dog = meta.labels.iter().position(|label| label == "dog").unwrap();
        let confidence = meta.confidences[dog];
        (confidence / (1.0 - confidence)).ln()
    };
    let differences: Vec<f64> = auto
        .iter()
        .zip(&off)
        // Beyond, a float32 confidence has no digits left to tell logits apart.
        .filter(|(a, b)| logit(a).abs() < 12.0 && logit(b).abs() < 12.0)
        .map(|(a, b)| (logit(a) - logit(b)).abs())
        .collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let most = differences.iter().fold(0.0, |most: f64, d| most.max(*d));
    say(&format!(
        "{test}: {} photos, {others} other decisions, logits differ by {mean:.3} in the mean, {most:.3} at most",
        auto.len()
    ));
    assert!(others <= 1 && mean < 0.15 && most < 0.6);
}
