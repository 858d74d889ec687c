//! What the user asked for, as it was set; [`Settings::config`] and [`Settings::live`] resolve it
//! into validated values. Every default stands here once.

use std::path::PathBuf;
use std::time::Duration;

use gst::glib;

use crate::decision::{Activation, Rules};
use crate::engine::litert::Accelerator;
use crate::engine::tflite::Normalization;
use crate::error::ConfigError;
use crate::model::ModelSource;
use crate::pipeline::{Config, LiveConfig, OutputActivation};
use crate::preprocess::{self, Resize};
use crate::text_format::TextFormat;

/// Automatic.
pub const DEFAULT_THREADS: i32 = 0;
/// More than any processor has that runs a pipeline; beyond, LiteRT runs out of memory.
const MAX_THREADS: u32 = 256;
/// Below this confidence nothing is claimed.
pub const DEFAULT_THRESHOLD: f32 = 0.7;
/// The best need not be ahead by more than the threshold sees to.
pub const DEFAULT_MARGIN: f32 = 0.0;
/// In ms. With the default hold, labels of six clips changed 12 times instead of 108, and were right
/// more often; docs/live.md has what other values do.
pub const DEFAULT_SMOOTHING: u32 = 50;
/// In ms.
pub const DEFAULT_HOLD: u32 = 300;
/// What is said when nothing is claimed.
pub const DEFAULT_UNKNOWN_LABEL: &str = "unknown";
/// As many classes as a person takes in at a glance.
pub const DEFAULT_MAX_RESULTS: u32 = 5;
/// Every frame.
pub const DEFAULT_INFERENCE_INTERVAL: u32 = 1;
/// In inferences per second; 0 for no limit.
pub const DEFAULT_MAX_INFERENCE_RATE: f64 = 0.0;
/// A held result never expires.
pub const DEFAULT_RESULT_TIMEOUT: u64 = 0;
/// "cat 97 %".
pub const DEFAULT_TEXT_FORMAT: &str = "{label} {percent}";
/// A classification is no object.
pub const DEFAULT_ANTIALIAS: bool = true;
pub const DEFAULT_OBJECT_METADATA: bool = false;
/// Results are produced.
pub const DEFAULT_ACTIVE: bool = true;
/// Late frames skip the inference.
pub const DEFAULT_QOS: bool = true;

/// How a frame is fitted to the model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogResizeMethod")]
pub enum ResizeMethod {
    /// The whole picture, its aspect given up.
    #[default]
    #[enum_value(name = "Stretch the whole picture", nick = "stretch")]
    Stretch,
    /// The middle of the picture, in its aspect.
    #[enum_value(name = "Crop the middle of the picture", nick = "crop")]
    Crop,
    /// The whole picture in its aspect, between black bars.
    #[enum_value(name = "Fit the whole picture between black bars", nick = "letterbox")]
    Letterbox,
}

/// Whether the model is rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogOptimize")]
pub enum OptimizeChoice {
    /// Where it runs faster and decides alike.
    #[default]
    #[enum_value(name = "Where it makes the model faster and no decision another", nick = "auto")]
    Auto,
    /// Never.
    #[enum_value(name = "Run the model as it is", nick = "off")]
    Off,
}

/// Where the graph runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogAccelerator")]
pub enum AcceleratorChoice {
    /// The processor.
    #[default]
    #[enum_value(name = "CPU (XNNPACK)", nick = "cpu")]
    Cpu,
    /// The graphics processor.
    #[enum_value(name = "GPU (needs LiteRT's GPU accelerator library)", nick = "gpu")]
    Gpu,
    /// The neural processor.
    #[enum_value(name = "NPU (needs the vendor's LiteRT dispatch library)", nick = "npu")]
    Npu,
}

/// How scores become confidences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogActivation")]
pub enum ActivationChoice {
    /// As the graph needs it.
    #[default]
    #[enum_value(name = "What the model's graph lacks", nick = "auto")]
    Auto,
    /// Scores are confidences.
    #[enum_value(name = "None: scores are confidences", nick = "none")]
    None,
    /// Each score by itself.
    #[enum_value(name = "Logistic function of each score", nick = "sigmoid")]
    Sigmoid,
    /// Scores against each other.
    #[enum_value(name = "Softmax over all scores", nick = "softmax")]
    Softmax,
}

