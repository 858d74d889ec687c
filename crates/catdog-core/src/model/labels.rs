//! The names of a model's classes.
//!
//! Labels come from the first of these sources that exists: the property `labels`, the property
//! `labels-file`, the metadata of the model, and a `labels.txt` in the folder of the model. Without
//! any of them, a model with one or two scores gets the names "cat" and "dog", and the classes of
//! other models are numbered.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::tflite::ModelError;
use crate::files;

/// The error for labels that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LabelsError {
    /// The file cannot be read.
    #[error("labels file '{}' cannot be read: {reason}; check labels-file", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The message of the system.
        reason: String,
    },
    /// The file is not UTF-8 text.
    #[error(
        "labels file '{}' is not UTF-8 (byte {position}); save it as UTF-8 text",
        .file.display()
    )]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// Offset of the first invalid byte.
        position: usize,
    },
    /// A line of the file is empty.
    #[error(
        "labels file '{}': line {line} is empty; expected one class name per line",
        .file.display()
    )]
    EmptyLine {
        /// The file.
        file: PathBuf,
        /// Line number, starting at 1.
        line: usize,
    },
    /// The property `labels` contains an empty name.
    #[error("the property labels has an empty name at position {index}; write it as \"cat,dog\"")]
    EmptyName {
        /// Position of the name, starting at 1.
        index: usize,
    },
    /// A label contains a control character. A GStreamer string ends at NUL, and a line of text
    /// cannot show other control characters.
    #[error("{source_name}: label {index} contains a control character; remove it")]
    Unprintable {
        /// The property, file or metadata.
        source_name: String,
        /// Position of the label, starting at 1.
        index: usize,
    },
    /// The labels in the model's own metadata cannot be used.
    #[error("the model's labels cannot be used: {0}; set labels or labels-file")]
    Metadata(ModelError),
    /// There are too few or too many names.
    #[error(
        "{source_name} has {got} labels, but the model has {classes} classes ({scores} scores); \
         set {classes} names with labels or labels-file{}{}",
        if *.scores == 1 { ", the class of negative scores first" } else { "" },
        if *.is_list && *.got > *.classes {
            "; a name in labels cannot contain a comma, a line of labels-file can"
        } else {
            ""
        }
    )]
    Count {
        /// The property, file or metadata.
        source_name: String,
        /// Number of names found.
        got: usize,
        /// Number of scores of the model.
        scores: usize,
        /// Number of names needed: one per score, two for a single score.
        classes: usize,
        /// The names come from the property `labels`, which separates them by commas.
        is_list: bool,
    },
}

/// The default names for a model with one or two scores. With two, they are the names of class 0
/// and class 1; with one, of a negative and a positive score.
pub const CAT_AND_DOG: [&str; 2] = ["cat", "dog"];

/// Name of the labels file in the folder of the model.
const SIDECAR_LABELS: &str = "labels.txt";
/// Size limit of a labels file, in bytes: 1 MiB holds the 21,843 names of ImageNet-21k twice.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The sources of labels, in order of precedence.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelSources<'a> {
    /// The property `labels`: names separated by commas.
    pub list: Option<&'a str>,
    /// The property `labels-file`: a file with one name per line.
    pub file: Option<&'a Path>,
    /// Names in the model's metadata, or the reason why they cannot be used.
    pub metadata: Option<&'a Result<Vec<String>, ModelError>>,
    /// The model file; a `labels.txt` in its folder is a source of labels.
    pub model: Option<&'a Path>,
}

/// The labels of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// One name per score; two names for a model of one score.
    pub names: Vec<String>,
    /// The source of the names.
    pub source: LabelSource,
}

/// A source of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// The property `labels`.
    List,
    /// The property `labels-file`.
    File,
    /// The metadata of the model.
    Metadata,
    /// The file `labels.txt` in the folder of the model.
    BesideModel,
    /// The default names of a model with one or two scores.
    CatAndDog,
    /// No other source exists, so the classes are numbered.
    Numbers,
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "from labels",
            Self::File => "from labels-file",
            Self::Metadata => "from the metadata of the model",
            Self::BesideModel => "from labels.txt next to the model",
            Self::CatAndDog => "default of a model with one or two scores",
            Self::Numbers => "numbers, because no source has names",
        })
    }
}

