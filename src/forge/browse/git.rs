//! The git command for pages: with a deadline and a limit of memory, killed when nobody waits for it any more.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use super::browse_error::BrowseError;
use crate::sys::cancel_signal::CancelSignal;
use crate::sys::git_command::GitCommand;
use crate::sys::program::{Keep, ProgramEnd, ProgramLimits};
use crate::sys::program_output::ProgramOutput;

/// How long git may think about a page.
const MAX_TIME: Duration = Duration::from_secs(10);

/// How long git may write what is sent while it is made.
const MAX_STREAM_TIME: Duration = Duration::from_secs(600);

/// The most memory that git may map, in bytes.
const MAX_MEMORY: u64 = 1 << 30;

/// The most of its error output that is kept, in bytes.
const MAX_COMPLAINT: usize = 2_000;

/// Settings that keep git within [`MAX_MEMORY`] and on one processor, and that no repository changes: a large file is read in
/// pieces, packs are mapped in small windows, and no other program is started.
const SETTINGS: [&str; 10] = [
    "core.bigFileThreshold=16m",
    "core.packedGitWindowSize=16m",
    "core.packedGitLimit=256m",
    "core.deltaBaseCacheLimit=64m",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "core.fsmonitor=false",
    "grep.threads=1",
    "pack.threads=1",
    "diff.external=",
];

/// What git writes, read while it runs.
pub(crate) type GitOutput = ProgramOutput;

/// A call of git for a page.
pub(super) struct PageGit(GitCommand);

/// What git has written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// Whether it had more to write, or time was over: then these bytes are the beginning.
    pub(super) is_cut: bool,
}

impl PageGit {
    /// A call that works on the repository in this folder.
    pub(super) fn new(git_dir: &Path) -> Self {
        let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
        let git = GitCommand::new().env("GIT_NO_LAZY_FETCH", "1").args(settings);
        Self(git.arg("--git-dir").arg(git_dir).arg("--literal-pathspecs"))
    }

    /// Adds an argument.
    #[must_use]
    pub(super) fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        Self(self.0.arg(arg))
    }

    /// Adds a path, which may be any bytes.
    #[must_use]
    pub(super) fn path(self, path: &[u8]) -> Self {
        self.arg(OsStr::from_bytes(path))
    }

    /// Adds arguments.
    #[must_use]
    pub(super) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        Self(self.0.args(args))
    }

    /// Runs it and returns what it has written, or the beginning of that. Blocking.
    ///
    /// # Errors
    /// It failed, or was cancelled. At its deadline only when it has written nothing.
    pub(super) fn run(self, most: usize, cancel: &CancelSignal) -> Result<Written, BrowseError> {
        self.run_to(most, cancel, &[0])
    }

    /// The same for a command that says something by its exit code.
    pub(super) fn run_to(
        self,
        most: usize,
        cancel: &CancelSignal,
        good: &[i32],
    ) -> Result<Written, BrowseError> {
        let limits = ProgramLimits {
            stdout: Keep::AtMost(most),
            memory_bytes: Some(MAX_MEMORY),
            cancel: Some(cancel),
            ..ProgramLimits::new(MAX_TIME, MAX_COMPLAINT)
        };
        let finished = self.0.run_within(&limits).map_err(BrowseError::Start)?;
        let is_cut = match finished.end {
            ProgramEnd::Exited(exit) if good.contains(&exit.code()) => false,
            ProgramEnd::Exited(_) => return Err(BrowseError::Git(finished.stderr_text())),
            ProgramEnd::TooMuchOutput => true,
            ProgramEnd::TimedOut if finished.stdout.is_empty() => {
                return Err(BrowseError::TimedOut { seconds: MAX_TIME.as_secs() });
            }
            ProgramEnd::TimedOut => true,
            ProgramEnd::Cancelled => return Err(BrowseError::Cancelled),
        };
        Ok(Written { bytes: finished.stdout, is_cut })
    }

    /// Starts it; what it writes is read while it runs.
    ///
    /// # Errors
    /// It could not be started.
    pub(super) fn stream(self) -> Result<GitOutput, BrowseError> {
        self.0.stream(MAX_STREAM_TIME, MAX_MEMORY).map_err(BrowseError::Start)
    }
}
