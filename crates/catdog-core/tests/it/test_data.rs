//! A test whose data is missing is reported as skipped.

use std::fs;
use std::process::Output;

use catdog_core::testing::{child, job, outside_data};

const TEST: &str = "test_data::a_test_without_its_data_is_logged_as_skipped_or_fails_if_required";

/// Runs the job "skip" in a child process with the environment variables `variables`.
fn skip_in_child(variables: &[(&str, &str)]) -> Output {
    let mut command = child(TEST, "skip");
    command.env_remove("CATDOG_TEST_REQUIRE").env_remove("CATDOG_SKIP_LOG");
    command.env("CATDOG_TEST_DATA", "/nowhere").envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_test_without_its_data_is_logged_as_skipped_or_fails_if_required() {
    if job().is_some() {
        assert_eq!(outside_data("a_test", "models/absent.tflite"), None);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("skipped");
    let log = log.to_str().unwrap();
    let line = "SKIPPED a_test: /nowhere/models/absent.tflite is missing; set CATDOG_TEST_DATA to the folder \
                that holds models/absent.tflite\n";

    let skipped = skip_in_child(&[]);
    assert!(skipped.status.success());
    assert!(String::from_utf8_lossy(&skipped.stderr).contains(line));

    for _ in 0..2 {
        assert!(skip_in_child(&[("CATDOG_SKIP_LOG", log)]).status.success());
    }
    assert_eq!(fs::read_to_string(log).unwrap(), line.repeat(2));

    let required = skip_in_child(&[("CATDOG_SKIP_LOG", log), ("CATDOG_TEST_REQUIRE", "1")]);
    assert!(!required.status.success());
    let output =
        String::from_utf8_lossy(&required.stdout) + String::from_utf8_lossy(&required.stderr);
    assert!(output.contains("a_test cannot be skipped"), "{output}");
    assert_eq!(fs::read_to_string(log).unwrap(), line.repeat(2));

    // A test that cannot be counted as skipped must not count as passed.
    assert!(!skip_in_child(&[("CATDOG_SKIP_LOG", "/nowhere/skipped")]).status.success());
}
