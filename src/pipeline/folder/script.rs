//! The scripts of a job folder.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::config::StepConfig;
use super::discovery::FolderJob;

/// A script of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScriptFile {
    /// The id of its step: its file name.
    pub(crate) id: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// Why a script cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    /// The folder of the job cannot be listed.
    #[error("could not list {}", folder.display())]
    List {
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The script is missing, or cannot be accessed.
    #[error("could not open the script {}", path.display())]
    Open {
        /// The script.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    #[error("the script {} is not a file", .0.display())]
    NotFile(PathBuf),
    /// It is a link that leads elsewhere.
    #[error("the script {} is a link that leads out of {}", path.display(), root.display())]
    Outside {
        /// The script.
        path: PathBuf,
        /// The folder of all jobs.
        root: PathBuf,
    },
    /// Its name is not UTF-8.
    #[error("the name of the script {} is not UTF-8", .0.display())]
    Name(PathBuf),
}

impl FolderJob {
    /// The scripts of a job without steps: the files `NNN_…` of its folder, in the order of their names. Backups of editors
    /// (`NNN_…~`) are left out.
    ///
    /// # Errors
    /// The folder cannot be listed, or one of them cannot be run.
    pub(crate) fn scripts(&self) -> Result<Vec<ScriptFile>, ScriptError> {
        let list = || -> io::Result<Vec<_>> {
            std::fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name())).collect()
        };
        let mut names = list().map_err(|source| ScriptError::List { folder: self.dir.clone(), source })?;
        names.retain(|name| is_script(name) && !self.dir.join(name).is_dir());
        names.sort();
        let script = |name: &std::ffi::OsString| {
            let path = self.dir.join(name);
            let id = name.to_str().ok_or_else(|| ScriptError::Name(path.clone()))?.to_owned();
            self.check_script(&path)?;
            Ok(ScriptFile { id, path })
        };
        names.iter().map(script).collect()
    }

    /// The script of one of the job's steps.
    ///
    /// # Errors
    /// It is missing, is not a file, or a link leads out of the folder of all jobs.
    pub(crate) fn step_script(&self, step: &StepConfig) -> Result<ScriptFile, ScriptError> {
        let path = self.dir.join(&step.script);
        self.check_script(&path)?;
        Ok(ScriptFile { id: step.id.clone(), path })
    }

    /// Links are followed within the folder of all jobs: several jobs can share a script.
    fn check_script(&self, path: &Path) -> Result<(), ScriptError> {
        let open = |source| ScriptError::Open { path: path.to_owned(), source };
        let target = path.canonicalize().map_err(open)?;
        let root = self.root.canonicalize().map_err(open)?;
        if !target.starts_with(&root) {
            return Err(ScriptError::Outside { path: path.to_owned(), root });
        }
        if target.is_file() { Ok(()) } else { Err(ScriptError::NotFile(path.to_owned())) }
    }

    /// The folders `config.d` whose `vars` and `libs` the scripts have: from that of the root down to the job's own. Those
    /// that are missing, or are links, are left out.
    pub(crate) fn levels(&self) -> Vec<PathBuf> {
        let below = self.dir.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let mut folder = self.root.to_path_buf();
        let mut folders = vec![folder.clone()];
        for part in below.components() {
            folder.push(part);
            folders.push(folder.clone());
        }
        let levels = folders.into_iter().map(|folder| folder.join("config.d"));
        levels.filter(|level| level.symlink_metadata().is_ok_and(|found| found.is_dir())).collect()
    }
}

/// Whether a name is three digits, `_` and more.
fn is_script(name: &OsStr) -> bool {
    match name.as_encoded_bytes() {
        [a, b, c, b'_', rest @ ..] => {
            [a, b, c].iter().all(|digit| digit.is_ascii_digit()) && !rest.ends_with(b"~")
        }
        _ => false,
    }
}
