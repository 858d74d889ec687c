//! `catdog file`, on the demo clip and on videos that are made from it with GStreamer.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_pbutils::prelude::*;
use serde_json::Value;

use crate::{command_in, demo, play, run_in};

/// The streams of a video, played to its end.
#[derive(Debug, PartialEq)]
struct Found {
    /// Media types of the video, the sound and the subtitles.
    kinds: Vec<String>,
    size: (u32, u32),
    seconds: f64,
}

fn found(folder: &Path, name: &str) -> Found {
    gst::init().unwrap();
    let uri = gst::glib::filename_to_uri(folder.join(name), None).unwrap();
    let discoverer = gst_pbutils::Discoverer::new(gst::ClockTime::from_seconds(60)).unwrap();
    let info = discoverer.discover_uri(&uri).unwrap();
    let video = &info.video_streams()[0];
    let mut kinds: Vec<_> = info
        .stream_list()
        .iter()
        .filter_map(|stream| Some(stream.caps()?.structure(0)?.name().to_string()))
        .filter(|kind| !kind.starts_with("video/quicktime"))
        .collect();
    kinds.sort_unstable();
    // Every frame can be decoded.
    play(&format!(
        "uridecodebin uri={uri} caps=video/x-raw(ANY) expose-all-streams=false ! fakesink"
    ));
    Found {
        kinds,
        size: (video.width(), video.height()),
        seconds: info.duration().unwrap().nseconds() as f64 / 1e9,
    }
}

/// Writes the demo clip with a tone. `audio` encodes the sound, `video` encodes decoded video or
/// passes encoded video on, `muxer` writes it.
fn make(folder: &Path, name: &str, video: &str, audio: &str, muxer: &str) {
    gst::init().unwrap();
    let uri = gst::glib::filename_to_uri(demo(), None).unwrap();
    let line = format!(
        "{muxer} name=mux ! filesink location=\"{}\" \
         uridecodebin uri={uri} ! queue ! videoconvert ! {video} ! queue ! mux. \
         audiotestsrc num-buffers=560 ! audio/x-raw,rate=44100,channels=1 ! audioconvert ! {audio} ! queue ! mux.",
        folder.join(name).display()
    );
    play(&line);
}

const H264: &str = "x264enc speed-preset=ultrafast ! h264parse";
const AAC: &str = "avenc_aac ! aacparse";
const OPUS: &str = "audioresample ! opusenc";

/// Returns the labels of a list in CSV.
fn labels(csv: &str) -> Vec<&str> {
    csv.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect()
}

const CLIP: [&str; 5] = ["neither", "cat", "neither", "dog", "neither"];

#[test]
fn a_copy_has_the_label_in_the_picture_and_the_same_sound() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, video, audio, muxer, out, kinds) in [
        ("a.mp4", H264, AAC, "mp4mux", "a-catdog.mp4", ["audio/mpeg", "video/x-h264"]),
        (
            "b.mkv",
            "theoraenc",
            "lamemp3enc ! mpegaudioparse",
            "matroskamux",
            "b-catdog.mkv",
            ["audio/mpeg", "video/x-h264"],
        ),
        ("a.ts", H264, AAC, "mpegtsmux", "a-catdog.mp4", ["audio/mpeg", "video/x-h264"]),
        (
            "a.webm",
            "vp8enc deadline=1",
            OPUS,
            "webmmux",
            "a-catdog.webm",
            ["audio/x-opus", "video/x-vp8"],
        ),
        (
            "a.mkv",
            H264,
            "flacenc ! flacparse",
            "matroskamux",
            "a-catdog.mkv",
            ["audio/x-flac", "video/x-h264"],
        ),
    ] {
        make(folder, name, video, audio, muxer);
        let (status, stdout, stderr) = run_in(folder, &["file", name, "--overwrite"]);
        assert_eq!((status, &*stdout), (Some(0), ""), "{name}: {stderr}");
        assert!(stderr.starts_with(&format!("catdog: {name}: wrote {out} (")), "{stderr}");
        let found = found(folder, out);
        assert_eq!(
            (found.kinds, found.size),
            (kinds.map(str::to_owned).to_vec(), (640, 480)),
            "{name}"
        );
        assert!((12.9..13.3).contains(&found.seconds), "{name}: {}", found.seconds);
    }
    // The label is at the bottom of the picture, and the rest looks as before.
    let (top, bottom) = differences(&folder.join("a.mp4"), &folder.join("a-catdog.mp4"));
    assert!(top < 2.0 && bottom > 4.0, "{top} {bottom}");
}

