//! What git reports about a working copy, run as the user who works in it: with their configuration, so that
//! `core.excludesFile` and `safe.directory` count, and whatever formats their git can read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::forge::open::MAX_CHANGED_FILES;
use crate::model::RefName;
use crate::sys::git_command::{GitCommand, GitError};

/// The branch that a working copy without one is on.
const DETACHED: &[u8] = b"refs/heads/detached";

/// A working copy, or a folder inside one.
#[derive(Debug, Clone)]
pub(crate) struct WorkingCopy {
    /// The folder that was given.
    pub(crate) root: PathBuf,
    /// The root of the repository's files.
    pub(crate) top: PathBuf,
    /// The folder of the repository: `.git`, or where that leads.
    pub(crate) git_dir: PathBuf,
    /// The git folder that linked worktrees share.
    pub(crate) common_dir: PathBuf,
    /// The branch that is checked out.
    pub(crate) branch: RefName,
    /// The commit that is checked out; its id is zero when the branch has none yet.
    pub(crate) head: HeadCommit,
}

/// The commit that is checked out.
#[derive(Debug, Clone)]
pub(crate) struct HeadCommit {
    /// Its id; a zero id has the length of the repository's ids.
    pub(crate) id: String,
    pub(crate) message: String,
    /// Its files, at most [`MAX_CHANGED_FILES`].
    pub(crate) files: Vec<String>,
    /// Whether there are more.
    pub(crate) has_more_files: bool,
}

/// Why a folder cannot be used as a working copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkingCopyError {
    /// The folder is not in a repository.
    #[error("`{}` is not in a git repository", .0.display())]
    NoRepository(PathBuf),
    /// A repository without a working tree.
    #[error("`{}` is not in a working copy: the repository is bare, or its files are elsewhere (`core.worktree`)", .0.display())]
    NoFiles(PathBuf),
    /// Git refuses the repository of another user.
    #[error("git refuses the repository `{}`: it belongs to another user", .0.display())]
    Owner(PathBuf),
    /// Git cannot read the repository.
    #[error("git cannot read the repository of `{}`: {stderr}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The error output of git.
        stderr: String,
    },
    /// Git could not be asked.
    #[error("could not run git in `{}`", path.display())]
    Git {
        /// The folder.
        path: PathBuf,
        /// Why git could not be run.
        source: GitError,
    },
}

impl WorkingCopyError {
    /// A command or a line that helps.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NoRepository(_) => "run `git init` in this folder, or choose another folder".to_owned(),
            Self::NoFiles(_) => "clone the repository, or choose a folder with its files".to_owned(),
            Self::Owner(path) => {
                format!("git config --global --add safe.directory '{}'", path.display())
            }
            Self::Unreadable { .. } => "check that `git status` works in this folder".to_owned(),
            Self::Git { .. } => "install git and make sure that it is in `PATH`".to_owned(),
        }
    }

    /// The error that git's error output stands for.
    fn from_git(path: &Path, error: GitError) -> Self {
        let GitError::Failed { stderr, .. } = &error else {
            return Self::Git { path: path.to_owned(), source: error };
        };
        if stderr.contains("dubious ownership") {
            // Git names the folder that has to be marked as safe.
            let named = stderr.split('\'').nth(1).map_or_else(|| path.to_owned(), PathBuf::from);
            Self::Owner(named)
        } else if stderr.contains("not a git repository") && !stderr.contains("not a git repository: /") {
            Self::NoRepository(path.to_owned())
        } else {
            let line = stderr.lines().find(|line| line.starts_with("fatal: ")).unwrap_or(stderr);
            let stderr = line.trim_start_matches("fatal: ").to_owned();
            Self::Unreadable { path: path.to_owned(), stderr }
        }
    }
}

/// A git command in a folder, with the configuration of the user.
pub(super) fn git(root: &Path) -> GitCommand {
    GitCommand::of_person().arg("-C").arg(root)
}

impl WorkingCopy {
    /// Asks git about a folder. Blocks.
    ///
    /// # Errors
    /// Why the folder is not a working copy.
    pub(crate) fn open(root: &Path) -> Result<Self, WorkingCopyError> {
        let ask = |args: &[&str]| git(root).args(args).run();
        let wrong = |error| WorkingCopyError::from_git(root, error);
        let path = |option: &str| {
            let said = ask(&["rev-parse", option]).map_err(wrong)?;
            let said = said.strip_suffix(b"\n").unwrap_or(&said);
            // Relative paths begin at the folder.
            Ok(root.join(OsStr::from_bytes(said)))
        };
        if ask(&["rev-parse", "--is-inside-work-tree"]).map_err(wrong)? != b"true\n" {
            return Err(WorkingCopyError::NoFiles(root.to_owned()));
        }
        let (git_dir, common_dir) = (path("--absolute-git-dir")?, path("--git-common-dir")?);
        let top = path("--show-toplevel")?;
        let branch = checked_out_branch(root).map_or_else(|| RefName::parse(DETACHED), Ok);
        let branch = branch.map_err(|error| WorkingCopyError::Unreadable {
            path: root.to_owned(),
            stderr: error.to_string(),
        })?;
        let head = HeadCommit::read(root).map_err(wrong)?;
        Ok(Self { root: root.to_owned(), top, git_dir, common_dir, branch, head })
    }
}

/// The branch that is checked out in a folder, even if it has no commits yet. Blocks.
pub(crate) fn checked_out_branch(root: &Path) -> Option<RefName> {
    let said = git(root).args(["symbolic-ref", "--quiet", "HEAD"]).run().ok()?;
    RefName::parse(said.trim_ascii_end()).ok()
}

impl HeadCommit {
    fn read(root: &Path) -> Result<Self, GitError> {
        let ask = |args: &[&str]| git(root).args(args).run();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let id = match ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]) {
            Ok(id) => text(id.trim_ascii_end()),
            // No commit yet.
            Err(GitError::Failed { exit: 1, .. }) => {
                let digits =
                    if ask(&["rev-parse", "--show-object-format"])? == b"sha256\n" { 64 } else { 40 };
                return Ok(Self {
                    id: "0".repeat(digits),
                    message: String::new(),
                    files: Vec::new(),
                    has_more_files: false,
                });
            }
            Err(error) => return Err(error),
        };
        let message =
            ask(&["log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=format:%B", &id])?;
        let files = ask(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", &id])?;
        let mut paths = files.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        let files = paths.by_ref().take(MAX_CHANGED_FILES).map(text).collect();
        Ok(Self { message: text(&message), files, has_more_files: paths.next().is_some(), id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_error_output_becomes_a_typed_error() {
        let error = |stderr: &str| {
            let failed = GitError::Failed { command: String::new(), exit: 128, stderr: stderr.to_owned() };
            WorkingCopyError::from_git(Path::new("/w/sub"), failed)
        };
        let none = error("fatal: not a git repository (or any of the parent directories): .git");
        assert!(matches!(none, WorkingCopyError::NoRepository(_)));
        let foreign = error(
            "fatal: detected dubious ownership in repository at '/w'\nTo add an exception for this directory, call:\n",
        );
        assert_eq!(foreign.hint(), "git config --global --add safe.directory '/w'");
        let broken = error("warning: x\nfatal: unknown repository extension found:\n\tfuture");
        assert!(broken.to_string().ends_with("/w/sub`: unknown repository extension found:"), "{broken}");
        let gone = error("fatal: not a git repository: /gone/.git/worktrees/w");
        assert!(matches!(gone, WorkingCopyError::Unreadable { .. }));
    }
}
