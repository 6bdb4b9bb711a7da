//! Commits, newest first.

use std::collections::{BinaryHeap, HashSet};

use crate::forge::open::Repo;

/// A place in a history: commits whose parents were not visited yet, the newest first.
pub(super) struct Walk<'a> {
    repo: &'a Repo,
    waiting: BinaryHeap<(i64, git2::Oid)>,
    seen: HashSet<git2::Oid>,
}

impl<'a> Walk<'a> {
    /// A walk from these commits on.
    pub(super) fn new(repo: &'a Repo, from: impl IntoIterator<Item = git2::Oid>) -> Self {
        let mut walk = Self { repo, waiting: BinaryHeap::new(), seen: HashSet::new() };
        for id in from {
            walk.push(id);
        }
        walk
    }

    /// Visits a commit later, unless it was visited. One that is missing, as behind the end of a shallow history, is left out.
    pub(super) fn push(&mut self, id: git2::Oid) {
        if self.seen.insert(id)
            && let Ok(commit) = self.repo.git().find_commit(id)
        {
            self.waiting.push((commit.time().seconds(), id));
        }
    }

    /// The newest commit that waits; its parents wait only when they are pushed.
    pub(super) fn next(&mut self) -> Option<git2::Commit<'a>> {
        let (_, id) = self.waiting.pop()?;
        self.repo.git().find_commit(id).ok()
    }

    /// The commits that wait, the newest first.
    pub(super) fn into_waiting(self) -> Vec<git2::Oid> {
        let mut waiting = self.waiting.into_vec();
        waiting.sort_unstable();
        waiting.into_iter().rev().map(|(_, id)| id).collect()
    }
}
