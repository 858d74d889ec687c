//! What runs in the cue maker between start and stop: what comes in becomes what goes out.

use std::time::{Duration, Instant};

use gst::ClockTime;
use gst::prelude::*;

use super::cues::{Cue, Cues, Frame, json_line};
use super::pace::Pace;
use super::settings::Settings;
use super::stall::StallWatch;
use crate::downstream::visit_downstream;
use crate::metadata;
use crate::text_format::{TextFormat, TextFormatError};

/// Frames further apart than this say nothing of how long they last.
const LONGEST_INTERVAL: ClockTime = ClockTime::SECOND;

/// What becomes what.
pub struct Running {
    cues: Cues,
    settings: Settings,
    /// As `settings` say, or as they last said something that can be used.
    format: TextFormat,
    shape: Shape,
    downstream: Downstream,
    pub watch: Option<StallWatch>,
    pace: Pace,
    /// By the caps.
    frame_duration: Option<ClockTime>,
    last_start: Option<ClockTime>,
    /// Between the last two frames.
    interval: Option<ClockTime>,
    reverse: bool,
    /// A sink that waits for its first data has got some.
    announced: bool,
    missing_told: bool,
}

/// What a cue becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    #[default]
    Plain,
    Markup,
    Json,
}

/// Who waits for cues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Downstream {
    /// Nobody waits.
    #[default]
    Alone,
    /// They go into a file with others.
    Muxed,
    /// They are drawn on frames that wait for them.
    Overlaid,
}

/// What goes downstream.
pub enum Output {
    Buffer(gst::Buffer),
    Gap(gst::Event),
}

impl Running {
    pub fn new(settings: Settings, format: TextFormat) -> Self {
        Self {
            cues: Cues::default(),
            settings,
            format,
            shape: Shape::default(),
            downstream: Downstream::default(),
            watch: None,
            pace: Pace::default(),
            frame_duration: None,
            last_start: None,
            interval: None,
            reverse: false,
            announced: false,
            missing_told: false,
        }
    }

    /// What is linked downstream has changed.
    pub fn link(&mut self, downstream: Downstream) {
        if downstream != self.downstream {
            self.downstream = downstream;
            self.pace = Pace::default();
        }
    }

    /// Takes over what was set, but for a format that cannot be used.
    pub fn follow(&mut self, settings: &Settings) -> Option<TextFormatError> {
        if *settings == self.settings {
            return None;
        }
        self.settings.clone_from(settings);
        settings.format().map(|format| self.format = format).err()
    }

    /// The format that is in use.
    pub fn format(&self) -> &TextFormat {
        &self.format
    }

    /// Other caps: of what comes out, and how long the frames that come in last.
    pub fn set_caps(&mut self, shape: Shape, frame_duration: Option<ClockTime>) {
        self.shape = shape;
        self.frame_duration = frame_duration;
    }

    /// Frames come in this order from now on.
    pub fn set_reverse(&mut self, reverse: bool) {
        self.reverse = reverse;
    }

    /// What comes next has nothing to do with what was before.
    pub fn forget(&mut self) {
        drop(self.cues.close());
        self.last_start = None;
        self.interval = None;
        self.announced = false;
        self.interrupt();
    }

    fn interrupt(&mut self) {
        self.pace.interrupt();
        if let Some(watch) = &self.watch {
            watch.rest();
        }
    }

    /// How long a cue may be; `None`: as long as it is true.
    fn longest(&self) -> Option<ClockTime> {
        // Backwards, no frame goes on with the one before.
        if self.reverse {
            return Some(ClockTime::ZERO);
        }
        let wanted = self.settings.max_cue_duration();
        match self.downstream {
            Downstream::Alone => wanted,
            Downstream::Muxed => Some(wanted.map_or(self.pace.longest(), |wanted| {
                // Longer than what makes nobody wait only where that was not tried yet.
                if self.pace.has_learned() { wanted.min(self.pace.longest()) } else { wanted }
            })),
            Downstream::Overlaid => Some(wanted.unwrap_or(ClockTime::ZERO)),
        }
    }

