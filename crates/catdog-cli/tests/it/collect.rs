//! `catdog collect`, on the demo clip and the test picture, with the built-in model.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{command_in, demo, run_in};

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    run_in(folder, &[&["collect", "--dir", "photos"], arguments].concat())
}

/// Returns the photos below `folder`, by the path of their folder.
fn photos(folder: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found = BTreeMap::<String, Vec<PathBuf>>::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().unwrap_or_default() == "jpg" {
                let parent = path.parent().unwrap().strip_prefix(folder).unwrap();
                found.entry(parent.display().to_string()).or_default().push(path);
            } else {
                // Nothing incomplete is left.
                assert_eq!(path, folder.join("collected.jsonl"));
            }
        }
    }
    found
}

/// Returns the classes that models/train reads in `folder`: the folders that are not hidden, without
/// `backbone` and `to-sort` (`classes_in` in python/catdog_train/dataset.py). A folder inside a class
/// folder would be refused.
fn trained_classes(folder: &Path) -> Vec<String> {
    let entries = |folder: &Path| {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let mut classes = Vec::new();
    for path in entries(folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with('.') && name != "backbone" && name != "to-sort" {
            assert!(entries(&path).is_empty(), "{name}");
            classes.push(name);
        }
    }
    classes.sort_unstable();
    classes
}

/// Returns the lines of the list.
fn list(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("collected.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns a field of all lines.
fn field<'a>(lines: &'a [Value], name: &str) -> Vec<&'a str> {
    lines.iter().map(|line| line[name].as_str().unwrap()).collect()
}

#[test]
fn frames_at_which_the_label_changes_are_to_be_sorted() {
    let folder = tempfile::tempdir().unwrap();
    let photos_folder = folder.path().join("photos");
    let (status, stdout, stderr) = run(folder.path(), &[demo().to_str().unwrap()]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.ends_with("catdog: saved 4 photos in photos\n"), "{stderr}");

    let lines = list(&photos_folder);
    let changes: Vec<_> = lines.iter().filter(|line| line["reason"] == "change").collect();
    let labels: Vec<_> = changes.iter().map(|line| line["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["cat", "neither", "dog", "neither"]);
    let position = changes[0]["position"].as_f64().unwrap();
    assert!((3.0..4.0).contains(&position), "{position}");
    assert!(field(&lines, "model").iter().all(|model| *model == "catdog.tflite"));
    assert!(lines.iter().all(|line| line["fresh"] == true && line["labels"][0] == line["label"]));
    // 2026-11-27T10:42:00.123+01:00
    assert!(field(&lines, "time").iter().all(|time| time.len() == 29 && &time[10..11] == "T"));

    // A line of stdout for each photo, and nothing else.
    let paths = field(&lines, "path");
    for (line, (path, entry)) in stdout.lines().zip(paths.iter().zip(&lines)) {
        let name = path.rsplit('/').next().unwrap();
        let class = entry["label"].as_str().unwrap();
        assert_eq!(*path, format!("to-sort/{class}/{name}"));
        assert!(line.starts_with(&format!("saved photos/{path} ({class} 9")), "{line}");
        // 20261127-104200.123-cat-0.62.jpg
        let (time, rest) = name.split_at(19);
        let digits = |text: &str| text.chars().all(|char| char.is_ascii_digit());
        assert!(digits(&time[..8]) && digits(&time[9..15]) && digits(&time[16..]), "{name}");
        assert!(rest.starts_with(&format!("-{class}-0.9")) && rest.ends_with(".jpg"), "{name}");
    }
    assert_eq!(stdout.lines().count(), lines.len());
    assert!(paths.iter().map(|path| path.rsplit('/').next()).is_sorted());

    for path in photos(&photos_folder).into_values().flatten() {
        let photo = image::open(&path).unwrap().into_rgb8();
        assert_eq!(photo.dimensions(), (640, 480));
    }
    assert_eq!(trained_classes(&photos_folder), [""; 0]);
}

#[test]
fn a_photo_has_the_colors_of_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (status, _, stderr) =
        run(folder.path(), &["test", "--as", "bars", "--every", "9", "--limit", "1"]);
    assert_eq!(status, Some(0), "{stderr}");
    let found = photos(&folder.path().join("photos"));
    let photo = image::open(&found["bars"][0]).unwrap().into_rgb8();
    // The color bars of SMPTE begin with white and yellow, and end with blue.
    for (x, y, expected) in
        [(30, 20, [255, 255, 255]), (140, 300, [255, 255, 0]), (600, 20, [0, 0, 255])]
    {
        let difference = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let found = photo.get_pixel(x, y).0;
        let most = found.iter().zip(&expected).map(difference).max().unwrap();
        assert!(most < 24, "{x},{y}: {found:?}");
    }
}

#[test]
fn an_interval_and_a_class_make_examples() {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, stderr) = run(
        folder.path(),
        &[
            "test",
            "--as",
            "mug",
            "--every",
            "0.2",
            "--seconds",
            "2",
            "--size",
            "320x240",
            "--quiet",
        ],
    );
    assert_eq!((status, &*stderr), (Some(0), ""));
    let folder = folder.path().join("photos");
    let found = photos(&folder);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["mug"]);
    assert!((6..=11).contains(&found["mug"].len()), "{stdout}");
    assert_eq!(stdout.lines().count(), found["mug"].len());
    assert_eq!(image::image_dimensions(&found["mug"][0]).unwrap(), (320, 240));
    assert!(field(&list(&folder), "reason").iter().all(|reason| *reason == "interval"));
    assert_eq!(trained_classes(&folder), ["mug"]);
}

