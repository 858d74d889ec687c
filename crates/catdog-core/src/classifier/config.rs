//! The validated configuration of a classifier.

use std::path::PathBuf;
use std::time::Duration;

use crate::decision::{Activation, Rules};
use crate::engine::Runtime;
use crate::engine::litert::Accelerator;
use crate::frame::Region;
use crate::model::ModelSource;
use crate::model::tflite::{ModelOptions, Normalization};
use crate::preprocess::Resize;

/// How the activation is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputActivation {
    /// No activation if the graph computes probabilities, such as with LOGISTIC or SOFTMAX, or the
    /// scores of the probe are probabilities; the exponential if the graph computes their logarithms;
    /// otherwise sigmoid for one score and softmax for several.
    #[default]
    Auto,
    /// This activation, for every graph.
    Fixed(Activation),
}

/// The part of the configuration that requires loading the model again when it changes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `.tflite` classifier.
    pub model: ModelSource,
    /// Class names separated by commas; takes precedence over all other sources.
    pub labels: Option<String>,
    /// A file with one class name per line.
    pub labels_file: Option<PathBuf>,
    /// The choices for what the model leaves open.
    pub model_options: ModelOptions,
    /// CPU threads per inference; with 0, thread tuning chooses the number.
    pub threads: u32,
    /// The library that runs the model.
    pub runtime: Runtime,
    /// The hardware that runs the graph.
    pub accelerator: Accelerator,
    /// Whether the model is rewritten in memory if XNNPACK cannot run it as one partition. The
    /// rewritten model is used if it makes the same decisions.
    pub optimize: bool,
    /// Mean and standard deviation of the input, if the user sets them.
    pub normalization: Option<Normalization>,
    /// How a frame is fitted to the input of the model.
    pub resize: Resize,
    /// How scores become confidences.
    pub activation: OutputActivation,
}

#[cfg(feature = "testing")]
impl Config {
    /// Returns the defaults of the element's properties for the model in a file, with one thread.
    pub fn of_file(model: &std::path::Path) -> Self {
        Self {
            model: ModelSource::File(model.to_owned()),
            labels: None,
            labels_file: None,
            model_options: ModelOptions::default(),
            threads: 1,
            runtime: Runtime::Auto,
            accelerator: Accelerator::Cpu,
            optimize: true,
            normalization: None,
            resize: crate::preprocess::ResizeMethod::Stretch.into(),
            activation: OutputActivation::Auto,
        }
    }
}

/// The part of the configuration that may change from one frame to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeConfig {
    /// The rules for accepting a class.
    pub rules: Rules,
    /// Run an inference on every n-th frame; 0 is treated as 1.
    pub inference_interval: u64,
    /// Minimum time between inferred frames; `None` for no limit.
    pub min_period: Option<Duration>,
    /// Maximum age of a held result; `None` for no limit.
    pub result_timeout: Option<Duration>,
    /// The part of the frame that is classified.
    pub region: Region,
    /// Whether a frame that is not decided is inferred once or twice more, closer.
    pub second_look: bool,
}
