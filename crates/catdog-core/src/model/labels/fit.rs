//! Checks whether names fit a model: their number, and that each of them can be displayed.

use super::error::LabelsError;
use super::indexed;

/// Size limit of a name, in bytes. The longest names of ImageNet have about 130.
const MAX_NAME_BYTES: usize = 1000;

/// First names of a labels file that do not belong to a class, if the file has one name too many.
/// Detectors and the first ImageNet models have such a class, classifiers with the same file do not.
const EXTRA: [&str; 6] =
    ["background", "__background__", "_background_", "_background", "???", "unused"];

/// Names that fit a model.
#[derive(Debug)]
pub struct Fit {
    /// One name per class.
    pub names: Vec<String>,
    /// What was changed, as a sentence.
    pub warning: Option<String>,
}

/// Returns the number of classes of a model with `scores` scores. A single score separates two.
pub fn classes(scores: usize) -> usize {
    if scores == 1 { 2 } else { scores }
}

/// Returns the names of the property `labels` if they fit a model with `scores` scores.
///
/// # Errors
///
/// [`LabelsError`] if their number is wrong, or one cannot be displayed.
pub fn list(names: Vec<String>, scores: usize) -> Result<Vec<String>, LabelsError> {
    let source_name = "the property labels";
    check(&names, source_name)?;
    count(names, scores, source_name, true)
}

/// Returns the names of a labels file if they fit a model with `scores` scores. A line with names
/// between commas is split, and an extra name at the start is dropped, if only that gives the right
/// number.
///
/// # Errors
///
/// [`LabelsError`] if their number is wrong, or one cannot be displayed.
pub fn file(mut names: Vec<String>, scores: usize, source_name: &str) -> Result<Fit, LabelsError> {
    let classes = classes(scores);
    if let [line] = &names[..] {
        let cells: Vec<String> = line.split(',').map(|name| name.trim().to_owned()).collect();
        if cells.len() == classes {
            names = cells;
        }
    }
    check(&names, source_name)?;
    let mut warning = None;
    if names.len() == classes + 1 && is_extra(&names[0]) {
        let extra = names.remove(0);
        warning = Some(format!(
            "{source_name} has one name more than the model has classes, so its first name '{extra}' \
             is not used"
        ));
    }
    Ok(Fit { names: count(names, scores, source_name, false)?, warning })
}

/// Returns whether the first name of a labels file is not that of a class, but of the background, or
/// the title of the column.
fn is_extra(name: &str) -> bool {
    EXTRA.contains(&name.to_lowercase().as_str()) || indexed::is_name_title(name)
}

/// Returns `names` if the model has as many classes.
fn count(
    names: Vec<String>,
    scores: usize,
    source_name: &str,
    is_list: bool,
) -> Result<Vec<String>, LabelsError> {
    let (got, classes) = (names.len(), classes(scores));
    if got == classes {
        return Ok(names);
    }
    Err(LabelsError::Count { source_name: source_name.to_owned(), got, scores, classes, is_list })
}

/// Checks that every name can be displayed.
fn check(names: &[String], source_name: &str) -> Result<(), LabelsError> {
    let source_name = || source_name.to_owned();
    for (position, name) in names.iter().enumerate() {
        let index = position + 1;
        if name.is_empty() {
            return Err(LabelsError::EmptyName { source_name: source_name(), index });
        }
        if name.chars().any(is_unprintable) {
            return Err(LabelsError::Unprintable { source_name: source_name(), index });
        }
        let (bytes, limit) = (name.len(), MAX_NAME_BYTES);
        if bytes > limit {
            return Err(LabelsError::TooLong { source_name: source_name(), index, bytes, limit });
        }
    }
    Ok(())
}

/// Returns whether a line of text cannot show `c`: control characters, line and paragraph separators,
/// and the controls of bidirectional text, which would reverse the text around the name.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
