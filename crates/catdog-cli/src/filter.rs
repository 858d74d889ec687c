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
        self.launch_with(&[], draws_region)
    }

    /// Returns the element as [`Self::launch`] does, with values for properties that the user does not
    /// set.
    pub fn launch_with(&self, defaults: &[(&str, &str)], draws_region: bool) -> Launch {
        let own = self.properties();
        let mut filter = Launch::element(gstcatdog::catdogfilter::FACTORY_NAME);
        for (name, value) in defaults {
            if own.iter().all(|(set, _)| set != name) {
                filter = filter.set(name, value);
            }
        }
        if draws_region && self.region.is_some() {
            filter = filter.set("draw-region", true);
        }
        own.iter().fold(filter, |filter, (name, value)| filter.set(name, value))
    }

    /// Returns the names and the values of the properties that the user sets.
    pub fn properties(&self) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        if let Some(model) = &self.model {
            found.push(("model-file", model.display().to_string()));
        }
        if let Some(labels) = &self.labels {
            let property = if Path::new(labels).is_file() { "labels-file" } else { "labels" };
            found.push((property, labels.clone()));
        }
        if let Some(threshold) = self.threshold {
            found.push(("class-confidence-threshold", threshold.to_string()));
        }
        if let Some(region) = &self.region {
            found.push(("region", region.clone()));
        }
        found.extend(self.set.iter().map(|(name, value)| (&**name, value.clone())));
        found
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