#[test]
fn a_frame_of_the_interval_goes_to_its_class_and_a_doubtful_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let demo = demo();
    let demo = demo.to_str().unwrap();
    let (status, _, stderr) = run(folder.path(), &[demo, "--every", "0.5", "--quiet"]);
    assert_eq!((status, &*stderr), (Some(0), ""));
    let photos_folder = folder.path().join("photos");
    assert_eq!(trained_classes(&photos_folder), ["cat", "dog", "neither"]);
    let found = photos(&photos_folder);
    assert!(found["cat"].len() > 4 && found["dog"].len() > 4 && found["neither"].len() > 4);

    // Every frame is doubtful.
    let (status, stdout, _) = run_in(
        folder.path(),
        &["collect", demo, "--dir", "b", "--below", "1", "--min-gap", "3", "--every", "6"],
    );
    assert_eq!(status, Some(0));
    assert_eq!(trained_classes(&folder.path().join("b")), [""; 0]);
    let lines = list(&folder.path().join("b"));
    let reasons = field(&lines, "reason");
    assert!(reasons.contains(&"doubtful") && reasons.contains(&"interval"), "{stdout}");
    let doubtful: Vec<_> = lines.iter().filter(|line| line["reason"] == "doubtful").collect();
    let positions: Vec<_> =
        doubtful.iter().map(|line| line["position"].as_f64().unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[1] - pair[0] >= 3.0), "{positions:?}");
}