impl LabelSources<'_> {
    /// Returns the labels of a model with `scores` scores.
    ///
    /// # Errors
    ///
    /// [`LabelsError`] if the first existing source is unreadable, or its names are empty,
    /// unprintable or wrong in number.
    pub fn resolve(&self, scores: usize) -> Result<Labels, LabelsError> {
        let beside_model = self.model.map(|model| model.with_file_name(SIDECAR_LABELS));
        let beside_model = beside_model.filter(|file| file.is_file());
        let (source, names) = if let Some(list) = self.list {
            let source = Source { name: "the property labels".into(), is_list: true };
            (LabelSource::List, check(parse_list(list)?, scores, source)?)
        } else if let Some(file) = self.file {
            (LabelSource::File, check(read_file(file)?, scores, labels_file(file))?)
        } else if let Some(names) = self.metadata {
            let names = names.clone().map_err(LabelsError::Metadata)?;
            let source = Source { name: "the model's metadata".into(), is_list: false };
            (LabelSource::Metadata, check(names, scores, source)?)
        } else if let Some(file) = beside_model {
            (LabelSource::BesideModel, check(read_file(&file)?, scores, labels_file(&file))?)
        } else if scores <= CAT_AND_DOG.len() {
            (LabelSource::CatAndDog, CAT_AND_DOG.map(str::to_owned).to_vec())
        } else {
            (LabelSource::Numbers, (0..scores).map(|index| index.to_string()).collect())
        };
        Ok(Labels { names, source })
    }
}

/// The description of a source for error messages.
struct Source {
    name: String,
    /// The names were separated by commas.
    is_list: bool,
}

/// Returns the source for a labels file.
fn labels_file(file: &Path) -> Source {
    Source { name: format!("labels file '{}'", file.display()), is_list: false }
}

/// Returns `names` if they are printable and their number fits the scores.
fn check(names: Vec<String>, scores: usize, source: Source) -> Result<Vec<String>, LabelsError> {
    let unprintable = |name: &String| name.chars().any(char::is_control);
    if let Some(index) = names.iter().position(unprintable) {
        return Err(LabelsError::Unprintable { source_name: source.name, index: index + 1 });
    }
    // A single score separates two classes.
    let classes = if scores == 1 { 2 } else { scores };
    if names.len() == classes {
        Ok(names)
    } else {
        let Source { name, is_list } = source;
        Err(LabelsError::Count { source_name: name, got: names.len(), scores, classes, is_list })
    }
}

/// Splits the value of the property `labels` at its commas.
fn parse_list(list: &str) -> Result<Vec<String>, LabelsError> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().position(String::is_empty) {
        Some(index) => Err(LabelsError::EmptyName { index: index + 1 }),
        None => Ok(names),
    }
}

