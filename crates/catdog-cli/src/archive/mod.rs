//! `catdog archive`: classifies long recordings into Parquet files.
//!
//! - `plan`: which videos are classified, and where their results go;
//! - `range`: a part of the time, and the frames in it;
//! - `video`: classifies one video;
//! - `rows`, `table`: the results as Parquet;
//! - `failures`: the list of videos that could not be classified.
//!
//! Each worker thread runs a pipeline at a time. The elements share the model.

mod failures;
mod plan;
mod range;
mod rows;
mod table;
mod video;

use std::collections::HashSet;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use catdog_core::model::ModelSource;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Failure;
use crate::exit::Ending;
use crate::filter::Filter;
use crate::find::{VIDEOS, paths_in_list};
use crate::interrupt;
use crate::labels::clock;
use crate::output::{note, path_text, print, printable};
use crate::session::UnusableInput;
use failures::Failures;
use plan::{Plan, Settings, Shard, Wish};
use range::Range;
use rows::FailureRow;
use video::{Done, How};

/// How often the progress is drawn.
const DRAW: Duration = Duration::from_millis(200);
/// How often the progress is printed if stderr is no terminal.
const PRINT: Duration = Duration::from_secs(60);
/// The number of failures that are printed; the others are in the list.
const LISTED: usize = 20;

/// Classifies long recordings into one Parquet file per video
///
/// DIR/videos gets a file per video, with a row for each frame, each interval of --every, or each time
/// with one label (--cues); DIR/failures.parquet gets the videos that could not be read. A run that was
/// stopped continues: results that are there and match their video, the model and the options are left
/// as they are.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  catdog archive recordings/ --out results --every 1
  catdog archive recordings/ --out results --every 10 --keyframes
  catdog archive recordings/ --out results --every 1 --shard 2/8
  catdog archive long.mkv --out results --range 3600-7200
  duckdb -c \"SELECT label, count(*) FROM 'results/videos/**/*.parquet' GROUP BY label\"")]
pub struct Arguments {
    /// Videos, and folders of videos
    #[arg(required_unless_present = "files_from")]
    pub paths: Vec<PathBuf>,
    /// A file with more of them, one path per line; - is stdin
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// The folder of the results
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// A row for the first frame of each interval instead of every frame
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    pub every: Option<f64>,
    /// A row for each time with one label, with smoothing, as `catdog file --csv` writes them
    #[arg(long, conflicts_with_all = ["every", "range"])]
    pub cues: bool,
    /// Decode only the frames that need no others: many times as fast, with a frame every few seconds
    #[arg(long)]
    pub keyframes: bool,
    /// Classify this part of the videos only, in seconds
    #[arg(long, value_name = "START-END")]
    pub range: Option<Range>,
    /// Divide longer videos into ranges of about this length, so that all processors work on them
    #[arg(long, value_name = "SECONDS", value_parser = length, conflicts_with_all = ["cues", "range"])]
    pub split: Option<f64>,
    /// Name the results after the paths in this folder (default: the folder that is named)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print the videos and ranges without results, a JSON object per line, and do nothing else
    #[arg(long)]
    pub print_units: bool,
    /// Classify the part I of N parts of the videos, for N machines
    #[arg(long, value_name = "I/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    #[command(flatten)]
    pub filter: Filter,
    /// Number of videos at a time (default: the number of processors)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Replace results of another model or with other options
    #[arg(long)]
    pub overwrite: bool,
    /// Print failures only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Parses the value of `--every`; `1s` is as good as `1`.
fn interval(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse().ok();
    let number = number.filter(|number| (0.001..=86_400.0).contains(number));
    number.ok_or_else(|| "write seconds from 0.001 to 86400".into())
}

/// Parses the value of `--split`.
fn length(text: &str) -> Result<f64, String> {
    interval(text)
        .ok()
        .filter(|seconds| *seconds >= 1.0)
        .ok_or_else(|| "write seconds from 1 to 86400".into())
}

/// Runs the command.
///
/// # Errors
///
/// The model cannot be used, or a result cannot be written. A video that cannot be read is no error.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    crate::start_gstreamer()?;
    interrupt::watch()?;
    let mut paths = arguments.paths.clone();
    if let Some(list) = &arguments.files_from {
        paths.extend(paths_in_list(list)?);
    }
    let settings = settings(arguments)?;
    let plan = Plan::new(&Wish {
        paths: &paths,
        root: arguments.root.as_deref(),
        out: &arguments.out,
        shard: arguments.shard,
        range: arguments.range,
        split: arguments.split,
        settings: &settings,
    })?;
    refuse_unasked(
        arguments,
        &plan.stale,
        "other ranges of the same videos",
        ", so that rows would be there twice; name another folder, or remove them with --overwrite",
    )?;
    refuse_unasked(
        arguments,
        &plan.foreign,
        "another model or with other options",
        "; name another folder, or replace them with --overwrite",
    )?;
    if arguments.print_units {
        return print_units(&plan);
    }
    if plan.jobs.is_empty() && plan.finished.is_empty() && plan.unreadable.is_empty() {
        let known = VIDEOS.join(", .");
        note(arguments.quiet, &format!("no videos to classify: expected .{known}"));
        return Ok(Ending::Done);
    }
    for results in &plan.stale {
        fs::remove_file(results).map_err(|error| format!("{}: {error}", results.display()))?;
    }
    let started = Instant::now();
    let mut archive =
        Archive { arguments, failures: Failures::new(&arguments.out), totals: Totals::default() };
    for (name, reason) in &plan.unreadable {
        archive.failed(name, reason)?;
    }
    archive.classify(&plan)?;
    let settled = plan.finished.iter().chain(&archive.totals.done).cloned();
    archive.failures.update(&settled.chain(plan.readable).collect(), &[])?;
    archive.report(plan.finished.len(), started.elapsed());
    Ok(match (interrupt::is_requested(), archive.totals.failed) {
        (true, _) => Ending::Interrupted,
        (false, 0) => Ending::Done,
        (false, _) => Ending::SomeUnreadable,
    })
}

