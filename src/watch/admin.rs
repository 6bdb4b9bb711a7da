//! Adding and removing watches: by the server when it is there, else by the command itself.

use rusqlite::Connection;

use crate::config::{DataDir, MAX_WATCHES, Settings, WatchDecl};
use crate::forge::{self, RepoError};
use crate::model::{RepoName, Timestamp, suggest};
use crate::store;

/// Why a watch was not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is a watch of this name.
    #[error("there is a watch {0} already")]
    Exists(RepoName),
    /// `config.fnl` declares it.
    #[error("the watch {0} stands in config.fnl")]
    InConfig(RepoName),
    /// There is no such watch.
    #[error("there is no watch {name}")]
    NotFound {
        /// The name asked for.
        name: RepoName,
        /// One that is meant, perhaps.
        near: Option<String>,
    },
    /// Its token is no declared secret.
    #[error("no secret is called `{0}` in config.fnl")]
    NoSecret(String),
    /// There are as many as there can be.
    #[error("there are {MAX_WATCHES} watches, which is as many as there can be")]
    TooMany,
    /// Its copy could not be made or deleted.
    #[error("{}", crate::model::chain(.0))]
    Copy(RepoError),
    /// The database refused.
    #[error("could not record the watch")]
    Store(#[from] rusqlite::Error),
}

impl WatchError {
    /// What to do instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            WatchError::Exists(name) => Some(format!("name another with --name, or quire watch rm {name}")),
            WatchError::InConfig(_) => Some("edit :watch in config.fnl".to_owned()),
            WatchError::NotFound { near: Some(near), .. } => Some(format!("did you mean {near}?")),
            WatchError::NotFound { near: None, .. } => Some("quire watch list lists them".to_owned()),
            WatchError::NoSecret(name) => {
                Some(format!(":secrets {{:{name} {{:file \"/path\"}}}} in config.fnl declares it"))
            }
            WatchError::Copy(RepoError::Exists(_)) => {
                Some("a watch cannot have the name of a repository; name another with --name".to_owned())
            }
            WatchError::Copy(error) => error.help(),
            WatchError::TooMany | WatchError::Store(_) => None,
        }
    }
}

/// All watches, by name: those of `config.fnl` (marked), and those that were added. `config.fnl` wins.
///
/// # Errors
/// When the database refuses.
pub fn all_watches(connection: &Connection, settings: &Settings) -> rusqlite::Result<Vec<(WatchDecl, bool)>> {
    let declared = |name: &RepoName| settings.watches.iter().any(|watch| watch.name == *name);
    let mut all: Vec<(WatchDecl, bool)> =
        settings.watches.iter().map(|watch| (watch.clone(), true)).collect();
    let added = store::added_watches(connection)?.into_iter().filter(|watch| !declared(&watch.name));
    all.extend(added.map(|watch| (watch, false)));
    all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    Ok(all)
}

/// Adds a watch and makes its copy. Blocking.
///
/// # Errors
/// Says why not; nothing is left then but an empty copy.
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

/// Removes a watch with its copy; its runs go to the trash. Blocking.
///
/// # Errors
/// Says why not.
pub fn remove_watch(
    connection: &Connection,
    data: &DataDir,
    settings: &Settings,
    name: &RepoName,
) -> Result<(), WatchError> {
    if settings.watches.iter().any(|watch| watch.name == *name) {
        return Err(WatchError::InConfig(name.clone()));
    }
    // The copy of a watch that was taken out of config.fnl is removed in the same way.
    let is_there = store::delete_watch(connection, name)? || data.watched_repo(name).is_dir();
    if !is_there {
        return Err(not_found(connection, settings, name)?);
    }
    if let Some(row) = store::find_repo(connection, name)?.filter(store::RepoRow::is_watched) {
        store::mark_absent(connection, &row.id)?;
    }
    forge::remove_watched(data.path(), name).map_err(WatchError::Copy)
}

/// The error that there is no such watch, with the nearest that there is.
///
/// # Errors
/// When the database refuses.
pub(crate) fn not_found(
    connection: &Connection,
    settings: &Settings,
    name: &RepoName,
) -> rusqlite::Result<WatchError> {
    let known = all_watches(connection, settings)?;
    let near = suggest(name.as_str(), known.iter().map(|(watch, _)| watch.name.as_str()));
    Ok(WatchError::NotFound { name: name.clone(), near: near.map(str::to_owned) })
}
