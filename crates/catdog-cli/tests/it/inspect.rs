//! Tests of `catdog inspect`: its text, its JSON and its errors.

use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};

use crate::{model, run};

/// Returns the text that `catdog inspect` prints for a test model, with `options`.
fn text(name: &str, options: &[&str]) -> String {
    let path = model(name);
    let arguments = [&["inspect", path.to_str().unwrap()], options].concat();
    let (code, stdout, stderr) = run(&arguments);
    assert_eq!((code, &*stderr), (Some(0), ""));
    stdout
}

fn json(name: &str, options: &[&str]) -> Value {
    let stdout = text(name, &[&["--json"], options].concat());
    assert_eq!(stdout.lines().count(), 1);
    serde_json::from_str(&stdout).unwrap()
}

/// Returns the value of the line `key` of `text`.
fn line<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no line {key}: {text}")).trim()
}

#[test]
fn text_names_every_fact_of_a_quantized_model() {
    let text = text("dynamic_batch.tflite", &[]);
    let path = model("dynamic_batch.tflite");
    assert_eq!(line(&text, "model"), path.to_str().unwrap());
    assert_eq!(line(&text, "name"), "dynamic_batch.tflite");
    assert_eq!(line(&text, "size"), "2880 bytes");
    assert_eq!(line(&text, "signature"), "serving_default");
    assert_eq!(line(&text, "input "), "'image', uint8 [1, 8, 8, 3], not quantized");
    assert_eq!(line(&text, "batch size"), "dynamic, set to 1");
    assert_eq!(line(&text, "output"), "'output_0', float32 [1, 1], not quantized");
    assert_eq!(line(&text, "activation"), "none at the end of the graph; catdog applies sigmoid");
    assert_eq!(line(&text, "labels"), "0, 1 (numbers, because no source has names)");
    assert_eq!(
        line(&text, "input range"),
        "pixel values 0..255 become 0..255 (default, because the model does not define it)"
    );
    assert_eq!(line(&text, "optimization"), "nothing to do");
    assert!(line(&text, "warning").contains("2 classes without names"), "{text}");
}

#[test]
fn labels_inside_a_model_may_have_indices_or_be_a_dictionary() {
    for name in ["indexed", "dictionary"].map(|form| format!("metadata_labels_{form}.tflite")) {
        let report = json(&name, &[]);
        assert_eq!(report["labels"]["names"], json!(["heron", "otter", "newt"]), "{name}");
        assert_eq!(report["labels"]["source"], "metadata", "{name}");
        assert_eq!(report["warnings"], json!([]), "{name}");
    }
    // An archive without metadata.
    let report = json("undescribed_labels.tflite", &[]);
    assert_eq!(report["labels"]["names"], json!(["heron", "otter", "newt"]));
}

#[test]
fn a_file_name_may_name_cat_and_dog() {
    let report = json("cat_dog.tflite", &[]);
    assert_eq!(report["labels"], json!({ "names": ["cat", "dog"], "source": "file-name" }));
    assert_eq!(report["warnings"], json!([]));
}

#[test]
fn a_foreign_labels_file_next_to_the_model_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("m.tflite");
    fs::copy(model("float_softmax.tflite"), &copy).unwrap();
    fs::write(folder.path().join("labels.txt"), "a\nb\n").unwrap();
    let (code, stdout, _) = run(&["inspect", "--json", copy.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["labels"]["source"]), (Some(0), &json!("numbers")));
    assert!(stdout.contains("found next to the model is not used"), "{stdout}");
    // A user who names the file wants its names.
    let labels = folder.path().join("labels.txt");
    let arguments = ["inspect", copy.to_str().unwrap(), "--labels-file", labels.to_str().unwrap()];
    assert_eq!(run(&arguments).0, Some(1));
}

#[test]
fn json_is_one_object_with_the_same_facts() {
    let got = json("int8_quant.tflite", &["--labels", "a,b,c,d,e"]);
    let want = json!({
        "name": "int8_quant.tflite",
        "path": model("int8_quant.tflite"),
        "size": 2432,
        "signature": null,
        "input": {
            "name": "image", "shape": [1, 8, 8, 3], "type": "int8",
            "quantization": { "scale": 0.0078125, "zero_point": 0 }
        },
        "dynamic_batch": false,
        "output": {
            "name": "probabilities", "shape": [1, 5], "type": "int8",
            "quantization": { "scale": 0.00390625, "zero_point": -128 }
        },
        "activation": { "graph": "softmax", "applied": "none" },
        "labels": { "names": ["a", "b", "c", "d", "e"], "source": "labels" },
        "input_range": {
            "black": [-128.0, -128.0, -128.0], "white": [127.0, 127.0, 127.0], "source": "default"
        },
        "optimization": { "converted_weights": 0 },
        "warnings": []
    });
    assert_eq!(got, want);
}

#[test]
fn every_test_model_is_inspected() {
    let mut count = 0;
    for entry in fs::read_dir(model("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".tflite") {
            assert_eq!(json(&name, &[])["name"], name);
            count += 1;
        }
    }
    assert!(count >= 15);
}

