//! `catdog archive`, on the demo clip and on videos that are made from it with GStreamer.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

use crate::{command_in, demo, on_small_disk, play, run_in};

/// Returns the rows of a Parquet file.
fn rows(path: &Path) -> Vec<Row> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = SerializedFileReader::new(file).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

/// Returns a column of rows as texts.
fn column(rows: &[Row], name: &str) -> Vec<String> {
    let value = |row: &Row| {
        let mut columns = row.get_column_iter();
        let (_, field) = columns.find(|(column, _)| *column == name).unwrap();
        match field {
            Field::Str(text) => text.clone(),
            other => other.to_string(),
        }
    };
    rows.iter().map(value).collect()
}

/// Returns the files in a folder and in all folders in it, hidden ones included.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { all_files(&path) } else { vec![path] };
    let mut found: Vec<_> = entries.flat_map(|entry| below(entry.path())).collect();
    found.sort_unstable();
    found
}

/// Writes the demo clip in another format.
fn convert(path: &Path, encoder: &str, muxer: &str) {
    let uri = gst::glib::filename_to_uri(demo(), None).unwrap();
    let path = path.display();
    play(&format!(
        "uridecodebin uri={uri} ! queue ! videoconvert ! videoscale ! video/x-raw,width=320,height=240 ! {encoder} ! {muxer} ! filesink location=\"{path}\""
    ));
}

#[test]
fn a_folder_becomes_a_file_per_video_and_a_list_of_failures() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("in/2026 a")).unwrap();
    fs::copy(demo(), path("in/2026 a/1.mp4")).unwrap();
    convert(&path("in/2.webm"), "vp8enc deadline=1", "webmmux");
    fs::write(path("in/text.mp4"), "text").unwrap();
    fs::write(path("in/notes.txt"), "text").unwrap();
    // The index of an MP4 file is at its end; the demo clip has it at its beginning.
    let whole = fs::read(demo()).unwrap();
    fs::write(path("in/cut.mkv"), &whole[..100]).unwrap();
    let archive = ["archive", "in", "none.mp4", "--out", "out", "--every", "1s"];
    let (status, stdout, stderr) = run_in(folder.path(), &archive);
    assert_eq!((status, &*stdout), (Some(3), ""), "{stderr}");
    assert!(stderr.contains("2 videos classified, 28 rows"), "{stderr}");
    assert!(stderr.contains("3 failed, see failures.parquet"), "{stderr}");
    let first = rows(&path("out/videos/2026 a/1.mp4.parquet"));
    let times: Vec<f64> = column(&first, "time").iter().map(|time| time.parse().unwrap()).collect();
    assert_eq!(times, (0..14).map(f64::from).collect::<Vec<_>>());
    let neither = ["neither"; 3];
    let labels = [&neither[..], &["cat"; 4], &neither[..2], &["dog"; 4], &neither[..1]].concat();
    assert_eq!(column(&first, "label"), labels);
    assert_eq!(column(&first, "video"), vec!["2026 a/1.mp4"; 14]);
    assert!(column(&first, "model").iter().all(|hash| hash.len() == 64));
    assert_eq!(column(&first, "catdog")[0], env!("CARGO_PKG_VERSION"));
    let confidences = column(&first, "confidences");
    assert!(confidences[3].contains("\"cat\" -> 0.99"), "{confidences:?}");
    let failures = rows(&path("out/failures.parquet"));
    assert_eq!(column(&failures, "video"), ["cut.mkv", "none.mp4", "text.mp4"]);
    let reasons = column(&failures, "reason");
    assert!(reasons[1].contains("No such file"), "{reasons:?}");
    assert!(reasons[2].contains("not a video that GStreamer can decode"), "{reasons:?}");

    // What is there stays; what failed is tried again, and leaves the list if it can be read.
    let stamp = |name: &str| fs::metadata(path(name)).unwrap().modified().unwrap();
    let before = stamp("out/videos/2.webm.parquet");
    fs::copy(demo(), path("in/text.mp4")).unwrap();
    let (status, _, stderr) = run_in(folder.path(), &archive);
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("1 videos classified, 14 rows"), "{stderr}");
    assert!(stderr.contains("2 were finished before; 2 failed"), "{stderr}");
    assert_eq!(stamp("out/videos/2.webm.parquet"), before);
    let failures = rows(&path("out/failures.parquet"));
    assert_eq!(column(&failures, "video"), ["cut.mkv", "none.mp4"]);
    let hidden = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "part");
    assert!(!all_files(&path("out")).iter().any(hidden));
}

