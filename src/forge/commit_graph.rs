//! Git's index of a history: where the parents of each commit are, and a filter of the paths that it changes.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::sys::cancel_signal::CancelSignal;
use crate::sys::git_command::GitCommand;
use crate::sys::program::{ProgramEnd, ProgramLimits};

/// How long git may write, and the memory that it may map, in bytes.
const MAX_TIME: Duration = Duration::from_secs(300);
const MAX_MEMORY: u64 = 2 << 30;

/// The most of its error output that is kept, in bytes.
const MAX_COMPLAINT: usize = 2_000;

/// How many filters are made at once: of a longer history, the next push adds more.
const MAX_FILTERS: &str = "--max-new-filters=20000";

/// A lock that is older was left by a git that was killed.
const LOCK_AGE: Duration = Duration::from_secs(3_600);

/// Why a history has no new index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitGraphError {
    #[error("git could not be started")]
    Start(#[source] io::Error),
    #[error("git could not index the history: {0}")]
    Git(String),
    #[error("git was stopped while it indexed the history")]
    Stopped,
}

/// Adds what is new in a history to its index. Blocking.
///
/// # Errors
/// Git has failed, or was stopped. The index is as before, which hurts nobody.
pub(crate) fn write_commit_graph(git_dir: &Path, cancel: &CancelSignal) -> Result<(), CommitGraphError> {
    remove_old_lock(&git_dir.join("objects/info/commit-graphs/commit-graph-chain.lock"));
    let limits = ProgramLimits {
        memory_bytes: Some(MAX_MEMORY),
        cancel: Some(cancel),
        ..ProgramLimits::new(MAX_TIME, MAX_COMPLAINT)
    };
    let git = GitCommand::in_repo(git_dir).args(["-c", "pack.threads=1", "commit-graph", "write"]);
    let git = git.args(["--reachable", "--split", "--changed-paths", "--no-progress", MAX_FILTERS]);
    let finished = git.run_within(&limits).map_err(CommitGraphError::Start)?;
    match finished.end {
        ProgramEnd::Exited(exit) if exit.code() == 0 => Ok(()),
        ProgramEnd::Exited(_) => Err(CommitGraphError::Git(finished.stderr_text())),
        ProgramEnd::TimedOut | ProgramEnd::TooMuchOutput | ProgramEnd::Cancelled => {
            Err(CommitGraphError::Stopped)
        }
    }
}

/// Removes a lock that nobody holds any more.
fn remove_old_lock(lock: &Path) {
    let written = fs::symlink_metadata(lock).and_then(|meta| meta.modified());
    #[expect(clippy::disallowed_methods, reason = "the age of a file")]
    let age = written.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    if age.is_some_and(|age| age > LOCK_AGE) && fs::remove_file(lock).is_ok() {
        tracing::info!(path = %lock.display(), "removed a lock that a killed git had left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::fixture::Fixture;
    use crate::sys::cancel_signal::cancel_pair;

    #[test]
    fn a_history_has_an_index_with_filters_that_grows() {
        let fixture = Fixture::with_commits(20);
        let (_cancel, signal) = cancel_pair().unwrap();
        for number in [9, 19] {
            fixture.run(&["update-ref", "refs/heads/main", &fixture.commits[number].to_string()]);
            write_commit_graph(&fixture.repo, &signal).unwrap();
        }
        let info = fixture.repo.join("objects/info/commit-graphs");
        assert!(info.join("commit-graph-chain").exists());
        let filters = fs::read_dir(&info).unwrap().filter_map(Result::ok).any(|entry| {
            fs::read(entry.path()).is_ok_and(|bytes| bytes.windows(4).any(|chunk| chunk == b"BDAT"))
        });
        assert!(filters, "no filters of paths");
        fixture.run(&["commit-graph", "verify"]);
    }

    #[test]
    fn the_lock_of_a_git_that_works_is_respected_and_an_old_one_is_removed() {
        let fixture = Fixture::with_commits(1);
        fixture.run(&["update-ref", "refs/heads/main", &fixture.commits[0].to_string()]);
        let (_cancel, signal) = cancel_pair().unwrap();
        let folder = fixture.repo.join("objects/info/commit-graphs");
        fs::create_dir_all(&folder).unwrap();
        let lock = folder.join("commit-graph-chain.lock");
        let file = fs::File::create(&lock).unwrap();
        assert!(matches!(write_commit_graph(&fixture.repo, &signal), Err(CommitGraphError::Git(_))));
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        write_commit_graph(&fixture.repo, &signal).unwrap();
        assert!(!lock.exists() && folder.join("commit-graph-chain").exists());
    }
}
