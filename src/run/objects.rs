//! The objects of a run's commit: where they come from is the place's business.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::evaluate::commit_files;
use crate::event::RefUpdate;
use crate::forge::{Changes, Commit, ReadError, Repo};
use crate::model::{CommitId, chain};
use crate::pipeline::PipelineFiles;
use crate::sys::remove_tree::remove_tree;

/// What a ref update is about.
#[derive(Debug, Clone)]
pub struct Pushed {
    pub(crate) commit: Commit,
    /// Whether the value before is no ancestor of it.
    pub(crate) is_forced: bool,
    /// The paths that differ from the value before.
    pub(crate) changed: Changes,
}

/// Gives the objects of a run's commit. Everything blocks; an error is a reason for people.
pub trait Objects: Send + Sync {
    /// The files of the pipeline, for a run of this update.
    ///
    /// # Errors
    /// They cannot be read.
    fn pipeline_files(&self, update: &RefUpdate) -> Result<PipelineFiles, String>;

    /// Writes the files of a commit into a folder, which is made for it, as long as they are wanted.
    ///
    /// # Errors
    /// They cannot be read or written.
    fn check_out(&self, commit: CommitId, into: &Path, is_wanted: &AtomicBool) -> Result<(), String>;

    /// What an update is about.
    ///
    /// # Errors
    /// The commit cannot be read.
    fn pushed(&self, update: &RefUpdate) -> Result<Pushed, String>;

    /// The folder of the repository, where steps on the host may look: `:git-dir`.
    fn folder(&self) -> &Path;
}

/// A bare repository on this machine. It is opened once, by who needs it first.
pub struct GitFolder {
    path: PathBuf,
    /// Where git keeps objects that it has not taken over yet.
    quarantine: Option<PathBuf>,
    opened: Mutex<Option<Repo>>,
}

impl GitFolder {
    /// The repository in this folder.
    pub fn new(path: PathBuf) -> Self {
        Self { path, quarantine: None, opened: Mutex::default() }
    }

    /// The same with the objects in another folder.
    pub(crate) fn with_objects_of(path: PathBuf, quarantine: PathBuf) -> Self {
        Self { quarantine: Some(quarantine), ..Self::new(path) }
    }

    fn open(&self) -> Result<Repo, ReadError> {
        let repo = Repo::open(&self.path)?;
        if let Some(objects) = &self.quarantine {
            repo.also_read(objects)?;
        }
        Ok(repo)
    }

    /// Reads; an error is a reason for people.
    fn read<T>(&self, read: impl FnOnce(&Repo) -> Result<T, ReadError>) -> Result<T, String> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = opened().take();
        let repo = kept.map_or_else(|| self.open(), Ok).map_err(|error| chain(&error))?;
        let read = read(&repo).map_err(|error| chain(&error));
        *opened() = Some(repo);
        read
    }
}

impl Objects for GitFolder {
    fn pipeline_files(&self, update: &RefUpdate) -> Result<PipelineFiles, String> {
        self.read(|repo| commit_files(repo, update.new, &update.ref_name))
    }

    fn check_out(&self, commit: CommitId, into: &Path, is_wanted: &AtomicBool) -> Result<(), String> {
        let failed = |error: io::Error| format!("could not make {}: {error}", into.display());
        remove_tree(into).map_err(|left| failed(left.into()))?;
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(into)
            .map_err(failed)?;
        self.read(|repo| repo.checkout(commit, into, is_wanted).map(drop))
    }

    fn pushed(&self, update: &RefUpdate) -> Result<Pushed, String> {
        self.read(|repo| pushed(repo, update))
    }

    fn folder(&self) -> &Path {
        &self.path
    }
}

/// What an update is about.
fn pushed(repo: &Repo, update: &RefUpdate) -> Result<Pushed, ReadError> {
    let (old, commit) = (update.old, repo.commit(update.new)?);
    let (is_forced, changed) = match repo.changed_files(old, commit.id) {
        Ok(changes) => {
            let is_forced =
                !old.is_zero() && !repo.is_ancestor(old, commit.id)? && !repo.is_cut(commit.id)?;
            (is_forced, changes)
        }
        // An old value that is gone (force-pushed away and pruned), or no commit, is no ancestor, and nothing can be compared
        // with it.
        Err(ReadError::Missing(id) | ReadError::NotACommit { id, .. }) if id == old => {
            (true, Changes::default())
        }
        Err(error) => return Err(error),
    };
    Ok(Pushed { commit, is_forced, changed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RefName;
    use crate::sys::git_command::GitCommand;

    fn git(folder: &Path, args: &[&str]) -> String {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0"];
        let said =
            GitCommand::new().args(["-C".as_ref(), folder.as_os_str()]).args(who).args(args).run().unwrap();
        String::from_utf8(said).unwrap().trim().to_owned()
    }

    /// Nothing is "no file has changed" because git could not be read.
    #[test]
    fn changes_that_cannot_be_read_are_an_error_and_a_pruned_commit_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        git(folder, &["init", "-q"]);
        for text in ["one", "two"] {
            std::fs::write(folder.join("file"), text).unwrap();
            git(folder, &["add", "file"]);
            git(folder, &["commit", "-q", "-m", text]);
        }
        let id = |name: &str| CommitId::parse(&git(folder, &["rev-parse", name])).unwrap();
        let of = |old, new| {
            let update = RefUpdate { ref_name: RefName::parse(b"refs/heads/main").unwrap(), old, new };
            let pushed = GitFolder::new(folder.join(".git")).pushed(&update);
            pushed.map(|pushed| (pushed.is_forced, pushed.changed.paths.join(" ")))
        };
        let (old, new) = (id("HEAD~1"), id("HEAD"));
        assert_eq!(of(old, new), Ok((false, "file".to_owned())));
        assert_eq!(of(new, old), Ok((true, "file".to_owned())));
        assert_eq!(of(CommitId::from_bytes([7; 20]), new), Ok((true, String::new())));
        let tree = id("HEAD~1^{tree}").to_string();
        std::fs::remove_file(folder.join(".git/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
        assert!(of(old, new).is_err());
    }

    #[test]
    fn a_history_that_is_cut_is_not_forced_and_other_encodings_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        git(folder, &["init", "-q"]);
        let commit = |args: &[&str]| {
            git(
                folder,
                &[&["-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty"], args].concat(),
            );
            CommitId::parse(&git(folder, &["rev-parse", "HEAD"])).unwrap()
        };
        std::fs::write(folder.join("message"), b"Gr\xfc\xdfe\n").unwrap();
        let [old, edge, new] = [(); 3].map(|()| commit(&["-F", "message"]));
        let of = |old, new| {
            let update = RefUpdate { ref_name: RefName::parse(b"refs/heads/main").unwrap(), old, new };
            GitFolder::new(folder.join(".git")).pushed(&update).unwrap()
        };
        assert_eq!(of(old, new).commit.message.trim_end(), "Grüße");
        assert_eq!((of(old, new).is_forced, of(new, old).is_forced), (false, true));
        std::fs::write(folder.join(".git/shallow"), format!("{edge}\n")).unwrap();
        assert_eq!((of(old, new).is_forced, of(new, old).is_forced), (false, true));
    }
}