/// Refuses to touch results of `others` without `--overwrite`.
fn refuse_unasked(
    arguments: &Arguments,
    others: &[PathBuf],
    of: &str,
    remedy: &str,
) -> Result<(), Failure> {
    let Some(first) = others.first().filter(|_| !arguments.overwrite) else { return Ok(()) };
    let (out, count, first) = (arguments.out.display(), others.len(), first.display());
    Err(format!("--out {out}: {count} files have results of {of}, such as {first}{remedy}").into())
}

/// Returns what the results depend on, and checks that the model can be read.
fn settings(arguments: &Arguments) -> Result<Settings, Failure> {
    let filter = &arguments.filter;
    let set = |wrong: &str| filter.set.iter().any(|(name, _)| name == wrong);
    if set("model-file") {
        return Err("--set model-file: name the model with --model".into());
    }
    if let Some(name) = ["active", "name"].into_iter().find(|name| set(name)) {
        return Err(format!("--set {name}: this property cannot be set here").into());
    }
    let source = filter.model.clone().map_or_else(ModelSource::default, ModelSource::named);
    let model = source.read().map_err(|reason| format!("{source} cannot be read: {reason}"))?;
    let digest = Sha256::digest(&model);
    let options = filter.properties().into_iter().filter(|(name, _)| *name != "model-file");
    Ok(Settings {
        model: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        rows: if arguments.cues { "cues" } else { "frames" }.into(),
        every: arguments.every.unwrap_or(0.0),
        keyframes: arguments.keyframes,
        options: options.map(|(name, value)| option_text(name, &value)).collect(),
    })
}

/// Returns an option as text; for a file of class names, its content instead of its path.
fn option_text(name: &str, value: &str) -> String {
    let content = (name == "labels-file").then(|| fs::read_to_string(value).ok()).flatten();
    format!("{name}={}", content.as_deref().unwrap_or(value))
}

/// Prints what is to be done, for programs that distribute it.
fn print_units(plan: &Plan) -> Result<Ending, Failure> {
    for job in &plan.jobs {
        let unit = Unit {
            video: path_text(&job.path),
            range: job.range.map(|range| range.to_string()),
            bytes: job.bytes,
        };
        print(&(serde_json::to_string(&unit)? + "\n"))?;
    }
    for (_, reason) in &plan.unreadable {
        note(false, &printable(reason));
    }
    Ok(if plan.unreadable.is_empty() { Ending::Done } else { Ending::SomeUnreadable })
}

/// A line of `--print-units`. The guide describes the fields; they do not change their meaning.
#[derive(Serialize)]
struct Unit {
    /// The path of the video.
    video: String,
    /// The value for `--range`, if the video is divided.
    range: Option<String>,
    /// Bytes of the video, or of the range.
    bytes: u64,
}

/// What became of a video.
type Answer = (usize, Result<Option<Done>, Failed>);

/// A failure of a worker, as text, because it goes to another thread.
enum Failed {
    /// The video cannot be read.
    Video(String),
    /// No further video can be classified.
    All(String),
}

/// A run of the command.
struct Archive<'a> {
    arguments: &'a Arguments,
    failures: Failures,
    totals: Totals,
}

/// What was done.
#[derive(Debug, Default)]
struct Totals {
    done: HashSet<String>,
    failed: usize,
    rows: u64,
    /// Seconds of video.
    seconds: f64,
    /// Bytes of the videos that are done or have failed.
    bytes: u64,
}

