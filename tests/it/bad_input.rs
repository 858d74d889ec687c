//! Unusable models, labels, settings and runtimes: each is one error message of one line, which
//! names the file or property and a remedy. After the correction, the same element works.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::*;
use gst::prelude::*;

/// Returns a working pipeline whose element `filter` has the properties `settings`.
fn pipeline_with(settings: &[(&str, &str)]) -> Pipeline {
    let pipeline = launch(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=16,height=16 \
         ! catdogfilter name=filter model-file={model} ! fakesink name=sink",
    );
    for (property, value) in settings {
        pipeline.get("filter").set_property_from_str(property, value);
    }
    pipeline
}

/// Starts the pipeline and returns the text of its error. Asserts that the start fails with one
/// error of one line.
#[track_caller]
fn error_at_start(pipeline: &Pipeline, what: &str) -> String {
    let failed = pipeline.set_state(gst::State::Playing).is_err();
    let (result, ..) = pipeline.state(PATIENCE);
    assert!(failed && result.is_err(), "{what}: the start did not fail");
    let errors = pipeline.errors();
    let [(source, text)] = &errors[..] else { panic!("{what}: not one error: {errors:?}") };
    assert_eq!(source, "filter", "{what}");
    assert!(!text.contains('\n'), "{what}: more than one line: {text}");
    text.clone()
}

/// Sets `corrections`, and asserts that the element then classifies every buffer without an error.
#[track_caller]
fn assert_recovers(pipeline: &Pipeline, corrections: &[(&str, &str)], what: &str) {
    pipeline.begin(gst::State::Null);
    for (property, value) in corrections {
        let value = value.replace("{model}", model(MODEL).to_str().unwrap());
        pipeline.get("filter").set_property_from_str(property, &value);
    }
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| metas(buffer).len());
    pipeline.run();
    assert_eq!(taken(&seen), [1; 3], "{what}");
    assert!(pipeline.errors().is_empty(), "{what}");
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str], what: &str) {
    for part in parts {
        assert!(text.contains(part), "{what}: \"{part}\" is not in: {text}");
    }
}

// Models

/// For each file in `tests/models/bad`, the parts that the error must contain: the defect and the
/// remedy. The damaged graphs (`graph_*`) are not listed.
const WRONG: [(&str, &[&str]); 18] = [
    ("batch_1000.tflite", &["[1000, 8, 8, 3]", "batch", "export it with"]),
    ("bundle.task", &["ZIP archive", ".task", "export the classifier to .tflite"]),
    ("detection_op.tflite", &["TFLite_Detection_PostProcess", "boxes", "choose an image"]),
    ("edge_tpu.tflite", &["edgetpu-custom-op", "Edge TPU", "without _edgetpu"]),
    ("empty.tflite", &["empty", "copy the model again"]),
    ("flex_op.tflite", &["FlexErf", "all of TensorFlow", "TFLITE_BUILTINS"]),
    ("four_outputs_detection.tflite", &["boxes", "detector", "choose an image classifier"]),
    ("five_channels.tflite", &["[1, 8, 8, 5]", "three channels", "export it with"]),
    (
        "hash_table.tflite",
        &["HASHTABLE_LOOKUP", "image classifiers do not need", "choose an image"],
    ),
    ("int32_input.tflite", &["int32", "float16, uint8 and int8", "convert it"]),
    ("llm_bundle.litertlm", &["LiteRT-LM", "export the classifier to .tflite"]),
    ("no_subgraph.tflite", &["damaged", "copy or export the model again"]),
    ("output_rank_4.tflite", &["[1, 8, 8, 2]", "segmenter", "export it with one row of scores"]),
    ("rank_2.tflite", &["[1, 192]", "not those of a picture", "export it with"]),
    ("text.tflite", &["not a .tflite file", "check the path"]),
    ("truncated.tflite", &["damaged", "copy or export the model again"]),
    ("two_inputs.tflite", &["2 inputs", "choose an image classifier"]),
    ("unknown_custom_op.tflite", &["CatdogNoSuchOperator", "built-in operators"]),
];

/// Damaged models that LiteRT runs. Signatures that do not fit are ignored.
const HARMLESS: [&str; 6] = [
    "graph_depth_multiplier_zero.tflite",
    "graph_intermediate_shape_wrong.tflite",
    "graph_signature_graph_out_of_range.tflite",
    "graph_signature_names_a_weight.tflite",
    "graph_signature_output_unnamed.tflite",
    "graph_signature_tensor_out_of_range.tflite",
];

