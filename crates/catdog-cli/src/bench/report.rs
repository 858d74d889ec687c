//! The results: their serialized form is the output of `--json`, `Display` writes the table.
//!
//! The fields of the JSON are documented in `docs/guide/catdog.md`.

use std::fmt;
use std::fs;

use serde::Serialize;

use super::measure::Spread;
use crate::output::printable;

/// Everything that was measured.
#[derive(Serialize)]
pub struct Report {
    /// Version of catdog.
    pub version: &'static str,
    pub machine: Machine,
    /// File name of the model.
    pub model: String,
    pub load: Loading,
    pub preprocess: Vec<Preprocessing>,
    pub invoke: Vec<Invocation>,
    pub frames: Vec<FrameRate>,
    /// `None` if there is no interpreter.
    pub interpreter: Option<Comparison>,
}

/// The machine.
#[derive(Serialize)]
pub struct Machine {
    /// The instruction set, such as `x86_64` or `aarch64`.
    pub architecture: &'static str,
    /// Name of the processor or the board, if the system knows it.
    pub processor: Option<String>,
    /// Number of processors that the program may use.
    pub processors: usize,
}

impl Machine {
    /// Returns this machine.
    pub fn this(processors: usize) -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self { architecture: std::env::consts::ARCH, processor: processor(&text), processors }
    }
}

/// Returns the name in `/proc/cpuinfo`: "model name" on x86, "Model" on a Raspberry Pi.
fn processor(text: &str) -> Option<String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mut names = fields.filter(|(key, _)| matches!(key.trim(), "model name" | "Model"));
    names.next().map(|(_, name)| name.trim().to_owned())
}

/// The time from a model's file to its first result.
#[derive(Serialize)]
pub struct Loading {
    /// The first time in the process.
    pub first_ms: f64,
    /// The next times.
    pub again_ms: Spread,
}

/// The preprocessing of a kind of frames.
#[derive(Serialize)]
pub struct Preprocessing {
    pub width: usize,
    pub height: usize,
    pub format: &'static str,
    pub time_ms: Spread,
}

/// The inference with a number of threads.
#[derive(Serialize)]
pub struct Invocation {
    pub threads: u32,
    pub time_ms: Spread,
}

/// Whole frames in a pipeline.
#[derive(Serialize)]
pub struct FrameRate {
    pub width: usize,
    pub height: usize,
    pub format: &'static str,
    /// CPU threads per inference, which the element chose.
    pub threads: u32,
    pub per_second: Spread,
}

/// The comparison with the LiteRT interpreter of Python.
#[derive(Serialize)]
pub struct Comparison {
    /// Version of the package ai-edge-litert.
    pub version: String,
    pub threads: u32,
    pub catdog_ms: Spread,
    pub interpreter_ms: Spread,
    /// The time of catdog divided by that of the interpreter, for each pair of turns.
    pub ratio: Spread,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { architecture, processor, processors } = &self.machine;
        let processor = processor.as_deref().unwrap_or(architecture);
        writeln!(f, "model    {}", printable(&self.model))?;
        writeln!(f, "machine  {}, {}", printable(processor), counted(*processors, "processor"))?;
        writeln!(f, "\n{:<36}{:>11}{:>11}{:>11}", "", "median", "lowest", "highest")?;
        let first = self.load.first_ms;
        writeln!(f, "{:<36}{first:>11.3}{:>22}  ms", "load to the first result, once", "")?;
        row(f, "load to the first result, again", &self.load.again_ms, "ms")?;
        for Preprocessing { width, height, format, time_ms } in &self.preprocess {
            row(f, &format!("preprocess {width}x{height} {format}"), time_ms, "ms")?;
        }
        for Invocation { threads, time_ms } in &self.invoke {
            let threads = counted(*threads as usize, "thread");
            row(f, &format!("inference, {threads}"), time_ms, "ms")?;
        }
        for FrameRate { width, height, format, threads, per_second } in &self.frames {
            let threads = counted(*threads as usize, "thread");
            let name = format!("pipeline {width}x{height} {format}, {threads}");
            row(f, &name, per_second, "frames/s")?;
        }
        if let Some(Comparison { version, catdog_ms, interpreter_ms, ratio, .. }) =
            &self.interpreter
        {
            let version = printable(version);
            writeln!(f, "\nwith the LiteRT interpreter {version} of Python, by turns, 1 thread:")?;
            row(f, "inference of catdog", catdog_ms, "ms")?;
            row(f, "inference of the interpreter", interpreter_ms, "ms")?;
            row(f, "ratio", ratio, "")?;
        }
        Ok(())
    }
}

/// Writes a line of the table.
fn row(f: &mut fmt::Formatter<'_>, name: &str, spread: &Spread, unit: &str) -> fmt::Result {
    let Spread { median, min, max, .. } = spread;
    let line = format!("{name:<36}{median:>11.3}{min:>11.3}{max:>11.3}  {unit}");
    writeln!(f, "{}", line.trim_end())
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_processor_is_found() {
        let x86 = "processor\t: 0\nmodel name\t: AMD EPYC\nmodel\t\t: 1\n";
        assert_eq!(processor(x86).as_deref(), Some("AMD EPYC"));
        let pi = "processor\t: 0\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5 Model B\n";
        assert_eq!(processor(pi).as_deref(), Some("Raspberry Pi 5 Model B"));
        assert_eq!(processor(""), None);
    }
}
