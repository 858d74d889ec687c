//! Runs a pipeline until it ends: prints the labels, reports errors, and finishes a recording.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstcatdog::catdogfilter::CatdogFilter;
use gstcatdog::metadata;
use serde::Serialize;

use crate::Failure;
use crate::interrupt;
use crate::launch::Launch;
use crate::output::{Sink, note, percent, printable};

/// How often signals and the time limit are checked.
const CHECK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// How long a pipeline may take to finish after a signal.
const FINISH: Duration = Duration::from_secs(10);

/// How a label change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelFormat {
    /// `0:00:03.2  cat  99 %`
    Text,
    /// A JSON object
    Json,
}

/// A label change. The guide describes the fields; they do not change their meaning.
#[derive(Debug, Serialize)]
pub struct LabelChange {
    /// Seconds since the start of the stream; `None` if the frames have no timestamps.
    pub time: Option<f64>,
    /// The accepted class, or the unknown label.
    pub label: String,
    /// Confidence of the accepted class, otherwise of the best one, 0..1.
    pub confidence: f64,
    /// Index of the accepted class; -1 if every class is rejected.
    pub index: i32,
    /// Where the class is: x,y,width,height in fractions of the picture; `None` if that is not known.
    #[serde(rename = "box")]
    pub location: Option<String>,
}

impl LabelChange {
    /// Returns the label change that a message of catdogfilter reports.
    fn of(structure: &gst::StructureRef) -> Option<Self> {
        if structure.name() != metadata::MESSAGE_NAME {
            return None;
        }
        let pts: Option<u64> = structure.get(metadata::FIELD_PTS).ok();
        Some(Self {
            time: pts.map(|pts| pts as f64 / 1e9),
            label: structure.get(metadata::FIELD_LABEL).ok()?,
            confidence: structure.get(metadata::FIELD_CONFIDENCE).ok()?,
            index: structure.get(metadata::FIELD_INDEX).ok()?,
            location: structure.get(metadata::FIELD_BOX).ok(),
        })
    }

    fn line(&self, format: LabelFormat) -> String {
        match format {
            LabelFormat::Json => serde_json::to_string(self).unwrap_or_default() + "\n",
            LabelFormat::Text => {
                let percent = match self.index {
                    ..0 => String::new(),
                    _ => format!("  {}", percent(self.confidence)),
                };
                format!("{}  {}{percent}\n", clock(self.time), printable(&self.label))
            }
        }
    }
}

/// Returns a time as hours, minutes, seconds and tenths.
fn clock(time: Option<f64>) -> String {
    let Some(seconds) = time else { return "-:--:--.-".into() };
    let tenths = (seconds * 10.0) as u64;
    let (hours, minutes) = (tenths / 36_000, tenths / 600 % 60);
    format!("{hours}:{minutes:02}:{:02}.{}", tenths / 10 % 60, tenths % 10)
}

/// A running pipeline.
pub struct Session<'a> {
    pipeline: gst::Pipeline,
    labels: Sink,
    format: LabelFormat,
    /// The time limit of the stream.
    limit: Option<gst::ClockTime>,
    /// The warnings that were printed.
    warnings: HashSet<String>,
    /// Whether a frame had a result.
    has_result: bool,
    /// When the end of the stream was asked for.
    finishing: Option<Instant>,
    name: &'a str,
}

impl<'a> Session<'a> {
    /// Creates the pipeline of `launch`. `name` is what the user calls the input.
    ///
    /// # Errors
    ///
    /// The message of GStreamer if the description cannot be used.
    pub fn new(launch: &Launch, name: &'a str, format: LabelFormat) -> Result<Self, Failure> {
        let flags = gst::ParseFlags::FATAL_ERRORS;
        let element = gst::parse::launch_full(&launch.to_string(), None, flags)
            .map_err(|error| format!("the pipeline cannot be made: {}", error.message()))?;
        let pipeline = element
            .downcast::<gst::Pipeline>()
            .map_err(|_| "the pipeline cannot be made: it has one element only")?;
        let labels = Sink::stdout();
        Ok(Self {
            pipeline,
            labels,
            format,
            limit: None,
            warnings: HashSet::new(),
            has_result: false,
            finishing: None,
            name,
        })
    }

