//! Tests of the command `catdog`, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inspect;

use std::path::PathBuf;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;

/// Returns the command `catdog`, in an environment without a LiteRT runtime.
fn catdog() -> Command {
    let mut command = cargo_bin_cmd!("catdog");
    command.env("CATDOG_LITERT_LIBRARY", "/nowhere/libLiteRt.so").env("NO_COLOR", "1");
    command
}

/// Returns the path of a file in `tests/models`.
fn model(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/models").join(name)
}

/// Runs `catdog` with `arguments` and returns exit code, stdout and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = catdog().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_lists_the_commands() {
    let (code, stdout, stderr) = run(&["--help"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(stdout.contains("Usage: catdog") && stdout.contains("inspect"), "{stdout}");
}

#[test]
fn version_is_that_of_the_package() {
    let want = concat!("catdog ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["--version"]), (Some(0), want.to_owned(), String::new()));
}

#[test]
fn wrong_usage_exits_with_2_and_prints_nothing_to_stdout() {
    let wrong: [&[&str]; 4] =
        [&[], &["no-such-command"], &["inspect"], &["inspect", "built-in", "--no-such-option"]];
    for arguments in wrong {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, &*stdout), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage: catdog"), "{stderr}");
    }
}
