//! The arguments about the element catdogfilter, for all commands that run a pipeline.

use std::path::{Path, PathBuf};

use crate::launch::Launch;

/// The model, and how its result is used.
#[derive(clap::Args)]
pub struct Filter {
    /// A .tflite file, or `built-in:nano` for the faster one of the two models that are part of catdog
    /// (default: the other one: cat, dog, neither)
    #[arg(long, value_name = "FILE", env = "CATDOG_MODEL")]
    pub model: Option<PathBuf>,
    /// Class names, separated by commas, or a file with one name per line
    #[arg(long, value_name = "NAMES|FILE", value_parser = labels)]
    pub labels: Option<String>,
    /// Minimum confidence to report a class; below it the label is unknown
    #[arg(long, value_name = "0..1", value_parser = crate::model_arguments::confidence)]
    pub threshold: Option<f32>,
    /// Classify this part of the picture only: x,y,width,height in fractions of it
    #[arg(long, value_name = "X,Y,W,H")]
    pub region: Option<String>,
    /// Set a property of catdogfilter; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = property)]
    pub set: Vec<(String, String)>,
}

impl Filter {
    /// Returns the element with its properties. With `draws_region`, an overlay shows the region.
    pub fn launch(&self, draws_region: bool) -> Launch {
        let mut filter = Launch::element(gstcatdog::catdogfilter::FACTORY_NAME);
        if let Some(model) = &self.model {
            filter = filter.set("model-file", model.display());
        }
        if let Some(labels) = &self.labels {
            let property = if Path::new(labels).is_file() { "labels-file" } else { "labels" };
            filter = filter.set(property, labels);
        }
        if let Some(threshold) = self.threshold {
            filter = filter.set("class-confidence-threshold", threshold);
        }
        if let Some(region) = &self.region {
            filter = filter.set("region", region);
            if draws_region {
                filter = filter.set("draw-region", true);
            }
        }
        for (name, value) in &self.set {
            filter = filter.set(name, value);
        }
        filter
    }
}

/// Refuses the name of a file that is not there. Otherwise it would be taken for a label.
fn labels(text: &str) -> Result<String, String> {
    let path = Path::new(text);
    let is_name_of_file = text.contains('/') || path.extension().is_some_and(|end| end == "txt");
    if is_name_of_file && !text.contains(',') && !path.is_file() {
        return Err("there is no such file".into());
    }
    Ok(text.to_owned())
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as hold=500")?;
    Ok((name.to_owned(), value.to_owned()))
}
