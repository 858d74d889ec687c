//! `catdog inspect`: describes a model file and how catdog interprets it, classifies pictures with
//! it, and compares the result with that of the user's own program.
//!
//! The description needs the file only, neither the LiteRT runtime nor GStreamer. With `--image` and
//! `--compare-with`, the command runs the model with the runtime that the element would load.
//!
//! - `options`: the arguments, which have the names of the element's properties;
//! - `report`: the facts about the model, `text`: their layout for people;
//! - `classify`: the run of the model;
//! - `compare`: the comparison.

mod classify;
mod compare;
mod options;
mod report;
mod text;

use std::path::Path;

use catdog_core::classifier::LoadError;
use catdog_core::model::tflite::ModelInfo;
use serde::Serialize;

use crate::Failure;
use crate::output::print;
use crate::picture::Picture;
use classify::PictureReport;
use compare::Comparison;
pub use options::Arguments;
use report::Report;

/// The output of the command. Its serialized form is the output of `--json`, its `Display` the text.
#[derive(Serialize)]
struct Output {
    #[serde(flatten)]
    model: Report,
    /// One element for each `--image`.
    pictures: Vec<PictureReport>,
    /// The result of `--compare-with`.
    comparison: Option<Comparison>,
}

/// Runs the command.
///
/// # Errors
///
/// The model, the labels, a picture or the recorded result cannot be read or used, catdog and the
/// recorded result differ, or stdout cannot be written. What was found out before is printed.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config();
    let file = config
        .model
        .read()
        .map_err(|reason| LoadError::Unreadable { model: config.model.clone(), reason })?;
    let (model, refusal) = Report::new(&config, &file);
    let mut output = Output { model, pictures: Vec::new(), comparison: None };
    let result = match refusal {
        Some(refusal) => Err(refusal.into()),
        None => run_pictures(arguments, &file, &mut output),
    };
    let text =
        if arguments.json { serde_json::to_string(&output)? + "\n" } else { output.to_string() };
    print(&text)?;
    result
}

/// Classifies the pictures of `arguments`, compares if that is asked for, and adds the results to
/// `output`.
fn run_pictures(arguments: &Arguments, file: &[u8], output: &mut Output) -> Result<(), Failure> {
    if arguments.image.is_empty() {
        return Ok(());
    }
    let config = arguments.config();
    let pictures: Vec<Picture> =
        arguments.image.iter().map(|path| Picture::read(path)).collect::<Result<_, _>>()?;
    match &arguments.compare_with {
        None => output.pictures = classify::classify(&config, &pictures)?,
        Some(recorded) => {
            let info = ModelInfo::parse_with(file, &config.model_options)?;
            let [picture] = &pictures[..] else {
                return Err("--compare-with needs one --image".into());
            };
            let comparison = compare::compare(&config, &info, picture, &read_recorded(recorded)?)?;
            let summary = comparison.summary();
            if comparison.runtime_error.is_none() {
                output.pictures = classify::classify(&config, &pictures)?;
            }
            output.comparison = Some(comparison);
            if let Some(summary) = summary {
                return Err(summary.into());
            }
        }
    }
    Ok(())
}

/// Reads and parses the file that the user's program wrote.
fn read_recorded(path: &Path) -> Result<compare::Recorded, Failure> {
    /// Size limit in bytes: an input of 1024 x 1024 pixels as decimal numbers has about 40 MiB.
    const LIMIT: u64 = 256 << 20;
    let name = path.display();
    let bytes = catdog_core::files::read(path, LIMIT).map_err(|reason| {
        format!("compare-with '{name}' cannot be read: {reason}; check the path")
    })?;
    let recorded: compare::Recorded = serde_json::from_slice(&bytes).map_err(|error| {
        format!(
            "compare-with '{name}' is not a recorded result: {error}; write it with \
             python/compare/record.py"
        )
    })?;
    recorded.check().map_err(|reason| format!("compare-with '{name}': {reason}"))?;
    Ok(recorded)
}
