//! `catdog file`: writes the labels of videos into copies of them, or into lists.
//!
//! - `outputs`: the files that are written, and their names;
//! - `pipeline`: the elements from the one to the others;
//! - `csv_list`: the list as CSV.

mod csv_list;
mod outputs;
mod pipeline;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gst::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;
use crate::disk::Unfinished;
use crate::exit::Ending;
use crate::filter::Filter;
use crate::interrupt;
use crate::labels::{LabelChange, clock};
use crate::launch::Launch;
use crate::output::{note, path_text, print, print_failure, printable};
use crate::session::{Session, UnusableInput, Watcher, filter_of};
use crate::streams::{self, Streams};
use outputs::{Outputs, Target, Text, Wish};
use pipeline::Files;

/// Writes the labels of videos into copies of them, or into lists
///
/// Without options, `clip.mp4` becomes `clip-catdog.mp4` with the label in the picture and the same
/// sound. Files are written under another name first, so that no output is incomplete. Ctrl-C ends
/// an output where it is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  catdog file clip.mp4
  catdog file clip.mp4 -o labelled.mkv
  catdog file clip.mp4 --soft
  catdog file *.mp4 --srt --csv -o lists/
  catdog file clip.mp4 --jsonl -o - | grep cat")]
pub struct Arguments {
    /// The videos
    #[arg(required = true, value_name = "IN")]
    pub inputs: Vec<PathBuf>,
    /// The output, or a folder for it; - is stdout, for one list (default: beside the input)
    #[arg(long, short, value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Copy the video as it is, and add the labels as a subtitle track
    #[arg(long)]
    pub soft: bool,
    /// Write the labels as WebVTT subtitles
    #[arg(long)]
    pub vtt: bool,
    /// Write the labels as SubRip subtitles
    #[arg(long)]
    pub srt: bool,
    /// Write the labels as lines of JSON
    #[arg(long)]
    pub jsonl: bool,
    /// Write the labels as comma-separated values
    #[arg(long)]
    pub csv: bool,
    /// Replace existing files
    #[arg(long)]
    pub overwrite: bool,
    #[command(flatten)]
    pub filter: Filter,
    /// Print the gst-launch-1.0 line that does the same, and do nothing else
    #[arg(long)]
    pub print_pipeline: bool,
    /// Print errors only
    #[arg(long, short)]
    pub quiet: bool,
}

