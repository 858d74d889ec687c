//! Names for the scores of a model, and what lies beside a model file.
//!
//! Labels come from the first of: the property `labels`, the property `labels-file`, the model's
//! own metadata, a `labels.txt` beside the model, and for one logit or two classes the names
//! "cat" and "dog". Anything else is numbered.

use std::path::{Path, PathBuf};

use crate::engine::tflite::Normalization;
use crate::error::{LabelsError, ModelError};
use crate::files;

/// What a model of one logit or two classes is taken for when nothing names its classes: class 0
/// (or a negative logit) and class 1 (or a positive one).
pub const CAT_AND_DOG: [&str; 2] = ["cat", "dog"];

/// The labels file looked for in the model's folder.
const SIDECAR_LABELS: &str = "labels.txt";
/// What GStreamer's own inference elements append to the model's name for its description.
const SIDECAR_MODELINFO: &str = ".modelinfo";
/// 1 MiB holds the 21,843 names of ImageNet-21k twice over.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where labels may come from, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelSources<'a> {
    /// The property `labels`: names separated by commas.
    pub list: Option<&'a str>,
    /// The property `labels-file`: one name a line.
    pub file: Option<&'a Path>,
    /// Names in the model's metadata, or why they cannot be used.
    pub metadata: Option<&'a Result<Vec<String>, ModelError>>,
    /// The model's own file, for a `labels.txt` beside it.
    pub model: Option<&'a Path>,
}

/// Labels as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// As many as scores; two for a model of one score.
    pub names: Vec<String>,
    /// Whether nothing named them, so that they are numbers.
    pub numbered: bool,
}

impl LabelSources<'_> {
    /// The labels of a model with `scores` scores.
    ///
    /// # Errors
    ///
    /// [`LabelsError`] where a source that the user named is unreadable or holds the wrong number
    /// of names. A `labels.txt` beside the model is held to the same.
    pub fn resolve(&self, scores: usize) -> Result<Labels, LabelsError> {
        let named = |names| Ok(Labels { names, numbered: false });
        if let Some(list) = self.list {
            return named(check(parse_list(list)?, scores, "the property labels".into())?);
        }
        if let Some(file) = self.file {
            return named(check(read_file(file)?, scores, quoted(file))?);
        }
        if let Some(names) = self.metadata {
            let names = names.clone().map_err(LabelsError::Metadata)?;
            return named(check(names, scores, "the model's metadata".into())?);
        }
        let sidecar = self.model.map(|model| model.with_file_name(SIDECAR_LABELS));
        if let Some(file) = sidecar.filter(|file| file.is_file()) {
            return named(check(read_file(&file)?, scores, quoted(&file))?);
        }
        if scores <= CAT_AND_DOG.len() {
            return named(CAT_AND_DOG.map(str::to_owned).to_vec());
        }
        let names = (0..scores).map(|index| index.to_string()).collect();
        Ok(Labels { names, numbered: true })
    }
}

fn quoted(file: &Path) -> String {
    format!("labels file '{}'", file.display())
}

fn check(names: Vec<String>, scores: usize, source: String) -> Result<Vec<String>, LabelsError> {
    // GStreamer's strings end at a NUL, and a line of text has no room for other controls.
    let unprintable = |name: &String| name.chars().any(char::is_control);
    if let Some(index) = names.iter().position(unprintable) {
        return Err(LabelsError::Unprintable { source_name: source, index: index + 1 });
    }
    // One score separates two classes.
    let classes = if scores == 1 { 2 } else { scores };
    if names.len() == classes {
        Ok(names)
    } else {
        Err(LabelsError::Count { source_name: source, got: names.len(), scores, classes })
    }
}

fn parse_list(list: &str) -> Result<Vec<String>, LabelsError> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().position(String::is_empty) {
        Some(index) => Err(LabelsError::EmptyName { index: index + 1 }),
        None => Ok(names),
    }
}

/// One name a line; a byte order mark, CR LF, and blank lines at the end are tolerated, and so is
/// the line's own index in front of every name ("0 cat", "1 dog"), as Teachable Machine and Coral
/// write it.
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

/// `line` without the number `index` in front of it.
fn without_index(line: &str, index: usize) -> Option<&str> {
    let rest = line.strip_prefix(&index.to_string())?;
    let name = rest.trim_start_matches([' ', '\t', ':', ',']);
    (name.len() < rest.len() && !name.is_empty()).then_some(name)
}

/// The normalisation in GStreamer's `.modelinfo` beside `model` (`model.tflite.modelinfo`): in the
/// section of an input, `ranges` gives the elements that stand for black and white, once or for
/// each channel, in the tensor's own stored units. The format has no place for labels. `None` where
/// there is no such file, or it says nothing of ranges.
///
/// Source: the documentation of GstAnalyticsModelInfo.
///
/// # Errors
///
/// In words, where the file is there and cannot be understood.
pub fn modelinfo_normalization(model: &Path) -> Result<Option<Normalization>, String> {
    let mut path = model.as_os_str().to_owned();
    path.push(SIDECAR_MODELINFO);
    let path = PathBuf::from(path);
    if !path.exists() {
        return Ok(None);
    }
    let in_file = |reason: &str| format!("'{}' is not used: {reason}", path.display());
    let bytes = files::read(&path, MAX_FILE_BYTES).map_err(|reason: String| in_file(&reason))?;
    let text = String::from_utf8(bytes).map_err(|_| in_file("it is not UTF-8 text"))?;
    let inputs: Vec<&str> =
        text.split("\n[").filter(|section| value_of(section, "dir") == Some("input")).collect();
    let Some(ranges) = inputs.first().and_then(|input| value_of(input, "ranges")) else {
        return Ok(None);
    };
    if inputs.len() > 1 {
        return Err(in_file("it has several inputs"));
    }
    parse_ranges(ranges)
        .map(Some)
        .ok_or_else(|| in_file("its ranges are not one or three pairs such as -1.0,1.0"))
}

