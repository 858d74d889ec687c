//! The comparison with the LiteRT interpreter of Python, on one thread.
//!
//! A Python process runs the same model file. The two take turns, a few inferences at a time, so that
//! other load on the machine affects both alike.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use catdog_core::classifier::Config;
use catdog_core::model::tflite::{Listing, ModelInfo};
use serde::Deserialize;

use super::measure::{Spread, check_signals};
use super::report::Comparison;
use super::stages::Stage;
use crate::Failure;
use crate::output::printable;

/// The program that Python runs.
const PROGRAM: &str = include_str!("interpreter.py");
/// Name of the environment variable for the Python to run.
const PYTHON_VARIABLE: &str = "CATDOG_PYTHON";
/// How long the interpreter may take to answer. It imports NumPy from a slow disk meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often signals are checked.
const CHECK: Duration = Duration::from_millis(50);
/// The duration of a turn, if an inference is not longer.
const TURN_MS: f64 = 50.0;
/// The largest number of inferences in a turn.
const MAX_RUNS: usize = 50;
/// Number of turns, even if they take longer than the time.
const MIN_TURNS: usize = 5;
/// Number of inferences before the first one that is measured.
const WARM_UP: usize = 5;

/// Compares for `time`. Returns the reason as the inner error if there is no interpreter, or it cannot
/// run the model.
///
/// # Errors
///
/// catdog cannot run the model, or a signal ended the comparison.
pub fn compare(config: &Config, time: Duration) -> Result<Result<Comparison, String>, Failure> {
    let file = config.model.read()?;
    // `invoke` runs the first graph of a file, which may be that of another signature.
    if Listing::read(&file).is_some_and(|listing| listing.signatures.len() > 1) {
        return Ok(Err("the model has several signatures".into()));
    }
    let info = ModelInfo::parse_with(&file, &config.model_options)?;
    let start = Instant::now();
    let mut interpreter = match Interpreter::start(&file, &info.input.runtime_shape) {
        Err(Problem::Unusable(reason)) => return Ok(Err(reason)),
        Err(Problem::Failed(failure)) => return Err(failure),
        Ok(interpreter) => interpreter,
    };
    let mut own = Stage::ready(config)?;
    match turns(&mut own, &mut interpreter, time.saturating_sub(start.elapsed())) {
        Err(Problem::Unusable(reason)) => Ok(Err(reason)),
        Err(Problem::Failed(failure)) => Err(failure),
        Ok(comparison) => Ok(Ok(comparison)),
    }
}

/// Lets catdog and the interpreter take turns.
fn turns(
    own: &mut Stage,
    interpreter: &mut Interpreter,
    time: Duration,
) -> Result<Comparison, Problem> {
    let warm = Spread::of(interpreter.invoke(WARM_UP)?).map_or(TURN_MS, |spread| spread.median);
    let runs = ((TURN_MS / warm) as usize).clamp(1, MAX_RUNS);
    let start = Instant::now();
    let (mut catdog, mut python, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    while ratios.len() < MIN_TURNS || start.elapsed() < time {
        check_signals()?;
        let own_times = own.invoke(runs)?;
        let python_times = interpreter.invoke(runs)?;
        let medians = Spread::of(own_times.clone()).zip(Spread::of(python_times.clone()));
        ratios.extend(medians.map(|(own, python)| own.median / python.median));
        catdog.extend(own_times);
        python.extend(python_times);
    }
    let spread = |values| Spread::of(values).ok_or(Problem::Unusable("it has no runs".into()));
    Ok(Comparison {
        version: interpreter.version.clone(),
        threads: 1,
        catdog_ms: spread(catdog)?,
        interpreter_ms: spread(python)?,
        ratio: spread(ratios)?,
    })
}

/// Why there is no comparison.
enum Problem {
    /// There is no interpreter, or it cannot run the model; the text is the reason.
    Unusable(String),
    /// The command fails.
    Failed(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What the program answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Error { error: String },
    Version { version: String },
    Ready { ready: bool },
    Times(Vec<f64>),
}

/// A Python process with the interpreter.
struct Interpreter {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
    /// The command, for messages.
    python: String,
    version: String,
}

impl Interpreter {
    /// Starts Python and loads the model.
    fn start(file: &[u8], shape: &[usize]) -> Result<Self, Problem> {
        let python = python();
        let name = python.to_string_lossy().into_owned();
        let unusable = |reason: &str| Problem::Unusable(format!("{name}: {reason}"));
        let mut child = Command::new(&python)
            .args(["-c", PROGRAM])
            // Python would import files of the current folder that are named like its modules.
            .current_dir("/")
            // Ctrl-C goes to catdog only, which then ends Python.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The log of LiteRT, and the message of a program that is not Python.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| unusable(&format!("{error}; {}", remedy())))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unusable("its input and output are not connected"));
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut this = Self { child, stdin, lines, python: name, version: String::new() };
        this.version = match this.answer(&remedy())? {
            Answer::Version { version } => version,
            _ => return Err(this.unusable(&remedy())),
        };
        let header = serde_json::json!({ "bytes": file.len(), "shape": shape });
        // If the process has ended, the answer says why.
        let _ = writeln!(this.stdin, "{header}");
        let _ = this.stdin.write_all(file).and_then(|()| this.stdin.flush());
        match this.answer("it cannot load the model")? {
            Answer::Ready { ready: true } => Ok(this),
            _ => Err(this.unusable("it cannot load the model")),
        }
    }

    /// Returns the durations of the next inferences in milliseconds.
    fn invoke(&mut self, count: usize) -> Result<Vec<f64>, Problem> {
        let _ = writeln!(self.stdin, "{count}").and_then(|()| self.stdin.flush());
        match self.answer("it cannot run the model")? {
            Answer::Times(times) => Ok(times.into_iter().map(|time| time / 1e6).collect()),
            _ => Err(self.unusable("it cannot run the model")),
        }
    }

    /// Waits for the next answer. `otherwise` is the message if there is none.
    fn answer(&self, otherwise: &str) -> Result<Answer, Problem> {
        let asked = Instant::now();
        loop {
            match self.lines.recv_timeout(CHECK) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(Answer::Error { error }) => {
                        return Err(self.unusable(&format!("{error}; {otherwise}")));
                    }
                    Ok(answer) => return Ok(answer),
                    Err(_) => return Err(self.unusable(otherwise)),
                },
                Err(RecvTimeoutError::Timeout) if asked.elapsed() < PATIENCE => check_signals()?,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = PATIENCE.as_secs();
                    return Err(self.unusable(&format!("no answer for {seconds} s; {otherwise}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    check_signals()?;
                    return Err(self.unusable(otherwise));
                }
            }
        }
    }

    fn unusable(&self, reason: &str) -> Problem {
        Problem::Unusable(printable(&format!("{}: {reason}", self.python)))
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // It only fails if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the Python to run. A path is made absolute, because the process has another current folder.
/// Links are not followed: Python finds the packages of a virtual environment by the link to it.
fn python() -> OsString {
    let set = env::var_os(PYTHON_VARIABLE).filter(|value| !value.is_empty());
    let python = set.unwrap_or_else(|| "python3".into());
    let is_path = Path::new(&python).components().count() > 1;
    let absolute = is_path.then(|| std::path::absolute(&python).ok()).flatten();
    absolute.map_or(python, Into::into)
}

fn remedy() -> String {
    format!("set {PYTHON_VARIABLE} to a Python with the package ai-edge-litert")
}
