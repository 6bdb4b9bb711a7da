//! Which bracket was left open, when a Fennel file ends inside a form.

use crate::model::Span;

/// An opening bracket without its closing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// The bracket.
    pub(super) span: Span,
    /// The line on which the next form begins in column 1, where this one should have ended.
    pub(super) next_form: Option<u32>,
}

/// Finds the form that is open when the next one begins at the left edge; otherwise the innermost open bracket.
pub(super) fn unclosed(text: &str) -> Option<Unclosed> {
    let mut open: Vec<Span> = Vec::new();
    let (mut line, mut column) = (1, 0);
    let mut bytes = text.bytes();
    let (mut in_string, mut in_comment) = (false, false);
    while let Some(byte) = bytes.next() {
        column += 1;
        match byte {
            b'\n' => {
                (line, column, in_comment) = (line + 1, 0, false);
            }
            _ if in_comment => {}
            b'\\' if in_string => match bytes.next() {
                Some(b'\n') => (line, column) = (line + 1, 0),
                _ => column += 1,
            },
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b';' => in_comment = true,
            b'(' | b'[' | b'{' => {
                if let (b'(', 1, Some(first)) = (byte, column, open.first()) {
                    return Some(Unclosed { span: *first, next_form: Some(line) });
                }
                open.push(Span::point(line, column));
            }
            b')' | b']' | b'}' => drop(open.pop()),
            _ => {}
        }
    }
    open.last().map(|span| Unclosed { span: *span, next_form: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u32, u32, Option<u32>)> {
        unclosed(text).map(|found| (found.span.line, found.span.column, found.next_form))
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
}
