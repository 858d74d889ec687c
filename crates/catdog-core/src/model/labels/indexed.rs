//! Names with explicit class indices.
//!
//! Many tools write the index of a class next to its name: `0 cat`, `0: cat`, `cat,0`, a CSV table
//! with a header. The index decides which class has the name, so the lines may be in any order.
//! Numbers are indices only if every line has one and they are all of 0 to n-1, or all of 1 to n.
//! Otherwise they are part of the names, as in `2 euro`.

use std::collections::HashSet;

/// Characters between an index and a name.
const SEPARATORS: [char; 8] = [' ', '\t', ':', ',', ';', '=', '|', ')'];
/// Characters between the columns of a table.
const COLUMN_SEPARATORS: [char; 3] = [',', '\t', ';'];
/// Titles of a column with indices.
pub const INDEX_TITLES: [&str; 10] = [
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
];
/// Titles of a column with names, the most specific first.
pub const NAME_TITLES: [&str; 11] = [
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
];

/// Returns the names in the order of their indices; `None` unless the indices are all of 0 to n-1,
/// or all of 1 to n.
pub fn in_order<T>(mut pairs: Vec<(usize, T)>) -> Option<Vec<T>> {
    pairs.sort_by_key(|(index, _)| *index);
    // A larger index than 1 is checked first, because counting on from the largest one overflows.
    let first = pairs.first().map(|(index, _)| *index).filter(|first| *first <= 1)?;
    let complete = pairs.iter().zip(first..).all(|((index, _), wanted)| *index == wanted);
    complete.then(|| pairs.into_iter().map(|(_, name)| name).collect())
}

/// Returns the names in `lines`, one per line, without their indices.
pub fn names(lines: &[&str]) -> Vec<String> {
    let found = table(lines).or_else(|| leading(lines)).or_else(|| trailing(lines));
    let names = found.unwrap_or_else(|| lines.to_vec());
    let names = all_stripped(&names, synset).unwrap_or(names);
    let names = all_stripped(&names, quoted).unwrap_or(names);
    names.into_iter().map(str::to_owned).collect()
}

/// Returns whether `title` is the title of a column with names.
pub fn is_name_title(title: &str) -> bool {
    NAME_TITLES.contains(&title.to_lowercase().as_str())
}

/// Returns what `strip` leaves of each name; `None` if it does not apply to all of them.
fn all_stripped<'a>(
    names: &[&'a str],
    strip: fn(&'a str) -> Option<&'a str>,
) -> Option<Vec<&'a str>> {
    names.iter().map(|name| strip(name)).collect()
}

/// Removes the WordNet ID of ImageNet (`n01440764`) before a name.
fn synset(name: &str) -> Option<&str> {
    let (digits, rest) = name.strip_prefix('n')?.split_at_checked(8)?;
    let name = rest.trim_start_matches(SEPARATORS);
    let is_id = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_id && name.len() < rest.len() && !name.is_empty()).then_some(name)
}

/// Removes the quotes around a name, and a comma after them.
fn quoted(name: &str) -> Option<&str> {
    let name = name.strip_suffix(',').unwrap_or(name).trim_end();
    let inside = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).map(str::trim).filter(|name| !name.is_empty())
}

/// The index at the start of a line.
struct LeadingIndex<'a> {
    index: usize,
    /// The rest of the line; empty if the line is a number.
    name: &'a str,
    /// A separator is between index and name.
    is_separated: bool,
    /// The separator is more than spaces, so that the number cannot be a part of the name.
    is_marked: bool,
}