/// Reads a file with one name per line.
///
/// A byte order mark, the CR of CR LF, and blank lines at the end are dropped. If every line starts
/// with its index ("0 cat", "1 dog"), the indices are dropped, too: Teachable Machine and Coral
/// write such files.
fn read_file(file: &Path) -> Result<Vec<String>, LabelsError> {
    let bytes = files::read(file, MAX_FILE_BYTES)
        .map_err(|reason| LabelsError::Unreadable { file: file.to_owned(), reason })?;
    let text = String::from_utf8(bytes).map_err(|error| LabelsError::NotUtf8 {
        file: file.to_owned(),
        position: error.utf8_error().valid_up_to(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    if let Some(index) = lines.iter().position(|line| line.is_empty()) {
        return Err(LabelsError::EmptyLine { file: file.to_owned(), line: index + 1 });
    }
    if lines.is_empty() {
        return Err(LabelsError::EmptyLine { file: file.to_owned(), line: 1 });
    }
    let numbered: Option<Vec<&str>> =
        lines.iter().enumerate().map(|(index, line)| without_index(line, index)).collect();
    Ok(numbered.unwrap_or(lines).into_iter().map(str::to_owned).collect())
}

/// Returns `line` without the number `index` at its start; `None` if it does not start with it.
fn without_index(line: &str, index: usize) -> Option<&str> {
    let rest = line.strip_prefix(&index.to_string())?;
    let name = rest.trim_start_matches([' ', '\t', ':', ',']);
    (name.len() < rest.len() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file_with(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.txt");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn from_file(content: &[u8], scores: usize) -> Result<Labels, LabelsError> {
        let (_folder, path) = file_with(content);
        LabelSources { file: Some(&path), ..Default::default() }.resolve(scores)
    }

    #[test]
    fn the_property_labels_takes_precedence_over_labels_file() {
        let (_folder, path) = file_with(b"a\nb\n");
        let sources = LabelSources { list: Some("x, y"), file: Some(&path), ..Default::default() };
        assert_eq!(sources.resolve(2).unwrap().names, ["x", "y"]);
    }

    #[test]
    fn a_labels_txt_in_the_folder_of_the_model_is_used() {
        let (folder, _path) = file_with(b"p\nq\nr");
        let model = folder.path().join("model.tflite");
        let sources = LabelSources { model: Some(&model), ..Default::default() };
        assert_eq!(sources.resolve(3).unwrap().names, ["p", "q", "r"]);
    }

    #[test]
    fn without_a_source_two_classes_are_cat_and_dog_and_others_are_numbered() {
        let none = LabelSources::default();
        assert_eq!(none.resolve(1).unwrap().names, CAT_AND_DOG);
        assert_eq!(none.resolve(2).unwrap().names, CAT_AND_DOG);
        let three = none.resolve(3).unwrap();
        assert_eq!(three.source, LabelSource::Numbers);
        assert_eq!(three.names, ["0", "1", "2"]);
    }

    #[test]
    fn byte_order_mark_crlf_and_trailing_blank_lines_are_dropped() {
        let labels = from_file("\u{feff}cat\r\ndog \r\n\r\n\n".as_bytes(), 2).unwrap();
        assert_eq!(labels.names, ["cat", "dog"]);
    }

    #[test]
    fn indices_before_every_name_are_dropped() {
        assert_eq!(from_file(b"0 cat\n1 great dane\n", 2).unwrap().names, ["cat", "great dane"]);
        assert_eq!(from_file(b"0: cat\n1: dog\n", 2).unwrap().names, ["cat", "dog"]);
        // Names that are numbers stay.
        assert_eq!(from_file(b"0\n1\n", 2).unwrap().names, ["0", "1"]);
        assert_eq!(from_file(b"0 cat\ndog\n", 2).unwrap().names, ["0 cat", "dog"]);
    }

    #[test]
    fn the_error_for_an_unusable_file_names_the_file_and_the_reason() {
        let text = |content: &[u8], scores| from_file(content, scores).unwrap_err().to_string();
        assert!(text(b"a\nb\n", 5).contains("2 labels"), "{}", text(b"a\nb\n", 5));
        assert!(text(b"a\nb\nc\n", 2).contains("3 labels"));
        assert!(text(b"a\n\nb\n", 3).contains("line 2"));
        assert!(text(b"", 2).contains("line 1"));
        assert!(text(b"cat\nd\xffg\n", 2).contains("UTF-8"));
        let missing =
            LabelSources { file: Some(Path::new("/nowhere/l.txt")), ..Default::default() };
        assert!(missing.resolve(2).unwrap_err().to_string().contains("/nowhere/l.txt"));
    }

    #[test]
    fn one_score_needs_the_names_of_two_classes() {
        let one = LabelSources { list: Some("cat"), ..Default::default() };
        let text = one.resolve(1).unwrap_err().to_string();
        assert!(text.contains("2 classes") && text.contains("negative scores first"), "{text}");
        let two = LabelSources { list: Some("cat,dog"), ..Default::default() };
        assert_eq!(two.resolve(1).unwrap().names, ["cat", "dog"]);
    }

    #[test]
    fn the_error_for_a_name_with_a_comma_suggests_labels_file() {
        let sources = LabelSources { list: Some("cat, black,dog"), ..Default::default() };
        let text = sources.resolve(2).unwrap_err().to_string();
        assert!(text.contains("comma") && text.contains("labels-file"), "{text}");
    }

    #[test]
    fn an_empty_name_in_the_list_is_refused() {
        let sources = LabelSources { list: Some("cat,,dog"), ..Default::default() };
        assert_eq!(sources.resolve(3), Err(LabelsError::EmptyName { index: 2 }));
    }

    #[test]
    fn a_label_with_a_control_character_is_refused() {
        let sources = LabelSources { list: Some("cat,do\u{0}g"), ..Default::default() };
        let error = sources.resolve(2).unwrap_err();
        assert_eq!(
            error,
            LabelsError::Unprintable { source_name: "the property labels".into(), index: 2 }
        );
    }

    #[test]
    fn the_property_labels_replaces_unusable_labels_of_the_metadata() {
        let unusable = Err(ModelError::Damaged("its TFLite metadata"));
        let sources = LabelSources { metadata: Some(&unusable), ..Default::default() };
        assert!(sources.resolve(2).unwrap_err().to_string().contains("set labels"));
        let with_list = LabelSources { list: Some("a,b"), ..sources };
        assert_eq!(with_list.resolve(2).unwrap().names, ["a", "b"]);
    }
}
