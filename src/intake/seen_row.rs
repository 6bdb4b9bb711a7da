//! The state of a ref between two observations, as JSON in the database: the border type of `forge::Seen`.

use serde::{Deserialize, Serialize};

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
    old: String,
    new: String,
    line: Option<LineRow>,
    push: Option<String>,
    /// Missing in rows of older versions.
    #[serde(default)]
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
}

#[derive(Serialize, Deserialize)]
struct LineRow {
    time: i64,
    zone: [u8; 5],
    name: Vec<u8>,
    email: Vec<u8>,
}

/// The JSON of a state.
pub(super) fn encode(seen: &Seen) -> serde_json::Result<String> {
    let cursor = seen.cursor.as_ref().map(|cursor| CursorRow {
        inode: cursor.log.inode,
        birth: cursor.log.birth,
        offset: cursor.offset,
        last: cursor.last.map(|mark| (mark.start, mark.end, mark.digest)),
    });
    let recent = seen.recent.iter().map(|update| RecentRow {
        serial: update.serial,
        old: update.old.to_string(),
        new: update.new.to_string(),
        line: update.line.as_ref().map(encode_line),
        push: update.push.clone(),
        reported: update.is_reported,
    });
    let waiting = seen.waiting.map(|(log, end)| (log.inode, log.birth, end));
    let (value, recent) = (seen.value.to_string(), recent.collect());
    serde_json::to_string(&Row { value, cursor, waiting, next_serial: seen.next_serial, recent })
}

fn encode_line(line: &LineInfo) -> LineRow {
    LineRow { time: line.time, zone: line.zone, name: line.name.clone(), email: line.email.clone() }
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
    let recent = row.recent.into_iter().map(|update| {
        let line =
            |line: LineRow| LineInfo { time: line.time, zone: line.zone, name: line.name, email: line.email };
        Ok(Recent {
            serial: update.serial,
            old: commit(&update.old)?,
            new: commit(&update.new)?,
            line: update.line.map(line),
            push: update.push,
            is_reported: update.reported,
        })
    });
    let recent = recent.collect::<Result<Vec<_>, _>>()?;
    let value = commit(&row.value)?;
    let waiting = row.waiting.map(|(inode, birth, end)| (LogId { inode, birth }, end));
    Ok(Seen { value, cursor, waiting, next_serial: row.next_serial, recent })
}

#[cfg(test)]
mod tests {
    use super::*;

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
