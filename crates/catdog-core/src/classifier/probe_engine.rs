//! A float engine with a function as its model, for the tests of the probe and of what depends on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::probe::Probe;
use crate::decision::Activation;
use crate::engine::scheduler::EnginePool;
use crate::engine::{Engine, EngineError};
use crate::model::tflite::{ImageInput, ModelInfo};
use crate::tensor::{ElementType, TensorInfo, TensorMut, TensorRef};

/// The scores for a picture, whose channels have these means; `lowest` is its smallest element.
pub type Answer = fn(means: [f32; 3], lowest: f32) -> [f32; 3];

/// An engine with a float input `[1, height, width, 3]` and three scores.
struct AnswerEngine {
    input_info: TensorInfo,
    output_info: TensorInfo,
    input: Vec<f32>,
    output: [f32; 3],
    answer: Answer,
    runs: Arc<AtomicUsize>,
}

impl Engine for AnswerEngine {
    fn input_info(&self) -> &TensorInfo {
        &self.input_info
    }

    fn output_info(&self) -> &TensorInfo {
        &self.output_info
    }

    fn input_mut(&mut self) -> TensorMut<'_> {
        TensorMut::F32(&mut self.input)
    }

    fn run(&mut self) -> Result<(), EngineError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut means = [0.0; 3];
        for pixel in self.input.chunks_exact(3) {
            for (mean, value) in means.iter_mut().zip(pixel) {
                *mean += value / (self.input.len() / 3) as f32;
            }
        }
        let lowest = self.input.iter().copied().fold(f32::INFINITY, f32::min);
        self.output = (self.answer)(means, lowest);
        Ok(())
    }

    fn output(&self) -> TensorRef<'_> {
        TensorRef::F32(&self.output)
    }
}

/// An engine that is ready for a [`Probe`].
pub struct Model {
    pool: Arc<EnginePool>,
    input: ImageInput,
    /// The number of inferences so far.
    pub runs: Arc<AtomicUsize>,
}

impl Model {
    /// Returns a model with the input of `info`, which answers with `answer`.
    pub fn new(info: &ModelInfo, answer: Answer) -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let input = info.input.clone();
        let engine = AnswerEngine {
            input: vec![0.0; input.tensor.len()],
            input_info: input.tensor.clone(),
            output_info: TensorInfo {
                name: "output".into(),
                shape: vec![1, 3],
                element: ElementType::F32,
                quantization: None,
            },
            output: [0.0; 3],
            answer,
            runs: Arc::clone(&runs),
        };
        Self { pool: EnginePool::new(Box::new(engine)), input, runs }
    }

    /// Returns a probe of logits, for a model with this inference time.
    pub fn probe_of(&self, inference_time: Duration) -> Option<Probe<'_>> {
        Probe::new(&self.pool, &self.input, Activation::Softmax, inference_time)
    }

    /// Returns a probe of logits.
    pub fn probe(&self) -> Probe<'_> {
        self.probe_of(Duration::ZERO).unwrap()
    }
}

/// Networks by the range that they expect.
pub mod networks {
    /// Scales pixel values itself.
    pub fn pixels(means: [f32; 3], _: f32) -> [f32; 3] {
        means.map(|mean| mean / 5.0)
    }

    /// Has no finite scores for values below 0.
    pub fn unit(means: [f32; 3], lowest: f32) -> [f32; 3] {
        if lowest < 0.0 { [f32::NAN, 0.0, 0.0] } else { means.map(|mean| 40.0 * mean) }
    }

    /// Answers the same for all pictures without values below 0.
    pub fn centered(means: [f32; 3], lowest: f32) -> [f32; 3] {
        if lowest < 0.0 { means.map(|mean| 40.0 * mean) } else { [1.0, 0.0, 0.0] }
    }

    /// Works with both.
    pub fn both(means: [f32; 3], _: f32) -> [f32; 3] {
        means.map(|mean| 40.0 * mean)
    }

    /// Answers the same for all pictures.
    pub fn constant(_: [f32; 3], _: f32) -> [f32; 3] {
        [1.0, 0.0, 0.0]
    }

    /// Has no finite scores.
    pub fn infinite(_: [f32; 3], _: f32) -> [f32; 3] {
        [0.0, f32::INFINITY, 0.0]
    }
}
