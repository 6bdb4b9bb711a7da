//! Renames repositories.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::adopt::check_not_borrowed;
use super::durable::{make_folder, move_folder};
use super::layout::{check_free, find, repo_dir};
use super::repo_error::RepoError;
use super::trash::put_runs_away;
use crate::model::RepoName;

/// Gives a repository another name; its new folder. Its runs follow when the name is recorded.
///
/// # Errors
/// The repository does not exist, another one borrows objects from it, the name is taken, or something could not be moved.
pub fn rename_repo(data: &Path, from: &RepoName, to: &RepoName) -> Result<PathBuf, RepoError> {
    let repo = find(data, from)?;
    check_not_borrowed(data, from, &repo)?;
    check_free(data, to)?;
    let place = repo_dir(data, to);
    make_folder(place.parent().unwrap_or(data))?;
    put_runs_away(data, to)?;
    match move_folder(&repo, &place) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(RepoError::Exists(to.clone())),
        Err(source) => return Err(RepoError::Write { path: place, source }),
        Ok(()) => {}
    }
    if from.as_str().contains('/') {
        // Removes the folder of the group if it is empty; the system refuses to remove any other.
        drop(repo.parent().map(fs::remove_dir));
    }
    Ok(place)
}
