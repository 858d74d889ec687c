//! `catdog photos`: classifies photos on all cores.
//!
//! - `row`: a result, and its text;
//! - `sort`: the folders of the classes.
//!
//! Each worker thread decodes a photo and classifies it with a classifier of its own; they share the
//! model. The main thread writes the results in the order of the photos.

mod row;
mod sort;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use catdog_core::classifier::{Classifier, RuntimeConfig};
use catdog_core::decision::Rules;
use catdog_core::frame::FrameView;
use catdog_core::model::ModelSource;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Failure;
use crate::disk::size_and_time;
use crate::exit::Ending;
use crate::find::Found;
use crate::model_arguments::{Reading, confidence};
use crate::output::{Sink, note, path_text, printable};
use crate::{disk, find, interrupt, picture};
use row::{Format, Row};
use sort::Sorter;

/// The label of a photo of which no class is accepted, as that of the element.
const UNKNOWN: &str = "unknown";
/// The number of unreadable photos that are listed; the others are counted.
const LISTED: usize = 20;

/// Classifies photos: prints a table, CSV or JSON, or sorts them into folders
///
/// Folders are searched for JPEG, PNG and WebP files, with all folders in them. The photos are
/// classified on all cores. With --results, a run that was stopped continues: photos that are in the
/// file and have not changed are left out.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  catdog photos holiday/
  catdog photos holiday/ --format csv > labels.csv
  catdog photos holiday/ --results labels.jsonl
  catdog photos holiday/ --sort-into sorted/
  find . -name '*.jpg' -newer last | catdog photos --files-from -")]
pub struct Arguments {
    /// Photos, and folders of photos
    #[arg(required_unless_present = "files_from")]
    pub paths: Vec<PathBuf>,
    /// A file with more of them, one path per line; - is stdin
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// A .tflite file, or `built-in` or `built-in:nano` for those that are part of catdog
    #[arg(long, value_name = "MODEL", default_value = "built-in", env = "CATDOG_MODEL")]
    pub model: PathBuf,
    /// Minimum confidence to report a class; below it the label is unknown
    #[arg(long, value_name = "0..1", default_value_t = 0.7, value_parser = confidence)]
    pub threshold: f32,
    /// How the results are written (default: by the name of --results, otherwise a table)
    #[arg(long)]
    pub format: Option<Format>,
    /// Write the results to this file (.csv or .jsonl) instead of stdout, and continue it if it exists
    #[arg(long, short = 'o', value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Copy each photo into a folder of its class in this folder
    #[arg(long, value_name = "DIR")]
    pub sort_into: Option<PathBuf>,
    /// Make links instead of copies
    #[arg(long, requires = "sort_into")]
    pub link: bool,
    /// Number of photos at a time (default: the number of processors)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Do not show the progress and the summary
    #[arg(long, short)]
    pub quiet: bool,
    /// Show how much time decoding and classification took
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    #[command(flatten)]
    pub reading: Reading,
}

/// Runs the command.
///
/// # Errors
///
/// The model cannot be loaded, or the results cannot be written. A photo that cannot be read is no
/// error.
pub fn run(arguments: &Arguments) -> Result<Ending, Failure> {
    let mut found = Found::new(find::PHOTOS);
    arguments.paths.iter().for_each(|path| found.add(path));
    if let Some(list) = &arguments.files_from {
        found.add_list(list)?;
    }
    let first = load(arguments)?;
    let mut writer = Writer::new(arguments)?;
    let photos = writer.without_finished(found.files, &first.description().model);
    if photos.is_empty() && found.unreadable.is_empty() && writer.finished.is_empty() {
        note(arguments.quiet, "no photos to classify: expected .jpg, .jpeg, .png or .webp files");
    }

    interrupt::watch()?;
    let start = Instant::now();
    let jobs = jobs(arguments).min(photos.len()).max(1);
    let more: Vec<_> = (1..jobs).map(|_| load(arguments)).collect::<Result<_, _>>()?;
    let bar = progress_bar(photos.len(), arguments.quiet);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut unreadable = found.unreadable;
    thread::scope(|scope| {
        for mut classifier in std::iter::once(first).chain(more) {
            let (sender, photos, next) = (sender.clone(), &photos, &next);
            scope.spawn(move || work(&mut classifier, photos, next, &sender));
        }
        // The answers end when the last worker has dropped its sender.
        drop(sender);
        let written = write_in_order(&receiver, &photos, &mut writer, &mut unreadable, &bar);
        // If nothing can be written, the workers end with the photos that they have begun.
        next.store(photos.len(), Ordering::Relaxed);
        written
    })?;
    bar.finish_and_clear();
    if arguments.verbose {
        let Work { decoding, classification } = writer.work;
        let [decoding, classification, all] =
            [decoding, classification, start.elapsed()].map(|time| time.as_secs_f64());
        note(
            false,
            &format!(
                "{decoding:.2} s of decoding and {classification:.2} s of classification on \
                 {jobs} threads took {all:.2} s"
            ),
        );
    }
    let interrupted = interrupt::is_requested();
    writer.finish()?;
    report(arguments, &writer, &unreadable, interrupted);
    Ok(match (interrupted, unreadable.is_empty()) {
        (true, _) => Ending::Interrupted,
        (false, true) => Ending::Done,
        (false, false) => Ending::SomeUnreadable,
    })
}

