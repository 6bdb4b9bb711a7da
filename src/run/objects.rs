//! The objects of a run's commit: where they come from is the place's business.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::evaluate::commit_files;
use crate::event::RefUpdate;
use crate::forge::{Commit, Repo};
use crate::model::{CommitId, chain};
use crate::pipeline::PipelineFiles;
use crate::sys::remove_tree::remove_tree;

/// What a ref update is about.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The commit.
    pub commit: Commit,
    /// Whether the value before is no ancestor of it.
    pub is_forced: bool,
    /// The paths that differ from the value before.
    pub changed: Vec<String>,
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

/// A bare repository on this machine.
#[derive(Debug, Clone)]
pub struct GitFolder(pub PathBuf);

impl GitFolder {
    fn open(&self) -> Result<Repo, String> {
        Repo::open(&self.0).map_err(|error| chain(&error))
    }
}

impl Objects for GitFolder {
    fn pipeline_files(&self, update: &RefUpdate) -> Result<PipelineFiles, String> {
        commit_files(&self.open()?, update.new, &update.ref_name).map_err(|error| chain(&error))
    }

    fn check_out(&self, commit: CommitId, into: &Path, is_wanted: &AtomicBool) -> Result<(), String> {
        let failed = |error: io::Error| format!("could not make {}: {error}", into.display());
        remove_tree(into).map_err(|left| failed(left.into()))?;
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(into)
            .map_err(failed)?;
        self.open()?.checkout(commit, into, is_wanted).map_err(|error| chain(&error))?;
        Ok(())
    }

    fn pushed(&self, update: &RefUpdate) -> Result<Pushed, String> {
        let repo = self.open()?;
        let (old, commit) = (update.old, repo.commit(update.new).map_err(|error| chain(&error))?);
        // An old value that is gone (force-pushed away and pruned) is no ancestor, and nothing can be compared with it.
        let is_forced = !old.is_zero() && !repo.is_ancestor(old, commit.id).unwrap_or(false);
        let changed = repo.changed_files(old, commit.id).map(|changes| changes.paths).unwrap_or_default();
        Ok(Pushed { commit, is_forced, changed })
    }

    fn folder(&self) -> &Path {
        &self.0
    }
}