/// Returns the mean difference of the frames at 5 s in gray levels: in the upper half, and in the
/// bottom tenth.
fn differences(first: &Path, second: &Path) -> (f64, f64) {
    let pixels = |path: &Path| {
        let uri = gst::glib::filename_to_uri(path, None).unwrap();
        let line = format!(
            "uridecodebin uri={uri} ! videoconvert ! video/x-raw,format=GRAY8 ! fakesink name=end \
             enable-last-sample=true sync=false"
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Paused).unwrap();
        pipeline.state(gst::ClockTime::from_seconds(30)).0.unwrap();
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.seek_simple(flags, gst::ClockTime::from_seconds(5)).unwrap();
        pipeline.state(gst::ClockTime::from_seconds(30)).0.unwrap();
        let sample: gst::Sample = pipeline.by_name("end").unwrap().property("last-sample");
        let frame = sample.buffer().unwrap().map_readable().unwrap().to_vec();
        pipeline.set_state(gst::State::Null).unwrap();
        frame
    };
    let (first, second) = (pixels(first), pixels(second));
    let mean = |from: usize, to: usize| {
        let pairs = first[from..to].iter().zip(&second[from..to]);
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / (to - from) as f64
    };
    (mean(0, first.len() / 2), mean(first.len() * 9 / 10, first.len()))
}

#[test]
fn with_soft_the_video_is_copied_and_has_a_subtitle_track() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, video, audio, muxer, out) in [
        ("a.mp4", H264, AAC, "mp4mux", "a-catdog.mp4"),
        ("a.ts", H264, AAC, "mpegtsmux", "a-catdog.mkv"),
        ("b.mkv", "vp8enc deadline=1", OPUS, "matroskamux", "b-catdog.mkv"),
    ] {
        make(folder, name, video, audio, muxer);
        let (status, _, stderr) = run_in(folder, &["file", name, "--soft"]);
        assert_eq!(status, Some(0), "{name}: {stderr}");
        let copy = found(folder, out);
        assert_eq!(copy.kinds.len(), 3, "{name}: {:?}", copy.kinds);
        assert!(copy.kinds.iter().any(|kind| kind.contains("text") || kind.contains("subtitle")));
        // MPEG-TS cannot be searched for an exact frame.
        if name != "a.ts" {
            let same = differences(&folder.join(name), &folder.join(out));
            assert_eq!(same, (0.0, 0.0), "{name}");
        }
    }
    // What one container does not take does not end the other videos.
    fs::create_dir(folder.join("out")).unwrap();
    fs::copy(folder.join("b.mkv"), folder.join("b.m4v")).unwrap();
    let (status, _, stderr) = run_in(folder, &["file", "b.m4v", "a.mp4", "--soft", "-o", "out/"]);
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("catdog: a.mp4: wrote out/a-catdog.mp4"), "{stderr}");
    assert!(stderr.contains("a .mp4 file does not take its video (video/x-vp8)"), "{stderr}");
    assert_eq!(fs::read_dir(folder.join("out")).unwrap().count(), 1);
}