/// Returns the paths of all files in `tests/models/bad`, sorted.
fn bad_models() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(model("bad")).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "md"))
        .collect();
    files.sort();
    files
}

#[test]
fn an_unsuitable_model_is_one_error_that_names_the_file_and_a_remedy() {
    let files = bad_models();
    assert!(files.len() >= 60, "{} files in tests/models/bad", files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if HARMLESS.contains(&name) {
            continue;
        }
        let file = file.to_str().unwrap();
        let pipeline = pipeline_with(&[("model-file", file)]);
        let text = error_at_start(&pipeline, name);
        assert_contains(&text, &["model-file", file], name);
        match WRONG.iter().find(|(wrong, _)| *wrong == name) {
            Some((_, parts)) => assert_contains(&text, parts, name),
            None => {
                assert!(name.starts_with("graph_"), "{name} is not in WRONG");
                let remedies = ["copy or export the model again", "export it", "choose an image"];
                assert!(remedies.iter().any(|r| text.contains(r)), "{name}: no remedy in {text}");
            }
        }
        assert_recovers(&pipeline, &[("model-file", "{model}")], name);
    }
}

#[test]
fn a_model_with_harmless_damage_runs() {
    for name in HARMLESS {
        assert_recovers(
            &pipeline_with(&[("model-file", model("bad").join(name).to_str().unwrap())]),
            &[],
            name,
        );
    }
}

#[test]
fn a_model_file_that_cannot_be_read_is_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("huge.tflite");
    // A sparse file needs no space on the disk.
    std::fs::File::create(&huge).unwrap().set_len(600 << 20).unwrap();
    let cases = [
        (folder.path().join("none.tflite"), "No such file"),
        (folder.path().to_owned(), "not a regular file"),
        (PathBuf::from("/dev/zero"), "not a regular file"),
        (huge, "more than 536870912 bytes"),
    ];
    for (file, reason) in cases {
        let file = file.to_str().unwrap();
        let pipeline = pipeline_with(&[("model-file", file)]);
        let text = error_at_start(&pipeline, file);
        assert_contains(&text, &["model-file", file, reason, "check the path"], file);
        assert_recovers(&pipeline, &[("model-file", "{model}")], file);
    }
}

// Labels

#[test]
fn unusable_labels_are_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let three = model("float_softmax.tflite");
    let long = vec![b'x'; (1 << 20) + 1];
    let files: [(String, &[&str]); 13] = [
        (folder.path().join("none.txt").to_str().unwrap().into(), &["No such file", "check"]),
        (folder.path().to_str().unwrap().into(), &["cannot be read", "check labels-file"]),
        (file("empty", b""), &["is empty", "expected one class name per line"]),
        (file("blank", b"\n\n\n"), &["is empty", "expected one class name per line"]),
        (file("gap", b"a\n\nc\n"), &["2 labels", "3 scores"]),
        (file("latin1", b"caf\xe9\nb\nc\n"), &["not UTF-8", "byte 3", "save it as UTF-8"]),
        (file("utf16", b"\xff\xfea\0\x00\xd8\n\0"), &["not UTF-8", "byte 4", "save it as UTF-8"]),
        (file("dictionary", b"{'0': 'a', '1'"), &["byte 14", "one class name per line"]),
        (file("incomplete", b"{\"0\": \"a\", \"2\": \"b\"}"), &["every index from 0"]),
        (file("sentence", &[b'x'; 1001]), &["label 1", "1001 bytes", "shorten it"]),
        (file("few", b"a\nb\n"), &["2 labels", "3 scores", "set 3 names"]),
        (file("many", b"a\nb\nc\nd\n"), &["4 labels", "3 scores", "set 3 names"]),
        (file("long", &long), &["cannot be read", "more than 1048576 bytes", "check labels-file"]),
    ];
    for (labels, parts) in files {
        let pipeline =
            pipeline_with(&[("model-file", three.to_str().unwrap()), ("labels-file", &labels)]);
        let text = error_at_start(&pipeline, &labels);
        assert_contains(&text, &["labels file", &labels], &labels);
        assert_contains(&text, parts, &labels);
        let good = file("good", b"a\nb\nc\n");
        assert_recovers(&pipeline, &[("labels-file", &good)], &labels);
    }
    for (list, parts) in [
        ("a,b", ["2 labels", "3 scores"]),
        ("a,b,c,d", ["4 labels", "3 scores"]),
        ("a,,c", ["empty name", "position 2"]),
        (",", ["empty name", "position 1"]),
    ] {
        let pipeline = pipeline_with(&[("model-file", three.to_str().unwrap()), ("labels", list)]);
        let text = error_at_start(&pipeline, list);
        assert_contains(&text, &["the property labels"], list);
        assert_contains(&text, &parts, list);
        assert_recovers(&pipeline, &[("labels", "a,b,c")], list);
    }
}

