//! The LiteRT engine: its raw outputs are those of the Python interpreter, which is another build of the
//! runtime with another API (`tests/golden/logits.json`), and it may be used from several threads.

use std::fs;
use std::io::{Cursor, Write};

use catdog_core::engine::litert::{LiteRtEngine, LiteRtModel};
use catdog_core::engine::{Engine, ModelLoadError};
use catdog_core::model::tflite::{GraphActivation, ModelError, ModelInfo};
use catdog_core::tensor::{ElementType, Quantization, TensorInfo, TensorMut, f16};
use catdog_core::testing::{child, job, model, repository, runtime};
use serde_json::Value;

use crate::{cpu, model_files};

fn load_with_threads(file: &[u8], threads: u32) -> Result<LiteRtEngine, ModelLoadError> {
    runtime();
    LiteRtEngine::new(file, &cpu(threads))
}

fn load(name: &str) -> LiteRtEngine {
    load_with_threads(&fs::read(model(name)).unwrap(), 1)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn info(name: &str) -> ModelInfo {
    ModelInfo::parse(&fs::read(model(name)).unwrap()).unwrap()
}

/// Returns the pixel values of the golden case `seed`: the top byte of each state of a linear
/// congruential generator (Numerical Recipes, 7.1).
pub fn levels(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Fills the input with the pixel values `levels`, in the same way as the generator of the golden
/// file.
pub fn fill(engine: &mut dyn Engine, levels: &[u8]) {
    match engine.input_mut() {
        TensorMut::U8(input) => input.copy_from_slice(levels),
        TensorMut::I8(input) => {
            input.iter_mut().zip(levels).for_each(|(i, u)| *i = (i16::from(*u) - 128) as i8);
        }
        TensorMut::F16(input) => input
            .iter_mut()
            .zip(levels)
            .for_each(|(i, u)| *i = f16::from_f32((f32::from(*u) - 127.5) / 127.5)),
        TensorMut::F32(input) => {
            input.iter_mut().zip(levels).for_each(|(i, u)| *i = (f32::from(*u) - 127.5) / 127.5);
        }
    }
}

/// Returns the output as the tensor stores it.
pub fn raw_output(engine: &dyn Engine) -> Vec<f64> {
    (0..engine.output().len()).map(|i| f64::from(engine.output().real(i, None))).collect()
}

/// Runs the golden case `seed` and returns the raw output.
fn run(engine: &mut LiteRtEngine, seed: u64) -> Vec<f64> {
    let levels = levels(seed, engine.input_info().len());
    fill(engine, &levels);
    engine.run().unwrap();
    raw_output(engine)
}

/// Returns the CRC-32 (ISO 3309) of the bytes of the input tensor, in little-endian order.
fn input_crc32(engine: &mut LiteRtEngine) -> u64 {
    let bytes: Vec<u8> = match engine.input_mut() {
        TensorMut::U8(input) => input.to_vec(),
        TensorMut::I8(input) => input.iter().map(|i| *i as u8).collect(),
        TensorMut::F16(input) => input.iter().flat_map(|i| i.to_le_bytes()).collect(),
        TensorMut::F32(input) => input.iter().flat_map(|i| i.to_le_bytes()).collect(),
    };
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    u64::from(!crc)
}

/// Returns the largest accepted difference to the Python interpreter. It is larger for hybrid models, which
/// multiply int8 weights with float activations, because the rounding of the activations differs between
/// kernels.
fn tolerance(file: &str) -> f64 {
    if file.starts_with("hybrid") { 0.1 } else { 1e-3 }
}

pub fn golden() -> Vec<Value> {
    let path = repository().join("tests/golden/logits.json");
    serde_json::from_str::<Vec<Value>>(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn raw_outputs_match_the_python_interpreter() {
    let golden = golden();
    assert_eq!(golden.len(), model_files().len(), "every model has golden outputs");
    for entry in golden {
        let file = entry["file"].as_str().unwrap();
        let mut engine = load(file);
        for case in entry["cases"].as_array().unwrap() {
            let output = run(&mut engine, case["seed"].as_u64().unwrap());
            let crc = input_crc32(&mut engine);
            assert_eq!(Some(crc), case["input_crc32"].as_u64(), "{file}: the input differs");
            let want: Vec<f64> =
                case["output"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            assert_eq!(output.len(), want.len(), "{file}");
            for (output, want) in output.iter().zip(&want) {
                assert!((output - want).abs() <= tolerance(file), "{file}: {output}, not {want}");
            }
        }
    }
}

#[test]
fn tensor_descriptions_match_the_python_interpreter() {
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
        same(file, &info.input.tensor, &entry["input"]);
        same(file, &info.output, &entry["output"]);
        assert_eq!(info.input.is_open, entry["input"]["shape_signature"][0] == -1, "{file}");
    }
}

#[test]
fn the_serving_default_signature_is_chosen() {
    assert_eq!(info("signature_two.tflite").signature.as_deref(), Some("serving_default"));
    assert_eq!(info("signature_two.tflite").output.len(), 3, "not the four features");
    assert_eq!(info("dynamic_batch.tflite").signature.as_deref(), Some("serving_default"));
    assert_eq!(info("float_softmax.tflite").signature, None);
}

#[test]
fn a_dynamic_batch_is_set_to_one() {
    let engine = load("dynamic_batch.tflite");
    assert!(engine.info().input.is_open);
    assert_eq!(engine.input_info().shape, [1, 8, 8, 3]);
    assert_eq!(engine.output_info().shape, [1, 1]);
    assert!(!load("float_softmax.tflite").info().input.is_open);
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
        // A DEQUANTIZE or QUANTIZE follows the SOFTMAX.
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
fn labels_and_normalization_are_read_from_the_metadata() {
    // The stored archive has offsets from the start of the file, the deflated one from the start of the
    // archive.
    for name in ["metadata_labels.tflite", "metadata_labels_deflated.tflite"] {
        let info = info(name);
        let labels = info.labels.clone().unwrap().unwrap();
        assert_eq!((&*labels.name, &*labels.bytes), ("labels.txt", &b"heron\notter\nnewt\n"[..]));
        let normalization = info.normalization.unwrap().unwrap();
        assert_eq!((&*normalization.mean, &*normalization.std), (&[127.5][..], &[127.5][..]));
        load(name);
    }
    let bare = info("float_softmax.tflite");
    assert!(bare.labels.is_none() && bare.normalization.is_none());
}

#[test]
fn a_labels_file_in_the_model_is_limited_in_size() {
    let bytes = fs::read(model("float_softmax.tflite")).unwrap();
    for (len, fits) in [(1 << 20, true), ((1 << 20) + 1, false), (64 << 20, false)] {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("labels.txt", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&vec![b'a'; len]).unwrap();
        let file = [&bytes[..], &archive.finish().unwrap().into_inner()].concat();
        let labels = ModelInfo::parse(&file).unwrap().labels.unwrap();
        match labels {
            Ok(entry) => assert!(fits && entry.bytes.len() == len),
            Err(error) => {
                assert!(!fits && error.to_string().contains("more than 1048576 bytes"), "{error}");
            }
        }
    }
}

#[test]
fn a_model_may_have_a_non_square_input() {
    let mut engine = load("non_square.tflite");
    assert_eq!(engine.input_info().shape, [1, 6, 10, 3]);
    assert_eq!(engine.input_mut().len(), 6 * 10 * 3);
}

#[test]
fn the_number_of_threads_does_not_change_the_output() {
    for name in ["float_softmax.tflite", "int8_quant.tflite", "large_1001.tflite"] {
        let file = fs::read(model(name)).unwrap();
        let outputs: Vec<Vec<f64>> = [1, 2, 4, 64]
            .map(|threads| run(&mut load_with_threads(&file, threads).unwrap(), 5))
            .to_vec();
        for output in &outputs {
            for (a, b) in output.iter().zip(&outputs[0]) {
                assert!((a - b).abs() <= 1e-6, "{name}: {outputs:?}");
            }
        }
    }
}

#[test]
fn the_output_depends_on_the_current_input_only() {
    let mut engine = load("uint8_quant.tflite");
    let first = run(&mut engine, 1);
    assert_ne!(run(&mut engine, 2), first, "the output depends on the input");
    assert_eq!(run(&mut engine, 1), first);
    // A run does not change the input.
    engine.run().unwrap();
    assert_eq!(raw_output(&engine), first);
}

#[test]
fn an_engine_may_move_between_threads() {
    let mut engine = load("dynamic_batch.tflite");
    let expected = run(&mut engine, 9);
    for _ in 0..8 {
        let expected = expected.clone();
        let moved = std::thread::spawn(move || {
            assert_eq!(run(&mut engine, 9), expected);
            engine
        });
        engine = moved.join().unwrap();
    }
    assert_eq!(run(&mut engine, 9), expected);
}

/// Runs in a child process, because there no other test shares the LiteRT environment: the thread that
/// drops the engine destroys compiled model, model and environment.
#[test]
fn an_engine_is_created_run_and_dropped_on_different_threads() {
    let test = "engine::an_engine_is_created_run_and_dropped_on_different_threads";
    if job().is_none() {
        let output = child(test, "move").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    runtime();
    let file = fs::read(model("dynamic_batch.tflite")).unwrap();
    let mut outputs = Vec::new();
    for _ in 0..20 {
        let file = file.clone();
        let created = std::thread::spawn(move || LiteRtEngine::new(&file, &cpu(2)).unwrap());
        let mut engine = created.join().unwrap();
        let ran = std::thread::spawn(move || {
            let output = run(&mut engine, 9);
            (engine, output)
        });
        let (engine, output) = ran.join().unwrap();
        std::thread::spawn(move || drop(engine)).join().unwrap();
        outputs.push(output);
    }
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn engines_of_one_model_run_in_parallel() {
    runtime();
    for (name, threads) in [("uint8_quant.tflite", 1), ("float_softmax.tflite", 2)] {
        let file = fs::read(model(name)).unwrap();
        let model = LiteRtModel::new(&file, &cpu(threads)).unwrap();
        let alone = [1, 2].map(|seed| run(&mut model.engine().unwrap(), seed));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (model, alone) = (&model, &alone);
                scope.spawn(move || {
                    for round in 0..10 {
                        let mut engine = model.engine().unwrap();
                        for _ in 0..10 {
                            let case = (thread + round) % alone.len();
                            assert_eq!(run(&mut engine, case as u64 + 1), alone[case], "{name}");
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn different_models_run_in_parallel() {
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
fn a_damaged_file_is_refused_before_the_runtime_reads_it() {
    let file = fs::read(model("float_softmax.tflite")).unwrap();
    let refusal = |file: &[u8]| match load_with_threads(file, 1) {
        Err(ModelLoadError::Model(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was loaded"),
    };
    assert_eq!(refusal(&[]), ModelError::Empty);
    assert_eq!(refusal(b"not a model at all"), ModelError::NotTflite);
    assert!(matches!(refusal(&file[..file.len() / 2]), ModelError::Damaged(_)));
    assert!(matches!(refusal(&file[..9]), ModelError::Damaged(_)));
}

#[test]
fn an_integer_input_may_have_a_float_output() {
    let mut engine = load("int8_in_float_out.tflite");
    assert_eq!(engine.input_info().element, ElementType::I8);
    assert_eq!(engine.output_info().element, ElementType::F32);
    run(&mut engine, 1);
}
