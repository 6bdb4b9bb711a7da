//! Where a bracket or a string was left open, and where a string has a backslash that means nothing.

use crate::model::Span;

/// What was left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclosed {
    Bracket {
        /// The bracket.
        span: Span,
        /// The line on which the next form begins in column 1, where this one should have ended.
        next_form: Option<u32>,
    },
    /// A string, by its quotation mark.
    String(Span),
}

/// A text outside and inside of strings, byte by byte.
struct Scan<'a> {
    bytes: std::str::Bytes<'a>,
    line: u32,
    column: u32,
    /// Where the string began that the byte is in.
    string: Option<Span>,
    in_comment: bool,
}

/// One byte of a [`Scan`].
enum Seen {
    /// It belongs to no string and no comment.
    Code(u8),
    /// It belongs to a string or a comment, or is a quotation mark.
    Text,
    /// A line break in a string.
    BreakInString,
    /// A backslash in a string, and what follows.
    Escape(Option<u8>),
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self { bytes: text.bytes(), line: 1, column: 0, string: None, in_comment: false }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => (self.line, self.column, self.in_comment) = (self.line + 1, 0, false),
            _ => self.column += 1,
        }
    }

    fn next(&mut self) -> Option<Seen> {
        let byte = self.bytes.next()?;
        self.step(byte);
        Some(match byte {
            _ if self.in_comment => Seen::Text,
            b'\n' if self.string.is_some() => Seen::BreakInString,
            b'\\' if self.string.is_some() => {
                let escaped = self.bytes.next();
                escaped.into_iter().for_each(|byte| self.step(byte));
                Seen::Escape(escaped)
            }
            b'"' => {
                let here = Span::point(self.line, self.column);
                self.string = if self.string.is_some() { None } else { Some(here) };
                Seen::Text
            }
            _ if self.string.is_some() => Seen::Text,
            b';' => {
                self.in_comment = true;
                Seen::Text
            }
            _ => Seen::Code(byte),
        })
    }
}

/// A byte that belongs to no string and no comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    pub(super) byte: u8,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The bytes of a text outside of strings and comments.
pub(super) fn code(text: &str) -> impl Iterator<Item = Code> {
    let mut scan = Scan::new(text);
    std::iter::from_fn(move || {
        loop {
            if let Seen::Code(byte) = scan.next()? {
                return Some(Code { byte, line: scan.line, column: scan.column });
            }
        }
    })
}

/// Finds the string or form that is open when the next form begins at the left edge; otherwise the last open one.
pub(super) fn unclosed(text: &str) -> Option<Unclosed> {
    let mut open: Vec<Span> = Vec::new();
    let mut scan = Scan::new(text);
    while let Some(seen) = scan.next() {
        match seen {
            Seen::Code(byte @ (b'(' | b'[' | b'{')) => {
                if let (b'(', 1, Some(first)) = (byte, scan.column, open.first()) {
                    return Some(Unclosed::Bracket { span: *first, next_form: Some(scan.line) });
                }
                open.push(Span::point(scan.line, scan.column));
            }
            Seen::Code(b')' | b']' | b'}') => drop(open.pop()),
            Seen::BreakInString if scan.bytes.clone().next() == Some(b'(') => {
                return scan.string.map(Unclosed::String);
            }
            Seen::Code(_) | Seen::Text | Seen::BreakInString | Seen::Escape(_) => {}
        }
    }
    let bracket = open.last().map(|span| Unclosed::Bracket { span: *span, next_form: None });
    scan.string.map(Unclosed::String).or(bracket)
}

/// A bracket that is closed at a place, and what is directly in it.
pub(super) struct Closed {
    /// The bracket that opened.
    pub(super) open: Span,
    /// The values in it, each on the line that it begins on.
    pub(super) items: Vec<Span>,
}