impl Archive<'_> {
    /// Classifies the videos of the plan on all processors.
    fn classify(&mut self, plan: &Plan) -> Result<(), Failure> {
        let arguments = self.arguments;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let jobs = arguments.jobs.map_or(processors, usize::from).min(plan.jobs.len());
        if jobs == 0 {
            return Ok(());
        }
        let (stop, works) = (AtomicBool::new(false), AtomicBool::new(false));
        let how = How {
            filter: &arguments.filter,
            cues: arguments.cues,
            every: arguments.every,
            keyframes: arguments.keyframes,
            // Who says how many videos are classified at a time shares the machine with other programs.
            decoder_threads: if arguments.jobs.is_some() { 1 } else { processors.div_ceil(jobs) },
            stop: &stop,
            works: &works,
        };
        let next = AtomicUsize::new(0);
        let current: Vec<_> = (0..jobs).map(|_| AtomicU64::new(0)).collect();
        let (sender, answers) = mpsc::channel();
        thread::scope(|scope| {
            for bytes in &current {
                let (sender, how, next) = (sender.clone(), &how, &next);
                scope.spawn(move || work(how, plan, next, bytes, &sender));
            }
            // The answers end when the last worker has dropped its sender.
            drop(sender);
            let result = self.collect(plan, &answers, &current);
            stop.store(result.is_err(), Ordering::Relaxed);
            result
        })
    }

    /// Takes the answers of the workers and shows the progress, until they have ended.
    fn collect(
        &mut self,
        plan: &Plan,
        answers: &mpsc::Receiver<Answer>,
        current: &[AtomicU64],
    ) -> Result<(), Failure> {
        let total: u64 = plan.jobs.iter().map(|job| job.bytes).sum();
        let bar = progress_bar(total, self.arguments.quiet);
        let (started, mut printed) = (Instant::now(), Instant::now());
        loop {
            match answers.recv_timeout(DRAW) {
                Ok((number, answer)) => {
                    let job = &plan.jobs[number];
                    self.totals.bytes += job.bytes;
                    match answer {
                        Ok(Some(done)) => {
                            self.totals.rows += done.rows;
                            self.totals.seconds += done.seconds;
                            self.totals.done.insert(job.name.clone());
                        }
                        Ok(None) => {}
                        Err(Failed::Video(reason)) => {
                            bar.suspend(|| self.failed(&job.name, &reason))?;
                        }
                        Err(Failed::All(reason)) => return Err(reason.into()),
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let running: u64 = current.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum();
            bar.set_position((self.totals.bytes + running).min(total));
            let count = self.totals.done.len() + self.totals.failed;
            bar.set_message(format!("{count} of {} videos", plan.jobs.len()));
            if printed.elapsed() >= PRINT && !io::stderr().is_terminal() {
                printed = Instant::now();
                let share = (self.totals.bytes + running) as f64 / total.max(1) as f64;
                let left = started.elapsed().mul_f64((1.0 - share).max(0.0) / share.max(1e-9));
                let percent = 100.0 * share;
                let text = format!(
                    "{count} of {} videos, {percent:.0} %, about {} minutes left",
                    plan.jobs.len(),
                    left.as_secs().div_ceil(60)
                );
                note(self.arguments.quiet, &text);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Notes that a video could not be classified.
    fn failed(&mut self, name: &str, reason: &str) -> Result<(), Failure> {
        self.totals.failed += 1;
        match self.totals.failed {
            ..=LISTED => note(false, &printable(reason)),
            number if number == LISTED + 1 => {
                note(false, "more failures are in failures.parquet only")
            }
            _ => {}
        }
        let row = FailureRow::new(name.to_owned(), reason.to_owned());
        self.failures.update(&HashSet::from([name.to_owned()]), &[row])
    }

    /// Prints what was done.
    fn report(&self, finished: usize, took: Duration) {
        let Totals { done, failed, rows, seconds, .. } = &self.totals;
        let speed = seconds / took.as_secs_f64().max(1e-9);
        let mut text = format!(
            "{} videos classified, {rows} rows; {} of video, {speed:.1} times as fast as it plays",
            done.len(),
            clock(Some(*seconds))
        );
        if finished > 0 {
            text += &format!("; {finished} were finished before");
        }
        if *failed > 0 {
            text += &format!("; {failed} failed, see failures.parquet");
        }
        if interrupt::is_requested() {
            text += "; interrupted, the same command continues";
        }
        note(self.arguments.quiet, &text);
    }
}

/// Classifies the next video until there is none.
fn work(
    how: &How<'_>,
    plan: &Plan,
    next: &AtomicUsize,
    bytes: &AtomicU64,
    answers: &mpsc::Sender<Answer>,
) {
    while !interrupt::is_requested() && !how.stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = plan.jobs.get(number) else { return };
        let answer = video::classify(how, job, bytes).map_err(|failure| {
            let text = failure.to_string();
            if failure.is::<UnusableInput>() { Failed::Video(text) } else { Failed::All(text) }
        });
        bytes.store(0, Ordering::Relaxed);
        if answers.send((number, answer)).is_err() {
            return;
        }
    }
}

fn progress_bar(bytes: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    // indicatif draws nothing if stderr is no terminal.
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}