#[test]
fn too_many_labels_because_of_a_comma_are_one_error_that_names_labels_file() {
    let three = model("float_softmax.tflite");
    let list = "cat, black,dog,neither";
    let pipeline = pipeline_with(&[("model-file", three.to_str().unwrap()), ("labels", list)]);
    let text = error_at_start(&pipeline, list);
    assert_contains(&text, &["4 labels", "3 classes", "comma", "line of labels-file"], list);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.txt");
    std::fs::write(&file, "cat, black\ndog\nneither\n").unwrap();
    let corrections = [("labels", ""), ("labels-file", file.to_str().unwrap())];
    assert_recovers(&pipeline, &corrections, list);
}

#[test]
fn too_few_labels_do_not_mention_a_comma() {
    let three = model("float_softmax.tflite");
    let pipeline = pipeline_with(&[("model-file", three.to_str().unwrap()), ("labels", "a,b")]);
    let text = error_at_start(&pipeline, "labels=a,b");
    assert!(!text.contains("comma"), "{text}");
}

#[test]
fn an_unusable_labels_file_next_to_the_model_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("m.tflite");
    std::fs::copy(model("float_softmax.tflite"), &copy).unwrap();
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "a\nb\n").unwrap();
    let pipeline = pipeline_with(&[("model-file", copy.to_str().unwrap())]);
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    let texts = |messages: &[gst::Message]| -> String {
        warnings(messages).into_iter().map(|(_, text)| text + "\n").collect()
    };
    let found = texts(&pipeline.run());
    let parts = ["next to the model is not used", labels.to_str().unwrap(), "2 labels", "3 scores"];
    assert_contains(&found, &parts, "sidecar");
    assert_contains(&found, &["so they are shown as numbers"], "sidecar");
    let mut names = taken(&seen).remove(0).labels;
    names.sort();
    assert_eq!(names, ["0", "1", "2"]);
    std::fs::write(&labels, "a\r\nb\r\nc\r\n\r\n").unwrap();
    pipeline.begin(gst::State::Null);
    assert!(!texts(&pipeline.run()).contains("labels"));
}

// Settings

