//! The places of test data: models of the repository, the runtime, and data outside of the repository.
//!
//! A test whose data is missing returns early, and cargo counts it as passed. Therefore [`skip`] appends a
//! line to the file that `CATDOG_SKIP_LOG` names, from which `scripts/test.sh` counts.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Returns the root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path of a model in `tests/models`.
pub fn model(name: &str) -> PathBuf {
    repository().join("tests/models").join(name)
}

/// Returns the path of the runtime, and makes sure that the plugin finds it.
///
/// If `CATDOG_LITERT_LIBRARY` is not set, the runtime is the file that `scripts/fetch-runtime.sh` stored
/// in the repository. A link to it is made next to the test program, where the plugin looks for it.
pub fn runtime() -> PathBuf {
    if let Some(path) = variable("CATDOG_LITERT_LIBRARY") {
        return path;
    }
    let fetched = repository().join("target/gst-catdog/libLiteRt.so");
    assert!(
        fetched.is_file(),
        "{} is missing; run scripts/fetch-runtime.sh, or set CATDOG_LITERT_LIBRARY",
        fetched.display()
    );
    let program = std::env::current_exe().unwrap().canonicalize().unwrap();
    let link = program.with_file_name("libLiteRt.so");
    if link.canonicalize().ok() != fetched.canonicalize().ok() {
        // Created under another name and renamed, because other test programs may be doing the same.
        let temporary = link.with_extension(format!("so.{}", std::process::id()));
        std::os::unix::fs::symlink(&fetched, &temporary).unwrap();
        std::fs::rename(&temporary, &link).unwrap();
    }
    fetched
}

/// Returns `path` in the data outside of the repository: in the folder that `CATDOG_TEST_DATA` names, or
/// in `shared` next to the repository. The error is the path that does not exist.
pub fn find_outside_data(path: &str) -> Result<PathBuf, PathBuf> {
    let folder = variable("CATDOG_TEST_DATA");
    let found = folder.unwrap_or_else(|| repository().join("../shared")).join(path);
    if found.exists() { Ok(found) } else { Err(found) }
}

/// Returns `path` in the data outside of the repository. If it does not exist, the test `test` is
/// reported as skipped, and must return.
pub fn outside_data(test: &str, path: &str) -> Option<PathBuf> {
    let missing = match find_outside_data(path) {
        Ok(found) => return Some(found),
        Err(missing) => missing.display().to_string(),
    };
    skip(
        test,
        &format!("{missing} is missing; set CATDOG_TEST_DATA to the folder that holds {path}"),
    );
    None
}

/// Reports that the test `test` is skipped: prints `SKIPPED <test>: <reason>`, and appends the same line
/// to the file that `CATDOG_SKIP_LOG` names. The test must return.
///
/// # Panics
///
/// If `CATDOG_TEST_REQUIRE` is 1, or the line cannot be appended: the test would be counted as passed.
pub fn skip(test: &str, reason: &str) {
    assert!(
        variable("CATDOG_TEST_REQUIRE").is_none_or(|value| value != Path::new("1")),
        "{test} cannot be skipped, because CATDOG_TEST_REQUIRE=1: {reason}"
    );
    let line = format!("SKIPPED {test}: {reason}");
    say(&line);
    let Some(log) = variable("CATDOG_SKIP_LOG") else { return };
    // One write, so that the lines of parallel tests do not mix.
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Prints `line` to stderr. Unlike the output of `eprintln!`, the test harness shows it if the test
/// passes, too.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Returns the value of an environment variable that is set and not empty.
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns `len` pseudorandom bytes, the same on every run.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| (random.next() >> 56) as u8).collect()
}

/// A pseudorandom number generator, SplitMix64 (Steele, Lea and Flood, 2014), with its state.
pub struct Random(pub u64);

impl Random {
    /// Returns the next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
