//! Metrics: what was counted, and what is looked up for a scrape.

use std::time::Duration;

use tokio::time::timeout;

use super::problem::Problem;
use super::state::AppState;
use crate::journal::JOURNAL;
use crate::metrics::LookedUp;
use crate::model::{Progress, RepoName};
use crate::store;
use crate::sys::disk;

/// How long a scrape waits for the database, and for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The metrics of the server, in the text format of Prometheus.
pub(crate) async fn scrape(app: &AppState) -> String {
    let is_ready = app.troubles().await.is_empty();
    let counted = app.store.read(|connection| {
        (store::count_unfinished(connection).ok(), store::count_messages(connection).ok())
    });
    let data = app.data.path().to_owned();
    let free = tokio::task::spawn_blocking(move || disk::free_bytes(&data).ok());
    // What does not answer in time is what makes the server not ready.
    let (counted, free) = tokio::join!(timeout(PATIENCE, counted), timeout(PATIENCE, free));
    let (runs, notifications) = counted.ok().and_then(Result::ok).unwrap_or_default();
    let disk_free = free.ok().and_then(Result::ok).flatten();
    app.metrics.render(&LookedUp { is_ready, disk_free, runs, notifications })
}

/// What is known of the disk space of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StorageState {
    pub(crate) database_bytes: u64,
    /// Free bytes of the disk with the data folder.
    pub(crate) free_bytes: u64,
    /// The version of the database's tables.
    pub(crate) schema_version: u32,
}

/// What is known of the disk space of the server.
///
/// # Errors
/// It cannot be looked up.
pub(crate) async fn storage_state(app: &AppState) -> Result<StorageState, Problem> {
    let schema_version = app.store.read(store::schema_version).await??;
    let (data, database) = (app.data.path().to_owned(), app.data.database());
    app.block(move || {
        let failed = |error: std::io::Error| Problem::failed(&error);
        let database_bytes = std::fs::metadata(&database).map_err(failed)?.len();
        Ok(StorageState {
            database_bytes,
            free_bytes: disk::free_bytes(&data).map_err(failed)?,
            schema_version,
        })
    })
    .await
}

/// How many bytes the journals of job folders have.
///
/// # Errors
/// Their folders cannot be read.
pub(crate) async fn job_journal_bytes(app: &AppState) -> Result<u64, Problem> {
    let runs = app.data.runs(&RepoName::of_jobs());
    app.block(move || {
        let entries = match std::fs::read_dir(&runs) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(|error| Problem::failed(&error))?,
        };
        // A run may be removed while they are added up.
        let length = |run: std::fs::DirEntry| std::fs::symlink_metadata(run.path().join(JOURNAL)).ok();
        Ok(entries.flatten().filter_map(length).map(|journal| journal.len()).sum())
    })
    .await
}

/// How many runs are queued, and how many are running.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn unfinished_counts(app: &AppState) -> Result<(u64, u64), Problem> {
    let counts = app.store.read(store::count_unfinished).await??;
    let of = |state: Progress| {
        counts.iter().find(|(word, _)| *word == state.as_str()).map_or(0, |(_, count)| *count)
    };
    Ok((of(Progress::Queued), of(Progress::Running)))
}
