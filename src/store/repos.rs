//! The table of repositories.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::model::RepoName;

/// How the ids of copies of watched repositories begin; what follows is the id in their `quire.json`.
pub const WATCHED_ID: &str = "watched:";

/// A repository that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRow {
    /// The id in its `quire.json`.
    pub id: String,
    /// Its name.
    pub name: RepoName,
}

impl RepoRow {
    /// Whether it is the copy of a watched repository.
    pub fn is_watched(&self) -> bool {
        self.id.starts_with(WATCHED_ID)
    }
}

fn row(id: String, name: &str) -> Option<RepoRow> {
    RepoName::parse(name).ok().map(|name| RepoRow { id, name })
}

/// Records that the repository `id` is there under this name; whoever had the name before has lost it.
pub fn sync_repo(connection: &Connection, id: &str, name: &RepoName) -> Result<()> {
    connection
        .prepare_cached("UPDATE repos SET present = 0 WHERE name = ?1 AND id <> ?2 AND present = 1")?
        .execute(params![name.as_str(), id])?;
    connection
        .prepare_cached(
            "INSERT INTO repos (id, name, present) VALUES (?1, ?2, 1)
             ON CONFLICT (id) DO UPDATE SET name = ?2, present = 1 WHERE name <> ?2 OR present = 0",
        )?
        .execute(params![id, name.as_str()])?;
    Ok(())
}

/// Records that the hosted repositories which are not in `present` (by id) are gone.
pub fn forget_missing(connection: &Connection, present: &[String]) -> Result<()> {
    for repo in repos(connection)? {
        if !present.contains(&repo.id) {
            mark_absent(connection, &repo.id)?;
        }
    }
    Ok(())
}

/// Records that a repository is gone.
pub fn mark_absent(connection: &Connection, id: &str) -> Result<()> {
    connection.execute("UPDATE repos SET present = 0 WHERE id = ?1", [id])?;
    Ok(())
}

/// The names that hosted repositories were recorded under, by id; also those of repositories that are gone.
pub fn recorded_names(connection: &Connection) -> Result<HashMap<String, RepoName>> {
    let mut statement =
        connection.prepare_cached("SELECT id, name FROM repos WHERE id NOT LIKE 'watched:%'")?;
    let rows = statement.query_map([], |found| Ok((found.get(0)?, found.get::<_, String>(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_>>()?;
    Ok(rows.into_iter().filter_map(|(id, name)| Some((id, RepoName::parse(&name).ok()?))).collect())
}

/// The name that the repository `id` was recorded under.
pub fn recorded_name(connection: &Connection, id: &str) -> Result<Option<RepoName>> {
    let found = connection
        .prepare_cached("SELECT name FROM repos WHERE id = ?1")?
        .query_row([id], |found| found.get::<_, String>(0))
        .optional()?;
    Ok(found.and_then(|name| RepoName::parse(&name).ok()))
}

/// The repository with this name, hosted or watched.
pub fn find_repo(connection: &Connection, name: &RepoName) -> Result<Option<RepoRow>> {
    let found = connection
        .prepare_cached("SELECT id FROM repos WHERE name = ?1 AND present = 1")?
        .query_row([name.as_str()], |found| found.get::<_, String>(0))
        .optional()?;
    Ok(found.map(|id| RepoRow { id, name: name.clone() }))
}

/// All hosted repositories that are there, by name.
pub fn repos(connection: &Connection) -> Result<Vec<RepoRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name FROM repos WHERE present = 1 AND id NOT LIKE 'watched:%' ORDER BY name",
    )?;
    let rows = statement.query_map([], |found| Ok((found.get(0)?, found.get::<_, String>(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_>>()?;
    Ok(rows.into_iter().filter_map(|(id, name)| row(id, &name)).collect())
}

/// Whether what the repository held when it was adopted has been taken over.
pub fn is_based(connection: &Connection, id: &str) -> Result<bool> {
    connection.prepare_cached("SELECT based FROM repos WHERE id = ?1")?.query_row([id], |row| row.get(0))
}

/// Records that it has been taken over.
pub fn mark_based(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("UPDATE repos SET based = 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}
