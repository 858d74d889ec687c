//! The page of messages: the element message, and the errors and warnings, which are collected by
//! making mistakes.
//!
//! Each mistake is made in a process of its own, because the LiteRT runtime is loaded once per
//! process and a path to it is read from the environment.

use std::path::Path;
use std::process::Command;

use catdog_core::engine::{Engine, EngineError};
use catdog_core::testing::FakeEngine;
use gst::glib;
use gst::prelude::*;
use gstcatdog::metadata::{FIELDS, MESSAGE_NAME};

use crate::Result;
use crate::markdown::{code, table};
use crate::metadata;
use crate::mistakes::{self, Frames, MISTAKES, Mistake, Then};

/// The option with which this program makes one mistake and prints the message.
pub const CHILD_OPTION: &str = "--mistake";

/// How long an element may take to report a mistake.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// An error or a warning.
struct Report {
    is_error: bool,
    class: String,
    text: String,
}

/// Returns the page.
pub fn page() -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(mistakes::TEXT), "cat\ndog\n")?;
    let unnamed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/float_softmax.tflite");
    std::fs::copy(unnamed, folder.path().join(mistakes::UNNAMED))?;
    let mut rows = [Vec::new(), Vec::new()];
    for (index, mistake) in MISTAKES.iter().enumerate() {
        let report = report_of(index, mistake, folder.path())?;
        let cells = [
            mistake.name.to_owned(),
            code(mistake.element),
            code(&report.class),
            code(&report.text),
        ];
        rows[usize::from(report.is_error)].push(cells);
    }
    let [warnings, errors] = rows.map(|rows| table(["cause", "element", "class", "message"], rows));
    Ok(format!(
        "# Messages\n\n\
         ## The element message `{MESSAGE_NAME}`\n\n\
         `catdogfilter` posts an element message named `{MESSAGE_NAME}` when the label changes, or for every \
         inference, or never: see the property `post-messages`. The structure of the message has the fields of \
         the [metadata](metadata.md), and the timestamp of the frame:\n\n\
         {}\n\
         ## Errors\n\n\
         After an error, the stream stops. This table has an example for each class of error. The class is the \
         domain and the code of the `GError`.\n\n\
         {errors}\n\
         ## Warnings\n\n\
         After a warning, the stream continues.\n\n\
         {warnings}",
        metadata::fields(FIELDS.iter())
    ))
}

/// Runs this program to make a mistake.
fn report_of(index: usize, mistake: &Mistake, folder: &Path) -> Result<Report> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args([CHILD_OPTION, &index.to_string()]).current_dir(folder);
    if let Some(runtime) = mistake.runtime {
        child.env("CATDOG_LITERT_LIBRARY", folder.join(runtime));
    }
    let output = child.output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.splitn(3, '\n');
    match (lines.next(), lines.next(), lines.next()) {
        (Some(kind @ ("error" | "warning")), Some(class), Some(text)) => Ok(Report {
            is_error: kind == "error",
            class: class.to_owned(),
            text: neutral(text.trim_end(), folder),
        }),
        _ => {
            let message = String::from_utf8_lossy(&output.stderr);
            Err(format!("{}: no message; {message}", mistake.name).into())
        }
    }
}

/// Removes what depends on this program from a message: its folder, and the text of the fake
/// engine.
fn neutral(text: &str, folder: &Path) -> String {
    let mut engine = FakeEngine::new(1, 1);
    engine.fail_from = Some(0);
    let detail = match engine.run() {
        Err(EngineError::Invoke { detail, .. }) => detail,
        _ => String::new(),
    };
    let text = text.replace(&format!("{}/", folder.display()), "");
    if detail.is_empty() { text } else { text.replace(&detail, "...") }
}

// --- the process that makes one mistake ----------------------------------------------------------

/// Makes the mistake with this index and prints the message: its kind, class and text.
pub fn print_one(index: &str) -> Result<()> {
    let mistake = MISTAKES.get(index.parse::<usize>()?).ok_or("no such mistake")?;
    mistakes::register_engines();
    let Report { is_error, class, text } = make(mistake)?;
    println!("{}\n{class}\n{text}", if is_error { "error" } else { "warning" });
    Ok(())
}

fn make(mistake: &Mistake) -> Result<Report> {
    let Mistake { element, properties, .. } = mistake;
    let caps = "video/x-raw,format=I420,width=64,height=48,framerate=25/1";
    let source = match mistake.frames {
        Frames::Whole => "videotestsrc num-buffers=50",
        Frames::Truncated => "fakesrc num-buffers=1 sizetype=fixed sizemax=10 format=time",
    };
    let description =
        format!("{source} ! {caps} ! {element} name=tested {properties} ! fakesink sync=true");
    let pipeline = gst::parse::launch(&description)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
    let tested = pipeline.by_name("tested").ok_or("no element")?;
    let bus = pipeline.bus().ok_or("no bus")?;
    // An element that cannot start reports it on the bus.
    let started = pipeline.set_state(gst::State::Paused).is_ok();
    if started && let (Ok(_), ..) = pipeline.state(TIMEOUT) {
        match mistake.then {
            Then::Play => {}
            Then::Set(name, value) => tested.set_property_from_str(name, value),
            Then::AskFor(caps) => {
                let pad = tested.static_pad("sink").ok_or("no pad")?;
                pad.query_accept_caps(&caps.parse::<gst::Caps>()?);
            }
        }
        let _ = pipeline.set_state(gst::State::Playing);
    }
    let kinds = [gst::MessageType::Error, gst::MessageType::Warning];
    let message = bus.timed_pop_filtered(TIMEOUT, &kinds);
    pipeline.set_state(gst::State::Null)?;
    let message = message.ok_or("the element posted neither an error nor a warning")?;
    let (is_error, error) = match message.view() {
        gst::MessageView::Error(error) => (true, error.error()),
        gst::MessageView::Warning(warning) => (false, warning.error()),
        _ => return Err("another message".into()),
    };
    Ok(Report { is_error, class: class(&error)?, text: error.message().to_owned() })
}

/// Returns the name of domain and code in C, such as `GST_STREAM_ERROR_WRONG_TYPE`.
fn class(error: &glib::Error) -> Result<String> {
    let code = |kind: &dyn std::fmt::Debug| {
        let mut name = String::new();
        for letter in format!("{kind:?}").chars() {
            if letter.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    };
    if let Some(kind) = error.kind::<gst::CoreError>() {
        return Ok(format!("GST_CORE_ERROR{}", code(&kind)));
    }
    if let Some(kind) = error.kind::<gst::LibraryError>() {
        return Ok(format!("GST_LIBRARY_ERROR{}", code(&kind)));
    }
    if let Some(kind) = error.kind::<gst::ResourceError>() {
        return Ok(format!("GST_RESOURCE_ERROR{}", code(&kind)));
    }
    if let Some(kind) = error.kind::<gst::StreamError>() {
        return Ok(format!("GST_STREAM_ERROR{}", code(&kind)));
    }
    Err(format!("a message of an unknown domain: {error}").into())
}
