//! Why something of a repository cannot be shown.

use std::io;

use crate::forge::LookError;
use crate::forge::ReadError;
use crate::model::{CommitId, Quoted};

/// Why something of a repository cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrowseError {
    /// No branch, tag or commit has the name.
    #[error("the repository has no branch, tag or commit {0}")]
    NoRevision(Quoted),
    /// The path is not in the commit.
    #[error("the commit {commit} has no file or folder {path}")]
    NoPath { commit: CommitId, path: Quoted },
    /// The path is a folder, or a file where a folder is expected.
    #[error("{path} is {found}, not {expected}")]
    OtherKind { path: Quoted, found: &'static str, expected: &'static str },
    /// The two commits have no history in common.
    #[error("the two commits have no history in common")]
    Unrelated,
    /// It is over a limit.
    #[error("{what} has {size} bytes, more than {limit}")]
    TooLarge { what: Quoted, size: u64, limit: u64 },
    /// Git did not end in time.
    #[error("git needs more than {seconds} s for this")]
    TimedOut { seconds: u64 },
    /// Whoever asked is gone.
    #[error("the request was cancelled")]
    Cancelled,
    /// Git has failed.
    #[error("git failed: {0}")]
    Git(String),
    /// Git could not be started.
    #[error("could not run git")]
    Start(#[source] io::Error),
    /// The refs cannot be read.
    #[error("could not read the refs")]
    Refs(#[from] LookError),
    /// The repository or a commit cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object cannot be read.
    #[error("could not read {what}")]
    Object { what: &'static str, source: git2::Error },
}

impl BrowseError {
    /// Turns an error of libgit2 about something into one of these.
    pub(super) fn object(what: &'static str) -> impl Fn(git2::Error) -> Self {
        move |source| Self::Object { what, source }
    }

    /// Whether what was asked for does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::NoRevision(_) | Self::NoPath { .. } | Self::OtherKind { .. } | Self::Unrelated => true,
            Self::Read(ReadError::Missing(_) | ReadError::NotACommit { .. }) => true,
            Self::TooLarge { .. }
            | Self::TimedOut { .. }
            | Self::Cancelled
            | Self::Git(_)
            | Self::Start(_)
            | Self::Refs(_)
            | Self::Read(_)
            | Self::Object { .. } => false,
        }
    }
}
