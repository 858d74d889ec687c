//! The names of a model's classes.
//!
//! Labels come from the first of these sources that has as many names as the model has classes: the
//! property `labels`, the property `labels-file`, the metadata of the model, a labels file next to
//! the model, and a file name such as `cats_vs_dogs.tflite`. Without any, the classes are numbered.
//!
//! A user who sets a property wants its names, so a property that cannot be used is an error.
//! Nobody chooses the metadata or a file next to the model, so these are only warnings.

mod beside_model;
mod error;
mod file_name;
mod fit;
mod indexed;
mod literal;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

pub use error::LabelsError;

use self::beside_model::Group;
use self::fit::Fit;
use super::tflite::{GraphActivation, LabelsEntry, ModelError, ModelInfo};
use crate::files;
use crate::tensor::ElementType;

/// Size limit of a labels file, in bytes: 1 MiB holds the 21,843 names of ImageNet-21k twice.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Number of files that the warnings list.
const MAX_WARNINGS: usize = 4;

/// The names of the background class, which stands for none of the other classes. `models/evaluate`
/// has the same list (`catdog_evaluate/summary.py`).
const BACKGROUND_NAMES: [&str; 5] = ["neither", "none", "other", "background", "nothing"];

/// Returns whether `name` is that of the background class.
pub fn is_background(name: &str) -> bool {
    BACKGROUND_NAMES.iter().any(|background| background.eq_ignore_ascii_case(name))
}

/// The sources of labels, in order of precedence.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelSources<'a> {
    /// The property `labels`: names separated by commas.
    pub list: Option<&'a str>,
    /// The property `labels-file`: a file with one name per line, or another known form.
    pub file: Option<&'a Path>,
    /// The labels file in the model's metadata, or the reason why it cannot be read.
    pub metadata: Option<&'a Result<LabelsEntry, ModelError>>,
    /// The model file; a labels file in its folder and its own name are sources of labels.
    pub model: Option<&'a Path>,
    /// The model has the form of the lab's model, see [`is_lab_model`].
    pub is_lab_model: bool,
}

/// The labels of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// One name per score; two names for a model of one score.
    pub names: Vec<String>,
    /// The source of the names.
    pub source: LabelSource,
    /// Warnings, one sentence each: which source is not used and why, and what was changed.
    pub warnings: Vec<String>,
}

/// A source of labels. Its `Display` completes "The labels are ...".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// The property `labels`.
    List,
    /// The property `labels-file`.
    File,
    /// The metadata of the model.
    Metadata,
    /// A file in the folder of the model. The text is its name.
    BesideModel(String),
    /// The classes of the lab's model.
    LabModel,
    /// The name of the model file contains "cat" and "dog".
    FileName,
    /// No other source exists, so the classes are numbered.
    Numbers,
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "from labels",
            Self::File => "from labels-file",
            Self::Metadata => "from the metadata of the model",
            Self::BesideModel(file) => return write!(f, "from {file} next to the model"),
            Self::LabModel => {
                "default of a model with one logit and an input of 150x150 uint8 pixels"
            }
            Self::FileName => "from the file name of the model",
            Self::Numbers => "numbers, because no source has names",
        })
    }
}

/// Returns whether `info` describes a model like the lab's: one logit, dynamic batch size, 150x150
/// uint8 pixels. Such a model classifies cats and dogs, and has no names in its file.
pub fn is_lab_model(info: &ModelInfo) -> bool {
    info.output.len() == 1
        && matches!(info.activation, GraphActivation::None)
        && info.input.is_open
        && info.input.tensor.element == ElementType::U8
        && info.input.tensor.shape == [1, 150, 150, 3]
}

