//! When the next artifact of a run ends: an index of what journals say, of those runs only that have such artifacts.

use rusqlite::{Connection, Result, params};

use super::runs::{RunRow, query};
use crate::model::Timestamp;

/// Says when the next artifact of a run ends; nothing when none does.
pub(crate) fn set_artifact_expiry(connection: &Connection, run: i64, expires_ms: Option<i64>) -> Result<()> {
    match expires_ms {
        Some(expires_ms) => connection
            .prepare_cached("INSERT OR REPLACE INTO artifact_expiries (run, expires_at) VALUES (?1, ?2)")?
            .execute(params![run, expires_ms])?,
        None => connection.prepare_cached("DELETE FROM artifact_expiries WHERE run = ?1")?.execute([run])?,
    };
    Ok(())
}

/// Runs with an artifact that has ended, at most so many.
pub(crate) fn runs_with_expired(connection: &Connection, now: Timestamp, most: u32) -> Result<Vec<RunRow>> {
    let from = "FROM artifact_expiries e JOIN runs r ON r.seq = e.run JOIN repos p ON p.id = r.repo
                WHERE e.expires_at <= ?1 ORDER BY e.expires_at LIMIT ?2";
    query(connection, from, params![now.as_millis(), most])
}
