//! What becomes of the rows of a database whose data folder is a copy.

use rusqlite::{Connection, Result, params};

use super::runs::reason_columns;
use super::updates::runs_of_push;
use crate::model::{Outcome, Reason, Timestamp};

/// The ids of the runs that these pushes have led to.
pub fn runs_of_pushes(connection: &Connection, pushes: &[String]) -> Result<Vec<String>> {
    let runs = pushes.iter().map(|push| runs_of_push(connection, push)).collect::<Result<Vec<_>>>();
    Ok(runs?.concat())
}

/// Ends what the original still has to do: its runs are interrupted here, but for `own_runs`, its messages are given up, and
/// no notification is sent about either. Returns the number of these messages.
pub fn set_aside(
    connection: &mut Connection,
    reason: &Reason,
    own_runs: &[String],
    now: Timestamp,
) -> Result<usize> {
    let own_runs = serde_json::json!(own_runs).to_string();
    let (text, code, hints) = reason_columns(Some(reason))?;
    let transaction = connection.transaction()?;
    transaction.execute(
        "UPDATE runs SET state = 'finished', outcome = ?1, reason = ?2, finished_at = ?3, reason_code = ?5,
                         reason_hints = ?6
         WHERE state <> 'finished' AND id NOT IN (SELECT value FROM json_each(?4))",
        params![Outcome::Interrupted.as_str(), text, now.as_millis(), own_runs, code, hints],
    )?;
    transaction.execute("DELETE FROM notices", [])?;
    let messages = transaction.execute(
        "UPDATE outbox SET state = 'given-up', problem = ?1, ended_at = ?2 WHERE state = 'waiting'",
        params![text, now.as_millis()],
    )?;
    transaction.commit()?;
    Ok(messages)
}
