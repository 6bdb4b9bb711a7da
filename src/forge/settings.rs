//! The git settings that quire relies on, in the configuration of each repository.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::durable::sync;
use super::identity::read_identity;
use super::layout::hooks_dir;
use super::repo_error::RepoError;

/// Settings with the same value everywhere: objects and refs are on disk when a push is answered,
/// each ref has a log, and git neither removes lines from it nor repacks in the background.
const FIXED: [(&str, &str); 9] = [
    ("receive.advertisePushOptions", "true"),
    ("receive.fsckObjects", "true"),
    ("receive.autogc", "false"),
    ("core.fsync", "all"),
    ("core.fsyncMethod", "fsync"),
    ("core.logAllRefUpdates", "always"),
    ("gc.reflogExpire", "never"),
    ("gc.reflogExpireUnreachable", "never"),
    ("transfer.credentialsInUrl", "die"),
];

/// Mistakes of old tools that git's check of received objects lets pass: they are in many histories, and are harmless.
pub(crate) const HARMLESS: [&str; 3] = ["zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone"];

/// The setting that points git to quire's hooks.
pub(super) const HOOKS_PATH: &str = "core.hooksPath";

/// Writes quire's settings into the configuration of a repository, all at once, under git's own lock.
///
/// # Errors
/// The configuration could not be written, or another file overrides a setting.
pub(crate) fn apply_settings(data: &Path, repo: &Path) -> Result<(), RepoError> {
    let hooks = absolute(&hooks_dir(data))?;
    let path = repo.join("config");
    let lock = repo.join("config.lock");
    let failed = |source| RepoError::Write { path: lock.clone(), source };
    let before = fs::read(&path).map_err(|source| RepoError::Read { path: path.clone(), source })?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&lock).map_err(failed)?;
    let changed = file.write_all(&before).map_err(failed).and_then(|()| change(&lock, &hooks, repo));
    let moved = changed.and_then(|()| {
        sync(&lock)?;
        fs::rename(&lock, &path).map_err(failed)
    });
    if moved.is_err() {
        // The first error is the one to report.
        drop(fs::remove_file(&lock));
    }
    moved?;
    sync(repo)?;
    match wrong_settings(data, repo)?.first() {
        Some(key) => Err(RepoError::Overridden { path: repo.to_owned(), key }),
        None => Ok(()),
    }
}

/// The settings of a repository that differ from those that quire requires, as git sees them.
///
/// # Errors
/// The configuration could not be read.
pub(crate) fn wrong_settings(data: &Path, repo: &Path) -> Result<Vec<&'static str>, RepoError> {
    let config = open(repo)?;
    let hooks = absolute(&hooks_dir(data))?;
    let hooks = hooks.to_string_lossy();
    let expected = FIXED.into_iter().chain([(HOOKS_PATH, hooks.as_ref())]);
    let is_right = |key: &str, value: &str| config.get_string(key).is_ok_and(|found| found == value);
    Ok(expected.filter(|(key, value)| !is_right(key, value)).map(|(key, _)| key).collect())
}

/// Whether the settings of a repository are those of an older quire, or of another data folder: the data folder was moved or
/// copied. What an operator has changed does not count.
///
/// # Errors
/// The configuration could not be read.
pub(crate) fn are_settings_stale(data: &Path, repo: &Path) -> Result<bool, RepoError> {
    let config = open(repo)?;
    let is_set = |id: &&str| config.get_entry(&harmless_key(id)).is_ok();
    let is_old = read_identity(repo)?.is_some() && !HARMLESS.iter().all(is_set);
    Ok(is_old || has_stale_hooks_path(data, repo)?)
}

/// Whether the hooks path of a repository leads to the hooks of another data folder: the data folder was
/// moved or copied. A folder with other hooks does not count.
pub(super) fn has_stale_hooks_path(data: &Path, repo: &Path) -> Result<bool, RepoError> {
    let hooks = absolute(&hooks_dir(data))?;
    let Ok(found) = open(repo)?.get_string(HOOKS_PATH).map(PathBuf::from) else { return Ok(false) };
    let is_ours = fs::symlink_metadata(found.join("pre-receive")).is_ok_and(|hook| hook.is_symlink());
    let is_missing =
        fs::symlink_metadata(&found).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    Ok(found != hooks && (is_ours || is_missing))
}

/// The configuration of a repository, with the files that it includes and no others.
pub(super) fn open(repo: &Path) -> Result<git2::Config, RepoError> {
    git2::Config::open(&repo.join("config"))
        .map_err(|source| RepoError::Config { path: repo.to_owned(), source })
}

/// Sets each key once, however often it occurs.
fn change(file: &Path, hooks: &Path, repo: &Path) -> Result<(), RepoError> {
    let failed = |source| RepoError::Config { path: repo.to_owned(), source };
    let mut config = git2::Config::open(file).map_err(failed)?;
    let hooks = hooks.to_string_lossy();
    for (key, value) in FIXED.into_iter().chain([(HOOKS_PATH, hooks.as_ref())]) {
        // A value from an included file cannot be changed here, and may override ours.
        if config.get_entry(key).is_ok_and(|entry| entry.include_depth() > 0) {
            return Err(RepoError::Overridden { path: repo.to_owned(), key: known_key(key) });
        }
        match config.remove_multivar(key, ".*") {
            Err(error) if error.code() != git2::ErrorCode::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        config.set_str(key, value).map_err(failed)?;
    }
    for key in HARMLESS.map(harmless_key) {
        // An operator may be stricter.
        if config.get_entry(&key).is_err() {
            config.set_str(&key, "ignore").map_err(failed)?;
        }
    }
    Ok(())
}

/// The setting for a mistake in the check of received objects.
fn harmless_key(id: &str) -> String {
    format!("receive.fsck.{id}")
}

/// The value that quire writes for a setting.
fn known_key(key: &str) -> &'static str {
    FIXED.into_iter().map(|(known, _)| known).find(|known| *known == key).unwrap_or(HOOKS_PATH)
}

fn absolute(path: &Path) -> Result<PathBuf, RepoError> {
    std::path::absolute(path).map_err(|source| RepoError::Read { path: path.to_owned(), source })
}
