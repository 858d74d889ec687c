//! `catdog doctor`.

use crate::{catdog, catdog_with_runtime};

#[test]
fn what_is_there_is_listed_and_nothing_that_live_needs_is_missing() {
    let cache = tempfile::tempdir().unwrap();
    let output = catdog_with_runtime(cache.path()).arg("doctor").output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    for line in [
        "ok       GStreamer 1.",
        "ok       LiteRT runs the built-in model in ",
        " GB free in this folder",
    ] {
        assert!(stdout.contains(line), "{stdout}");
    }
    assert!(!stdout.contains("missing  "), "{stdout}");
}

#[test]
fn a_missing_runtime_is_named_with_the_remedy_and_exits_with_1() {
    let output = catdog()
        .arg("doctor")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("missing  no usable LiteRT runtime"), "{stdout}");
    assert!(stdout.contains("scripts/fetch-runtime.sh"), "{stdout}");
    assert!(stdout.contains("warning  no display"), "{stdout}");
    assert_eq!(stderr, "catdog: one thing is missing that `catdog live` needs\n");
}

#[test]
fn missing_elements_are_named_with_their_packages() {
    let cache = tempfile::tempdir().unwrap();
    // No plugin is found, not even those of the system.
    let output = catdog_with_runtime(cache.path())
        .arg("doctor")
        .env("GST_PLUGIN_SYSTEM_PATH_1_0", cache.path())
        .env("GST_PLUGIN_PATH_1_0", cache.path())
        .env_remove("GST_PLUGIN_PATH")
        .env("GST_REGISTRY", cache.path().join("registry.bin"))
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("missing  uridecodebin (files and streams), videoconvert"), "{stdout}");
    assert!(stdout.contains(": sudo apt install gstreamer1.0-plugins-base\n"), "{stdout}");
    assert!(stdout.contains("warning  x264enc (recordings as .mp4 and .mkv): sudo apt install gstreamer1.0-plugins-ugly"), "{stdout}");
}
