//! The branches and tags of a repository.

use std::path::Path;

use super::browse_error::BrowseError;
use crate::forge::open::{Repo, commit_id};
use crate::forge::refs::{Refs, head_branch};
use crate::model::{CommitId, RefKind, RefName, Timestamp};

/// The most refs whose commits are looked at to order them by time; of more, the names decide.
const MAX_DATED: usize = 20_000;

/// A branch or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedRef {
    pub(crate) name: RefName,
    pub(crate) commit: CommitId,
    pub(crate) subject: String,
    pub(crate) time: Timestamp,
    pub(crate) is_default: bool,
}

/// Branches or tags, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RefPage {
    pub(crate) refs: Vec<ListedRef>,
    /// How many there are.
    pub(crate) total: usize,
}

/// The newest branches or tags, from the one at `start` on; the default branch is the first of the branches.
///
/// # Errors
/// The refs cannot be read.
pub(crate) fn list_refs(
    repo: &Repo,
    git_dir: &Path,
    kind: RefKind,
    (start, count): (usize, usize),
) -> Result<RefPage, BrowseError> {
    let all = Refs::of(git_dir).all()?;
    let default = head_branch(git_dir);
    let of_kind: Vec<_> = all.direct.into_iter().filter(|(name, _)| name.kind() == kind).collect();
    let total = of_kind.len();
    let mut dated = Vec::with_capacity(total);
    for (name, id) in of_kind {
        let is_default = default.as_ref() == Some(&name);
        let time = if total > MAX_DATED { 0 } else { time_of(repo, id) };
        dated.push((is_default, time, name, id));
    }
    dated.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| a.2.cmp(&b.2)));
    let mut refs = Vec::new();
    for (is_default, _, name, id) in dated.into_iter().skip(start).take(count) {
        // A ref to what is no commit has no page.
        let Ok(commit) = repo.find(id) else { continue };
        let info = super::commit_info::CommitInfo::of(&commit);
        refs.push(ListedRef {
            name,
            commit: commit_id(commit.id()),
            subject: info.subject,
            time: info.committer.time,
            is_default,
        });
    }
    Ok(RefPage { refs, total })
}

/// When the commit of a ref was made.
fn time_of(repo: &Repo, id: CommitId) -> i64 {
    repo.find(id).map_or(0, |commit| commit.time().seconds())
}
