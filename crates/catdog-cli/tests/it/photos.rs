//! `catdog photos` with a model that tells red, blue and neither.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use crate::{catdog_with_runtime, model};

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const BLACK: [u8; 3] = [0, 0, 0];

fn photo(path: &Path, color: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(64, 48, Rgb(color)).save(path).unwrap();
}

/// Returns a folder with photos of each color, and their labels.
fn photos() -> (TempDir, [(&'static str, &'static str); 5]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    photo(&path("in/1.png"), RED);
    photo(&path("in/2.jpg"), BLUE);
    photo(&path("in/a b/3, \"x\"\n$(y).png"), BLACK);
    photo(&path("in/a b/-4.PNG"), RED);
    photo(&path("in/größe.jpeg"), BLUE);
    let labels = [
        ("in/1.png", "red"),
        ("in/2.jpg", "blue"),
        ("in/a b/-4.PNG", "red"),
        ("in/a b/3, \"x\"\n$(y).png", "neither"),
        ("in/größe.jpeg", "blue"),
    ];
    (folder, labels)
}

/// Runs `catdog photos` with the model in `folder`. Returns exit code, stdout and stderr.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let model = model("evidence/places.tflite");
    let output = catdog_with_runtime(folder)
        .current_dir(folder)
        .arg("photos")
        .args(arguments)
        .arg("--model")
        .arg(model.canonicalize().unwrap())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let stderr = text(output.stderr);
    let own = stderr.lines().filter(|line| !line.starts_with("INFO: Created TensorFlow Lite"));
    let own = own.map(|line| format!("{line}\n")).collect();
    (output.status.code(), text(output.stdout), own)
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn labels(rows: &[Value]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row["path"].as_str().unwrap(), row["label"].as_str().unwrap())).collect()
}

#[test]
fn photos_are_classified_in_their_order() {
    let (folder, want) = photos();
    let (status, stdout, stderr) = run(folder.path(), &["in", "--format", "jsonl"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(stderr, "catdog: photos: 2 blue, 1 neither, 2 red\n");
    let rows = rows(&stdout);
    assert_eq!(labels(&rows), want);
    assert_eq!((&rows[0]["box"], &rows[3]["box"]), (&"0,0,1,1".into(), &"".into()));
    assert!(rows[0]["confidence"].as_f64().unwrap() > 0.99);
    assert_eq!(rows[0]["size"], fs::metadata(folder.path().join("in/1.png")).unwrap().len());
    assert_eq!(rows[0]["model"], "places.tflite");

    let one = run(folder.path(), &["in", "--format", "jsonl", "--jobs", "1"]).1;
    assert_eq!(one, stdout);
    let table = run(folder.path(), &["in/1.png", "--quiet"]);
    assert_eq!(table, (Some(0), "red           99 %  in/1.png\n".into(), String::new()));
}

#[test]
fn csv_can_be_read_by_other_programs() {
    let (folder, want) = photos();
    let (status, stdout, _) = run(folder.path(), &["in", "--format", "csv"]);
    assert_eq!(status, Some(0));
    let script =
        "import csv, sys\nfor row in csv.DictReader(sys.stdin): print([row['path'], row['label']])";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), stdout.as_bytes()).unwrap();
    let read = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    let shown = want.map(|(path, label)| format!("[{}, '{label}']\n", python_text(path)));
    assert_eq!(read, shown.concat());
}

fn python_text(text: &str) -> String {
    format!("'{}'", text.replace('\n', "\\n"))
}

#[test]
fn unreadable_photos_are_listed_and_the_others_are_classified() {
    let (folder, _) = photos();
    fs::write(folder.path().join("in/5.jpg"), "text").unwrap();
    let arguments = ["in", "missing.jpg", "--format", "jsonl"];
    let (status, stdout, stderr) = run(folder.path(), &arguments);
    assert_eq!(status, Some(3));
    assert_eq!(rows(&stdout).len(), 5);
    assert!(stderr.contains("image 'in/5.jpg' cannot be decoded"), "{stderr}");
    assert!(stderr.contains("image 'missing.jpg' cannot be read: No such file"), "{stderr}");
    assert!(stderr.ends_with("catdog: 2 photos could not be read\n"), "{stderr}");
}

#[test]
fn a_run_continues_where_the_last_one_stopped() {
    let (folder, want) = photos();
    for file in ["out.jsonl", "out.csv"] {
        let out = folder.path().join(file);
        let (status, stdout, _) = run(folder.path(), &["in/1.png", "in/2.jpg", "--results", file]);
        assert_eq!((status, stdout.as_str()), (Some(0), ""));
        // A killed run leaves the beginning of a row.
        let two = fs::read_to_string(&out).unwrap();
        fs::write(&out, two.clone() + "{\"path\":\"in").unwrap();
        let (status, _, stderr) = run(folder.path(), &["in", "--results", file]);
        assert_eq!(status, Some(0));
        assert!(stderr.contains("1 blue, 1 neither, 1 red; 2 were there already"), "{stderr}");
        let all = fs::read_to_string(&out).unwrap();
        assert!(all.starts_with(&two), "{all}");
        if file == "out.jsonl" {
            let mut rows = rows(&all);
            rows.sort_by_key(|row| row["path"].as_str().unwrap().to_owned());
            assert_eq!(labels(&rows), want);
        }
        let (_, _, stderr) = run(folder.path(), &["in", "--results", file]);
        assert!(stderr.contains("5 were there already"), "{stderr}");
        assert_eq!(fs::read_to_string(&out).unwrap(), all);
    }
}