#[test]
fn unusable_settings_are_one_error() {
    // The settings, the parts that the error must contain, and the corrections.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [(&'a str, &'a str)]);
    let cases: [Case<'_>; 22] = [
        (&[("threads", "-1")], &["threads=-1", "set it to"], &[("threads", "0")]),
        (
            &[("inference-interval", "0")],
            &["inference-interval=0", "1 or more"],
            &[("inference-interval", "1")],
        ),
        (&[("max-results", "0")], &["max-results=0", "1 or more"], &[("max-results", "1")]),
        (&[("max-rois", "65")], &["max-rois=65", "1 to 64"], &[("max-rois", "64")]),
        (
            &[("region", "10,10,100,100")],
            &["region=\"10,10,100,100\"", "fractions"],
            &[("region", "0.1,0.1,0.5,0.5")],
        ),
        (
            &[("orientation", "custom")],
            &["orientation=custom", "set it to auto"],
            &[("orientation", "180")],
        ),
        (
            &[("input-size", "224")],
            &["input-size=\"224\"", "such as 320x240"],
            &[("input-size", "")],
        ),
        (
            &[("text-format", "{label} {colour}")],
            &["text-format", "{colour}", "{label}, {percent}"],
            &[("text-format", "{label}")],
        ),
        (&[("text-format", "{label")], &["text-format", "{label"], &[("text-format", "")]),
        (
            &[("output-activation", "softmax")],
            &["output-activation=softmax", MODEL, "use sigmoid or auto"],
            &[("output-activation", "sigmoid")],
        ),
        (
            &[("input-mean", "127.5")],
            &["input-mean", "input-std", "set both or neither"],
            &[("input-std", "127.5")],
        ),
        (
            &[("input-std", "127.5")],
            &["input-mean", "input-std", "set both or neither"],
            &[("input-mean", "127.5")],
        ),
        (
            &[("input-mean", "0"), ("input-std", "0")],
            &["input-std=\"0\"", "other than 0"],
            &[("input-std", "1")],
        ),
        (
            &[("input-mean", "0"), ("input-std", "1,0,1")],
            &["input-std=\"1,0,1\"", "other than 0"],
            &[("input-std", "1,1,1")],
        ),
        (
            &[("input-mean", "1,2"), ("input-std", "1")],
            &["input-mean=\"1,2\"", "one number or three"],
            &[("input-mean", "1,2,3")],
        ),
        (
            &[("input-mean", "grey"), ("input-std", "1")],
            &["input-mean=\"grey\"", "write it as"],
            &[("input-mean", "0")],
        ),
        (
            &[("input-mean", "nan"), ("input-std", "1")],
            &["input-mean=\"nan\"", "write it as"],
            &[("input-mean", "0")],
        ),
        (
            &[("input-mean", "0"), ("input-std", "inf")],
            &["input-std=\"inf\"", "write it as"],
            &[("input-std", "1e0")],
        ),
        (
            &[("input-mean", "0"), ("input-std", "1;1;1")],
            &["input-std=\"1;1;1\"", "write it as"],
            &[("input-std", "1, 1, 1")],
        ),
        (
            &[("accelerator", "gpu")],
            &["accelerator=gpu", MODEL, "set accelerator=cpu"],
            &[("accelerator", "cpu")],
        ),
        (
            &[("accelerator", "npu")],
            &["accelerator=npu", MODEL, "set accelerator=cpu"],
            &[("accelerator", "cpu")],
        ),
        // The error is about the first of several unusable settings.
        (
            &[("threads", "-7"), ("max-results", "0")],
            &["threads=-7"],
            &[("threads", "1"), ("max-results", "1")],
        ),
    ];
    for (settings, parts, corrections) in cases {
        let what = format!("{settings:?}");
        let pipeline = pipeline_with(settings);
        let text = error_at_start(&pipeline, &what);
        assert_contains(&text, parts, &what);
        assert_recovers(&pipeline, corrections, &what);
    }
}

#[cfg(not(feature = "analytics"))]
#[test]
fn object_metadata_without_the_feature_analytics_is_one_error() {
    let pipeline = pipeline_with(&[("object-metadata", "true")]);
    let text = error_at_start(&pipeline, "object-metadata");
    assert_contains(
        &text,
        &["object-metadata=true", "--features analytics", "1.24"],
        "object-metadata",
    );
    assert_recovers(&pipeline, &[("object-metadata", "false")], "object-metadata");
}

#[test]
fn every_failed_start_reports_the_error() {
    let pipeline = pipeline_with(&[("threads", "-1")]);
    let first = error_at_start(&pipeline, "first");
    for _ in 0..20 {
        pipeline.begin(gst::State::Null);
        assert_eq!(error_at_start(&pipeline, "again"), first);
    }
    assert_recovers(&pipeline, &[("threads", "1")], "after the failed starts");
}

#[test]
fn a_range_that_nothing_tells_is_a_warning() {
    let path = model("exported/softmax_float32_centered_nhwc.tflite");
    let pipeline = pipeline_with(&[("model-file", path.to_str().unwrap())]);
    let found = warnings(&pipeline.run());
    assert_eq!(found.len(), 1, "{found:?}");
    let text = &found[0].1;
    assert!(text.contains("0..255 become 0..1 (-1..1 is possible, too)"), "{text}");
    assert!(text.contains("set input-mean and input-std"), "{text}");
}

#[test]
fn each_missing_fact_about_a_model_is_one_warning() {
    let pipeline =
        pipeline_with(&[("model-file", model("float_softmax.tflite").to_str().unwrap())]);
    let found = warnings(&pipeline.run());
    assert_eq!(found.len(), 2, "{found:?}");
    assert_contains(&found[1].1, &["3 classes", "numbers", "set labels or labels-file"], "labels");
    assert_contains(
        &found[0].1,
        &["range of its float input", "set input-mean and input-std"],
        "normalization",
    );
    // With these properties set, nothing is missing.
    let settings = [("labels", "a,b,c"), ("input-mean", "127.5"), ("input-std", "127.5")];
    pipeline.begin(gst::State::Null);
    for (property, value) in settings {
        pipeline.get("filter").set_property_from_str(property, value);
    }
    assert_eq!(warnings(&pipeline.run()), []);
}

