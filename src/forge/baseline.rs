//! The refs that a repository had when it was adopted, so that nothing from before starts a run.
//!
//! One file next to `quire.json`, written once and read once. The names of refs are bytes; in the file, bytes
//! that are not visible ASCII characters, and `%`, are written as `%XX`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{CommitId, RefName};

use super::durable;
use super::identity::read_identity;
use super::ledger::{Keys, Seen, baseline};
use super::look::{LogCursor, LogId, Looked, look, names_to_look_at};
use super::reflog::{LineKey, Mark};
use super::refs::Refs;
use super::repo_error::RepoError;

/// The name of the file.
pub(super) const FILE: &str = "quire-baseline.json";

/// The version that this quire writes and reads.
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    refs: Vec<StoredRef>,
}

#[derive(Serialize, Deserialize)]
struct StoredRef {
    name: String,
    value: String,
    log: Option<StoredLog>,
    keys: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredLog {
    inode: u64,
    birth: Option<(i64, u32)>,
    offset: u64,
    last: Option<(u64, u64, String)>,
}

/// Records the current refs of a repository; returns how many they are.
pub(super) fn write_baseline(repo: &Path) -> Result<usize, RepoError> {
    let failed = |source| RepoError::Refs { path: repo.to_owned(), source };
    let mut refs = Refs::of(repo);
    let mut stored = Stored { v: VERSION, refs: Vec::new() };
    for name in names_to_look_at(&mut refs).map_err(failed)? {
        if let Looked::Ref(look) = look(&mut refs, &name, None).map_err(failed)? {
            let (seen, keys) = baseline(&look);
            stored.refs.push(StoredRef {
                name: escape(name.as_bytes()),
                value: seen.value.to_string(),
                log: seen.cursor.as_ref().map(store_cursor),
                keys: keys.iter().map(|key| hex(key.as_bytes())).collect(),
            });
        }
    }
    let path = repo.join(FILE);
    let text = serde_json::to_vec(&stored)
        .map_err(|error| RepoError::Write { path: path.clone(), source: error.into() })?;
    durable::write(&path, &text)?;
    Ok(stored.refs.len())
}

/// The refs that an adopted repository had when it was adopted: the state to store for each ref before its first
/// observation. Empty for a repository created by quire.
///
/// # Errors
/// The file could not be read, or its content is invalid.
pub(crate) fn read_baseline(repo: &Path) -> Result<BTreeMap<RefName, (Seen, Keys)>, RepoError> {
    let Some(file) = read_identity(repo)?.and_then(|identity| identity.baseline) else {
        return Ok(BTreeMap::new());
    };
    let path = repo.join(file);
    let text = fs::read(&path).map_err(|source| RepoError::Read { path: path.clone(), source })?;
    let damaged = |reason: String| RepoError::Damaged { path: path.clone(), reason };
    let stored: Stored = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if stored.v != VERSION {
        return Err(damaged(format!(
            "it has version {}, but this quire supports only version {VERSION}",
            stored.v
        )));
    }
    let read = |stored: &StoredRef| {
        read_ref(stored).ok_or_else(|| damaged(format!("invalid entry `{}`", stored.name)))
    };
    stored.refs.iter().map(read).collect()
}

fn store_cursor(cursor: &LogCursor) -> StoredLog {
    StoredLog {
        inode: cursor.log.inode,
        birth: cursor.log.birth,
        offset: cursor.offset,
        last: cursor.last.map(|mark| (mark.start, mark.end, hex(&mark.digest))),
    }
}

fn read_ref(stored: &StoredRef) -> Option<(RefName, (Seen, Keys))> {
    let name = RefName::parse(&unescape(&stored.name)?).ok()?;
    let value = CommitId::parse(&stored.value).ok()?;
    let cursor = match &stored.log {
        Some(log) => Some(read_cursor(log)?),
        None => None,
    };
    let keys: Option<Vec<LineKey>> =
        stored.keys.iter().map(|key| unhex(key).map(LineKey::from_bytes)).collect();
    Some((name, (Seen { value, cursor, ..Seen::default() }, Keys::of(keys?))))
}

fn read_cursor(stored: &StoredLog) -> Option<LogCursor> {
    let last = match &stored.last {
        Some((start, end, digest)) => Some(Mark { start: *start, end: *end, digest: unhex(digest)? }),
        None => None,
    };
    let log = LogId { inode: stored.inode, birth: stored.birth };
    Some(LogCursor { log, offset: stored.offset, last })
}

fn hex(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let fits = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    fits.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)).flatten()
}

fn escape(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'%' => "%25".to_owned(),
        b'!'..=b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_the_file() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escape(&all)).unwrap(), all);
        assert_eq!(escape(b"refs/heads/a%b \xff"), "refs/heads/a%25b%20%FF");
        assert_eq!(unescape("%f"), None);
        assert_eq!(unhex(&hex(&[7; 16])), Some([7; 16]));
        assert_eq!(unhex(&"+".repeat(32)), None);
    }
}
