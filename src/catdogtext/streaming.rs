//! The part of the cue maker that exists between start and stop: frames become cues, cues become
//! buffers.
//!
//! The steps for a frame are: read its classification -> add it to the open cue, or end that cue
//! and begin the next -> encode the complete cues. [`Streaming`] returns what to push downstream;
//! the cue maker pushes it with no lock held.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::ClockTime;

use super::caps::Encoding;
use super::consumer::{Consumer, ConsumerKind};
use super::cues::{Cue, Cues, Frame, json_line};
use super::keyframes::Keyframes;
use super::pace::{DEFAULT_MAX_DURATION, Pace};
use super::settings::Settings;
use super::stall::StallWatch;
use crate::metadata;
use crate::text_format::{TextFormat, TextFormatError};

/// A longer interval between two frames is not taken as the duration of a frame.
const MAX_INTERVAL: ClockTime = ClockTime::SECOND;

/// The state of the stream.
pub struct Streaming {
    cues: Cues,
    settings: Settings,
    /// The format of `settings`, or the last one that could be used.
    format: TextFormat,
    encoding: Encoding,
    consumer: Consumer,
    /// `None` if the thread could not be created.
    watch: Option<StallWatch>,
    pace: Pace,
    keyframes: Arc<Keyframes>,
    segment: Option<gst::FormattedSegment<ClockTime>>,
    /// From the frame rate of the caps.
    frame_duration: Option<ClockTime>,
    last_start: Option<ClockTime>,
    /// Between the last two frames.
    interval: Option<ClockTime>,
    /// Running time of the last cue that was sent.
    last_sent: Option<ClockTime>,
    /// The first frame was added, so a sink that waits for its first data has got some.
    has_sent: bool,
    missing_reported: bool,
    hold_reported: bool,
}

/// Data or an event to push downstream.
#[derive(Debug)]
pub enum Output {
    Buffer(gst::Buffer),
    Gap(gst::Event),
}

/// The result of adding one frame.
#[derive(Default)]
pub struct FrameOutcome {
    /// What to push.
    pub outputs: Vec<Output>,
    /// This is the first frame without a classification.
    pub is_first_missing: bool,
    /// The first cue that is held for this consumer.
    pub first_hold: Option<Hold>,
}

/// A cue that is held until it is complete, for the debug log.
#[derive(Debug)]
pub struct Hold {
    label: Option<String>,
    since: Option<ClockTime>,
    limit: Option<ClockTime>,
    consumer: String,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "cue '{label}'")?,
            None => f.write_str("cue without text")?,
        }
        match self.since {
            Some(since) => write!(f, " open since {since}, waiting for the next label")?,
            None => f.write_str(" open, waiting for the next label")?,
        }
        match self.limit {
            Some(limit) => write!(f, ", at most {} ms", limit.mseconds())?,
            None => f.write_str(", without a limit")?,
        }
        match self.consumer.as_str() {
            "" => Ok(()),
            consumer => write!(f, " because of {consumer}"),
        }
    }
}

impl Streaming {
    /// Creates the state of a new stream. `format` is the format in `settings`.
    pub fn new(
        settings: Settings,
        format: TextFormat,
        watch: Option<StallWatch>,
        keyframes: Arc<Keyframes>,
    ) -> Self {
        Self {
            cues: Cues::default(),
            settings,
            format,
            encoding: Encoding::default(),
            consumer: Consumer::default(),
            watch,
            pace: Pace::default(),
            keyframes,
            segment: None,
            frame_duration: None,
            last_start: None,
            interval: None,
            last_sent: None,
            has_sent: false,
            missing_reported: false,
            hold_reported: false,
        }
    }

    /// Sets the consumer after a change of links. Returns whether it differs from the previous one.
    pub fn set_consumer(&mut self, consumer: Consumer) -> bool {
        let changed = consumer != self.consumer;
        if consumer.kind != self.consumer.kind {
            self.pace = Pace::default();
            self.hold_reported = false;
        }
        self.consumer = consumer;
        changed
    }

    /// Returns the consumer.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Applies changed settings.
    ///
    /// # Errors
    ///
    /// [`TextFormatError`] if the new format cannot be used; the previous one stays in use.
    pub fn apply_settings(&mut self, settings: &Settings) -> Result<(), TextFormatError> {
        if *settings == self.settings {
            return Ok(());
        }
        self.settings.clone_from(settings);
        self.format = settings.format()?;
        Ok(())
    }

    /// Returns the format in use.
    pub fn format(&self) -> &TextFormat {
        &self.format
    }

    /// Sets the encoding of the cues, and the duration of frames if the caps have a frame rate.
    pub fn set_caps(&mut self, encoding: Encoding, frame_duration: Option<ClockTime>) {
        self.encoding = encoding;
        self.frame_duration = frame_duration;
    }

    /// Begins another segment.
    pub fn set_segment(&mut self, segment: Option<gst::FormattedSegment<ClockTime>>) {
        self.reset();
        self.segment = segment;
    }