#[test]
fn a_changed_photo_is_classified_again() {
    let (folder, _) = photos();
    let path = folder.path().join("in/1.png");
    run(folder.path(), &["in", "--results", "out.jsonl"]);
    RgbImage::from_pixel(80, 80, Rgb(BLUE)).save(path).unwrap();
    run(folder.path(), &["in", "--results", "out.jsonl"]);
    let text = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let rows = rows(&text);
    assert_eq!((rows.len(), labels(&rows)[5]), (6, ("in/1.png", "blue")));
}

#[test]
fn photos_are_sorted_into_folders() {
    let (folder, want) = photos();
    let (status, ..) = run(folder.path(), &["in", "--sort-into", "sorted", "--quiet"]);
    assert_eq!(status, Some(0));
    for (path, label) in want {
        let path = folder.path().join(path);
        let copy = folder.path().join("sorted").join(label).join(path.file_name().unwrap());
        assert_eq!(fs::read(copy).unwrap(), fs::read(path).unwrap());
    }
    let linked = run(folder.path(), &["in/1.png", "--sort-into", "linked", "--link"]);
    assert_eq!(linked.0, Some(0));
    assert!(folder.path().join("linked/red/1.png").is_symlink());
}

#[test]
fn a_threshold_that_no_class_reaches_gives_unknown() {
    let folder = tempfile::tempdir().unwrap();
    photo(&folder.path().join("dim.png"), [80, 0, 0]);
    let arguments = ["dim.png", "--quiet", "--threshold", "0.9"];
    let (_, stdout, _) = run(folder.path(), &arguments);
    assert!(stdout.starts_with("unknown "), "{stdout}");
}

#[test]
fn paths_come_from_a_list() {
    let (folder, _) = photos();
    fs::write(folder.path().join("list"), "in/2.jpg\nin/1.png\n").unwrap();
    let (status, stdout, _) = run(folder.path(), &["--files-from", "list", "--format", "jsonl"]);
    assert_eq!(status, Some(0));
    assert_eq!(labels(&rows(&stdout)), [("in/2.jpg", "blue"), ("in/1.png", "red")]);
}

#[test]
fn wrong_usage_is_one_message() {
    let (folder, _) = photos();
    for (arguments, message, code) in [
        (&["in", "--threshold", "2"][..], "write a number from 0 to 1", 2),
        (&[], "required", 2),
        (&["in", "--jobs", "0"], "0 is not in 1..=256", 2),
        (&["in", "--results", "out.txt"], "use a name that ends in .csv or .jsonl", 1),
        (
            &["in", "--results", "none/out.csv"],
            "--results none/out.csv: there is no folder none; make it with mkdir -p none",
            1,
        ),
        (&["--files-from", "none"], "list 'none' cannot be read", 1),
        (&["in", "--sort-into", "in/1.png"], "cannot be put into", 1),
    ] {
        let (status, _, stderr) = run(folder.path(), arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    fs::write(folder.path().join("other.csv"), "name,age\nx,1\n").unwrap();
    let (status, _, stderr) = run(folder.path(), &["in", "--results", "other.csv"]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("the file was not written by this command"), "{stderr}");
    assert_eq!(fs::read_to_string(folder.path().join("other.csv")).unwrap(), "name,age\nx,1\n");
}

#[test]
fn results_that_cannot_be_written_are_an_error_and_a_closed_pipe_is_none() {
    let (folder, _) = photos();
    for (redirection, code) in [("> /dev/full", 1), ("| true", 0)] {
        let catdog = assert_cmd::cargo::cargo_bin!("catdog");
        let script = format!(
            "\"$0\" photos in in in in --model \"$1\" --format csv {redirection}; exit ${{PIPESTATUS[0]}}"
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .args([catdog, &model("evidence/places.tflite").canonicalize().unwrap()])
            .env("CATDOG_LITERT_LIBRARY", catdog_core::testing::runtime())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{redirection}: {stderr}");
        assert_eq!(
            stderr.contains("stdout cannot be written: No space left"),
            code == 1,
            "{stderr}"
        );
    }
}

#[test]
fn an_interrupted_run_keeps_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("large.png");
    RgbImage::from_fn(1500, 1500, |x, y| Rgb([(x * y) as u8, x as u8, y as u8]))
        .save(&original)
        .unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    const COUNT: usize = 200;
    for number in 0..COUNT {
        fs::hard_link(&original, folder.path().join(format!("in/{number:03}.png"))).unwrap();
    }
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("catdog"));
    command
        .args(["photos", "in", "--results", "out.jsonl", "--model"])
        .arg(model("evidence/places.tflite").canonicalize().unwrap())
        .env("CATDOG_LITERT_LIBRARY", catdog_core::testing::runtime())
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .process_group(0);
    let started = Instant::now();
    let child = command.spawn().unwrap();
    let out = folder.path().join("out.jsonl");
    while !out.exists() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("interrupted; the same command continues"), "{stderr}");
    let done = rows(&fs::read_to_string(&out).unwrap()).len();
    assert!(done < COUNT, "{done}");
    let (status, _, _) = run(folder.path(), &["in", "--results", "out.jsonl"]);
    assert_eq!(status, Some(0));
    assert_eq!(rows(&fs::read_to_string(&out).unwrap()).len(), COUNT);
}
