//! Exit codes, the same for all commands.

use std::process::ExitCode;

/// Some of the inputs could not be read; the others were processed.
pub const UNREADABLE: u8 = 3;
/// A signal ended the command before its work was done.
pub const INTERRUPTED: u8 = 130;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of the work is done.
    Done,
    /// Some of the inputs could not be read.
    SomeUnreadable,
    /// A signal ended the command before its work was done.
    Interrupted,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::SomeUnreadable => Self::from(UNREADABLE),
            Ending::Interrupted => Self::from(INTERRUPTED),
        }
    }
}
