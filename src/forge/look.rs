//! Reads from disk what the rule in `ledger` needs to know of one ref: its value and the new part of its log.
//!
//! The log is read first, then the value, then the log's size again: as git appends a line *before* it renames
//! the ref, an unchanged log means that the value belongs to it (or to the line before its last).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::model::{CommitId, RefName};

use super::look_error::LookError;
use super::reflog::{Entry, Mark, digest, parse_log};
use super::refs::{RefValue, Refs, files_below, is_absent};

/// How often the observation of a ref is repeated that moves meanwhile.
const MAX_TRIES: u32 = 16;

/// The most that is read of one log, in bytes: some four million lines.
const MAX_LOG_BYTES: u64 = 512 << 20;

/// Identifies a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogId {
    pub(crate) inode: u64,
    /// The birth time of the inode, in seconds and nanoseconds; `None` on file systems that do not record it.
    pub(crate) birth: Option<(i64, u32)>,
}

/// How far a log has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogCursor {
    /// The file.
    pub(crate) log: LogId,
    /// Everything before this offset is settled.
    pub(crate) offset: u64,
    /// The line that ends there; `None` at the start of the file.
    pub(crate) last: Option<Mark>,
}

/// A log, or the part of it that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogPart {
    /// The file.
    pub(crate) log: LogId,
    /// Where the part begins: at the cursor if it is still valid, otherwise at the start of the file.
    pub(crate) from: LogStart,
    /// Its lines.
    pub(crate) entries: Vec<Entry>,
}

/// Where a part of a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogStart {
    /// At the cursor: the file is the same as before.
    Cursor(LogCursor),
    /// At the first byte: the file was not read before, or is another file.
    Beginning,
}

/// The observation of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// Its value; zero when the ref does not exist.
    pub(crate) tip: CommitId,
    /// Its log, if there is one.
    pub(crate) log: Option<LogPart>,
}

/// What a name refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    /// A ref, which may not exist.
    Ref(Look),
    /// Another ref: what was recorded under the name is to be dropped, and is not a deletion.
    Symbolic(RefName),
}

/// Observes one ref; `cursor` is how far its log was read.
///
/// # Errors
/// Something could not be read, or the ref kept moving ([`LookError::Busy`]: try again later).
pub(crate) fn look(refs: &mut Refs, name: &RefName, cursor: Option<&LogCursor>) -> Result<Looked, LookError> {
    let path = log_path(refs.git_dir(), name);
    for _ in 0..MAX_TRIES {
        let log = read_log(&path, name, cursor)?;
        let tip = match refs.value(name)? {
            RefValue::Direct(id) => id,
            RefValue::Missing => CommitId::ZERO,
            RefValue::Symbolic(target) => return Ok(Looked::Symbolic(target)),
        };
        if log.as_ref().map(|read| (read.part.log, read.size)) == stat_log(&path)? {
            return Ok(Looked::Ref(Look { tip, log: log.map(|read| read.part) }));
        }
    }
    Err(LookError::Busy { name: name.clone(), tries: MAX_TRIES })
}

/// The names of all refs to observe: those with a value and those with a log.
/// Symbolic refs are left out, and so are refs whose file is broken; [`Refs::all`] names those.
///
/// A file or folder could not be read.
/// Says which file or folder could not be read.
pub(crate) fn names_to_look_at(refs: &mut Refs) -> Result<BTreeSet<RefName>, LookError> {
    let list = refs.all()?;
    let logs = log_refs(refs.git_dir())?;
    let apart = |name: &RefName| list.symbolic.contains_key(name) || list.broken.contains(name);
    let mut names: BTreeSet<RefName> = logs.into_iter().filter(|name| !apart(name)).collect();
    names.extend(list.direct.into_keys());
    Ok(names)
}

/// The names of all refs that have a log, symbolic refs included; never `HEAD`, never a lock file.
///
/// # Errors
/// A folder could not be read.
pub(crate) fn log_refs(git_dir: &Path) -> Result<Vec<RefName>, LookError> {
    files_below(&git_dir.join("logs"))
}

/// The path of a ref's log.
fn log_path(git_dir: &Path, name: &RefName) -> PathBuf {
    git_dir.join("logs").join(OsStr::from_bytes(name.as_bytes()))
}

/// A part of a log and the size of the whole file when it was read.
struct Read {
    part: LogPart,
    size: u64,
}

/// Reads the new part of a log; `None` when the log does not exist.
fn read_log(path: &Path, name: &RefName, cursor: Option<&LogCursor>) -> Result<Option<Read>, LookError> {
    let failed = |source| LookError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let stat = statx(&file, "", AtFlags::EMPTY_PATH, FIELDS).map_err(|errno| failed(errno.into()))?;
    if u32::from(stat.stx_mode) & FILE_TYPE == FOLDER {
        return Ok(None);
    }
    let (log, size) = identify(&stat);
    let held = cursor.filter(|cursor| cursor.log == log && cursor.offset <= size);
    let from = match held {
        Some(cursor) if still_there(&file, cursor).map_err(failed)? => LogStart::Cursor(*cursor),
        Some(_) | None => LogStart::Beginning,
    };
    let offset = match from {
        LogStart::Cursor(cursor) => cursor.offset,
        LogStart::Beginning => 0,
    };
    let missing = size.saturating_sub(offset);
    if missing > MAX_LOG_BYTES {
        return Err(LookError::LogTooLarge { name: name.clone(), size: missing, limit: MAX_LOG_BYTES });
    }
    let bytes = read_range(&file, offset, missing).map_err(failed)?;
    Ok(Some(Read { part: LogPart { log, from, entries: parse_log(&bytes, offset) }, size }))
}

/// The statx fields that distinguish one log file from another.
const FIELDS: StatxFlags =
    StatxFlags::TYPE.union(StatxFlags::INO).union(StatxFlags::SIZE).union(StatxFlags::BTIME);

/// The bits of a mode with the file type, and their value for a folder.
const FILE_TYPE: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;

/// The identity and the size of a log.
fn stat_log(path: &Path) -> Result<Option<(LogId, u64)>, LookError> {
    match statx(CWD, path, AtFlags::empty(), FIELDS) {
        Ok(stat) if u32::from(stat.stx_mode) & FILE_TYPE == FOLDER => Ok(None),
        Ok(stat) => Ok(Some(identify(&stat))),
        Err(errno) => match io::Error::from(errno) {
            error if is_absent(&error) => Ok(None),
            source => Err(LookError::Read { path: path.to_owned(), source }),
        },
    }
}

/// The identity and the size in a result of statx.
fn identify(stat: &rustix::fs::Statx) -> (LogId, u64) {
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let birth = known.then_some((stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec));
    (LogId { inode: stat.stx_ino, birth }, stat.stx_size)
}

/// Whether the line that ends at the cursor is unchanged.
fn still_there(file: &File, cursor: &LogCursor) -> io::Result<bool> {
    let Some(last) = cursor.last else { return Ok(true) };
    let bytes = read_range(file, last.start, last.end.saturating_sub(last.start))?;
    Ok(last.end == cursor.offset && digest(&bytes) == last.digest)
}

/// Reads at most this many bytes from an offset.
fn read_range(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}
