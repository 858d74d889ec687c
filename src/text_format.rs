//! A result in words, as the property `text-format` says.

use std::borrow::Cow;
use std::fmt::Write as _;

use gst::glib;
use thiserror::Error;

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
}

/// The text-format property, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextFormat {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// The label.
    Label,
    /// The confidence as "97 %".
    Percent,
    /// The confidence as "0.97".
    Confidence,
    /// Every ranked class, one a line: "cat 97 %".
    Results,
}

impl TextFormat {
    /// Parses `format`: text with the placeholders `{label}`, `{percent}`, `{confidence}` and
    /// `{results}`.
    ///
    /// # Errors
    ///
    /// [`TextFormatError::Placeholder`] for anything else in braces.
    pub fn parse(format: &str) -> Result<Self, TextFormatError> {
        let unknown = |placeholder: &str| TextFormatError::Placeholder {
            format: format.to_owned(),
            placeholder: placeholder.to_owned(),
        };
        let mut pieces = Vec::new();
        let mut rest = format;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').ok_or_else(|| unknown(&rest[open..]))? + open;
            if open > 0 {
                pieces.push(Piece::Literal(rest[..open].to_owned()));
            }
            pieces.push(match &rest[open + 1..close] {
                "label" => Piece::Label,
                "percent" => Piece::Percent,
                "confidence" => Piece::Confidence,
                "results" => Piece::Results,
                _ => return Err(unknown(&rest[open..=close])),
            });
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The text for one result, as Pango markup: what the format says is markup, what comes from the
    /// result is not. A result that is not believed shows the unknown label without a number, since
    /// the confidence would be that of a class not shown; an empty label shows nothing.
    pub fn markup(&self, fields: &ClassificationFields<'_>) -> String {
        self.render(fields, |label| Cow::Owned(glib::markup_escape_text(label).to_string()))
    }

    /// The same text where there is no markup.
    pub fn plain(&self, fields: &ClassificationFields<'_>) -> String {
        self.render(fields, |label| Cow::Borrowed(label))
    }

    /// Whether the format has what means something else in markup than in plain text.
    pub fn has_markup(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(literal) => is_markup(literal),
            _ => false,
        })
    }

    fn render(
        &self,
        fields: &ClassificationFields<'_>,
        escape: impl Fn(&str) -> Cow<'_, str>,
    ) -> String {
        let mut text = String::new();
        if fields.label.is_empty() {
            return text;
        }
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Label => text.push_str(&escape(fields.label)),
                Piece::Percent if fields.is_accepted() => {
                    push_percent(&mut text, fields.confidence)
                }
                Piece::Confidence if fields.is_accepted() => {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{:.2}", fields.confidence);
                }
                Piece::Percent | Piece::Confidence => {}
                Piece::Results => {
                    for (index, (label, confidence)) in fields.results.iter().enumerate() {
                        text.push_str(if index > 0 { "\n" } else { "" });
                        text.push_str(&escape(label));
                        text.push(' ');
                        push_percent(&mut text, *confidence);
                    }
                }
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Whether there is a tag or an entity in `text`, not just a sign that could begin one.
fn is_markup(text: &str) -> bool {
    let starts_tag = |rest: &str| rest.starts_with(|c: char| c == '/' || c.is_ascii_alphabetic());
    let is_entity = |rest: &str| {
        rest.split_once(';').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c == '#' || c.is_ascii_alphanumeric())
        })
    };
    text.match_indices('<').any(|(at, _)| starts_tag(&text[at + 1..]))
        || text.match_indices('&').any(|(at, _)| is_entity(&text[at + 1..]))
}

fn push_percent(text: &mut String, confidence: f64) {
    // Not rounded up to 100 %: only certainty is certain.
    let percent = (confidence * 100.0).round().min(if confidence < 1.0 { 99.0 } else { 100.0 });
    let _ = write!(text, "{percent} %");
}

#[cfg(test)]
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
    fn an_unknown_result_shows_its_label_and_no_number() {
        let unknown = ClassificationFields { label: "unknown", index: -1, ..CAT };
        assert_eq!(render("{label} {percent}", &unknown), "unknown");
        let nothing = ClassificationFields { label: "", index: -1, ..CAT };
        assert_eq!(render("{label} {percent}", &nothing), "");
    }

    #[test]
    fn a_label_is_no_markup() {
        let label = ClassificationFields { label: "cat & <dog>", ..CAT };
        assert_eq!(render("<b>{label}</b>", &label), "<b>cat &amp; &lt;dog&gt;</b>");
        let results: [(&str, f64); 1] = [("a<b", 0.5)];
        assert_eq!(
            render("{results}", &ClassificationFields { results: &results, ..CAT }),
            "a&lt;b 50 %"
        );
    }

    #[test]
    fn plain_text_is_as_it_was_said() {
        let label = ClassificationFields { label: "cat & <dog>", ..CAT };
        let format = TextFormat::parse("<b>{label}</b>").unwrap();
        assert_eq!(format.plain(&label), "<b>cat & <dog></b>");
        assert!(format.has_markup() && TextFormat::parse("R&amp;D").unwrap().has_markup());
        for plain in ["{label} {percent}", "cats & dogs: {label}", "a < b; {label}", "{label} &"] {
            assert!(!TextFormat::parse(plain).unwrap().has_markup(), "{plain}");
        }
    }

    #[test]
    fn nearly_certain_is_not_certain() {
        assert_eq!(
            render("{percent}", &ClassificationFields { confidence: 0.9999, ..CAT }),
            "99 %"
        );
        assert_eq!(render("{percent}", &ClassificationFields { confidence: 1.0, ..CAT }), "100 %");
    }

    #[test]
    fn unknown_placeholders_are_named() {
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