#[test]
fn sound_that_the_container_does_not_take_is_encoded_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder, "a.mp4", H264, AAC, "mp4mux");
    let (status, _, stderr) = run_in(folder, &["file", "a.mp4", "-o", "b.webm"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(found(folder, "b.webm").kinds, ["audio/x-opus", "video/x-vp8"]);
}

#[test]
fn a_turned_picture_is_upright_in_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // MP4 files of GStreamer have no orientation; the matrix of the track is put in by hand: a quarter
    // turn clockwise (ISO/IEC 14496-12, 8.3.2.3).
    let mut bytes = fs::read(demo()).unwrap();
    let track = bytes.windows(4).position(|window| window == b"tkhd").unwrap() + 4;
    let matrix = track + if bytes[track] == 0 { 40 } else { 52 };
    let turned: [i32; 9] = [0, 1 << 16, 0, -(1 << 16), 0, 0, 480 << 16, 0, 1 << 30];
    for (index, number) in turned.iter().enumerate() {
        bytes[matrix + 4 * index..matrix + 4 * index + 4].copy_from_slice(&number.to_be_bytes());
    }
    fs::write(folder.join("turned.mp4"), bytes).unwrap();
    let (status, _, stderr) = run_in(folder, &["file", "turned.mp4"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(found(folder, "turned-catdog.mp4").size, (480, 640));
    let (status, _, stderr) = run_in(folder, &["file", "turned.mp4", "--soft", "-o", "soft.mp4"]);
    assert_eq!(status, Some(3));
    assert!(stderr.contains("leave out --soft, or write subtitles beside"), "{stderr}");
}

#[test]
fn lists_have_the_labels_with_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let odd = "a 'clip\" \\ $(x) (1)!\n.mp4";
    fs::copy(demo(), folder.join(odd)).unwrap();
    let lists = ["--vtt", "--srt", "--jsonl", "--csv"];
    let (status, _, stderr) = run_in(folder, &[&["file", odd][..], &lists].concat());
    assert_eq!(status, Some(0), "{stderr}");
    let read = |extension| fs::read_to_string(folder.join(odd).with_extension(extension)).unwrap();
    let (vtt, srt, jsonl, csv) = (read("vtt"), read("srt"), read("jsonl"), read("csv"));
    assert!(vtt.starts_with("WEBVTT\n"), "{vtt}");
    assert!(vtt.contains("\ncat 9") && srt.contains("\ncat 9"), "{vtt}{srt}");
    assert!(srt.starts_with("1\n00:00:00,000 --> 00:00:03,"), "{srt}");
    let cues: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cues.iter().map(|cue| cue["label"].as_str().unwrap()).collect::<Vec<_>>(), CLIP);
    assert_eq!(labels(&csv), CLIP);
    assert!(csv.starts_with("start,end,label,confidence,index,frames\n0.000,3."), "{csv}");
    assert!(part(folder).is_none());

    // The same list on stdout, and nothing else.
    for (list, expected) in [("--vtt", &vtt), ("--srt", &srt), ("--csv", &csv)] {
        let (status, stdout, stderr) = run_in(folder, &["file", odd, list, "-o", "-"]);
        assert_eq!((status, &stdout, &*stderr), (Some(0), expected, ""), "{list}");
    }
    let (_, stdout, _) = run_in(folder, &["file", odd, "--jsonl", "-o", "-"]);
    assert_eq!(stdout.lines().count(), 5);
}

#[test]
fn videos_that_cannot_be_read_do_not_end_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(demo(), folder.join("-a.mp4")).unwrap();
    fs::write(folder.join("text.mp4"), "text").unwrap();
    image::RgbImage::new(64, 64).save(folder.join("photo.png")).unwrap();
    play(&format!(
        "audiotestsrc num-buffers=9 ! {AAC} ! mp4mux ! filesink location={}",
        folder.join("sound.mp4").display()
    ));
    let inputs = ["text.mp4", "none.mp4", "photo.png", "sound.mp4"];
    let (status, stdout, stderr) = run_in(
        folder,
        &[&["file", "--csv", "-o", "lists/"][..], &inputs, &["--", "-a.mp4"]].concat(),
    );
    assert_eq!((status, &*stdout), (Some(3), ""), "{stderr}");
    let line =
        |name: &str| stderr.lines().find(|line| line.starts_with(&format!("catdog: {name}: ")));
    assert!(line("none.mp4").unwrap().contains("No such file"), "{stderr}");
    assert!(line("photo.png").unwrap().contains("`catdog photos` classifies photos"), "{stderr}");
    assert!(line("text.mp4").is_some(), "{stderr}");
    assert_eq!(labels(&fs::read_to_string(folder.join("lists/-a.csv")).unwrap()), CLIP);
    assert_eq!(fs::read_dir(folder.join("lists")).unwrap().count(), 1, "{stderr}");
}

