//! The arguments about a model and how it is read, with the names and the values of the element's
//! properties.

use std::fmt;
use std::path::PathBuf;

use catdog_core::classifier::{Config, OutputActivation};
use catdog_core::decision::Activation;
use catdog_core::engine::Runtime;
use catdog_core::engine::litert::Accelerator;
use catdog_core::model::ModelSource;
use catdog_core::model::tflite::{self, MAX_SIDE, ModelOptions, Normalization};
use catdog_core::preprocess::{self, Resize};
use catdog_core::property_text::{parse_mean, parse_size, parse_std};
use clap::ValueEnum;

/// How a model is read.
#[derive(clap::Args)]
pub struct Reading {
    /// Class names, separated by commas; they take precedence over all other sources
    #[arg(long, value_name = "NAMES")]
    pub labels: Option<String>,
    /// A file with one class name per line
    #[arg(long, value_name = "FILE")]
    pub labels_file: Option<PathBuf>,
    /// Pixel value that becomes 0: one number, or three for the channels of the input
    #[arg(long, value_name = "NUMBERS", requires = "input_std", value_parser = mean, allow_hyphen_values = true)]
    pub input_mean: Option<Numbers>,
    /// Pixel values per unit: one number, or three for the channels of the input
    #[arg(long, value_name = "NUMBERS", requires = "input_mean", value_parser = std, allow_hyphen_values = true)]
    pub input_std: Option<Numbers>,
    /// Order of the color channels that the model expects
    #[arg(long, value_name = "ORDER", default_value = "auto")]
    pub color_order: ColorOrder,
    /// Width and height of the input in pixels, such as 224x224, for a model without a fixed size
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub input_size: Option<(usize, usize)>,
    /// Name or index of the output with the scores, for a model with several outputs
    #[arg(long, value_name = "NAME|INDEX")]
    pub output: Option<String>,
    /// How scores become confidences
    #[arg(long, value_name = "ACTIVATION", default_value = "auto")]
    pub output_activation: ActivationChoice,
    /// How a picture is fitted to the input of the model
    #[arg(long, value_name = "METHOD", default_value = "stretch")]
    pub resize_method: ResizeMethod,
    /// Antialias when downscaling; false is plain bilinear interpolation
    #[arg(long, value_name = "BOOLEAN", default_value = "true", action = clap::ArgAction::Set)]
    pub antialias: bool,
}

/// One number for all channels, or three for the channels of the input.
#[derive(Clone, Debug)]
pub struct Numbers(Vec<f32>);

impl fmt::Display for Numbers {
    /// Writes the numbers, separated by commas, as the properties take them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(f32::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

/// The values of `color-order`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ColorOrder {
    /// From the graph of the model, otherwise red, green, blue
    Auto,
    /// Red, green, blue
    Rgb,
    /// Blue, green, red
    Bgr,
}

/// The values of `output-activation`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ActivationChoice {
    /// None if the graph computes probabilities; otherwise sigmoid for one score, softmax for several
    Auto,
    /// The scores are confidences
    None,
    /// The logistic function of each score
    Sigmoid,
    /// The softmax of all scores
    Softmax,
}

/// The values of `resize-method`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ResizeMethod {
    /// Scale the whole picture, without keeping its aspect ratio
    Stretch,
    /// Cut out the middle
    Crop,
    /// Keep the aspect ratio, between black bars
    Letterbox,
}

impl Reading {
    /// Returns the defaults of all arguments.
    pub fn defaults() -> Self {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            reading: Reading,
        }
        <Alone as clap::Parser>::parse_from([""]).reading
    }

    /// Returns the properties of catdogfilter that do the same as the arguments.
    pub fn properties(&self) -> Vec<(&'static str, String)> {
        fn name(value: &impl ValueEnum) -> Option<String> {
            Some(value.to_possible_value()?.get_name().to_owned())
        }
        let size = self.input_size.map(|(width, height)| format!("{width}x{height}"));
        let labels_file = self.labels_file.as_ref().map(|file| file.display().to_string());
        let all = [
            ("labels", self.labels.clone()),
            ("labels-file", labels_file),
            ("input-mean", self.input_mean.as_ref().map(Numbers::to_string)),
            ("input-std", self.input_std.as_ref().map(Numbers::to_string)),
            ("color-order", name(&self.color_order)),
            ("input-size", size),
            ("output", self.output.clone()),
            ("output-activation", name(&self.output_activation)),
            ("resize-method", name(&self.resize_method)),
            ("antialias", Some(self.antialias.to_string())),
        ];
        all.into_iter().filter_map(|(property, value)| Some((property, value?))).collect()
    }

    /// Returns the configuration of a classifier with the properties that the arguments set, and the
    /// defaults of the others. `threads` is the number of threads of an inference, 0 the best one.
    pub fn config(&self, model: ModelSource, threads: u32) -> Config {
        let normalization = self.input_mean.as_ref().zip(self.input_std.as_ref());
        Config {
            model,
            labels: self.labels.clone(),
            labels_file: self.labels_file.clone(),
            model_options: ModelOptions {
                input_size: self.input_size,
                output: self.output.clone(),
                color_order: match self.color_order {
                    ColorOrder::Auto => tflite::ColorOrder::Auto,
                    ColorOrder::Rgb => tflite::ColorOrder::Rgb,
                    ColorOrder::Bgr => tflite::ColorOrder::Bgr,
                },
            },
            threads,
            runtime: Runtime::Auto,
            accelerator: Accelerator::Cpu,
            optimize: true,
            normalization: normalization
                .map(|(mean, std)| Normalization { mean: mean.0.clone(), std: std.0.clone() }),
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
        }
    }
}

/// Parses the value of `--threshold`.
pub fn confidence(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "write a number from 0 to 1".into())
}

/// Parses the value of `--input-size`.
fn size(text: &str) -> Result<(usize, usize), String> {
    parse_size(text)
        .ok_or_else(|| format!("write width and height from 1 to {MAX_SIDE}, such as 224x224"))
}

/// Parses the value of `--input-mean`.
fn mean(text: &str) -> Result<Numbers, String> {
    numbers(parse_mean(text), "")
}

/// Parses the value of `--input-std`.
fn std(text: &str) -> Result<Numbers, String> {
    numbers(parse_std(text), " other than 0")
}

fn numbers(parsed: Option<Vec<f32>>, hint: &str) -> Result<Numbers, String> {
    parsed.map(Numbers).ok_or_else(|| {
        format!("write one number or three numbers{hint}, such as 127.5 or 123.7,116.3,103.5")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        reading: Reading,
    }

    #[test]
    fn every_argument_has_its_property() {
        let properties = |line: &str| {
            let command = Command::parse_from([""].into_iter().chain(line.split_whitespace()));
            let all = command.reading.properties().into_iter();
            all.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let defaults =
            "color-order=auto output-activation=auto resize-method=stretch antialias=true";
        assert_eq!(properties(""), defaults);
        let all = "labels=a,b labels-file=l.txt input-mean=1,2.5,-3 input-std=127.5 color-order=bgr \
                   input-size=320x240 output=2 output-activation=sigmoid resize-method=letterbox \
                   antialias=false";
        let arguments: String = all.split(' ').map(|pair| format!("--{pair} ")).collect();
        assert_eq!(properties(&arguments), all);
        let arguments = <Command as clap::CommandFactory>::command();
        assert_eq!(arguments.get_arguments().count(), all.split(' ').count());
    }
}
