//! Reads a Python or JSON literal, such as `{0: 'cat', 1: 'dog'}` or `["cat", "dog"]`.
//!
//! Training code saves the names of the classes in both languages: Keras users write the JSON of
//! `class_indices`, Ultralytics stores the `str()` of a dictionary in its models. The reader accepts
//! the union of both notations. It allocates no more than a few times the size of the text, and
//! limits the depth.

/// Depth of nested lists and dictionaries; the known files use three levels.
const MAX_DEPTH: usize = 16;

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A list or a tuple.
    List(Vec<Literal>),
    /// A dictionary, in the order of the text.
    Map(Vec<(Literal, Literal)>),
    /// Another number or a constant such as `None` or `true`.
    Other,
}

impl Literal {
    /// Reads `text`, which must contain one literal and nothing else.
    ///
    /// # Errors
    ///
    /// The offset of the first character that is not understood, in bytes.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut reader = Reader { text, position: 0 };
        let value = reader.value(0).ok_or(reader.position)?;
        reader.skip_space();
        if reader.position == text.len() { Ok(value) } else { Err(reader.position) }
    }
}

/// A position in the text. A method that does not understand the text returns `None` and leaves the
/// position there.
struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    /// Moves past `wanted` if it is the next character.
    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.position += wanted.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        self.skip_space();
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            '{' => self.map(depth),
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            '\'' | '"' => self.string().map(Literal::Text),
            _ => self.atom(),
        }
    }

    fn map(&mut self, depth: usize) -> Option<Literal> {
        self.next();
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            if self.accept('}') {
                return Some(Literal::Map(entries));
            }
            let key = self.value(depth + 1)?;
            self.skip_space();
            if !self.accept(':') {
                return None;
            }
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            if !self.accept(',') && self.peek() != Some('}') {
                return None;
            }
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Option<Literal> {
        self.next();
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.accept(end) {
                return Some(Literal::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if !self.accept(',') && self.peek() != Some(end) {
                return None;
            }
        }
    }

    /// Reads a number or a constant.
    fn atom(&mut self) -> Option<Literal> {
        let rest = &self.text[self.position..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            return None;
        }
        self.position += length;
        Some(rest[..length].parse().map_or(Literal::Other, Literal::Integer))
    }

    /// Reads a string in single or double quotes.
    fn string(&mut self) -> Option<String> {
        let quote = self.next()?;
        let mut string = String::new();
        loop {
            let start = self.position;
            match self.next()? {
                c if c == quote => return Some(string),
                '\n' => {
                    self.position = start;
                    return None;
                }
                '\\' => self.escape(&mut string)?,
                c => string.push(c),
            }
        }
    }

    /// Reads the rest of an escape sequence and appends its meaning.
    fn escape(&mut self, string: &mut String) -> Option<()> {
        let escaped = match self.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'x' => char::from_u32(self.hexadecimal(2)?)?,
            'U' => char::from_u32(self.hexadecimal(8)?)?,
            'u' => self.utf16_unit()?,
            c @ ('\\' | '/' | '\'' | '"') => c,
            // Python keeps the backslash of a sequence that it does not know.
            c => {
                string.push('\\');
                c
            }
        };
        string.push(escaped);
        Some(())
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let code = self.text.get(self.position..self.position + digits)?;
        let is_number = code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = is_number.then(|| u32::from_str_radix(code, 16).ok())??;
        self.position += digits;
        Some(code)
    }

    /// Reads the digits of `\u1234`. JSON writes a character beyond U+FFFF as two such sequences.
    fn utf16_unit(&mut self) -> Option<char> {
        let unit = self.hexadecimal(4)?;
        if !(0xd800..0xdc00).contains(&unit) {
            return char::from_u32(unit);
        }
        if !(self.accept('\\') && self.accept('u')) {
            return None;
        }
        let low = self.hexadecimal(4)?;
        let pair = [u16::try_from(unit).ok()?, u16::try_from(low).ok()?];
        char::decode_utf16(pair).next()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    #[test]
    fn python_and_json_give_the_same_literal() {
        let expected = Literal::Map(vec![
            (text("a"), Literal::List(vec![Literal::Integer(-1), Literal::Other])),
            (text("b"), Literal::Map(vec![])),
        ]);
        assert_eq!(Literal::parse(r#" {"a": [-1, 2.5], "b": {}} "#), Ok(expected.clone()));
        assert_eq!(Literal::parse("{'a': (-1, None,), 'b': {},}"), Ok(expected));
    }

    #[test]
    fn strings_keep_quotes_escapes_and_other_scripts() {
        for (source, expected) in [
            (r"'it\'s'", "it's"),
            (r#""it's""#, "it's"),
            (r#"'a "b" c'"#, "a \"b\" c"),
            (r"'tab\tline\nend\\'", "tab\tline\nend\\"),
            (r"'\xe9 \u00e9 \U0001F408'", "é é 🐈"),
            (r#""\ud83d\ude3a""#, "😺"),
            (r"'\d'", "\\d"),
            ("'犬, 猫'", "犬, 猫"),
        ] {
            assert_eq!(Literal::parse(source), Ok(text(expected)), "{source}");
        }
    }

    #[test]
    fn damaged_text_is_an_error_at_its_position() {
        for (source, position) in [
            ("", 0),
            ("{'a': 1", 7),
            ("{'a' 1}", 5),
            ("['a' 'b']", 5),
            ("'open", 5),
            ("'two\nlines'", 4),
            (r"'\ud83d'", 7),
            (r"'\xg0'", 3),
            ("[1] rest", 4),
            ("{1, 2}", 2),
            ("<html>", 0),
        ] {
            assert_eq!(Literal::parse(source), Err(position), "{source:?}");
        }
        let whole = "{'names': {0: 'cat', 1: 'd\\u00f6g'}, 'imgsz': [96, 96]}";
        for (length, _) in whole.char_indices() {
            assert!(Literal::parse(&whole[..length]).is_err(), "{}", &whole[..length]);
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        assert!(Literal::parse(&"[".repeat(1 << 20)).is_err());
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 2), "]".repeat(MAX_DEPTH + 2));
        assert!(Literal::parse(&deep).is_err());
    }
}