    /// Resets the state of the stream: after a flush or at the start of a segment.
    pub fn reset(&mut self) {
        drop(self.cues.close());
        self.last_start = None;
        self.interval = None;
        self.last_sent = None;
        self.has_sent = false;
        self.interrupt();
    }

    fn interrupt(&mut self) {
        self.pace.interrupt();
        if let Some(watch) = &self.watch {
            watch.disarm();
        }
    }

    fn is_reverse(&self) -> bool {
        self.segment.as_ref().is_some_and(|segment| segment.rate() < 0.0)
    }

    /// Returns the maximum duration of a cue; `None` = no limit, zero = one cue per frame.
    fn max_duration(&self) -> Option<ClockTime> {
        // In reverse playback each frame precedes the one before it.
        if self.is_reverse() {
            return Some(ClockTime::ZERO);
        }
        let wanted = self.settings.max_cue_duration();
        match self.consumer.kind {
            ConsumerKind::Independent => wanted,
            ConsumerKind::Muxer => Some(wanted.map_or(self.pace.max_duration(), |wanted| {
                // A longer cue than the default is tried until it leads to a stall.
                if self.pace.is_shortened() { wanted.min(self.pace.max_duration()) } else { wanted }
            })),
            ConsumerKind::SegmentMuxer => Some(wanted.unwrap_or(DEFAULT_MAX_DURATION)),
            ConsumerKind::Overlay => Some(wanted.unwrap_or(ClockTime::ZERO)),
        }
    }

    /// Adds the frame in `buffer`.
    pub fn add_frame(&mut self, buffer: &gst::Buffer) -> FrameOutcome {
        let start = buffer.pts();
        let frame_duration = self.frame_duration(buffer);
        self.pace.note_frame(Instant::now(), frame_duration.unwrap_or_default());
        self.cues.set_max_duration(self.max_duration());
        let frame = Frame { start, duration: frame_duration };
        let mut complete = Vec::new();
        let read = metadata::read(buffer, self.settings.element(), |classification| {
            self.cues.add(&frame, Some(classification), &mut complete);
        });
        if read.is_none() {
            // A gap buffer stands for frames that upstream does not have.
            if is_gap(buffer) && start.is_some_and(|start| self.bridges_gap(start, frame_duration))
            {
                return FrameOutcome::default();
            }
            self.cues.add(&frame, None, &mut complete);
        }
        if start.is_some_and(|start| self.video_waits(start)) {
            complete.extend(self.cues.close_by_frame().into_iter().flatten());
        }
        let mut outputs = self.encode_all(&complete);
        if !self.has_sent && outputs.is_empty() && !self.consumer.waits() {
            // A sink that waits for its first data is then ready, so that the other sinks can
            // start.
            outputs.extend(start.map(|start| gap(start, None)));
        }
        self.has_sent = true;
        self.arm_watch(frame_duration.unwrap_or_default());
        let is_first_missing =
            read.is_none() && !std::mem::replace(&mut self.missing_reported, true);
        FrameOutcome { outputs, is_first_missing, first_hold: self.first_hold() }
    }

    /// Makes the watch expect the next frame in time while a cue is held. If the consumer does not
    /// wait for cues, only [`note_state_change`](Self::note_state_change) uses the watch.
    fn arm_watch(&self, frame_duration: ClockTime) {
        let Some(watch) = self.watch.as_ref().filter(|_| self.consumer.waits()) else { return };
        match self.cues.is_open() {
            true => watch.expect_frame(self.pace.frame_timeout(frame_duration)),
            false => watch.disarm(),
        }
    }

    fn frame_duration(&mut self, buffer: &gst::Buffer) -> Option<ClockTime> {
        let start = buffer.pts();
        let interval = start.zip(self.last_start).and_then(|(now, last)| now.checked_sub(last));
        let is_usual = |interval: &ClockTime| !interval.is_zero() && *interval <= MAX_INTERVAL;
        self.interval = interval.filter(is_usual).or(self.interval);
        self.last_start = start;
        buffer.duration().or(self.frame_duration).or(self.interval)
    }

    /// Returns whether `splitmuxsink` holds back its video for a cue that begins at the frame at
    /// `start` or earlier. Returns `false` if no stall has shortened the cues, so that no cue is
    /// sent early without need.
    fn video_waits(&self, start: ClockTime) -> bool {
        if self.consumer.kind != ConsumerKind::SegmentMuxer || !self.pace.is_shortened() {
            return false;
        }
        let (now, needed) = (self.running_time(start), self.keyframes.hold_point());
        needed.is_some() && needed <= now && self.last_sent < needed
    }

    fn running_time(&self, time: ClockTime) -> Option<ClockTime> {
        self.segment.as_ref()?.to_running_time(time)
    }

    /// Handles a gap of the video. Returns what to push instead; `None` if the open cue continues
    /// over it.
    pub fn add_gap(&mut self, gap_event: &gst::event::Gap) -> Option<Vec<Output>> {
        let (start, duration) = gap_event.get();
        if self.bridges_gap(start, duration) {
            return None;
        }
        let end = start.saturating_add(duration.unwrap_or_default());
        let cue_end = self.cues.end();
        let mut outputs = self.end_cue();
        // Earlier gaps that were bridged become part of this one.
        let start = cue_end.map_or(start, |cue_end| start.min(cue_end));
        outputs.push(gap(start, duration.map(|_| end.saturating_sub(start))));
        Some(outputs)
    }

