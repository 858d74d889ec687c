//! The `.modelinfo` file next to a model, which describes the model to GStreamer's own inference
//! elements.

use std::path::{Path, PathBuf};

use super::tflite::Normalization;
use crate::files;

/// The extension, which is appended to the name of the model file.
const EXTENSION: &str = ".modelinfo";
/// Size limit of the file, in bytes; a valid one has a few hundred.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads the normalization from the `.modelinfo` file of `model` (`model.tflite.modelinfo`).
///
/// In the section of an input, `ranges` gives the tensor elements for black and white, once or for
/// each channel, in the stored units of the tensor. The format has no field for labels. Returns
/// `None` if there is no such file or it contains no ranges.
///
/// Source: the documentation of GstAnalyticsModelInfo.
///
/// # Errors
///
/// The reason as text, if the file exists but cannot be parsed.
pub fn read_normalization(model: &Path) -> Result<Option<Normalization>, String> {
    let mut path = model.as_os_str().to_owned();
    path.push(EXTENSION);
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

/// Returns the value of `key` in a section of the file, which has the INI format.
fn value_of<'a>(section: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = section.lines().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// Parses `black,white;black,white;...` into mean and standard deviation: pixel value / 255 *
/// (white - black) + black equals (pixel value - mean) / std.
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
    use std::fs;

    use super::*;

    #[test]
    fn a_modelinfo_that_cannot_be_parsed_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m.tflite");
        assert_eq!(read_normalization(&model), Ok(None));
        let wrong = ["ranges=1", "ranges=1,1", "ranges=0,1;0,1", "ranges=a,b"];
        for ranges in wrong {
            let info = format!("[modelinfo]\nversion=1.0\n\n[in]\ndir=input\n{ranges}\n");
            fs::write(folder.path().join("m.tflite.modelinfo"), info).unwrap();
            assert!(read_normalization(&model).unwrap_err().contains("m.tflite.modelinfo"));
        }
    }

    #[test]
    fn modelinfo_ranges_become_mean_and_standard_deviation() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m.tflite");
        let info = "[modelinfo]\nversion=1.0\n\n\
                    [in]\ndir=input\ndims=1,8,8,3\nranges=-1.0,1.0\n\n\
                    [out]\ndir=output\nranges=0,5\n";
        fs::write(folder.path().join("m.tflite.modelinfo"), info).unwrap();
        let normalization = read_normalization(&model).unwrap();
        assert_eq!(normalization, Some(Normalization { mean: vec![127.5], std: vec![127.5] }));
    }
}
