//! One clip: a file with the encoded pictures of an event, a thumbnail and a description.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst_app::AppSrc;
use serde::Serialize;

use crate::Failure;
use crate::container::Container;
use crate::labels::LabelChange;
use crate::launch::Launch;
use crate::output::path_text;

use super::ring::Encoded;

/// How long a file may take to its end.
const FINISH: Duration = Duration::from_secs(10);
/// Bytes that wait for the disk at most.
const WAITING: u64 = 128 << 20;

/// The description of a clip. The guide describes the fields; they do not change their meaning.
#[derive(Debug, Serialize)]
struct Description<'a> {
    clip: String,
    thumbnail: Option<String>,
    /// Date and time of the first picture, ISO 8601.
    start: String,
    /// Seconds.
    duration: f64,
    /// What the clip was recorded from.
    input: &'a str,
    /// The label that began the event.
    label: &'a str,
    /// The highest confidence of a label that made the event.
    confidence: f64,
    /// The label changes, with seconds since the start of the clip.
    changes: &'a [LabelChange],
}

/// A clip that is recorded, or that ends.
pub struct Clip {
    pipeline: gst::Pipeline,
    source: AppSrc,
    path: PathBuf,
    thumbnail: Option<PathBuf>,
    /// Running time of the first picture.
    start: gst::ClockTime,
    newest: gst::ClockTime,
    date: String,
    label: String,
    confidence: f64,
    changes: Vec<LabelChange>,
    ending: Option<Instant>,
}

impl Clip {
    /// Begins a clip in `folder` for the event `change` with the picture `first`, which was taken at
    /// `date`.
    ///
    /// # Errors
    ///
    /// The message if the file cannot be made.
    pub fn begin(
        folder: &Path,
        container: Container,
        first: &Encoded,
        date: &glib::DateTime,
        change: &LabelChange,
    ) -> Result<Self, Failure> {
        let stamp = date.format("%Y%m%d-%H%M%S")?;
        let label = crate::class_folder::folder_name(&change.label);
        let path = new_file(folder, &format!("{stamp}-{label}"), container.extension())?;
        let begun = Self::begin_file(&path, container, first, date, change);
        if begun.is_err() {
            let _ = fs::remove_file(&path);
        }
        begun
    }

