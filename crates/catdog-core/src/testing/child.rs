//! Runs a test again in a child process, with another environment or because it may crash.

use std::process::Command;

/// Name of the environment variable that carries the job of a child process.
const JOB_VARIABLE: &str = "CATDOG_TEST_JOB";

/// Returns a command that runs this test program again, with only the test `test` (its full name,
/// modules included). In that process, [`job`] returns `job`.
///
/// # Panics
///
/// If the path of this program is unknown.
#[allow(clippy::panic)]
pub fn child(test: &str, job: &str) -> Command {
    let program =
        std::env::current_exe().unwrap_or_else(|error| panic!("path of the test program: {error}"));
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(JOB_VARIABLE, job);
    command
}

/// Returns the job of this process if [`child`] started it.
pub fn job() -> Option<String> {
    std::env::var(JOB_VARIABLE).ok()
}