// The runtime. Each runtime is tested in a process of its own, because a process loads only one.

/// Compiles a shared object with these functions. They must not be called.
fn stub(folder: &Path, name: &str, functions: &[&str]) -> PathBuf {
    let source = folder.join(format!("{name}.c"));
    let text: String = functions
        .iter()
        .map(|function| format!("void {function}(void) {{ __builtin_trap(); }}\n"))
        .collect();
    std::fs::write(&source, text).unwrap();
    let library = folder.join(format!("{name}.so"));
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(status.success(), "cc cannot compile {}", library.display());
    library
}

/// Prints the errors of two starts, each in a line of its own after a "@".
fn print_errors_of_two_starts() {
    let pipeline = pipeline_with(&[]);
    println!("@{}", error_at_start(&pipeline, "runtime"));
    pipeline.begin(gst::State::Null);
    println!("@{}", error_at_start(&pipeline, "runtime"));
}

#[test]
fn an_unusable_runtime_is_one_error_at_every_start() {
    if job().is_some() {
        return print_errors_of_two_starts();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let old =
        ["LiteRtCreateEnvironment", "LiteRtCreateModelFromFile", "LiteRtCreateModelFromBuffer"];
    let new = ["LiteRtCreateModelFromFd", "LiteRtCreateEnvironment"];
    let cases = [
        (folder.path().join("none.so"), "no such file"),
        (file("empty.so", b""), "file too short"),
        (file("text.so", &b"This is not a shared object.\n".repeat(64)), "invalid ELF"),
        (stub(folder.path(), "other", &["something_else"]), "older than LiteRT 2.1.6"),
        (stub(folder.path(), "old", &old), "older than LiteRT 2.1.6"),
        (stub(folder.path(), "half", &new), "has no symbol"),
    ];
    for (library, reason) in cases {
        let output = child("bad_input::an_unusable_runtime_is_one_error_at_every_start", "start")
            .env("CATDOG_LITERT_LIBRARY", &library)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let what = library.display().to_string();
        assert!(output.status.success(), "{what}: {output:?}");
        // The test harness prints the name of the test on the same line as the first error.
        let texts: Vec<&str> =
            stdout.lines().filter_map(|line| Some(line.split_once('@')?.1)).collect();
        assert_eq!(texts.len(), 2, "{stdout}");
        assert_eq!(texts[0], texts[1]);
        let remedies = ["scripts/fetch-runtime.sh", "CATDOG_LITERT_LIBRARY", "LiteRT runtime"];
        assert_contains(texts[0], &remedies, &what);
        assert_contains(texts[0], &[&what, reason], &what);
    }
}

#[test]
fn the_plugin_can_be_inspected_without_a_runtime() {
    init();
    let inspect = |arguments: &[&str], plugins: &Path| {
        Command::new("gst-inspect-1.0")
            .args(arguments)
            .env("GST_PLUGIN_PATH", plugins)
            .env("GST_PLUGIN_SYSTEM_PATH", "")
            .env("GST_REGISTRY", plugins.join("registry.bin"))
            .env("CATDOG_LITERT_LIBRARY", "/nowhere/libLiteRt.so")
            .env("G_DEBUG", "fatal_warnings")
            .output()
    };
    let folder = tempfile::tempdir().unwrap();
    if inspect(&["--version"], folder.path()).is_err() {
        return skip(
            "the_plugin_can_be_inspected_without_a_runtime",
            "gst-inspect-1.0 is not installed",
        );
    }
    // cargo builds the plugin together with the library that this program links to.
    let program = std::env::current_exe().unwrap();
    let plugin = program.with_file_name("libgstcatdog.so");
    assert!(plugin.is_file(), "{} is missing", plugin.display());
    std::os::unix::fs::symlink(plugin, folder.path().join("libgstcatdog.so")).unwrap();
    let output = inspect(&["catdogfilter"], folder.path()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_contains(
        &text,
        &["Filter/Analyzer/Video", "model-file", "class-confidence-threshold", "YUY2"],
        "gst-inspect-1.0 catdogfilter",
    );
    let output = inspect(&["catdog"], folder.path()).unwrap();
    assert_contains(&String::from_utf8_lossy(&output.stdout), &["catdogfilter: ", "MIT"], "catdog");
}
