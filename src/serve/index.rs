//! Writes what journals say into the index of runs, again and again until it holds: a run whose end is only in its
//! journal would look as if it were still to be run.

use std::sync::Arc;

use super::backoff::Backoff;
use crate::app::AppState;
use crate::journal::RunRecord;
use crate::model::Outcome;
use crate::store::{self, RunChange, RunRow};
use crate::sys::clock;
use crate::view::{between, output_line};

/// Logs the end of a run: `run foo#3 failed in 0.4 s: test failed`
fn log_end(row: &RunRow, record: &RunRecord) {
    let Some(outcome) = record.outcome else { return };
    let took =
        record.started_at.zip(record.finished_at).map(|(start, end)| format!(" in {}", between(start, end)));
    let reason = record.reason.as_ref().filter(|_| outcome != Outcome::Passed);
    let reason = reason.map(|reason| format!(": {}", output_line(reason.first_line()))).unwrap_or_default();
    tracing::info!("run {}#{} {outcome}{}{reason}", row.repo, row.number, took.unwrap_or_default());
}

/// Indexes what a record says since its record number `indexed`, if it has an end.
pub(super) async fn finished(app: &AppState, row: &RunRow, record: &RunRecord, indexed: u64) {
    if record.outcome.is_some() {
        log_end(row, record);
        write(app, row, RunChange::since(indexed, row.id, record, clock::now())).await;
    }
}

/// Indexes a change; tries again until it holds or the server stops.
pub(super) async fn write(app: &AppState, row: &RunRow, change: Option<RunChange>) {
    let Some(change) = change.map(Arc::new) else { return };
    let (mut backoff, mut trouble) = (Backoff::of_runs(), None);
    loop {
        let part = Arc::clone(&change);
        match app.store.call_unsynced(move |connection| store::index_run(connection, &part)).await {
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
    if change.is_end() {
        app.notices.notify_one();
    }
}
