//! The LiteRT engine by itself, without GStreamer: raw outputs as those of the Python interpreter
//! (`tests/golden/logits.json`, another build of the runtime and another API), and what a model's
//! file says of itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;

use common::*;
use gstcatdog::engine::Engine;
use gstcatdog::engine::litert::{Accelerator, LiteRtEngine, LiteRtOptions};
use gstcatdog::engine::tflite::{GraphActivation, ModelInfo};
use gstcatdog::error::{LoadError, ModelError};
use gstcatdog::tensor::{ElementType, Quantization, TensorInfo, TensorMut};
use serde_json::Value;

fn load_with_threads(file: &[u8], threads: u32) -> Result<LiteRtEngine, LoadError> {
    runtime();
    LiteRtEngine::new(file, &LiteRtOptions { threads, accelerator: Accelerator::Cpu })
}

fn load(name: &str) -> LiteRtEngine {
    load_with_threads(&fs::read(model(name)).unwrap(), 1)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn info(name: &str) -> ModelInfo {
    ModelInfo::parse(&fs::read(model(name)).unwrap()).unwrap()
}

/// The bytes of case `seed` (Numerical Recipes, 7.1: the top byte of each state).
fn levels(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Fills the input with levels, as the golden file's generator does.
fn fill(engine: &mut LiteRtEngine, levels: &[u8]) {
    match engine.input_mut() {
        TensorMut::U8(input) => input.copy_from_slice(levels),
        TensorMut::I8(input) => {
            input.iter_mut().zip(levels).for_each(|(i, u)| *i = (i16::from(*u) - 128) as i8);
        }
        TensorMut::F32(input) => {
            input.iter_mut().zip(levels).for_each(|(i, u)| *i = (f32::from(*u) - 127.5) / 127.5);
        }
    }
}

/// The output as the tensor stores it.
fn raw_output(engine: &LiteRtEngine) -> Vec<f64> {
    (0..engine.output().len()).map(|i| f64::from(engine.output().real(i, None))).collect()
}

fn run(engine: &mut LiteRtEngine, seed: u64) -> Vec<f64> {
    let levels = levels(seed, engine.input_info().len());
    fill(engine, &levels);
    engine.run().unwrap();
    raw_output(engine)
}

/// CRC-32 (ISO 3309) of the input tensor's bytes, little-endian.
fn input_crc32(engine: &mut LiteRtEngine) -> u64 {
    let bytes: Vec<u8> = match engine.input_mut() {
        TensorMut::U8(input) => input.to_vec(),
        TensorMut::I8(input) => input.iter().map(|i| *i as u8).collect(),
        TensorMut::F32(input) => input.iter().flat_map(|i| i.to_le_bytes()).collect(),
    };
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    u64::from(!crc)
}

/// Largest difference to the Python interpreter that is allowed: none to speak of, except where
/// int8 weights meet float activations, whose rounding differs between kernels.
fn tolerance(file: &str) -> f64 {
    if file.starts_with("hybrid") { 0.1 } else { 1e-3 }
}

fn golden() -> Vec<Value> {
    let path = manifest().join("tests/golden/logits.json");
    serde_json::from_str::<Vec<Value>>(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn raw_outputs_are_those_of_the_python_interpreter() {
    let golden = golden();
    let models = fs::read_dir(model("")).unwrap().filter(|entry| {
        entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "tflite")
    });
    assert_eq!(golden.len(), models.count(), "every model has its golden outputs");
    for entry in golden {
        let file = entry["file"].as_str().unwrap();
        let mut engine = load(file);
        for case in entry["cases"].as_array().unwrap() {
            let output = run(&mut engine, case["seed"].as_u64().unwrap());
            let crc = input_crc32(&mut engine);
            assert_eq!(Some(crc), case["input_crc32"].as_u64(), "{file}: another input");
            let want: Vec<f64> =
                case["output"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert_eq!(output.len(), want.len(), "{file}");
            for (output, want) in output.iter().zip(&want) {
                assert!((output - want).abs() <= tolerance(file), "{file}: {output} for {want}");
            }
        }
    }
}

#[test]
fn what_a_file_says_of_its_tensors_is_what_the_interpreter_says() {
    let same = |file: &str, tensor: &TensorInfo, want: &Value| {
        let shape: Vec<usize> = serde_json::from_value(want["shape"].clone()).unwrap();
        assert_eq!(tensor.shape, shape, "{file}");
        assert_eq!(Some(tensor.element.name()), want["dtype"].as_str(), "{file}");
        let quantization = match want["scale"].as_f64().unwrap() {
            0.0 => None,
            scale => Some(Quantization {
                scale: scale as f32,
                zero_point: want["zero_point"].as_i64().unwrap() as i32,
            }),
        };
        assert_eq!(tensor.quantization, quantization, "{file}");
    };
    for entry in golden() {
        let file = entry["file"].as_str().unwrap();
        let info = info(file);
        same(file, &info.input, &entry["input"]);
        same(file, &info.output, &entry["output"]);
        assert_eq!(info.dynamic_batch, entry["input"]["shape_signature"][0] == -1, "{file}");
    }
}

#[test]
fn the_signature_that_is_run_is_the_one_for_serving() {
    assert_eq!(info("signature_two.tflite").signature.as_deref(), Some("serving_default"));
    assert_eq!(info("signature_two.tflite").output.len(), 3, "not the four features");
    assert_eq!(info("dynamic_batch.tflite").signature.as_deref(), Some("serving_default"));
    assert_eq!(info("float_softmax.tflite").signature, None);
}

#[test]
fn an_open_batch_is_closed_at_one() {
    let engine = load("dynamic_batch.tflite");
    assert!(engine.info().dynamic_batch);
    assert_eq!(engine.input_info().shape, [1, 8, 8, 3]);
    assert_eq!(engine.output_info().shape, [1, 1]);
    assert!(!load("float_softmax.tflite").info().dynamic_batch);
}

#[test]
fn the_activation_is_read_from_the_graph() {
    use GraphActivation::{Logistic, None, Softmax};
    for (name, activation) in [
        ("float_softmax", Softmax),
        ("float_logits", None),
        ("float_logistic_1", Logistic),
        ("float_logit_1", None),
        ("uint8_quant", None),
        ("int8_quant", Softmax),
        ("int8_in_float_out", None),
        // Behind the SOFTMAX comes a DEQUANTIZE or a QUANTIZE.
        ("float_edges_int8_inside", Softmax),
        ("uint8_edges_int8_inside", Softmax),
        ("hybrid_dynamic_range", None),
        ("int16_activations", None),
        ("dynamic_batch", None),
        ("signature_two", Softmax),
        ("large_1001", None),
        ("non_square", Softmax),
    ] {
        assert_eq!(info(&format!("{name}.tflite")).activation, activation, "{name}");
    }
}

#[test]
fn labels_and_normalisation_come_from_the_metadata() {
    // Stored with offsets from the start of the file, deflated with offsets from the archive.
    for name in ["metadata_labels.tflite", "metadata_labels_deflated.tflite"] {
        let info = info(name);
        assert_eq!(info.labels.clone().unwrap().unwrap(), ["heron", "otter", "newt"], "{name}");
        let normalization = info.normalization.unwrap();
        assert_eq!((&*normalization.mean, &*normalization.std), (&[127.5][..], &[127.5][..]));
        load(name);
    }
    let bare = info("float_softmax.tflite");
    assert!(bare.labels.is_none() && bare.normalization.is_none());
}

#[test]
fn a_model_need_not_be_square() {
    let mut engine = load("non_square.tflite");
    assert_eq!(engine.input_info().shape, [1, 6, 10, 3]);
    assert_eq!(engine.input_mut().len(), 6 * 10 * 3);
}

#[test]
fn the_number_of_threads_does_not_change_the_answer() {
    for name in ["float_softmax.tflite", "int8_quant.tflite", "large_1001.tflite"] {
        let file = fs::read(model(name)).unwrap();
        let answers: Vec<Vec<f64>> = [1, 2, 4, 64]
            .map(|threads| run(&mut load_with_threads(&file, threads).unwrap(), 5))
            .to_vec();
        for answer in &answers {
            for (a, b) in answer.iter().zip(&answers[0]) {
                assert!((a - b).abs() <= 1e-6, "{name}: {answers:?}");
            }
        }
    }
}

#[test]
fn an_engine_answers_the_same_again_whatever_it_saw_in_between() {
    let mut engine = load("uint8_quant.tflite");
    let first = run(&mut engine, 1);
    assert_ne!(run(&mut engine, 2), first, "the answer depends on the picture");
    assert_eq!(run(&mut engine, 1), first);
    // The input stays as it was written.
    engine.run().unwrap();
    assert_eq!(raw_output(&engine), first);
}

#[test]
fn an_engine_may_move_between_threads() {
    let mut engine = load("dynamic_batch.tflite");
    let here = run(&mut engine, 9);
    for _ in 0..8 {
        let here = here.clone();
        let moved = std::thread::spawn(move || {
            assert_eq!(run(&mut engine, 9), here);
            engine
        });
        engine = moved.join().unwrap();
    }
    assert_eq!(run(&mut engine, 9), here);
}

#[test]
fn engines_run_side_by_side() {
    let names = ["float_softmax", "uint8_quant", "int8_quant", "hybrid_dynamic_range"];
    let alone: Vec<Vec<f64>> =
        names.map(|name| run(&mut load(&format!("{name}.tflite")), 3)).to_vec();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let alone = &alone;
            scope.spawn(move || {
                for round in 0..20 {
                    let which = (thread + round) % names.len();
                    let mut engine = load(&format!("{}.tflite", names[which]));
                    for _ in 0..5 {
                        assert_eq!(run(&mut engine, 3), alone[which], "{}", names[which]);
                    }
                }
            });
        }
    });
}

#[test]
fn a_damaged_file_is_refused_before_the_runtime_sees_it() {
    let file = fs::read(model("float_softmax.tflite")).unwrap();
    let refusal = |file: &[u8]| match load_with_threads(file, 1) {
        Err(LoadError::Model(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    };
    assert_eq!(refusal(&[]), ModelError::Empty);
    assert_eq!(refusal(b"nothing of the kind"), ModelError::NotTflite);
    assert!(matches!(refusal(&file[..file.len() / 2]), ModelError::Damaged(_)));
    assert!(matches!(refusal(&file[..9]), ModelError::Damaged(_)));
}

#[test]
fn the_engine_does_without_gstreamer() {
    let mut engine = load("int8_in_float_out.tflite");
    assert_eq!(engine.output_info().element, ElementType::F32);
    run(&mut engine, 1);
    // SAFETY: reads a flag of the library, at any time.
    let initialized = unsafe { gst::ffi::gst_is_initialized() };
    assert_eq!(initialized, gst::glib::ffi::GFALSE, "something here has initialised GStreamer");
}
