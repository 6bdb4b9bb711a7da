//! A diagnostic as a journal keeps it.

use serde::{Deserialize, Serialize};

use super::fact::{MAX_NAME, MAX_REASON};
use crate::model::{Diagnostic, Severity, Span};
use crate::secret::{RedactedText, Redactor};

/// A diagnostic as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticFact<T = RedactedText> {
    severity: String,
    file: T,
    /// Line, column, last line, column after the end.
    span: Option<[u32; 4]>,
    message: T,
    help: Option<T>,
    source_line: Option<T>,
}

impl From<&Diagnostic> for DiagnosticFact<String> {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity.word().to_owned(),
            file: diagnostic.file.clone(),
            span: diagnostic.span.map(|span| [span.line, span.column, span.end_line, span.end_column]),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
            source_line: diagnostic.source_line.clone(),
        }
    }
}

impl DiagnosticFact<String> {
    /// The same diagnostic with its texts redacted, and short enough for a journal.
    pub(super) fn redacted(self, redactor: &Redactor) -> DiagnosticFact {
        DiagnosticFact {
            severity: self.severity,
            file: redactor.text(&self.file).shorten_to_bytes(MAX_NAME),
            span: self.span,
            message: redactor.text(&self.message).shorten_to_bytes(MAX_REASON),
            help: self.help.map(|help| redactor.text(&help).shorten_to_bytes(MAX_REASON)),
            // Whole: what shows it cuts a window around the mistake out of it.
            source_line: self.source_line.map(|line| redactor.text(&line)),
        }
    }
}

impl<T: AsRef<str>> DiagnosticFact<T> {
    /// The diagnostic itself.
    pub(crate) fn to_diagnostic(&self) -> Diagnostic {
        let span =
            self.span.map(|[line, column, end_line, end_column]| Span { line, column, end_line, end_column });
        let text = |text: &T| text.as_ref().to_owned();
        Diagnostic {
            severity: if self.severity == "warning" { Severity::Warning } else { Severity::Error },
            file: text(&self.file),
            span,
            message: text(&self.message),
            help: self.help.as_ref().map(text),
            source_line: self.source_line.as_ref().map(text),
        }
    }
}
