//! Finds labels files in the folder of a model.
//!
//! The names of published labels files follow few habits: `labels.txt` in most cases (Teachable
//! Machine, Model Maker, Edge Impulse), `dict.txt` (AutoML), `class_indices.json` (Keras), or the
//! name of the model or of its data set and "labels" (`mobilenet_labels.txt`, Coral's
//! `inat_bird_labels.txt`). A file that is more specific to the model comes first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names of labels files, the most common first.
const COMMON: [&str; 10] = [
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
];
/// Parts of the names of other labels files, in lower case.
const PARTS: [&str; 5] = ["label", "class", "categor", "names", "dict"];
/// Extensions of other labels files, in lower case.
const EXTENSIONS: [&str; 3] = ["txt", "json", "csv"];
/// Words that do not connect a labels file with a model.
const UNSPECIFIC: [&str; 8] =
    ["label", "labels", "class", "classes", "names", "model", "map", "indices"];
/// Number of entries of the folder that are looked at. A folder with more entries is not a folder
/// of models, and is not searched, because the result would depend on the order of its entries.
const MAX_ENTRIES: usize = 1000;
/// Number of other labels files that are read.
const MAX_OTHERS: usize = 32;

/// Labels files of equal rank.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// The files, sorted by name.
    pub files: Vec<PathBuf>,
    /// The name is that of the model or a common one, so a user expects that the file is used.
    pub is_expected: bool,
}

/// The labels files in the folder of a model.
pub struct Found {
    /// The files, the most specific group first.
    pub groups: Vec<Group>,
    /// The files whose names have nothing in common with the model. They may belong to another one.
    pub unrelated: Vec<PathBuf>,
    /// The files in `groups` whose names have more in common with another model in the folder.
    pub of_other_models: Vec<PathBuf>,
    /// The folder contains other models.
    pub has_other_models: bool,
}

/// Returns the files that exist for `model`.
pub fn find(model: &Path) -> Found {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let own = [
        format!("{stem}.txt"),
        format!("{stem}_labels.txt"),
        format!("{stem}-labels.txt"),
        format!("labels_{stem}.txt"),
    ];
    let expected = |name: &str| {
        // A dangling link or a folder is reported, because a user expects that it is read.
        let file =
            Some(model.with_file_name(name)).filter(|file| file.symlink_metadata().is_ok())?;
        Some(Group { files: vec![file], is_expected: true })
    };
    let entries = entries_of(model);
    let (related, unrelated) = others(&entries, &stem, &own);
    let mut groups: Vec<Group> = own.iter().filter_map(|name| expected(name)).collect();
    groups.extend(related.into_iter().map(|files| Group { files, is_expected: false }));
    groups.extend(COMMON.into_iter().filter_map(expected));
    let is_other_model =
        |file: &&PathBuf| extension(file) == "tflite" && file.file_name() != model.file_name();
    let other_models = entries.iter().filter(is_other_model).map(|file| stem_of(file));
    let other_models: Vec<String> = other_models.collect();
    let is_of_other_model = |file: &&PathBuf| {
        let name = stem_of(file);
        let (shared, _) = similarity(&name, &stem);
        other_models.iter().any(|other| similarity(&name, other).0 > shared)
    };
    let found = groups.iter().filter(|group| !group.is_expected).flat_map(|group| &group.files);
    let of_other_models = found.filter(is_of_other_model).cloned().collect();
    Found { groups, unrelated, of_other_models, has_other_models: !other_models.is_empty() }
}

/// Returns the name of a file without its extension, in lower case.
fn stem_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Returns the files in the folder of `model`, sorted by name.
fn entries_of(model: &Path) -> Vec<PathBuf> {
    // The folder of a relative path without a folder is the current one.
    let folder = model.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or(Path::new("."))) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .take(MAX_ENTRIES + 1)
        .filter_map(|entry| Some(model.with_file_name(entry.ok()?.file_name())))
        .collect();
    if files.len() > MAX_ENTRIES {
        return Vec::new();
    }
    files.sort();
    files
}

/// Returns the labels files among `entries` that are neither in `own` nor common: those that are
/// related to `stem` in groups, the most similar first, and the unrelated ones.
fn others(entries: &[PathBuf], stem: &str, own: &[String]) -> (Vec<Vec<PathBuf>>, Vec<PathBuf>) {
    let other = entries.iter().filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_known = own.iter().any(|own| *own == name) || COMMON.contains(&&*name);
        !is_known && EXTENSIONS.contains(&&*extension(file))
    });
    let mut by_similarity: BTreeMap<(usize, usize), Vec<PathBuf>> = BTreeMap::new();
    for file in other {
        let name = stem_of(file);
        let similarity = similarity(&name, stem);
        let has_part = PARTS.iter().any(|part| name.contains(part));
        if has_part || (similarity.0 > 0 && name == stem.to_lowercase()) {
            by_similarity.entry(similarity).or_default().push(file.clone());
        }
    }
    let unrelated = by_similarity.remove(&(0, 0)).unwrap_or_default();
    let mut left = MAX_OTHERS;
    let mut regular = |files: Vec<PathBuf>| -> Vec<PathBuf> {
        let files: Vec<_> = files.into_iter().filter(|file| file.is_file()).take(left).collect();
        left -= files.len();
        files
    };
    let related = by_similarity.into_values().rev().map(&mut regular).collect();
    (related, regular(unrelated))
}

