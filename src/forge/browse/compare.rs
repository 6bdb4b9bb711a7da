//! A commit against another: what one has and the other has not.

use std::path::Path;

use super::browse_error::BrowseError;
use super::commit_info::{CommitInfo, commit_info};
use super::diff::{Diff, diff_commits};
use super::git::PageGit;
use crate::forge::open::Repo;
use crate::model::CommitId;
use crate::sys::cancel_signal::CancelSignal;

/// The most commits that are listed.
const MAX_COMMITS: usize = 250;

/// The most that git writes about commits, in bytes.
const MAX_OUTPUT: usize = 64 << 10;

/// What a branch adds to its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Where both histories part.
    pub(crate) merge_base: CommitId,
    /// The commits of the branch that the base has not, newest first.
    pub(crate) commits: Vec<CommitInfo>,
    /// Whether there are more.
    pub(crate) is_cut: bool,
    /// How many commits of the base the branch has not.
    pub(crate) behind: u64,
    /// What the branch changes since both parted.
    pub(crate) diff: Diff,
}

/// Compares a branch with its base. Blocking.
///
/// # Errors
/// They have no history in common, or git has failed.
pub(crate) fn compare_commits(
    (repo, git_dir): (&Repo, &Path),
    (base, head): (CommitId, CommitId),
    cancel: &CancelSignal,
) -> Result<Comparison, BrowseError> {
    let (base_text, head_text) = (base.to_string(), head.to_string());
    let git = |args: &[&str]| {
        PageGit::new(git_dir).args(args).run_to(MAX_OUTPUT, cancel, &[0, 1]).map(|written| written.bytes)
    };
    let found = git(&["merge-base", &base_text, &head_text])?;
    let merge_base = ids(&found).next().ok_or(BrowseError::Unrelated)?;
    let range = format!("{base_text}..{head_text}");
    let most = format!("--max-count={}", MAX_COMMITS + 1);
    let listed = git(&["rev-list", &most, &range])?;
    let behind = git(&["rev-list", "--count", &format!("{head_text}..{base_text}")])?;
    let behind = std::str::from_utf8(&behind).ok().and_then(|count| count.trim().parse().ok());
    let mut commits = Vec::new();
    for id in ids(&listed).take(MAX_COMMITS) {
        commits.push(commit_info(repo, id)?);
    }
    Ok(Comparison {
        merge_base,
        commits,
        is_cut: ids(&listed).count() > MAX_COMMITS,
        behind: behind.unwrap_or_default(),
        diff: diff_commits(repo, Some(merge_base), head)?,
    })
}

/// The ids in lines.
fn ids(written: &[u8]) -> impl Iterator<Item = CommitId> {
    let lines = written.split(|byte| *byte == b'\n');
    lines.filter_map(|line| std::str::from_utf8(line).ok().and_then(|line| CommitId::parse(line).ok()))
}
