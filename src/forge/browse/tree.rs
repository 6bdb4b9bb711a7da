//! The entries of a folder of a commit.

use super::browse_error::BrowseError;
use super::tree_path::TreePath;
use crate::forge::open::{LINK, Repo, commit_id};
use crate::model::CommitId;

/// The most entries of a page.
pub(crate) const MAX_ENTRIES: usize = 1_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    File,
    Executable,
    Link,
    Submodule,
}

impl EntryKind {
    fn of(entry: &git2::TreeEntry<'_>) -> Self {
        match (entry.kind(), entry.filemode()) {
            (Some(git2::ObjectType::Tree), _) => Self::Folder,
            (Some(git2::ObjectType::Commit), _) => Self::Submodule,
            (_, LINK) => Self::Link,
            (_, mode) if mode & 0o111 != 0 => Self::Executable,
            _ => Self::File,
        }
    }

    /// The kind with an article, for a message.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Folder => "a folder",
            Self::File | Self::Executable => "a file",
            Self::Link => "a symbolic link",
            Self::Submodule => "a submodule",
        }
    }
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: EntryKind,
    /// The id of its object; for a submodule that of its commit.
    pub(crate) id: CommitId,
    /// Its size in bytes, of a file.
    pub(crate) size: Option<u64>,
}

/// A page of the entries of a folder: folders first, then by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    /// How many entries are before the first one.
    pub(crate) start: usize,
    /// How many the folder has.
    pub(crate) total: usize,
}

/// Lists a folder, from its entry `start` on.
///
/// # Errors
/// The path is not that of a folder, or cannot be read.
pub(crate) fn list_tree(
    repo: &Repo,
    commit: CommitId,
    path: &TreePath,
    start: usize,
) -> Result<Listing, BrowseError> {
    let tree = find_folder(repo, commit, path)?;
    let failed = BrowseError::object("the objects of a folder");
    let odb = repo.git().odb().map_err(failed)?;
    let is_folder = |entry: &git2::TreeEntry<'_>| EntryKind::of(entry) == EntryKind::Folder;
    let total = tree.len();
    let (folders, others): (Vec<_>, Vec<_>) = tree.iter().partition(is_folder);
    let shown = folders.into_iter().chain(others).skip(start).take(MAX_ENTRIES);
    let entry = |entry: git2::TreeEntry<'_>| {
        let kind = EntryKind::of(&entry);
        let has_size = matches!(kind, EntryKind::File | EntryKind::Executable);
        // An object that cannot be read has no size; opening it says why.
        let size = has_size.then(|| odb.read_header(entry.id()).ok()).flatten();
        Entry {
            name: entry.name_bytes().to_vec(),
            kind,
            id: commit_id(entry.id()),
            size: size.map(|(size, _)| size as u64),
        }
    };
    Ok(Listing { entries: shown.map(entry).collect(), start, total })
}

/// The tree of a folder of a commit.
pub(super) fn find_folder<'a>(
    repo: &'a Repo,
    commit: CommitId,
    path: &TreePath,
) -> Result<git2::Tree<'a>, BrowseError> {
    let root = repo.find(commit)?.tree().map_err(BrowseError::object("the root folder"))?;
    let (kind, id) = match path.is_root() {
        true => (EntryKind::Folder, root.id()),
        false => find_entry(repo, commit, path)?,
    };
    if kind != EntryKind::Folder {
        let (path, found) = (path.quoted(), kind.described());
        return Err(BrowseError::OtherKind { path, found, expected: "a folder" });
    }
    repo.git().find_tree(id).map_err(BrowseError::object("a folder"))
}

/// The entry of a path that is not the root.
pub(super) fn find_entry(
    repo: &Repo,
    commit: CommitId,
    path: &TreePath,
) -> Result<(EntryKind, git2::Oid), BrowseError> {
    let root = repo.find(commit)?.tree().map_err(BrowseError::object("the root folder"))?;
    let missing = || BrowseError::NoPath { commit, path: path.quoted() };
    let (mut tree, mut found) = (root, None);
    let mut parts = path.parts().peekable();
    while let Some(part) = parts.next() {
        let (kind, id) = {
            let entry = tree.get_name_bytes(part).ok_or_else(missing)?;
            (EntryKind::of(&entry), entry.id())
        };
        found = Some((kind, id));
        if parts.peek().is_some() {
            if kind != EntryKind::Folder {
                return Err(missing());
            }
            tree = repo.git().find_tree(id).map_err(BrowseError::object("a folder"))?;
        }
    }
    found.ok_or_else(missing)
}