fn jobs(arguments: &Arguments) -> usize {
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    arguments.jobs.map_or_else(processors, usize::from)
}

/// Loads a classifier without smoothing and hysteresis. One thread each, because the photos are
/// classified in parallel.
fn load(arguments: &Arguments) -> Result<Classifier, Failure> {
    let config = arguments.reading.config(ModelSource::named(arguments.model.clone()), 1);
    let rules = Rules { threshold: arguments.threshold, max_results: 1, ..Rules::default() };
    let runtime = RuntimeConfig { rules, second_look: true, ..RuntimeConfig::default() };
    Ok(Classifier::load(&config, runtime)?)
}

/// The result for the photo with this number.
type Answer = (usize, Result<(Row, Work), String>);

/// The durations of the work on photos, summed over the threads.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    decoding: Duration,
    /// Preprocessing, inference and decision.
    classification: Duration,
}

/// Classifies the next photo until there is none.
fn work(
    classifier: &mut Classifier,
    photos: &[PathBuf],
    next: &AtomicUsize,
    answers: &mpsc::Sender<Answer>,
) {
    while !interrupt::is_requested() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(photo) = photos.get(number) else { return };
        if answers.send((number, classify(classifier, photo))).is_err() {
            return;
        }
    }
}

fn classify(classifier: &mut Classifier, photo: &Path) -> Result<(Row, Work), String> {
    let start = Instant::now();
    let pixels = picture::read_upright(photo)?;
    let decoded = Instant::now();
    let failed = |error: &dyn std::fmt::Display| format!("image '{}': {error}", photo.display());
    let metadata = fs::metadata(photo).map_err(|error| failed(&error))?;
    let spec = picture::frame_spec(&pixels);
    classifier.set_frame_spec(&spec).map_err(|error| failed(&error))?;
    classifier.reset();
    let plane = [picture::plane(&pixels)];
    let frame = FrameView::new(&spec, &plane).map_err(|error| failed(&error))?;
    let time = classifier.begin_frame(None);
    classifier.infer(&frame, time).map_err(|error| failed(&error))?;
    let found = classifier.classification(None);
    let best = found.accepted.or_else(|| found.ranked.first().copied());
    let label = found.accepted.and_then(|class| classifier.labels().get(class.class));
    let work = Work { decoding: decoded - start, classification: decoded.elapsed() };
    let (size, modified) = size_and_time(&metadata);
    let row = Row {
        path: path_text(photo),
        label: label.map_or(UNKNOWN, String::as_str).to_owned(),
        confidence: best.map_or(0.0, |class| class.confidence),
        location: found.location.map(|location| location.to_string()).unwrap_or_default(),
        size,
        modified,
        model: classifier.description().model.clone(),
    };
    Ok((row, work))
}

/// Writes the answers in the order of the photos, until the workers have ended.
fn write_in_order(
    answers: &mpsc::Receiver<Answer>,
    photos: &[PathBuf],
    writer: &mut Writer,
    unreadable: &mut Vec<String>,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut waiting = BTreeMap::new();
    let mut due = 0;
    for (number, answer) in answers {
        waiting.insert(number, answer);
        while let Some(answer) = waiting.remove(&due) {
            match answer {
                Ok((row, work)) => {
                    writer.work.decoding += work.decoding;
                    writer.work.classification += work.classification;
                    let line = || writer.write(&photos[due], &row);
                    bar.suspend(line)?;
                }
                Err(reason) => unreadable.push(reason),
            }
            due += 1;
            bar.inc(1);
        }
    }
    Ok(())
}

/// Writes rows to stdout or into a file, and sorts the photos.
struct Writer {
    sink: Sink,
    format: Format,
    sorter: Option<Sorter>,
    /// The rows that the file has already, by their paths.
    finished: HashMap<String, Row>,
    /// Number of photos of each label.
    counts: BTreeMap<String, usize>,
    work: Work,
}

