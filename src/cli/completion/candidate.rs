//! What a shell asks, and the answers: one JSON object a line.

use serde::Serialize;

/// A word that can be inserted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Candidate {
    pub(crate) insert: String,
    /// What it is, for people.
    pub(crate) display: String,
    #[serde(rename = "type")]
    pub(crate) kind: CandidateKind,
}

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CandidateKind {
    /// A command, or a part of the name of a job.
    Segment,
    /// `--name`.
    Flag,
    /// The value of a flag or an argument.
    Value,
}

/// A command line up to the cursor, without the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// The words before the one that is completed.
    pub(crate) before: Vec<String>,
    /// The one that is completed; can be empty.
    pub(crate) current: String,
}

impl Candidate {
    pub(crate) fn new(kind: CandidateKind, insert: impl Into<String>, display: &str) -> Self {
        let insert = insert.into();
        // One line, whatever a file says.
        let display = display.lines().next().unwrap_or_default().trim();
        let display = if display.is_empty() { insert.clone() } else { display.to_owned() };
        Self { insert, display, kind }
    }

    pub(crate) fn segment(insert: impl Into<String>, display: &str) -> Self {
        Self::new(CandidateKind::Segment, insert, display)
    }

    pub(crate) fn flag(insert: impl Into<String>, display: &str) -> Self {
        Self::new(CandidateKind::Flag, insert, display)
    }

    pub(crate) fn value(insert: impl Into<String>, display: &str) -> Self {
        Self::new(CandidateKind::Value, insert, display)
    }
}

impl CommandLine {
    /// Reads `CURSOR [--] WORD…`. The last word is the one that is completed; the first `--` only lets flags through.
    /// Nothing when the cursor is not a number.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let (cursor, words) = words.split_first()?;
        cursor.parse::<i64>().ok()?;
        let mut before = words.to_vec();
        if let Some(place) = before.iter().position(|word| word == "--") {
            before.remove(place);
        }
        let current = before.pop().unwrap_or_default();
        Some(Self { before, current })
    }

    /// The flag before the cursor, if its value may be what is completed: `--name` and then a word that is not a flag.
    pub(crate) fn flag_before(&self) -> Option<&str> {
        let flag = self.before.last()?.strip_prefix("--")?;
        (!flag.is_empty() && !flag.contains('=')).then_some(flag)
    }

    /// `--name=` before what is completed, if that is the value of a flag in the same word.
    pub(crate) fn flag_inside(&self) -> Option<(&str, &str)> {
        self.current.strip_prefix("--")?.split_once('=')
    }
}

/// Whether a candidate begins with what was typed, in any case.
pub(crate) fn begins(candidate: &str, typed: &str) -> bool {
    let mut rest = candidate.chars().flat_map(char::to_lowercase);
    typed.chars().flat_map(char::to_lowercase).all(|c| rest.next() == Some(c))
}

/// The candidates that begin with what was typed, one JSON object a line, sorted.
pub(crate) fn ndjson(mut candidates: Vec<Candidate>, typed: &str) -> String {
    candidates
        .retain(|candidate| begins(&candidate.insert, typed) && !candidate.insert.contains(['\n', '\r']));
    candidates.sort();
    candidates.dedup_by(|a, b| a.insert == b.insert);
    let lines = candidates.iter().filter_map(|candidate| serde_json::to_string(candidate).ok());
    lines.map(|line| line + "\n").collect()
}
