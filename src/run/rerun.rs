//! A run once more: the same commit and ref, as a new run.

use rusqlite::Connection;

use crate::model::{RunId, RunName};
use crate::store::{self, NewRun, RunRow};
use crate::sys::{clock, random};

/// Queues a run of what another one ran. Returns its id and its row.
///
/// # Errors
/// When the database refuses.
pub fn rerun(connection: &Connection, of: &RunRow, by: Option<&str>) -> rusqlite::Result<(RunId, RunRow)> {
    let id = random::run_id();
    let run = NewRun {
        id,
        repo: of.repo_id.clone(),
        update: None,
        ref_name: of.ref_name.clone(),
        old: of.old,
        sha: of.sha,
        event: of.event.clone(),
        pusher: by.map(str::to_owned).or_else(|| of.pusher.clone()),
        options: Vec::new(),
        pushed_at: of.pushed_at,
        queued_at: clock::now(),
        ended: None,
        rerun_of: Some(of.number),
    };
    store::insert_run(connection, &run)?;
    let row = store::find_run(connection, &RunName::Id(id))?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok((id, row))
}
