//! The table of what runs of job folders run.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::repos::{RepoRow, sync_repo};
use super::run_list::{RunFilter, list_runs};
use super::runs::RunRow;
use crate::model::RunId;

/// The repository of these runs, which is recorded when the first of them is.
///
/// # Errors
/// The database refuses.
pub fn repo_of_jobs(connection: &Connection) -> Result<RepoRow> {
    let row = RepoRow::of_jobs();
    sync_repo(connection, &row)?;
    // Whoever may see what is public may not see what jobs of the operator print.
    connection
        .execute("UPDATE repos SET visibility = 'private' WHERE id = ?1 AND visibility IS NULL", [&row.id])?;
    Ok(row)
}

/// Records what a run runs, as JSON.
pub fn insert_job_run(connection: &Connection, run: RunId, spec: &str) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO job_runs (run, spec) VALUES (?1, ?2)")?
        .execute(params![run.to_string(), spec])?;
    Ok(())
}

/// What a run runs, as JSON; nothing when it is not the run of a job folder.
pub fn job_run(connection: &Connection, run: RunId) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT spec FROM job_runs WHERE run = ?1")?
        .query_row([run.to_string()], |row| row.get(0))
        .optional()
}

/// What runs that have not ended run, as JSON.
pub fn unfinished_job_runs(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT j.spec FROM runs r INDEXED BY runs_unfinished JOIN job_runs j ON j.run = r.id
         WHERE r.state <> 'finished'",
    )?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Records that a run runs what another one ran.
pub fn copy_job_run(connection: &Connection, of: RunId, to: RunId) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO job_runs (run, spec) SELECT ?2, spec FROM job_runs WHERE run = ?1")?
        .execute(params![of.to_string(), to.to_string()])?;
    Ok(())
}

/// A page of these runs with what they run, newest first.
pub fn page_of_job_runs(connection: &Connection, skip: usize, limit: usize) -> Result<Vec<(RunRow, String)>> {
    let skip = i64::try_from(skip).unwrap_or(i64::MAX);
    let first: Option<i64> = connection
        .prepare_cached(
            "SELECT seq FROM runs INDEXED BY runs_by_repo WHERE repo = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![RepoRow::of_jobs().id, skip], |row| row.get(0))
        .optional()?;
    let Some(first) = first else { return Ok(Vec::new()) };
    let visible = Some(vec![RepoRow::of_jobs().id]);
    let filter = RunFilter { visible, before: Some(first.saturating_add(1)), limit, ..RunFilter::default() };
    let mut page = Vec::new();
    for row in list_runs(connection, &filter)? {
        let spec = job_run(connection, row.id)?.unwrap_or_default();
        page.push((row, spec));
    }
    Ok(page)
}
