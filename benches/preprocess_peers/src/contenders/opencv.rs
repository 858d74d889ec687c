//! OpenCV, in a Python process (`opencv.py`) that is asked over its standard input and output. It
//! measures by itself, so that the way there and back is in no time.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::{Contender, Outcome};
use crate::frames::{Frames, SIZE};

/// A Python that has OpenCV.
pub struct Interpreter(PathBuf);

impl Interpreter {
    /// The one in the environment, as `run.sh` sets it.
    pub fn find() -> Option<Self> {
        std::env::var_os("CATDOG_PEERS_PYTHON").map(|path| Self(path.into()))
    }

    /// A process with `frames` in its memory.
    pub fn start(&self, frames: &Frames, side: usize) -> Outcome<Rc<RefCell<Process>>> {
        let file = NamedTempFile::new()?;
        frames.write(file.path())?;
        let mut child = Command::new(&self.0)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/opencv.py"))
            .arg(file.path())
            .arg(format!("{:?}", frames.format))
            .args([SIZE.0, SIZE.1, side].map(|number| number.to_string()))
            // Huge pages for its frames would be an advantage that nobody else has.
            .env("NUMPY_MADVISE_HUGEPAGE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().ok_or("no stdin")?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut process = Process { child, stdin: Some(stdin), stdout, side };
        // The file may go when it says so: the frames are read.
        process.line()?;
        Ok(Rc::new(RefCell::new(process)))
    }

    /// OpenCV's version.
    pub fn version(&self) -> Outcome<String> {
        let out =
            Command::new(&self.0).args(["-c", "import cv2; print(cv2.__version__)"]).output()?;
        if !out.status.success() {
            return Err("CATDOG_PEERS_PYTHON has no cv2".into());
        }
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    }
}

pub struct Process {
    child: Child,
    /// Taken when it is time to end.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    side: usize,
}

impl Process {
    fn ask(&mut self, command: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{command}")?;
        stdin.flush()
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err("opencv.py has ended, its message is above".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends at the end of its input.
        drop(self.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("opencv.py: {error}");
        }
    }
}

pub struct OpenCv {
    process: Rc<RefCell<Process>>,
    how: &'static str,
}

impl OpenCv {
    pub fn boxed(process: &Rc<RefCell<Process>>, how: &'static str) -> Box<dyn Contender> {
        Box::new(Self { process: Rc::clone(process), how })
    }
}

impl Contender for OpenCv {
    fn fill(&mut self, index: usize) -> Outcome {
        self.time(&[index]).map(drop)
    }

    fn tensor(&mut self) -> Outcome<Vec<f32>> {
        let mut process = self.process.borrow_mut();
        process.ask("tensor")?;
        let mut bytes = vec![0; process.side * process.side * 3 * size_of::<f32>()];
        process.stdout.read_exact(&mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn time(&mut self, frames: &[usize]) -> Outcome<Vec<Duration>> {
        let mut process = self.process.borrow_mut();
        let indices: Vec<String> = frames.iter().map(usize::to_string).collect();
        process.ask(&format!("time {} {}", self.how, indices.join(" ")))?;
        let line = process.line()?;
        let times = line.split(' ').map(|time| time.parse().map(Duration::from_nanos));
        Ok(times.collect::<Result<_, _>>()?)
    }
}
