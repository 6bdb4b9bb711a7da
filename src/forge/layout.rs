//! The paths in the data folder, and whether a name can be used in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::RepoName;

use super::old_names::{current_name, is_old_name};
use super::repo_error::RepoError;

/// The folder of all repositories.
pub(crate) fn repos_dir(data: &Path) -> PathBuf {
    data.join("repos")
}

/// The folder of a repository, existing or not.
pub(crate) fn repo_dir(data: &Path, name: &RepoName) -> PathBuf {
    repos_dir(data).join(name.folder())
}

/// The folder of the copies of watched repositories.
pub(super) fn watched_root(data: &Path) -> PathBuf {
    data.join("watched")
}

/// The kept workspace of a watch, existing or not.
pub(super) fn kept_dir(data: &Path, name: &RepoName) -> PathBuf {
    data.join("kept").join(name.as_str().replace('/', "+"))
}

/// The folder of the copy of a watched repository, existing or not.
pub(crate) fn watched_dir(data: &Path, name: &RepoName) -> PathBuf {
    watched_root(data).join(name.folder())
}

/// The folder of a repository's runs, existing or not.
pub(crate) fn runs_dir(data: &Path, name: &RepoName) -> PathBuf {
    data.join("runs").join(name.folder())
}

/// The folder of the hooks that all repositories share.
pub(crate) fn hooks_dir(data: &Path) -> PathBuf {
    data.join("hooks")
}

/// The folder of removed repositories.
pub(crate) fn trash_dir(data: &Path) -> PathBuf {
    data.join("trash")
}

/// The folder of an existing repository, reached without any symbolic link below `repos/`.
///
/// # Errors
/// It does not exist, or a folder on the path is a link.
pub(crate) fn find(data: &Path, name: &RepoName) -> Result<PathBuf, RepoError> {
    let mut path = repos_dir(data);
    for part in &name.folder() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_symlink() => {
                return Err(match current_name(data, name) {
                    Some(to) => RepoError::Renamed { name: name.clone(), to },
                    None if is_old_name(data, name) => RepoError::NotFound(name.clone()),
                    None => RepoError::SymbolicLink { path },
                });
            }
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(RepoError::NotFound(name.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RepoError::NotFound(name.clone()));
            }
            Err(source) => return Err(RepoError::Read { path, source }),
        }
    }
    Ok(path)
}

/// Checks that a repository can get this name: nothing has it, and no page has its address.
pub(super) fn check_new(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    check_not_reserved(name)?;
    check_free(data, name)
}

/// Checks that no page of the server has the address of a repository of this name.
pub(super) fn check_not_reserved(name: &RepoName) -> Result<(), RepoError> {
    match name.hidden_by() {
        Some(owner) => Err(RepoError::Reserved { name: name.clone(), owner }),
        None => Ok(()),
    }
}

/// Checks that a new watch can have this name: no hosted repository has it, and no page has its address.
///
/// # Errors
/// Something has the name or its address.
pub(crate) fn check_not_taken(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    check_not_reserved(name)?;
    check_not_hosted(data, name)
}

/// Checks that nothing has this name, nor a name that differs in case only.
pub(super) fn check_free(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    match check_free_in(watched_root(data), name) {
        Err(RepoError::Exists(_)) => Err(RepoError::Watched(name.clone())),
        checked => checked.and_then(|()| check_not_hosted(data, name)),
    }
}

/// Checks that no hosted repository has this name, nor a name that differs in case only. An old name of one is free.
pub(super) fn check_not_hosted(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    match check_free_in(repos_dir(data), name) {
        Err(RepoError::SymbolicLink { .. }) if is_old_name(data, name) => Ok(()),
        checked => checked,
    }
}

fn check_free_in(mut folder: PathBuf, name: &RepoName) -> Result<(), RepoError> {
    if name.is_of_jobs() {
        return Err(RepoError::OfJobs(name.clone()));
    }
    for part in &name.folder() {
        for other in names_in(&folder)? {
            if other.eq_ignore_ascii_case(&part.to_string_lossy()) && part.to_string_lossy() != other {
                return Err(RepoError::CaseCollision { name: name.clone(), other });
            }
        }
        folder.push(part);
        if fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_symlink()) {
            return Err(RepoError::SymbolicLink { path: folder });
        }
    }
    if fs::symlink_metadata(&folder).is_ok() { Err(RepoError::Exists(name.clone())) } else { Ok(()) }
}

/// The names in a folder, sorted, as far as they are UTF-8; empty when the folder does not exist.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, RepoError> {
    let read = |source| RepoError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(read)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
