//! Why a repository could not be created, adopted, listed, removed or restored.

use std::io;
use std::path::PathBuf;

use crate::model::{BranchName, RefName, RepoName};
use crate::sys::git_command::GitError;

use super::look_error::LookError;
use super::place_bound::PlaceBound;

/// Why an operation on a repository failed. `help` is what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// A file or folder could not be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file or folder could not be written, moved or removed.
    #[error("could not write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Git could not create the repository.
    #[error("could not create the repository `{name}`")]
    Init {
        /// Its name.
        name: RepoName,
        /// The error of git.
        source: GitError,
    },
    /// A repository of this name exists.
    #[error("a repository `{0}` already exists")]
    Exists(RepoName),
    /// The runs of job folders have the name.
    #[error("`{0}` is the name of the runs of job folders")]
    OfJobs(RepoName),
    /// Its page would be hidden by another one.
    #[error("`{name}` cannot be the name of a repository: the address `/{name}` belongs to {owner}")]
    Reserved {
        /// The name asked for.
        name: RepoName,
        /// What has the address.
        owner: &'static str,
    },
    /// A watched repository has the name.
    #[error("`{0}` is a watched repository")]
    Watched(RepoName),
    /// A name differs from another one in upper and lower case only.
    #[error(
        "`{name}` differs from `{other}` in upper and lower case only, and some file systems cannot keep both"
    )]
    CaseCollision {
        /// The name asked for.
        name: RepoName,
        /// The existing name.
        other: String,
    },
    /// No repository has this name.
    #[error("repository `{0}` not found")]
    NotFound(RepoName),
    /// The repository has another name now.
    #[error("repository `{name}` not found: it was renamed to `{to}`")]
    Renamed {
        /// Its old name.
        name: RepoName,
        /// Its name.
        to: RepoName,
    },
    /// A folder on the path is a symbolic link.
    #[error("`{}` is a symbolic link; repositories must be folders below `repos/`", path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// The folder is not a bare repository.
    #[error("`{}` is not a bare repository: {reason}", path.display())]
    NotBare {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// It has a format that libgit2 cannot read.
    #[error("`{}` stores its {what} as {found}, which quire cannot read", path.display())]
    Format {
        /// The repository.
        path: PathBuf,
        /// Objects or refs.
        what: &'static str,
        /// The format, as git calls it.
        found: String,
    },
    /// It has hooks that quire's hooks would silently replace.
    #[error("`{}` has its own hooks, which quire's hooks would replace: {}", path.display(), hooks.join(", "))]
    OwnHooks {
        /// The repository.
        path: PathBuf,
        /// The hooks, or the setting that points to them.
        hooks: Vec<String>,
    },
    /// A path in it would lead elsewhere once its folder is moved.
    #[error(
        "`{}` cannot be moved: {} `{}` depends on its folder", path.display(), bound.found, bound.written.display()
    )]
    PlaceBound {
        /// The repository.
        path: PathBuf,
        /// The path.
        bound: PlaceBound,
    },
    /// Other repositories borrow objects from it.
    #[error("`{name}` cannot be moved: {} objects from it", borrow(borrowers))]
    Borrowed {
        /// The repository.
        name: RepoName,
        /// Those that borrow.
        borrowers: Vec<RepoName>,
    },
    /// The object of a ref is missing.
    #[error("`{}` is incomplete: the object of `{name}` is missing", path.display())]
    MissingObject {
        /// The repository.
        path: PathBuf,
        /// The ref.
        name: RefName,
    },
    /// It has no branch of this name.
    #[error("`{repo}` has no branch `{}`", branch.as_str())]
    NoBranch {
        /// The repository.
        repo: RepoName,
        /// The requested branch.
        branch: BranchName,
        /// The branches that it has.
        branches: Vec<String>,
    },
    /// It is already adopted.
    #[error("`{0}` is already adopted")]
    AlreadyAdopted(RepoName),
    /// It is on another file system than the data folder.
    #[error("`{}` is on another file system than `{}`", path.display(), repos.display())]
    OtherFileSystem {
        /// The repository.
        path: PathBuf,
        /// The folder of repositories.
        repos: PathBuf,
    },
    /// Its configuration could not be read or changed.
    #[error("could not change the configuration of `{}`", path.display())]
    Config {
        /// The repository.
        path: PathBuf,
        /// The error of libgit2.
        source: git2::Error,
    },
    /// A setting of its own, or an included file, overrides quire's setting.
    #[error("`{}` sets `{key}` in a place that overrides quire's setting", path.display())]
    Overridden {
        /// The repository.
        path: PathBuf,
        /// The setting.
        key: &'static str,
    },
    /// Its refs could not be read.
    #[error("could not read the refs of `{}`", path.display())]
    Refs {
        /// The repository.
        path: PathBuf,
        /// Why.
        source: LookError,
    },
    /// A file of quire's in the repository is invalid.
    #[error("`{}` is invalid: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The trash has no repository of this name.
    #[error("repository `{name}` is not in the trash{}", listed(candidates))]
    NotInTrash {
        /// The requested name.
        name: RepoName,
        /// The names that are in the trash.
        candidates: Vec<RepoName>,
    },
    /// The path of the program for the hooks is not absolute.
    #[error("`{}` is not an absolute path, which links for hooks require", path.display())]
    RelativeBinary {
        /// The path.
        path: PathBuf,
    },
}