/// Reads lines that start with an index.
pub fn leading<'a>(lines: &[&'a str]) -> Option<Vec<&'a str>> {
    let parsed: Option<Vec<_>> = lines.iter().map(|line| leading_index(line)).collect();
    let parsed = parsed?;
    // In names such as "1st" and "2nd" the number is part of the name. Coral's labels of the Oxford
    // pets ("0Abyssinian") are recognized by their order, which starts at 0.
    if parsed.iter().any(|line| !line.is_separated)
        && parsed.iter().enumerate().any(|(number, line)| number != line.index)
    {
        return None;
    }
    // Names that are numbers stay. A single class without a name keeps its number as the name.
    if parsed.iter().all(|line| line.name.is_empty()) {
        return None;
    }
    let pairs = parsed.iter().zip(lines).map(|(parsed, line)| {
        (parsed.index, if parsed.name.is_empty() { line } else { parsed.name })
    });
    let names = in_order(pairs.collect())?;
    // Without their numbers, names such as "1 star" and "2 stars" would lose their meaning. Such
    // names rarely start at 0, and then most of them are equal. A few equal names are normal:
    // ImageNet has two pairs in 1000, and a small model can have two classes for "other".
    let distinct: HashSet<&str> = names.iter().copied().collect();
    let starts_at_zero = parsed.iter().any(|line| line.index == 0);
    let allowed = names.len() / if starts_at_zero { 2 } else { 10 };
    let are_indices = parsed.iter().all(|line| line.is_marked);
    (are_indices || names.len() - distinct.len() <= allowed).then_some(names)
}

/// Splits `line` into index and name.
fn leading_index(line: &str) -> Option<LeadingIndex<'_>> {
    let (open, close) = match line.chars().next()? {
        '[' => (&line[1..], "]"),
        '(' => (&line[1..], ")"),
        quote @ ('"' | '\'') => (&line[1..], if quote == '"' { "\"" } else { "'" }),
        '#' => (&line[1..], ""),
        _ => (line, ""),
    };
    let end = open.find(|c: char| !c.is_ascii_digit()).unwrap_or(open.len());
    let index = open[..end].parse().ok()?;
    let rest = &open[end..];
    let closed = rest.strip_prefix(close)?;
    // The dot of a decimal fraction is no separator.
    let closed = match closed.strip_prefix('.') {
        Some(after) if !after.starts_with(|c: char| c.is_ascii_digit()) => after,
        _ => closed,
    };
    let name = closed.trim_start_matches(SEPARATORS);
    let name = ["- ", "-> ", "> "].iter().find_map(|dash| name.strip_prefix(dash)).unwrap_or(name);
    let separator = &rest[..rest.len() - name.len()];
    let is_marked = !separator.trim().is_empty();
    let name = name.trim();
    let is_separated = name.len() < rest.len() || name.is_empty();
    let is_index = is_separated || name.starts_with(char::is_alphabetic);
    is_index.then_some(LeadingIndex { index, name, is_separated, is_marked })
}

/// Reads lines that end with an index after a comma, tab or colon.
fn trailing<'a>(lines: &[&'a str]) -> Option<Vec<&'a str>> {
    let parsed: Option<Vec<(usize, &str)>> = lines
        .iter()
        .map(|line| {
            let (name, index) = line.rsplit_once([',', '\t', ':', ';'])?;
            let name = name.trim();
            Some((index.trim().parse().ok()?, name)).filter(|_| !name.is_empty())
        })
        .collect();
    in_order(parsed?)
}

/// Reads a table whose first line has the titles of the columns.
fn table<'a>(lines: &[&'a str]) -> Option<Vec<&'a str>> {
    let (header, rows) = lines.split_first()?;
    let separator = COLUMN_SEPARATORS.into_iter().find(|separator| header.contains(*separator))?;
    let titles: Vec<String> =
        header.split(separator).map(|title| unquoted(title).to_lowercase()).collect();
    let column = |wanted: &str| titles.iter().position(|title| title == wanted);
    let name_column = NAME_TITLES.into_iter().find_map(column)?;
    // The index column of a table that pandas writes has an empty title.
    let index_column = INDEX_TITLES.into_iter().chain([""]).find_map(column)?;
    let pairs: Option<Vec<(usize, &str)>> = rows
        .iter()
        .map(|row| {
            // A comma in the last column belongs to the name.
            let cells: Vec<&str> = row.splitn(titles.len(), separator).map(unquoted).collect();
            let name = *cells.get(name_column)?;
            Some((cells.get(index_column)?.parse().ok()?, name)).filter(|_| !name.is_empty())
        })
        .collect();
    in_order(pairs?)
}

