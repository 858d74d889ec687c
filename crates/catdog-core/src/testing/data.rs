//! The places of test data: models of the repository, the runtime, and data outside of the
//! repository.
//!
//! A test whose data is missing returns early, and cargo counts it as passed. Therefore
//! [`outside_data`] and [`skip`] append a line per skipped test to the file that `CATDOG_SKIP_LOG`
//! names, so that the caller of cargo can count the skipped tests.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::engine::litert::LIBRARY_VARIABLE;
use crate::sync::lock;

/// Name of the environment variable for the folder of data outside of the repository. The default
/// is the folder `shared` next to the repository.
pub const DATA_VARIABLE: &str = "CATDOG_TEST_DATA";
/// Name of the environment variable for the file that lists the skipped tests, one line each.
pub const SKIP_LOG_VARIABLE: &str = "CATDOG_SKIP_LOG";
/// Name of the environment variable that, if it is 1, makes tests fail where they would be skipped.
pub const REQUIRE_VARIABLE: &str = "CATDOG_TEST_REQUIRE";

/// Returns the root of the repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// Returns the path of a model in `tests/models`.
pub fn model(name: &str) -> PathBuf {
    repository().join("tests/models").join(name)
}

/// Returns the path of the runtime, and makes sure that the library search of this process finds
/// it.
///
/// If `CATDOG_LITERT_LIBRARY` names a file, that is the runtime. Otherwise it is the file that
/// `scripts/fetch-runtime.sh` stored in the repository. A symbolic link to it is made in the folder
/// of the test program, which the search includes. The environment of the process is not changed,
/// because other threads may be reading it.
///
/// # Panics
///
/// If there is no runtime, or the link cannot be made.
#[allow(clippy::panic)]
pub fn runtime() -> PathBuf {
    if let Some(path) = variable(LIBRARY_VARIABLE) {
        return PathBuf::from(path);
    }
    let fetched = repository().join("target/gst-catdog/libLiteRt.so");
    if !fetched.is_file() {
        panic!(
            "{} is missing; run scripts/fetch-runtime.sh, or set {LIBRARY_VARIABLE}",
            fetched.display()
        );
    }
    if let Err(error) = link_next_to_program(&fetched) {
        panic!("no link to {} next to the test program: {error}", fetched.display());
    }
    fetched
}

/// Makes a symbolic link to `library` in the folder of this program.
fn link_next_to_program(library: &Path) -> io::Result<()> {
    // Tests of this program run at the same time.
    static LINKING: Mutex<()> = Mutex::new(());
    let _linking = lock(&LINKING);
    let program = std::env::current_exe()?.canonicalize()?;
    let name = library.file_name().unwrap_or_default();
    let link = program.with_file_name(name);
    if link.canonicalize().ok() == Some(library.canonicalize()?) {
        return Ok(());
    }
    // The link is created under another name and renamed, because other test programs may create it
    // at the same time.
    let temporary = link.with_extension(format!("so.{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    std::os::unix::fs::symlink(library, &temporary)?;
    fs::rename(&temporary, &link)
}

/// Returns `path` in the data outside of the repository.
///
/// # Errors
///
/// The path that does not exist.
pub fn find_outside_data(path: &str) -> Result<PathBuf, PathBuf> {
    let folder = variable(DATA_VARIABLE).map(PathBuf::from);
    let found = folder.unwrap_or_else(|| repository().join("../shared")).join(path);
    if found.exists() { Ok(found) } else { Err(found) }
}

/// Returns `path` in the data outside of the repository. If it does not exist, reports the test
/// `test` as skipped; the test must return.
///
/// # Panics
///
/// If the data is missing and `CATDOG_TEST_REQUIRE` is 1.
pub fn outside_data(test: &str, path: &str) -> Option<PathBuf> {
    let missing = match find_outside_data(path) {
        Ok(found) => return Some(found),
        Err(missing) => missing,
    };
    let missing = missing.display();
    skip(
        test,
        &format!("{missing} is missing; set {DATA_VARIABLE} to the folder that holds {path}"),
    );
    None
}

/// Reports that the test `test` is skipped: prints `SKIPPED <test>: <reason>` to stderr, and
/// appends the same line to the file that `CATDOG_SKIP_LOG` names. The test must return.
///
/// # Panics
///
/// If `CATDOG_TEST_REQUIRE` is 1, or the line cannot be appended: the test would be counted as
/// passed.
#[allow(clippy::panic)]
pub fn skip(test: &str, reason: &str) {
    if variable(REQUIRE_VARIABLE).is_some_and(|value| value == "1") {
        panic!("{test} cannot be skipped, because {REQUIRE_VARIABLE}=1: {reason}");
    }
    let line = format!("SKIPPED {test}: {reason}\n");
    print_uncaptured(line.trim_end());
    let Some(log) = variable(SKIP_LOG_VARIABLE) else { return };
    if let Err(error) = append(Path::new(&log), &line) {
        panic!("{SKIP_LOG_VARIABLE}: {} cannot be written: {error}", Path::new(&log).display());
    }
}

/// Prints `line` to stderr. The test harness does not capture it, unlike the output of `eprintln!`,
/// so it is visible even if the test passes.
pub fn print_uncaptured(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Appends `line` to the file `path` with a single write, so that lines of parallel tests do not
/// mix.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    match file.write(line.as_bytes())? {
        written if written == line.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Returns the value of an environment variable that is set and not empty.
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_contains_the_test_models() {
        assert!(repository().join("Cargo.toml").is_file());
        assert!(model("float_softmax.tflite").is_file());
    }

    #[test]
    fn parallel_appends_do_not_mix_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("skipped");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    for _ in 0..50 {
                        append(log, &format!("SKIPPED {thread}: {}\n", "x".repeat(200))).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), 8 * 50);
        assert!(text.lines().all(|line| line.starts_with("SKIPPED ") && line.len() == 211));
    }
}
