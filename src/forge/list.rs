//! Listing the repositories of a data folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::RepoName;

use super::adopt::check_format;
use super::identity::{RepoId, read_identity};
use super::layout::{names_in, repos_dir};
use super::refs::head_branch;
use super::repo_error::RepoError;
use super::settings::wrong_settings;

/// One repository of a listing.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: RepoName,
    /// Its folder.
    pub path: PathBuf,
    /// Its id; nothing when it is not adopted.
    pub id: Option<RepoId>,
    /// The branch that `HEAD` names, without `refs/heads/`; bytes that are not UTF-8 become U+FFFD.
    pub default_branch: Option<String>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// What can be wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Quire has neither made nor adopted it.
    #[error("it is not adopted")]
    NotAdopted,
    /// Settings of quire's are missing or changed.
    #[error("these settings are not as quire needs them: {}", .0.join(", "))]
    Settings(Vec<&'static str>),
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] RepoError),
}

/// All repositories of a data folder, by name. Folders without a name that a repository can have, and
/// symbolic links, are left out.
///
/// # Errors
/// Says that the folder itself could not be read.
pub fn list_repos(data: &Path) -> Result<Vec<Listed>, RepoError> {
    let root = repos_dir(data);
    let mut names = Vec::new();
    for entry in names_in(&root)? {
        if !is_folder(&root.join(&entry)) {
            continue;
        }
        if entry.ends_with(".git") {
            names.extend(RepoName::parse(&entry));
            continue;
        }
        let group = root.join(&entry);
        let inside = names_in(&group)?.into_iter().filter(|name| name.ends_with(".git"));
        let inside = inside.filter(|name| is_folder(&group.join(name)));
        names.extend(inside.filter_map(|name| RepoName::parse(&format!("{entry}/{name}")).ok()));
    }
    names.sort();
    Ok(names.into_iter().map(|name| describe(data, name)).collect())
}

/// Reads what a listing says of one repository.
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
    let default_branch = head_branch(&path).map(|branch| branch.short());
    Listed { name, path, id, default_branch, problems }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}
