//! The commits of a history, a page at a time.

use super::browse_error::BrowseError;
use super::commit_info::CommitInfo;
use super::walk::Walk;
use crate::forge::open::{Repo, commit_id};
use crate::model::CommitId;

/// The most lines of a history that a page continues.
pub(crate) const MAX_FRONTIER: usize = 32;

/// A page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryPage {
    /// Newest first.
    pub(crate) commits: Vec<CommitInfo>,
    /// Where the next page begins: one commit for each line of the history that is open there. None on the last page.
    pub(crate) next: Vec<CommitId>,
    /// Whether more lines are open than [`MAX_FRONTIER`]: the oldest are left out.
    pub(crate) is_cut: bool,
}

/// The newest commits that are reachable from these. A page costs what it shows: nothing before it is walked again.
///
/// # Errors
/// A commit that is asked for cannot be read.
pub(crate) fn history(repo: &Repo, from: &[CommitId], count: usize) -> Result<HistoryPage, BrowseError> {
    let mut begin = Vec::new();
    for id in from {
        begin.push(repo.find(*id)?.id());
    }
    let mut walk = Walk::new(repo, begin);
    let mut commits = Vec::new();
    while commits.len() < count
        && let Some(commit) = walk.next()
    {
        commit.parent_ids().for_each(|parent| walk.push(parent));
        commits.push(CommitInfo::of(&commit));
    }
    let mut next: Vec<CommitId> = walk.into_waiting().into_iter().map(commit_id).collect();
    let is_cut = next.len() > MAX_FRONTIER;
    next.truncate(MAX_FRONTIER);
    Ok(HistoryPage { commits, next, is_cut })
}
