//! The index of each history, which git keeps beside its objects: written after pushes, when nobody waits.
//!
//! With it, git finds the commits that changed a file without comparing folders. It is a help only: what is newer than the index
//! is searched as ever.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::state::AppState;
use crate::forge::write_commit_graph;
use crate::model::chain;
use crate::store::RepoRow;
use crate::sys::cancel_signal::cancel_pair;

/// How long after a push its history is indexed: pushes that follow each other are indexed together.
const PAUSE: Duration = Duration::from_secs(10);

/// The repositories whose histories are longer than their indexes.
#[derive(Debug, Default)]
pub(super) struct GrownHistories(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    folders: BTreeSet<PathBuf>,
    /// Whether a task takes them.
    is_watched: bool,
}

impl GrownHistories {
    /// Notes one; whether a task has to begin that takes it.
    fn note(&self, folder: PathBuf) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.folders.insert(folder);
        !std::mem::replace(&mut state.is_watched, true)
    }

    /// Takes one; when there is none, the task ends.
    fn take(&self) -> Option<PathBuf> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = state.folders.pop_first();
        state.is_watched = folder.is_some();
        folder
    }
}

impl AppState {
    /// Has the history of a repository indexed soon.
    pub(super) fn index_history(&self, repo: &RepoRow) {
        let histories = &self.browsing.histories;
        if histories.note(self.data.git_dir(&repo.name, repo.is_watched())) {
            self.tasks.spawn("the index of a history", index_all(self.clone()));
        }
    }
}

/// Indexes what has grown, one after the other.
async fn index_all(app: AppState) {
    sleep(PAUSE).await;
    while let Some(folder) = app.browsing.histories.take() {
        // Git ends when the server does.
        let Ok((_cancel, signal)) = cancel_pair() else { continue };
        let written = tokio::task::spawn_blocking(move || write_commit_graph(&folder, &signal)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(problem = chain(&error), "a history was not indexed"),
            Err(error) => tracing::warn!(%error, "a history was not indexed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_takes_what_has_grown_until_nothing_is_left() {
        let histories = GrownHistories::default();
        assert!(histories.note("a".into()) && !histories.note("b".into()) && !histories.note("a".into()));
        assert_eq!(histories.take(), Some("a".into()));
        assert!(!histories.note("c".into()), "the task takes it, too");
        assert_eq!(
            [histories.take(), histories.take(), histories.take()],
            [Some("b".into()), Some("c".into()), None]
        );
        assert!(histories.note("a".into()), "another task");
    }
}
