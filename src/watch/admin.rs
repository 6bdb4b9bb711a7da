//! Adds and removes watches: in the server when it is running, otherwise in the command itself.

use rusqlite::Connection;

use crate::config::{DataDir, MAX_WATCHES, Settings, WatchDecl};
use crate::forge::{self, RepoError};
use crate::model::{RepoName, Timestamp, suggest};
use crate::store;

/// Why a watch was not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A watch of this name exists.
    #[error("a watch `{0}` already exists")]
    Exists(RepoName),
    /// `config.fnl` declares it.
    #[error("the watch `{0}` is declared in config.fnl")]
    InConfig(RepoName),
    /// No watch has this name.
    #[error("watch `{name}` not found")]
    NotFound {
        /// The requested name.
        name: RepoName,
        /// A similar name.
        near: Option<String>,
    },
    /// Its token is not a declared secret.
    #[error("secret `{0}` is not declared in config.fnl")]
    NoSecret(String),
    /// The limit is reached.
    #[error("the limit of {MAX_WATCHES} watches is reached")]
    TooMany,
    /// Its copy could not be created or deleted.
    #[error(transparent)]
    Copy(RepoError),
    /// The database failed.
    #[error("could not record the watch")]
    Store(#[from] rusqlite::Error),
}

impl WatchError {
    /// What to do instead.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Exists(name) => Some(format!(
                "choose another name with `--name`, or remove the watch: `quire watch rm {name}`"
            )),
            Self::InConfig(_) => Some("edit `:watch` in config.fnl".to_owned()),
            Self::NotFound { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::NotFound { near: None, .. } => Some("`quire watch list` lists all watches".to_owned()),
            Self::NoSecret(name) => {
                Some(format!("declare it in config.fnl: `:secrets {{:{name} {{:file \"/path\"}}}}`"))
            }
            Self::Copy(RepoError::Exists(_)) => {
                Some("choose another name with `--name`: a repository has this one".to_owned())
            }
            Self::Copy(error) => error.help(),
            Self::TooMany | Self::Store(_) => None,
        }
    }
}

/// All watches, by name: those of `config.fnl` (marked), and those that were added. `config.fnl` wins.
///
/// # Errors
/// The database failed.
pub fn all_watches(connection: &Connection, settings: &Settings) -> rusqlite::Result<Vec<(WatchDecl, bool)>> {
    let declared = |name: &RepoName| settings.watches.iter().any(|watch| watch.name == *name);
    let mut all: Vec<(WatchDecl, bool)> =
        settings.watches.iter().map(|watch| (watch.clone(), true)).collect();
    let added = store::added_watches(connection)?.into_iter().filter(|watch| !declared(&watch.name));
    all.extend(added.map(|watch| (watch, false)));
    all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    Ok(all)
}

/// The watch of this name: that of `config.fnl`, or one that was added.
///
/// # Errors
/// The database failed.
pub fn find_watch(
    connection: &Connection,
    settings: &Settings,
    name: &RepoName,
) -> rusqlite::Result<Option<WatchDecl>> {
    match settings.watches.iter().find(|watch| watch.name == *name) {
        Some(declared) => Ok(Some(declared.clone())),
        None => store::find_added_watch(connection, name),
    }
}

/// Whether the first sight of a watch runs. One that was removed meanwhile is no reason to hold a run back.
///
/// # Errors
/// The database failed.
pub fn runs_first(connection: &Connection, settings: &Settings, name: &RepoName) -> rusqlite::Result<bool> {
    Ok(find_watch(connection, settings, name)?.is_none_or(|watch| watch.first_run))
}

/// Adds a watch and creates its copy. Blocks.
///
/// # Errors
/// Why not; then nothing is left but an empty copy.
pub fn add_watch(
    connection: &Connection,
    data: &DataDir,
    settings: &Settings,
    (watch, now): (&WatchDecl, Timestamp),
) -> Result<(), WatchError> {
    let known = all_watches(connection, settings)?;
    if known.iter().any(|(other, _)| other.name.as_str().eq_ignore_ascii_case(watch.name.as_str())) {
        return Err(WatchError::Exists(watch.name.clone()));
    }
    if known.len() >= MAX_WATCHES {
        return Err(WatchError::TooMany);
    }
    if let Some(token) = &watch.token
        && !settings.secrets.iter().any(|secret| secret.name == *token)
    {
        return Err(WatchError::NoSecret(token.to_string()));
    }
    forge::watched_copy(data.path(), &watch.name).map_err(WatchError::Copy)?;
    match store::insert_watch(connection, watch, now)? {
        true => Ok(()),
        false => Err(WatchError::Exists(watch.name.clone())),
    }
}

/// Removes a watch with its copy; its runs go to the trash. Blocks.
///
/// # Errors
/// Why not.
pub fn remove_watch(
    connection: &Connection,
    data: &DataDir,
    settings: &Settings,
    name: &RepoName,
) -> Result<(), WatchError> {
    if settings.watches.iter().any(|watch| watch.name == *name) {
        return Err(WatchError::InConfig(name.clone()));
    }
    // The copy of a watch that was removed from config.fnl is removed in the same way.
    let is_there = store::delete_watch(connection, name)? || data.watched_repo(name).is_dir();
    if !is_there {
        return Err(not_found(connection, settings, name)?);
    }
    if let Some(row) = store::find_repo(connection, name)?.filter(store::RepoRow::is_watched) {
        store::mark_absent(connection, &row.id)?;
    }
    forge::remove_watched(data.path(), name).map_err(WatchError::Copy)
}

/// The error for a missing watch, with the most similar name.
///
/// # Errors
/// The database failed.
pub(crate) fn not_found(
    connection: &Connection,
    settings: &Settings,
    name: &RepoName,
) -> rusqlite::Result<WatchError> {
    let known = all_watches(connection, settings)?;
    let near = suggest(name.as_str(), known.iter().map(|(watch, _)| watch.name.as_str()));
    Ok(WatchError::NotFound { name: name.clone(), near: near.map(str::to_owned) })
}