/// Whether a textoverlay downstream is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogOverlay")]
pub enum OverlayMode {
    /// Where there is one without a text.
    #[default]
    #[enum_value(name = "Write to a textoverlay downstream that has no text", nick = "auto")]
    Auto,
    /// Never.
    #[enum_value(name = "Leave every textoverlay alone", nick = "none")]
    None,
}

/// Which results go onto the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogPostMessages")]
pub enum PostMessages {
    /// None.
    #[enum_value(name = "No messages", nick = "none")]
    None,
    /// When the label is another one.
    #[default]
    #[enum_value(name = "When the label changes", nick = "change")]
    Change,
    /// For every inference.
    #[enum_value(name = "For every inference", nick = "every")]
    Every,
}

/// When the result of a frame is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogMode")]
pub enum ModeChoice {
    /// Async where the pipeline is live.
    #[default]
    #[enum_value(name = "Async where the pipeline is live, else sync", nick = "auto")]
    Auto,
    /// Each frame waits for its own.
    #[enum_value(name = "Each frame waits for its own result", nick = "sync")]
    Sync,
    /// No frame waits.
    #[enum_value(name = "Frames go on at once with the latest result", nick = "async")]
    Async,
}

/// What a failed inference does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstCatdogErrorPolicy")]
pub enum ErrorPolicy {
    /// The element fails, as elements do.
    #[default]
    #[enum_value(name = "One error, and the stream stops", nick = "error")]
    Error,
    /// The stream is worth more than its labels.
    #[enum_value(name = "One warning, and frames go on with the last result", nick = "passthrough")]
    Passthrough,
}

/// The properties.
#[derive(Clone, Debug)]
pub struct Settings {
    pub model_file: Option<PathBuf>,
    pub labels_file: Option<PathBuf>,
    pub labels: Option<String>,
    pub optimize: OptimizeChoice,
    pub threads: i32,
    pub accelerator: AcceleratorChoice,
    pub input_mean: Option<String>,
    pub input_std: Option<String>,
    pub resize_method: ResizeMethod,
    pub antialias: bool,
    pub output_activation: ActivationChoice,
    pub class_confidence_threshold: f32,
    pub class_confidence_margin: f32,
    pub smoothing: u32,
    pub hold: u32,
    pub unknown_label: Option<String>,
    pub max_results: u32,
    pub mode: ModeChoice,
    pub inference_interval: u32,
    pub max_inference_rate: f64,
    pub result_timeout: u64,
    pub error_policy: ErrorPolicy,
    pub overlay: OverlayMode,
    pub text_format: Option<String>,
    pub post_messages: PostMessages,
    pub object_metadata: bool,
    pub active: bool,
    pub qos: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model_file: None,
            labels_file: None,
            labels: None,
            optimize: OptimizeChoice::default(),
            threads: DEFAULT_THREADS,
            accelerator: AcceleratorChoice::default(),
            input_mean: None,
            input_std: None,
            resize_method: ResizeMethod::default(),
            antialias: DEFAULT_ANTIALIAS,
            output_activation: ActivationChoice::default(),
            class_confidence_threshold: DEFAULT_THRESHOLD,
            class_confidence_margin: DEFAULT_MARGIN,
            smoothing: DEFAULT_SMOOTHING,
            hold: DEFAULT_HOLD,
            unknown_label: Some(DEFAULT_UNKNOWN_LABEL.into()),
            max_results: DEFAULT_MAX_RESULTS,
            mode: ModeChoice::default(),
            inference_interval: DEFAULT_INFERENCE_INTERVAL,
            max_inference_rate: DEFAULT_MAX_INFERENCE_RATE,
            error_policy: ErrorPolicy::default(),
            result_timeout: DEFAULT_RESULT_TIMEOUT,
            overlay: OverlayMode::default(),
            text_format: Some(DEFAULT_TEXT_FORMAT.into()),
            post_messages: PostMessages::default(),
            object_metadata: DEFAULT_OBJECT_METADATA,
            active: DEFAULT_ACTIVE,
            qos: DEFAULT_QOS,
        }
    }
}