    fn bridges_gap(&self, start: ClockTime, duration: Option<ClockTime>) -> bool {
        self.cues.bridges_gap(start.saturating_add(duration.unwrap_or_default()))
    }

    /// Ends the open cue, because the next frames do not continue it.
    pub fn end_cue(&mut self) -> Vec<Output> {
        self.interrupt();
        let cue = self.cues.close();
        self.encode_all(cue.as_slice())
    }

    /// Makes the watch send data at once: sinks that change between PAUSED and PLAYING may wait for
    /// it.
    pub fn note_state_change(&self) {
        if !self.consumer.waits()
            && self.cues.is_open()
            && let Some(watch) = &self.watch
        {
            watch.expect_frame(Duration::ZERO);
        }
    }

    /// Returns whether the stall `stall`, which the watch reported, must be handled: no frame has
    /// come since, or the consumer does not wait for cues.
    pub fn is_stalled(&self, stall: u64) -> bool {
        !self.consumer.waits() || self.watch.as_ref().is_some_and(|watch| watch.is_current(stall))
    }

    /// Ends the open cue early, in case frames have stopped because the consumer waits for it.
    /// Returns what to push, and the cue for the debug log. For a consumer that does not wait for
    /// cues, this is a gap and no cue.
    pub fn send_early(&mut self) -> (Vec<Output>, Option<Hold>) {
        if !self.consumer.waits() {
            return (self.cues.start().map(|start| gap(start, None)).into_iter().collect(), None);
        }
        let hold = self.hold();
        self.pace.note_early_cue(Instant::now());
        let parts: Vec<Cue> = self.cues.close_by_frame().into_iter().flatten().collect();
        (self.encode_all(&parts), Some(hold))
    }

    /// Returns the open cue if it is the first one that is held for this consumer.
    fn first_hold(&mut self) -> Option<Hold> {
        if !self.cues.is_open() || std::mem::replace(&mut self.hold_reported, true) {
            return None;
        }
        Some(self.hold())
    }

    fn hold(&self) -> Hold {
        Hold {
            label: self.cues.label().map(str::to_owned),
            since: self.cues.start(),
            limit: self.max_duration(),
            consumer: self.consumer.name.clone(),
        }
    }

    fn encode_all(&mut self, cues: &[Cue]) -> Vec<Output> {
        let last = cues.last().and_then(|cue| self.running_time(cue.start?));
        self.last_sent = last.or(self.last_sent);
        cues.iter().flat_map(|cue| self.encode(cue)).collect()
    }

    fn encode(&self, cue: &Cue) -> Vec<Output> {
        let format = &self.format;
        let text = cue.classification.as_ref().and_then(|classification| match self.encoding {
            Encoding::Json => json_line(cue, classification),
            _ if self.consumer.is_webvtt => {
                Some(classification.with_fields(|fields| format.webvtt(fields)))
            }
            Encoding::Plain => Some(classification.with_fields(|fields| format.plain(fields))),
            Encoding::Markup => Some(classification.with_fields(|fields| format.markup(fields))),
        });
        let text = text.unwrap_or_default();
        // `splitmuxsink` ignores gap events, and would wait for the next text.
        let is_gap_buffer = text.is_empty() && self.consumer.kind == ConsumerKind::SegmentMuxer;
        if text.is_empty() && !is_gap_buffer {
            return cue.start.map(|start| gap(start, cue.duration())).into_iter().collect();
        }
        // An overlay draws a text until its end even if the next frame comes a little early, so the
        // text of one frame ends in the middle of its frame.
        let halve = self.consumer.kind == ConsumerKind::Overlay
            && self.max_duration() == Some(ClockTime::ZERO);
        let duration = cue.duration().map(|duration| if halve { duration / 2 } else { duration });
        let mut buffer = gst::Buffer::from_slice(text.into_bytes());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(cue.start);
            buffer.set_duration(duration);
            if is_gap_buffer {
                buffer.set_flags(gst::BufferFlags::GAP);
            }
        }
        // A muxer that has a cue waits for the next one, unless a gap tells it that there is none
        // yet.
        let end = cue.end.filter(|_| self.consumer.kind == ConsumerKind::Muxer);
        let end = end.map(|end| gap(end, Some(ClockTime::ZERO)));
        std::iter::once(Output::Buffer(buffer)).chain(end).collect()
    }
}

fn gap(start: ClockTime, duration: Option<ClockTime>) -> Output {
    Output::Gap(gst::event::Gap::builder(start).duration(duration).build())
}

/// Returns whether `buffer` has a timestamp and no pixels.
fn is_gap(buffer: &gst::BufferRef) -> bool {
    buffer.size() == 0 && buffer.flags().contains(gst::BufferFlags::GAP)
}
