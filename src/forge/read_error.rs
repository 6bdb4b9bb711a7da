//! Why something could not be read from a repository's objects.

use std::io;
use std::path::PathBuf;

use crate::model::CommitId;

/// Why an object could not be read or written out.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The repository could not be opened.
    #[error("could not open the repository `{}`", path.display())]
    Open {
        /// Its folder.
        path: PathBuf,
        /// The error of libgit2.
        source: git2::Error,
    },
    /// The object is missing.
    #[error("the object {0} is missing")]
    Missing(CommitId),
    /// The object is not a commit.
    #[error("{id} is a {kind}, not a commit")]
    NotACommit {
        /// The object.
        id: CommitId,
        /// Its kind.
        kind: &'static str,
    },
    /// An object could not be read.
    #[error("could not read {what} of {commit}")]
    Object {
        /// The commit that it belongs to.
        commit: CommitId,
        /// The part that was read.
        what: &'static str,
        /// The error of libgit2.
        source: git2::Error,
    },
    /// A file of the pipeline, or all of them together, are over the limit.
    #[error("{what} has {size} bytes, more than {limit}")]
    TooLarge {
        /// The file, or all of them.
        what: String,
        /// How large it is.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A link is where the file of a pipeline should be.
    #[error("`{0}` is a symbolic link; it must be a regular file")]
    Link(String),
    /// A tree has an entry with a forbidden name.
    #[error("{commit} has an entry {name:?}, a name that must not be written to disk")]
    BadName {
        /// The commit.
        commit: CommitId,
        /// The path of the entry, bytes that are not UTF-8 replaced.
        name: String,
    },
    /// A commit with more files or bytes than a checkout allows.
    #[error("{commit} has more than {entries} files and folders, or more than {bytes} bytes")]
    TooMuch {
        /// The commit.
        commit: CommitId,
        /// The most entries.
        entries: usize,
        /// The most bytes.
        bytes: u64,
    },
    /// A commit whose folders are nested too deep.
    #[error("{commit} has folders nested deeper than {depth} levels")]
    TooDeep {
        /// The commit.
        commit: CommitId,
        /// The deepest level.
        depth: usize,
    },
    /// The checkout was cancelled.
    #[error("the checkout of {commit} was cancelled")]
    Unwanted {
        /// The commit.
        commit: CommitId,
    },
    /// The folder for a checkout is not empty.
    #[error("`{}` is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A file of a checkout could not be written.
    #[error("could not write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}
