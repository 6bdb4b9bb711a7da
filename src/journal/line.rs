//! A line of a journal: version 2, and what is read of version 1.

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Record};
use super::version_1;
use crate::model::Timestamp;

/// The version of the journal's format.
pub(super) const VERSION: u32 = 2;

/// How far a journal has been read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// The number of the last record.
    pub(super) seq: u64,
    /// How many runners have opened the run.
    opened: u32,
    /// Whether a record says its number: those of version 1 do not.
    is_numbered: bool,
}

impl Position {
    /// The position behind one more fact, whose record says its number or does not.
    fn after(self, fact: &Fact, is_numbered: bool) -> Self {
        let is_opening = matches!(fact, Fact::RunOpened { .. });
        Self {
            seq: self.seq + 1,
            opened: self.opened + u32::from(is_opening),
            is_numbered: self.is_numbered || is_numbered,
        }
    }

    fn attempt(self) -> u32 {
        self.opened.max(1)
    }
}

/// A line of version 2. Its fact is read once it is known that the version is this one.
#[derive(Serialize, Deserialize)]
struct Line<F> {
    v: u32,
    seq: u64,
    attempt: u32,
    at: String,
    fact: F,
}

/// What a line of a journal has to have in every version.
#[derive(Deserialize)]
struct AnyVersion {
    v: serde_json::Value,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    /// It is not JSON with a version: a killed writer has left it.
    Damaged,
    /// It has another version.
    Version(String),
    /// It is of no kind that this version knows.
    Unknown,
}

/// The line of a fact behind a position, and the position behind it.
pub(super) fn write(
    fact: &Fact,
    at: Timestamp,
    position: Position,
) -> serde_json::Result<(Vec<u8>, Position)> {
    let next = position.after(fact, true);
    let line = Line { v: VERSION, seq: next.seq, attempt: next.attempt(), at: at.to_string(), fact };
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    Ok((bytes, next))
}

/// Reads a line behind a position, and moves the position behind it.
pub(super) fn read(bytes: &[u8], position: &mut Position) -> Result<Record, BadLine> {
    let (at, fact, written) = match serde_json::from_slice::<Line<Fact>>(bytes) {
        Ok(line) if line.v == VERSION => (line.at, line.fact, Some((line.seq, line.attempt))),
        Ok(_) | Err(_) => {
            let any: AnyVersion = serde_json::from_slice(bytes).map_err(|_| BadLine::Damaged)?;
            let (at, fact) = match any.v.as_u64() {
                Some(1) => version_1::read(bytes).ok_or(BadLine::Unknown)?,
                Some(version) if version == u64::from(VERSION) => return Err(BadLine::Unknown),
                _ => return Err(BadLine::Version(any.v.to_string())),
            };
            (at, fact, None)
        }
    };
    let at = Timestamp::parse(&at).ok_or(BadLine::Unknown)?;
    let was_numbered = position.is_numbered;
    *position = position.after(&fact, written.is_some());
    let (seq, attempt) = (position.seq, position.attempt());
    // Nothing of version 1 follows what a newer quire wrote.
    let is_in_order = written.map_or(!was_numbered, |written| written == (seq, attempt));
    Ok(Record { seq, attempt, at, fact, is_in_order })
}
