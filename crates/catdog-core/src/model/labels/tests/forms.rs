//! The forms of labels files that published models have, and the limits of each rule.

use super::super::{fit, indexed, text};
use super::*;

fn of(content: &str) -> Vec<String> {
    text::names(content, "x").unwrap()
}

const COLORS: [&str; 3] = ["red", "green", "light blue"];

#[test]
fn each_separator_after_an_index_is_removed() {
    for separator in [" ", "\t", ":", ",", ";", "=", "|", ")", ". ", " - ", " -> ", "=> ", ":  "] {
        let lines = COLORS.iter().enumerate();
        let lines = lines.map(|(index, name)| format!("{index}{separator}{name}"));
        assert_eq!(of(&lines.collect::<Vec<_>>().join("\n")), COLORS, "{separator:?}");
    }
    for (open, close) in [("#", " "), ("'", "': "), ("\"", "\" "), ("[", "]"), ("(", ")")] {
        let lines = COLORS.iter().enumerate();
        let lines = lines.map(|(index, name)| format!("{open}{index}{close}{name}"));
        assert_eq!(of(&lines.collect::<Vec<_>>().join("\n")), COLORS, "{open:?}");
    }
    for separator in [",", "\t", ":", ";", ", "] {
        let lines = COLORS.iter().enumerate();
        let lines = lines.map(|(index, name)| format!("{name}{separator}{index}"));
        assert_eq!(of(&lines.collect::<Vec<_>>().join("\n")), COLORS, "{separator:?}");
    }
    // Characters that do not separate.
    for text in ["0/red\n1/green", "0_red\n1_green", "0-red\n1-green", "(0 red\n(1 green"] {
        assert_eq!(of(text), text.lines().collect::<Vec<_>>(), "{text}");
    }
    // Without a separator, the order must be that of the lines, from 0.
    assert_eq!(of("0red\n1green"), ["red", "green"]);
    for text in ["1red\n2green", "1red\n0green"] {
        assert_eq!(of(text), text.lines().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn names_that_lose_their_meaning_without_a_number_keep_it() {
    // Twenty names, of which two are superfluous.
    let of_twenty = |superfluous: usize| {
        let lines = (1..=20).map(|index| format!("{index} name {}", index.max(superfluous + 1)));
        of(&lines.collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(of_twenty(2)[0], "name 3");
    assert_eq!(of_twenty(3)[0], "1 name 4");
}

#[test]
fn each_title_of_a_column_is_known() {
    for title in [
        "id",
        "idx",
        "index",
        "class_id",
        "class_index",
        "class_idx",
        "label_id",
        "label_index",
        "class id",
        "class index",
        "",
        "ID",
        "Class_Index",
    ] {
        let table = format!("{title},name\n1,red\n0,green");
        assert_eq!(of(&table), ["green", "red"], "{title}");
    }
    for title in [
        "display_name",
        "class_name",
        "label_name",
        "class name",
        "name",
        "names",
        "label",
        "labels",
        "class",
        "classes",
        "category",
        "Category",
    ] {
        for separator in [",", "\t", ";"] {
            let table = format!("id{separator}{title}\n1{separator}red\n0{separator}green");
            assert_eq!(of(&table), ["green", "red"], "{title}");
        }
    }
    // The most specific title counts.
    assert_eq!(of("id,name,display_name\n0,a,red\n1,b,green"), ["red", "green"]);
    assert_eq!(of("id,category,label\n0,a,red\n1,b,green"), ["red", "green"]);
    // Cells may have quotes.
    assert_eq!(of("\"id\",\"name\"\n\"0\",\"red\"\n\"1\",\"green\""), ["red", "green"]);
    for text in [
        // Without an index, with a name missing, and with an index missing.
        "color,name\n0,red\n1,green",
        "id,name\n0,red\n1,",
        "id,name\n0,red\n2,green",
        "id|name\n0|red\n1|green",
    ] {
        assert_eq!(of(text).len(), 3, "{text}");
    }
}

#[test]
fn synsets_and_quotes_are_removed_from_all_names_or_none() {
    assert_eq!(of("n00000001 red\nn00000002 green"), ["red", "green"]);
    for text in [
        "n00000001 red\ngreen",
        "n0000001 red\nn0000002 green",
        "n0000000x red\nn0000000y green",
        "n00000001red\nn00000002green",
        "n00000001\nn00000002",
        "'red'\ngreen",
        "'red\n'green",
        "''\n''",
    ] {
        assert_eq!(of(text), text.lines().collect::<Vec<_>>(), "{text}");
    }
    assert_eq!(of("\"red\",\n\"green\""), ["red", "green"]);
}

#[test]
fn each_key_of_a_dictionary_is_known() {
    let keys = ["names", "class_names", "labels", "classes", "class_indices", "index_to_class"];
    for (position, key) in keys.into_iter().enumerate() {
        let content = format!(r#"{{"about": ["x", "y"], "{key}": ["cat", "dog"]}}"#);
        assert_eq!(of(&content), ["cat", "dog"], "{key}");
        // A key that is more specific comes first, wherever it is.
        for other in &keys[position + 1..] {
            let content = format!(r#"{{"{other}": ["x", "y"], "{key}": ["cat", "dog"]}}"#);
            assert_eq!(of(&content), ["cat", "dog"], "{key} {other}");
        }
    }
    for content in [
        r#"{"0": ["n01", "x", "cat"], "1": ["dog"]}"#,
        r#"{"0": {"label": "cat"}, "1": {"class": "x", "label": "dog"}}"#,
        r#"[{"class_index": 1, "category": "dog"}, {"class_index": 0, "category": "cat"}]"#,
        "('cat', 'dog')",
    ] {
        assert_eq!(of(content), ["cat", "dog"], "{content}");
    }
    // Names that are numbers.
    assert_eq!(of(r#"{"0": 5, "1": "ten", "2": 20}"#), ["5", "ten", "20"]);
}

#[test]
fn an_index_of_a_dictionary_is_not_negative() {
    for content in ["{-1: 'cat', 0: 'dog'}", "{'cat': -1, 'dog': 0}", "{'-1': 'cat', '0': 'dog'}"] {
        assert!(text::names(content, "x").is_err(), "{content}");
    }
}

#[test]
fn indices_start_at_0_or_1_and_have_no_gap() {
    let order = |indices: &[usize]| {
        indexed::in_order(indices.iter().map(|index| (*index, *index)).collect())
    };
    assert_eq!(order(&[2, 0, 1]), Some(vec![0, 1, 2]));
    assert_eq!(order(&[2, 1]), Some(vec![1, 2]));
    for indices in [&[][..], &[2, 3], &[0, 2], &[0, 0], &[1, 1, 2]] {
        assert_eq!(order(indices), None, "{indices:?}");
    }
}

#[test]
fn each_known_extra_name_is_dropped_if_there_is_one_name_too_many() {
    let drops = |first: &str, rest: &str, scores: usize| {
        let names = format!("{first}\n{rest}");
        let names: Vec<String> = names.lines().map(str::to_owned).collect();
        fit::file(names, scores, "x").is_ok_and(|fit| fit.warning.is_some())
    };
    for first in [
        "background",
        "__background__",
        "_background_",
        "_background",
        "???",
        "unused",
        "BACKGROUND",
        "label",
        "Name",
        "class_name",
    ] {
        assert!(drops(first, "a\nb\nc", 3), "{first}");
        // A model with one score has two classes.
        assert!(drops(first, "a\nb", 1), "{first}");
        assert!(!drops(first, "a\nb\nc\nd", 3), "{first}: two names too many");
        assert!(!drops("a", &format!("b\nc\n{first}"), 3), "{first}: it is not the first");
    }
    for first in ["none", "other", "", "background noise", "n/a"] {
        assert!(!drops(first, "a\nb\nc", 3), "{first}");
    }
}

#[test]
fn a_name_can_be_displayed_and_has_at_most_1000_bytes() {
    let error = |name: &str| fit::list(vec!["a".into(), name.into()], 2).err();
    assert_eq!(error(&"x".repeat(LONGEST)), None);
    assert_eq!(error(&"x".repeat(LONGEST + 1)).map(|e| e.to_string().contains("1001")), Some(true));
    // Bytes count, not characters.
    assert!(error(&"é".repeat(501)).is_some());
    for character in [
        '\0', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}',
        '\u{2066}', '\u{2069}',
    ] {
        let found = error(&format!("a{character}b"));
        assert!(matches!(found, Some(LabelsError::Unprintable { index: 2, .. })), "{character:?}");
    }
    // Joiners and the characters next to the ranges above.
    for character in ['\u{200d}', '\u{202f}', '\u{2027}', '\u{2065}', '\u{206a}', '\u{a0}'] {
        assert_eq!(error(&format!("a{character}b")), None, "{character:?}");
    }
}

#[test]
fn the_hint_at_a_missing_background_is_for_many_classes() {
    let hint = |names: usize, scores: usize, is_list: bool| {
        let names: Vec<String> = (0..names).map(|index| format!("c{index}")).collect();
        let error = match is_list {
            true => fit::list(names, scores).unwrap_err(),
            false => fit::file(names, scores, "x").unwrap_err(),
        };
        error.to_string().contains("put a line 'background' first")
    };
    assert!(hint(100, 101, false));
    assert!(!hint(99, 100, false));
    assert!(!hint(100, 102, false) && !hint(102, 101, false));
    assert!(!hint(100, 101, true));
}

#[test]
fn animals_in_a_file_name_can_be_linked_by_a_word() {
    for link in ["vs", "versus", "v", "and", "or", "n", "und", "", "VS", "Und"] {
        let labels = beside_model(&format!("cats-{link}-dogs.tflite"), 2, &[]);
        assert_eq!(labels.names, ["cat", "dog"], "{link}");
    }
    for link in ["with", "not", "bird", "vs_bird_vs"] {
        let labels = beside_model(&format!("cats-{link}-dogs.tflite"), 2, &[]);
        assert_eq!(labels.source, LabelSource::Numbers, "{link}");
    }
}