    /// Ends the stream after `limit`.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = gst::ClockTime::try_from(limit).ok();
    }

    /// Runs the pipeline until the end of the stream, a signal, or an error.
    ///
    /// # Errors
    ///
    /// The message of the first error. What was recorded until then is complete, if possible.
    pub fn run(mut self) -> Result<(), Failure> {
        let bus = self.pipeline.bus().ok_or("the pipeline has no bus")?;
        let started = self.pipeline.set_state(gst::State::Playing);
        let mut result = Ok(());
        if started.is_err() {
            // The message with the reason is on the bus.
            result = Err(Failure::from(format!("{}: the pipeline does not start", self.name)));
        }
        loop {
            let message = bus.timed_pop(CHECK);
            match message.as_ref().map(|message| self.handle(message)) {
                Some(Ok(true)) => break,
                Some(Err(error)) => {
                    if result.is_ok() || started.is_err() {
                        result = Err(error);
                    }
                    break;
                }
                Some(Ok(false)) => {}
                None if started.is_err() => break,
                None => {}
            }
            if self.is_over() {
                self.finish();
            }
            if self.finishing.is_some_and(|since| since.elapsed() > FINISH) {
                result = result.and(Err(
                    "the pipeline did not finish; the recording may be incomplete".into(),
                ));
                break;
            }
        }
        let stopped = self.pipeline.set_state(gst::State::Null);
        result.and(stopped.map(|_| ()).map_err(|_| "the pipeline could not be stopped".into()))
    }

    fn is_over(&self) -> bool {
        let position = || self.pipeline.query_position::<gst::ClockTime>();
        interrupt::is_requested()
            || self.limit.is_some_and(|limit| position().is_some_and(|position| position >= limit))
    }

    /// Asks for the end of the stream, so that a recording is finished.
    ///
    /// The event goes to catdogfilter and not to the source, because some sources do not pass it on, such
    /// as `imagefreeze`. It waits for the frame that is classified, hence another thread.
    fn finish(&mut self) {
        if self.finishing.is_some() {
            return;
        }
        self.finishing = Some(Instant::now());
        self.pipeline.call_async(|pipeline| {
            let elements = pipeline.iterate_recurse().into_iter().flatten();
            let mut filters = elements.filter(|element| element.is::<CatdogFilter>());
            if let Some(sink) = filters.next().and_then(|filter| filter.static_pad("sink")) {
                sink.send_event(gst::event::Eos::new());
            }
        });
    }

    /// Handles a message. Returns whether the stream has ended.
    fn handle(&mut self, message: &gst::Message) -> Result<bool, Failure> {
        match message.view() {
            gst::MessageView::Eos(_) => return Ok(true),
            gst::MessageView::Element(element) => {
                let Some(structure) = element.structure() else { return Ok(false) };
                if let Some(change) = LabelChange::of(structure) {
                    // The first frames of a camera have no result yet.
                    self.has_result |= change.index >= 0 || change.confidence > 0.0;
                    if !self.has_result {
                        return Ok(false);
                    }
                    self.labels.write(&change.line(self.format))?;
                    self.labels.flush()?;
                } else if structure.name() == "missing-plugin" {
                    return Err(missing_plugin(structure).into());
                }
            }
            gst::MessageView::Error(error) => {
                let error = error.error();
                if error.message().contains("Output window was closed") {
                    self.finish();
                    return Ok(false);
                }
                return Err(self.explained(message, &error).into());
            }
            gst::MessageView::Warning(warning) => {
                // A slow machine repeats the same warning again and again.
                let text = printable(warning.error().message());
                if self.warnings.insert(text.clone()) {
                    note(false, &text);
                }
            }
            gst::MessageView::Latency(_) => {
                // Fails while the state changes; GStreamer asks again.
                let _ = self.pipeline.recalculate_latency();
            }
            _ => {}
        }
        Ok(false)
    }

    /// Returns the text of an error. Those of catdogfilter name what is wrong and the remedy; to the
    /// others, the input is added.
    fn explained(&self, message: &gst::Message, error: &glib::Error) -> String {
        let (name, text) = (self.name, error.message());
        if message.src().is_some_and(|source| source.is::<CatdogFilter>()) {
            return text.to_owned();
        }
        if error.matches(gst::StreamError::TypeNotFound) {
            return format!("{name}: it is not a video or a photo that GStreamer can decode");
        }
        format!("{name}: {text}")
    }
}

/// Returns the message about a decoder that GStreamer lacks.
fn missing_plugin(structure: &gst::StructureRef) -> String {
    let what: String = structure.get("name").unwrap_or_else(|_| "an element".into());
    format!(
        "GStreamer lacks: {what}; install gstreamer1.0-libav, gstreamer1.0-plugins-good and \
         gstreamer1.0-plugins-bad"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_change_is_one_line() {
        let mut change = LabelChange {
            time: Some(3723.29),
            label: "cat".into(),
            confidence: 0.9999,
            index: 0,
            location: None,
        };
        assert_eq!(change.line(LabelFormat::Text), "1:02:03.2  cat  99 %\n");
        let json = r#"{"time":3723.29,"label":"cat","confidence":0.9999,"index":0,"box":null}"#;
        assert_eq!(change.line(LabelFormat::Json), format!("{json}\n"));
        change = LabelChange { time: None, label: "un\x1bknown".into(), index: -1, ..change };
        assert_eq!(change.line(LabelFormat::Text), "-:--:--.-  un\u{fffd}known\n");
    }
}
