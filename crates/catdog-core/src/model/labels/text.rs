//! Reads the names of the classes from the bytes of a labels file.
//!
//! Three forms exist: one name per line, one name per line with its index, and a dictionary or a
//! list in the notation of Python or JSON.

use super::error::LabelsError;
use super::indexed;
use super::literal::Literal;

/// Keys under which a dictionary contains the names, the most specific first. Ultralytics writes
/// `names`, Teachable Machine `labels`.
const KEYS: [&str; 6] =
    ["names", "class_names", "labels", "classes", "class_indices", "index_to_class"];

/// Decodes UTF-8, and UTF-16 with a byte order mark, as Windows writes it.
///
/// # Errors
///
/// [`LabelsError::NotUtf8`] if the bytes are neither.
pub fn decode(bytes: &[u8], source_name: &str) -> Result<String, LabelsError> {
    let not_utf8 =
        |position| LabelsError::NotUtf8 { source_name: source_name.to_owned(), position };
    let unit: Option<fn([u8; 2]) -> u16> = match bytes {
        [0xff, 0xfe, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] => Some(u16::from_be_bytes),
        _ => None,
    };
    let Some(unit) = unit else {
        let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(error.valid_up_to()))?;
        return Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned());
    };
    let (pairs, rest) = bytes[2..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(not_utf8(bytes.len() - 1));
    }
    let mut text = String::new();
    let mut position = 2;
    for character in char::decode_utf16(pairs.iter().copied().map(unit)) {
        let character = character.map_err(|_| not_utf8(position))?;
        position += 2 * character.len_utf16();
        text.push(character);
    }
    Ok(text)
}

/// Returns the names in `text`. Empty lines are skipped.
///
/// # Errors
///
/// [`LabelsError`] if there are no names, or a dictionary is damaged or does not name every class.
pub fn names(text: &str, source_name: &str) -> Result<Vec<String>, LabelsError> {
    let text = text.trim_end();
    let source_name = || source_name.to_owned();
    match Literal::parse(text) {
        Ok(literal @ (Literal::Map(_) | Literal::List(_))) => {
            if let Some(names) = literal_names(&literal, &KEYS) {
                return Ok(names.into_iter().map(|name| name.trim().to_owned()).collect());
            }
            if matches!(literal, Literal::Map(_)) {
                return Err(LabelsError::NotNames { source_name: source_name() });
            }
        }
        Err(position) if starts_like_literal(text) => {
            return Err(LabelsError::Syntax { source_name: source_name(), position });
        }
        _ => {}
    }
    // The number of names is checked afterwards, so an empty line that stands for a class is an error
    // there.
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    if lines.is_empty() {
        return Err(LabelsError::Empty { source_name: source_name() });
    }
    Ok(quoted_names(text, &lines).unwrap_or_else(|| indexed::names(&lines)))
}

/// Returns the names in a list without brackets, such as `"cat", "dog"`, of which a line has several.
/// `None` if `text` is not such a list, or its lines start with an index.
fn quoted_names(text: &str, lines: &[&str]) -> Option<Vec<String>> {
    if !text.trim_start().starts_with(['"', '\'']) || indexed::leading(lines).is_some() {
        return None;
    }
    let Ok(Literal::List(items)) = Literal::parse(&format!("[{text}]")) else { return None };
    let names: Vec<String> = items.iter().map(self::text).collect::<Option<_>>()?;
    (names.len() > lines.len()).then(|| names.iter().map(|name| name.trim().to_owned()).collect())
}

/// Returns whether `text` is meant to be a dictionary or a list. A file of lines may have a bracket
/// before each name.
fn starts_like_literal(text: &str) -> bool {
    let text = text.trim_start();
    let is_list = text.starts_with(['[', '(']) && (text.lines().count() == 1 || text.contains('"'));
    text.starts_with('{') || is_list
}

/// Returns the names that `literal` contains: a list of names or records, a dictionary from index to
/// name or from name to index, or a dictionary that contains one of these under one of `keys`.
fn literal_names(literal: &Literal, keys: &[&str]) -> Option<Vec<String>> {
    match literal {
        Literal::List(items) => {
            let names = items.iter().map(text).collect::<Option<Vec<_>>>();
            names.or_else(|| records(items))
        }
        Literal::Map(entries) => {
            let name_to_index = |(key, value): &(Literal, Literal)| {
                let Literal::Integer(index) = value else { return None };
                Some((usize::try_from(*index).ok()?, text(key)?))
            };
            let index_to_name =
                |(key, value): &(Literal, Literal)| Some((index(key)?, name(value)?));
            // The first form comes first: folders that are named by numbers have the class indices
            // {"0": 0, "1": 1, "10": 2}.
            let pairs: Option<Vec<_>> = entries.iter().map(name_to_index).collect();
            let pairs = pairs.or_else(|| entries.iter().map(index_to_name).collect());
            if let Some(pairs) = pairs {
                return indexed::in_order(pairs);
            }
            literal_names(value(entries, keys)?, &[])
        }
        _ => None,
    }
    .filter(|names| !names.is_empty())
}

/// Returns the names in a list of records such as `{"id": 0, "name": "cat"}`. Records without
/// indices have the order of the classes.
fn records(items: &[Literal]) -> Option<Vec<String>> {
    let pairs: Option<Vec<(usize, String)>> = items
        .iter()
        .enumerate()
        .map(|(position, item)| {
            let Literal::Map(entries) = item else { return None };
            let index = value(entries, &indexed::INDEX_TITLES).map_or(Some(position), index);
            Some((index?, text(value(entries, &indexed::NAME_TITLES)?)?))
        })
        .collect();
    indexed::in_order(pairs?)
}

