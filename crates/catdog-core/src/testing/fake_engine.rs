//! An engine with known output, duration and failures, which needs no model and no runtime.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::engine::{Engine, EngineError};
use crate::preprocess::{ChannelOrder, Channels, TensorTarget, ValueMap};
use crate::sync::lock;
use crate::tensor::{ElementType, TensorInfo, TensorMut, TensorRef};

/// An engine whose three outputs are the means of red, green and blue of its input, each divided by
/// 255.
#[derive(Clone, Debug)]
pub struct FakeEngine {
    input_info: TensorInfo,
    output_info: TensorInfo,
    input: Vec<u8>,
    output: [f32; 3],
    evidence_info: Option<TensorInfo>,
    evidence: Vec<f32>,
    runs: u64,
    /// Duration of a run.
    pub delay: Duration,
    /// The first run that fails, counted from 0; all later runs fail, too.
    pub fail_from: Option<u64>,
    /// The single runs that fail, counted from 0.
    pub fail_at: Vec<u64>,
    /// The run that panics, counted from 0.
    pub panic_at: Option<u64>,
}

fn info(name: &str, shape: Vec<usize>, element: ElementType) -> TensorInfo {
    TensorInfo { name: name.into(), shape, element, quantization: None }
}

/// The stand-ins, with the paths of the model files that they replace.
static STAND_INS: Mutex<Vec<(PathBuf, FakeEngine)>> = Mutex::new(Vec::new());

impl FakeEngine {
    /// Creates an engine with a uint8 input `[1, height, width, 3]` and three float outputs, which
    /// runs without delay and does not fail.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            input_info: info("input", vec![1, height, width, 3], ElementType::U8),
            output_info: info("output", vec![1, 3], ElementType::F32),
            input: vec![0; height * width * 3],
            output: [0.0; 3],
            evidence_info: None,
            evidence: Vec::new(),
            runs: 0,
            delay: Duration::ZERO,
            fail_from: None,
            fail_at: Vec::new(),
            panic_at: None,
        }
    }

    /// Adds evidence for `rows` x `columns` places, of which each is a block of pixels: the mean of
    /// each channel there, divided by 10.
    #[must_use]
    pub fn with_evidence(self, rows: usize, columns: usize) -> Self {
        let shape = vec![1, rows, columns, 3];
        Self {
            evidence: vec![0.0; rows * columns * 3],
            evidence_info: Some(info("evidence", shape, ElementType::F32)),
            ..self
        }
    }

    /// Computes the evidence from the input.
    fn compute_evidence(&mut self) {
        let Some(TensorInfo { shape, .. }) = &self.evidence_info else { return };
        let (rows, columns) = (shape[1], shape[2]);
        let (height, width) = (self.input_info.shape[1], self.input_info.shape[2]);
        let pixels = (height / rows * (width / columns)) as f32;
        self.evidence.fill(0.0);
        for (index, level) in self.input.iter().enumerate() {
            let (pixel, channel) = (index / 3, index % 3);
            let (row, column) = (pixel / width * rows / height, pixel % width * columns / width);
            let place = row * columns + column;
            self.evidence[place * 3 + channel] += f32::from(*level) / 10.0 / pixels;
        }
    }

    /// Makes this engine the stand-in for the model file `path`, which need not exist.
    ///
    /// After this call, a `Classifier` that loads the model file `path` gets a copy of this engine,
    /// with the labels "red", "green" and "blue", and does not open the file. So a test of an
    /// element, which can only set the property `model-file`, can run a fake engine. A stand-in
    /// works in this process only, and only in builds with the feature `testing`. A second call for
    /// the same path replaces the stand-in.
    pub fn stand_in_for(self, path: impl Into<PathBuf>) {
        let path = path.into();
        let mut stand_ins = lock(&STAND_INS);
        stand_ins.retain(|(other, _)| *other != path);
        stand_ins.push((path, self));
    }

    /// Returns a copy of the stand-in for the model file `path`, or `None` if it has none.
    pub fn stand_in(path: &Path) -> Option<Self> {
        let stand_ins = lock(&STAND_INS);
        stand_ins.iter().find(|(other, _)| other == path).map(|(_, engine)| engine.clone())
    }

    /// Returns what preprocessing must produce: the pixel values.
    pub fn target(&self) -> TensorTarget {
        TensorTarget {
            width: self.input_info.shape[2],
            height: self.input_info.shape[1],
            channels: Channels::Rgb,
            order: ChannelOrder::Last,
            element: ElementType::U8,
            values: [ValueMap::Level; 3],
        }
    }

    /// Returns how many times `run` was called.
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
        assert!(self.panic_at != Some(run), "this run is set to panic");
        if self.fail_from.is_some_and(|from| run >= from) || self.fail_at.contains(&run) {
            return Err(EngineError::Invoke {
                status: 3,
                detail: "this run is set to fail".into(),
            });
        }
        let mut sums = [0u64; 3];
        for pixel in self.input.chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*value);
            }
        }
        let pixels = (self.input.len() / 3).max(1) as f32;
        self.output = sums.map(|sum| sum as f32 / pixels / 255.0);
        self.compute_evidence();
        Ok(())
    }

    fn output(&self) -> TensorRef<'_> {
        TensorRef::F32(&self.output)
    }

    fn evidence_info(&self) -> Option<&TensorInfo> {
        self.evidence_info.as_ref()
    }

    fn evidence(&self) -> Option<TensorRef<'_>> {
        self.evidence_info.as_ref().map(|_| TensorRef::F32(&self.evidence))
    }
}
