//! Integration tests of catdog-core with the real runtime, in one program. `mutations.rs` is a program of
//! its own, because its child processes may crash.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod color;
mod engine;
mod evidence;
mod optimize;
mod partitions;
mod second_look;
mod test_data;
#[cfg(feature = "tflitec")]
mod tflitec;
mod thread_tuning;

use catdog_core::engine::litert::{Accelerator, LiteRtEngine, LiteRtOptions};
use catdog_core::engine::{EngineOptions, Runtime};
use catdog_core::testing::runtime;

/// Returns the options of an engine on the CPU.
fn cpu(threads: u32) -> LiteRtOptions {
    LiteRtOptions { threads, accelerator: Accelerator::Cpu }
}

/// Returns the options of a shared model on the CPU.
fn litert(threads: u32) -> EngineOptions {
    EngineOptions { runtime: Runtime::LiteRt, threads, accelerator: Accelerator::Cpu }
}

/// Loads the model in `file` with one thread.
fn engine(file: &[u8]) -> LiteRtEngine {
    runtime();
    LiteRtEngine::new(file, &cpu(1)).unwrap()
}

/// Returns the paths of all valid test models, sorted.
fn model_files() -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(catdog_core::testing::model("")).unwrap();
    let mut files: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    files.sort();
    assert!(files.len() >= 15);
    files
}
