//! Keeps the commits of runs that have not ended, when the ref that led to them has left them: git's gc would remove them.
//!
//! What keeps one is an entry of `worktrees/`, locked, with the commit as its `HEAD`. Unlike a ref, nobody sees it who
//! fetches, and `git push --mirror` does not send it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{CommitId, RunId};
use crate::sys::remove_tree::remove_tree;

/// What the names of these entries begin with.
const PREFIX: &str = "quire-run-";

/// Keeps the commit of a run in its repository.
///
/// # Errors
/// The entry cannot be written.
pub(crate) fn keep_commit(git_dir: &Path, run: RunId, commit: CommitId) -> io::Result<()> {
    let entry = entry(git_dir, run);
    fs::create_dir_all(&entry)?;
    // Before there is a `HEAD`: an entry without this is removed by `git worktree prune`.
    fs::write(entry.join("locked"), "a run of this commit has not ended\n")?;
    fs::write(entry.join("commondir"), "../..\n")?;
    fs::write(entry.join("gitdir"), format!("{}\n", entry.join("none/.git").display()))?;
    fs::write(entry.join("HEAD"), format!("{commit}\n"))
}

/// Keeps the commit of a run no longer.
///
/// # Errors
/// The entry cannot be removed.
pub(crate) fn release_commit(git_dir: &Path, run: RunId) -> io::Result<()> {
    remove_tree(&entry(git_dir, run)).map_err(io::Error::from)
}

/// Keeps no commits but those of these runs.
///
/// # Errors
/// An entry cannot be removed.
pub(crate) fn release_other_commits(git_dir: &Path, unfinished: &HashSet<RunId>) -> io::Result<()> {
    let entries = match fs::read_dir(git_dir.join("worktrees")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        let run = name.to_str().and_then(|name| RunId::parse(name.strip_prefix(PREFIX)?).ok());
        if let Some(run) = run.filter(|run| !unfinished.contains(run)) {
            release_commit(git_dir, run)?;
        }
    }
    Ok(())
}

fn entry(git_dir: &Path, run: RunId) -> PathBuf {
    git_dir.join("worktrees").join(format!("{PREFIX}{run}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::git_command::GitCommand;

    fn git(folder: &Path, args: &[&str]) -> Option<String> {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let said = GitCommand::new().args(["-C".as_ref(), folder.as_os_str()]).args(who).args(args).run();
        said.ok().map(|said| String::from_utf8(said).unwrap().trim().to_owned())
    }

    #[test]
    fn the_commit_of_an_unfinished_run_outlives_its_ref_and_gc() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        git(folder, &["init", "-q", "--bare"]).unwrap();
        let tree = git(folder, &["write-tree"]).unwrap();
        let id = git(folder, &["commit-tree", "-m", "m", &tree]).unwrap();
        let run = RunId::parse("01a22ad5-8fd0-7425-b577-84571ffa2942").unwrap();
        keep_commit(folder, run, CommitId::parse(&id).unwrap()).unwrap();
        let clean = || {
            git(folder, &["worktree", "prune", "--expire=now"]).unwrap();
            git(folder, &["gc", "-q", "--prune=now"]).unwrap();
            git(folder, &["cat-file", "-t", &id])
        };
        assert_eq!(clean().as_deref(), Some("commit"));
        assert_eq!(git(folder, &["for-each-ref"]).as_deref(), Some(""));
        release_other_commits(folder, &HashSet::from([run])).unwrap();
        assert_eq!(clean().as_deref(), Some("commit"));
        release_other_commits(folder, &HashSet::new()).unwrap();
        assert_eq!(clean(), None);
        release_commit(folder, run).unwrap();
    }
}
