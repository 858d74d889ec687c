//! Printing, for all commands.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::Failure;

/// Prints `text` to stdout. A reader that closed its end of a pipe, as `head` does, is not an
/// error.
///
/// # Errors
///
/// The message if stdout cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = Sink::stdout();
    match stdout.write(text).and_then(|()| stdout.flush()) {
        Err(failure) if failure.is::<ClosedPipe>() => Ok(()),
        result => result,
    }
}

/// Where lines of results go.
pub struct Sink {
    writer: Box<dyn Write>,
    /// The name in error messages.
    name: String,
}

impl Sink {
    /// Returns stdout. Each line appears at once.
    pub fn stdout() -> Self {
        Self { writer: Box::new(io::stdout()), name: "stdout".into() }
    }

    /// Returns a file that was opened as `path`.
    pub fn file(file: File, path: &Path) -> Self {
        Self { writer: Box::new(BufWriter::new(file)), name: format!("'{}'", path.display()) }
    }

    /// Writes text.
    ///
    /// # Errors
    ///
    /// The message if it cannot be written; [`ClosedPipe`] if its reader has closed the pipe.
    pub fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(|error| self.failure(&error))
    }

    /// Writes what is in the memory.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &io::Error) -> Failure {
        if error.kind() == ErrorKind::BrokenPipe {
            return ClosedPipe.into();
        }
        format!("{} cannot be written: {error}", self.name).into()
    }
}

/// The reader of stdout has closed its end, as `head` does. The command ends without a message.
#[derive(Clone, Copy, Debug)]
pub struct ClosedPipe;

impl Error for ClosedPipe {}

impl fmt::Display for ClosedPipe {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Prints a line for the user to stderr, after the name of the program, unless `quiet` is set.
pub fn note(quiet: bool, text: &str) {
    if !quiet {
        // If stderr is closed, there is no other place for the line.
        let _ = writeln!(io::stderr(), "catdog: {text}");
    }
}

/// Prints `failure` to stderr as one line, after the name of the program.
pub fn print_failure(failure: &dyn Error) {
    note(false, &printable(&failure.to_string()));
}

/// Returns the path as text, for JSON and messages.
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns a confidence from 0 to 1 as the overlay shows it: only 1 is 100 %.
pub fn percent(confidence: f64) -> String {
    let percent = (confidence * 100.0).round().min(if confidence < 1.0 { 99.0 } else { 100.0 });
    format!("{percent:.0} %")
}

/// Returns `text` with control characters replaced. Names in a model file may contain escape
/// sequences, which would change the state of a terminal.
pub fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(printable("Katze, größer"), "Katze, größer");
    }

    #[test]
    fn only_certainty_is_100_percent() {
        assert_eq!([1.0, 0.9999, 0.984, 0.0].map(percent), ["100 %", "99 %", "98 %", "0 %"]);
    }
}