/// What may change from one frame to the next, resolved.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub pipeline: LiveConfig,
    pub mode: ModeChoice,
    pub error_policy: ErrorPolicy,
    pub text_format: TextFormat,
    pub unknown_label: String,
    pub overlay: OverlayMode,
    pub post_messages: PostMessages,
    pub object_metadata: bool,
    pub active: bool,
    pub qos: bool,
}

impl Settings {
    /// What a model is loaded with.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the property.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let file = |file: &Option<PathBuf>| file.clone().filter(|f| !f.as_os_str().is_empty());
        let threads = u32::try_from(self.threads).ok().filter(|&threads| threads <= MAX_THREADS);
        let threads = threads.ok_or_else(|| ConfigError::Range {
            property: "threads",
            value: self.threads.to_string(),
            range: "0 (automatic) to 256",
        })?;
        Ok(Config {
            model: file(&self.model_file).map_or(ModelSource::BuiltIn, ModelSource::File),
            labels: non_empty(&self.labels).map(str::to_owned),
            labels_file: file(&self.labels_file),
            // Other accelerators have compilers of their own.
            optimize: self.optimize == OptimizeChoice::Auto
                && self.accelerator == AcceleratorChoice::Cpu,
            threads,
            accelerator: match self.accelerator {
                AcceleratorChoice::Cpu => Accelerator::Cpu,
                AcceleratorChoice::Gpu => Accelerator::Gpu,
                AcceleratorChoice::Npu => Accelerator::Npu,
            },
            normalization: self.normalization()?,
            resize: Resize {
                method: match self.resize_method {
                    ResizeMethod::Stretch => preprocess::ResizeMethod::Stretch,
                    ResizeMethod::Crop => preprocess::ResizeMethod::Crop,
                    ResizeMethod::Letterbox => preprocess::ResizeMethod::Letterbox,
                },
                antialias: self.antialias,
            },
            activation: match self.output_activation {
                ActivationChoice::Auto => OutputActivation::Auto,
                ActivationChoice::None => OutputActivation::Fixed(Activation::None),
                ActivationChoice::Sigmoid => OutputActivation::Fixed(Activation::Sigmoid),
                ActivationChoice::Softmax => OutputActivation::Fixed(Activation::Softmax),
            },
        })
    }

    /// What each frame is treated with.
    ///
    /// # Errors
    ///
    /// The first [`ConfigError`], which names the property.
    pub fn live(&self) -> Result<Live, ConfigError> {
        match self.live_or(&Live::default()) {
            (live, None) => Ok(live),
            (_, Some(error)) => Err(error),
        }
    }

    /// What each frame is treated with from now on: a value that cannot be used leaves that of
    /// `running` in place, and nothing else. Also returns the first error.
    pub fn live_or(&self, running: &Live) -> (Live, Option<ConfigError>) {
        let mut live = Live {
            pipeline: LiveConfig {
                rules: Rules {
                    threshold: self.class_confidence_threshold,
                    margin: self.class_confidence_margin,
                    smoothing: Duration::from_millis(self.smoothing.into()),
                    hold: Duration::from_millis(self.hold.into()),
                    max_results: running.pipeline.rules.max_results,
                },
                result_timeout: match self.result_timeout {
                    0 => None,
                    nanoseconds => Some(Duration::from_nanos(nanoseconds)),
                },
                inference_interval: running.pipeline.inference_interval,
                least_period: match self.max_inference_rate {
                    0.0 => None,
                    rate => Duration::try_from_secs_f64(1.0 / rate).ok(),
                },
            },
            mode: self.mode,
            error_policy: self.error_policy,
            text_format: running.text_format.clone(),
            unknown_label: self.unknown_label.clone().unwrap_or_default(),
            overlay: self.overlay,
            post_messages: self.post_messages,
            object_metadata: self.object_metadata && cfg!(feature = "analytics"),
            active: self.active,
            qos: self.qos,
        };
        let zero =
            |property| Some(ConfigError::Range { property, value: "0".into(), range: "1 or more" });
        let mut error = None;
        match self.max_results {
            0 => error = error.or(zero("max-results")),
            count => live.pipeline.rules.max_results = count as usize,
        }
        match self.inference_interval {
            0 => error = error.or(zero("inference-interval")),
            frames => live.pipeline.inference_interval = frames.into(),
        }
        if self.object_metadata != live.object_metadata {
            let property = "object-metadata=true";
            error = error.or(Some(ConfigError::WithoutAnalytics { property }));
        }
        match TextFormat::parse(self.text_format.as_deref().unwrap_or_default()) {
            Ok(format) => live.text_format = format,
            Err(unknown) => error = error.or(Some(unknown)),
        }
        (live, error)
    }

    fn normalization(&self) -> Result<Option<Normalization>, ConfigError> {
        let half = |given, missing| Err(ConfigError::HalfNormalization { given, missing });
        match (non_empty(&self.input_mean), non_empty(&self.input_std)) {
            (None, None) => Ok(None),
            (Some(_), None) => half("input-mean", "input-std"),
            (None, Some(_)) => half("input-std", "input-mean"),
            (Some(mean), Some(std)) => {
                let mean = numbers("input-mean", mean, "", |_| true)?;
                let std = numbers("input-std", std, " other than 0", f32::is_normal)?;
                Ok(Some(Normalization { mean, std }))
            }
        }
    }
}

