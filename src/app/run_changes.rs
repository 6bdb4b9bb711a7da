//! What changes about a run, seen on disk: with any server, and without one.

use std::path::PathBuf;

use super::problem::Problem;
use super::state::AppState;
use crate::store::RunRow;
use crate::sys::inotify::Inotify;
use crate::sys::lock;
use crate::sys::pidfd::PidFd;
use crate::view::deciding_lock;

/// The changes of one run.
pub(super) struct RunChanges {
    inotify: Inotify,
    folders: Vec<PathBuf>,
}

/// Who decides how a run ends, as far as anybody does.
pub(super) struct Decider {
    /// Whether somebody does.
    pub(super) is_there: bool,
    process: Option<PidFd>,
}

impl RunChanges {
    pub(super) fn of(app: &AppState, row: &RunRow) -> Result<Self, Problem> {
        let data = &app.data;
        let run_dir = data.run(&row.repo, row.number);
        // The data folder itself has the database, in which a queued run can end. Folders that are not there yet come up in
        // those that are.
        let folders = vec![data.path().to_owned(), data.path().join("runs"), data.runs(&row.repo), run_dir];
        let inotify = Inotify::new().map_err(|error| Problem::failed(&error))?;
        Ok(Self { inotify, folders })
    }

    /// Begins to watch, before anything is read; who decides about the run now.
    pub(super) fn watch(&self, app: &AppState, row: &RunRow, more: Vec<PathBuf>) -> Result<Decider, Problem> {
        for folder in self.folders.iter().chain(&more).filter(|folder| folder.is_dir()) {
            self.inotify.watch(folder).map_err(|error| Problem::failed(&error))?;
        }
        let held = deciding_lock(&app.data, row);
        let pid = held.as_ref().and_then(|lock| lock::holder_pid(lock).ok().flatten());
        let process = pid.and_then(|pid| PidFd::open(pid).ok().flatten());
        Ok(Decider { is_there: held.is_some(), process })
    }

    /// Waits for a change since then, or until whoever decides is gone.
    pub(super) async fn next(&self, decider: &Decider) -> Result<(), Problem> {
        let gone = async {
            match &decider.process {
                Some(process) => process.dead().await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            changes = self.inotify.changes() => changes.map(drop),
            dead = gone => dead,
        };
        changed.map_err(|error| Problem::failed(&error))
    }
}
