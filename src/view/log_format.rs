//! The output of a job for clients: text, text with its colours, or a line of JSON each.

use std::borrow::Cow;

use serde::Serialize;

use super::follow::LogLine;
use super::sanitize::{Colours, SafeText};

/// How output is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text without escape sequences.
    Text,
    /// Text with its colours.
    Ansi,
    /// A JSON object for each line.
    Ndjson,
}

/// Formats lines, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct LogFormatter {
    format: LogFormat,
    /// Whether each line begins with its time.
    timestamps: bool,
    attempt: u32,
    /// The line that the last piece did not end: its step and its number.
    cut: Option<(u32, u64)>,
}

/// A line as JSON.
#[derive(Serialize)]
pub(crate) struct LogLineShape<'a> {
    step: u32,
    attempt: u32,
    stream: &'a str,
    n: u64,
    time: String,
    text: Cow<'a, str>,
}

impl<'a> LogLineShape<'a> {
    /// The shape of a line of this attempt.
    pub(crate) fn of(line: &'a LogLine, attempt: u32) -> Self {
        let text = String::from_utf8_lossy(&line.bytes);
        Self {
            step: line.step,
            attempt,
            stream: line.stream.as_str(),
            n: line.n,
            time: line.time.to_string(),
            text,
        }
    }
}

impl LogFormat {
    /// All formats.
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Ansi, Self::Ndjson];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Ansi => "ansi",
            Self::Ndjson => "ndjson",
        }
    }
}

impl LogFormatter {
    /// A formatter of one attempt.
    pub(crate) fn new(format: LogFormat, timestamps: bool, attempt: u32) -> Self {
        Self { format, timestamps, attempt, cut: None }
    }

    /// Appends a line.
    pub(crate) fn push(&mut self, line: &LogLine, into: &mut Vec<u8>) {
        let colours = match self.format {
            LogFormat::Text => Colours::Dropped,
            LogFormat::Ansi => Colours::Kept,
            LogFormat::Ndjson => return self.push_json(line, into),
        };
        let text = String::from_utf8_lossy(&line.bytes);
        let id = (line.step, line.n);
        let continues = self.cut.take().inspect(|cut| {
            // Another line comes between the pieces of a long one.
            if *cut != id {
                into.push(b'\n');
            }
        });
        if self.timestamps && continues != Some(id) {
            into.extend_from_slice(format!("{} ", line.time).as_bytes());
        }
        into.extend_from_slice(SafeText::of_output(&text, colours).as_str().as_bytes());
        if line.is_cut {
            self.cut = Some(id);
        } else {
            into.push(b'\n');
        }
    }

    fn push_json(&self, line: &LogLine, into: &mut Vec<u8>) {
        // Texts and numbers are always JSON.
        let json = serde_json::to_vec(&LogLineShape::of(line, self.attempt)).unwrap_or_default();
        into.extend_from_slice(&json);
        into.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Stream;
    use crate::model::Timestamp;

    fn line(n: u64, text: &str, is_cut: bool) -> LogLine {
        LogLine {
            time: Timestamp::from_millis(0),
            job: Some("test".into()),
            step: 1,
            service: None,
            n,
            stream: Stream::Stdout,
            bytes: text.into(),
            is_cut,
        }
    }

    fn formatted(format: LogFormat, timestamps: bool, lines: &[LogLine]) -> String {
        let (mut formatter, mut text) = (LogFormatter::new(format, timestamps, 2), Vec::new());
        lines.iter().for_each(|line| formatter.push(line, &mut text));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn text_has_no_escape_sequences_and_ansi_keeps_colours_only() {
        let lines = [line(1, "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}", false)];
        assert_eq!(formatted(LogFormat::Text, false, &lines), "red\n");
        assert!(formatted(LogFormat::Ansi, false, &lines).contains("\u{1b}[31mred"));
        assert!(!formatted(LogFormat::Ansi, false, &lines).contains("title"));
    }

    #[test]
    fn pieces_of_a_long_line_are_one_line_unless_another_comes_between() {
        let whole = [line(1, "a", true), line(1, "b", false), line(2, "c", false)];
        assert_eq!(formatted(LogFormat::Text, false, &whole), "ab\nc\n");
        let stamp = "1970-01-01T00:00:00.000Z ";
        assert_eq!(formatted(LogFormat::Text, true, &whole), format!("{stamp}ab\n{stamp}c\n"));
        let mixed = [line(1, "a", true), line(2, "c", false), line(1, "b", false)];
        assert_eq!(formatted(LogFormat::Text, false, &mixed), "a\nc\nb\n");
    }

    #[test]
    fn json_has_the_members_of_the_contract() {
        let json = formatted(LogFormat::Ndjson, false, &[line(3, "a\"b", false)]);
        let expected = r#"{"step":1,"attempt":2,"stream":"stdout","n":3,"time":"1970-01-01T00:00:00.000Z","text":"a\"b"}"#;
        assert_eq!(json, format!("{expected}\n"));
    }
}
