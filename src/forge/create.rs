//! Making a repository.

use std::path::Path;

use crate::model::RepoName;
use crate::sys::git_command::GitCommand;

use super::durable::{make_folder, move_folder, sync_tree};
use super::identity::Identity;
use super::layout::{check_free, repo_dir};
use super::repo_error::RepoError;
use super::settings::apply_settings;
use super::trash::put_runs_away;

/// Makes an empty bare repository. It is made beside its place and appears there whole.
///
/// # Errors
/// Says that the name is taken, or what could not be written.
pub fn new_repo(data: &Path, name: &RepoName) -> Result<Identity, RepoError> {
    check_free(data, name)?;
    make_at(data, name, &repo_dir(data, name))
}

/// Makes an empty bare repository at this place, where nothing is.
pub(super) fn make_at(data: &Path, name: &RepoName, place: &Path) -> Result<Identity, RepoError> {
    make_folder(place.parent().unwrap_or(data))?;
    let write = |source| RepoError::Write { path: data.to_owned(), source };
    let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(data).map_err(write)?;
    let made = beside.path().join("repo.git");
    // The formats are named in the environment as well, because git before 2.45 has no `--ref-format`.
    GitCommand::new()
        .env("GIT_DEFAULT_HASH", "sha1")
        .env("GIT_DEFAULT_REF_FORMAT", "files")
        .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--"])
        .arg(&made)
        .run()
        .map_err(|source| RepoError::Init { name: name.clone(), source })?;
    apply_settings(data, &made)?;
    let identity = Identity::fresh();
    identity.write(&made)?;
    sync_tree(&made)?;
    // Runs without a repository are what a removal left that did not end; they are not this one's.
    put_runs_away(data, name)?;
    match move_folder(&made, place) {
        Ok(()) => Ok(identity),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(RepoError::Exists(name.clone()))
        }
        Err(source) => Err(RepoError::Write { path: place.to_owned(), source }),
    }
}
