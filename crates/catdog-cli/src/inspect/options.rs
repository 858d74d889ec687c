//! The arguments of `catdog inspect`.

use std::ffi::OsString;
use std::path::PathBuf;

use catdog_core::classifier::Config;
use catdog_core::model::ModelSource;

use crate::model_arguments::Reading;

/// Describes a model file, and how catdog interprets it
#[derive(clap::Args)]
pub struct Arguments {
    /// A .tflite file, or `built-in` or `built-in:nano` for those that are part of catdog
    pub model: OsString,
    #[command(flatten)]
    pub reading: Reading,
    /// Classify this picture (JPEG, PNG or WebP) with the LiteRT runtime; can be repeated
    #[arg(long, value_name = "FILE")]
    pub image: Vec<PathBuf>,
    /// Compare with what python/compare/record.py recorded for the one picture, and say where catdog
    /// differs; the exit code is then 1
    #[arg(long, value_name = "FILE", requires = "image")]
    pub compare_with: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// Checks what clap does not check.
    ///
    /// # Errors
    ///
    /// The message about arguments that contradict each other.
    pub fn check(&self) -> Result<(), &'static str> {
        match (&self.compare_with, &self.image[..]) {
            (Some(_), [_, _, ..]) => Err("--compare-with compares one picture; give --image once"),
            _ => Ok(()),
        }
    }

    /// Returns the configuration of a classifier with the properties that the arguments set, and the
    /// defaults of the others.
    pub fn config(&self) -> Config {
        self.reading.config(ModelSource::named(PathBuf::from(&self.model)), 0)
    }
}