/// Returns how similar the file names `name` and `stem` are: the number of words of `name` that are
/// also in `stem`, and the length of the common start. Without a common word, both are 0.
fn similarity(name: &str, stem: &str) -> (usize, usize) {
    let (stem, words_of_stem) = (stem.to_lowercase(), words(stem));
    let shared = words(name).iter().filter(|word| words_of_stem.contains(word)).count();
    let start = name.chars().zip(stem.chars()).take_while(|(a, b)| a == b).count();
    if shared == 0 { (0, 0) } else { (shared, start) }
}

fn extension(file: &Path) -> String {
    file.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Returns the specific words of a file name, in lower case.
fn words(name: &str) -> Vec<String> {
    name.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !UNSPECIFIC.contains(word))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names of the files that are found for `model` in a folder with `files`.
    fn found(model: &str, files: &[&str]) -> (Vec<Vec<String>>, Vec<String>, bool) {
        let folder = tempfile::tempdir().unwrap();
        for name in files.iter().chain([&model]) {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let names = |files: &Vec<PathBuf>| -> Vec<String> {
            files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().into()).collect()
        };
        let found = find(&folder.path().join(model));
        let groups = found.groups.iter().map(|group| names(&group.files)).collect();
        (groups, names(&found.unrelated), found.has_other_models)
    }

    #[test]
    fn the_file_that_is_most_specific_to_the_model_comes_first() {
        let files = [
            "README.txt",
            "class_indices.json",
            "coffee.txt",
            "coffee_labels.txt",
            "labels-coffee-v2.csv",
            "labels.txt",
            "pets_labels.txt",
        ];
        let (groups, unrelated, has_other_models) = found("coffee.tflite", &files);
        assert_eq!(
            groups,
            [
                ["coffee.txt"],
                ["coffee_labels.txt"],
                ["labels-coffee-v2.csv"],
                ["labels.txt"],
                ["class_indices.json"]
            ]
        );
        assert_eq!(unrelated, ["pets_labels.txt"]);
        assert!(!has_other_models);
    }

    #[test]
    fn words_connect_a_file_with_its_model() {
        let files = [
            "imagenet_labels.txt",
            "inat_bird_labels.txt",
            "inat_insect_labels.txt",
            "labels_mobilenet_quant_v1_224.txt",
            "mobilenet_v1_1.0_224_quant.tflite",
        ];
        let (groups, unrelated, has_other_models) =
            found("mobilenet_v2_1.0_224_inat_bird_quant_edgetpu.tflite", &files);
        let first = ["labels_mobilenet_quant_v1_224.txt".to_owned()];
        assert_eq!(
            groups,
            [&first[..], &["inat_bird_labels.txt".into()], &["inat_insect_labels.txt".into()]]
        );
        assert_eq!(unrelated, ["imagenet_labels.txt"]);
        assert!(has_other_models);
        // Of files with equally many common words, the one with the same start comes first.
        let files = ["01_labels.txt", "05_binary_labels.txt", "model.json", "01_binary.json"];
        let (groups, ..) = found("01_binary_sigmoid.tflite", &files);
        assert_eq!(groups, [["01_labels.txt"], ["05_binary_labels.txt"]]);
        let (groups, ..) = found("01_binary.tflite", &files);
        assert_eq!(groups[0], ["01_binary.json"]);
        // The word "model" connects nothing.
        let (groups, unrelated, _) = found("model.tflite", &["fruit_model_labels.txt"]);
        assert_eq!((groups.len(), &unrelated[..]), (0, &["fruit_model_labels.txt".to_owned()][..]));
    }

    #[test]
    fn the_best_of_many_files_are_returned() {
        let files: Vec<String> = (0..100).map(|number| format!("m{number}_labels.txt")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (groups, unrelated, _) = found("m99-quant.tflite", &files);
        assert_eq!(
            (groups, unrelated.len()),
            (vec![vec!["m99_labels.txt".into()]], MAX_OTHERS - 1)
        );
        assert_eq!(found("m7.tflite", &files).0, [["m7_labels.txt"]]);
    }

    #[test]
    fn a_huge_folder_is_not_searched() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_ENTRIES {
            fs::write(folder.path().join(format!("{number}.jpg")), b"").unwrap();
        }
        let model = folder.path().join("m.tflite");
        fs::write(folder.path().join("pets_labels.txt"), b"a\nb\n").unwrap();
        fs::write(folder.path().join("labels.txt"), b"a\nb\n").unwrap();
        let found = find(&model);
        assert!(found.unrelated.is_empty());
        let labels = Group { files: vec![folder.path().join("labels.txt")], is_expected: true };
        assert_eq!(found.groups, [labels]);
    }
}
