//! Why a working copy could not be copied.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::git_command::GitError;

/// Why a working copy could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Git could not list the files, or read one from its index.
    #[error("git could not {what}")]
    Git {
        /// What it was asked to do.
        what: &'static str,
        /// What it said.
        source: GitError,
    },
    /// Git printed something unexpected.
    #[error("git listed something unexpected: {0}")]
    Listing(String),
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("could not write `{}` to the workspace", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tracked file was replaced by a FIFO, a socket or a device.
    #[error("`{}` is neither a file nor a link, and `git add -A` refuses it; remove it", .0.display())]
    Special(PathBuf),
    /// No commit can hold such a path.
    #[error("`{}` cannot be committed: the name `.git` is reserved", .0.display())]
    Reserved(PathBuf),
    /// There is more than a run may hold.
    #[error(
        "the working copy has more than {entries} files or {bytes} bytes; ignore what is not needed in .gitignore"
    )]
    TooMuch {
        /// How many files may be copied.
        entries: usize,
        /// How many bytes may be copied.
        bytes: u64,
    },
    /// The run was stopped.
    #[error("the run was stopped")]
    Stopped,
}

impl CopyError {
    pub(super) fn read(path: &Path, source: impl Into<io::Error>) -> CopyError {
        CopyError::Read { path: path.to_owned(), source: source.into() }
    }

    pub(super) fn write(path: &Path, source: impl Into<io::Error>) -> CopyError {
        CopyError::Write { path: path.to_owned(), source: source.into() }
    }
}