fn non_empty(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// One number or three, separated by commas.
fn numbers(
    property: &'static str,
    text: &str,
    hint: &'static str,
    allowed: fn(f32) -> bool,
) -> Result<Vec<f32>, ConfigError> {
    let parsed: Option<Vec<f32>> = text
        .split(',')
        .map(|number| number.trim().parse().ok().filter(|n: &f32| n.is_finite() && allowed(*n)))
        .collect();
    parsed.filter(|numbers| matches!(numbers.len(), 1 | 3)).ok_or_else(|| ConfigError::Numbers {
        property,
        value: text.to_owned(),
        hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_model() -> Settings {
        Settings { model_file: Some(PathBuf::from("m.tflite")), ..Settings::default() }
    }

    #[test]
    fn the_defaults_resolve() {
        assert_eq!(with_model().config().unwrap().threads, 0);
        assert_eq!(Settings::default().live().unwrap().pipeline.inference_interval, 1);
        assert_eq!(Settings::default().config().unwrap().model, ModelSource::BuiltIn);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let negative = Settings { threads: -1, ..with_model() };
        assert!(negative.config().unwrap_err().to_string().starts_with("threads=-1"));
        let many = Settings { threads: 20_000, ..with_model() };
        assert!(many.config().unwrap_err().to_string().starts_with("threads=20000"));
        let never = Settings { inference_interval: 0, ..with_model() };
        assert!(never.live().unwrap_err().to_string().starts_with("inference-interval=0"));
        let none = Settings { max_results: 0, ..with_model() };
        assert!(none.live().unwrap_err().to_string().starts_with("max-results=0"));
    }

    #[test]
    fn a_wrong_value_leaves_all_others_in_force() {
        let running = Settings { max_results: 3, ..with_model() }.live().unwrap();
        let wrong = Settings { max_results: 0, active: false, qos: false, ..with_model() };
        let (live, error) = wrong.live_or(&running);
        assert!(error.is_some());
        assert_eq!((live.pipeline.rules.max_results, live.active, live.qos), (3, false, false));
    }

    #[test]
    fn normalisation_is_one_number_or_three_and_never_half() {
        let set = |mean: &str, std: &str| Settings {
            input_mean: Some(mean.into()),
            input_std: Some(std.into()),
            ..with_model()
        };
        let normalization = set("123.7, 116.3,103.5", "58.4").config().unwrap().normalization;
        let want = Normalization { mean: vec![123.7, 116.3, 103.5], std: vec![58.4] };
        assert_eq!(normalization, Some(want));
        for (mean, std) in [("1,2", "1"), ("x", "1"), ("0", "0"), ("0", "inf"), ("", "1")] {
            assert!(set(mean, std).config().is_err(), "{mean} {std}");
        }
    }
}
