//! What the run of a job folder runs, as it is kept in the database.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::app::{AppState, Problem};
use crate::model::RunId;
use crate::pipeline::FolderWork;
use crate::store::{self, RunRow};

/// What the run of a job folder runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRunRecord {
    /// The id of the job, as it is listed.
    pub(crate) job: String,
    /// The name by which it was asked for.
    pub(crate) asked: String,
    /// The source; none for job folders of the server or the command.
    pub(crate) source: Option<String>,
    /// Where the job comes from.
    pub(crate) provenance: Value,
    /// `shell`, `proc` or `container`.
    pub(crate) executor: String,
    /// The image of its container.
    pub(crate) image: Option<String>,
    /// The profile that was asked for, or that holds.
    pub(crate) profile: String,
    /// What the asker calls itself, if it said so.
    pub(crate) tenant: Option<String>,
    /// The arguments, without secrets.
    pub(crate) args: Map<String, Value>,
    /// What is run.
    pub(crate) work: FolderWork,
}

/// What a run runs; nothing when it is not the run of a job folder.
///
/// # Errors
/// The database cannot be read, or its row is damaged.
pub async fn job_run_record(app: &AppState, run: RunId) -> Result<Option<JobRunRecord>, Problem> {
    let found = app.store.call(move |connection| store::job_run(connection, run)).await??;
    let read = |text: String| serde_json::from_str(&text).map_err(|error| Problem::failed(&error));
    found.map(read).transpose()
}

/// A page of the runs of job folders with what they run, newest first. A run whose row is damaged is left out.
///
/// # Errors
/// The database cannot be read.
pub async fn page_of_job_runs(
    app: &AppState,
    skip: usize,
    limit: usize,
) -> Result<Vec<(RunRow, JobRunRecord)>, Problem> {
    let rows = app.store.call(move |connection| store::page_of_job_runs(connection, skip, limit)).await??;
    let read = |(row, spec): (RunRow, String)| {
        let record = serde_json::from_str(&spec);
        let record =
            record.inspect_err(|error| tracing::error!(%error, run = %row.id, "a row of a run is damaged"));
        Some((row, record.ok()?))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}
