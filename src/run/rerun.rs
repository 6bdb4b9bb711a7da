//! A run once more, or a part of it: the same commit and ref, as a new run.

use rusqlite::Connection;

use crate::event::{Event, OnlyJobs, RerunScope, RunVars};
use crate::model::RunId;
use crate::store::{self, NewRun, RunRow};
use crate::sys::{clock, random};

/// Records a run of what another one ran. Returns its id.
///
/// # Errors
/// When the database refuses.
pub fn rerun(
    connection: &Connection,
    of: &RunRow,
    what: RerunScope,
    by: Option<&str>,
) -> rusqlite::Result<RunId> {
    let id = random::run_id();
    let mut options = RunVars::of_options(&of.options).0.to_options();
    options.extend(OnlyJobs::of_options(&of.options).iter().flat_map(OnlyJobs::to_options));
    let run = NewRun {
        id,
        repo: of.repo_id.clone(),
        update: None,
        event: Event::rerun(&of.event, of.number, what, by.map(str::to_owned)),
        commit_subject: of.commit_subject.clone(),
        options,
        queued_at: clock::now(),
        ended: None,
    };
    store::insert_run(connection, &run).map(|_| id)
}
