//! The classification as text: the property `text-format`.
//!
//! A format is text with placeholders. [`TextFormat::parse`] takes it as Pango markup, for a
//! `textoverlay`; [`TextFormat::parse_text`] also takes literal text that is not markup. The same
//! format is rendered as Pango markup, as plain text or as the text of a WebVTT cue. The values of
//! the placeholders are always literal text.

mod markup;

use std::fmt::Write as _;

use thiserror::Error;

use self::markup::{MarkupError, Parsed, Positioned, Symbol};
use crate::metadata::ClassificationFields;

/// The property `text-format` cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TextFormatError {
    /// The format contains a placeholder that does not exist.
    #[error(
        "text-format=\"{format}\" has the unknown placeholder {placeholder}; use {{label}}, {{percent}}, \
         {{confidence}} or {{results}}"
    )]
    Placeholder {
        /// The whole format.
        format: String,
        /// The unknown placeholder.
        placeholder: String,
    },
    /// The format is not well-formed Pango markup.
    #[error("text-format=\"{format}\" is not valid Pango markup at character {at}: {problem}")]
    Markup {
        /// The whole format.
        format: String,
        /// The number of the first wrong character, from 1.
        at: usize,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

/// The parsed property `text-format`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFormat {
    pieces: Vec<Piece>,
    has_markup: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    place: Place,
    content: Content,
}

/// Where a piece stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Text to display; a literal has no escapes.
    Text,
    /// Part of a tag, as it is written in the format.
    Tag {
        /// The tag means the same in WebVTT.
        webvtt: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Literal(String),
    Field(Field),
}

/// A placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// The label.
    Label,
    /// The confidence as "97 %".
    Percent,
    /// The confidence as "0.97".
    Confidence,
    /// The ranked classes, one per line: "cat 97 %".
    Results,
}

/// The syntax of the rendered text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Pango,
    WebVtt,
    Plain,
}

impl TextFormat {
    /// Parses `format`: Pango markup with the placeholders `{label}`, `{percent}`, `{confidence}`
    /// and `{results}`.
    ///
    /// # Errors
    ///
    /// [`TextFormatError::Placeholder`] for anything else in braces, [`TextFormatError::Markup`] if
    /// Pango would refuse the text.
    pub fn parse(format: &str) -> Result<Self, TextFormatError> {
        let symbols = symbols(format)?;
        let parsed = markup::parse(&symbols).map_err(|error| malformed(format, error))?;
        Ok(parsed.into())
    }

    /// Like [`TextFormat::parse`], but takes a format without tags and entities as literal text,
    /// such as `cats & dogs: {label}`.
    ///
    /// # Errors
    ///
    /// As [`TextFormat::parse`]; a malformed tag or entity is an error, not literal text.
    pub fn parse_text(format: &str) -> Result<Self, TextFormatError> {
        let symbols = symbols(format)?;
        match markup::parse(&symbols) {
            Ok(parsed) => Ok(parsed.into()),
            Err(error) if markup::looks_like_markup(&symbols) => Err(malformed(format, error)),
            Err(_) => Ok(markup::literal(&symbols).into()),
        }
    }

    /// Returns the text of a classification as Pango markup.
    ///
    /// A rejected classification shows the unknown label without a number, because the confidence
    /// would be that of a class that is not shown. An empty label gives an empty text.
    pub fn markup(&self, fields: &ClassificationFields<'_>) -> String {
        self.render(fields, Syntax::Pango)
    }

    /// Returns the text of a classification without tags and escapes; see [`TextFormat::markup`].
    pub fn plain(&self, fields: &ClassificationFields<'_>) -> String {
        self.render(fields, Syntax::Plain)
    }

    /// Returns the text of a classification as a WebVTT cue, without the tags that WebVTT does not
    /// know; see [`TextFormat::markup`].
    pub fn webvtt(&self, fields: &ClassificationFields<'_>) -> String {
        self.render(fields, Syntax::WebVtt)
    }

    /// Returns whether the format has a tag or an entity.
    pub fn has_markup(&self) -> bool {
        self.has_markup
    }

