//! The properties as the user set them. [`Settings::config`] and [`Settings::runtime`] resolve them
//! into validated values. Each default is defined here, once.

use std::path::PathBuf;
use std::time::Duration;

use catdog_core::classifier::{Config, OutputActivation, RuntimeConfig};
use catdog_core::decision::{Activation, Rules};
use catdog_core::engine::Runtime;
use catdog_core::engine::litert::Accelerator;
use catdog_core::model::ModelSource;
use catdog_core::model::tflite::{ModelOptions, Normalization};
use catdog_core::preprocess::{self, Resize};
use catdog_core::property_text::{parse_mean, parse_std};
use gst_video::VideoOrientationMethod;
use thiserror::Error;

use super::choices::{
    AcceleratorChoice, ActivationChoice, ColorOrder, EngineChoice, ErrorPolicy, Mode,
    OptimizeChoice, OverlayMode, PostMessages, ResizeMethod,
};
use super::picture::{
    self, DEFAULT_DRAW_BOX, DEFAULT_DRAW_REGION, DEFAULT_MAX_ROIS, DEFAULT_ORIENTATION, Picture,
    PictureError, PictureProperties, RoiMode,
};
use crate::text_format::{TextFormat, TextFormatError};

/// A property has a value that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// A number is out of range.
    #[error("{property}={value} is out of range; set it to {range}")]
    Range {
        /// Name of the property.
        property: &'static str,
        /// Its value.
        value: String,
        /// The valid range.
        range: &'static str,
    },
    /// A mean or standard deviation is not one number or three numbers.
    #[error(
        "{property}=\"{value}\" is not one number or three numbers (one for each channel){hint}; write it as \
         127.5 or \"123.7,116.3,103.5\""
    )]
    Numbers {
        /// Name of the property.
        property: &'static str,
        /// Its value.
        value: String,
        /// A further condition, as a clause; may be empty.
        hint: &'static str,
    },
    /// Only one of mean and standard deviation is set.
    #[error("{given} is set but {missing} is not; set both or neither")]
    HalfNormalization {
        /// The property that is set.
        given: &'static str,
        /// The property that is missing.
        missing: &'static str,
    },
    /// A property of the picture cannot be used.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The text format cannot be used.
    #[error(transparent)]
    TextFormat(#[from] TextFormatError),
    /// The property needs a feature with which catdog was not built.
    #[error(
        "{property} needs analytics metadata, which is not compiled in; build catdog with \
         --features analytics against GStreamer 1.24 or newer"
    )]
    WithoutAnalytics {
        /// The property and its value.
        property: &'static str,
    },
}

/// Thread tuning chooses the number.
pub const DEFAULT_THREADS: i32 = 0;
/// The largest number of threads, more than the usual machine has CPUs. With thousands, LiteRT runs
/// out of memory.
const MAX_THREADS: u32 = 256;
/// The time between two inferences if `max-inference-rate` is too small to compute it: a century.
const MAX_PERIOD: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Minimum confidence of an accepted class.
pub const DEFAULT_THRESHOLD: f32 = 0.7;
/// No margin, because the default threshold already implies a lead.
pub const DEFAULT_MARGIN: f32 = 0.0;
/// In ms. Together with the default hold, the labels of six clips changed 5 times instead of 108
/// times, and more of them were right; the guide page on live behavior shows other values.
pub const DEFAULT_SMOOTHING: u32 = 50;
/// In ms; see [`DEFAULT_SMOOTHING`].
pub const DEFAULT_HOLD: u32 = 300;
/// The label if every class is rejected.
pub const DEFAULT_UNKNOWN_LABEL: &str = "unknown";
/// A person can read five classes at a glance.
pub const DEFAULT_MAX_RESULTS: u32 = 5;
/// Every frame is inferred.
pub const DEFAULT_INFERENCE_INTERVAL: u32 = 1;
/// In inferences per second; 0 means no limit.
pub const DEFAULT_MAX_INFERENCE_RATE: f64 = 0.0;
/// In ms; 0 means that a held result never expires.
pub const DEFAULT_RESULT_TIMEOUT: u32 = 0;
/// The text is "cat 97 %", for example.
pub const DEFAULT_TEXT_FORMAT: &str = "{label} {percent}";
/// All pixels of the frame contribute.
pub const DEFAULT_ANTIALIAS: bool = true;
/// A classification describes the frame.
pub const DEFAULT_OBJECT_METADATA: bool = false;
pub const DEFAULT_SECOND_LOOK: bool = true;
/// Buffers are classified.
pub const DEFAULT_ACTIVE: bool = true;
/// Late frames are not inferred.
pub const DEFAULT_QOS: bool = true;