/// What the closing bracket at a place closes.
pub(super) fn closed_at(text: &str, place: Span) -> Option<Closed> {
    // A bracket with its values, and whether the last of them may continue.
    let mut open: Vec<(Closed, bool)> = Vec::new();
    let mut scan = Scan::new(text);
    while let Some(seen) = scan.next() {
        let here = Span::point(scan.line, scan.column);
        let is_space = |byte: u8| byte.is_ascii_whitespace();
        let is_value = match seen {
            Seen::Code(byte) => !is_space(byte),
            Seen::Text | Seen::BreakInString | Seen::Escape(_) => !scan.in_comment,
        };
        let is_close = matches!(seen, Seen::Code(b')' | b']' | b'}'));
        if is_close {
            let (closed, _) = open.pop()?;
            if (here.line, here.column) == (place.line, place.column) {
                return Some(closed);
            }
        }
        if let Some((closed, continues)) = open.last_mut() {
            let last = closed.items.last_mut().filter(|item| *continues && item.line == here.line);
            if let (true, Some(item)) = (is_value, last) {
                item.end_column = here.end_column;
            } else if is_value && !*continues {
                closed.items.push(here);
            }
            *continues = is_value;
        }
        if matches!(seen, Seen::Code(b'(' | b'[' | b'{')) {
            open.push((Closed { open: here, items: Vec::new() }, false));
        }
    }
    None
}

/// Finds the first backslash in a string that Lua does not know.
pub(super) fn invalid_escape(text: &str) -> Option<Span> {
    let mut scan = Scan::new(text);
    while let Some(seen) = scan.next() {
        let Seen::Escape(Some(byte)) = seen else { continue };
        if !matches!(
            byte,
            b'a' | b'b'
                | b'f'
                | b'n'
                | b'r'
                | b't'
                | b'v'
                | b'x'
                | b'u'
                | b'z'
                | b'\\'
                | b'"'
                | b'\''
                | b'\n'
        ) && !byte.is_ascii_digit()
        {
            let (line, column) = (scan.line, scan.column.saturating_sub(1));
            return Some(Span { line, column, end_line: line, end_column: column + 2 });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u32, u32, Option<u32>)> {
        unclosed(text).map(|found| match found {
            Unclosed::Bracket { span, next_form } => (span.line, span.column, next_form),
            Unclosed::String(span) => (span.line, span.column, Some(0)),
        })
    }

    #[test]
    fn the_form_that_swallows_the_next_one_is_named() {
        assert_eq!(found("(a)\n(b (c)\n  d\n(e)\n"), Some((2, 1, Some(4))));
        assert_eq!(found("(a)\n(b (c [d)"), Some((2, 4, None)));
        assert_eq!(found("(a)\n  (b [c"), Some((2, 6, None)));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        assert_eq!(found("(a \"(\\\"(\" ; (\n b)"), None);
        assert_eq!(found("(a \"\\\n(\")\n(b"), Some((3, 1, None)));
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_string_that_swallows_the_next_form_is_marked_at_its_quote() {
        assert_eq!(found("(a \"make)\n(b \"x\")\n(c)"), Some((1, 4, Some(0))));
        assert_eq!(found("(a \"x\")\n(b \"make)"), Some((2, 4, Some(0))));
    }

    #[test]
    fn a_closed_bracket_has_its_values() {
        let at = |text: &str, column| {
            let closed = closed_at(text, Span::point(1, column)).unwrap();
            let items = closed
                .items
                .iter()
                .map(|item| text[item.column as usize - 1..item.end_column as usize - 1].to_owned());
            (closed.open.column, items.collect::<Vec<_>>().join(","))
        };
        assert_eq!(at("(f {:a (g 1) :b \"x y\"})", 22), (4, ":a,(g 1),:b,\"x y\"".to_owned()));
        assert_eq!(at("[:a (f)", 7), (5, "f".to_owned()));
        assert!(closed_at("(a)", Span::point(1, 2)).is_none());
    }

    #[test]
    fn a_backslash_that_means_nothing_is_found() {
        let place = |text: &str| invalid_escape(text).map(|span| (span.line, span.column, span.end_column));
        assert_eq!(place("(a \"\\n\" \"\\d\")"), Some((1, 10, 12)));
        assert_eq!(place("(a \"\\n\n \\.\")"), Some((2, 2, 4)));
        assert_eq!(place("(a \"\\\\d \\065 \\x41\") ; \\d"), None);
    }
}