/// The value of `key` in a section of an INI file.
fn value_of<'a>(section: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = section.lines().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// `black,white;black,white;...` as mean and standard deviation:
/// level / 255 * (white - black) + black is (level - mean) / std.
fn parse_ranges(ranges: &str) -> Option<Normalization> {
    let mut normalization = Normalization { mean: Vec::new(), std: Vec::new() };
    for range in ranges.split(';').filter(|range| !range.trim().is_empty()) {
        let (black, white) = range.split_once(',')?;
        let (black, white): (f32, f32) = (black.trim().parse().ok()?, white.trim().parse().ok()?);
        let std = 255.0 / (white - black);
        normalization.std.push(std);
        normalization.mean.push(-black * std);
    }
    let sane = normalization.std.iter().all(|std| std.is_normal())
        && normalization.mean.iter().all(|mean| mean.is_finite());
    (sane && matches!(normalization.std.len(), 1 | 3)).then_some(normalization)
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
    fn the_list_wins_over_the_file() {
        let (_folder, path) = file_with(b"a\nb\n");
        let sources = LabelSources { list: Some("x, y"), file: Some(&path), ..Default::default() };
        assert_eq!(sources.resolve(2).unwrap().names, ["x", "y"]);
    }

    #[test]
    fn a_labels_txt_beside_the_model_is_found() {
        let (folder, _path) = file_with(b"p\nq\nr");
        let model = folder.path().join("model.tflite");
        let sources = LabelSources { model: Some(&model), ..Default::default() };
        assert_eq!(sources.resolve(3).unwrap().names, ["p", "q", "r"]);
    }

    #[test]
    fn without_any_source_two_classes_are_cat_and_dog_and_others_are_numbers() {
        let none = LabelSources::default();
        assert_eq!(none.resolve(1).unwrap().names, CAT_AND_DOG);
        assert_eq!(none.resolve(2).unwrap().names, CAT_AND_DOG);
        let three = none.resolve(3).unwrap();
        assert!(three.numbered);
        assert_eq!(three.names, ["0", "1", "2"]);
    }

    #[test]
    fn windows_line_ends_marks_and_blank_lines_at_the_end_are_tolerated() {
        let labels = from_file("\u{feff}cat\r\ndog \r\n\r\n\n".as_bytes(), 2).unwrap();
        assert_eq!(labels.names, ["cat", "dog"]);
    }

    #[test]
    fn indices_in_front_of_every_name_are_dropped() {
        assert_eq!(from_file(b"0 cat\n1 great dane\n", 2).unwrap().names, ["cat", "great dane"]);
        assert_eq!(from_file(b"0: cat\n1: dog\n", 2).unwrap().names, ["cat", "dog"]);
        // Names that only happen to be numbers stay.
        assert_eq!(from_file(b"0\n1\n", 2).unwrap().names, ["0", "1"]);
        assert_eq!(from_file(b"0 cat\ndog\n", 2).unwrap().names, ["0 cat", "dog"]);
    }

    #[test]
    fn a_wrong_file_is_named_with_what_is_wrong() {
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
    fn one_score_wants_the_names_of_two_classes() {
        let one = LabelSources { list: Some("cat"), ..Default::default() };
        let text = one.resolve(1).unwrap_err().to_string();
        assert!(text.contains("2 classes") && text.contains("below zero first"), "{text}");
        let two = LabelSources { list: Some("cat,dog"), ..Default::default() };
        assert_eq!(two.resolve(1).unwrap().names, ["cat", "dog"]);
    }

    #[test]
    fn an_empty_name_in_the_list_is_refused() {
        let sources = LabelSources { list: Some("cat,,dog"), ..Default::default() };
        assert_eq!(sources.resolve(3), Err(LabelsError::EmptyName { index: 2 }));
    }

    #[test]
    fn a_modelinfo_that_cannot_be_understood_is_not_ignored_silently() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m.tflite");
        assert_eq!(modelinfo_normalization(&model), Ok(None));
        let wrong = ["ranges=1", "ranges=1,1", "ranges=0,1;0,1", "ranges=a,b"];
        for ranges in wrong {
            let info = format!("[modelinfo]\nversion=1.0\n\n[in]\ndir=input\n{ranges}\n");
            fs::write(folder.path().join("m.tflite.modelinfo"), info).unwrap();
            assert!(modelinfo_normalization(&model).unwrap_err().contains("m.tflite.modelinfo"));
        }
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
    fn labels_that_the_metadata_spoils_can_be_set_by_hand() {
        let spoilt = Err(ModelError::Damaged("its TFLite metadata"));
        let sources = LabelSources { metadata: Some(&spoilt), ..Default::default() };
        assert!(sources.resolve(2).unwrap_err().to_string().contains("set labels"));
        let by_hand = LabelSources { list: Some("a,b"), ..sources };
        assert_eq!(by_hand.resolve(2).unwrap().names, ["a", "b"]);
    }

    #[test]
    fn modelinfo_ranges_become_mean_and_standard_deviation() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m.tflite");
        let info = "[modelinfo]\nversion=1.0\n\n[in]\ndir=input\ndims=1,8,8,3\nranges=-1.0,1.0\n\n[out]\ndir=output\nranges=0,5\n";
        fs::write(folder.path().join("m.tflite.modelinfo"), info).unwrap();
        let normalization = modelinfo_normalization(&model).unwrap();
        assert_eq!(normalization, Some(Normalization { mean: vec![127.5], std: vec![127.5] }));
    }
}
