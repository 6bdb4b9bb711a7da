//! The state of a ref between two observations, as JSON in the database: the border type of `forge::Seen`.
//!
//! Every push reads and writes it, so that what an update has in common with the one before it is left out, and bytes
//! that are UTF-8 are text. Rows of older versions have everything, and bytes as numbers.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::forge::{LineInfo, LogCursor, LogId, Mark, Recent, Seen};
use crate::model::{CommitId, CommitIdError};

#[derive(Serialize, Deserialize)]
struct Row {
    value: String,
    cursor: Option<CursorRow>,
    /// Inode, birth time and offset of the line that waits for its ref.
    waiting: Option<WaitingRow>,
    next_serial: u64,
    recent: Vec<RecentRow>,
}

type WaitingRow = (u64, Option<(i64, u32)>, u64);

#[derive(Serialize, Deserialize)]
struct CursorRow {
    inode: u64,
    birth: Option<(i64, u32)>,
    offset: u64,
    last: Option<(u64, u64, [u8; 16])>,
}

#[derive(Serialize, Deserialize)]
struct RecentRow {
    serial: u64,
    /// Missing when it is the new value of the update before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    new: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<LineRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    push: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reported: bool,
}

/// Why the stored state of a ref cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the stored state of the ref is damaged")]
pub(super) enum SeenRowError {
    /// It is not the JSON of one.
    Json(#[source] serde_json::Error),
    /// One of its ids is invalid.
    Commit(#[source] CommitIdError),
    /// Something is missing that no update before it has, or has another length.
    Incomplete,
}

#[derive(Serialize, Deserialize)]
struct LineRow {
    time: i64,
    /// Missing, as the other two, when the last line before this one has the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Bytes>,
}

/// Bytes, as text where they are UTF-8, and as numbers otherwise.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumbers;

        impl<'de> Visitor<'de> for TextOrNumbers {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or bytes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(text.as_bytes().to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = numbers.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_any(TextOrNumbers)
    }
}

/// The JSON of a state.
pub(super) fn encode(seen: &Seen) -> serde_json::Result<String> {
    let cursor = seen.cursor.as_ref().map(|cursor| CursorRow {
        inode: cursor.log.inode,
        birth: cursor.log.birth,
        offset: cursor.offset,
        last: cursor.last.map(|mark| (mark.start, mark.end, mark.digest)),
    });
    let (mut value, mut last) = (None, None);
    let recent = seen.recent.iter().map(|update| RecentRow {
        serial: update.serial,
        old: (value.replace(update.new) != Some(update.old)).then(|| update.old.to_string()),
        new: update.new.to_string(),
        line: update.line.as_ref().map(|line| encode_line(line, last.replace(line))),
        push: update.push.clone(),
        reported: update.is_reported,
    });
    let waiting = seen.waiting.map(|(log, end)| (log.inode, log.birth, end));
    let (value, recent) = (seen.value.to_string(), recent.collect());
    serde_json::to_string(&Row { value, cursor, waiting, next_serial: seen.next_serial, recent })
}

fn encode_line(line: &LineInfo, last: Option<&LineInfo>) -> LineRow {
    let new = |part: fn(&LineInfo) -> &[u8]| {
        (last.map(part) != Some(part(line))).then(|| Bytes(part(line).to_vec()))
    };
    LineRow {
        time: line.time,
        zone: new(|line| &line.zone),
        name: new(|line| &line.name),
        email: new(|line| &line.email),
    }
}

/// The line of a row, with what the last line before it had.
fn decode_line(row: LineRow, last: Option<&LineInfo>) -> Result<LineInfo, SeenRowError> {
    let whole = |part: Option<Bytes>, of: fn(&LineInfo) -> &[u8]| {
        let bytes = part.map(|Bytes(bytes)| bytes).or_else(|| last.map(|last| of(last).to_vec()));
        bytes.ok_or(SeenRowError::Incomplete)
    };
    let zone = whole(row.zone, |line| &line.zone)?;
    Ok(LineInfo {
        time: row.time,
        zone: zone.try_into().map_err(|_| SeenRowError::Incomplete)?,
        name: whole(row.name, |line| &line.name)?,
        email: whole(row.email, |line| &line.email)?,
    })
}

/// The state in a JSON text.
///
/// # Errors
/// The row is damaged. That the ref was never seen would be a guess, and would make an update of what is recorded.
pub(super) fn decode(text: &str) -> Result<Seen, SeenRowError> {
    let row: Row = serde_json::from_str(text).map_err(SeenRowError::Json)?;
    let commit = |text: &str| CommitId::parse(text).map_err(SeenRowError::Commit);
    let cursor = row.cursor.map(|cursor| LogCursor {
        log: LogId { inode: cursor.inode, birth: cursor.birth },
        offset: cursor.offset,
        last: cursor.last.map(|(start, end, digest)| Mark { start, end, digest }),
    });
    let mut recent: Vec<Recent> = Vec::with_capacity(row.recent.len());
    for update in row.recent {
        let old = match &update.old {
            Some(old) => commit(old)?,
            None => recent.last().ok_or(SeenRowError::Incomplete)?.new,
        };
        let last = recent.iter().rev().find_map(|update| update.line.as_ref());
        let line = update.line.map(|line| decode_line(line, last)).transpose()?;
        let (serial, new) = (update.serial, commit(&update.new)?);
        recent.push(Recent { serial, old, new, line, push: update.push, is_reported: update.reported });
    }
    let value = commit(&row.value)?;
    let waiting = row.waiting.map(|(inode, birth, end)| (LogId { inode, birth }, end));
    Ok(Seen { value, cursor, waiting, next_serial: row.next_serial, recent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(serial: u64, line: Option<LineInfo>) -> Recent {
        let id = |byte: u64| CommitId::from_bytes([u8::try_from(byte).unwrap(); 20]);
        Recent {
            serial,
            old: id(serial),
            new: id(serial + 1),
            line,
            push: Some("p".to_owned()),
            is_reported: true,
        }
    }

    fn line(name: &[u8], email: &str) -> LineInfo {
        LineInfo { time: 7, zone: *b"+0100", name: name.to_vec(), email: email.into() }
    }

    #[test]
    fn what_updates_have_in_common_is_written_once() {
        let odd = Recent { old: CommitId::ZERO, push: None, is_reported: false, ..update(9, None) };
        let lines =
            [line(b"Jo", "jo@home"), line(b"Jo", "jo@home"), line(b"J\xff", "jo@home"), line(b"", "")];
        let recent: Vec<Recent> = (1..).zip(lines).map(|(serial, line)| update(serial, Some(line))).collect();
        let recent = [recent, vec![odd, update(10, Some(line(b"", "jo@home")))]].concat();
        let seen = Seen { recent, ..Seen::default() };
        let text = encode(&seen).unwrap();
        assert_eq!(decode(&text).unwrap(), seen);
        assert_eq!(text.matches("jo@home").count(), 2);
        assert_eq!(text.matches(r#""old""#).count(), 2);
        for cut in [r#""zone":"+0100","#, r#""old":"0101010101010101010101010101010101010101","#, "+0"] {
            assert!(text.contains(cut) && decode(&text.replacen(cut, "", 1)).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_older_versions_wrote_is_read() {
        let whole = format!(
            r#"{{"value":"{0}","cursor":null,"waiting":null,"next_serial":2,"recent":[{{"serial":1,"old":"{1}","new":"{0}",
            "line":{{"time":7,"zone":[43,48,49,48,48],"name":[74,111],"email":[]}},"push":null,"reported":true}}]}}"#,
            "02".repeat(20),
            "01".repeat(20),
        );
        let expected = Recent { push: None, ..update(1, Some(line(b"Jo", ""))) };
        assert_eq!(decode(&whole).unwrap().recent, [expected]);
    }

    #[test]
    fn a_state_survives_and_a_damaged_one_is_an_error() {
        let update = Recent {
            serial: 1,
            old: CommitId::ZERO,
            new: CommitId::from_bytes([7; 20]),
            line: None,
            push: Some("p".to_owned()),
            is_reported: true,
        };
        let seen = Seen { value: update.new, next_serial: 2, recent: vec![update], ..Seen::default() };
        let text = encode(&seen).unwrap();
        assert_eq!(decode(&text).unwrap(), seen);
        let older = text.replace(r#","reported":true"#, "");
        assert!(older != text && !decode(&older).unwrap().recent[0].is_reported);
        for damaged in ["", "null", "{}", &text.replace("0707", "07g7"), &text.replace("0000", "000")] {
            assert!(decode(damaged).is_err(), "{damaged}");
        }
    }
}
