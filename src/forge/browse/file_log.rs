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
    let follow: &[&str] = if kind == EntryKind::Folder { &[] } else { &["--follow", "--name-status"] };
    let written = PageGit::new(git_dir)
        .args(["log", "-z", "--format=%x01%H", "--no-show-signature", "--no-ext-diff", "--no-textconv"])
        .args(follow)
        .arg(format!("--max-count={}", count + 1))
        .arg(commit.to_string())
        .arg("--")
        .path(path.as_bytes())
        .run(MAX_OUTPUT, cancel)?;
    let found = parse(&written.bytes, path);
    let next = found.get(count).cloned();
    let mut changes = Vec::new();
    for (id, path) in found.into_iter().take(count) {
        changes.push(FileChange { commit: commit_info(repo, id)?, path });
    }
    Ok(FileLog { changes, next, is_cut: written.is_cut })
}

/// Reads the commits, and behind each the names of the file: after its change, which is the last one.
fn parse(written: &[u8], path: &TreePath) -> Vec<(CommitId, TreePath)> {
    let mut found: Vec<(CommitId, TreePath)> = Vec::new();
    let mut own = path.clone();
    for part in written.split(|byte| *byte == 1).skip(1) {
        let Some((id, rest)) = part.split_at_checked(40) else { continue };
        let Some(id) = std::str::from_utf8(id).ok().and_then(|id| CommitId::parse(id).ok()) else { continue };
        // A letter, and one name or, of a rename, the old and the new one.
        let names: Vec<&[u8]> = rest
            .split(|byte| *byte == 0)
            .map(|name| name.strip_prefix(b"\n").unwrap_or(name))
            .filter(|name| !name.is_empty())
            .collect();
        if let [_, old, .., new] | [_, old @ new] = names.as_slice() {
            own = TreePath::parse(new).unwrap_or(own);
            found.push((id, own.clone()));
            own = TreePath::parse(old).unwrap_or(own);
        } else {
            found.push((id, own.clone()));
        }
    }
    found
}
