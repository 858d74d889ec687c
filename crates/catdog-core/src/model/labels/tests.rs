//! Tests of the sources of labels and their order.

mod beside;
mod forms;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Size limit of a name, in bytes.
const LONGEST: usize = 1000;

fn file_with(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.txt");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn from_file(content: &[u8], scores: usize) -> Result<Labels, LabelsError> {
    let (_folder, path) = file_with(content);
    LabelSources { file: Some(&path), ..Default::default() }.resolve(scores)
}

fn from_metadata(content: &[u8], scores: usize) -> Labels {
    let entry = Ok(LabelsEntry { name: "labels.txt".into(), bytes: content.to_owned() });
    LabelSources { metadata: Some(&entry), ..Default::default() }.resolve(scores).unwrap()
}

/// Returns the labels of the model `model` with `scores` scores in a folder with `files`.
fn beside_model(model: &str, scores: usize, files: &[(&str, &str)]) -> Labels {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let model = folder.path().join(model);
    fs::write(&model, b"").unwrap();
    LabelSources { model: Some(&model), ..Default::default() }.resolve(scores).unwrap()
}

/// Returns the only warning of `labels`.
fn warning(labels: &Labels) -> &str {
    assert_eq!(labels.warnings.len(), 1, "{:?}", labels.warnings);
    &labels.warnings[0]
}

fn beside(file: &str) -> LabelSource {
    LabelSource::BesideModel(file.into())
}

#[test]
fn the_property_labels_takes_precedence_over_labels_file() {
    let (_folder, path) = file_with(b"a\nb\n");
    let sources = LabelSources { list: Some("x, y"), file: Some(&path), ..Default::default() };
    assert_eq!(sources.resolve(2).unwrap().names, ["x", "y"]);
}

#[test]
fn the_metadata_takes_precedence_over_a_file_next_to_the_model() {
    let (folder, _path) = file_with(b"p\nq\nr");
    let entry = Ok(LabelsEntry { name: "labels.txt".into(), bytes: b"a\n\nb\nc\n".to_vec() });
    let model = folder.path().join("model.tflite");
    let sources =
        LabelSources { metadata: Some(&entry), model: Some(&model), ..Default::default() };
    assert_eq!(sources.resolve(3).unwrap().names, ["a", "b", "c"]);
    // If it does not fit, the search goes on.
    let entry = Ok(LabelsEntry { name: "labels.txt".into(), bytes: b"a\nb\n".to_vec() });
    let labels = LabelSources { metadata: Some(&entry), ..sources }.resolve(3).unwrap();
    assert_eq!(
        (&*labels.names, &labels.source),
        (&["p", "q", "r"].map(String::from)[..], &beside("labels.txt"))
    );
    let text = warning(&labels);
    assert!(text.contains("metadata are not used") && text.contains("2 labels"), "{text}");
}

#[test]
fn metadata_that_cannot_be_used_is_a_warning() {
    let damaged = Err(ModelError::Damaged("its TFLite metadata"));
    let sources = LabelSources { metadata: Some(&damaged), ..Default::default() };
    let labels = sources.resolve(2).unwrap();
    assert_eq!(
        (&*labels.names, &labels.source),
        (&["0", "1"].map(String::from)[..], &LabelSource::Numbers)
    );
    assert!(warning(&labels).contains("its TFLite metadata"), "{labels:?}");
    for content in [&b"caf\xe9\nb"[..], b"a\0\nb", b"", b"{'names': {0: 'a', 1: 'b'", b"a\nb\nc"] {
        let labels = from_metadata(content, 2);
        assert_eq!(labels.source, LabelSource::Numbers);
        assert!(warning(&labels).contains("its file 'labels.txt'"), "{labels:?}");
    }
    // A property of the user replaces it without a warning.
    let with_list = LabelSources { list: Some("a,b"), ..sources }.resolve(2).unwrap();
    assert_eq!((with_list.names, with_list.warnings), (vec!["a".into(), "b".into()], vec![]));
}

#[test]
fn the_metadata_may_have_indices_or_be_a_dictionary() {
    assert_eq!(from_metadata(b"0 red\n1 green\n2 blue\n", 3).names, ["red", "green", "blue"]);
    let ultralytics = b"{'task': 'classify', 'names': {0: 'red', 1: 'green', 2: 'blue'}}";
    let labels = from_metadata(ultralytics, 3);
    assert_eq!((&labels.names[2], labels.source), (&"blue".into(), LabelSource::Metadata));
}