/// Returns the value of the first of `keys` that exists.
fn value<'a>(entries: &'a [(Literal, Literal)], keys: &[&str]) -> Option<&'a Literal> {
    let value = |wanted: &&str| {
        entries.iter().find(|(key, _)| matches!(key, Literal::Text(key) if key == wanted))
    };
    keys.iter().find_map(value).map(|(_, value)| value)
}

/// Returns a key that is an index; JSON writes it as a string.
fn index(key: &Literal) -> Option<usize> {
    match key {
        Literal::Integer(index) => usize::try_from(*index).ok(),
        Literal::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Returns a value that is a name. Keras' ImageNet index has a list of WordNet ID and name.
fn name(literal: &Literal) -> Option<String> {
    match literal {
        Literal::Integer(number) => Some(number.to_string()),
        Literal::List(items) => text(items.last()?),
        Literal::Map(entries) => text(value(entries, &indexed::NAME_TITLES)?),
        _ => text(literal),
    }
}

fn text(literal: &Literal) -> Option<String> {
    match literal {
        Literal::Text(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str) -> Result<Vec<String>, LabelsError> {
        names(content, "x")
    }

    #[test]
    fn utf16_with_a_byte_order_mark_is_decoded() {
        let text = "Hündin\r\n🐈\r\n";
        let little: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let big: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(decode(&little, "x").as_deref(), Ok(text));
        assert_eq!(decode(&big, "x").as_deref(), Ok(text));
        let position = |bytes: &[u8]| match decode(bytes, "x") {
            Err(LabelsError::NotUtf8 { position, .. }) => position,
            other => panic!("{other:?}"),
        };
        assert_eq!(position(b"\xff\xfea\0b"), 4);
        assert_eq!(position(b"\xff\xfea\0\x00\xd8b\0"), 4);
        // Windows-1252
        assert_eq!(position(b"caf\xe9"), 3);
    }

    #[test]
    fn dictionaries_and_lists_of_training_code_are_read() {
        for content in [
            "['cat', 'dog']",
            "[\n  \"cat\",\n  \"dog\"\n]\n",
            r#"{"0": "cat", "1": "dog"}"#,
            "{1: 'cat', 2: 'dog'}",
            "{1: 'dog', 0: 'cat'}",
            r#"{"dog": 1, "cat": 0}"#,
            r#"{"0": ["n02121620", "cat"], "1": ["n02084071", "dog"]}"#,
            r#"[{"label": "cat", "about": "purrs"}, {"label": "dog", "about": "barks"}]"#,
            r#"[{"id": 2, "name": "dog"}, {"id": 1, "name": "cat"}]"#,
            r#"{"0": {"name": "cat"}, "1": {"name": "dog"}}"#,
            "{'description': 'it\\'s', 'task': 'classify', 'batch': 1, 'imgsz': [96, 96], \
             'names': {0: 'cat', 1: 'dog'}, 'args': {'half': False}}",
            r#"{"tfjsVersion": "1.7.4", "labels": ["cat", "dog"], "imageSize": 224}"#,
        ] {
            assert_eq!(of(content).unwrap(), ["cat", "dog"], "{content}");
        }
        // Folders with numbers as names.
        assert_eq!(of(r#"{"0": 0, "1": 1, "10": 2, "2": 3}"#).unwrap(), ["0", "1", "10", "2"]);
        let names: Vec<String> = (0..1000).map(|index| format!("class {index}")).collect();
        let entries: Vec<String> = names
            .iter()
            .enumerate()
            .rev()
            .map(|(index, name)| format!("{index}: {name:?}"))
            .collect();
        assert_eq!(of(&format!("{{'names': {{{}}}}}", entries.join(", "))).unwrap(), names);
    }

    #[test]
    fn a_dictionary_that_does_not_name_every_class_is_an_error() {
        let not_names = Err(LabelsError::NotNames { source_name: "x".into() });
        for content in [
            "{}",
            "{0: 'cat', 2: 'dog'}",
            r#"{"cat": 0, "dog": 0}"#,
            r#"{"cat": 0, "dog": "1"}"#,
            "{'names': 3}",
            "{'names': {'names': ['a', 'b']}}",
            r#"{"task": "classify"}"#,
        ] {
            assert_eq!(of(content), not_names, "{content}");
        }
        let damaged = of("{'names': {0: 'cat', 1: 'do");
        assert_eq!(damaged, Err(LabelsError::Syntax { source_name: "x".into(), position: 27 }));
    }

    #[test]
    fn quoted_names_on_one_line_are_a_list() {
        for content in
            ["\"cat\", \"dog\"", "'cat','dog'", "\"cat\", \"dog\",\n", " 'cat' , \"dog\" "]
        {
            assert_eq!(of(content).unwrap(), ["cat", "dog"], "{content}");
        }
        let wrapped = "\"tench, Tinca tinca\", \"goldfish\",\n\"shark\"";
        assert_eq!(of(wrapped).unwrap(), ["tench, Tinca tinca", "goldfish", "shark"]);
        // These lines have one name each.
        assert_eq!(of("\"0\", \"cat\",\n\"1\", \"dog\",").unwrap(), ["cat", "dog"]);
        assert_eq!(of("\"cat\"\n\"dog\"").unwrap(), ["cat", "dog"]);
        assert_eq!(of("\"big\" cat\n\"small\" dog").unwrap(), ["\"big\" cat", "\"small\" dog"]);
    }

    #[test]
    fn lines_that_resemble_a_list_are_lines() {
        assert_eq!(of("[0] cat\n[1] dog").unwrap(), ["cat", "dog"]);
        assert_eq!(of("(a)\n(b)").unwrap(), ["(a)", "(b)"]);
        assert_eq!(of("[1, 2]").unwrap(), ["[1, 2]"]);
        assert_eq!(of("1").unwrap(), ["1"]);
    }
}