#[test]
fn the_limit_ends_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let (status, stdout, stderr) = run(folder.path(), &["test", "--every", "0.1", "--limit", "3"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(stdout.lines().count(), 3);
    assert!(stderr.ends_with("catdog: saved 3 photos in photos\n"), "{stderr}");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn two_programs_collect_into_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let start = |_| {
        command_in(folder.path())
            .args(["collect", "test", "--dir", "photos", "--as", "a", "--every", "0.04"])
            .args(["--limit", "20", "--quiet"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = (0..2).map(start).collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let folder = folder.path().join("photos");
    assert_eq!(photos(&folder)["a"].len(), 40);
    let lines = list(&folder);
    let paths: HashSet<_> = field(&lines, "path").into_iter().collect();
    assert_eq!(paths.len(), 40);
    assert!(paths.iter().all(|path| folder.join(path).is_file()));
}

#[test]
fn what_cannot_be_used_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "text").unwrap();
    for (arguments, message, code) in [
        (&["test", "--dir", "file/photos"][..], "--dir file/photos: Not a directory", 1),
        (&["test", "--dir", "/proc/none"], "--dir /proc/none: No such file or directory", 1),
        (&["test", "--dir", "a", "--model", "file"], "model-file 'file': it is not a .tflite", 1),
        (&["none.mp4", "--dir", "b"], "INPUT none.mp4: there is no such file", 1),
        (&["test"], "--dir <DIR>", 2),
        (&["test", "--dir", "b", "--as", "a/b"], "write a name that a folder can have", 2),
        (&["test", "--dir", "b", "--as", "to-sort"], "does not read a folder to-sort", 2),
        (&["test", "--dir", "b", "--every", "0"], "write a number above 0", 2),
        (&["test", "--dir", "b", "--limit", "0"], "0 is not in 1..", 2),
    ] {
        let arguments = [&["collect", "--quiet"], arguments].concat();
        let (status, stdout, stderr) = run_in(folder.path(), &arguments);
        assert_eq!((status, &*stdout), (Some(code), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(code == 2 || stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
    assert!(!folder.path().join("b").exists());
    // The folder is there, but a photo cannot be written.
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(folder.path().join("photos/mug"), "").unwrap();
    let (status, stdout, stderr) =
        run(folder.path(), &["test", "--as", "mug", "--every", "1", "--quiet"]);
    assert_eq!((status, &*stdout), (Some(1), ""));
    assert_eq!(stderr, "catdog: photos/mug cannot be written: File exists (os error 17)\n");
}

#[test]
fn keys_save_the_frame_and_the_terminal_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("photos/mug")).unwrap();
    // `script` runs the shell on a terminal of its own.
    let catdog = assert_cmd::cargo::cargo_bin!("catdog").display().to_string();
    // Ctrl-C reaches the shell, too.
    let line =
        format!("trap : INT; stty -a; '{catdog}' collect test --dir photos; echo code $?; stty -a");
    let mut command = Command::new("script");
    let environment = command_in(folder.path());
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(folder.path())
        .envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("GST_PLUGIN_PATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut script = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let count = || match folder.path().join("photos/collected.jsonl").exists() {
        true => list(&folder.path().join("photos")).len(),
        false => 0,
    };
    // The program takes keys when the line about them is printed.
    let mut screen = String::new();
    let mut bytes = [0; 1024];
    while !screen.contains("space to-sort") {
        let length = stdout.read(&mut bytes).unwrap();
        assert_ne!(length, 0, "{screen}");
        screen.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    assert!(screen.contains("keys: 1 cat, 2 dog, 3 neither, 4 mug, space to-sort"), "{screen}");
    for (number, key) in ["2", "x4", "9 ", "\u{3}"].into_iter().enumerate() {
        stdin.write_all(key.as_bytes()).unwrap();
        let started = Instant::now();
        while count() <= number && key != "\u{3}" && started.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    stdout.read_to_string(&mut screen).unwrap();
    assert!(script.wait().unwrap().success(), "{screen}");
    assert!(screen.contains("code 0"), "{screen}");
    // Before and after: line mode with echo.
    for setting in [" icanon", " echo "] {
        assert_eq!(screen.matches(setting).count(), 2, "{screen}");
    }
    let lines = list(&folder.path().join("photos"));
    let folders: Vec<_> = field(&lines, "path").iter().map(|path| path[..3].to_owned()).collect();
    assert_eq!(folders, ["dog", "mug", "to-"], "{screen}");
    assert!(field(&lines, "reason").iter().all(|reason| *reason == "key"));
}

#[test]
fn the_printed_pipeline_classifies_the_same_frames() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(demo(), folder.path().join("a b.mp4")).unwrap();
    let (status, line, stderr) = run(
        folder.path(),
        &["a b.mp4", "--set", "hold=200", "--set", "smoothing=100", "--print-pipeline"],
    );
    assert_eq!((status, &*stderr), (Some(0), ""));
    let filter = "catdogfilter hold=200 smoothing=100 mode=sync";
    assert!(line.contains(&format!("{filter} ! appsink name=photos ")), "{line}");
    assert!(!folder.path().join("photos").exists());
    // Without the plugin, everything but catdogfilter is tested.
    let without = line.replace(filter, "identity");
    let output =
        Command::new("sh").args(["-c", &without]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
