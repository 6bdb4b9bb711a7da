//! Copies of watched repositories: bare repositories that only quire fetches into.

use std::fs;
use std::io;
use std::path::Path;

use super::create::make_at;
use super::durable::{make_folder, move_folder};
use super::identity::{Identity, read_identity};
use super::kept_workspace::remove_kept;
use super::layout::{check_not_hosted, check_not_reserved, kept_dir, watched_dir};
use super::repo_error::RepoError;
use super::trash::put_runs_away;
use crate::model::RepoName;

/// The copy of a watched repository, created empty when missing. Its hooks refuse pushes: it is not below `repos/`.
///
/// # Errors
/// A hosted repository has the name, no new repository gets it, or a file could not be written.
pub(crate) fn watched_copy(data: &Path, name: &RepoName) -> Result<Identity, RepoError> {
    check_not_hosted(data, name)?;
    let place = watched_dir(data, name);
    match read_identity(&place)? {
        Some(identity) => Ok(identity),
        None => {
            check_not_reserved(name)?;
            make_at(data, name, &place)
        }
    }
}

/// Removes what a killed git has left in a copy: locks, and temporary files of packs. Call it only when
/// no other git is running in the copy.
pub(crate) fn clear_leftovers(copy: &Path, full: &str) {
    let mut left = vec![copy.join(format!("{full}.lock"))];
    left.extend(["packed-refs.lock", "HEAD.lock", "config.lock"].map(|name| copy.join(name)));
    let packs = fs::read_dir(copy.join("objects/pack")).into_iter().flatten().flatten();
    left.extend(
        packs.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"tmp_")).map(|e| e.path()),
    );
    for path in left {
        match fs::remove_file(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "removed what a killed fetch had left");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "could not remove what a killed fetch had left");
            }
        }
    }
}

/// Deletes the copy of a watched repository and moves its runs to the trash.
///
/// # Errors
/// Something could not be moved or deleted.
pub(crate) fn remove_watched(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    let (place, kept) = (watched_dir(data, name), kept_dir(data, name));
    remove_kept(&kept).map_err(|source| RepoError::Write { path: kept.clone(), source })?;
    if fs::symlink_metadata(&place).is_ok() {
        let failed = |source| RepoError::Write { path: place.clone(), source };
        make_folder(data)?;
        let temp = tempfile::Builder::new().prefix(".old-").tempdir_in(data).map_err(failed)?;
        // Moved away first: a partly deleted folder must not be mistaken for a copy.
        move_folder(&place, &temp.path().join("repo.git")).map_err(failed)?;
        temp.close().map_err(failed)?;
    }
    if name.as_str().contains('/') {
        // Removes the folder of the group if it is empty; the system refuses to remove any other.
        drop(place.parent().map(fs::remove_dir));
    }
    put_runs_away(data, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::new_repo;

    #[test]
    fn what_a_killed_fetch_has_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let name = RepoName::parse("w").unwrap();
        watched_copy(folder.path(), &name).unwrap();
        let copy = watched_dir(folder.path(), &name);
        let left = ["refs/heads/topic/x.lock", "packed-refs.lock", "objects/pack/tmp_pack_1"];
        fs::create_dir_all(copy.join("refs/heads/topic")).unwrap();
        left.iter().for_each(|name| fs::write(copy.join(name), "").unwrap());
        fs::write(copy.join("objects/pack/pack-1.pack"), "").unwrap();
        clear_leftovers(&copy, "refs/heads/topic/x");
        assert!(!left.iter().any(|name| copy.join(name).exists()));
        assert!(copy.join("objects/pack/pack-1.pack").exists());
    }

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
