//! Creates repositories.

use std::io;
use std::path::Path;

use crate::model::RepoName;
use crate::sys::disk::free_bytes;
use crate::sys::git_command::GitCommand;

use super::durable::{make_folder, move_folder, sync_tree};
use super::identity::Identity;
use super::layout::{check_new, repo_dir};
use super::old_names::free_place;
use super::repo_error::RepoError;
use super::settings::apply_settings;
use super::trash::put_runs_away;

/// With less room than this, in bytes, git has failed because of that: an empty repository has some twenty files.
const MIN_FREE: u64 = 256 << 10;

/// Creates an empty bare repository. It is created in a temporary folder and appears in its place complete.
///
/// # Errors
/// The name is taken or reserved, or something could not be written.
pub(crate) fn new_repo(data: &Path, name: &RepoName) -> Result<Identity, RepoError> {
    check_new(data, name)?;
    make_at(data, name, &repo_dir(data, name))
}

/// Creates an empty bare repository at this path, which must not exist.
pub(super) fn make_at(data: &Path, name: &RepoName, place: &Path) -> Result<Identity, RepoError> {
    make_folder(place.parent().unwrap_or(data))?;
    let write = |source| RepoError::Write { path: data.to_owned(), source };
    let temp = tempfile::Builder::new().prefix(".new-").tempdir_in(data).map_err(write)?;
    let made = temp.path().join("repo.git");
    // The formats are set in the environment as well, because git before 2.45 has no `--ref-format`.
    GitCommand::new()
        .env("GIT_DEFAULT_HASH", "sha1")
        .env("GIT_DEFAULT_REF_FORMAT", "files")
        .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--"])
        .arg(&made)
        .run()
        .map_err(|source| match free_bytes(data) {
            // Git does not say why it could not write.
            Ok(free) if free < MIN_FREE => write(io::ErrorKind::StorageFull.into()),
            Ok(_) | Err(_) => RepoError::Init { name: name.clone(), source },
        })?;
    apply_settings(data, &made)?;
    let identity = Identity::fresh();
    identity.write(&made)?;
    sync_tree(&made)?;
    // Runs without a repository are left by a removal that was interrupted; they do not belong to this repository.
    put_runs_away(data, name)?;
    free_place(data, name)?;
    match move_folder(&made, place) {
        Ok(()) => Ok(identity),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(RepoError::Exists(name.clone())),
        Err(source) => Err(RepoError::Write { path: place.to_owned(), source }),
    }
}