    fn render(&self, fields: &ClassificationFields<'_>, syntax: Syntax) -> String {
        let mut text = String::new();
        if fields.label.is_empty() {
            return text;
        }
        for piece in &self.pieces {
            let is_shown = match (piece.place, syntax) {
                (Place::Text, _) | (Place::Tag { .. }, Syntax::Pango) => true,
                (Place::Tag { webvtt }, Syntax::WebVtt) => webvtt,
                (Place::Tag { .. }, Syntax::Plain) => false,
            };
            match &piece.content {
                _ if !is_shown => {}
                Content::Literal(tag) if piece.place != Place::Text => text.push_str(tag),
                Content::Literal(literal) => push_escaped(&mut text, literal, syntax),
                Content::Field(field) => push_field(&mut text, *field, fields, syntax),
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

impl From<Parsed> for TextFormat {
    fn from(parsed: Parsed) -> Self {
        Self { pieces: parsed.pieces, has_markup: parsed.has_markup }
    }
}

/// Splits `format` into characters and placeholders.
fn symbols(format: &str) -> Result<Vec<Positioned>, TextFormatError> {
    let unknown = |placeholder: &str| TextFormatError::Placeholder {
        format: format.to_owned(),
        placeholder: placeholder.to_owned(),
    };
    let mut symbols = Vec::new();
    let (mut rest, mut at) = (format, 1);
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        let mut symbol = Symbol::Char(first);
        if first == '{' {
            length = rest.find('}').ok_or_else(|| unknown(rest))? + 1;
            symbol = Symbol::Field(match &rest[..length] {
                "{label}" => Field::Label,
                "{percent}" => Field::Percent,
                "{confidence}" => Field::Confidence,
                "{results}" => Field::Results,
                placeholder => return Err(unknown(placeholder)),
            });
        }
        symbols.push((at, symbol));
        at += rest[..length].chars().count();
        rest = &rest[length..];
    }
    Ok(symbols)
}

fn malformed(format: &str, error: MarkupError) -> TextFormatError {
    TextFormatError::Markup { format: format.to_owned(), at: error.at, problem: error.problem }
}

fn push_field(text: &mut String, field: Field, fields: &ClassificationFields<'_>, syntax: Syntax) {
    match field {
        Field::Label => push_escaped(text, fields.label, syntax),
        Field::Percent if fields.is_accepted() => push_percent(text, fields.confidence),
        Field::Confidence if fields.is_accepted() => {
            // Writing to a String cannot fail.
            let _ = write!(text, "{:.2}", fields.confidence);
        }
        Field::Percent | Field::Confidence => {}
        Field::Results => {
            for (index, (label, confidence)) in fields.results.iter().enumerate() {
                text.push_str(if index > 0 { "\n" } else { "" });
                push_escaped(text, label, syntax);
                text.push(' ');
                push_percent(text, *confidence);
            }
        }
    }
}

/// Appends literal text in the given syntax. Quotes are escaped for the values of attributes in
/// Pango markup; not in WebVTT, where readers such as FFmpeg know only the entities that WebVTT
/// requires.
fn push_escaped(text: &mut String, literal: &str, syntax: Syntax) {
    if syntax == Syntax::Plain {
        return text.push_str(literal);
    }
    for c in literal.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' if syntax == Syntax::Pango => text.push_str("&quot;"),
            '\'' if syntax == Syntax::Pango => text.push_str("&apos;"),
            c => text.push(c),
        }
    }
}

fn push_percent(text: &mut String, confidence: f64) {
    // 99.9 % is not rounded up to 100 %.
    let percent = (confidence * 100.0).round().min(if confidence < 1.0 { 99.0 } else { 100.0 });
    let _ = write!(text, "{percent} %");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn render(format: &str, input: &ClassificationFields<'_>) -> String {
        TextFormat::parse(format).unwrap().markup(input)
    }

    const CAT: ClassificationFields<'static> = ClassificationFields {
        label: "cat",
        confidence: 0.974,
        index: 0,
        results: &[("cat", 0.974), ("dog", 0.026)],
        fresh: true,
        model: "m.tflite",
        element: "filter",
    };

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(render("{label} {percent}", &CAT), "cat 97 %");
        assert_eq!(render("I see a {label} ({confidence})!", &CAT), "I see a cat (0.97)!");
        assert_eq!(render("{results}", &CAT), "cat 97 %\ndog 3 %");
        assert_eq!(render("plain", &CAT), "plain");
    }

    #[test]
    fn rejected_classification_shows_the_unknown_label_without_a_number() {
        let unknown = ClassificationFields { label: "unknown", index: -1, ..CAT };
        assert_eq!(render("{label} {percent}", &unknown), "unknown");
        let nothing = ClassificationFields { label: "", index: -1, ..CAT };
        assert_eq!(render("{label} {percent}", &nothing), "");
    }

    #[test]
    fn label_is_escaped_in_markup() {
        let label = ClassificationFields { label: "cat & <dog>", ..CAT };
        assert_eq!(render("<b>{label}</b>", &label), "<b>cat &amp; &lt;dog&gt;</b>");
        let results: [(&str, f64); 1] = [("a<b", 0.5)];
        assert_eq!(
            render("{results}", &ClassificationFields { results: &results, ..CAT }),
            "a&lt;b 50 %"
        );
    }

    #[test]
    fn plain_text_has_no_tags_and_no_escapes() {
        let label = ClassificationFields { label: "cat & <dog>", ..CAT };
        for (format, plain) in [
            ("<b>{label}</b>", "cat & <dog>"),
            ("R&amp;D &lt;{label}&gt; &#176;", "R&D <cat & <dog>> °"),
            ("<span color=\"{label}\">{percent}</span>", "97 %"),
            ("a < b & c", "a < b & c"),
        ] {
            assert_eq!(TextFormat::parse_text(format).unwrap().plain(&label), plain);
        }
    }

    #[test]
    fn webvtt_keeps_the_tags_that_it_knows() {
        let label = ClassificationFields { label: "it's a \"cat\" & <dog>", ..CAT };
        let format = "<big><i>{label}</i></big><b/> &gt; {percent}";
        let want = "<i>it's a \"cat\" &amp; &lt;dog&gt;</i> &gt; 97 %";
        assert_eq!(TextFormat::parse_text(format).unwrap().webvtt(&label), want);
    }

    #[test]
    fn literal_text_is_accepted_where_markup_is_optional() {
        for literal in ["cats & dogs: {label}", "a < b; {label}", "{label} &"] {
            let format = TextFormat::parse_text(literal).unwrap();
            assert!(!format.has_markup(), "{literal}");
            assert!(TextFormat::parse(literal).is_err(), "{literal}");
        }
        for markup in ["<b>{label}</b>", "R&amp;D", "<u/>"] {
            assert!(TextFormat::parse_text(markup).unwrap().has_markup(), "{markup}");
        }
        assert!(!TextFormat::parse_text("{label} {percent}").unwrap().has_markup());
        for malformed in ["<b>{label}", "</i>", "<x>", "&nbsp;", "a & b &amp; <c"] {
            assert!(TextFormat::parse_text(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn malformed_markup_is_refused_with_its_position() {
        for (format, at, problem) in [
            ("<b>{label}", 1, "<b> is not closed"),
            ("{label} & {percent}", 9, "& does not begin an entity"),
            ("é<i>{label}</b>", 12, "</b> closes <i>"),
            ("{label}</b>", 8, "closes nothing"),
            ("<blink>{label}</blink>", 1, "<blink> is not an element"),
            ("<span color=red>x</span>", 12, "the value of color is not quoted"),
            ("<span color='red>x</span>", 12, "no closing quote"),
            ("<span colour='red'>x</span>", 7, "colour is not an attribute"),
            ("<b size='1'>x</b>", 4, "<b> takes no attributes"),
            ("&nbsp;", 1, "&nbsp; is not an entity"),
            ("<b", 2, "does not end with >"),
            ("<{label}>", 1, "< does not begin a tag"),
        ] {
            let error = TextFormat::parse(format).unwrap_err();
            let TextFormatError::Markup { at: found, problem: text, .. } = &error else {
                panic!("{error}");
            };
            assert!(*found == at && text.contains(problem), "{format}: {error}");
            let line = error.to_string();
            assert!(line.contains(&format!("text-format=\"{format}\"")) && !line.contains('\n'));
        }
    }

    #[test]
    fn percent_is_100_only_for_certainty() {
        assert_eq!(
            render("{percent}", &ClassificationFields { confidence: 0.9999, ..CAT }),
            "99 %"
        );
        assert_eq!(render("{percent}", &ClassificationFields { confidence: 1.0, ..CAT }), "100 %");
    }

    #[test]
    fn unknown_placeholder_is_named_in_the_error() {
        for (format, placeholder) in [("{labels}", "{labels}"), ("a {", "{"), ("{}", "{}")] {
            let error = TextFormat::parse(format).unwrap_err();
            let want = TextFormatError::Placeholder {
                format: format.into(),
                placeholder: placeholder.into(),
            };
            assert_eq!(error, want);
        }
    }
}