/// The values of the properties.
#[derive(Clone, Debug)]
pub struct Settings {
    pub model_file: Option<PathBuf>,
    pub labels_file: Option<PathBuf>,
    pub labels: Option<String>,
    pub optimize: OptimizeChoice,
    pub threads: i32,
    pub engine: EngineChoice,
    pub accelerator: AcceleratorChoice,
    pub input_mean: Option<String>,
    pub input_std: Option<String>,
    pub color_order: ColorOrder,
    pub resize_method: ResizeMethod,
    pub antialias: bool,
    pub input_size: Option<String>,
    pub output: Option<String>,
    pub output_activation: ActivationChoice,
    pub region: Option<String>,
    pub draw_region: bool,
    pub draw_box: bool,
    pub orientation: VideoOrientationMethod,
    pub roi: RoiMode,
    pub max_rois: u32,
    pub class_confidence_threshold: f32,
    pub class_confidence_margin: f32,
    pub smoothing: u32,
    pub hold: u32,
    pub unknown_label: Option<String>,
    pub max_results: u32,
    pub mode: Mode,
    pub inference_interval: u32,
    pub max_inference_rate: f64,
    pub result_timeout: u32,
    pub second_look: bool,
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
            engine: EngineChoice::default(),
            accelerator: AcceleratorChoice::default(),
            input_mean: None,
            input_std: None,
            color_order: ColorOrder::default(),
            resize_method: ResizeMethod::default(),
            antialias: DEFAULT_ANTIALIAS,
            input_size: None,
            output: None,
            output_activation: ActivationChoice::default(),
            region: None,
            draw_region: DEFAULT_DRAW_REGION,
            draw_box: DEFAULT_DRAW_BOX,
            orientation: DEFAULT_ORIENTATION,
            roi: RoiMode::default(),
            max_rois: DEFAULT_MAX_ROIS,
            class_confidence_threshold: DEFAULT_THRESHOLD,
            class_confidence_margin: DEFAULT_MARGIN,
            smoothing: DEFAULT_SMOOTHING,
            hold: DEFAULT_HOLD,
            unknown_label: Some(DEFAULT_UNKNOWN_LABEL.into()),
            max_results: DEFAULT_MAX_RESULTS,
            mode: Mode::default(),
            inference_interval: DEFAULT_INFERENCE_INTERVAL,
            max_inference_rate: DEFAULT_MAX_INFERENCE_RATE,
            error_policy: ErrorPolicy::default(),
            result_timeout: DEFAULT_RESULT_TIMEOUT,
            second_look: DEFAULT_SECOND_LOOK,
            overlay: OverlayMode::default(),
            text_format: Some(DEFAULT_TEXT_FORMAT.into()),
            post_messages: PostMessages::default(),
            object_metadata: DEFAULT_OBJECT_METADATA,
            active: DEFAULT_ACTIVE,
            qos: DEFAULT_QOS,
        }
    }
}

