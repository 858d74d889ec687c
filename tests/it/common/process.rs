//! Measurements of this process, and child processes.

/// Returns the resident memory of this process in KiB, and the number of its threads.
pub fn footprint() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (number("VmRSS:"), number("Threads:"))
}

/// Returns the command that runs this test program again with one test, named in full
/// (`module::test`). That test finds `job` with [`job`].
pub fn child(test: &str, job: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("CATDOG_TEST_JOB", job);
    command
}

/// Returns the job of this process, if [`child`] started it.
pub fn job() -> Option<String> {
    std::env::var("CATDOG_TEST_JOB").ok()
}
