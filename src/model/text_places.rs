//! Positions in a text: converts byte offsets to lines and columns, and makes diagnostics with them.

use std::ops::Range;

use super::diagnostic::{Diagnostic, Severity, Span};

/// A file's text with the beginnings of its lines.
pub(crate) struct TextPlaces<'a> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> TextPlaces<'a> {
    /// A file by its name, and its text.
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        TextPlaces { file, text, line_starts }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The lines and columns of a range of bytes.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        let (line, column) = self.place(range.start);
        // A range that ends with a line break ends where that line does.
        let (end_line, end_column) = self.place(range.end.max(range.start + 1) - 1);
        Span { line, column, end_line, end_column: end_column + 1 }
    }

    /// A mistake at a range of bytes.
    pub(crate) fn error(&self, range: &Range<usize>, message: impl Into<String>, help: &str) -> Diagnostic {
        Diagnostic::error(self.file, message).at(self.span(range), self.text).help(help)
    }

    /// A warning at a range of bytes.
    pub(crate) fn warning(&self, range: &Range<usize>, message: impl Into<String>, help: &str) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..self.error(range, message, help) }
    }

    /// A mistake of the file as a whole.
    pub(crate) fn error_of_file(&self, message: impl Into<String>, help: &str) -> Diagnostic {
        Diagnostic::error(self.file, message).help(help)
    }

    fn place(&self, at: usize) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        (number(line), number(at - start + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_lines_and_columns() {
        let places = TextPlaces::new("f", "ab\n\ncé\nx");
        let span = |range: Range<usize>| {
            let Span { line, column, end_line, end_column } = places.span(&range);
            (line, column, end_line, end_column)
        };
        assert_eq!(span(0..2), (1, 1, 1, 3));
        assert_eq!(span(1..1), (1, 2, 1, 3));
        assert_eq!(span(3..4), (2, 1, 2, 2));
        assert_eq!(span(4..7), (3, 1, 3, 4));
        assert_eq!(span(8..9), (4, 1, 4, 2));
        assert_eq!(span(9..9), (4, 2, 4, 3));
        assert_eq!(span(0..9), (1, 1, 4, 2));
    }
}
