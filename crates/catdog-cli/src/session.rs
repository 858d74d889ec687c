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

    /// Is called at least every 50 ms, when all messages that have come are handled.
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

/// The input cannot be used; another one may.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnusableInput(pub String);

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
    /// Whether the first frames, which have no result yet, are still to come.
    awaits_result: bool,
    /// Whether a file cannot be written.
    output_failed: bool,
    /// Whether the end of the stream begins at the source, and not at the classifier.
    ends_at_source: bool,
    /// When the end of the stream was asked for.
    finishing: Option<Instant>,
    /// When the pipeline was made.
    made: Instant,
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
        if !reconnects || !source.is_live || matches!(input, Input::Test | Input::File(_)) {
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
            awaits_result: true,
            output_failed: false,
            ends_at_source: false,
            finishing: None,
            made: Instant::now(),
            name,
        })
    }

    /// Ends the stream after `limit`.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = gst::ClockTime::try_from(limit).ok();
    }

    /// Makes the end that a signal asks for begin at the source, so that it reaches all streams of a
    /// file.
    pub fn end_at_source(&mut self) {
        self.ends_at_source = true;
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
            let mut message = bus.timed_pop(CHECK);
            // After a failed start without a message, there is nothing to wait for.
            let mut handled = Ok(message.is_none() && started.is_err());
            while let (Some(first), Ok(false)) = (&message, &handled) {
                handled = self.handle(first, watcher);
                message = bus.pop();
            }
            if let Ok(false) = handled {
                let looked = self.look_after_source(watcher);
                handled = looked.and_then(|()| watcher.tick(&self.pipeline)).map(|()| false);
            }
            match handled {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    if result.is_ok() || started.is_err() {
                        result = Err(error);
                    }
                    // What was recorded before the error gets its end, if it can still be written.
                    if !self.has_result || self.finishing.is_some() || self.output_failed {
                        break;
                    }
                    self.finish();
                }
            }
            if self.is_over() || watcher.is_done() {
                // The end of a stream does not pass through a pipeline that waits for its first frame.
                if self.awaits_first_frame() {
                    break;
                }
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
            Change::Refused(reason) => {
                note(false, &printable(&format!("{}: {reason}; trying again", self.name)));
            }
            Change::Back => {
                self.awaits_result = true;
                filter.set_property("active", true);
                note(false, &printable(&format!("{} is back", self.name)));
            }
            Change::Lost(reason) => {
                // The black picture is not classified.
                filter.set_property("active", false);
                slot.wait_for_input()?;
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
        let is_reached = |limit| {
            if self.awaits_first_frame() {
                return self.made.elapsed() >= Duration::from(limit);
            }
            let position = self.pipeline.query_position::<gst::ClockTime>();
            position.is_some_and(|position| position >= limit)
        };
        interrupt::is_requested() || self.limit.is_some_and(is_reached)
    }

    /// Returns whether a camera or a stream has not given a frame yet.
    fn awaits_first_frame(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| !slot.works())
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
        let at_source = self.ends_at_source;
        self.pipeline.call_async(move |pipeline| {
            if at_source {
                pipeline.send_event(gst::event::Eos::new());
                return;
            }
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
                    // The label is unknown until the input is back, whatever was classified before.
                    if self.slot.as_ref().is_some_and(Slot::is_waiting) {
                        return Ok(false);
                    }
                    // The first frames of a camera have no result yet.
                    if change.index >= 0 || change.confidence > 0.0 {
                        self.has_result = true;
                        self.awaits_result = false;
                    }
                    if self.awaits_result {
                        return Ok(false);
                    }
                    watcher.label_changed(&change)?;
                } else if structure.name() == "missing-plugin" {
                    return Err(UnusableInput(missing_plugin(structure)).into());
                }
            }
            gst::MessageView::Error(error) => {
                let error = error.error();
                if error.message().contains("Output window was closed") {
                    self.finish();
                    return Ok(false);
                }
                self.output_failed |= is_of_output(&error);
                return Err(self.explained(message, &error));
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
    fn explained(&self, message: &gst::Message, error: &glib::Error) -> Failure {
        let (name, text) = (self.name, error.message());
        if message.src().is_some_and(|source| source.is::<CatdogFilter>()) {
            return text.into();
        }
        if is_of_output(error) {
            return format!("{name}: {text}").into();
        }
        let text = match error.matches(gst::StreamError::TypeNotFound) {
            true => "it is not a video or a photo that GStreamer can decode",
            false => text,
        };
        UnusableInput(format!("{name}: {text}")).into()
    }
}

impl Drop for Session<'_> {
    /// Stops a pipeline that did not run to its end.
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Returns whether `error` is about a file that is written.
fn is_of_output(error: &glib::Error) -> bool {
    let kinds = [gst::ResourceError::NoSpaceLeft, gst::ResourceError::Write];
    kinds.into_iter().any(|kind| error.matches(kind))
}

/// Returns the classifier of a pipeline.
pub fn filter_of(pipeline: &gst::Pipeline) -> Option<CatdogFilter> {
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    elements.find_map(|element| element.downcast().ok())
}

/// Returns the message about a decoder that GStreamer lacks.
fn missing_plugin(structure: &gst::StructureRef) -> String {
    let what: String = structure.get("name").unwrap_or_else(|_| "an element".into());
    format!(
        "GStreamer lacks: {what}; install gstreamer1.0-libav, gstreamer1.0-plugins-good and \
         gstreamer1.0-plugins-bad"
    )
}
