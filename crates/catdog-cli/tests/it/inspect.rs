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

/// Returns the value of the first line `key` of `text`, with its continuation.
fn line(text: &str, key: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("{key} ")));
    let first = lines.next().unwrap_or_else(|| panic!("no line {key}: {text}"));
    let mut value = first[key.len()..].trim().to_owned();
    for line in lines.take_while(|line| line.starts_with("              ")) {
        value += " ";
        value += line.trim();
    }
    value
}

#[test]
fn text_names_every_fact_of_a_quantized_model() {
    let text = text("dynamic_batch.tflite", &[]);
    let path = model("dynamic_batch.tflite");
    assert_eq!(line(&text, "model"), path.to_str().unwrap());
    assert_eq!(line(&text, "name"), "dynamic_batch.tflite");
    assert_eq!(line(&text, "size"), "2,880 bytes");
    assert_eq!(line(&text, "usable"), "yes");
    assert_eq!(
        line(&text, "signature"),
        "'serving_default' runs, because it is the forward pass of models from Keras and SavedModel"
    );
    assert_eq!(line(&text, "input"), "'image', uint8 [-1, 8, 8, 3], not quantized");
    assert_eq!(line(&text, "output"), "'output_0', float32 [-1, 1], not quantized");
    assert_eq!(line(&text, "layout"), "8 x 8, rgb; open dimensions of the file are set to this");
    assert!(line(&text, "operators").contains("1 CONV_2D"), "{text}");
    assert!(line(&text, "weights").contains("float32"), "{text}");
    assert_eq!(
        line(&text, "activation"),
        "sigmoid (the graph ends without an activation, and it has one score)"
    );
    assert_eq!(line(&text, "labels"), "0, 1 (numbers, because no source has names)");
    assert_eq!(
        line(&text, "input range"),
        "pixel values 0..255 become 0..255 (as stored, because the input has 8-bit elements)"
    );
    assert_eq!(line(&text, "optimization"), "nothing to do");
    assert!(line(&text, "warning").contains("2 classes without names"), "{text}");
    assert!(line(&text, "runtime").starts_with("not used, so the input range is not tried out"));
}

#[test]
fn the_output_that_tells_where_the_class_is_is_named() {
    let text = text("evidence/places.tflite", &[]);
    assert_eq!(
        line(&text, "box"),
        "from output 1, 'evidence': it tells at 4 x 4 places where the accepted class is"
    );
    let report = json("evidence/places.tflite", &[]);
    assert_eq!(report["evidence"], json!({ "index": 1, "rows": 4, "columns": 4 }));
    assert_eq!(json("float_softmax.tflite", &[])["evidence"], Value::Null);
}

#[test]
fn text_has_at_most_100_columns_and_keys_of_one_width() {
    for name in ["hybrid_dynamic_range.tflite", "large_1001.tflite", "signature_two.tflite"] {
        let text = text(name, &[]);
        for line in text.lines().filter(|line| !line.contains(".tflite")) {
            assert!(line.chars().count() <= 100, "{line}");
            assert!(line.chars().nth(13) == Some(' '), "{line}");
        }
    }
}

#[test]
fn the_example_of_the_guide_is_what_the_command_prints() {
    let root = model("../..");
    let page = fs::read_to_string(root.join("docs/guide/inspect.md")).unwrap();
    let (_, block) = page.split_once("```text\n$ catdog ").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (command, want) = block.split_once('\n').unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut catdog = crate::catdog_with_runtime(cache.path());
    let output = catdog.current_dir(root).args(command.split(' ')).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want);
}