/// Returns `cell` without spaces and quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    quoted(cell).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        names(&text.lines().collect::<Vec<_>>())
    }

    #[test]
    fn every_common_form_of_an_index_is_removed() {
        for text in [
            "0 red\n1 green\n2 light blue",
            "0  red\n1  green\n2  light blue",
            "0: red\n1: green\n2: light blue",
            "0:red\n1:green\n2:light blue",
            "0,red\n1,green\n2,light blue",
            "0\tred\n1\tgreen\n2\tlight blue",
            "0. red\n1. green\n2. light blue",
            "0.red\n1.green\n2.light blue",
            "0) red\n1) green\n2) light blue",
            "(0) red\n(1) green\n(2) light blue",
            "[0] red\n[1] green\n[2] light blue",
            "0 - red\n1 - green\n2 - light blue",
            "0=red\n1=green\n2=light blue",
            "0 => red\n1 => green\n2 => light blue",
            "00 red\n01 green\n02 light blue",
            "0red\n1green\n2light blue",
            "\"0\": \"red\",\n\"1\": \"green\",\n\"2\": \"light blue\"",
            "0,n00000001,red\n1,n00000002,green\n2,n00000003,light blue",
            "n00000001 red\nn00000002 green\nn00000003 light blue",
            "red,0\ngreen,1\nlight blue,2",
            "red: 0\ngreen: 1\nlight blue: 2",
            "index,name\n0,red\n1,green\n2,light blue",
            "ID;Label\n0;red\n1;green\n2;light blue",
            "label,id\nred,0\ngreen,1\nlight blue,2",
            ",class\n0,red\n1,green\n2,light blue",
            "id,synset,name\n0,n01,red\n1,n02,green\n2,n03,light blue",
            "'red',\n'green',\n'light blue'",
        ] {
            assert_eq!(of(text), ["red", "green", "light blue"], "{text}");
        }
    }

    #[test]
    fn the_index_decides_which_class_has_the_name() {
        assert_eq!(of("2 red\n0 green\n1 blue"), ["green", "blue", "red"]);
        assert_eq!(of("3: red\n1: green\n2: blue"), ["green", "blue", "red"]);
        assert_eq!(of("id,name\n1,red\n0,green"), ["green", "red"]);
        assert_eq!(of("red,1\ngreen,0"), ["green", "red"]);
    }

    #[test]
    fn numbers_that_are_not_the_indices_of_all_lines_stay_in_the_names() {
        for text in [
            "0\n1\n2",
            "10\n20\n50",
            "2 cats\ndog",
            "0 red\n2 green",
            "0 red\n0 green",
            "5 red\n6 green",
            "1st gear\n2nd gear\n3rd gear",
            "1 star\n2 stars\n3 stars",
            "0.5 mm\n1.5 mm",
            "Class 1\nClass 2",
            "7up\ncola",
            "99999999999999999999999 red\n1 green",
        ] {
            assert_eq!(of(text), text.lines().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn equal_names_do_not_make_an_index_a_part_of_the_name() {
        assert_eq!(of("0 other\n1 cat\n2 other"), ["other", "cat", "other"]);
        assert_eq!(of("1: other\n2: cat\n3: other"), ["other", "cat", "other"]);
        let stars = "0 stars\n1 star\n2 stars\n3 stars\n4 stars\n5 stars";
        assert_eq!(of(stars), stars.lines().collect::<Vec<_>>());
    }

    #[test]
    fn the_largest_index_is_a_part_of_the_name() {
        assert_eq!(of("18446744073709551615 red"), ["18446744073709551615 red"]);
        assert_eq!(of("red,18446744073709551615"), ["red,18446744073709551615"]);
    }

    #[test]
    fn a_class_without_a_name_keeps_its_number() {
        assert_eq!(of("0 red\n1\n2 blue"), ["red", "1", "blue"]);
    }

    #[test]
    fn commas_inside_a_name_stay() {
        assert_eq!(of("0,tench, Tinca tinca\n1,goldfish"), ["tench, Tinca tinca", "goldfish"]);
        assert_eq!(
            of("id,name\n0,tench, Tinca tinca\n1,goldfish"),
            ["tench, Tinca tinca", "goldfish"]
        );
    }
}
