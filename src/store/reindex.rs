//! The runs whose rows are compared with their journals, a page at a time.

use rusqlite::{Connection, Result, Row};

use super::damaged::damaged;
use super::runs::run_id;
use crate::model::{Progress, RepoName, RunId};

/// A run as far as it is needed to find its journal and to judge it.
#[derive(Debug, Clone)]
pub struct IndexedRun {
    /// Its row.
    pub(crate) seq: i64,
    pub(crate) id: RunId,
    pub(crate) repo: RepoName,
    /// Its number there.
    pub(crate) number: u64,
    /// Where it is.
    pub(crate) state: Progress,
    /// The record of its journal up to which it is indexed.
    pub(crate) applied_seq: u64,
    /// Whether its jobs have begun, according to its row.
    pub(crate) has_begun: bool,
}

/// Runs of the present repositories behind a row, at most `limit`, oldest first.
pub fn runs_after(connection: &Connection, seq: i64, limit: u32) -> Result<Vec<IndexedRun>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.seq, r.id, p.name, r.number, r.state, r.applied_seq, r.started_at IS NOT NULL
         FROM runs r JOIN repos p ON p.id = r.repo
         WHERE r.seq > ?1 AND p.present = 1 ORDER BY r.seq LIMIT ?2",
    )?;
    let rows = statement.query_map((seq, limit), read_row)?;
    rows.collect()
}

/// Ended runs of the present repositories before a row that have no jobs and steps because an older version ran them, at
/// most `limit`, newest first.
pub fn unindexed_runs(connection: &Connection, before: i64, limit: u32) -> Result<Vec<IndexedRun>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.seq, r.id, p.name, r.number, r.state, r.applied_seq, r.started_at IS NOT NULL
         FROM runs r INDEXED BY runs_unindexed JOIN repos p ON p.id = r.repo
         WHERE r.seq < ?1 AND r.applied_seq = 0 AND r.state = 'finished'
           AND (r.started_at IS NOT NULL OR r.outcome <> 'skipped') AND p.present = 1
         ORDER BY r.seq DESC LIMIT ?2",
    )?;
    let rows = statement.query_map((before, limit), read_row)?;
    rows.collect()
}

fn read_row(row: &Row<'_>) -> Result<IndexedRun> {
    let (id, name, state): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(4)?);
    Ok(IndexedRun {
        seq: row.get(0)?,
        id: run_id(1, &id)?,
        repo: RepoName::parse(&name).map_err(|_| damaged(2, "repository name", &name))?,
        number: row.get::<_, i64>(3)?.cast_unsigned(),
        state: Progress::parse(&state).ok_or_else(|| damaged(4, "state of a run", &state))?,
        applied_seq: row.get::<_, i64>(5)?.cast_unsigned(),
        has_begun: row.get(6)?,
    })
}
