//! Writes what journals say into the index of runs, again and again until it holds: a run whose end is only in its
//! journal would look as if it were still to be run.

use rusqlite::Connection;

use super::backoff::Backoff;
use crate::app::AppState;
use crate::journal::RunRecord;
use crate::model::Timestamp;
use crate::store::{self, RunRow};
use crate::sys::clock;

/// Indexes that the jobs of a run have begun.
pub(super) async fn started(app: &AppState, row: &RunRow, at: Timestamp) {
    let id = row.id;
    write(app, row, move |connection| store::mark_started(connection, id, at)).await;
}

/// Indexes the end of a run, if its record has one.
pub(super) async fn finished(app: &AppState, row: &RunRow, record: &RunRecord) {
    let Some(outcome) = record.outcome else { return };
    let at = record.finished_at.unwrap_or_else(clock::now);
    let (id, reason) = (row.id, record.reason.clone());
    let finish = move |connection: &mut Connection| {
        store::finish_run(connection, id, outcome, reason.as_ref(), at).map(|_| ())
    };
    write(app, row, finish).await;
    app.notices.notify_one();
}

/// Changes the index; tries again until the change holds or the server stops.
async fn write(
    app: &AppState,
    row: &RunRow,
    change: impl FnOnce(&mut Connection) -> rusqlite::Result<()> + Clone + Send + 'static,
) {
    let (mut backoff, mut trouble) = (Backoff::of_runs(), None);
    loop {
        match app.store.call(change.clone()).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) if trouble.is_none() => {
                tracing::error!(%error, run = %row.id, "could not write to the index of runs; retrying");
                trouble = Some(app.health.report(format!("the database cannot be written: {error}")));
            }
            Ok(Err(error)) => tracing::debug!(%error, run = %row.id, "the index still cannot be written"),
            // The next start reads the journal.
            Err(error) => return tracing::warn!(%error, run = %row.id, "the index of runs was not updated"),
        }
        tokio::time::sleep(backoff.next()).await;
    }
    if trouble.is_some() {
        tracing::info!(run = %row.id, "the index of runs can be written again");
    }
}
