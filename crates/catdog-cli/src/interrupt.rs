//! Ctrl-C, and the signals that ask a program to end.
//!
//! The first signal asks the command to finish: a recording gets its end, a list its last line. The
//! second one ends the program at once.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;
use crate::exit;
use crate::terminal;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Starts to watch for SIGINT, SIGTERM and SIGHUP.
///
/// # Errors
///
/// The message if the handler cannot be installed.
pub fn watch() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            // The end of the process drops nothing.
            terminal::restore();
            process::exit(exit::INTERRUPTED.into());
        }
    })
    .map_err(|error| format!("signals cannot be watched: {error}").into())
}

/// Returns whether a signal asked the command to finish.
pub fn is_requested() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
