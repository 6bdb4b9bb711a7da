//! A diagnostic of a pipeline as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::journal::DiagnosticFact;
use crate::model::{Diagnostic, Severity, Span};

/// What was found in a file of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Diagnostic)]
pub(crate) struct DiagnosticShape {
    /// `error` or `warning`.
    pub(crate) severity: String,
    /// The file.
    pub(crate) file: String,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    /// The column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u32>,
    /// The line that it ends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end_line: Option<u32>,
    /// The column after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end_column: Option<u32>,
    /// The text of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_line: Option<String>,
    /// What is wrong.
    pub(crate) message: String,
    /// What helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl DiagnosticShape {
    /// One that a journal holds.
    pub(crate) fn of(fact: &DiagnosticFact) -> Self {
        Self::of_diagnostic(fact.to_diagnostic())
    }

    /// The shape of a diagnostic that is in no journal.
    pub(crate) fn of_diagnostic(diagnostic: Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity.word().to_owned(),
            line: diagnostic.span.map(|span| span.line),
            column: diagnostic.span.map(|span| span.column),
            end_line: diagnostic.span.map(|span| span.end_line),
            end_column: diagnostic.span.map(|span| span.end_column),
            source_line: diagnostic.source_line,
            file: diagnostic.file,
            message: diagnostic.message,
            hint: diagnostic.help,
        }
    }

    /// The diagnostic itself.
    pub(crate) fn to_diagnostic(&self) -> Diagnostic {
        let place = self.line.zip(self.column).zip(self.end_line.zip(self.end_column));
        let span = |((line, column), (end_line, end_column))| Span { line, column, end_line, end_column };
        let is_warning = self.severity == Severity::Warning.word();
        Diagnostic {
            severity: if is_warning { Severity::Warning } else { Severity::Error },
            file: self.file.clone(),
            span: place.map(span),
            message: self.message.clone(),
            help: self.hint.clone(),
            source_line: self.source_line.clone(),
        }
    }
}
