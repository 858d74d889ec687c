//! `catdog record`, on the demo clip and the test picture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{command_in, demo, on_small_disk, own_text, play, run_in};

/// Returns the paths of the files in `folder` with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    found.sort_unstable();
    found
}

fn play_file(path: &Path) {
    let uri = gst::glib::filename_to_uri(path, None).unwrap();
    play(&format!("uridecodebin uri={uri} ! fakesink"));
}

/// Waits until a clip has this number of bytes.
fn wait_for_clip(folder: &Path, bytes: u64) -> PathBuf {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(60) {
        let clip = files(folder, "mp4").into_iter().next();
        if let Some(clip) = clip.filter(|clip| fs::metadata(clip).unwrap().len() >= bytes) {
            return clip;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no clip has {bytes} bytes");
}

#[test]
fn each_event_is_a_clip_with_a_thumbnail_and_a_description() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let times = ["--before", "1", "--after", "0.5"];
    for (format, when) in [("mp4", "cat,dog"), ("mkv", "any"), ("webm", "cat,dog")] {
        let dir = folder.join(format);
        let command = ["record", demo, "--when", when, "--format", format];
        let options = ["--dir", format];
        let (status, stdout, stderr) = run_in(folder, &[&command[..], &times, &options].concat());
        assert_eq!((status, stdout.lines().count()), (Some(0), 5), "{stderr}");
        assert!(stderr.ends_with(&format!("catdog: 2 clips in {format}\n")), "{stderr}");
        let clips = files(&dir, format);
        assert_eq!(clips.len(), 2, "{clips:?}");
        for (clip, label) in clips.iter().zip(["cat", "dog"]) {
            assert!(clip.to_str().unwrap().ends_with(&format!("-{label}.{format}")));
            play_file(clip);
            let json = fs::read_to_string(clip.with_extension("json")).unwrap();
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!((&json["label"], &json["input"]), (&label.into(), &demo.into()));
            // The label is there for 3.9 s. A clip begins at the keyframe before the second before it,
            // which comes every second.
            let duration = json["duration"].as_f64().unwrap();
            assert!((5.2..6.6).contains(&duration), "{duration}");
            assert!(json["confidence"].as_f64().unwrap() > 0.9);
            let changes = json["changes"].as_array().unwrap();
            assert_eq!(
                (&changes[0]["label"], &changes[1]["label"]),
                (&label.into(), &"neither".into())
            );
            let begin = changes[0]["time"].as_f64().unwrap();
            assert!((1.0..2.1).contains(&begin), "{begin}");
            let thumbnail = image::open(clip.with_extension("jpg")).unwrap();
            assert_eq!((thumbnail.width(), thumbnail.height()), (640, 480));
        }
    }
}

#[test]
fn a_signal_ends_the_clip_and_a_killed_program_leaves_one_that_plays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (signal, code) in [("INT", Some(0)), ("TERM", Some(0)), ("KILL", None)] {
        let dir = folder.join(signal);
        let child = command_in(folder)
            .args(["record", "test", "--when", "neither", "--seconds", "60", "--dir", signal])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Some seconds: a killed program has written whole fragments of a second only.
        let clip = wait_for_clip(&dir, 800_000);
        let kill = [&format!("-{signal}"), &child.id().to_string()];
        assert!(Command::new("kill").args(kill).status().unwrap().success());
        let (status, _, stderr) = own_text(child.wait_with_output().unwrap());
        assert_eq!(status, code, "{signal}: {stderr}");
        play_file(&clip);
        assert_eq!(files(&dir, "json").len(), usize::from(signal != "KILL"));
    }
}

#[test]
fn old_clips_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let command = ["record", "test", "--when", "neither", "--seconds", "10", "--before", "0"];
    let options = ["--longest", "1", "--max-disk", "0.4MB"];
    let (status, _, stderr) = run_in(folder, &[&command[..], &options].concat());
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.matches("catdog: recorded ").count() >= 3, "{stderr}");
    let clips = files(&folder.join("clips"), "mp4");
    let bytes: u64 = clips.iter().map(|clip| fs::metadata(clip).unwrap().len()).sum();
    // The limit, and the clips that were written after the last deletion.
    assert!(bytes < 1_200_000 && clips.len() >= 2, "{bytes} {clips:?}");
    clips.iter().for_each(|clip| play_file(clip));
}

#[test]
fn a_full_disk_ends_the_clip_and_not_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("disk")).unwrap();
    // 16 MB stay free, so that a clip of some megabytes fits.
    let script = "mount -t tmpfs -o size=18m none disk || exit 77
        \"$1\" record test --size 1280x720 --when neither --dir disk --seconds 25 || exit
        cp disk/* .";
    let test = "a_full_disk_ends_the_clip_and_not_the_program";
    let Some((status, stdout, stderr)) = on_small_disk(folder, script, test) else { return };
    assert_eq!(status, Some(0), "{stderr}");
    let full = "no clip is recorded in disk: the disk is full; classifying goes on";
    assert_eq!(stderr.matches(full).count(), 1, "{stderr}");
    assert!(stdout.contains("neither"), "{stdout}");
    let clips = files(folder, "mp4");
    assert_eq!((clips.len(), files(folder, "json").len()), (1, 1), "{stderr}");
    play_file(&clips[0]);
}

#[test]
fn a_recording_or_a_copy_on_a_full_disk_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("disk")).unwrap();
    fs::copy(demo(), folder.join("a.mp4")).unwrap();
    let test = "a_recording_or_a_copy_on_a_full_disk_is_one_error";
    for (command, is_left) in
        [("live a.mp4 --record disk/a.mp4", true), ("file a.mp4 -o disk/a.mp4", false)]
    {
        let script = format!(
            "mount -t tmpfs -o size=100k none disk || exit 77
            \"$1\" {command} --quiet >/dev/null; status=$?; ls -A disk; exit $status"
        );
        let started = Instant::now();
        let Some((status, stdout, stderr)) = on_small_disk(folder, &script, test) else { return };
        assert_eq!(status, Some(1), "{command}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{command}: {stderr}");
        assert!(stderr.contains("a.mp4: "), "{stderr}");
        // An incomplete copy is removed; an incomplete recording may still be of use.
        assert_eq!(!stdout.is_empty(), is_left, "{command}: {stdout}");
        assert!(started.elapsed() < Duration::from_secs(60), "{command}");
    }
}

#[test]
fn what_cannot_be_recorded_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("file"), "").unwrap();
    for (arguments, message, code) in [
        (
            &["test", "--when", "mouse"][..],
            "--when mouse: the model has no such label; it has cat, dog, neither",
            1,
        ),
        (&["test", "--when", "cat", "--dir", "file/clips"], "--dir file/clips: Not a directory", 1),
        (&["none.mp4", "--when", "cat"], "INPUT none.mp4: there is no such file", 1),
        (&["test"], "--when", 2),
        (&["test", "--when", ","], "write labels of the model", 2),
        (&["test", "--when", "cat", "--max-disk", "10"], "write a size with its unit", 2),
        (&["test", "--when", "cat", "--before=-1"], "write a number of seconds", 2),
    ] {
        let (status, stdout, stderr) = run_in(folder, &[&["record"], arguments].concat());
        assert_eq!((status, &*stdout), (Some(code), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(code == 2 || stderr.lines().count() == 1, "{stderr}");
    }
}
