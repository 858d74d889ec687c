//! `catdog bench`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{catdog, command_in, own_text};

/// A program that answers as the interpreter does: every inference takes 1 ms.
const FAKE_INTERPRETER: &str = r#"#!/bin/sh
echo '{"version": "9.9"}'
read -r header
bytes=$(echo "$header" | sed 's/.*"bytes":\([0-9]*\).*/\1/')
[ "$(head -c "$bytes" | tail -c "+5" | head -c 4)" = TFL3 ] || echo '{"error": "no model"}'
echo '{"ready": true}'
while read -r count; do
  times=1000000
  while [ "$count" -gt 1 ]; do times=$times,1000000 count=$((count - 1)); done
  echo "[$times]"
done
"#;

/// Runs `catdog bench`, for a short time unless `arguments` have another, with `python` as Python. Returns
/// exit code, stdout and stderr.
fn bench(python: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command_in(folder.path());
    command.arg("bench").args(arguments).env("CATDOG_PYTHON", python);
    if !arguments.contains(&"--seconds") {
        command.args(["--seconds", "0.5"]);
    }
    own_text(command.output().unwrap())
}

fn json(python: &Path, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = bench(python, &[&["--json", "--quiet"], arguments].concat());
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the median, and checks it against the range.
fn median(spread: &Value) -> f64 {
    let [median, min, max] = ["median", "min", "max"].map(|field| spread[field].as_f64().unwrap());
    assert!(0.0 < min && min <= median && median <= max, "{spread}");
    assert!(spread["runs"].as_u64().unwrap() >= 5, "{spread}");
    median
}

fn size_and_format(entry: &Value) -> (u64, u64, &str) {
    let side = |name| entry[name].as_u64().unwrap();
    (side("width"), side("height"), entry["format"].as_str().unwrap())
}

#[test]
fn json_has_every_measurement_and_they_are_plausible() {
    // With more runs, the fastest ones are less affected by other tests.
    let report = json(Path::new("/nowhere/python"), &["--seconds", "2"]);
    let mut fields: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let want =
        ["frames", "interpreter", "invoke", "load", "machine", "model", "preprocess", "version"];
    assert_eq!(fields, want);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["model"], "catdog.tflite");
    assert_eq!(report["interpreter"], Value::Null);

    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    assert_eq!(report["machine"]["processors"], processors);
    assert_eq!(report["machine"]["architecture"], std::env::consts::ARCH);

    let load = median(&report["load"]["again_ms"]);
    assert!(report["load"]["first_ms"].as_f64().unwrap() > 0.0);

    let preprocess = report["preprocess"].as_array().unwrap();
    let kinds: Vec<_> = preprocess.iter().map(size_and_format).collect();
    let (small, large) = ((640, 480), (1920, 1080));
    let kind = |(width, height), format| (width, height, format);
    let want = [(small, "RGB"), (small, "I420"), (large, "RGB"), (large, "I420")]
        .map(|(size, format)| kind(size, format));
    assert_eq!(kinds, want);
    // Other tests run meanwhile, so the fastest runs are compared. The large frame has 6.75 times as
    // many pixels.
    let fastest = |index: usize| preprocess[index]["time_ms"]["min"].as_f64().unwrap();
    preprocess.iter().for_each(|entry| assert!(median(&entry["time_ms"]) > 0.0));
    assert!(fastest(0) < fastest(2) && fastest(1) < fastest(3), "{report}");

    let invoke = report["invoke"].as_array().unwrap();
    let threads: Vec<_> = invoke.iter().map(|entry| entry["threads"].as_u64().unwrap()).collect();
    let powers = std::iter::successors(Some(1), |threads| Some(2 * threads));
    let want: Vec<_> = powers.take_while(|count| *count < processors).chain([processors]).collect();
    assert_eq!(threads, want);
    let times: Vec<_> = invoke.iter().map(|entry| median(&entry["time_ms"])).collect();
    assert!(load > times[0], "loading includes an inference: {report}");

    let frames = report["frames"].as_array().unwrap();
    let kinds: Vec<_> = frames.iter().map(size_and_format).collect();
    assert_eq!(kinds, [small, large].map(|size| kind(size, "I420")));
    for entry in frames {
        assert!(entry["threads"].as_u64().unwrap() >= 1);
        assert!(median(&entry["per_second"]) < 1e5, "{report}");
    }
}

