//! The state of a ref between two observations, as JSON in the database: the border type of `forge::Seen`.

use serde::{Deserialize, Serialize};

use crate::forge::{LineInfo, LogCursor, LogId, Mark, Recent, Seen};
use crate::model::CommitId;

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
    });
    let waiting = seen.waiting.map(|(log, end)| (log.inode, log.birth, end));
    let (value, recent) = (seen.value.to_string(), recent.collect());
    serde_json::to_string(&Row { value, cursor, waiting, next_serial: seen.next_serial, recent })
}

fn encode_line(line: &LineInfo) -> LineRow {
    LineRow { time: line.time, zone: line.zone, name: line.name.clone(), email: line.email.clone() }
}

/// The state in a JSON text; `None` when the row is damaged.
pub(super) fn decode(text: &str) -> Option<Seen> {
    let row: Row = serde_json::from_str(text).ok()?;
    let cursor = row.cursor.map(|cursor| LogCursor {
        log: LogId { inode: cursor.inode, birth: cursor.birth },
        offset: cursor.offset,
        last: cursor.last.map(|(start, end, digest)| Mark { start, end, digest }),
    });
    let recent = row.recent.into_iter().map(|update| {
        let line =
            |line: LineRow| LineInfo { time: line.time, zone: line.zone, name: line.name, email: line.email };
        Some(Recent {
            serial: update.serial,
            old: CommitId::parse(&update.old).ok()?,
            new: CommitId::parse(&update.new).ok()?,
            line: update.line.map(line),
            push: update.push,
        })
    });
    let recent: Option<Vec<Recent>> = recent.collect();
    let value = CommitId::parse(&row.value).ok()?;
    let waiting = row.waiting.map(|(inode, birth, end)| (LogId { inode, birth }, end));
    Some(Seen { value, cursor, waiting, next_serial: row.next_serial, recent: recent? })
}