#[test]
fn ranges_have_the_rows_of_the_whole_video() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // With frames that need later ones, without, and with a keyframe every two seconds.
    convert(&path("a.mp4"), "x264enc bframes=3 key-int-max=50 ! h264parse", "mp4mux");
    convert(&path("b.mkv"), "x264enc bframes=0 key-int-max=300 ! h264parse", "matroskamux");
    convert(&path("c.webm"), "vp8enc deadline=1 keyframe-max-dist=40", "webmmux");
    convert(&path("d.avi"), "jpegenc", "avimux");
    // Containers in which GStreamer seeks elsewhere, or to other times.
    convert(&path("e.mpg"), "mpeg2enc ! mpegvideoparse", "mpegpsmux");
    convert(&path("f.avi"), "avenc_mpeg4 max-bframes=2 ! mpeg4videoparse", "avimux");
    let fragmented = "mp4mux fragment-duration=500";
    convert(&path("g.mp4"), "x264enc bframes=3 key-int-max=40 ! h264parse", fragmented);
    let videos = ["a.mp4", "b.mkv", "c.webm", "d.avi", "e.mpg", "f.avi", "g.mp4"];
    for every in ["0.3", ""] {
        let archive = |range: &str| {
            let out = if range.is_empty() { "whole" } else { "parts" };
            let mut arguments =
                [&["archive"], &videos[..], &["--out", out, "--overwrite"]].concat();
            if !every.is_empty() {
                arguments.extend(["--every", every]);
            }
            if !range.is_empty() {
                arguments.extend(["--range", range]);
            }
            let (status, _, stderr) = run_in(folder.path(), &arguments);
            assert_eq!(status, Some(0), "{every} {range}: {stderr}");
        };
        let ranges = ["0-4", "4-7.28", "7.28-", "100-"];
        archive("");
        ranges.iter().for_each(|range| archive(range));
        for video in videos {
            let read = |suffix: &str| rows(&path(&format!("parts/videos/{video}{suffix}.parquet")));
            let whole = rows(&path(&format!("whole/videos/{video}.parquet")));
            let parts: Vec<_> =
                ranges.iter().flat_map(|range| read(&format!("@{range}"))).collect();
            for name in ["time", "label", "confidence", "confidences"] {
                assert_eq!(column(&parts, name), column(&whole, name), "{video} {every} {name}");
            }
            assert!(read("@100-").is_empty());
        }
    }
}

#[test]
fn a_long_video_is_divided() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("in/b")).unwrap();
    fs::copy(demo(), folder.join("in/b/a.mp4")).unwrap();
    fs::write(folder.join("in/text.mp4"), "text").unwrap();
    let archive = |arguments: &[&str]| {
        let fixed = ["archive", "in", "-o", "out", "--every", "1"];
        run_in(folder, &[&fixed[..], arguments].concat())
    };
    let (status, stdout, stderr) = archive(&["--split", "4", "--print-units"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    let units: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ranges: Vec<_> = units.iter().map(|unit| unit["range"].as_str()).collect();
    assert_eq!(ranges, [Some("0-4"), Some("4-8"), Some("8-"), None]);
    assert_eq!(units[0]["video"], "in/b/a.mp4");
    assert!(!folder.join("out").exists());
    // Another program runs one of them; this one does the rest.
    let unit =
        ["archive", "in/b/a.mp4", "--root", "in", "-o", "out", "--every", "1", "--range", "4-8"];
    assert_eq!(run_in(folder, &unit).0, Some(0));
    let (status, _, stderr) = archive(&["--split", "4"]);
    assert_eq!(status, Some(3), "{stderr}");
    assert!(stderr.contains("2 videos classified, 10 rows"), "{stderr}");
    assert!(stderr.contains("1 were finished before; 1 failed"), "{stderr}");
    let parts = ["0-4", "4-8", "8-"]
        .map(|range| rows(&folder.join(format!("out/videos/b/a.mp4@{range}.parquet"))).len());
    assert_eq!(parts, [4, 4, 6]);
    // The whole beside its parts would have the rows twice.
    let (status, _, stderr) = archive(&[]);
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("3 files have results of other ranges of the same videos"), "{stderr}");
    let (status, _, stderr) = archive(&["--overwrite"]);
    assert_eq!(status, Some(3), "{stderr}");
    assert_eq!(all_files(&folder.join("out/videos")), [folder.join("out/videos/b/a.mp4.parquet")]);
}