#[test]
fn nothing_is_replaced_and_nothing_is_left_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(demo(), folder.join("a.mp4")).unwrap();
    fs::write(folder.join("a.csv"), "mine").unwrap();
    fs::create_dir(folder.join("b")).unwrap();
    fs::copy(demo(), folder.join("b/a.mp4")).unwrap();
    for (arguments, message) in [
        (&["a.mp4", "--csv"][..], "a.csv exists; --overwrite replaces it"),
        (&["a.mp4", "-o", "./a.mp4", "--overwrite"], "is an input; name another output with -o"),
        (&["a.mp4", "b/a.mp4", "-o", "out/"], "is the output for another input"),
        (&["a.mp4", "b/a.mp4", "-o", "out.mp4"], "-o out.mp4: it is one file for several videos"),
        (&["a.mp4", "-o", "a.xyz"], "-o a.xyz: use a name that ends in .mp4"),
        (&["a.mp4", "-o", "-"], "-o -: stdout takes one of"),
        (
            &["a.mp4", "--model", "a.csv", "-o", "out.mp4"],
            "model-file 'a.csv': it is not a .tflite file",
        ),
        (&["a.mp4", "--set", "foo=1", "-o", "out.mp4"], "no property \"foo\""),
        (&["a.mp4", "-o", "/proc/none/out.mp4"], "/proc/none/out.mp4 cannot be written"),
    ] {
        let (status, stdout, stderr) = run_in(folder, &[&["file", "--quiet"], arguments].concat());
        assert_eq!((status, &*stdout), (Some(1), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
    assert_eq!(fs::read_to_string(folder.join("a.csv")).unwrap(), "mine");
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name != ".cache");
    names.sort_unstable();
    assert_eq!(names, ["a.csv", "a.mp4", "b"]);
    assert_eq!(run_in(folder, &["file"]).0, Some(2));
}

#[test]
fn a_signal_ends_the_output_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A long video with sound, so that it does not end first.
    play(&format!(
        "matroskamux name=mux ! filesink location={} \
         videotestsrc num-buffers=20000 ! video/x-raw,width=320,height=240,framerate=25/1 ! \
         jpegenc ! queue ! mux. \
         audiotestsrc num-buffers=35000 ! audio/x-raw,rate=44100,channels=1 ! flacenc ! flacparse ! queue ! mux.",
        folder.join("long.mkv").display()
    ));
    for options in [&["file", "long.mkv"][..], &["file", "long.mkv", "--soft", "--overwrite"]] {
        let mut child = command_in(folder)
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let written =
            || part(folder).map_or(0, |file| fs::metadata(file).map_or(0, |file| file.len()));
        while written() < 100_000 && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let kill = ["-INT", &child.id().to_string()];
        assert!(Command::new("kill").args(kill).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{options:?}");
        let found = found(folder, "long-catdog.mkv");
        assert!(found.seconds > 0.5 && found.seconds < 700.0, "{}", found.seconds);
        assert!(part(folder).is_none());
    }
}

/// Returns the file in `folder` that is not complete.
fn part(folder: &Path) -> Option<std::path::PathBuf> {
    let mut paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "part"))
}

#[test]
fn the_printed_pipeline_writes_the_same_copy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder, "a b.mp4", H264, AAC, "mp4mux");
    let (status, line, stderr) =
        run_in(folder, &["file", "a b.mp4", "--set", "hold=200", "--print-pipeline"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    // Without the plugin, everything but catdogfilter is tested.
    let without = line.replace("catdogfilter hold=200", "identity");
    assert_ne!(line, without);
    let output = Command::new("sh").args(["-c", &without]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(found(folder, "a b-catdog.mp4").kinds, ["audio/mpeg", "video/x-h264"]);
}
