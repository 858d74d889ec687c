//! The classes that the keys 1 to 9 stand for.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use catdog_core::classifier::{Config, Interpretation};
use catdog_core::model::ModelSource;
use catdog_core::model::tflite::ModelInfo;
use gst::prelude::*;
use gstcatdog::catdogfilter::CatdogFilter;

use super::rule::{Key, TO_SORT};
use crate::model_arguments::Reading;

/// The number of keys.
const KEYS: usize = 9;
/// A folder that the training does not read as a class.
pub const BACKBONE: &str = "backbone";

/// Returns the classes of the keys: those of the model, and those that have a folder in `folder`. If
/// the model has more classes than there are keys, those with a folder come first.
pub fn classes(of_model: &[String], folder: &Path) -> Vec<String> {
    let with_folder = class_folders(folder);
    let (first, second) = match of_model.len() {
        ..=KEYS => (of_model, &with_folder[..]),
        _ => (&with_folder[..], of_model),
    };
    let mut taken = HashSet::new();
    let all = first.iter().chain(second).filter(|class| taken.insert(class.as_str()));
    all.take(KEYS).cloned().collect()
}

/// Returns the names of the class folders in `folder`, sorted.
fn class_folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| !name.starts_with('.') && name != TO_SORT && name != BACKBONE)
        .collect();
    names.sort_unstable();
    names
}

/// Returns the classes of the model of `filter`; none if the element will refuse the model.
pub fn classes_of_model(filter: &CatdogFilter) -> Vec<String> {
    let model = filter.property::<Option<std::path::PathBuf>>("model-file");
    let mut config: Config =
        Reading::defaults().config(model.map_or_else(ModelSource::default, ModelSource::named), 0);
    config.labels = filter.property("labels");
    config.labels_file = filter.property("labels-file");
    config.model_options.output = filter.property("output");
    let labels = || {
        let file = config.model.read().ok()?;
        let info = ModelInfo::parse_with(&file, &config.model_options).ok()?;
        Some(Interpretation::new(&config, &info, None).ok()?.labels.names)
    };
    labels().unwrap_or_default()
}

/// Returns the line that explains the keys.
pub fn help(classes: &[String]) -> String {
    let keys = classes.iter().enumerate().map(|(index, class)| format!("{} {class}", index + 1));
    let keys: Vec<_> = keys.chain([format!("space {TO_SORT}")]).collect();
    format!("keys: {}", keys.join(", "))
}

/// Returns what the key with this byte asks for.
pub fn key(byte: u8, classes: &[String]) -> Option<Key> {
    match byte {
        b' ' => Some(Key::ToSort),
        b'1'..=b'9' => classes.get(usize::from(byte - b'1')).cloned().map(Key::Class),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_classes_get_a_key_too() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["mug", "cat", "to-sort", ".hidden", "backbone"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("file"), "").unwrap();
        let cats = ["dog".to_owned(), "cat".to_owned()];
        assert_eq!(classes(&cats, folder.path()), ["dog", "cat", "mug"]);
        let many: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
        let found = classes(&many, folder.path());
        assert_eq!(found, ["cat", "mug", "0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(classes(&cats, Path::new("/nowhere")), cats);
    }

    #[test]
    fn a_key_is_the_number_of_a_class_or_space() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        assert_eq!(key(b'2', &classes), Some(Key::Class("dog".into())));
        assert_eq!(key(b' ', &classes), Some(Key::ToSort));
        assert_eq!([b'0', b'3', b'x', 27].map(|byte| key(byte, &classes)), [const { None }; 4]);
        assert_eq!(help(&classes), "keys: 1 cat, 2 dog, space to-sort");
    }

    #[test]
    fn the_classes_are_those_that_the_element_will_use() {
        crate::start_gstreamer().unwrap();
        let filter: CatdogFilter = gst::glib::Object::new();
        assert_eq!(classes_of_model(&filter), ["cat", "dog", "neither"]);
        filter.set_property("labels", "Katze,Hund,nichts");
        assert_eq!(classes_of_model(&filter), ["Katze", "Hund", "nichts"]);
        filter.set_property("model-file", "/nowhere.tflite");
        assert_eq!(classes_of_model(&filter), [""; 0]);
    }
}
