//! Loading, preprocessing and inference, as the classifier of the element does them.

use std::time::{Duration, Instant};

use catdog_core::classifier::{Classifier, Config, RuntimeConfig};
use catdog_core::stats::{Counters, Durations};

use super::frames::{Format, Frames, I420};
use super::measure::{Spread, milliseconds, repeat};
use super::report::Loading;
use crate::Failure;

/// Number of frames before the first one that is measured.
const WARM_UP: usize = 3;
/// The size of the frames, if a measurement does not depend on it.
const SIZE: (usize, usize) = (640, 480);

/// Measures the time from a model's file to its first result. The first time also loads the runtime, and
/// finds out the input range of a model that leaves it open, unless the user's cache has it.
///
/// # Errors
///
/// The model cannot be loaded or run.
pub fn load(config: &Config, time: Duration) -> Result<Loading, Failure> {
    let mut frames = Some(Frames::new(I420, SIZE));
    let mut load = || -> Result<f64, Failure> {
        let frames_of_stage = frames.take().ok_or("a failed measurement was repeated")?;
        let start = Instant::now();
        let mut stage = Stage::new(config, frames_of_stage)?;
        stage.infer()?;
        let time = milliseconds(start.elapsed());
        frames = Some(stage.frames);
        Ok(time)
    };
    Ok(Loading { first_ms: load()?, again_ms: repeat(time, load)? })
}

/// Measures the preprocessing of frames of `format` and `size`.
///
/// # Errors
///
/// The model cannot be loaded or run.
pub fn preprocess(
    config: &Config,
    format: Format,
    size: (usize, usize),
    time: Duration,
) -> Result<Spread, Failure> {
    let mut stage = Stage::warm(config, Frames::new(format, size))?;
    repeat(time, || {
        stage.infer()?;
        Ok(stage.latest(|counters| &counters.preprocess))
    })
}

/// Measures the inference.
///
/// # Errors
///
/// The model cannot be loaded or run.
pub fn invoke(config: &Config, time: Duration) -> Result<Spread, Failure> {
    let mut stage = Stage::ready(config)?;
    repeat(time, || {
        stage.infer()?;
        Ok(stage.latest(|counters| &counters.invoke))
    })
}

/// A classifier, and the frames that it infers in rotation.
pub struct Stage {
    classifier: Classifier,
    frames: Frames,
}

impl Stage {
    fn new(config: &Config, frames: Frames) -> Result<Self, Failure> {
        let mut classifier = Classifier::load(config, RuntimeConfig::default())?;
        classifier.set_frame_spec(&frames.spec)?;
        Ok(Self { classifier, frames })
    }

    /// Loads the model and infers the first frames.
    fn warm(config: &Config, frames: Frames) -> Result<Self, Failure> {
        let mut stage = Self::new(config, frames)?;
        for _ in 0..WARM_UP {
            stage.infer()?;
        }
        Ok(stage)
    }

    /// Loads the model, to measure its inference.
    ///
    /// # Errors
    ///
    /// The model cannot be loaded or run.
    pub fn ready(config: &Config) -> Result<Self, Failure> {
        Self::warm(config, Frames::new(I420, SIZE))
    }

    /// Returns the durations of the next inferences in milliseconds.
    ///
    /// # Errors
    ///
    /// The model cannot be run.
    pub fn invoke(&mut self, count: usize) -> Result<Vec<f64>, Failure> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            self.infer()?;
            times.push(self.latest(|counters| &counters.invoke));
        }
        Ok(times)
    }

    fn infer(&mut self) -> Result<(), Failure> {
        let time = self.classifier.begin_frame(None);
        Ok(self.classifier.infer(&self.frames.next()?, time)?)
    }

    /// Returns the latest duration of a step in milliseconds.
    fn latest(&self, step: fn(&Counters) -> &Durations) -> f64 {
        milliseconds(step(self.classifier.counters()).latest().unwrap_or_default())
    }
}