    /// What `buffer` makes complete, and whether it is the first without a result.
    pub fn take_in(&mut self, buffer: &gst::Buffer) -> (Vec<Output>, bool) {
        let start = buffer.pts();
        let frame_duration = self.duration_of(buffer);
        self.pace.frame(Instant::now(), frame_duration.unwrap_or_default());
        self.cues.set_longest(self.longest());
        let frame = Frame { start, duration: frame_duration };
        let mut done = Vec::new();
        let said = metadata::read(buffer, self.settings.element(), |said| {
            self.cues.add(&frame, Some(said), &mut done);
        });
        if said.is_none() {
            self.cues.add(&frame, None, &mut done);
        }
        let mut outputs: Vec<Output> = done.iter().flat_map(|cue| self.outputs(cue)).collect();
        if !self.announced && outputs.is_empty() && self.downstream == Downstream::Alone {
            // A sink that waits for its first data lets the others start by this.
            outputs.extend(start.map(|start| gap(start, None)));
        }
        self.announced = true;
        // Where nobody waits for cues, the watch is for changes of state.
        if let Some(watch) = self.watch.as_ref().filter(|_| self.downstream != Downstream::Alone) {
            match self.cues.is_open() {
                true => watch.expect(self.pace.patience(frame_duration.unwrap_or_default())),
                false => watch.rest(),
            }
        }
        let missing = said.is_none() && !std::mem::replace(&mut self.missing_told, true);
        (outputs, missing)
    }

    fn duration_of(&mut self, buffer: &gst::Buffer) -> Option<ClockTime> {
        let start = buffer.pts();
        let interval = start.zip(self.last_start).and_then(|(now, then)| now.checked_sub(then));
        let usual = |interval: &ClockTime| !interval.is_zero() && *interval <= LONGEST_INTERVAL;
        self.interval = interval.filter(usual).or(self.interval);
        self.last_start = start;
        buffer.duration().or(self.frame_duration).or(self.interval)
    }

    /// Ends the cue at hand: what comes next is of something else.
    pub fn end_cue(&mut self) -> Vec<Output> {
        self.interrupt();
        self.cues.close().map(|cue| self.outputs(&cue)).unwrap_or_default()
    }

    /// Sinks that change between pause and play may wait for data before they do.
    pub fn nudge(&self) {
        if self.downstream == Downstream::Alone
            && self.cues.is_open()
            && let Some(watch) = &self.watch
        {
            watch.expect(Duration::ZERO);
        }
    }

    /// Whether what the watch told, with `heard`, still holds: no frame has come since, or that makes
    /// no difference.
    pub fn is_still_stalled(&self, heard: u64) -> bool {
        self.downstream == Downstream::Alone
            || self.watch.as_ref().is_some_and(|watch| watch.is_unheard_since(heard))
    }

    /// What frames that have stopped coming, or a sink between pause and play, may be waiting for.
    pub fn give_way(&mut self) -> Vec<Output> {
        if self.downstream == Downstream::Alone {
            return self.cues.start().map(|start| gap(start, None)).into_iter().collect();
        }
        self.pace.gave_way(Instant::now());
        let parts = self.cues.close_by_frame();
        parts.iter().flatten().flat_map(|cue| self.outputs(cue)).collect()
    }

    /// What goes downstream for `cue`.
    fn outputs(&self, cue: &Cue) -> Vec<Output> {
        let text = cue.told.as_ref().and_then(|told| match self.shape {
            Shape::Plain => Some(told.with_fields(|fields| self.format.plain(fields))),
            Shape::Markup => Some(told.with_fields(|fields| self.format.markup(fields))),
            Shape::Json => json_line(cue, told),
        });
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return cue.start.map(|start| gap(start, cue.duration())).into_iter().collect();
        };
        // An overlay shows a text until its end, also when the next frame comes a little early.
        let by_frame =
            self.downstream == Downstream::Overlaid && self.longest() == Some(ClockTime::ZERO);
        let duration =
            cue.duration().map(|duration| if by_frame { duration / 2 } else { duration });
        let mut buffer = gst::Buffer::from_slice(text.into_bytes());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(cue.start);
            buffer.set_duration(duration);
        }
        // A muxer that has taken a cue waits for the next, unless it knows that there is none yet.
        let news = cue.end.filter(|_| self.downstream == Downstream::Muxed);
        let news = news.map(|end| gap(end, Some(ClockTime::ZERO)));
        std::iter::once(Output::Buffer(buffer)).chain(news).collect()
    }
}

fn gap(start: ClockTime, duration: Option<ClockTime>) -> Output {
    Output::Gap(gst::event::Gap::builder(start).duration(duration).build())
}

/// Who waits for what comes from `source`.
pub fn downstream_of(source: &gst::Pad) -> Downstream {
    let mut downstream = Downstream::Alone;
    visit_downstream(source, |_, element| {
        let class = element.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
        let found = if class.contains("Muxer") {
            Downstream::Muxed
        } else if element.num_sink_pads() > 1 && !class.contains("Generic") {
            Downstream::Overlaid
        } else {
            return true;
        };
        downstream = downstream.max(found);
        false
    });
    downstream
}