impl LabelSources<'_> {
    /// Returns the labels of a model with `scores` scores.
    ///
    /// # Errors
    ///
    /// [`LabelsError`] if the property `labels` or `labels-file` is set and unreadable, or its names
    /// are empty, unprintable or wrong in number.
    pub fn resolve(&self, scores: usize) -> Result<Labels, LabelsError> {
        let (source, fit) = match (self.list, self.file) {
            (Some(list), _) => {
                let names = list.split(',').map(|name| name.trim().to_owned()).collect();
                let names = fit::list(names, scores)?;
                (LabelSource::List, Fit { names, warning: None })
            }
            (None, Some(file)) => (LabelSource::File, read_file(file, scores)?),
            (None, None) => return Ok(self.search(scores)),
        };
        Ok(Labels { names: fit.names, source, warnings: fit.warning.into_iter().collect() })
    }

    /// Returns the labels from the sources that the user does not set.
    fn search(&self, scores: usize) -> Labels {
        let mut warnings = Vec::new();
        let metadata = self.metadata.and_then(|metadata| {
            let fit = read_metadata(metadata, scores);
            let fit = fit.map_err(|reason| {
                warnings.push(format!("the labels in the model's metadata are not used: {reason}"));
            });
            Some((LabelSource::Metadata, fit.ok()?))
        });
        let found = metadata
            .or_else(|| read_beside_model(self.model?, scores, &mut warnings))
            .or_else(|| self.cat_and_dog(scores));
        let (source, Fit { names, warning }) = found.unwrap_or_else(|| {
            let numbers = (0..fit::classes(scores)).map(|index| index.to_string());
            (LabelSource::Numbers, Fit { names: numbers.collect(), warning: None })
        });
        warnings.extend(warning);
        Labels { names, source, warnings }
    }

    /// Returns the default names of the lab's model and of a file name with both animals.
    fn cat_and_dog(&self, scores: usize) -> Option<(LabelSource, Fit)> {
        let (source, names) = if self.is_lab_model {
            (LabelSource::LabModel, file_name::CAT_AND_DOG)
        } else {
            let stem = self.model?.file_stem()?.to_string_lossy();
            (LabelSource::FileName, file_name::cat_and_dog(&stem)?)
        };
        let names = names.map(str::to_owned).to_vec();
        (fit::classes(scores) == names.len()).then_some((source, Fit { names, warning: None }))
    }
}

/// Reads a labels file.
fn read_file(file: &Path, scores: usize) -> Result<Fit, LabelsError> {
    let bytes = files::read(file, MAX_FILE_BYTES)
        .map_err(|reason| LabelsError::Unreadable { file: file.to_owned(), reason })?;
    let source_name = format!("labels file '{}'", file.display());
    let text = text::decode(&bytes, &source_name)?;
    fit::file(text::names(&text, &source_name)?, scores, &source_name)
}

/// Reads the labels file of the metadata. Returns the reason as text if it cannot be used.
fn read_metadata(entry: &Result<LabelsEntry, ModelError>, scores: usize) -> Result<Fit, String> {
    let LabelsEntry { name, bytes } = entry.as_ref().map_err(ToString::to_string)?;
    let source_name = format!("its file '{name}'");
    let read = || {
        let text = text::decode(bytes, &source_name)?;
        // Some exporters separate the names by empty lines.
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        fit::file(text::names(&lines.join("\n"), &source_name)?, scores, &source_name)
    };
    read().map_err(|error| error.to_string())
}

/// Reads the best labels file next to `model`, and appends to `warnings` which files are not used.
fn read_beside_model(
    model: &Path,
    scores: usize,
    warnings: &mut Vec<String>,
) -> Option<(LabelSource, Fit)> {
    let found = beside_model::find(model);
    let unrelated = Group { files: found.unrelated, is_expected: false };
    let n_related = found.groups.len();
    let (mut expected, mut others) = (Vec::new(), Vec::new());
    for (rank, group) in found.groups.into_iter().chain([unrelated]).enumerate() {
        let reasons = if group.is_expected { &mut expected } else { &mut others };
        let Some((file, fit)) = best(&group.files, scores, reasons) else { continue };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        warnings.append(&mut expected);
        let is_unrelated = rank == n_related && found.has_other_models;
        if is_unrelated || found.of_other_models.iter().any(|other| other == file) {
            warnings.push(format!(
                "the labels are from '{name}' next to the model, which may belong to another model \
                 in this folder; set labels-file"
            ));
        }
        return Some((LabelSource::BesideModel(name), fit));
    }
    warnings.extend(expected.into_iter().chain(others).take(MAX_WARNINGS));
    None
}

/// Returns the file whose names fit a model with `scores` scores. If several files fit and have
/// different names, there is none. Appends to `reasons` why files are not used.
fn best<'a>(
    files: &'a [PathBuf],
    scores: usize,
    reasons: &mut Vec<String>,
) -> Option<(&'a Path, Fit)> {
    let mut best: Option<(&Path, Fit)> = None;
    for file in files {
        let fit = match read_file(file, scores) {
            Ok(fit) => fit,
            Err(error) => {
                reasons.push(format!("a file found next to the model is not used: {error}"));
                continue;
            }
        };
        match &best {
            Some((first, known)) if known.names != fit.names => {
                reasons.push(format!(
                    "the labels files '{}' and '{}' next to the model have the right number of \
                     names, so neither is used; set labels-file",
                    first.display(),
                    file.display()
                ));
                return None;
            }
            Some(_) => {}
            None => best = Some((file, fit)),
        }
    }
    best
}

#[cfg(test)]
mod tests;