#[test]
fn text_is_a_table_with_units() {
    let (code, stdout, stderr) = bench(Path::new("/nowhere/python"), &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines[0], "model    catdog.tflite");
    assert!(lines[1].starts_with("machine  ") && lines[1].contains(" processor"), "{stdout}");
    let head = ["median", "lowest", "highest"];
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), head);
    let rows = [
        ("load to the first result, once", "ms"),
        ("load to the first result, again", "ms"),
        ("preprocess 640x480 RGB", "ms"),
        ("preprocess 640x480 I420", "ms"),
        ("preprocess 1920x1080 RGB", "ms"),
        ("preprocess 1920x1080 I420", "ms"),
        ("inference, 1 thread", "ms"),
        ("pipeline 640x480 I420, ", "frames/s"),
        ("pipeline 1920x1080 I420, ", "frames/s"),
    ];
    for (name, unit) in rows {
        let row = lines.iter().find(|line| line.starts_with(name)).expect(&stdout);
        assert!(row.ends_with(&format!("  {unit}")), "{row}");
        assert_eq!(row.chars().count(), 69 + 2 + unit.len(), "{row}");
    }
    assert!(!stdout.contains("interpreter"), "{stdout}");
    assert!(stderr.contains("measuring the built-in model for about 0.5 s\n"), "{stderr}");
    let notes: Vec<_> = stderr.lines().filter(|line| line.contains("not compared")).collect();
    assert_eq!(
        notes,
        [
            "catdog: not compared with the LiteRT interpreter of Python: /nowhere/python: No such file \
          or directory (os error 2); set CATDOG_PYTHON to a Python with the package ai-edge-litert"
        ]
    );
}

#[test]
fn the_ratio_is_the_time_of_catdog_divided_by_that_of_the_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    write_program(&python, FAKE_INTERPRETER);
    let report = json(&python, &[]);
    let comparison = &report["interpreter"];
    assert_eq!((&comparison["version"], &comparison["threads"]), (&"9.9".into(), &1.into()));
    assert_eq!(median(&comparison["interpreter_ms"]), 1.0);
    let (catdog, ratio) = (median(&comparison["catdog_ms"]), median(&comparison["ratio"]));
    // Medians of all inferences, and of turns.
    assert!(catdog / 2.0 < ratio && ratio < catdog * 2.0, "{comparison}");
}

#[test]
fn an_interpreter_that_fails_is_one_line_and_the_other_results_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    let loads = "#!/bin/sh\necho '{\"version\": \"9\"}'\n";
    for (program, message) in [
        ("#!/bin/sh\nexit 1\n", "set CATDOG_PYTHON to a Python with"),
        ("#!/bin/sh\necho Python\n", "set CATDOG_PYTHON to a Python with"),
        ("#!/bin/sh\necho '{\"error\": \"No module\"}'\n", "python: No module; set CATDOG_PYTHON"),
        (loads, "it cannot load the model"),
        (&format!("{loads}echo '{{\"ready\": true}}'\n"), "it cannot run the model"),
    ] {
        write_program(&python, program);
        let (code, stdout, stderr) = bench(&python, &[]);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("pipeline 640x480"), "{stdout}");
        let notes: Vec<_> = stderr.lines().filter(|line| line.contains("not compared")).collect();
        assert!(notes.len() == 1 && notes[0].contains(message), "{message}: {stderr}");
    }
}

#[test]
fn the_arguments_about_the_model_are_also_valid_properties_of_the_element() {
    let options = ["--labels", "a,b,c", "--input-mean", "127.5", "--input-std", "1,2.5,3"];
    let more = ["--resize-method", "letterbox", "--antialias", "false", "--color-order", "bgr"];
    let report = json(Path::new("/nowhere"), &[&options[..], &more].concat());
    assert_eq!(report["frames"].as_array().unwrap().len(), 2);
}

#[test]
fn a_model_or_a_runtime_that_cannot_be_used_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.tflite");
    fs::write(&broken, "TFL3").unwrap();
    for (model, message) in [
        ("none.tflite", "model-file 'none.tflite' cannot be read"),
        (broken.to_str().unwrap(), "it is not a .tflite file"),
    ] {
        let (code, stdout, stderr) = bench(Path::new("/nowhere"), &[model]);
        assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(message), "{stderr}");
    }
    let output = catdog().arg("bench").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()), "{stderr}");
    assert!(stderr.starts_with("catdog: no usable LiteRT runtime"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let output = catdog().args(["bench", "--seconds", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_interrupted_run_prints_nothing_and_exits_with_130() {
    let folder = tempfile::tempdir().unwrap();
    // Soon after the start, and in the middle of the measurements.
    for wait in [Duration::from_secs(2), Duration::from_secs(5)] {
        let mut command = command_in(folder.path());
        command.args(["bench", "--seconds", "60", "--json"]);
        command.env("CATDOG_PYTHON", "/nowhere").stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        std::thread::sleep(wait);
        let asked = Instant::now();
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let (code, stdout, stderr) = own_text(child.wait_with_output().unwrap());
        assert_eq!((code, &*stdout), (Some(130), ""), "{stderr}");
        assert!(asked.elapsed() < Duration::from_secs(20));
    }
}
