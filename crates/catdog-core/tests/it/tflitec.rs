//! The engine of the classic TensorFlow Lite: the goldens of the Python interpreter of LiteRT with a tolerance
//! of its own, and both runtimes in one process.

use std::fs;
use std::sync::Arc;
use std::thread;

use catdog_core::classifier::{Classifier, Config, RuntimeConfig};
use catdog_core::engine::litert::Accelerator;
use catdog_core::engine::shared_model::SharedModel;
use catdog_core::engine::{self, Engine, EngineOptions, Runtime};
use catdog_core::model::tflite::ModelOptions;
use catdog_core::tensor::ElementType;
use catdog_core::testing::{child, job, model, outside_data, repository, runtime};

use crate::engine::{fill, golden, levels, raw_output};

fn options(runtime: Runtime) -> EngineOptions {
    EngineOptions { runtime, threads: 1, accelerator: Accelerator::Cpu }
}

fn load(file: &[u8], runtime: Runtime) -> Arc<SharedModel> {
    SharedModel::load(file, &options(runtime), &ModelOptions::default(), true).unwrap()
}

fn run(engine: &mut dyn Engine, seed: u64) -> Vec<f64> {
    let levels = levels(seed, engine.input_info().len());
    fill(engine, &levels);
    engine::run(engine).unwrap();
    raw_output(engine)
}

/// Returns the largest accepted difference to LiteRT, which is years newer and rounds elsewhere: two steps of
/// an 8-bit output, a tenth for hybrid models as for LiteRT itself, otherwise a hundredth.
fn tolerance(file: &str, engine: &dyn Engine) -> f64 {
    match engine.output_info().element {
        ElementType::U8 | ElementType::I8 => 2.0,
        _ if file.starts_with("hybrid") => 0.1,
        _ => 0.01,
    }
}

#[test]
fn raw_outputs_are_near_those_of_the_python_interpreter() {
    let mut refused = 0;
    for entry in golden() {
        let file = entry["file"].as_str().unwrap();
        let bytes = fs::read(model(file)).unwrap();
        let options = options(Runtime::Tflitec);
        let shared = match SharedModel::load(&bytes, &options, &ModelOptions::default(), true) {
            Ok(shared) => shared,
            Err(error) => {
                // Its C API runs the first subgraph only.
                assert!(error.to_string().contains("another subgraph than the first"), "{error}");
                refused += 1;
                continue;
            }
        };
        assert_eq!(shared.runtime(), Runtime::Tflitec);
        let mut engine = shared.pool().acquire();
        for case in entry["cases"].as_array().unwrap() {
            let output = run(&mut *engine, case["seed"].as_u64().unwrap());
            let expected = case["output"].as_array().unwrap();
            assert_eq!(output.len(), expected.len(), "{file}");
            for (found, expected) in output.iter().zip(expected) {
                let difference = (found - expected.as_f64().unwrap()).abs();
                assert!(difference <= tolerance(file, &*engine), "{file}: {output:?} {expected:?}");
            }
        }
    }
    assert_eq!(refused, 1);
}

#[test]
fn both_runtimes_run_in_one_process_at_the_same_time() {
    runtime();
    let file = fs::read(repository().join("models/catdog.tflite")).unwrap();
    let outputs = thread::scope(|scope| {
        let start = |runtime| {
            let file = &file;
            scope.spawn(move || {
                let shared = load(file, runtime);
                let mut engine = shared.pool().acquire();
                let outputs: Vec<_> = (0..20).map(|seed| run(&mut *engine, seed)).collect();
                let evidence = engine.evidence().unwrap();
                (outputs, (0..evidence.len()).map(|i| evidence.real(i, None)).collect::<Vec<_>>())
            })
        };
        let threads =
            [Runtime::LiteRt, Runtime::Tflitec, Runtime::LiteRt, Runtime::Tflitec].map(start);
        threads.map(|thread| thread.join().unwrap())
    });
    let (litert, tflite) = (&outputs[0], &outputs[1]);
    assert_eq!((litert, tflite), (&outputs[2], &outputs[3]));
    for (a, b) in litert.0.iter().flatten().zip(tflite.0.iter().flatten()) {
        assert!((a - b).abs() < 0.02, "{a} {b}");
    }
    for (a, b) in litert.1.iter().zip(&tflite.1) {
        assert!((a - b).abs() < 0.5, "{a} {b}");
    }
}

#[test]
fn a_model_that_xnnpack_refuses_runs_without_it_and_says_so() {
    let test = "a_model_that_xnnpack_refuses_runs_without_it_and_says_so";
    let Some(lab) = outside_data(test, "models/cat-dog-mnv2.tflite") else { return };
    let file = fs::read(&lab).unwrap();
    runtime();
    let [litert, tflite] = [Runtime::LiteRt, Runtime::Tflitec].map(|runtime| load(&file, runtime));
    assert_eq!(litert.note(), None);
    let note = tflite.note().unwrap_or_default();
    assert!(note.contains("XNNPACK of TensorFlow Lite refuses the model"), "{note}");
    for seed in 0..5 {
        let [a, b] = [&litert, &tflite].map(|shared| run(&mut *shared.pool().acquire(), seed)[0]);
        assert!((a - b).abs() < 0.3, "{a} {b}");
    }
    let mut config = Config::of_file(&lab);
    config.runtime = Runtime::Tflitec;
    let classifier = Classifier::load(&config, RuntimeConfig::default()).unwrap();
    let description = classifier.description();
    assert_eq!(description.runtime, Runtime::Tflitec);
    assert!(description.warnings.iter().any(|warning| warning == note));
}

#[test]
fn an_accelerator_is_refused() {
    let file = fs::read(repository().join("models/catdog.tflite")).unwrap();
    let options = EngineOptions { accelerator: Accelerator::Gpu, ..options(Runtime::Tflitec) };
    let error = SharedModel::load(&file, &options, &ModelOptions::default(), true).unwrap_err();
    assert!(
        error.to_string().contains("TensorFlow Lite runs on the CPU only; use engine=litert"),
        "{error}"
    );
}

#[test]
fn damaged_files_are_refused_before_the_runtime_sees_them() {
    let whole = fs::read(repository().join("models/catdog.tflite")).unwrap();
    for length in [0, 100, whole.len() / 2] {
        let result = SharedModel::load(
            &whole[..length],
            &options(Runtime::Tflitec),
            &ModelOptions::default(),
            true,
        );
        assert!(matches!(result, Err(engine::ModelLoadError::Model(_))), "{length}");
    }
}

#[test]
fn without_litert_the_classic_runtime_is_chosen() {
    let test = "tflitec::without_litert_the_classic_runtime_is_chosen";
    if job().is_none() {
        let output = child(test, "no runtime")
            .env("CATDOG_LITERT_LIBRARY", "/nowhere/libLiteRt.so")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let file = fs::read(repository().join("models/catdog.tflite")).unwrap();
    assert_eq!(load(&file, Runtime::Auto).runtime(), Runtime::Tflitec);
    let refused =
        SharedModel::load(&file, &options(Runtime::LiteRt), &ModelOptions::default(), true);
    assert!(matches!(refused, Err(engine::ModelLoadError::Runtime(_))));
}
