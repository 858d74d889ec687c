//! Printing, for all commands.

use std::error::Error;
use std::io::{self, ErrorKind, Write};

/// Prints `text` to stdout. A reader that closed its end of a pipe, as `head` does, is not an
/// error.
///
/// # Errors
///
/// The error of the system if stdout cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints `failure` to stderr as one line, after the name of the program.
pub fn print_failure(failure: &dyn Error) {
    // If stderr is closed, the exit code still reports the failure.
    let _ = writeln!(io::stderr(), "catdog: {}", printable(&failure.to_string()));
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
}