#[test]
fn json_is_one_object_with_the_same_facts() {
    let got = json("int8_quant.tflite", &["--labels", "a,b,c,d,e"]);
    let image = json!({
        "name": "image", "shape": [1, 8, 8, 3], "type": "int8",
        "quantization": { "scale": 0.0078125, "zero_point": 0 }
    });
    let probabilities = json!({
        "name": "probabilities", "shape": [1, 5], "type": "int8",
        "quantization": { "scale": 0.00390625, "zero_point": -128 }
    });
    let operators = ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN", "SOFTMAX"];
    // conv 4x3x3x3, depthwise 1x3x3x4 and dense 5x4 in int8; their biases and the two axes of the
    // mean in int32.
    let (int8, int32) = (108 + 36 + 20, 4 + 4 + 5 + 2);
    let want = json!({
        "name": "int8_quant.tflite",
        "path": model("int8_quant.tflite"),
        "size": 2432,
        "usable": true,
        "error": null,
        "signature": null,
        "signatures": [],
        "subgraphs": 1,
        "inputs": [image],
        "outputs": [probabilities],
        "operators": operators.map(|name| json!({ "name": name, "count": 1 })),
        "xnnpack": {
            "operators": 5, "accelerated": 4, "partitions": 2, "accelerated_partitions": 1,
            "source": "estimate",
            "refused": [{
                "name": "SOFTMAX", "count": 1,
                "reason": "XNNPACK does not have it for these element types"
            }]
        },
        "weights": {
            "bytes": int8 + 4 * int32, "parameters": int8 + int32,
            "types": [
                { "type": "int8", "tensors": 3, "parameters": int8, "bytes": int8 },
                { "type": "int32", "tensors": 4, "parameters": int32, "bytes": 4 * int32 }
            ]
        },
        "input": image,
        "layout": {
            "width": 8, "height": 8, "channels": "rgb", "channel_order": "last", "batch": 1,
            "open": false
        },
        "output": probabilities,
        "output_index": 0,
        "evidence": null,
        "activation": {
            "graph": "softmax", "applied": "none", "reason": "the graph contains the activation",
            "multi_label": false
        },
        "labels": {
            "names": ["a", "b", "c", "d", "e"], "source": "labels", "reason": "from labels"
        },
        "input_range": {
            "black": [-128.0, -128.0, -128.0], "white": [127.0, 127.0, 127.0],
            "source": "element-type",
            "reason": "as stored, because the input has 8-bit elements"
        },
        "optimization": { "converted_weights": 0, "partitions": null },
        "runtime_error": got["runtime_error"],
        "warnings": [],
        "pictures": [],
        "comparison": null
    });
    assert_eq!(got, want);
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
    assert_eq!(report["labels"]["names"], json!(["cat", "dog"]));
    assert_eq!(report["labels"]["source"], "file-name");
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
fn the_layout_of_other_inputs_is_reported() {
    let layout = |name: &str| line(&text(&format!("color/{name}.tflite"), &[]), "layout");
    assert_eq!(layout("nchw"), "8 x 8, rgb, channels first (NCHW)");
    assert_eq!(layout("caffe_bgr"), "8 x 8, bgr");
    let chosen = text("color/caffe_bgr.tflite", &["--color-order", "rgb"]);
    assert_eq!(line(&chosen, "layout"), "8 x 8, rgb");
    assert_eq!(layout("gray"), "8 x 8, gray");
    assert_eq!(layout("batch_4"), "8 x 8, rgb, the first of a batch of 4");
    let open = text("color/open_size.tflite", &["--input-size", "32x16"]);
    assert!(line(&open, "layout").starts_with("32 x 16, rgb; open dimensions"), "{open}");
    let report = json("color/two_outputs.tflite", &["--output", "scores"]);
    assert_eq!((&report["output"]["name"], &report["output_index"]), (&json!("scores"), &json!(1)));
}

#[test]
fn all_signatures_are_listed_with_the_one_that_runs() {
    let signatures = json("signature_two.tflite", &[])["signatures"].clone();
    let runs =
        signatures.as_array().unwrap().iter().map(|s| (s["key"].as_str(), s["runs"].as_bool()));
    let runs: Vec<_> = runs.collect();
    assert_eq!(runs.len(), 2);
    assert!(runs.contains(&(Some("serving_default"), Some(true))), "{runs:?}");
    assert!(text("signature_two.tflite", &[]).contains("is ignored, because one signature runs"));
}

#[test]
fn options_with_the_names_of_properties_change_the_interpretation() {
    let options = ["--input-mean", "0", "--input-std", "255", "--output-activation", "none"];
    let report = json("float_logits.tflite", &options);
    assert_eq!(report["input_range"]["white"], json!([1.0, 1.0, 1.0]));
    assert_eq!(report["input_range"]["source"], "properties");
    assert_eq!(report["activation"]["applied"], "none");
    assert_eq!(report["activation"]["reason"], "from output-activation");
    let report = json("float_logits.tflite", &["--input-mean", "-1,0,1", "--input-std", "2,1,1"]);
    assert_eq!(report["input_range"]["black"], json!([0.5, 0.0, -1.0]));
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
        "pixel values 0..255 become 0..1, 0..1 and -1..1 in the three channels (from the .modelinfo \
         file next to the model)"
    );
}

