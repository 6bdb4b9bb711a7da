//! Ref updates that happened.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use crate::model::{CommitId, RefName, Timestamp};

/// A ref update to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewUpdate {
    /// The id of the repository.
    pub(crate) repo: String,
    pub(crate) ref_name: RefName,
    /// Its serial within the ref.
    pub(crate) serial: u64,
    /// The old value.
    pub(crate) old: CommitId,
    /// The new value.
    pub(crate) new: CommitId,
    /// The push that announced it, if one did.
    pub(crate) push: Option<String>,
    /// The pusher, if known.
    pub(crate) pusher: Option<String>,
    /// When it was recorded.
    pub(crate) at: Timestamp,
    /// The decision: `run`, or why no run was started.
    pub(crate) decision: String,
}

/// Records an update; returns its row.
pub(crate) fn insert_update(connection: &Connection, update: &NewUpdate) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO updates (repo, ref, serial, old, new, push, pusher, at, decision)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            update.repo,
            update.ref_name.as_bytes(),
            update.serial.cast_signed(),
            update.old.to_string(),
            update.new.to_string(),
            update.push,
            update.pusher,
            update.at.as_millis(),
            update.decision
        ])?;
    Ok(connection.last_insert_rowid())
}

/// An update of a push, as it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushedUpdate {
    pub(crate) ref_name: RefName,
    /// The old value.
    pub(crate) old: CommitId,
    /// The decision: `run`, or why no run was started.
    pub(crate) decision: String,
}

/// The updates of a push that are recorded.
pub(crate) fn updates_of_push(connection: &Connection, push: &str) -> Result<Vec<PushedUpdate>> {
    let mut statement =
        connection.prepare_cached("SELECT ref, old, decision FROM updates WHERE push = ?1 ORDER BY id")?;
    let rows = statement.query_map([push], |row| {
        Ok(PushedUpdate { ref_name: ref_name(row, 0)?, old: commit_id(row, 1)?, decision: row.get(2)? })
    })?;
    rows.collect()
}

/// Records to which push an earlier update belongs, for it and its run. It may have been taken for that of another push.
pub(crate) fn bind_update(
    connection: &Connection,
    repo: &str,
    ref_name: &RefName,
    serial: u64,
    intent: (&str, Option<&str>),
) -> Result<()> {
    let (push, pusher) = intent;
    connection
        .prepare_cached(
            "UPDATE updates SET push = ?4, pusher = ?5 WHERE repo = ?1 AND ref = ?2 AND serial = ?3",
        )?
        .execute(params![repo, ref_name.as_bytes(), serial.cast_signed(), push, pusher])?;
    connection
        .prepare_cached(
            "UPDATE runs SET pusher = coalesce(?4, pusher) WHERE update_id =
               (SELECT id FROM updates WHERE repo = ?1 AND ref = ?2 AND serial = ?3)",
        )?
        .execute(params![repo, ref_name.as_bytes(), serial.cast_signed(), pusher])?;
    Ok(())
}

/// The newest update of a ref: its new value, and what was decided.
pub(crate) fn last_decision(
    connection: &Connection,
    repo: &str,
    ref_name: &RefName,
) -> Result<Option<(CommitId, String)>> {
    connection
        .prepare_cached(
            "SELECT new, decision FROM updates WHERE repo = ?1 AND ref = ?2 ORDER BY serial DESC LIMIT 1",
        )?
        .query_row(params![repo, ref_name.as_bytes()], |row| Ok((commit_id(row, 0)?, row.get(1)?)))
        .optional()
}

/// The ids of the runs that a push has started, in their order.
pub(crate) fn runs_of_push(connection: &Connection, push: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.id FROM runs r JOIN updates u ON r.update_id = u.id WHERE u.push = ?1 ORDER BY r.seq",
    )?;
    let rows = statement.query_map([push], |row| row.get(0))?;
    rows.collect()
}

/// Reads a commit id from a column.
pub(super) fn commit_id(row: &Row<'_>, column: usize) -> Result<CommitId> {
    let text: String = row.get(column)?;
    CommitId::parse(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Reads a ref's name from a column.
pub(super) fn ref_name(row: &Row<'_>, column: usize) -> Result<RefName> {
    let bytes: Vec<u8> = row.get(column)?;
    RefName::parse(&bytes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}