impl Arguments {
    fn wish(&self) -> Wish {
        let texts = [self.vtt, self.srt, self.jsonl, self.csv];
        let texts = Text::ALL.into_iter().zip(texts).filter(|(_, wanted)| *wanted);
        Wish {
            out: self.out.clone(),
            is_soft: self.soft,
            texts: texts.map(|(text, _)| text).collect(),
            overwrite: self.overwrite,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// The arguments do not fit each other, the model cannot be used, or an output cannot be written. A
/// video that cannot be read is no error.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    let wish = arguments.wish();
    let mut taken = HashSet::new();
    let mut jobs = Vec::new();
    for input in &arguments.inputs {
        let outputs = Outputs::new(input, &wish, arguments.inputs.len() == 1)?;
        if !arguments.print_pipeline {
            outputs.check(&arguments.inputs, wish.overwrite, &mut taken)?;
        }
        jobs.push((input, outputs));
    }
    interrupt::watch()?;
    let mut unreadable = 0;
    for (input, outputs) in jobs {
        let unusable =
            |reason: Failure| UnusableInput(format!("{}: {reason}", input.display())).into();
        let streams = streams::discover(input).map_err(unusable);
        if interrupt::is_requested() {
            return Ok(Ending::Interrupted);
        }
        match streams.and_then(|streams| process(arguments, input, &streams, &outputs)) {
            Err(failure) if failure.is::<UnusableInput>() => {
                unreadable += 1;
                print_failure(&*failure);
            }
            result => result?,
        }
        if interrupt::is_requested() {
            return Ok(Ending::Interrupted);
        }
    }
    Ok(if unreadable == 0 { Ending::Done } else { Ending::SomeUnreadable })
}

/// Classifies one video and writes its outputs.
fn process(
    arguments: &Arguments,
    input: &Path,
    streams: &Streams,
    outputs: &Outputs,
) -> Result<(), Failure> {
    let named = |error: Failure| -> Failure {
        UnusableInput(format!("{}: {error}", input.display())).into()
    };
    let pipeline = |files: &Files| {
        pipeline::pipeline(input, streams, &arguments.filter, files, arguments.soft).map_err(named)
    };
    let files = files(outputs);
    if arguments.print_pipeline {
        return print(&format!("gst-launch-1.0 {}\n", pipeline(&files)?.for_shell()));
    }
    let unfinished: Vec<_> =
        outputs.files().into_iter().map(Unfinished::new).collect::<Result<_, _>>()?;
    // CSV is made from lines of JSON, and the encoders of subtitles go back to the start of a file.
    let scratch = tempfile::NamedTempFile::new()?;
    let mut parts = files.at_parts(&unfinished);
    let to_stdout = parts.texts.iter_mut().find(|(_, path)| path.is_none());
    let to_stdout = to_stdout.map(|(text, path)| {
        *path = Some(scratch.path().to_owned());
        *text
    });
    let started = Instant::now();
    let end = play(&pipeline(&parts)?, input, streams, arguments.quiet)?;
    if to_stdout == Some(Text::Csv) {
        let mut csv = Vec::new();
        csv_list::write(scratch.path(), &mut csv)?;
        print(&String::from_utf8_lossy(&csv))?;
    } else if to_stdout.is_some() {
        print(&fs::read_to_string(scratch.path())?)?;
    }
    for file in unfinished {
        let text = parts.texts.iter().find(|(_, path)| path.as_deref() == Some(file.part()));
        if matches!(text, Some((Text::Csv, _))) {
            into_csv(file.part())?;
        }
        file.finish()?;
    }
    report(arguments, input, outputs, end, started.elapsed());
    Ok(())
}

fn files(outputs: &Outputs) -> Files {
    let text = |(text, target): &(Text, Target)| match target {
        Target::Stdout => (*text, None),
        Target::File(path) => (*text, Some(path.clone())),
    };
    Files { video: outputs.video.clone(), texts: outputs.texts.iter().map(text).collect() }
}

/// Replaces lines of JSON by CSV.
fn into_csv(path: &Path) -> Result<(), Failure> {
    let failed = |error: Failure| -> Failure {
        format!("{} cannot be written: {error}", path.display()).into()
    };
    let mut csv = Vec::new();
    csv_list::write(path, &mut csv).and_then(|()| Ok(fs::write(path, csv)?)).map_err(failed)
}

/// Plays a video to its end, or until Ctrl-C. Returns the time in the video.
fn play(
    launch: &Launch,
    input: &Path,
    streams: &Streams,
    quiet: bool,
) -> Result<Option<gst::ClockTime>, Failure> {
    let name = path_text(input);
    let mut progress = Progress::new(&name, streams.duration, quiet);
    let mut session = Session::new(launch, &name)?;
    session.end_at_source();
    let result = session.run(&mut progress);
    progress.bar.finish_and_clear();
    result.map(|()| progress.position)
}

/// Says what was written, and how fast.
fn report(
    arguments: &Arguments,
    input: &Path,
    outputs: &Outputs,
    end: Option<gst::ClockTime>,
    took: Duration,
) {
    let names: Vec<_> = outputs.files().iter().map(|path| path_text(path)).collect();
    if names.is_empty() {
        return;
    }
    let seconds = |time: gst::ClockTime| time.nseconds() as f64 / 1e9;
    let speed = match end {
        Some(end) => {
            format!(" ({:.1} times as fast as it plays)", seconds(end) / took.as_secs_f64())
        }
        None => String::new(),
    };
    let text = format!("{}: wrote {}{speed}", input.display(), names.join(", "));
    note(arguments.quiet, &printable(&text));
    if interrupt::is_requested() {
        let at = clock(end.map(seconds));
        note(arguments.quiet, &printable(&format!("{}: ended at {at}", input.display())));
    }
}

/// The progress bar of a video.
struct Progress {
    bar: ProgressBar,
    started: Instant,
    position: Option<gst::ClockTime>,
}

impl Progress {
    fn new(name: &str, duration: Option<gst::ClockTime>, quiet: bool) -> Self {
        // indicatif draws nothing if stderr is no terminal.
        let bar = match duration {
            _ if quiet => ProgressBar::hidden(),
            Some(duration) => ProgressBar::new(duration.mseconds()),
            None => ProgressBar::no_length(),
        };
        let template = "{prefix}  {bar:24} {percent:>3} %  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(printable(name));
        Self { bar, started: Instant::now(), position: None }
    }
}

impl Watcher for Progress {
    fn label_changed(&mut self, _: &LabelChange) -> Result<(), Failure> {
        Ok(())
    }

    fn tick(&mut self, pipeline: &gst::Pipeline) -> Result<(), Failure> {
        // The muxer is behind by the look-ahead of the encoder, and a list has no position.
        let pad = filter_of(pipeline).and_then(|filter| filter.static_pad("sink"));
        if let Some(position) = pad.and_then(|pad| pad.peer_query_position::<gst::ClockTime>()) {
            self.position = Some(position);
            self.bar.set_position(position.mseconds());
            let seconds = position.nseconds() as f64 / 1e9;
            let speed = seconds / self.started.elapsed().as_secs_f64();
            self.bar.set_message(format!("{}  {speed:.1}x", clock(Some(seconds))));
        }
        Ok(())
    }
}
