//! Copies of watched repositories: bare repositories that only quire fetches into.

use std::fs;
use std::path::Path;

use super::create::make_at;
use super::durable::{make_folder, move_folder};
use super::identity::{Identity, read_identity};
use super::layout::{check_not_hosted, watched_dir};
use super::repo_error::RepoError;
use super::trash::put_runs_away;
use crate::model::RepoName;

/// The copy of a watched repository, made empty when it is not there. Its hooks refuse pushes: it is not below `repos/`.
///
/// # Errors
/// Says that a hosted repository has the name, or what could not be written.
pub fn watched_copy(data: &Path, name: &RepoName) -> Result<Identity, RepoError> {
    check_not_hosted(data, name)?;
    let place = watched_dir(data, name);
    match read_identity(&place)? {
        Some(identity) => Ok(identity),
        None => make_at(data, name, &place),
    }
}

/// Deletes the copy of a watched repository and moves its runs to the trash.
///
/// # Errors
/// Says what could not be moved or deleted.
pub fn remove_watched(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    let place = watched_dir(data, name);
    if fs::symlink_metadata(&place).is_ok() {
        let failed = |source| RepoError::Write { path: place.clone(), source };
        make_folder(data)?;
        let beside = tempfile::Builder::new().prefix(".old-").tempdir_in(data).map_err(failed)?;
        // Out of the way first: what is half deleted must not be taken for a copy.
        move_folder(&place, &beside.path().join("repo.git")).map_err(failed)?;
        beside.close().map_err(failed)?;
    }
    if name.as_str().contains('/') {
        // Only an empty group goes; one with other copies in it is refused by the system.
        drop(place.parent().map(fs::remove_dir));
    }
    put_runs_away(data, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::new_repo;

    #[test]
    fn a_name_belongs_to_a_hosted_or_a_watched_repository() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let name = |text: &str| RepoName::parse(text).unwrap();
        new_repo(data, &name("hosted")).unwrap();
        let copy = watched_copy(data, &name("g/mirror")).unwrap();
        assert_eq!(watched_copy(data, &name("g/mirror")).unwrap(), copy);
        assert!(matches!(watched_copy(data, &name("hosted")), Err(RepoError::Exists(_))));
        assert!(matches!(watched_copy(data, &name("Hosted")), Err(RepoError::CaseCollision { .. })));
        assert!(matches!(new_repo(data, &name("g/mirror")), Err(RepoError::Watched(_))));
        assert!(matches!(new_repo(data, &name("g/Mirror")), Err(RepoError::CaseCollision { .. })));
        remove_watched(data, &name("g/mirror")).unwrap();
        remove_watched(data, &name("g/mirror")).unwrap();
        assert!(!watched_dir(data, &name("g/mirror")).exists() && !data.join("watched/g").exists());
        new_repo(data, &name("g/mirror")).unwrap();
    }
}
