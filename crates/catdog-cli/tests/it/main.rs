//! Tests of the command `catdog`, run as a user runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive;
mod bench;
mod cameras;
mod collect;
mod compare;
mod doctor;
mod file;
mod generated;
mod image;
mod inspect;
mod interpretation;
mod live;
mod photos;
mod reconnect;
mod record;
mod scripts;
mod window;

use std::path::{Path, PathBuf};
use std::process;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use gst::prelude::*;

/// Where libcamera is installed, it writes to stderr whenever cameras are searched.
const LIBCAMERA_LOG: (&str, &str) = ("LIBCAMERA_LOG_LEVELS", "*:FATAL");

/// Returns the command `catdog`, in an environment without a LiteRT runtime.
fn catdog() -> Command {
    let mut command = cargo_bin_cmd!("catdog");
    command.env("CATDOG_LITERT_LIBRARY", "/nowhere/libLiteRt.so").env("NO_COLOR", "1");
    command.env(LIBCAMERA_LOG.0, LIBCAMERA_LOG.1);
    command
}

/// Returns the command `catdog` with the LiteRT runtime of the tests, and a cache of its own.
fn catdog_with_runtime(cache: &std::path::Path) -> Command {
    let mut command = cargo_bin_cmd!("catdog");
    command.env("CATDOG_LITERT_LIBRARY", catdog_core::testing::runtime());
    command.env("XDG_CACHE_HOME", cache).env(LIBCAMERA_LOG.0, LIBCAMERA_LOG.1);
    command
}

/// Runs `catdog` with `arguments` and the runtime, and returns exit code, stdout and stderr as
/// [`own_text`] does.
fn run_with_runtime(arguments: &[&str]) -> (Option<i32>, String, String) {
    let cache = tempfile::tempdir().unwrap();
    own_text(catdog_with_runtime(cache.path()).args(arguments).output().unwrap())
}

/// Returns the path of the demo clip.
fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo/demo.mp4").canonicalize().unwrap()
}

/// Returns the command `catdog` in a folder, with the LiteRT runtime and without a display.
fn command_in(folder: &Path) -> process::Command {
    let mut command = process::Command::new(assert_cmd::cargo::cargo_bin!("catdog"));
    command
        .env(LIBCAMERA_LOG.0, LIBCAMERA_LOG.1)
        .current_dir(folder)
        .env("CATDOG_LITERT_LIBRARY", catdog_core::testing::runtime())
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("GST_PLUGIN_PATH");
    command
}

/// Runs `catdog` in a folder, and returns exit code, stdout and stderr as [`own_text`] does.
fn run_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    own_text(command_in(folder).args(arguments).output().unwrap())
}

/// Returns exit code, stdout and stderr without the line that LiteRT prints once per process.
fn own_text(output: process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let stderr = text(output.stderr);
    let own = stderr.lines().filter(|line| !line.starts_with("INFO: Created TensorFlow Lite"));
    let own = own.map(|line| format!("{line}\n")).collect();
    (output.status.code(), text(output.stdout), own)
}

/// Runs `script`, which may mount a file system, with the path of the program as `$1`. Returns `None` if
/// nothing can be mounted here; `test` is then skipped.
fn on_small_disk(folder: &Path, script: &str, test: &str) -> Option<(Option<i32>, String, String)> {
    let program = assert_cmd::cargo::cargo_bin!("catdog");
    let output = process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(program)
        .current_dir(folder)
        .env("CATDOG_LITERT_LIBRARY", catdog_core::testing::runtime())
        .env("XDG_CACHE_HOME", folder)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output();
    let result = output.ok().map(own_text);
    let result = result
        .filter(|(status, _, stderr)| *status != Some(77) && !stderr.contains("unshare failed"));
    if result.is_none() {
        catdog_core::testing::skip(test, "a file system cannot be mounted here");
    }
    result
}

/// Runs a pipeline to its end.
fn play(line: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{line}: {end:?}");
}

/// Returns the path of a file in `tests/golden/compare`.
fn golden(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/compare");
    folder.join(name).to_str().unwrap().to_owned()
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
    let wrong: [&[&str]; 8] = [
        &["--no-such-option"],
        &["inspect"],
        &["inspect", "built-in", "--no-such-option"],
        &["inspect", "built-in", "--input-mean", "1"],
        &["inspect", "built-in", "--input-mean", "1", "--input-std", "0"],
        &["inspect", "built-in", "--output-activation", "relu"],
        &["inspect", "built-in", "--compare-with", "result.json"],
        &["inspect", "built-in", "--image", "a", "--image", "b", "--compare-with", "result.json"],
    ];
    for arguments in wrong {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, &*stdout), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage: catdog") || stderr.contains("try '--help'"), "{stderr}");
    }
}
