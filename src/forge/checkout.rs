//! Writes the files of a commit into an empty folder. No filters, no attributes, no `.git`.
//!
//! Every file is created relative to the descriptor of its folder and must not exist yet, so that no
//! symbolic link, of the commit or of anybody else, is ever followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, fchmod, mkdirat, openat, symlinkat};

use crate::model::CommitId;

use super::open::{LINK, Repo, commit_id};
use super::read_error::ReadError;

/// What a checkout wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CheckedOut {
    /// Files and symbolic links.
    pub(crate) files: usize,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// The limits of a checkout: a commit of a few kilobytes can name any number of files.
const MOST: Most = Most { entries: 2_000_000, bytes: 32 << 30 };

/// The limits of a checkout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Files, links and folders.
    pub(super) entries: usize,
    /// Bytes of files.
    pub(super) bytes: u64,
}

/// The deepest nesting of folders: each folder on the path is open.
const MAX_DEPTH: usize = 512;

/// A checkout in progress.
struct Checkout<'a> {
    repo: &'a Repo,
    commit: CommitId,
    is_wanted: &'a AtomicBool,
    most: Most,
    entries: usize,
    depth: usize,
    done: CheckedOut,
}

/// Folders of a checkout.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Repo {
    /// Writes all files of a commit into a folder, which is created with mode 0700, or exists and is empty. Submodules
    /// become empty folders. Stops with an error when cancelled. After an error the folder is
    /// partly filled.
    ///
    /// # Errors
    /// Something could not be read or written, an entry has a forbidden name, or a limit was exceeded.
    pub(crate) fn checkout(
        &self,
        id: CommitId,
        into: &Path,
        is_wanted: &AtomicBool,
    ) -> Result<CheckedOut, ReadError> {
        self.checkout_within(id, into, is_wanted, MOST)
    }

    pub(super) fn checkout_within(
        &self,
        id: CommitId,
        into: &Path,
        is_wanted: &AtomicBool,
        most: Most,
    ) -> Result<CheckedOut, ReadError> {
        let commit = self.find(id)?;
        let id = commit_id(commit.id());
        let tree =
            commit.tree().map_err(|source| ReadError::Object { commit: id, what: "the tree", source })?;
        let failed = |source| ReadError::Write { path: into.to_owned(), source };
        fs::create_dir_all(into).map_err(failed)?;
        let root = File::open(into).map_err(failed)?;
        if fs::read_dir(into).map_err(failed)?.next().is_some() {
            return Err(ReadError::NotEmpty { path: into.to_owned() });
        }
        fchmod(&root, Mode::RWXU).map_err(|errno| failed(errno.into()))?;
        let done = CheckedOut::default();
        let mut checkout = Checkout { repo: self, commit: id, is_wanted, most, entries: 0, depth: 0, done };
        checkout.folder(&tree, root.as_fd(), into)?;
        Ok(checkout.done)
    }
}

impl Checkout<'_> {
    /// Writes one folder, with those below it down to a limit.
    fn folder(&mut self, tree: &git2::Tree<'_>, at: BorrowedFd<'_>, path: &Path) -> Result<(), ReadError> {
        if self.depth == MAX_DEPTH {
            return Err(ReadError::TooDeep { commit: self.commit, depth: MAX_DEPTH });
        }
        for entry in tree {
            self.count()?;
            let name = OsStr::from_bytes(entry.name_bytes());
            let path = path.join(name);
            if !may_be_written(entry.name_bytes()) {
                let name = path.to_string_lossy().into_owned();
                return Err(ReadError::BadName { commit: self.commit, name });
            }
            match entry.kind() {
                Some(git2::ObjectType::Tree) => {
                    let inside = self.make_folder(at, name, &path)?;
                    let tree =
                        self.repo.git().find_tree(entry.id()).map_err(|e| self.unread("a folder", e))?;
                    self.depth += 1;
                    self.folder(&tree, inside.as_fd(), &path)?;
                    self.depth -= 1;
                }
                Some(git2::ObjectType::Commit) => drop(self.make_folder(at, name, &path)?),
                _ => self.file(&entry, at, path)?,
            }
        }
        Ok(())
    }

    /// Counts one entry; fails above the limit or when cancelled.
    fn count(&mut self) -> Result<(), ReadError> {
        self.entries += 1;
        if !self.is_wanted.load(Ordering::Relaxed) {
            return Err(ReadError::Unwanted { commit: self.commit });
        }
        let Most { entries, bytes } = self.most;
        if self.entries > entries || self.done.bytes > bytes {
            return Err(ReadError::TooMuch { commit: self.commit, entries, bytes });
        }
        Ok(())
    }

    fn make_folder(&self, at: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<OwnedFd, ReadError> {
        let made = mkdirat(at, name, Mode::from_raw_mode(0o755))
            .and_then(|()| openat(at, name, FOLDER, Mode::empty()));
        made.map_err(|errno| ReadError::Write { path: path.to_owned(), source: errno.into() })
    }

    /// Writes a file or a symbolic link.
    fn file(
        &mut self,
        entry: &git2::TreeEntry<'_>,
        at: BorrowedFd<'_>,
        path: PathBuf,
    ) -> Result<(), ReadError> {
        let blob = self.repo.git().find_blob(entry.id()).map_err(|error| self.unread("a file", error))?;
        let name = OsStr::from_bytes(entry.name_bytes());
        let written = if entry.filemode() == LINK {
            symlinkat(OsStr::from_bytes(blob.content()), at, name).map_err(Into::into)
        } else {
            let mode = if entry.filemode() & 0o111 == 0 { 0o644 } else { 0o755 };
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(at, name, flags, Mode::from_raw_mode(mode)).map(File::from);
            file.map_err(Into::into).and_then(|mut file| file.write_all(blob.content()))
        };
        written.map_err(|source| ReadError::Write { path, source })?;
        self.done.files += 1;
        self.done.bytes += blob.size() as u64;
        Ok(())
    }

    fn unread(&self, what: &'static str, source: git2::Error) -> ReadError {
        ReadError::Object { commit: self.commit, what, source }
    }
}

/// Whether a name in a tree is allowed: a single path component, and not `.git`.
fn may_be_written(name: &[u8]) -> bool {
    let special = name.is_empty() || name == b"." || name == b".." || name.eq_ignore_ascii_case(b".git");
    !special && !name.contains(&b'/') && !name.contains(&0)
}
