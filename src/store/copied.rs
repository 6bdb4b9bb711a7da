//! What becomes of the rows of a database whose data folder is a copy.

use rusqlite::{Connection, Result, params};

use crate::model::{Outcome, Timestamp};

/// Ends what the original has still to do: its runs are interrupted here, its messages given up, and nobody is told of
/// either. Returns how many messages that were.
pub fn set_aside(connection: &mut Connection, reason: &str, now: Timestamp) -> Result<usize> {
    let transaction = connection.transaction()?;
    transaction.execute(
        "UPDATE runs SET state = 'finished', outcome = ?1, reason = ?2, finished_at = ?3 WHERE state <> 'finished'",
        params![Outcome::Interrupted.as_str(), reason, now.as_millis()],
    )?;
    transaction.execute("DELETE FROM notices", [])?;
    let messages = transaction.execute(
        "UPDATE outbox SET state = 'given-up', problem = ?1, ended_at = ?2 WHERE state = 'waiting'",
        params![reason, now.as_millis()],
    )?;
    transaction.commit()?;
    Ok(messages)
}