#[test]
fn the_built_in_model_needs_no_file() {
    let (code, stdout, _) = run(&["inspect", "built-in", "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(report["path"], Value::Null);
    assert_eq!(report["labels"]["names"], json!(["cat", "dog", "neither"]));
    assert_eq!(report["labels"]["source"], "metadata");
    assert_eq!(report["warnings"], json!([]));
}

#[test]
fn labels_are_reported_with_their_source() {
    let metadata = json("metadata_labels.tflite", &[]);
    assert_eq!(metadata["labels"]["names"], json!(["heron", "otter", "newt"]));
    assert_eq!(metadata["labels"]["source"], "metadata");
    assert_eq!(metadata["input_range"]["source"], "metadata");
    assert_eq!(metadata["input_range"]["black"], json!([-1.0, -1.0, -1.0]));

    let folder = tempfile::tempdir().unwrap();
    let (copy, labels) = (folder.path().join("m.tflite"), folder.path().join("labels.txt"));
    fs::copy(model("float_softmax.tflite"), &copy).unwrap();
    let scores = json("float_softmax.tflite", &[])["output"]["shape"][1].as_u64().unwrap();
    let names: Vec<String> = (0..scores).map(|index| format!("class {index}")).collect();
    fs::write(&labels, names.join("\n")).unwrap();
    let source = |arguments: &[&str]| {
        let (_, stdout, stderr) = run(&[&["inspect", "--json"], arguments].concat());
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
        assert_eq!(report["labels"]["names"], json!(names));
        report["labels"]["source"].clone()
    };
    let (copy, labels) = (copy.to_str().unwrap(), labels.to_str().unwrap());
    assert_eq!(source(&[copy]), "labels.txt");
    assert_eq!(source(&[copy, "--labels-file", labels]), "labels-file");
    assert_eq!(source(&[copy, "--labels", &names.join(",")]), "labels");

    let numbers = text("large_1001.tflite", &[]);
    assert!(
        line(&numbers, "labels")
            .ends_with("9, ... (1001 in total; numbers, because no source has names)")
    );
    assert!(line(&numbers, "warning").contains("1001 classes without names"));
}

#[test]
fn a_modelinfo_file_defines_the_input_range() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("m.tflite");
    fs::copy(model("float_softmax.tflite"), &copy).unwrap();
    let modelinfo =
        "[modelinfo]\nversion=1.0\n\n[image]\ndir=input\nranges=0.0,1.0;0.0,1.0;-1.0,1.0\n";
    fs::write(folder.path().join("m.tflite.modelinfo"), modelinfo).unwrap();
    let (_, stdout, _) = run(&["inspect", copy.to_str().unwrap()]);
    assert_eq!(
        line(&stdout, "input range"),
        "pixel values 0..255 become 0..1 (red), 0..1 (green), -1..1 (blue) (from the .modelinfo file next to the \
         model)"
    );
}

#[test]
fn optimization_is_reported() {
    let hybrid = json("hybrid_dynamic_range.tflite", &[]);
    assert_eq!(hybrid["optimization"]["converted_weights"], 1);
    assert!(hybrid["warnings"].to_string().contains("input-mean"));
    assert!(
        line(&text("hybrid_dynamic_range.tflite", &[]), "optimization").starts_with("converts 1")
    );
}

#[test]
fn an_unusable_model_is_one_line_on_stderr_and_exits_with_1() {
    let missing = "cannot be read";
    for (name, reason) in [
        ("absent.tflite", missing),
        ("bad", missing),
        ("bad/empty.tflite", "the file is empty"),
        ("bad/text.tflite", "it is not a .tflite file"),
        ("bad/llm_bundle.litertlm", "a LiteRT-LM bundle"),
        ("bad/truncated.tflite", "damaged"),
        ("bad/four_outputs_detection.tflite", "4 outputs"),
        ("bad/five_channels.tflite", "channels"),
    ] {
        let path = model(name);
        let (code, stdout, stderr) = run(&["inspect", path.to_str().unwrap(), "--json"]);
        assert_eq!((code, &*stdout), (Some(1), ""), "{name}");
        assert!(
            stderr.starts_with(&format!("catdog: model-file '{}'", path.display())),
            "{stderr}"
        );
        assert!(stderr.contains(reason) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn unusable_labels_are_one_line_on_stderr_and_exit_with_1() {
    let path = model("float_softmax.tflite");
    let path = path.to_str().unwrap();
    for options in [["--labels", "only one"], ["--labels-file", "/nowhere/labels.txt"]] {
        let (code, stdout, stderr) = run(&[&["inspect", path], &options[..]].concat());
        assert_eq!((code, &*stdout), (Some(1), ""));
        assert!(stderr.starts_with("catdog: ") && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn control_characters_of_a_file_name_do_not_reach_the_terminal() {
    let (code, _, stderr) = run(&["inspect", "no\u{1b}[2J\nfile.tflite"]);
    assert_eq!(code, Some(1));
    assert!(!stderr.contains('\u{1b}') && stderr.lines().count() == 1, "{stderr:?}");
}

/// Runs `catdog inspect built-in` with `stdout` and returns exit code and stderr.
fn inspect_into(stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(cargo_bin!("catdog"));
    let output = command.args(["inspect", "built-in"]).stdout(stdout).stderr(Stdio::piped());
    let output = output.spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    assert_eq!(inspect_into(writer), (Some(0), String::new()));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (code, stderr) = inspect_into(full);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("catdog: stdout cannot be written"), "{stderr}");
}