    fn begin_file(
        path: &Path,
        container: Container,
        first: &Encoded,
        date: &glib::DateTime,
        change: &LabelChange,
    ) -> Result<Self, Failure> {
        let name = path.to_str().ok_or("use a folder with a name of UTF-8 characters")?;
        let source = Launch::element("appsrc").set("name", "in").set("format", "time");
        let muxer = Launch::element(container.muxer());
        let muxed = match container {
            // A file that is not finished, because the power failed, can be played, too.
            Container::Mp4 => Launch::element("h264parse").link(
                muxer
                    .set("fragment-duration", 1000)
                    .set("fragment-mode", "first-moov-then-finalise"),
            ),
            Container::Matroska => Launch::element("h264parse").link(muxer),
            Container::WebM => muxer,
        };
        let file = Launch::element("filesink").set("location", name);
        let line = source.link(muxed).link(file).to_string();
        let pipeline = gst::parse::launch(&line)
            .map_err(|error| format!("a clip cannot be written: {}", error.message()))?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "a clip has no file")?;
        let source = pipeline.by_name("in").and_then(|source| source.downcast::<AppSrc>().ok());
        let source = source.ok_or("a clip has no source")?;
        source.set_caps(Some(&first.caps));
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self {
            pipeline,
            source,
            path: path.to_owned(),
            thumbnail: None,
            start: first.time,
            newest: first.time,
            date: date.format("%Y-%m-%dT%H:%M:%S%:z")?.to_string(),
            label: change.label.clone(),
            confidence: 0.0,
            changes: Vec::new(),
            ending: None,
        })
    }

    /// Returns the path of the video.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the seconds since the first picture.
    pub fn duration(&self) -> f64 {
        (self.newest - self.start).nseconds() as f64 / 1e9
    }

    /// Writes the thumbnail, a JPEG file.
    ///
    /// # Errors
    ///
    /// The message if it cannot be written.
    pub fn set_thumbnail(&mut self, jpeg: &[u8]) -> Result<(), Failure> {
        let path = self.path.with_extension("jpg");
        fs::write(&path, jpeg).map_err(|error| format!("{}: {error}", path.display()))?;
        self.thumbnail = Some(path);
        Ok(())
    }

    /// Notes a label change. `is_event` says whether its confidence counts for the event.
    pub fn note(&mut self, change: &LabelChange, is_event: bool) {
        if is_event {
            self.confidence = self.confidence.max(change.confidence);
        }
        let start = self.start.nseconds() as f64 / 1e9;
        let time = change.time.map(|time| ((time - start).max(0.0) * 1e3).round() / 1e3);
        self.changes.push(LabelChange { time, ..change.clone() });
    }

    /// Writes a picture.
    ///
    /// # Errors
    ///
    /// The message if the disk does not keep up.
    pub fn push(&mut self, picture: &Encoded) -> Result<(), Failure> {
        if self.source.current_level_bytes() > WAITING {
            return Err("the disk is too slow".into());
        }
        let mut buffer = picture.buffer.copy();
        let data = buffer.make_mut();
        data.set_pts(picture.time.checked_sub(self.start));
        data.set_dts(None);
        self.newest = picture.time;
        // A file that cannot be written posts an error, which `poll` finds.
        let _ = self.source.push_buffer(buffer);
        Ok(())
    }

    /// Asks for the end of the file.
    pub fn end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Instant::now());
            let _ = self.source.end_of_stream();
        }
    }

    /// Returns how the file ended; `None` while it has not. `input` is what was recorded.
    pub fn poll(&mut self, input: &str) -> Option<Result<(), Failure>> {
        let bus = self.pipeline.bus()?;
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let message = bus.pop_filtered(&ends);
        let is_late = self.ending.is_some_and(|since| since.elapsed() > FINISH);
        let result = match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(reason(&error.error()).into()),
            Some(_) => Ok(()),
            None if is_late => Err("the disk does not answer".into()),
            None => return None,
        };
        let _ = self.pipeline.set_state(gst::State::Null);
        let result = result.and_then(|()| self.describe(input));
        if result.is_err() && fs::metadata(&self.path).is_ok_and(|file| file.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
        Some(result)
    }

    fn describe(&self, input: &str) -> Result<(), Failure> {
        let name = |path: &Path| path.file_name().map(|name| path_text(Path::new(name)));
        let description = Description {
            clip: name(&self.path).unwrap_or_default(),
            thumbnail: self.thumbnail.as_deref().and_then(name),
            start: self.date.clone(),
            duration: (self.duration() * 1e3).round() / 1e3,
            input,
            label: &self.label,
            confidence: self.confidence,
            changes: &self.changes,
        };
        let path = self.path.with_extension("json");
        let json = serde_json::to_string_pretty(&description)? + "\n";
        fs::write(&path, json).map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn reason(error: &glib::Error) -> String {
    if error.matches(gst::ResourceError::NoSpaceLeft) {
        return "the disk is full".into();
    }
    error.message().to_owned()
}

/// Makes a file that no other one has: `name.extension`, or with a number at the end of the name.
fn new_file(folder: &Path, name: &str, extension: &str) -> Result<PathBuf, Failure> {
    for number in 1..1000 {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = folder.join(format!("{name}{number}.{extension}"));
        let beside = ["mp4", "mkv", "webm", "jpg", "json"];
        if beside.iter().any(|extension| path.with_extension(extension).exists()) {
            continue;
        }
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        }
    }
    Err(format!("{}: there are 1000 clips of this second", folder.display()).into())
}
