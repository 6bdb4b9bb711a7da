//! The content of a file.

use std::path::Path;

use super::browse_error::BrowseError;
use super::git::{GitOutput, PageGit};
use super::tree::{EntryKind, find_entry};
use super::tree_path::TreePath;
use crate::forge::open::{Repo, commit_id};
use crate::model::CommitId;

/// The largest file that is shown as text, in bytes.
pub(crate) const MAX_SHOWN_FILE: u64 = 1 << 20;

/// The largest file that is read into memory to be sent as it is, in bytes; a larger one is streamed by git.
const MAX_RAW_IN_MEMORY: u64 = 4 << 20;

/// The largest file that is sent as it is, in bytes.
const MAX_RAW: u64 = 1 << 30;

/// How many bytes of a file decide whether it is text, as in git.
const LOOKED_AT: usize = 8_000;

/// What is known of the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobText {
    /// It is text.
    Text(Vec<u8>),
    /// It has a NUL byte near its beginning.
    Binary,
    /// It has more than [`MAX_SHOWN_FILE`] bytes.
    TooLarge,
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) kind: EntryKind,
    pub(crate) id: CommitId,
    pub(crate) size: u64,
    pub(crate) content: BlobText,
}

/// A file to be sent as it is.
pub(crate) enum RawBlob {
    /// Its bytes.
    Whole(Vec<u8>),
    /// It is so large that git writes it: see [`stream_blob`].
    Large { size: u64 },
}

/// Reads a file of a commit for a page.
///
/// # Errors
/// The path is not that of a file, or cannot be read.
pub(crate) fn read_blob(repo: &Repo, commit: CommitId, path: &TreePath) -> Result<Blob, BrowseError> {
    let (kind, oid, size) = find_file(repo, commit, path)?;
    let content = match size > MAX_SHOWN_FILE {
        true => BlobText::TooLarge,
        false => {
            let bytes = content(repo, oid)?;
            let is_binary = bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0);
            if is_binary { BlobText::Binary } else { BlobText::Text(bytes) }
        }
    };
    Ok(Blob { kind, id: commit_id(oid), size, content })
}

/// Reads a file of a commit to be sent as it is.
///
/// # Errors
/// The path is not that of a file, the file is too large, or cannot be read.
pub(crate) fn raw_blob(
    repo: &Repo,
    commit: CommitId,
    path: &TreePath,
) -> Result<(CommitId, RawBlob), BrowseError> {
    let (_, oid, size) = find_file(repo, commit, path)?;
    let id = commit_id(oid);
    if size > MAX_RAW {
        return Err(BrowseError::TooLarge { what: path.quoted(), size, limit: MAX_RAW });
    }
    match size <= MAX_RAW_IN_MEMORY {
        true => Ok((id, RawBlob::Whole(content(repo, oid)?))),
        false => Ok((id, RawBlob::Large { size })),
    }
}

/// The bytes of a large file, by the id of its object.
///
/// # Errors
/// Git could not be started.
pub(crate) fn stream_blob(git_dir: &Path, id: CommitId) -> Result<GitOutput, BrowseError> {
    PageGit::new(git_dir).args(["cat-file", "blob"]).arg(id.to_string()).stream()
}

/// A file by its path: its kind, its object and its size.
fn find_file(
    repo: &Repo,
    commit: CommitId,
    path: &TreePath,
) -> Result<(EntryKind, git2::Oid, u64), BrowseError> {
    let (kind, id) = match path.is_root() {
        true => (EntryKind::Folder, git2::Oid::ZERO_SHA1),
        false => find_entry(repo, commit, path)?,
    };
    if matches!(kind, EntryKind::Folder | EntryKind::Submodule) {
        let (path, found) = (path.quoted(), kind.described());
        return Err(BrowseError::OtherKind { path, found, expected: "a file" });
    }
    // The header is read first: a small object can hold a large file.
    let header = repo.git().odb().and_then(|odb| odb.read_header(id));
    let (size, _) = header.map_err(BrowseError::object("a file"))?;
    Ok((kind, id, size as u64))
}

fn content(repo: &Repo, id: git2::Oid) -> Result<Vec<u8>, BrowseError> {
    let blob = repo.git().find_blob(id).map_err(BrowseError::object("a file"))?;
    Ok(blob.content().to_vec())
}
