//! Numbers of rows by their state, for metrics.

use rusqlite::{Connection, Result};

use super::outbox::Delivery;
use crate::model::Progress;

/// How many runs are queued, and how many are running.
pub(crate) fn count_unfinished(connection: &Connection) -> Result<Vec<(&'static str, u64)>> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM runs INDEXED BY runs_unfinished WHERE state <> 'finished' AND state = ?1",
    )?;
    let count = |state: Progress| {
        let count = statement.query_row([state.as_str()], |row| row.get::<_, i64>(0))?;
        Ok((state.as_str(), count.cast_unsigned()))
    };
    [Progress::Queued, Progress::Running].into_iter().map(count).collect()
}

/// How many messages of the outbox are in each state.
pub(crate) fn count_messages(connection: &Connection) -> Result<Vec<(&'static str, u64)>> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM outbox WHERE state = ?1")?;
    let count = |state: Delivery| {
        let count = statement.query_row([state.as_str()], |row| row.get::<_, i64>(0))?;
        Ok((state.as_str(), count.cast_unsigned()))
    };
    Delivery::ALL.into_iter().map(count).collect()
}
