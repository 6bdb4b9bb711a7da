//! Why a repository could not be made, adopted, listed, removed or restored.

use std::io;
use std::path::PathBuf;

use crate::model::RepoName;
use crate::sys::git_command::GitError;

use super::look_error::LookError;

/// Why something could not be done with a repository. `help` says what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// A file or folder could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder could not be written, moved or removed.
    #[error("could not write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Git could not make the repository.
    #[error("could not make the repository {name}")]
    Init {
        /// Its name.
        name: RepoName,
        /// What git said.
        source: GitError,
    },
    /// There is a repository of this name.
    #[error("there is a repository {0} already")]
    Exists(RepoName),
    /// A watched repository has the name.
    #[error("{0} is a watched repository")]
    Watched(RepoName),
    /// A name differs from another one in upper and lower case only.
    #[error(
        "{name} differs from {other} in upper and lower case only, which some file systems and people mix up"
    )]
    CaseCollision {
        /// The name asked for.
        name: RepoName,
        /// The folder that is there.
        other: String,
    },
    /// There is no such repository.
    #[error("there is no repository {0}")]
    NotFound(RepoName),
    /// A folder on the way is a symbolic link.
    #[error("{} is a symbolic link; repositories are folders below `repos/`", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The folder is not a bare repository.
    #[error("{} is not a bare repository: {reason}", path.display())]
    NotBare {
        /// The folder.
        path: PathBuf,
        /// What is missing or too much.
        reason: &'static str,
    },
    /// Its format is one that libgit2 does not read.
    #[error("{} stores its {what} as {found}, which quire cannot read", path.display())]
    Format {
        /// The repository.
        path: PathBuf,
        /// Objects or refs.
        what: &'static str,
        /// The format, as git calls it.
        found: String,
    },
    /// It has hooks that quire's would silently replace.
    #[error("{} has hooks of its own, which quire's would silence: {}", path.display(), hooks.join(", "))]
    OwnHooks {
        /// The repository.
        path: PathBuf,
        /// The hooks, or the setting that points to them.
        hooks: Vec<String>,
    },
    /// It is adopted already.
    #[error("{0} is adopted already")]
    AlreadyAdopted(RepoName),
    /// It is on another file system than the data folder.
    #[error("{} is on another file system than {}", path.display(), repos.display())]
    OtherFileSystem {
        /// The repository.
        path: PathBuf,
        /// The folder of repositories.
        repos: PathBuf,
    },
    /// Its configuration could not be read or changed.
    #[error("could not change the configuration of {}", path.display())]
    Config {
        /// The repository.
        path: PathBuf,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// A setting of its own, or an included file, has the last word over quire's.
    #[error("{} sets `{key}` in a place that overrides quire's setting", path.display())]
    Overridden {
        /// The repository.
        path: PathBuf,
        /// The setting.
        key: &'static str,
    },
    /// Its refs could not be recorded.
    #[error("could not record the refs of {}", path.display())]
    Refs {
        /// The repository.
        path: PathBuf,
        /// Why.
        source: LookError,
    },
    /// A file of quire's in the repository does not read as one.
    #[error("{} is not a file that this quire wrote: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing of this name is in the trash.
    #[error("nothing called {name} is in the trash{}", listed(candidates))]
    NotInTrash {
        /// The name asked for.
        name: RepoName,
        /// What is there.
        candidates: Vec<RepoName>,
    },
    /// The path of the program that the hooks are to be is not absolute.
    #[error("{} is not an absolute path, and hooks are found by one", path.display())]
    RelativeBinary {
        /// The path.
        path: PathBuf,
    },
}

impl RepoError {
    /// What to do instead, where there is something.
    pub fn help(&self) -> Option<String> {
        match self {
            RepoError::Format { path, .. } => Some(format!(
                "copy it into one that quire made: `quire repo new NAME`, then `git -C {} push --mirror …/NAME.git`",
                path.display()
            )),
            RepoError::OwnHooks { .. } => {
                Some("move them away, or say in .quire/ci.fnl what they do; then adopt it again".to_owned())
            }
            RepoError::OtherFileSystem { path, repos } => Some(format!(
                "copy it first: `git clone --mirror {} {}/NAME.git`, then `quire repo adopt NAME`",
                path.display(),
                repos.display()
            )),
            RepoError::NotBare { path, .. } => Some(format!(
                "make a bare copy: `git clone --mirror {} COPY.git`, and adopt that",
                path.display()
            )),
            RepoError::NotInTrash { .. } => Some("`quire repo rm` puts repositories there".to_owned()),
            RepoError::Exists(name) => Some(format!(
                "`quire repo rm {name}` moves it to the trash; a folder without quire.json is adopted by `quire repo adopt {name}`"
            )),
            RepoError::Watched(name) => {
                Some(format!("choose another name; `quire watch rm {name}` ends the watch"))
            }
            RepoError::SymbolicLink { path } => {
                Some(format!("mount what it leads to in its place: `mount --bind TARGET {}`", path.display()))
            }
            RepoError::Overridden { key, .. } => Some(format!("remove `{key}` from the included file")),
            RepoError::Read { .. }
            | RepoError::Write { .. }
            | RepoError::Init { .. }
            | RepoError::CaseCollision { .. }
            | RepoError::NotFound(_)
            | RepoError::AlreadyAdopted(_)
            | RepoError::Config { .. }
            | RepoError::Refs { .. }
            | RepoError::Damaged { .. }
            | RepoError::RelativeBinary { .. } => None,
        }
    }
}

fn listed(candidates: &[RepoName]) -> String {
    if candidates.is_empty() {
        return ", which is empty".to_owned();
    }
    let names: Vec<_> = candidates.iter().map(RepoName::as_str).collect();
    format!("; there are {}", names.join(", "))
}