#[test]
fn a_file_next_to_the_model_is_used_if_it_fits() {
    for name in [
        "labels.txt",
        "label.txt",
        "labelmap.txt",
        "label_map.txt",
        "classes.txt",
        "class_names.txt",
        "dict.txt",
        "coffee.txt",
        "coffee_labels.txt",
        "coffee-labels.txt",
        "labels_coffee.txt",
        "labels(new).txt",
        "Labels_Coffee.CSV",
        "retrained_labels.txt",
    ] {
        let labels = beside_model("coffee.tflite", 3, &[(name, "0 a\n1 b\n2 c\n")]);
        assert_eq!(
            (&*labels.names, labels.source),
            (&["a", "b", "c"].map(String::from)[..], beside(name))
        );
        assert!(labels.warnings.is_empty(), "{:?}", labels.warnings);
    }
    for name in ["labels.json", "class_indices.json", "class_names.json"] {
        let labels = beside_model("coffee.tflite", 2, &[(name, r#"{"dog": 1, "cat": 0}"#)]);
        assert_eq!((labels.names, labels.source), (vec!["cat".into(), "dog".into()], beside(name)));
    }
}

#[test]
fn the_file_that_fits_and_is_most_specific_is_used() {
    let files =
        [("labels.txt", "a\nb\nc"), ("coffee.txt", "d\ne\nf"), ("tea_labels.txt", "g\nh\ni")];
    assert_eq!(beside_model("coffee.tflite", 3, &files).names, ["d", "e", "f"]);
    assert_eq!(beside_model("tea-v2.tflite", 3, &files).names, ["g", "h", "i"]);
    assert_eq!(beside_model("model.tflite", 3, &files).names, ["a", "b", "c"]);
    // Coral publishes many models and labels in one folder.
    let files = [
        ("imagenet_labels.txt", "0  background\n1  tench\n2  goldfish\n3  shark\n"),
        ("inat_bird_labels.txt", "tit\nduck\n"),
        ("inat_plant_labels.txt", "rose\nfern\nmoss\n"),
        ("mobilenet_v1_1.0_224_quant.tflite", ""),
    ];
    let birds = beside_model("mobilenet_v2_1.0_224_inat_bird_quant.tflite", 2, &files);
    assert_eq!((birds.names, birds.warnings), (vec!["tit".into(), "duck".into()], vec![]));
    let imagenet = beside_model("mobilenet_v2_1.0_224_quant.tflite", 4, &files);
    assert_eq!(imagenet.names, ["background", "tench", "goldfish", "shark"]);
    // Its name does not say which of the models it belongs to.
    assert!(warning(&imagenet).contains("may belong to another model"), "{imagenet:?}");
}

#[test]
fn a_file_that_is_named_after_another_model_is_used_with_a_warning() {
    let files = [("pets_v1_labels.txt", "cat\ndog"), ("pets_v1.tflite", "")];
    let labels = beside_model("pets_v2.tflite", 2, &files);
    assert_eq!((&*labels.names[1], &labels.source), ("dog", &beside("pets_v1_labels.txt")));
    assert!(warning(&labels).contains("may belong to another model"), "{labels:?}");
    // Two forms of a model share their labels.
    let files = [("pets_labels.txt", "cat\ndog"), ("pets.tflite", "")];
    assert!(beside_model("pets_quant.tflite", 2, &files).warnings.is_empty());
    let files = [("pets_v2_labels.txt", "cat\ndog"), ("pets_v1.tflite", "")];
    assert!(beside_model("pets_v2.tflite", 2, &files).warnings.is_empty());
}

#[test]
fn quoted_names_on_one_line_are_several_names() {
    assert_eq!(from_file(b"\"cat\", \"dog\"\n", 2).unwrap().names, ["cat", "dog"]);
    assert_eq!(from_metadata(b"'cat', 'dog, small'", 2).names, ["cat", "dog, small"]);
}

#[test]
fn a_file_next_to_the_model_that_does_not_fit_is_a_warning() {
    let long = format!("a\nb\n{}", "x".repeat(LONGEST + 1));
    for (content, reason) in [
        ("a\nb\n", "2 labels, but the model has 3 classes"),
        ("\n\n", "is empty"),
        ("a\nb\u{7}\nc", "control character"),
        (&long, "1001 bytes"),
        ("{'a'", "not a dictionary"),
        ("[\"a\", \"b\", \"c\"", "not a dictionary"),
        ("a\nb\u{202e}\nc", "control character"),
    ] {
        let labels = beside_model("m.tflite", 3, &[("labels.txt", content)]);
        assert_eq!(
            (&*labels.names, &labels.source),
            (&["0", "1", "2"].map(String::from)[..], &LabelSource::Numbers)
        );
        let text = warning(&labels);
        assert!(
            text.contains("found next to the model is not used") && text.contains(reason),
            "{text}"
        );
        assert!(text.contains("labels.txt"), "{text}");
    }
    // An expected file is mentioned although another one fits.
    let labels = beside_model("m.tflite", 3, &[("m.txt", "a"), ("labels.txt", "a\nb\nc")]);
    assert_eq!(labels.source, beside("labels.txt"));
    assert!(warning(&labels).contains("m.txt"), "{labels:?}");
    let many: Vec<(String, &str)> = (0..40).map(|n| (format!("labels{n}.txt"), "a")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, content)| (&**name, *content)).collect();
    assert_eq!(beside_model("m.tflite", 3, &many).warnings.len(), MAX_WARNINGS);
}

#[test]
fn of_two_equally_good_files_with_different_names_none_is_used() {
    let files = [("pets_labels.txt", "cat\ndog"), ("fruit_labels.txt", "apple\npear")];
    let labels = beside_model("model.tflite", 2, &files);
    assert_eq!(labels.source, LabelSource::Numbers);
    assert!(warning(&labels).contains("neither is used"), "{labels:?}");
    let same = [("a_labels.txt", "cat\ndog"), ("b_labels.txt", "0 cat\n1 dog\n")];
    assert_eq!(beside_model("model.tflite", 2, &same).names, ["cat", "dog"]);
}

#[test]
fn an_extra_name_at_the_start_is_dropped_if_it_is_known() {
    for first in ["background", "???", "Unused", "label", "0 background"] {
        let rest = if first.starts_with('0') { "1 a\n2 b\n3 c" } else { "a\nb\nc" };
        let labels = from_file(format!("{first}\n{rest}").as_bytes(), 3).unwrap();
        assert_eq!(labels.names, ["a", "b", "c"], "{first}");
        assert!(warning(&labels).contains("is not used"), "{labels:?}");
    }
    // If the number fits, it is the name of a class.
    assert_eq!(from_file(b"background\na\nb", 3).unwrap().names, ["background", "a", "b"]);
    assert!(from_file(b"other\na\nb\nc", 3).is_err());
    let labels = beside_model("m.tflite", 3, &[("labels.txt", "background\na\nb\nc")]);
    assert_eq!((labels.names.len(), labels.source), (3, beside("labels.txt")));
}

#[test]
fn a_missing_background_is_not_guessed() {
    let names: Vec<String> = (1..=1000).map(|n| format!("class {n}")).collect();
    let labels = beside_model("m.tflite", 1001, &[("labels.txt", &names.join("\n"))]);
    assert_eq!(labels.source, LabelSource::Numbers);
    assert!(warning(&labels).contains("put a line 'background' first"), "{labels:?}");
}

#[test]
fn one_line_with_commas_has_several_names() {
    assert_eq!(from_file(b"cat, dog,newt\n", 3).unwrap().names, ["cat", "dog", "newt"]);
    assert!(from_file(b"cat, dog,newt\n", 2).is_err());
}

#[test]
fn without_a_source_the_classes_are_numbered() {
    for (scores, names) in [(1, vec!["0", "1"]), (2, vec!["0", "1"]), (3, vec!["0", "1", "2"])] {
        let labels = LabelSources::default().resolve(scores).unwrap();
        assert_eq!(
            (labels.source, labels.names),
            (LabelSource::Numbers, names.iter().map(ToString::to_string).collect())
        );
    }
}

#[test]
fn only_the_labs_model_and_a_file_name_are_called_cat_and_dog() {
    let lab = LabelSources { is_lab_model: true, ..Default::default() }.resolve(1).unwrap();
    assert_eq!((lab.names, lab.source), (vec!["cat".into(), "dog".into()], LabelSource::LabModel));
    for scores in [1, 2] {
        let labels = beside_model("dogs_vs_cats.tflite", scores, &[]);
        assert_eq!(
            (labels.names, labels.source),
            (vec!["dog".into(), "cat".into()], LabelSource::FileName)
        );
    }
    assert_eq!(beside_model("cat-dog.tflite", 3, &[]).source, LabelSource::Numbers);
    let labels = beside_model("cat-dog.tflite", 2, &[("labels.txt", "a\nb")]);
    assert_eq!(labels.source, beside("labels.txt"));
}

#[test]
fn byte_order_mark_crlf_and_trailing_blank_lines_are_dropped() {
    let labels = from_file("\u{feff}cat\r\ndog \r\n\r\n\n".as_bytes(), 2).unwrap();
    assert_eq!(labels.names, ["cat", "dog"]);
    let utf16: Vec<u8> =
        "\u{feff}cat\r\ndog\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(from_file(&utf16, 2).unwrap().names, ["cat", "dog"]);
}

#[test]
fn the_error_for_an_unusable_file_names_the_file_and_the_reason() {
    let text = |content: &[u8], scores| from_file(content, scores).unwrap_err().to_string();
    assert!(text(b"a\nb\n", 5).contains("2 labels"), "{}", text(b"a\nb\n", 5));
    assert!(text(b"a\nb\nc\n", 2).contains("3 labels"));
    assert!(text(b"a\n\nb\n", 3).contains("2 labels"));
    assert!(text(b"", 2).contains("is empty"));
    assert!(text(b"cat\nd\xffg\n", 2).contains("UTF-8"));
    assert!(text("a\n".repeat(100_000).as_bytes(), 2).contains("100000 labels"));
    assert!(text("x".repeat(1 << 20).as_bytes(), 2).contains("1048576 bytes"));
    assert!(text(br#"["cat", ""]"#, 2).contains("empty name at position 2"));
    assert!(text(b"{0: 'cat', 2: 'dog'}", 2).contains("every index from 0"));
    let missing = LabelSources { file: Some(Path::new("/nowhere/l.txt")), ..Default::default() };
    assert!(missing.resolve(2).unwrap_err().to_string().contains("/nowhere/l.txt"));
}

#[test]
fn one_score_needs_the_names_of_two_classes() {
    let one = LabelSources { list: Some("cat"), ..Default::default() };
    let text = one.resolve(1).unwrap_err().to_string();
    assert!(text.contains("2 classes") && text.contains("negative scores first"), "{text}");
    let two = LabelSources { list: Some("cat,dog"), ..Default::default() };
    assert_eq!(two.resolve(1).unwrap().names, ["cat", "dog"]);
}

#[test]
fn the_error_for_a_name_with_a_comma_suggests_labels_file() {
    let sources = LabelSources { list: Some("cat, black,dog"), ..Default::default() };
    let text = sources.resolve(2).unwrap_err().to_string();
    assert!(text.contains("comma") && text.contains("labels-file"), "{text}");
}

#[test]
fn unusable_names_in_the_list_are_refused() {
    let source_name = String::from("the property labels");
    let error =
        |list| LabelSources { list: Some(list), ..Default::default() }.resolve(3).unwrap_err();
    assert_eq!(
        error("cat,,dog"),
        LabelsError::EmptyName { source_name: source_name.clone(), index: 2 }
    );
    assert_eq!(
        error("cat,do\u{0}g,c"),
        LabelsError::Unprintable { source_name: source_name.clone(), index: 2 }
    );
    let long = format!("cat,dog,{}", "x".repeat(LONGEST + 1));
    let expected =
        LabelsError::TooLong { source_name, index: 3, bytes: LONGEST + 1, limit: LONGEST };
    assert_eq!(error(&long), expected);
}

proptest::proptest! {
    #[test]
    fn any_text_has_a_name_for_each_class_or_is_an_error(
        text in "([0-9\\[\\](){}:,.;'\"\\\\ \t\n\u{0}-\u{1f}n#=>|-]|cat|dog|names|id,name|\\PC){0,60}",
        scores in 1_usize..6,
    ) {
        if let Ok(labels) = from_file(text.as_bytes(), scores) {
            assert_eq!(labels.names.len(), fit::classes(scores));
            let usable = |name: &String| !name.is_empty() && !name.chars().any(char::is_control);
            assert!(labels.names.iter().all(usable), "{text:?}: {labels:?}");
        }
    }
}