/// The settings that may change from one frame to the next, validated.
#[derive(Clone, Debug, Default)]
pub struct RuntimeSettings {
    pub classifier: RuntimeConfig,
    pub picture: Picture,
    pub mode: Mode,
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
    /// Returns the configuration to load a model with.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the property.
    pub fn config(&self) -> Result<Config, SettingsError> {
        let file = |file: &Option<PathBuf>| file.clone().filter(|f| !f.as_os_str().is_empty());
        let threads = u32::try_from(self.threads).ok().filter(|&threads| threads <= MAX_THREADS);
        let threads = threads.ok_or_else(|| SettingsError::Range {
            property: "threads",
            value: self.threads.to_string(),
            range: "0 (automatic) to 256",
        })?;
        Ok(Config {
            model: file(&self.model_file).map_or_else(ModelSource::default, ModelSource::named),
            labels: non_empty(&self.labels).map(str::to_owned),
            labels_file: file(&self.labels_file),
            // Other accelerators compile the model themselves.
            optimize: self.optimize == OptimizeChoice::Auto
                && self.accelerator == AcceleratorChoice::Cpu,
            threads,
            runtime: match self.engine {
                EngineChoice::Auto => Runtime::Auto,
                EngineChoice::LiteRt => Runtime::LiteRt,
                EngineChoice::Tflitec => Runtime::Tflitec,
            },
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
            model_options: ModelOptions {
                input_size: non_empty(&self.input_size).map(picture::input_size).transpose()?,
                output: non_empty(&self.output).map(str::to_owned),
                color_order: self.color_order.into(),
            },
            activation: match self.output_activation {
                ActivationChoice::Auto => OutputActivation::Auto,
                ActivationChoice::None => OutputActivation::Fixed(Activation::None),
                ActivationChoice::Sigmoid => OutputActivation::Fixed(Activation::Sigmoid),
                ActivationChoice::Softmax => OutputActivation::Fixed(Activation::Softmax),
            },
        })
    }

    /// Returns the runtime settings.
    ///
    /// # Errors
    ///
    /// The first [`SettingsError`], which names the property.
    pub fn runtime(&self) -> Result<RuntimeSettings, SettingsError> {
        let (runtime, errors) = self.runtime_or(&RuntimeSettings::default());
        errors.into_iter().next().map_or(Ok(runtime), Err)
    }

    /// Returns the runtime settings, with the value of `current` for each property whose value
    /// cannot be used, and an error for each of these properties.
    pub fn runtime_or(&self, current: &RuntimeSettings) -> (RuntimeSettings, Vec<SettingsError>) {
        let (picture, picture_errors) = self.picture().resolve(&current.picture);
        let mut runtime = RuntimeSettings {
            classifier: RuntimeConfig {
                rules: Rules {
                    threshold: self.class_confidence_threshold,
                    margin: self.class_confidence_margin,
                    smoothing: Duration::from_millis(self.smoothing.into()),
                    hold: Duration::from_millis(self.hold.into()),
                    max_results: current.classifier.rules.max_results,
                },
                result_timeout: match self.result_timeout {
                    0 => None,
                    milliseconds => Some(Duration::from_millis(milliseconds.into())),
                },
                inference_interval: current.classifier.inference_interval,
                min_period: match self.max_inference_rate {
                    0.0 => None,
                    rate => Some(Duration::try_from_secs_f64(1.0 / rate).unwrap_or(MAX_PERIOD)),
                },
                region: picture.region,
                second_look: self.second_look,
            },
            picture,
            mode: self.mode,
            error_policy: self.error_policy,
            text_format: current.text_format.clone(),
            unknown_label: self.unknown_label.clone().unwrap_or_default(),
            overlay: self.overlay,
            post_messages: self.post_messages,
            object_metadata: self.object_metadata && cfg!(feature = "analytics"),
            active: self.active,
            qos: self.qos,
        };
        let zero =
            |property| SettingsError::Range { property, value: "0".into(), range: "1 or more" };
        let mut errors: Vec<_> = picture_errors.into_iter().map(SettingsError::from).collect();
        match self.max_results {
            0 => errors.push(zero("max-results")),
            count => runtime.classifier.rules.max_results = count as usize,
        }
        match self.inference_interval {
            0 => errors.push(zero("inference-interval")),
            frames => runtime.classifier.inference_interval = frames.into(),
        }
        if self.object_metadata != runtime.object_metadata {
            let property = "object-metadata=true";
            errors.push(SettingsError::WithoutAnalytics { property });
        }
        match TextFormat::parse(self.text_format.as_deref().unwrap_or_default()) {
            Ok(format) => runtime.text_format = format,
            Err(error) => errors.push(error.into()),
        }
        (runtime, errors)
    }