impl Writer {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let by_name = arguments.results.as_deref().map(format_by_name).transpose()?.flatten();
        let format = arguments.format.or(by_name).unwrap_or(Format::Table);
        let mut finished = HashMap::new();
        let sink = match &arguments.results {
            None => Sink::stdout(),
            Some(path) => {
                let (file, rows) = continued(path, format)?;
                finished.extend(rows.into_iter().map(|row| (row.path.clone(), row)));
                Sink::file(file, path)
            }
        };
        let link = arguments.link;
        let sorter = arguments.sort_into.clone().map(|folder| Sorter { folder, link });
        let mut writer =
            Self { sink, format, sorter, finished, counts: BTreeMap::new(), work: Work::default() };
        if writer.finished.is_empty() {
            writer.sink.write(&format.header())?;
        }
        Ok(writer)
    }

    /// Returns the photos that are not in the file yet, or have changed since.
    fn without_finished(&self, photos: Vec<PathBuf>, model: &str) -> Vec<PathBuf> {
        let is_finished = |photo: &PathBuf| {
            let row = self.finished.get(&*photo.to_string_lossy());
            let metadata = row.and_then(|_| fs::metadata(photo).ok());
            row.zip(metadata).is_some_and(|(row, metadata)| row.is_of(photo, &metadata, model))
        };
        photos.into_iter().filter(|photo| !is_finished(photo)).collect()
    }

    fn write(&mut self, photo: &Path, row: &Row) -> Result<(), Failure> {
        // First the copy: what is in the file is finished.
        if let Some(sorter) = &self.sorter {
            sorter.put(photo, &row.label)?;
        }
        *self.counts.entry(row.label.clone()).or_default() += 1;
        self.sink.write(&row.line(self.format))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.sink.flush()
    }
}

/// Returns the format that the name of a file asks for.
fn format_by_name(path: &Path) -> Result<Option<Format>, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(Some(Format::Csv)),
        Some("jsonl") => Ok(Some(Format::Jsonl)),
        _ => {
            Err(format!("--results {}: use a name that ends in .csv or .jsonl", path.display())
                .into())
        }
    }
}

/// Opens the file of the results for more of them. Returns it with the rows that it has. The
/// beginning of a line at its end, which a killed run leaves, is cut off.
fn continued(path: &Path, format: Format) -> Result<(File, Vec<Row>), Failure> {
    let failed = |reason: String| format!("--results {}: {reason}", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error.to_string()).into()),
    };
    let (rows, complete) = format.read(&text).map_err(|reason| {
        failed(format!("{reason}; the file was not written by this command; use another name"))
    })?;
    let open = || -> io::Result<File> {
        let mut file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        // Without rows, the header is written again.
        file.set_len(if rows.is_empty() { 0 } else { complete as u64 })?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        Ok(file)
    };
    let file = open().map_err(|error| failed(disk::write_failure(path, &error)))?;
    Ok((file, rows))
}

fn progress_bar(photos: usize, quiet: bool) -> ProgressBar {
    // indicatif draws nothing if stderr is no terminal. With a table on the terminal, the lines
    // themselves are the progress.
    let hidden = quiet || io::stdout().is_terminal();
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(photos as u64), target);
    let template = "{bar:30} {human_pos} of {human_len} photos, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Prints the summary and the photos that could not be read to stderr.
fn report(arguments: &Arguments, writer: &Writer, unreadable: &[String], interrupted: bool) {
    let counts = writer.counts.iter().map(|(label, count)| format!("{count} {}", printable(label)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let there = match writer.finished.len() {
        0 => String::new(),
        count => format!("{count} were there already"),
    };
    let parts: Vec<_> = [counts, there].into_iter().filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() {
        note(arguments.quiet, &format!("photos: {}", parts.join("; ")));
    }
    if interrupted {
        let hint = if arguments.results.is_some() { "; the same command continues" } else { "" };
        note(false, &format!("interrupted{hint}"));
    }
    let mut stderr = io::stderr().lock();
    for reason in unreadable.iter().take(LISTED) {
        // If stderr is closed, the exit code still reports it.
        let _ = writeln!(stderr, "catdog: {}", printable(reason));
    }
    match unreadable.len() {
        0 => {}
        count if count > LISTED => {
            let _ = writeln!(
                stderr,
                "catdog: {count} photos could not be read; the first {LISTED} are listed"
            );
        }
        count => {
            let _ = writeln!(stderr, "catdog: {count} photos could not be read");
        }
    }
}