impl RepoError {
    /// What to do instead, if anything helps.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Format { path, .. } => Some(format!(
                "copy it into a new repository: `quire repo new NAME`, then `git -C {} push --mirror …/NAME.git`",
                path.display()
            )),
            Self::OwnHooks { .. } => Some(
                "remove the hooks, or do their work in `.quire/ci.fnl`; then adopt the repository again"
                    .to_owned(),
            ),
            Self::OtherFileSystem { path, repos } => Some(format!(
                "copy the repository first: `git clone --mirror {} {}/NAME.git`, then `quire repo adopt NAME`",
                path.display(),
                repos.display()
            )),
            Self::NotBare { path, .. } => Some(format!(
                "make a bare copy: `git clone --mirror {} COPY.git`, and adopt that",
                path.display()
            )),
            Self::Renamed { to, .. } => Some(format!("use its new name: {to}")),
            Self::NotFound(_) => Some("quire repo list lists them".to_owned()),
            Self::NotInTrash { .. } => {
                Some("only repositories removed by `quire repo rm` are in the trash".to_owned())
            }
            Self::Exists(name) => Some(format!(
                "`quire repo rm {name}` moves it to the trash; a folder without quire.json is adopted by `quire repo adopt {name}`"
            )),
            Self::OfJobs(_) => Some("choose another name".to_owned()),
            Self::Reserved { name, .. } => {
                Some(format!("choose another name, such as `{}`", name.similar_name()))
            }
            Self::Watched(name) => {
                Some(format!("choose another name, or end the watch: `quire watch rm {name}`"))
            }
            Self::SymbolicLink { path } => {
                Some(format!("replace the link by a bind mount: `mount --bind TARGET {}`", path.display()))
            }
            Self::PlaceBound { bound, .. } => Some(bound.remedy.clone()),
            Self::Borrowed { borrowers, .. } => borrowers.first().map(|borrower| {
                let folder = format!("repos/{borrower}.git");
                format!("git -C {folder} repack -a -d && rm {folder}/objects/info/alternates")
            }),
            Self::MissingObject { path, .. } => Some(format!("git -C '{}' fsck", path.display())),
            Self::NoBranch { branches, .. } if branches.is_empty() => {
                Some("the first branch that is pushed becomes the default branch".to_owned())
            }
            Self::NoBranch { branches, .. } => Some(format!("its branches are {}", branches.join(", "))),
            Self::Overridden { key, .. } => Some(format!("remove `{key}` from the included file")),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Init { .. }
            | Self::CaseCollision { .. }
            | Self::AlreadyAdopted(_)
            | Self::Config { .. }
            | Self::Refs { .. }
            | Self::Damaged { .. }
            | Self::RelativeBinary { .. } => None,
        }
    }
}

fn borrow(borrowers: &[RepoName]) -> String {
    let names: Vec<String> = borrowers.iter().map(|name| format!("`{name}`")).collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "borrows" } else { "borrow" })
}

fn listed(candidates: &[RepoName]) -> String {
    if candidates.is_empty() {
        return ", which is empty".to_owned();
    }
    let names: Vec<_> = candidates.iter().map(RepoName::as_str).collect();
    format!("; there are {}", names.join(", "))
}
