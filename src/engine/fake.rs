//! A deterministic engine for timing and fault tests: no model, no runtime.

use std::time::Duration;

use super::Engine;
use crate::error::EngineError;
use crate::tensor::{ElementType, TensorInfo, TensorMut, TensorRef};

/// Answers with the mean of its input: output 0 is the mean of red, 1 of green, 2 of blue, each
/// divided by 255. It takes `delay` a run and fails on every run from `fail_from` on.
#[derive(Debug)]
pub struct FakeEngine {
    input_info: TensorInfo,
    output_info: TensorInfo,
    input: Vec<u8>,
    output: [f32; 3],
    runs: u64,
    /// Time one run takes.
    pub delay: Duration,
    /// The run, counted from 0, from which on every run fails.
    pub fail_from: Option<u64>,
}

impl FakeEngine {
    /// An engine with a `[1, height, width, 3]` uint8 input and three float outputs.
    pub fn new(width: usize, height: usize) -> Self {
        let info = |name: &str, shape: Vec<usize>, element| TensorInfo {
            name: name.into(),
            shape,
            element,
            quantization: None,
        };
        Self {
            input_info: info("input", vec![1, height, width, 3], ElementType::U8),
            output_info: info("output", vec![1, 3], ElementType::F32),
            input: vec![0; height * width * 3],
            output: [0.0; 3],
            runs: 0,
            delay: Duration::ZERO,
            fail_from: None,
        }
    }

    /// How often `run` was called.
    pub fn runs(&self) -> u64 {
        self.runs
    }
}

impl Engine for FakeEngine {
    fn input_info(&self) -> &TensorInfo {
        &self.input_info
    }

    fn output_info(&self) -> &TensorInfo {
        &self.output_info
    }

    fn input_mut(&mut self) -> TensorMut<'_> {
        TensorMut::U8(&mut self.input)
    }

    fn run(&mut self) -> Result<(), EngineError> {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        let run = self.runs;
        self.runs += 1;
        if self.fail_from.is_some_and(|from| run >= from) {
            return Err(EngineError::Invoke {
                status: 3,
                detail: "the fake engine was told to fail".into(),
            });
        }
        let mut sums = [0u64; 3];
        for pixel in self.input.chunks_exact(3) {
            for (sum, level) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*level);
            }
        }
        let pixels = (self.input.len() / 3).max(1) as f32;
        self.output = sums.map(|sum| sum as f32 / pixels / 255.0);
        Ok(())
    }

    fn output(&self) -> TensorRef<'_> {
        TensorRef::F32(&self.output)
    }
}
