//! Renames repositories.

use std::path::{Path, PathBuf};

use super::adopt::check_not_borrowed;
use super::durable::make_folder;
use super::layout::{check_new, find, repo_dir};
use super::old_names::{free_place, leave_old_name};
use super::repo_error::RepoError;
use super::trash::put_runs_away;
use crate::model::RepoName;

/// Gives a repository another name; its new folder. Its runs follow when the name is recorded, and git finds it by the old
/// name until another repository takes that.
///
/// # Errors
/// The repository does not exist, another one borrows objects from it, the name is taken or reserved, or something could not be moved.
pub(crate) fn rename_repo(data: &Path, from: &RepoName, to: &RepoName) -> Result<PathBuf, RepoError> {
    let repo = find(data, from)?;
    check_not_borrowed(data, from, &repo)?;
    check_new(data, to)?;
    let place = repo_dir(data, to);
    make_folder(place.parent().unwrap_or(data))?;
    put_runs_away(data, to)?;
    free_place(data, to)?;
    leave_old_name(data, from, to)?;
    Ok(place)
}
