//! Lists the repositories of a data folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::{RefName, RepoName};

use super::adopt::check_format;
use super::copies::{RecordedNames, mark_copies};
use super::default_branch::missing_default_branch;
use super::identity::{RepoId, read_identity};
use super::layout::{names_in, repos_dir};
use super::old_names::is_old_name;
use super::place_bound::alternates;
use super::repo_error::RepoError;
use super::settings::wrong_settings;

/// One repository of a listing.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: RepoName,
    /// Its folder.
    pub(crate) path: PathBuf,
    /// Its id; `None` when it is not adopted, or a copy of another.
    pub(crate) id: Option<RepoId>,
    /// What is wrong with it.
    pub(crate) problems: Vec<Problem>,
}

/// What can be wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// Quire has neither created nor adopted it.
    #[error("not adopted")]
    NotAdopted,
    /// Settings that quire requires are missing or changed.
    #[error("git settings that quire requires are missing or changed: {}", .0.join(", "))]
    Settings(Vec<&'static str>),
    /// It has the id of another repository.
    #[error("copy of `{0}` (`quire.json` has the same id), not adopted")]
    Copy(RepoName),
    /// It borrows objects from a folder that does not exist.
    #[error("borrows objects from `{}`, which does not exist", .0.display())]
    MissingAlternate(PathBuf),
    /// `HEAD` names a branch that does not exist, and other branches do.
    #[error("`HEAD` names `{0}`, which does not exist")]
    MissingDefaultBranch(RefName),
    /// Its pages are hidden by others, since names are reserved that were not before.
    #[error("the address `/{name}` belongs to {owner}")]
    Hidden {
        /// Its name.
        name: RepoName,
        /// What has the address.
        owner: &'static str,
    },
    /// It is a symbolic link.
    #[error("symbolic link, which quire does not follow")]
    Linked,
    /// It cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] RepoError),
}

/// All repositories of a data folder, by name; `recorded` distinguishes a repository from its copies. Folders whose name
/// is not a valid repository name are left out, and so are old names of repositories; other symbolic links are listed and
/// not followed.
///
/// # Errors
/// The folder itself could not be read, or is a symbolic link.
pub(crate) fn list_repos(data: &Path, recorded: &RecordedNames) -> Result<Vec<Listed>, RepoError> {
    let root = repos_dir(data);
    if is_link(&root) {
        return Err(RepoError::SymbolicLink { path: root });
    }
    let mut names = Vec::new();
    let mut linked = Vec::new();
    let is_foreign = |name: &RepoName| !is_old_name(data, name);
    for entry in names_in(&root)? {
        if is_link(&root.join(&entry)) {
            linked.extend(RepoName::parse(&entry).ok().filter(is_foreign));
        }
        if !is_folder(&root.join(&entry)) {
            continue;
        }
        if entry.ends_with(".git") {
            names.extend(RepoName::parse(&entry));
            continue;
        }
        let group = root.join(&entry);
        for inside in names_in(&group)?.into_iter().filter(|name| name.ends_with(".git")) {
            let name = RepoName::parse(&format!("{entry}/{inside}"));
            match (is_link(&group.join(&inside)), is_folder(&group.join(&inside))) {
                (true, _) => linked.extend(name.ok().filter(is_foreign)),
                (false, true) => names.extend(name),
                (false, false) => {}
            }
        }
    }
    let mut listed: Vec<Listed> = names.into_iter().map(|name| describe(data, name)).collect();
    mark_copies(data, &mut listed, recorded);
    listed.extend(linked.into_iter().map(|name| Listed {
        path: root.join(name.folder()),
        name,
        id: None,
        problems: vec![Problem::Linked],
    }));
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(listed)
}

/// Reads the list entry of one repository.
fn describe(data: &Path, name: RepoName) -> Listed {
    let path = repos_dir(data).join(name.folder());
    let mut problems = Vec::new();
    let id = match read_identity(&path) {
        Ok(Some(identity)) => Some(identity.id),
        Ok(None) => {
            problems.push(Problem::NotAdopted);
            None
        }
        Err(error) => {
            problems.push(Problem::Unreadable(error));
            None
        }
    };
    match check_format(&path).and_then(|()| wrong_settings(data, &path)) {
        Ok(wrong) if !wrong.is_empty() && id.is_some() => problems.push(Problem::Settings(wrong)),
        Ok(_) => {}
        Err(error) => problems.push(Problem::Unreadable(error)),
    }
    if let Ok(borrowed) = alternates(&path) {
        let missing = borrowed.into_iter().filter(|borrowed| !borrowed.exists());
        problems.extend(missing.map(|borrowed| Problem::MissingAlternate(borrowed.path)));
    }
    // Refs that cannot be read are reported where they are settled.
    problems.extend(missing_default_branch(&path).ok().flatten().map(Problem::MissingDefaultBranch));
    let hidden = name.hidden_by().map(|owner| Problem::Hidden { name: name.clone(), owner });
    problems.extend(hidden.filter(|_| id.is_some()));
    Listed { name, path, id, problems }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}
