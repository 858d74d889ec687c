//! `catdog live`, on the demo clip and the test picture, with the built-in model.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scripts::install;
use crate::{command_in, demo, own_text, run_in};

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    run_in(folder, &[&["live"], arguments].concat())
}

/// Returns the labels of lines of text.
fn labels(stdout: &str) -> Vec<&str> {
    stdout.lines().map(|line| line.split("  ").nth(1).unwrap()).collect()
}

/// Plays a recording to its end, and returns its caps.
fn played(recording: &Path) -> String {
    let uri = format!("location={}", recording.file_name().unwrap().to_str().unwrap());
    let run = |rest: &[&str]| {
        let mut command = Command::new("gst-launch-1.0");
        command
            .args(["-v", "filesrc", &uri, "!"])
            .args(rest)
            .current_dir(recording.parent().unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["decodebin", "!", "videoconvert", "!", "fakesink"]);
    run(&["parsebin", "!", "fakesink"])
}

#[test]
fn label_changes_are_printed_as_text_or_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let (status, stdout, stderr) = run(folder.path(), &[demo]);
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(labels(&stdout), ["neither", "cat", "neither", "dog", "neither"]);
    assert!(stdout.lines().nth(1).unwrap().starts_with("0:00:03."), "{stdout}");
    assert_eq!(stderr, format!("catdog: classifying {demo}\n"));

    let (status, stdout, stderr) = run(folder.path(), &[demo, "--json", "--quiet"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    let changes: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((changes.len(), &changes[1]["label"]), (5, &"cat".into()));
    assert!(changes[1]["confidence"].as_f64().unwrap() > 0.7);
    assert!(changes[1]["box"].is_string() && changes[0]["box"].is_null());
}

#[test]
fn a_file_of_any_name_is_recorded_into_one_of_any_name() {
    let folder = tempfile::tempdir().unwrap();
    for (input, record, caps) in [
        ("a 'clip\" \\ $(x) (1)!\n.mp4", "an 'out\" \\.webm", "video/x-vp8"),
        ("größe.mp4", "-out.mkv", "video/x-h264"),
    ] {
        fs::copy(demo(), folder.path().join(input)).unwrap();
        let record_option = format!("--record={record}");
        let (status, stdout, stderr) =
            run(folder.path(), &[input, &record_option, "--seconds", "4"]);
        assert_eq!(status, Some(0), "{stderr}");
        assert_eq!(labels(&stdout)[..2], ["neither", "cat"]);
        assert!(stderr.contains(&format!("recorded {record} (")), "{stderr}");
        // A name that needs no quotes.
        let plain = folder.path().join("plain");
        fs::rename(folder.path().join(record), &plain).unwrap();
        assert!(played(&plain).contains(&format!("caps = {caps}")));
    }
}

#[test]
fn a_signal_ends_a_recording_properly() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM", "HUP"] {
        let _ = fs::remove_file(folder.path().join("out.mp4"));
        let mut child = command_in(folder.path())
            .args(["live", "test", "--record", "out.mp4"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let recorded = || fs::metadata(folder.path().join("out.mp4")).map_or(0, |file| file.len());
        while recorded() < 1000 && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(played(&folder.path().join("out.mp4")).contains("video/x-h264"), "{signal}");
    }
}

#[test]
fn the_printed_pipeline_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let input = "a 'clip\" \\ (1)!.mp4";
    fs::copy(demo(), folder.path().join(input)).unwrap();
    let arguments = [input, "--set", "hold=200", "--threshold", "0.6", "--print-pipeline"];
    let (status, line, stderr) = run(folder.path(), &arguments);
    assert_eq!((status, &*stderr), (Some(0), ""));
    assert!(line.starts_with("gst-launch-1.0 -m uridecodebin "), "{line}");
    assert!(
        line.contains("catdogfilter class-confidence-threshold=0.6 hold=200 ! fakesink"),
        "{line}"
    );
    // Without the plugin, everything but catdogfilter is tested.
    let without = line.replace("catdogfilter class-confidence-threshold=0.6 hold=200", "identity");
    let output =
        Command::new("sh").args(["-c", &without]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_first_line_is_that_of_the_first_result() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, _) = run(folder.path(), &["test", "--quiet", "--seconds", "1"]);
    assert_eq!((status, labels(&stdout)), (Some(0), vec!["neither"]));
}

#[test]
fn a_photo_and_stdin_are_classified() {
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    image::RgbImage::from_pixel(320, 240, image::Rgb([90, 120, 90])).save(&photo).unwrap();
    let (status, stdout, stderr) = run(folder.path(), &["photo.png", "--seconds", "1"]);
    assert_eq!((status, labels(&stdout)), (Some(0), vec!["neither"]), "{stderr}");

    let clip = fs::File::open(demo()).unwrap();
    let output =
        command_in(folder.path()).args(["live", "-", "--quiet"]).stdin(clip).output().unwrap();
    let (status, stdout, stderr) = own_text(output);
    assert_eq!((status, labels(&stdout).len()), (Some(0), 5), "{stderr}");
}

#[test]
fn what_cannot_be_used_is_one_line_and_leaves_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.mp4"), "text").unwrap();
    let demo = demo();
    let demo = demo.to_str().unwrap();
    for (arguments, message, code) in [
        (
            &["text.mp4", "--record", "out.mp4"][..],
            "it is not a video or a photo that GStreamer can decode",
            1,
        ),
        (
            &[demo, "--model", "text.mp4", "--record", "out.mp4"],
            "model-file 'text.mp4': it is not a .tflite file",
            1,
        ),
        (&["none.mp4"], "INPUT none.mp4: there is no such file", 1),
        (&["NoSuchCamera"], "INPUT NoSuchCamera: there is no such file and no such camera", 1),
        (&["."], "`catdog photos` classifies the photos in a folder", 1),
        (&["/dev/none"], "there is no such device", 1),
        (&["ftp://host/a"], "unknown kind of address ftp://", 1),
        (&["test", "--record", "out.avi"], "use a name that ends in .mp4, .mkv or .webm", 1),
        (
            &["test", "--record", "none/out.mp4"],
            "--record none/out.mp4: there is no folder none; make it with mkdir -p none",
            1,
        ),
        (&["test", "--set", "foo=1"], "no property \"foo\" in element \"catdogfilter\"", 1),
        (&["test", "--set", "hold=x"], "could not set property \"hold\"", 1),
        (&["test", "--region", "2,2,2,2"], "is not a rectangle inside the frame", 1),
        (&["text.mp4", "--size", "640x480"], "choose the mode of a camera", 1),
        (&["test", "--labels", "none.txt"], "there is no such file", 2),
        (&["test", "--threshold", "7"], "write a number from 0 to 1", 2),
        (&["test", "--size", "big"], "write width and height in pixels", 2),
        (&["test", "--seconds", "0"], "write a number above 0", 2),
    ] {
        let (status, stdout, stderr) = run(folder.path(), &[arguments, &["--quiet"]].concat());
        assert_eq!((status, &*stdout), (Some(code), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(code == 2 || stderr.lines().count() == 1, "{arguments:?}: {stderr}");
        assert!(!folder.path().join("out.mp4").exists(), "{arguments:?}");
    }
    fs::copy(demo, folder.path().join("clip.mp4")).unwrap();
    let (status, _, stderr) = run(folder.path(), &["clip.mp4", "--record", "./clip.mp4"]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("it is the input"), "{stderr}");
    assert_eq!(fs::read(folder.path().join("clip.mp4")).unwrap(), fs::read(demo).unwrap());
}

#[test]
fn a_closed_pipe_ends_the_command_without_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let script = "\"$0\" live \"$1\" --quiet | head -n 1; echo ${PIPESTATUS[0]}";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(assert_cmd::cargo::cargo_bin!("catdog"))
        .arg(demo())
        .env("CATDOG_LITERT_LIBRARY", catdog_core::testing::runtime())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (_, stdout, stderr) = own_text(output);
    assert!(stdout.ends_with(" %\n0\n"), "{stdout}{stderr}");
    assert_eq!(stderr, "");
}

#[test]
fn a_stream_without_a_frame_costs_nothing_and_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("udp://127.0.0.1:{port}");
    let start = Instant::now();
    let (code, stdout, stderr) = run(folder.path(), &[&address, "--no-window", "--seconds", "2"]);
    assert_eq!((code, &*stdout), (Some(0), ""), "{stderr}");
    let took = start.elapsed();
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");

    let recording = folder.path().join("nothing.mp4");
    let mut child = command_in(folder.path())
        .args(["live", &address, "--no-window", "--record"])
        .arg(&recording)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let busy = cpu_time(child.id());
    let start = Instant::now();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(busy < Duration::from_millis(1500), "{busy:?} of 3 s");
    assert!(!recording.exists());
}

/// Returns the CPU time of a process.
fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime are fields 14 and 15, in hundredths of a second (proc_pid_stat(5)).
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    Duration::from_millis(10 * (ticks(14) + ticks(15)))
}

#[test]
fn a_program_that_was_found_in_path_finds_the_runtime_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let [bin, library] = ["bin", "lib/gst-catdog"].map(|name| folder.path().join(name));
    fs::create_dir_all(&library).unwrap();
    install(&bin.join("catdog"));
    let runtime = catdog_core::testing::runtime();
    std::os::unix::fs::symlink(runtime, library.join("libLiteRt.so")).unwrap();
    let path = std::env::join_paths([&*bin, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let output = Command::new("sh")
        .args(["-c", "catdog test --no-window --seconds 0.5"])
        .env("PATH", path)
        .env_remove("CATDOG_LITERT_LIBRARY")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
