//! Records which repositories exist, under which names, and moves what is kept by name when a repository was renamed.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use rusqlite::Connection;

use crate::config::DataDir;
use crate::forge::{self, RecordedNames, RepoError};
use crate::model::{RepoName, chain};
use crate::store::{self, RepoRow};

/// The contents of `repos/`.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The repositories that are served.
    pub(crate) rows: Vec<RepoRow>,
    /// Folders that are not served, and the reasons.
    pub(crate) apart: BTreeMap<PathBuf, String>,
}

/// Why the repositories could not be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// The database failed.
    #[error("could not record the repositories")]
    Store(#[from] rusqlite::Error),
    /// A folder could not be read or moved.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// Lists the repositories, moves the runs of those that were renamed, and records the names. Blocks: called on the database's
/// writer.
///
/// # Errors
/// Something could not be read, moved or recorded. It is repeated at the next change.
pub(crate) fn sync_repositories(connection: &Connection, data: &DataDir) -> Result<Listing, ListError> {
    let recorded = store::recorded_names(connection)?;
    forge::undo_unrecorded(data.path(), &recorded)?;
    let mut listing = Listing::default();
    for repo in forge::list_repos(data.path(), &recorded)? {
        match repo.id {
            Some(id) => listing.rows.push(RepoRow::hosted(id.to_string(), repo.name)),
            None => {
                let problems: Vec<String> = repo.problems.iter().map(|problem| chain(problem)).collect();
                listing.apart.insert(repo.path, format!("{}: {}", repo.name, problems.join("; ")));
            }
        }
    }
    forge::remove_links(data.path(), &with_unfinished_runs(connection)?)?;
    move_runs(connection, data, (&recorded, &listing.rows))?;
    for row in listing.rows.extract_if(.., |row| forge::is_link_to_runs(data.path(), &row.name)) {
        let problem =
            format!("{}: the runs of another repository that had this name have not ended", row.name);
        listing.apart.insert(data.repo(&row.name), problem);
    }
    if let Err(error) = record(connection, &listing.rows) {
        forge::undo_unrecorded(data.path(), &recorded)?;
        return Err(error.into());
    }
    forge::forget_moves(data.path())?;
    Ok(listing)
}

/// Records the repositories that are there, all of them or none.
fn record(connection: &Connection, rows: &[RepoRow]) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    for row in rows {
        store::sync_repo(&transaction, row)?;
    }
    let present: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    store::forget_missing(&transaction, &present)?;
    transaction.commit()
}

/// The recorded name of a repository, which is the old one until a server has noticed a rename; also by an older name of it.
///
/// # Errors
/// The database cannot be read.
pub(crate) fn recorded_name(
    connection: &Connection,
    data: &DataDir,
    name: &RepoName,
) -> rusqlite::Result<RepoName> {
    if store::find_repo(connection, name)?.is_some() {
        return Ok(name.clone());
    }
    let current = forge::current_name(data.path(), name).unwrap_or_else(|| name.clone());
    let folder = forge::find(data.path(), &current);
    // A folder that cannot be read is reported by the code that lists repositories.
    let identity = folder.and_then(|folder| forge::read_identity(&folder)).ok().flatten();
    let recorded = identity.map(|identity| store::recorded_name(connection, &identity.id.to_string()));
    Ok(recorded.transpose()?.flatten().unwrap_or_else(|| name.clone()))
}

/// Moves the runs of renamed repositories before the new names are recorded: afterwards the old names are lost.
fn move_runs(
    connection: &Connection,
    data: &DataDir,
    (recorded, rows): (&RecordedNames, &[RepoRow]),
) -> Result<(), ListError> {
    let is_renamed = |row: &&RepoRow| recorded.get(&row.id).is_some_and(|from| *from != row.name);
    if !rows.iter().any(|row| is_renamed(&row)) {
        return Ok(());
    }
    let unfinished = with_unfinished_runs(connection)?;
    let renamed = rows.iter().filter(is_renamed).filter_map(|row| {
        let from = recorded.get(&row.id)?.clone();
        let has_unfinished = unfinished.contains(&from);
        Some(forge::Renamed { id: row.id.clone(), from, to: row.name.clone(), has_unfinished })
    });
    let renamed: Vec<_> = renamed.collect();
    forge::move_runs(data.path(), &renamed)?;
    for repo in &renamed {
        forge::follow_rename(data.path(), &repo.from, &repo.to)?;
    }
    Ok(())
}

/// The repositories with runs that have not ended.
fn with_unfinished_runs(connection: &Connection) -> rusqlite::Result<HashSet<RepoName>> {
    Ok(store::unfinished_runs(connection)?.into_iter().map(|run| run.repo).collect())
}
