//! The commits that changed a file or folder; those of a file also under its earlier names.

use std::path::Path;

use super::browse_error::BrowseError;
use super::commit_info::{CommitInfo, commit_info};
use super::git::PageGit;
use super::tree::{EntryKind, find_entry};
use super::tree_path::TreePath;
use crate::forge::open::Repo;
use crate::model::CommitId;
use crate::sys::cancel_signal::CancelSignal;

/// The most that git may write, in bytes.
const MAX_OUTPUT: usize = 4 << 20;

/// The most names of a file that its history is followed through.
const MAX_NAMES: usize = 20;

/// A commit, and what the file was called in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileChange {
    pub(crate) commit: CommitInfo,
    pub(crate) path: TreePath,
}

/// A page of the history of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileLog {
    /// Newest first.
    pub(crate) changes: Vec<FileChange>,
    /// The commit that the next page begins with, and the path there.
    pub(crate) next: Option<(CommitId, TreePath)>,
    /// Whether time was over before all was found.
    pub(crate) is_cut: bool,
}

/// The newest commits that changed a path. Blocking.
///
/// # Errors
/// The commit does not have the path, or git has failed.
pub(crate) fn file_log(
    (repo, git_dir): (&Repo, &Path),
    commit: CommitId,
    path: &TreePath,
    (count, cancel): (usize, &CancelSignal),
) -> Result<FileLog, BrowseError> {
    let (kind, _) = find_entry(repo, commit, path)?;
    let (mut at, mut own, mut found, mut is_cut) = (commit, path.clone(), Vec::new(), false);
    for _ in 0..MAX_NAMES {
        let written = PageGit::new(git_dir)
            .args(["log", "-z", "--format=%H", "--no-show-signature", "--no-ext-diff", "--no-textconv"])
            .arg(format!("--max-count={}", count + 1 - found.len()))
            .arg(at.to_string())
            .arg("--")
            .path(own.as_bytes())
            .run(MAX_OUTPUT, cancel)?;
        is_cut |= written.is_cut;
        found.extend(ids(&written.bytes).map(|id| (id, own.clone())));
        let first = found.last().filter(|_| kind != EntryKind::Folder && found.len() <= count && !is_cut);
        let Some((first, _)) = first else { break };
        let Some(before) = renamed_from(repo, *first, &own)? else { break };
        (at, own) = before;
    }
    let next = found.get(count).cloned();
    let mut changes = Vec::new();
    for (id, path) in found.into_iter().take(count) {
        changes.push(FileChange { commit: commit_info(repo, id)?, path });
    }
    Ok(FileLog { changes, next, is_cut })
}

/// The commits that git has written.
fn ids(written: &[u8]) -> impl Iterator<Item = CommitId> + '_ {
    let id = |text: &[u8]| CommitId::parse(std::str::from_utf8(text).ok()?.trim()).ok();
    written.split(|byte| *byte == 0).filter_map(id)
}

/// The commit before the one that a file has its name from, and its name there; nothing when the file was new in it.
fn renamed_from(
    repo: &Repo,
    commit: CommitId,
    path: &TreePath,
) -> Result<Option<(CommitId, TreePath)>, BrowseError> {
    let Some(parent) = commit_info(repo, commit)?.parents.first().copied() else { return Ok(None) };
    // Another line of the history has brought the file here.
    if find_entry(repo, parent, path).is_ok() {
        return Ok(None);
    }
    Ok(super::diff::renamed_from(repo, parent, commit, path)?.map(|old| (parent, old)))
}