#[test]
fn cues_are_those_of_catdog_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(demo(), folder.join("a.mp4")).unwrap();
    assert_eq!(run_in(folder, &["archive", "a.mp4", "-o", "out", "--cues"]).0, Some(0));
    assert_eq!(run_in(folder, &["file", "a.mp4", "--csv"]).0, Some(0));
    let found = rows(&folder.join("out/videos/a.mp4.parquet"));
    let csv = fs::read_to_string(folder.join("a.csv")).unwrap();
    let cells =
        |index: usize| csv.lines().skip(1).map(move |line| line.split(',').nth(index).unwrap());
    let numbers =
        |texts: Vec<String>| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<f64>>();
    for (index, name) in [(0, "start"), (1, "end"), (3, "confidence"), (5, "frames")] {
        let expected = numbers(cells(index).map(str::to_owned).collect());
        for (found, expected) in numbers(column(&found, name)).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-3, "{name}: {found} {expected}");
        }
    }
    assert_eq!(column(&found, "label"), cells(2).collect::<Vec<_>>());
    assert_eq!(found.len(), 5);
}

#[test]
fn results_of_another_model_are_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(demo(), folder.join("a.mp4")).unwrap();
    let archive = |options: &[&str]| {
        let fixed = ["archive", "a.mp4", "-o", "out", "--keyframes"];
        run_in(folder, &[&fixed[..], options].concat())
    };
    assert_eq!(archive(&[]).0, Some(0));
    for other in [&["--model", "built-in:nano"][..], &["--threshold", "0.5"], &["--every", "3"]] {
        let (status, stdout, stderr) = archive(other);
        assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
        assert!(stderr.contains("--out out: 1 files have results of another model"), "{stderr}");
        assert!(stderr.contains("out/videos/a.mp4.parquet; name another folder"), "{stderr}");
    }
    let results = folder.join("out/videos/a.mp4.parquet");
    let model = column(&rows(&results), "model");
    assert_eq!(archive(&["--model", "built-in:nano", "--overwrite"]).0, Some(0));
    assert_ne!(column(&rows(&results), "model"), model);
}

#[test]
fn shards_are_the_parts_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("in")).unwrap();
    for number in 0..9 {
        fs::copy(demo(), folder.join(format!("in/{number}.mp4"))).unwrap();
    }
    let mut seen = HashSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("out{}", &shard[..1]);
        let arguments =
            ["archive", "in", "-o", &out, "--keyframes", "--every", "5", "--shard", shard];
        let (status, _, stderr) = run_in(folder, &arguments);
        assert_eq!(status, Some(0), "{stderr}");
        for file in all_files(&folder.join(&out)) {
            assert!(seen.insert(file.file_name().unwrap().to_owned()), "{file:?}");
        }
    }
    assert_eq!(seen.len(), 9);
}

#[test]
fn a_stopped_run_leaves_whole_files_only_and_goes_on() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("in")).unwrap();
    fs::copy(demo(), path("in/1.mp4")).unwrap();
    play(&format!(
        "videotestsrc num-buffers=30000 ! video/x-raw,width=320,height=240,framerate=25/1 ! jpegenc ! \
         matroskamux ! filesink location={}",
        path("in/2.mkv").display()
    ));
    let archive = ["archive", "in", "-o", "out", "--jobs", "1", "--every"];
    for signal in ["-INT", "-KILL"] {
        let mut child = command_in(folder.path())
            .args(archive)
            .arg("0.04")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let is_part = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(".2.mkv.parquet") && name.ends_with(".part")
        };
        while !all_files(&path("out")).iter().any(is_part) {
            assert!(started.elapsed() < Duration::from_secs(60), "{signal}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let kill = [signal, &child.id().to_string()];
        assert!(Command::new("kill").args(kill).status().unwrap().success());
        let status = child.wait().unwrap();
        let visible = path("out/videos/1.mp4.parquet");
        assert!(rows(&visible).len() > 300 && !path("out/videos/2.mkv.parquet").exists());
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130));
            assert_eq!(all_files(&path("out")), [visible]);
        }
    }
    // The short video is not classified again.
    let again = ["archive", "in/1.mp4", "-o", "out", "--every", "0.04"];
    let (status, _, stderr) = run_in(folder.path(), &again);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.contains("0 videos classified") && stderr.contains("1 were finished before"));
}

