//! Splits a text format into literal text, tags of Pango markup and placeholders, and checks the
//! markup.
//!
//! Pango refuses malformed markup with a GLib warning for every frame and draws nothing. The plugin
//! does not link to Pango, so this parser checks the rules of Pango's markup itself: the names of
//! elements, the names and quotes of attributes, entities, and nesting. It does not check the
//! values of attributes.

use super::{Content, Field, Piece, Place};

/// The elements of Pango markup. Only `span` takes attributes.
const ELEMENTS: [&str; 11] =
    ["b", "big", "i", "markup", "s", "small", "span", "sub", "sup", "tt", "u"];

/// The elements that mean the same in WebVTT.
const WEBVTT_ELEMENTS: [&str; 3] = ["b", "i", "u"];

/// The attributes of `span`, up to Pango 1.56. A hyphen counts as an underscore.
const SPAN_ATTRIBUTES: [&str; 44] = [
    "allow_breaks",
    "alpha",
    "background",
    "background_alpha",
    "baseline_shift",
    "bgalpha",
    "bgcolor",
    "color",
    "face",
    "fallback",
    "fgalpha",
    "fgcolor",
    "font",
    "font_desc",
    "font_family",
    "font_features",
    "font_scale",
    "font_size",
    "font_stretch",
    "font_style",
    "font_variant",
    "font_weight",
    "foreground",
    "gravity",
    "gravity_hint",
    "insert_hyphens",
    "lang",
    "letter_spacing",
    "line_height",
    "overline",
    "overline_color",
    "rise",
    "segment",
    "show",
    "size",
    "stretch",
    "strikethrough",
    "strikethrough_color",
    "style",
    "text_transform",
    "underline",
    "underline_color",
    "variant",
    "weight",
];

/// One character or one placeholder of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Char(char),
    Field(Field),
}

/// A symbol, and the number of its first character in the format, from 1.
pub(super) type Positioned = (usize, Symbol);

/// A violation of the rules of Pango markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MarkupError {
    /// The number of the character in the format, from 1.
    pub at: usize,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// The pieces of a format, and whether it has a tag or an entity.
pub(super) struct Parsed {
    pub(super) pieces: Vec<Piece>,
    pub has_markup: bool,
}

/// Parses `symbols` as Pango markup.
///
/// # Errors
///
/// [`MarkupError`] for the first violation.
pub(super) fn parse(symbols: &[Positioned]) -> Result<Parsed, MarkupError> {
    let mut parser = Parser { symbols, next: 0, pieces: Vec::new(), open: Vec::new() };
    let mut has_markup = false;
    while let Some((at, symbol)) = parser.peek() {
        match symbol {
            Symbol::Char('<') => {
                parser.tag()?;
                has_markup = true;
            }
            Symbol::Char('&') => {
                let character = parser.entity()?;
                push_char(&mut parser.pieces, Place::Text, character);
                has_markup = true;
            }
            Symbol::Char('\0') => return Err(error(at, "it contains a NUL character; remove it")),
            symbol => {
                push(&mut parser.pieces, Place::Text, symbol);
                parser.next += 1;
            }
        }
    }
    match parser.open.pop() {
        Some((name, at)) => Err(error(at, format!("<{name}> is not closed; add </{name}>"))),
        None => Ok(Parsed { pieces: parser.pieces, has_markup }),
    }
}

/// Takes `symbols` as literal text.
pub(super) fn literal(symbols: &[Positioned]) -> Parsed {
    let mut pieces = Vec::new();
    for (_, symbol) in symbols {
        push(&mut pieces, Place::Text, *symbol);
    }
    Parsed { pieces, has_markup: false }
}

/// Returns whether `symbols` contain something that was meant as a tag or an entity, well-formed or
/// not.
pub(super) fn looks_like_markup(symbols: &[Positioned]) -> bool {
    let char_at = |index: usize| match symbols.get(index) {
        Some((_, Symbol::Char(c))) => Some(*c),
        _ => None,
    };
    let is_entity = |start: usize| {
        let name = (start..).map_while(char_at).take_while(|c| *c == '#' || c.is_alphanumeric());
        let length = name.count();
        length > 0 && char_at(start + length) == Some(';')
    };
    (0..symbols.len()).any(|index| match char_at(index) {
        Some('<') => char_at(index + 1).is_some_and(|c| c == '/' || c.is_ascii_alphabetic()),
        Some('&') => is_entity(index + 1),
        _ => false,
    })
}

