//! Why a working copy could not be copied.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::git_command::GitError;

/// Why a working copy could not be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Git could not list the files, or read one from its index.
    #[error("git could not {what}")]
    Git {
        /// The operation that failed.
        what: &'static str,
        /// Why it failed.
        source: GitError,
    },
    /// Git printed output that cannot be parsed.
    #[error("unexpected line in git's list of files: {0}")]
    Listing(String),
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    Read {
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("could not write `{}` to the workspace", path.display())]
    Write {
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A tracked file was replaced by a FIFO, a socket or a device.
    #[error("`{}` is neither a regular file nor a link; remove it: `git add -A` refuses it too", .0.display())]
    Special(PathBuf),
    /// No commit can hold such a path.
    #[error("`{}` cannot be committed: the name `.git` is reserved", .0.display())]
    Reserved(PathBuf),
    /// The working copy is larger than a run allows.
    #[error(
        "the working copy has more than {entries} files or {bytes} bytes; add what is not needed to `.gitignore`"
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
    pub(super) fn read(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Read { path: path.to_owned(), source: source.into() }
    }

    pub(super) fn write(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Write { path: path.to_owned(), source: source.into() }
    }
}