#[test]
fn a_full_disk_is_one_error() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("disk")).unwrap();
    play(&format!(
        "videotestsrc pattern=snow num-buffers=4000 ! video/x-raw,width=64,height=48,framerate=25/1 ! jpegenc ! \
         matroskamux ! filesink location={}",
        path("a.mkv").display()
    ));
    let script = "mount -t tmpfs -o size=16k none disk || exit 77
        \"$1\" archive a.mkv --out disk; status=$?; ls -A disk/videos; exit $status";
    let test = "a_full_disk_is_one_error";
    let Some((status, stdout, stderr)) = on_small_disk(folder.path(), script, test) else { return };
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.contains("disk/videos/a.mkv.parquet cannot be written: "), "{stderr}");
    assert!(stderr.contains("No space left"), "{stderr}");
}

#[test]
fn a_duration_that_lies_changes_nothing() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    convert(&folder.join("a.mkv"), "vp8enc deadline=1", "matroskamux");
    let honest = fs::read(folder.join("a.mkv")).unwrap();
    // The element Duration of Matroska: its ID, its size (8 bytes), and a number in milliseconds.
    let field = honest.windows(3).position(|window| window == [0x44, 0x89, 0x88]).unwrap() + 3;
    let field = field..field + 8;
    let duration = f64::from_be_bytes(honest[field.clone()].try_into().unwrap());
    assert!((13_000.0..13_100.0).contains(&duration), "{duration}");
    for (name, lie) in [("long.mkv", duration * 1000.0), ("short.mkv", 1.0), ("none.mkv", 0.0)] {
        let mut video = honest.clone();
        video[field.clone()].copy_from_slice(&lie.to_be_bytes());
        fs::write(folder.join(name), &video).unwrap();
        let (status, _, stderr) = run_in(folder, &["archive", name, "-o", "out", "--every", "1"]);
        assert_eq!(status, Some(0), "{stderr}");
        assert_eq!(rows(&folder.join(format!("out/videos/{name}.parquet"))).len(), 14, "{name}");
    }
}

#[test]
fn a_video_that_cannot_have_results_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("in/b.mp4.parquet")).unwrap();
    let long = format!("{}.mp4", "x".repeat(245));
    for name in ["a.mp4", "b.mp4", "b.mp4.parquet/c.mp4", &long] {
        fs::copy(demo(), folder.join("in").join(name)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(folder.join("in/pipe.mp4")).status().unwrap().success());
    fs::create_dir_all(folder.join("out/videos/b.mp4.parquet")).unwrap();
    let archive = ["archive", "in", "-o", "out", "--keyframes", "--every", "5"];
    let (status, _, stderr) = run_in(folder, &archive);
    assert_eq!(status, Some(3), "{stderr}");
    for reason in [
        "b.mp4: there is a folder with the name of the file of its results",
        "pipe.mp4: it is no regular file",
        "its name is too long for the file of its results",
        "2 videos classified",
    ] {
        assert!(stderr.contains(reason), "{reason}: {stderr}");
    }
}

#[test]
fn wrong_arguments_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::copy(demo(), folder.join("a.mp4")).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    for (arguments, message, code) in [
        (&["empty", "-o", "out"][..], "no videos to classify: expected .mp4", 0),
        (&["a.mp4", "-o", "file"], "file/videos/a.mp4.parquet cannot be written", 1),
        (
            &["a.mp4", "-o", "out", "--model", "none.tflite"],
            "model-file 'none.tflite' cannot be read",
            1,
        ),
        (&["a.mp4", "-o", "out", "--model", "a.mp4"], "a.mp4", 1),
        (&["a.mp4", "-o", "out", "--set", "model-file=x"], "name the model with --model", 1),
        (&["a.mp4", "-o", "out", "--set", "active=false"], "--set active: ", 1),
        (&["empty/../a.mp4", "--root", "empty", "-o", "out"], "name it without ..", 1),
        (&["a.mp4", "-o", "out", "--split", "0.5"], "write seconds from 1 to 86400", 2),
        (&["--files-from", "none", "-o", "out"], "list 'none' cannot be read", 1),
        (&["a.mp4"], "--out", 2),
        (&["a.mp4", "-o", "out", "--every", "0"], "write seconds from 0.001", 2),
        (&["a.mp4", "-o", "out", "--range", "5-4"], "write START-END", 2),
        (&["a.mp4", "-o", "out", "--shard", "3/2"], "write I/N", 2),
        (&["a.mp4", "-o", "out", "--cues", "--every", "1"], "cannot be used with", 2),
    ] {
        let (status, stdout, stderr) = run_in(folder, &[&["archive"], arguments].concat());
        assert_eq!((status, &*stdout), (Some(code), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(code == 2 || stderr.lines().count() == 1, "{stderr}");
    }
    assert!(!folder.join("out/videos/a.mp4.parquet").exists());
}
