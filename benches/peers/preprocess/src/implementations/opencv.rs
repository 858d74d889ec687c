//! OpenCV, in a Python process (`opencv.py`) that gets commands on its standard input. The process measures the
//! durations itself, so they do not include the communication.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::{Implementation, Outcome};
use crate::frames::{Frames, SIZE};

/// A Python interpreter with OpenCV.
pub struct Interpreter(PathBuf);

impl Interpreter {
    /// Returns the interpreter that the environment variable names; `run.sh` sets it.
    pub fn find() -> Option<Self> {
        std::env::var_os("CATDOG_PEERS_PYTHON").map(|path| Self(path.into()))
    }

    /// Starts a process that holds `frames` in its memory.
    pub fn start(&self, frames: &Frames, side: usize) -> Outcome<Rc<RefCell<Process>>> {
        let file = NamedTempFile::new()?;
        frames.write(file.path())?;
        let mut child = Command::new(&self.0)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/opencv.py"))
            .arg(file.path())
            .arg(format!("{:?}", frames.format))
            .args([SIZE.0, SIZE.1, side].map(|number| number.to_string()))
            // The other implementations have no huge pages for the frames.
            .env("NUMPY_MADVISE_HUGEPAGE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no stdin")?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut process = Process { child, stdin: Some(stdin), stdout, side };
        // The process has read the file when it prints a line.
        process.line()?;
        Ok(Rc::new(RefCell::new(process)))
    }

    /// Returns the version of OpenCV.
    pub fn version(&self) -> Outcome<String> {
        let out =
            Command::new(&self.0).args(["-c", "import cv2; print(cv2.__version__)"]).output()?;
        if !out.status.success() {
            return Err("the Python of CATDOG_PEERS_PYTHON has no module cv2".into());
        }
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    }
}

pub struct Process {
    child: Child,
    /// `None` while the process is being stopped.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    side: usize,
}

impl Process {
    fn send(&mut self, command: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{command}")?;
        stdin.flush()
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err("opencv.py ended; its message is above".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process ends at the end of its input.
        drop(self.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("opencv.py: {error}");
        }
    }
}

pub struct OpenCv {
    process: Rc<RefCell<Process>>,
    filter: &'static str,
}

impl OpenCv {
    pub fn boxed(process: &Rc<RefCell<Process>>, filter: &'static str) -> Box<dyn Implementation> {
        Box::new(Self { process: Rc::clone(process), filter })
    }
}

impl Implementation for OpenCv {
    fn fill(&mut self, index: usize) -> Outcome {
        self.time(&[index]).map(drop)
    }

    fn tensor(&mut self) -> Outcome<Vec<f32>> {
        let mut process = self.process.borrow_mut();
        process.send("tensor")?;
        let mut bytes = vec![0; process.side * process.side * 3 * size_of::<f32>()];
        process.stdout.read_exact(&mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn time(&mut self, frames: &[usize]) -> Outcome<Vec<Duration>> {
        let mut process = self.process.borrow_mut();
        let indices: Vec<String> = frames.iter().map(usize::to_string).collect();
        process.send(&format!("time {} {}", self.filter, indices.join(" ")))?;
        let line = process.line()?;
        let times = line.split(' ').map(|time| time.parse().map(Duration::from_nanos));
        Ok(times.collect::<Result<_, _>>()?)
    }
}
