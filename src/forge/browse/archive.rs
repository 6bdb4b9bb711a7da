//! The files of a commit as one file.

use std::path::Path;

use super::browse_error::BrowseError;
use super::git::{GitOutput, PageGit};
use crate::model::CommitId;

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveFormat {
    TarGz,
    Zip,
}

impl ArchiveFormat {
    /// The end of a file name.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::TarGz => "tar.gz",
            Self::Zip => "zip",
        }
    }

    /// The media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::TarGz => "application/gzip",
            Self::Zip => "application/zip",
        }
    }
}

/// The files of a commit, below a folder of this name. The same commit gives the same bytes.
///
/// # Errors
/// Git could not be started.
pub(crate) fn archive(
    git_dir: &Path,
    commit: CommitId,
    format: ArchiveFormat,
    folder: &str,
) -> Result<GitOutput, BrowseError> {
    PageGit::new(git_dir)
        .args(["-c", "tar.tar.gz.command=git archive gzip", "archive"])
        .arg(format!("--format={}", format.extension()))
        .arg(format!("--prefix={folder}/"))
        .arg(commit.to_string())
        .stream()
}
