//! Releases the commits that were kept for runs, when these have ended.

use std::collections::HashSet;
use std::io;

use crate::app::AppState;
use crate::forge;
use crate::model::RunId;
use crate::store::{self, RunRow};

/// Releases that of a run that has ended.
pub(super) async fn release(app: &AppState, row: RunRow) {
    let git_dir = app.data.git_dir(&row.repo, row.is_watched());
    perform(move || forge::release_commit(&git_dir, row.id)).await;
}

/// Releases those of all runs but these, which have not ended.
pub(super) async fn release_others(app: &AppState, unfinished: &[RunRow]) {
    let Ok(Ok(repos)) = app.store.call(|connection| store::all_repos(connection)).await else { return };
    let unfinished: HashSet<RunId> = unfinished.iter().map(|row| row.id).collect();
    let data = app.data.clone();
    let release = move || {
        repos.iter().try_for_each(|repo| {
            forge::release_other_commits(&data.git_dir(&repo.name, repo.is_watched()), &unfinished)
        })
    };
    perform(release).await;
}

async fn perform(release: impl FnOnce() -> io::Result<()> + Send + 'static) {
    if let Ok(Err(error)) = tokio::task::spawn_blocking(release).await {
        tracing::warn!(%error, "git gc keeps the commits of runs that have ended, until the next start");
    }
}
