//! Releases the commits that were kept for runs, when these have ended.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use crate::app::AppState;
use crate::config::DataDir;
use crate::forge;
use crate::model::{RepoName, RunId};
use crate::store::{self, RunRow};

/// Releases that of a run that has ended.
pub(super) async fn release(app: &AppState, row: RunRow) {
    let git_dir = folder(&app.data, &row.repo, row.is_watched());
    perform(move || forge::release_commit(&git_dir, row.id)).await;
}

/// Releases those of all runs but these, which have not ended.
pub(super) async fn release_others(app: &AppState, unfinished: &[RunRow]) {
    let Ok(Ok(repos)) = app.store.call(|connection| store::all_repos(connection)).await else { return };
    let unfinished: HashSet<RunId> = unfinished.iter().map(|row| row.id).collect();
    let data = app.data.clone();
    let release = move || {
        repos.iter().try_for_each(|repo| {
            forge::release_other_commits(&folder(&data, &repo.name, repo.is_watched()), &unfinished)
        })
    };
    perform(release).await;
}

fn folder(data: &DataDir, repo: &RepoName, is_watched: bool) -> PathBuf {
    if is_watched { data.watched_repo(repo) } else { data.repo(repo) }
}

async fn perform(release: impl FnOnce() -> io::Result<()> + Send + 'static) {
    if let Ok(Err(error)) = tokio::task::spawn_blocking(release).await {
        tracing::warn!(%error, "git gc keeps the commits of runs that have ended, until the next start");
    }
}
