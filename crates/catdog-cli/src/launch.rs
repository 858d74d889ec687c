//! The text of a pipeline, as `gst-launch-1.0` takes it.
//!
//! The program runs the same text that `--print-pipeline` prints, so the printed line does what the
//! program does.

use std::fmt::{self, Write as _};

use gst::glib;
use gst::prelude::*;

/// A pipeline description: elements with their properties, linked in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    words: Vec<String>,
}

impl Launch {
    /// Returns a description with one element.
    pub fn element(factory: &str) -> Self {
        Self { words: vec![factory.to_owned()] }
    }

    /// Returns a description with a caps filter.
    pub fn caps(caps: &str) -> Self {
        // A caps filter may stand for itself, but only the element takes every string.
        Self::element("capsfilter").set("caps", caps)
    }

    /// Sets a property of the last element.
    pub fn set(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.words.push(format!("{name}={}", quoted(&value.to_string())));
        self
    }

    /// Links another description to the last element.
    pub fn link(mut self, next: Self) -> Self {
        if !self.words.is_empty() && !next.words.is_empty() {
            self.words.push("!".to_owned());
        }
        self.words.extend(next.words);
        self
    }

    /// Adds a branch of its own, such as one that starts at a named element.
    pub fn branch(mut self, branch: Self) -> Self {
        self.words.extend(branch.words);
        self
    }

    /// Returns the words as a line for a shell.
    pub fn for_shell(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| shell_quoted(word)).collect();
        words.join(" ")
    }
}

impl fmt::Display for Launch {
    /// Writes the description for `gst::parse`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

/// Returns `value` quoted for a pipeline description, if it needs quotes.
fn quoted(value: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:%+".contains(char);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    // What is left after the parser has removed its quotes is read as a string of GStreamer, which may
    // have quotes, too.
    if value.starts_with('"') { in_quotes(&in_quotes(value)) } else { in_quotes(value) }
}

fn in_quotes(value: &str) -> String {
    let mut text = String::from("\"");
    for char in value.chars() {
        if matches!(char, '"' | '\\') {
            text.push('\\');
        }
        text.push(char);
    }
    text.push('"');
    text
}

/// Returns `word` quoted for a POSIX shell, if it needs quotes.
fn shell_quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:%+=,@".contains(char);
    if word == "!" || (!word.is_empty() && word.chars().all(plain)) {
        return word.to_owned();
    }
    let mut text = String::new();
    let _ = write!(text, "'{}'", word.replace('\'', r"'\''"));
    text
}

/// Returns whether GStreamer has the element `factory`.
pub fn has_element(factory: &str) -> bool {
    gst::ElementFactory::find(factory).is_some()
}

/// Returns whether elements of `factory` have this property.
pub fn has_property(factory: &str, property: &str) -> bool {
    gst::ElementFactory::make(factory).build().is_ok_and(|element| element.has_property(property))
}

/// Returns the URI of a file. File names may have any bytes; in the URI, they are ASCII.
///
/// # Errors
///
/// The message of GLib if the path cannot be made absolute.
pub fn file_uri(path: &std::path::Path) -> Result<String, glib::Error> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    glib::filename_to_uri(absolute, None).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = "a 'clip\" \\ $(x) `y` (1)!\n-.mp4";

    #[test]
    fn values_with_special_characters_are_quoted() {
        let line =
            Launch::element("filesrc").set("location", "a b.mp4").link(Launch::element("fakesink"));
        assert_eq!(line.to_string(), "filesrc location=\"a b.mp4\" ! fakesink");
        assert_eq!(line.for_shell(), "filesrc 'location=\"a b.mp4\"' ! fakesink");
        let plain = Launch::element("v4l2src").set("device", "/dev/video0").set("num-buffers", 3);
        assert_eq!(plain.for_shell(), "v4l2src device=/dev/video0 num-buffers=3");
    }

    #[test]
    fn gstreamer_reads_the_value_that_was_set() {
        gst::init().unwrap();
        for value in [ODD, "", "\\", "\"", "\"a\" \\b\n", "plain"] {
            let line = Launch::element("filesrc").set("location", value).to_string();
            let element = gst::parse::launch(&line).unwrap();
            use gst::prelude::*;
            let found = element.property::<Option<String>>("location").unwrap_or_default();
            assert_eq!(found, value, "{line}");
        }
    }

    #[test]
    fn a_shell_reads_the_same_words() {
        let line = Launch::element("filesrc").set("location", ODD);
        let script = format!("printf '%s' {}", line.for_shell().split_once(' ').unwrap().1);
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), line.words[1]);
    }

    #[test]
    fn the_uri_of_a_file_name_is_ascii() {
        let uri = file_uri(std::path::Path::new("/tmp/größe \n.mp4")).unwrap();
        assert!(uri.is_ascii() && !uri.contains([' ', '\n']), "{uri}");
    }
}