    fn picture(&self) -> PictureProperties<'_> {
        PictureProperties {
            region: non_empty(&self.region),
            draw_region: self.draw_region,
            draw_box: self.draw_box,
            orientation: self.orientation,
            roi: self.roi,
            max_rois: self.max_rois,
        }
    }

    fn normalization(&self) -> Result<Option<Normalization>, SettingsError> {
        let half = |given, missing| Err(SettingsError::HalfNormalization { given, missing });
        match (non_empty(&self.input_mean), non_empty(&self.input_std)) {
            (None, None) => Ok(None),
            (Some(_), None) => half("input-mean", "input-std"),
            (None, Some(_)) => half("input-std", "input-mean"),
            (Some(mean), Some(std)) => {
                let invalid = |property, value: &str, hint| SettingsError::Numbers {
                    property,
                    value: value.to_owned(),
                    hint,
                };
                Ok(Some(Normalization {
                    mean: parse_mean(mean).ok_or_else(|| invalid("input-mean", mean, ""))?,
                    std: parse_std(std)
                        .ok_or_else(|| invalid("input-std", std, " other than 0"))?,
                }))
            }
        }
    }
}

fn non_empty(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_model() -> Settings {
        Settings { model_file: Some(PathBuf::from("m.tflite")), ..Settings::default() }
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(with_model().config().unwrap().threads, 0);
        assert_eq!(Settings::default().runtime().unwrap().classifier.inference_interval, 1);
        assert_eq!(Settings::default().config().unwrap().model, ModelSource::default());
    }

    #[test]
    fn an_empty_input_size_or_output_is_none() {
        let config = Settings { input_size: Some("320x240".into()), ..with_model() }.config();
        assert_eq!(config.unwrap().model_options.input_size, Some((320, 240)));
        let (input_size, output) = (Some(String::new()), Some(String::new()));
        let config = Settings { input_size, output, ..with_model() }.config().unwrap();
        assert_eq!(config.model_options, ModelOptions::default());
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let negative = Settings { threads: -1, ..with_model() };
        assert!(negative.config().unwrap_err().to_string().starts_with("threads=-1"));
        let many = Settings { threads: 20_000, ..with_model() };
        assert!(many.config().unwrap_err().to_string().starts_with("threads=20000"));
        let never = Settings { inference_interval: 0, ..with_model() };
        assert!(never.runtime().unwrap_err().to_string().starts_with("inference-interval=0"));
        let none = Settings { max_results: 0, ..with_model() };
        assert!(none.runtime().unwrap_err().to_string().starts_with("max-results=0"));
    }

    #[test]
    fn a_tiny_inference_rate_is_a_limit() {
        let period = |max_inference_rate| {
            Settings { max_inference_rate, ..with_model() }.runtime().unwrap().classifier.min_period
        };
        assert_eq!(period(0.0), None);
        assert_eq!(period(4.0), Some(Duration::from_millis(250)));
        assert_eq!([1e-300, f64::MIN_POSITIVE / 4.0].map(period), [Some(MAX_PERIOD); 2]);
    }

    #[test]
    fn an_invalid_value_keeps_the_current_one_and_no_other() {
        let current = Settings { max_results: 3, ..with_model() }.runtime().unwrap();
        let invalid = Settings { max_results: 0, active: false, qos: false, ..with_model() };
        let (runtime, errors) = invalid.runtime_or(&current);
        assert_eq!(errors.len(), 1);
        assert_eq!(
            (runtime.classifier.rules.max_results, runtime.active, runtime.qos),
            (3, false, false)
        );
    }

    #[test]
    fn each_invalid_value_is_an_error() {
        let region = Some("0,0,2,1".into());
        let invalid = Settings { max_results: 0, inference_interval: 0, region, ..with_model() };
        let (_, errors) = invalid.runtime_or(&RuntimeSettings::default());
        let texts: Vec<String> = errors.iter().map(SettingsError::to_string).collect();
        for (text, property) in texts.iter().zip(["region", "max-results", "inference-interval"]) {
            assert!(text.starts_with(property), "{texts:?}");
        }
        assert_eq!(texts.len(), 3);
    }

    #[test]
    fn normalization_needs_mean_and_std_with_one_or_three_numbers() {
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
