//! Moves repositories to the trash, and restores them.
//!
//! An entry is `trash/<time>-<group>+<name>.git/` with `repo` and `runs` in it; `+` is in no name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{RepoName, Timestamp};
use crate::sys::clock;

use super::adopt::check_not_borrowed;
use super::durable::{make_folder, move_folder};
use super::layout::{check_free, find, names_in, repo_dir, repos_dir, runs_dir, trash_dir};
use super::old_names::{free_place, old_names_of, remove, remove_empty_group};
use super::repo_error::RepoError;
use super::settings::apply_settings;

/// The length of the time at the start of an entry's name.
const TIME_LENGTH: usize = "2026-11-21T00:10:32.123Z".len();

/// A removed repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrashEntry {
    /// When it was removed.
    pub(crate) removed_at: Timestamp,
    pub(crate) name: RepoName,
    /// Its folder in the trash.
    pub(crate) path: PathBuf,
}

/// Moves a repository and its runs to the trash. Its old names are removed.
///
/// # Errors
/// The repository does not exist, another one borrows objects from it, or something could not be moved.
pub(crate) fn remove_repo(data: &Path, name: &RepoName) -> Result<TrashEntry, RepoError> {
    let repo = find(data, name)?;
    check_not_borrowed(data, name, &repo)?;
    let entry = new_entry(data, name)?;
    let old_names = old_names_of(data, name)?;
    if let Err(source) = move_folder(&repo, &entry.path.join("repo")) {
        drop(fs::remove_dir(&entry.path));
        return Err(RepoError::Write { path: repo, source });
    }
    move_if_there(&runs_dir(data, name), &entry.path.join("runs"))?;
    remove(data, &old_names)?;
    remove_empty_group(name, &repo);
    Ok(entry)
}

/// Restores the repository of this name that was removed last.
///
/// # Errors
/// The name is taken, or the trash has no repository of this name; lists those that it has.
pub(crate) fn restore_repo(data: &Path, name: &RepoName) -> Result<TrashEntry, RepoError> {
    check_free(data, name)?;
    let entries = list_trash(data)?;
    let newest = entries.iter().rev().find(|entry| entry.name == *name && entry.path.join("repo").is_dir());
    let Some(entry) = newest.cloned() else {
        let mut candidates: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        candidates.sort();
        candidates.dedup();
        return Err(RepoError::NotInTrash { name: name.clone(), candidates });
    };
    let place = repo_dir(data, name);
    make_folder(place.parent().unwrap_or(data))?;
    put_runs_away(data, name)?;
    let runs = runs_dir(data, name);
    make_folder(runs.parent().unwrap_or(data))?;
    // The data folder, and with it the hooks, may have moved since.
    apply_settings(data, &entry.path.join("repo"))?;
    // The runs are moved first, so that the repository never appears without them.
    move_if_there(&entry.path.join("runs"), &runs)?;
    free_place(data, name)?;
    if let Err(source) = move_folder(&entry.path.join("repo"), &place) {
        drop(move_if_there(&runs, &entry.path.join("runs")));
        return Err(RepoError::Write { path: place, source });
    }
    drop(fs::remove_dir(&entry.path));
    Ok(entry)
}

/// The repositories in the trash, oldest first.
///
/// # Errors
/// The folder could not be read.
pub(crate) fn list_trash(data: &Path) -> Result<Vec<TrashEntry>, RepoError> {
    let names = names_in(&trash_dir(data))?;
    let mut entries: Vec<_> = names.iter().filter_map(|name| read_entry(data, name)).collect();
    entries.sort();
    Ok(entries)
}

/// Moves runs that have no repository to the trash, if any exist.
pub(super) fn put_runs_away(data: &Path, name: &RepoName) -> Result<(), RepoError> {
    let runs = runs_dir(data, name);
    // A link leads to the runs of a renamed repository.
    let is_there = fs::symlink_metadata(&runs).is_ok_and(|found| !found.is_symlink());
    if !is_there || fs::symlink_metadata(repo_dir(data, name)).is_ok() {
        return Ok(());
    }
    put_folder_away(data, name, &runs)
}

/// Moves a folder of runs to the trash.
pub(super) fn put_folder_away(data: &Path, name: &RepoName, runs: &Path) -> Result<(), RepoError> {
    let entry = new_entry(data, name)?;
    move_if_there(runs, &entry.path.join("runs"))
}

/// Creates the folder of a new entry; two entries of one millisecond get different times.
fn new_entry(data: &Path, name: &RepoName) -> Result<TrashEntry, RepoError> {
    make_folder(&trash_dir(data))?;
    make_folder(&repos_dir(data))?;
    let mut removed_at = clock::now();
    loop {
        let folder = format!("{removed_at}-{}.git", name.as_str().replace('/', "+"));
        let path = trash_dir(data).join(folder);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(TrashEntry { removed_at, name: name.clone(), path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                removed_at = Timestamp::from_millis(removed_at.as_millis() + 1);
            }
            Err(source) => return Err(RepoError::Write { path, source }),
        }
    }
}

/// Parses the name of an entry.
fn read_entry(data: &Path, folder: &str) -> Option<TrashEntry> {
    let (time, rest) = folder.split_at_checked(TIME_LENGTH)?;
    let name = RepoName::parse(&rest.strip_prefix('-')?.strip_suffix(".git")?.replace('+', "/")).ok()?;
    Some(TrashEntry { removed_at: Timestamp::parse(time)?, name, path: trash_dir(data).join(folder) })
}

/// Moves a folder, if it exists.
fn move_if_there(from: &Path, to: &Path) -> Result<(), RepoError> {
    match move_folder(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| RepoError::Write { path: from.to_owned(), source }),
    }
}
