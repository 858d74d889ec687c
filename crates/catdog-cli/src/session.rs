//! Runs a pipeline until it ends: reports label changes and errors, and finishes a recording.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstcatdog::catdogfilter::CatdogFilter;

use crate::Failure;
use crate::input::Input;
use crate::interrupt;
use crate::labels::LabelChange;
use crate::launch::Launch;
use crate::output::{note, printable};
use crate::reconnect::{self, Change, Slot};
use crate::source::{Mode, Source};

/// How often signals and the time limit are checked.
const CHECK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// How long a pipeline may take to finish after a signal.
const FINISH: Duration = Duration::from_secs(10);

/// What a command does while its pipeline runs.
pub trait Watcher {
    /// The label has changed.
    ///
    /// # Errors
    ///
    /// A failure ends the pipeline.
    fn label_changed(&mut self, change: &LabelChange) -> Result<(), Failure>;

    /// Is called at least every 50 ms.
    ///
    /// # Errors
    ///
    /// A failure ends the pipeline.
    fn tick(&mut self, _pipeline: &gst::Pipeline) -> Result<(), Failure> {
        Ok(())
    }

    /// Returns whether the work is done before the stream ends.
    fn is_done(&self) -> bool {
        false
    }
}

/// A running pipeline.
pub struct Session<'a> {
    pipeline: gst::Pipeline,
    /// The time limit of the stream.
    limit: Option<gst::ClockTime>,
    /// The warnings that were printed.
    warnings: HashSet<String>,
    /// The source, if it comes back.
    slot: Option<Slot>,
    /// Whether a frame had a result.
    has_result: bool,
    /// When the end of the stream was asked for.
    finishing: Option<Instant>,
    name: &'a str,
}

impl<'a> Session<'a> {
    /// Creates the pipeline of `source`, which was made from `input` and `mode`, and of the description
    /// `rest` of what follows it. With `reconnects`, a camera or a stream comes back after it is lost.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn of_input(
        input: &Input,
        mode: Mode,
        source: &'a Source,
        rest: Launch,
        reconnects: bool,
    ) -> Result<Self, Failure> {
        if !reconnects || !source.is_live || *input == Input::Test {
            return Self::new(&source.converted().link(rest), &source.name);
        }
        let mut session = Self::new(&reconnect::behind_entry(rest), &source.name)?;
        let again = source.again(input, mode);
        session.slot = Some(Slot::new(&session.pipeline, &source.converted(), again)?);
        Ok(session)
    }

    /// Creates the pipeline of `launch`. `name` is what the user calls the input.
    ///
    /// # Errors
    ///
    /// The message of GStreamer if the description cannot be used.
    pub fn new(launch: &Launch, name: &'a str) -> Result<Self, Failure> {
        let flags = gst::ParseFlags::FATAL_ERRORS;
        let element = gst::parse::launch_full(&launch.to_string(), None, flags)
            .map_err(|error| format!("the pipeline cannot be made: {}", error.message()))?;
        let pipeline = element
            .downcast::<gst::Pipeline>()
            .map_err(|_| "the pipeline cannot be made: it has one element only")?;
        Ok(Self {
            pipeline,
            limit: None,
            warnings: HashSet::new(),
            slot: None,
            has_result: false,
            finishing: None,
            name,
        })
    }

    /// Ends the stream after `limit`.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = gst::ClockTime::try_from(limit).ok();
    }

    /// Returns the pipeline.
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    /// Runs the pipeline until the end of the stream, a signal, or an error.
    ///
    /// # Errors
    ///
    /// The message of the first error. What was recorded until then is complete, if possible.
    pub fn run(mut self, watcher: &mut dyn Watcher) -> Result<(), Failure> {
        let bus = self.pipeline.bus().ok_or("the pipeline has no bus")?;
        let started = self.pipeline.set_state(gst::State::Playing);
        let mut result = Ok(());
        if started.is_err() {
            // The message with the reason is on the bus.
            result = Err(Failure::from(format!("{}: the pipeline does not start", self.name)));
        }
        loop {
            let message = bus.timed_pop(CHECK);
            match message.as_ref().map(|message| self.handle(message, watcher)) {
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
            let watched = self.look_after_source(watcher);
            if let Err(error) = watched.and_then(|()| watcher.tick(&self.pipeline)) {
                result = result.and(Err(error));
                break;
            }
            if self.is_over() || watcher.is_done() {
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

    /// Says when the source is lost and when it is back. In between, the label is unknown.
    fn look_after_source(&mut self, watcher: &mut dyn Watcher) -> Result<(), Failure> {
        let is_finishing = self.finishing.is_some();
        let Some(slot) = self.slot.as_mut().filter(|_| !is_finishing) else { return Ok(()) };
        let Some(change) = slot.tick()? else { return Ok(()) };
        let filter = filter_of(&self.pipeline).ok_or("the pipeline has no classifier")?;
        match change {
            Change::NotYet(time) => {
                let text = format!("{}: no frame for {} s; waiting", self.name, time.as_secs());
                note(false, &printable(&text));
            }
            Change::Back => {
                filter.set_property("active", true);
                note(false, &printable(&format!("{} is back", self.name)));
            }
            Change::Lost(reason) => {
                // The black picture is not classified.
                filter.set_property("active", false);
                let text = format!("no signal from {}: {reason}; reconnecting", self.name);
                note(false, &printable(&text));
                let time = self.pipeline.current_running_time();
                watcher.label_changed(&LabelChange {
                    time: time.map(|time| time.nseconds() as f64 / 1e9),
                    label: filter.property("unknown-label"),
                    confidence: 0.0,
                    index: -1,
                    location: None,
                })?;
            }
        }
        Ok(())
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
            if let Some(sink) = filter_of(pipeline).and_then(|filter| filter.static_pad("sink")) {
                sink.send_event(gst::event::Eos::new());
            }
        });
    }

    /// Handles a message. Returns whether the stream has ended.
    fn handle(
        &mut self,
        message: &gst::Message,
        watcher: &mut dyn Watcher,
    ) -> Result<bool, Failure> {
        if self.slot.as_mut().is_some_and(|slot| slot.takes(message)) {
            return Ok(false);
        }
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
                    watcher.label_changed(&change)?;
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

/// Returns the classifier of a pipeline.
pub fn filter_of(pipeline: &gst::Pipeline) -> Option<gst::Element> {
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    elements.find(|element| element.is::<CatdogFilter>())
}

/// Returns the message about a decoder that GStreamer lacks.
fn missing_plugin(structure: &gst::StructureRef) -> String {
    let what: String = structure.get("name").unwrap_or_else(|_| "an element".into());
    format!(
        "GStreamer lacks: {what}; install gstreamer1.0-libav, gstreamer1.0-plugins-good and \
         gstreamer1.0-plugins-bad"
    )
}
