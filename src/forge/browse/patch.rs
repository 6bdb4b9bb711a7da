//! A commit as a patch.

use std::path::Path;

use super::browse_error::BrowseError;
use super::git::{GitOutput, PageGit};
use crate::model::CommitId;

/// The form of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchFormat {
    /// A mail that `git am` takes, with author and message.
    Mail,
    /// The differences only.
    Diff,
}

/// A commit as a patch.
///
/// # Errors
/// Git could not be started.
pub(crate) fn patch(git_dir: &Path, commit: CommitId, format: PatchFormat) -> Result<GitOutput, BrowseError> {
    let args: &[&str] = match format {
        PatchFormat::Mail => &["format-patch", "-1", "--root", "--stdout", "--no-signature"],
        PatchFormat::Diff => {
            &["diff-tree", "-p", "-M", "--root", "--no-commit-id", "--diff-merges=first-parent"]
        }
    };
    PageGit::new(git_dir).args(args).args(["--no-ext-diff", "--no-textconv"]).arg(commit.to_string()).stream()
}