struct Parser<'a> {
    symbols: &'a [Positioned],
    next: usize,
    pieces: Vec<Piece>,
    /// The elements that are open, with the positions of their tags.
    open: Vec<(String, usize)>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<Positioned> {
        self.symbols.get(self.next).copied()
    }

    fn peek_char(&self) -> Option<char> {
        match self.peek()?.1 {
            Symbol::Char(c) => Some(c),
            Symbol::Field(_) => None,
        }
    }

    /// Returns the position of the next symbol, or of the last one at the end.
    fn position(&self) -> usize {
        self.peek().or(self.symbols.last().copied()).map_or(1, |(at, _)| at)
    }

    fn skip_whitespace(&mut self) {
        while self.peek_char().is_some_and(|c| c.is_ascii_whitespace()) {
            self.next += 1;
        }
    }

    /// Consumes `wanted` if it is next.
    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek_char() == Some(wanted);
        self.next += usize::from(found);
        found
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek_char().filter(|c| c.is_alphanumeric() || "_-:.".contains(*c))
        {
            name.push(c);
            self.next += 1;
        }
        name
    }

    /// Parses a tag and appends it to the pieces.
    fn tag(&mut self) -> Result<(), MarkupError> {
        let (start, at) = (self.next, self.position());
        self.next += 1;
        let closes = self.accept('/');
        let name = self.name();
        if name.is_empty() {
            return Err(error(at, "< does not begin a tag; write &lt; for a literal <"));
        }
        if !ELEMENTS.contains(&name.as_str()) {
            let elements = ELEMENTS.join(", ");
            return Err(error(at, format!("<{name}> is not an element of Pango; use {elements}")));
        }
        let is_empty = if closes {
            self.close(&name, at)?;
            false
        } else {
            self.attributes(&name)?;
            self.accept('/')
        };
        if !self.accept('>') {
            let at = self.position();
            return Err(error(at, format!("the tag of {name} does not end with >; add it")));
        }
        if !closes && !is_empty {
            self.open.push((name.clone(), at));
        }
        let webvtt = WEBVTT_ELEMENTS.contains(&name.as_str()) && !is_empty;
        for (_, symbol) in &self.symbols[start..self.next] {
            push(&mut self.pieces, Place::Tag { webvtt }, *symbol);
        }
        Ok(())
    }

    fn close(&mut self, name: &str, at: usize) -> Result<(), MarkupError> {
        self.skip_whitespace();
        match self.open.pop() {
            Some((open, _)) if open == name => Ok(()),
            Some((open, _)) => {
                Err(error(at, format!("</{name}> closes <{open}>; close </{open}> first")))
            }
            None => Err(error(at, format!("</{name}> closes nothing; remove it"))),
        }
    }

    fn attributes(&mut self, element: &str) -> Result<(), MarkupError> {
        let mut names: Vec<String> = Vec::new();
        loop {
            self.skip_whitespace();
            let at = self.position();
            let attribute = self.name();
            if attribute.is_empty() {
                return Ok(());
            }
            if element != "span" {
                let problem =
                    format!("<{element}> takes no attributes; use <span {attribute}=...>");
                return Err(error(at, problem));
            }
            let normalized = attribute.replace('-', "_");
            if !SPAN_ATTRIBUTES.contains(&&*normalized) {
                let problem = format!("{attribute} is not an attribute of span; remove it");
                return Err(error(at, problem));
            }
            if names.contains(&normalized) {
                return Err(error(at, format!("{attribute} is set twice; remove one")));
            }
            names.push(normalized);
            self.value(&attribute)?;
        }
    }

    /// Parses `="value"`.
    fn value(&mut self, attribute: &str) -> Result<(), MarkupError> {
        self.skip_whitespace();
        let at = self.position();
        let has_value = self.accept('=');
        self.skip_whitespace();
        let quote = self.peek_char().filter(|c| has_value && matches!(c, '"' | '\''));
        let Some(quote) = quote else {
            let problem =
                format!("the value of {attribute} is not quoted; write {attribute}='...'");
            return Err(error(at, problem));
        };
        self.next += 1;
        while let Some((_, symbol)) = self.peek() {
            match symbol {
                Symbol::Char('&') => {
                    self.entity()?;
                }
                symbol => {
                    self.next += 1;
                    if symbol == Symbol::Char(quote) {
                        return Ok(());
                    }
                }
            }
        }
        Err(error(at, format!("the value of {attribute} has no closing quote; add {quote}")))
    }

    /// Parses an entity and returns its character.
    fn entity(&mut self) -> Result<char, MarkupError> {
        let at = self.position();
        self.next += 1;
        let mut name = String::new();
        while let Some(c) = self.peek_char().filter(|c| *c == '#' || c.is_ascii_alphanumeric()) {
            name.push(c);
            self.next += 1;
        }
        if name.is_empty() || !self.accept(';') {
            return Err(error(at, "& does not begin an entity; write &amp; for a literal &"));
        }
        decode(&name).ok_or_else(|| {
            let known = "use &amp; &lt; &gt; &quot; &apos; or a number such as &#176;";
            error(at, format!("&{name}; is not an entity of Pango; {known}"))
        })
    }
}

/// Returns the character of an entity without `&` and `;`.
fn decode(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !matches!(*c, '\0' | '\u{fffe}' | '\u{ffff}'))
        }
    }
}

fn push(pieces: &mut Vec<Piece>, place: Place, symbol: Symbol) {
    match symbol {
        Symbol::Char(c) => push_char(pieces, place, c),
        Symbol::Field(field) => pieces.push(Piece { place, content: Content::Field(field) }),
    }
}

fn push_char(pieces: &mut Vec<Piece>, place: Place, c: char) {
    match pieces.last_mut() {
        Some(Piece { place: last, content: Content::Literal(literal) }) if *last == place => {
            literal.push(c);
        }
        _ => pieces.push(Piece { place, content: Content::Literal(c.into()) }),
    }
}

fn error(at: usize, problem: impl Into<String>) -> MarkupError {
    MarkupError { at, problem: problem.into() }
}
