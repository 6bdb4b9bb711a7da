//! A mistake in a user's file: its place, what is wrong, and what to do instead.

use std::fmt::Write as _;

use super::chain::without_codes;
use super::quoted::escape_controls;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not mean what was intended.
    Warning,
}

impl Severity {
    /// The word that begins its line; git colours it on a terminal.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in a file. Lines and columns count from 1; columns are bytes; `end_column` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// Line of the first byte.
    pub(crate) line: u32,
    /// Column of the first byte.
    pub(crate) column: u32,
    /// Line of the last byte.
    pub(crate) end_line: u32,
    /// Column after the last byte.
    pub(crate) end_column: u32,
}

impl Span {
    /// The place of one byte.
    pub(crate) fn point(line: u32, column: u32) -> Self {
        Self { line, column, end_line: line, end_column: column + 1 }
    }

    /// The part of a line of a text without surrounding white space.
    pub(crate) fn of_line(text: &str, line: u32) -> Self {
        let content = text.lines().nth((line as usize).saturating_sub(1)).unwrap_or_default();
        let start = content.len() - content.trim_start().len();
        let column = |place: usize| u32::try_from(place + 1).unwrap_or(u32::MAX);
        let end_column = column(content.trim_end().len().max(start + 1));
        Self { line, column: column(start), end_line: line, end_column }
    }
}

/// One mistake in a user's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file can be used nevertheless.
    pub(crate) severity: Severity,
    /// The file's name as the user knows it: `.quire/ci.fnl`.
    pub(crate) file: String,
    /// The place, when it is known.
    pub(crate) span: Option<Span>,
    /// What is wrong: one line, lower case, no full stop.
    pub(crate) message: String,
    /// What to do instead: one line.
    pub(crate) help: Option<String>,
    /// The text of the line that the span begins on.
    pub(crate) source_line: Option<String>,
}

/// Longest part of a source line that is shown, in characters.
const SHOWN_SOURCE: usize = 100;

impl Diagnostic {
    /// An error about a whole file.
    pub(crate) fn error(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            span: None,
            message: without_codes(message.into()),
            help: None,
            source_line: None,
        }
    }

    /// The same diagnostic with a place, and the line taken from the file's text.
    #[must_use]
    pub(crate) fn at(mut self, span: Span, text: &str) -> Self {
        self.source_line = usize::try_from(span.line)
            .ok()
            .and_then(|line| text.lines().nth(line.checked_sub(1)?))
            .map(str::to_owned);
        self.span = Some(span);
        self
    }

    /// The same diagnostic with a hint.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column`, as far as it is known.
    pub(crate) fn place(&self) -> String {
        match self.span {
            Some(span) => format!("{}:{}:{}", self.file, span.line, span.column),
            None => self.file.clone(),
        }
    }

    /// The diagnostic as text of a few lines, each ended by a line feed.
    pub(crate) fn render(&self) -> String {
        let safe = |text: &str| text.split('\n').map(escape_controls).collect::<Vec<_>>().join("\n");
        let (place, message) = (safe(&self.place()), safe(&self.message));
        let mut out = format!("{}: {place}: {message}\n", self.severity.word());
        if let (Some(span), Some(line)) = (self.span, &self.source_line) {
            render_source(&mut out, span, line);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "hint: {}", safe(help));
        }
        out
    }
}

/// Renders a list of diagnostics, in the order of their places, as one text.
pub(crate) fn render_all(diagnostics: &[Diagnostic]) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| (diagnostic.severity, diagnostic.file.clone(), diagnostic.span));
    sorted.iter().map(|diagnostic| diagnostic.render()).collect()
}

/// Adds the source line and a line of carets below the span.
fn render_source(out: &mut String, span: Span, line: &str) {
    let start = (span.column as usize).saturating_sub(1).min(line.len());
    let end =
        if span.end_line == span.line { (span.end_column as usize).saturating_sub(1) } else { line.len() };
    let before = String::from_utf8_lossy(line.as_bytes().get(..start).unwrap_or_default()).chars().count();
    let marked = line.as_bytes().get(start..end.clamp(start, line.len())).unwrap_or_default();
    let width = String::from_utf8_lossy(marked).chars().count().max(1);
    let number = span.line.to_string();
    // The shown part moves right when the mistake is far out, so that the carets are below it.
    let skip = before.saturating_sub(SHOWN_SOURCE * 3 / 5);
    let shown: String = line.chars().skip(skip).take(SHOWN_SOURCE).map(visible).collect();
    let carets = "^".repeat(width.min(SHOWN_SOURCE.saturating_sub(before - skip).max(1)));
    let _ = writeln!(out, "  {number} | {}", shown.trim_end());
    let _ = writeln!(out, "  {:pad$} | {:lead$}{carets}", "", "", pad = number.len(), lead = before - skip);
}

/// A character that cannot move the terminal's cursor.
fn visible(character: char) -> char {
    if character == '\t' {
        ' '
    } else if character.is_control() {
        '\u{fffd}'
    } else {
        character
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_place_line_carets_and_hint() {
        let text = "(local ci (require :quire.ci))\n(ci:job :docs [:tset] build)\n";
        let diagnostic = Diagnostic::error(".quire/ci.fnl", "no job or source is called `tset`")
            .at(Span { line: 2, column: 15, end_line: 2, end_column: 21 }, text)
            .help("did you mean `:test`?");
        assert_eq!(
            diagnostic.render(),
            "error: .quire/ci.fnl:2:15: no job or source is called `tset`\n  \
             2 | (ci:job :docs [:tset] build)\n    |               ^^^^^^\nhint: did you mean `:test`?\n"
        );
    }

    #[test]
    fn a_place_far_out_or_wrong_does_not_break_the_picture() {
        let long = "x".repeat(300);
        let far = Diagnostic::error("f", "m").at(Span::point(1, 250), &long).render();
        assert!(far.lines().all(|line| line.chars().count() < 120), "{far}");
        assert!(far.contains('^'));
        for span in
            [Span::point(9, 9), Span::point(0, 0), Span { line: 1, column: 5, end_line: 1, end_column: 2 }]
        {
            let picture = Diagnostic::error("f", "m").at(span, "é\u{1b}[31m").render();
            assert!(picture.starts_with("error: f:"), "{picture}");
        }
        let escape = Diagnostic::error("f\u{1b}", "m\u{1b}[31m").help("h\u{7}").render();
        assert_eq!(escape, "error: f\\u{1b}: m\\u{1b}[31m\nhint: h\\u{7}\n");
    }
}