#[test]
fn optimization_is_reported() {
    let hybrid = json("hybrid_dynamic_range.tflite", &[]);
    assert_eq!(hybrid["optimization"]["converted_weights"], 1);
    assert!(hybrid["warnings"][0].as_str().unwrap().contains("input-mean"));
    assert_eq!(hybrid["optimization"]["partitions"], 1);
    assert_eq!(hybrid["xnnpack"]["refused"][0]["name"], "DEPTHWISE_CONV_2D");
    assert!(
        line(&text("hybrid_dynamic_range.tflite", &[]), "optimization").starts_with("converts 1")
    );
}

#[test]
fn an_unreadable_model_is_one_line_on_stderr_and_exits_with_1() {
    for name in ["absent.tflite", "bad"] {
        let path = model(name);
        let (code, stdout, stderr) = run(&["inspect", path.to_str().unwrap(), "--json"]);
        assert_eq!((code, &*stdout), (Some(1), ""), "{name}");
        assert!(stderr.contains("cannot be read") && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn a_refused_model_exits_with_1_and_the_facts_of_its_file_are_printed() {
    for (name, reason) in [
        ("bad/empty.tflite", "the file is empty"),
        ("bad/text.tflite", "it is not a .tflite file"),
        ("bad/llm_bundle.litertlm", "a LiteRT-LM bundle"),
        ("bad/truncated.tflite", "damaged"),
        ("bad/four_outputs_detection.tflite", "an output for boxes"),
        ("bad/five_channels.tflite", "three channels"),
    ] {
        let path = model(name);
        let (code, stdout, stderr) = run(&["inspect", path.to_str().unwrap(), "--json"]);
        assert_eq!(code, Some(1), "{name}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["usable"], false);
        assert!(report.get("labels").is_none(), "{stdout}");
        let error = report["error"].as_str().unwrap();
        assert!(error.contains(reason), "{error}");
        assert_eq!(stderr, format!("catdog: {error}\n"));
    }
    let path = model("bad/four_outputs_detection.tflite");
    let (code, stdout, _) = run(&["inspect", path.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert_eq!(stdout.lines().filter(|line| line.starts_with("output ")).count(), 4, "{stdout}");
    assert!(line(&stdout, "usable").starts_with("no"), "{stdout}");
}

#[test]
fn no_damaged_model_stops_the_command() {
    for entry in fs::read_dir(model("bad")).unwrap() {
        let path = entry.unwrap().path();
        let (code, stdout, stderr) = run(&["inspect", path.to_str().unwrap()]);
        assert!(matches!(code, Some(0 | 1)), "{}: {stderr}", path.display());
        assert!(stdout.starts_with("model "), "{}", path.display());
        assert!(!stdout.contains(|c: char| c.is_control() && c != '\n'), "{}", path.display());
    }
}

#[test]
fn control_characters_of_a_name_in_a_model_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.tflite");
    let mut file = fs::read(model("float_softmax.tflite")).unwrap();
    let name = b"probabilities";
    let at = file.windows(name.len()).position(|window| window == name).unwrap();
    file[at..at + 4].copy_from_slice(b"\x1b[2J");
    fs::write(&path, file).unwrap();
    let (code, stdout, _) = run(&["inspect", path.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("\u{fffd}[2Jabilities"), "{stdout}");
}

#[test]
fn unusable_labels_are_one_line_on_stderr_and_exit_with_1() {
    let path = model("float_softmax.tflite");
    let path = path.to_str().unwrap();
    for options in [["--labels", "only one"], ["--labels-file", "/nowhere/labels.txt"]] {
        let (code, stdout, stderr) = run(&[&["inspect", path], &options[..]].concat());
        assert_eq!(code, Some(1));
        assert!(line(&stdout, "usable").starts_with("no"), "{stdout}");
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
    command.env("CATDOG_LITERT_LIBRARY", "/nowhere/libLiteRt.so");
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
