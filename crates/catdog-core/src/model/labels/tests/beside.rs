//! Which files next to a model are taken for its labels.

use super::*;

/// Returns the source of the labels of `model` with two scores, next to `files`, each with two names.
fn source(model: &str, files: &[&str]) -> LabelSource {
    let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "red\ngreen")).collect();
    beside_model(model, 2, &files).source
}

#[test]
fn each_word_and_extension_of_a_labels_file_is_known() {
    for name in [
        "my_label.txt",
        "MyClasses.txt",
        "categories.txt",
        "obj.names.txt",
        "dict_v2.txt",
        "retrained_labels.json",
        "retrained_labels.csv",
        "retrained_labels.TXT",
    ] {
        assert_eq!(source("m.tflite", &[name]), beside(name));
    }
    for name in ["readme.txt", "labels.md", "labels.yaml", "labels", "labels.txt.bak", "notes.csv"]
    {
        assert_eq!(source("m.tflite", &[name]), LabelSource::Numbers, "{name}");
    }
}

#[test]
fn a_file_that_is_named_like_the_model_needs_no_word() {
    assert_eq!(source("coffee.tflite", &["coffee.csv"]), beside("coffee.csv"));
    assert_eq!(source("Coffee.tflite", &["coffee.json"]), beside("coffee.json"));
    assert_eq!(source("coffee.tflite", &["coffee_v2.csv"]), LabelSource::Numbers);
    // "model" connects nothing.
    assert_eq!(source("model.tflite", &["model.csv"]), LabelSource::Numbers);
}

#[test]
fn a_file_that_is_named_after_the_model_comes_before_another() {
    // Each file comes before all that follow it.
    let order = [
        "tea.txt",
        "tea_labels.txt",
        "tea-labels.txt",
        "labels_tea.txt",
        "tea_label_v2.txt",
        "labels.txt",
        "label.txt",
        "labelmap.txt",
        "label_map.txt",
        "classes.txt",
        "class_names.txt",
        "dict.txt",
        "labels.json",
        "class_indices.json",
        "class_names.json",
        "unknown_labels.txt",
    ];
    for (position, name) in order.into_iter().enumerate() {
        assert_eq!(source("tea.tflite", &order[position..]), beside(name));
    }
}

#[test]
fn more_common_words_come_first_and_then_a_longer_common_start() {
    let model = "bird_quant_v2.tflite";
    assert_eq!(
        source(model, &["bird_labels.txt", "labels_bird_quant.txt"]),
        beside("labels_bird_quant.txt")
    );
    assert_eq!(
        source(model, &["bird_labels_x.txt", "labels_x_bird.txt"]),
        beside("bird_labels_x.txt")
    );
    // Words that each file name may have connect nothing, so that the common file comes first.
    for word in ["labels", "class", "classes", "names", "model", "map", "indices", "label"] {
        let found =
            source(&format!("{word}_x.tflite"), &[&format!("{word}_y_class.txt"), "labels.txt"]);
        assert_eq!(found, beside("labels.txt"), "{word}");
    }
}

#[test]
fn a_foreign_labels_file_is_a_warning_if_the_folder_has_other_models() {
    let warnings = |others: &[(&str, &str)]| {
        let mut files = vec![("pets_labels.txt", "red\ngreen")];
        files.extend(others);
        let labels = beside_model("tea.tflite", 2, &files);
        assert_eq!(labels.source, beside("pets_labels.txt"));
        labels.warnings.len()
    };
    assert_eq!(warnings(&[]), 0);
    assert_eq!(warnings(&[("other.tflite", "")]), 1);
    assert_eq!(warnings(&[("OTHER.TFLITE", "")]), 1);
    assert_eq!(warnings(&[("other.onnx", "")]), 0);
    // A common name is that of the folder.
    let files = [("labels.txt", "red\ngreen"), ("other.tflite", "")];
    assert!(beside_model("tea.tflite", 2, &files).warnings.is_empty());
}

#[test]
fn a_folder_or_a_dangling_link_with_an_expected_name_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m.tflite");
    fs::create_dir(folder.path().join("labels.txt")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("m.txt")).unwrap();
    // Under another name, the user does not expect the element to read the file.
    fs::create_dir(folder.path().join("other_labels.txt")).unwrap();
    let labels = LabelSources { model: Some(&model), ..Default::default() }.resolve(2).unwrap();
    assert_eq!((labels.source, labels.warnings.len()), (LabelSource::Numbers, 2));
    assert!(labels.warnings[0].contains("m.txt") && labels.warnings[1].contains("labels.txt"));
}

#[test]
fn the_labs_model_is_known_by_its_form() {
    use crate::model::tflite::ModelInfo;
    let file = fs::read(crate::testing::model("dynamic_batch.tflite")).unwrap();
    let mut lab = ModelInfo::parse(&file).unwrap();
    assert!(!is_lab_model(&lab), "its input has 8x8 pixels");
    lab.input.tensor.shape = vec![1, 150, 150, 3];
    assert!(is_lab_model(&lab));
    let changed = |change: fn(&mut ModelInfo)| {
        let mut info = lab.clone();
        change(&mut info);
        is_lab_model(&info)
    };
    assert!(!changed(|info| info.output.shape = vec![1, 2]));
    assert!(!changed(|info| info.activation = GraphActivation::Logistic));
    assert!(!changed(|info| info.input.is_open = false));
    assert!(!changed(|info| info.input.tensor.element = ElementType::I8));
    assert!(!changed(|info| info.input.tensor.shape = vec![1, 150, 151, 3]));
}

#[test]
fn a_labels_file_is_limited_in_size() {
    let padded = |bytes: usize| {
        let mut text = b"red\ngreen\n".to_vec();
        text.resize(bytes, b'\n');
        from_file(&text, 2)
    };
    assert_eq!(padded(1 << 20).unwrap().names, ["red", "green"]);
    assert!(matches!(padded((1 << 20) + 1), Err(LabelsError::Unreadable { .. })));
}
