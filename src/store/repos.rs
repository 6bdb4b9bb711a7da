//! The table of repositories.

use std::collections::HashMap;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use crate::model::RepoName;

/// The origin of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RepoOrigin {
    /// People push to it here.
    Hosted,
    /// It is the copy of a watched remote.
    Watched,
    /// It is none: the runs of job folders are counted under its name.
    Jobs,
}

impl RepoOrigin {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hosted => "hosted",
            Self::Watched => "watched",
            Self::Jobs => "jobs",
        }
    }
}

/// An existing repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRow {
    /// Its id: a hosted one's is that in its `quire.json`.
    pub(crate) id: String,
    pub(crate) name: RepoName,
    pub(crate) origin: RepoOrigin,
}

impl RepoRow {
    /// A hosted repository.
    pub(crate) fn hosted(id: String, name: RepoName) -> Self {
        Self { id, name, origin: RepoOrigin::Hosted }
    }

    /// The copy of a watched remote, by the id in its `quire.json`. A hosted repository that was made from its folder has the
    /// same id, and is another row nevertheless.
    pub(crate) fn watched(identity: &str, name: RepoName) -> Self {
        Self { id: format!("watched:{identity}"), name, origin: RepoOrigin::Watched }
    }

    /// What stands for a repository in the runs of job folders.
    pub(crate) fn of_jobs() -> Self {
        Self { id: "jobs".to_owned(), name: RepoName::of_jobs(), origin: RepoOrigin::Jobs }
    }

    /// Whether it is the copy of a watched repository.
    pub(crate) fn is_watched(&self) -> bool {
        self.origin == RepoOrigin::Watched
    }
}

/// Reads an origin from a column.
pub(super) fn read_origin(row: &Row<'_>, column: usize) -> Result<RepoOrigin> {
    let word: String = row.get(column)?;
    [RepoOrigin::Hosted, RepoOrigin::Watched, RepoOrigin::Jobs]
        .into_iter()
        .find(|origin| origin.as_str() == word)
        .ok_or_else(|| damaged(column, "origin of a repository", &word))
}

pub(super) fn read_name(column: usize, name: &str) -> Result<RepoName> {
    RepoName::parse(name).map_err(|_| damaged(column, "repository name", name))
}

/// Records that a repository exists under its name; another repository that had the name loses it.
pub(crate) fn sync_repo(connection: &Connection, repo: &RepoRow) -> Result<()> {
    let (id, name) = (&repo.id, repo.name.as_str());
    connection
        .prepare_cached("UPDATE repos SET present = 0 WHERE name = ?1 AND id <> ?2 AND present = 1")?
        .execute(params![name, id])?;
    connection
        .prepare_cached(
            "INSERT INTO repos (id, name, present, origin) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (id) DO UPDATE SET name = ?2, present = 1 WHERE name <> ?2 OR present = 0",
        )?
        .execute(params![id, name, repo.origin.as_str()])?;
    Ok(())
}

/// Records that the hosted repositories which are not in `present` (by id) are gone.
pub(crate) fn forget_missing(connection: &Connection, present: &[String]) -> Result<()> {
    for repo in repos(connection)? {
        if !present.contains(&repo.id) {
            mark_absent(connection, &repo.id)?;
        }
    }
    Ok(())
}

/// Records that a repository is gone.
pub(crate) fn mark_absent(connection: &Connection, id: &str) -> Result<()> {
    connection.execute("UPDATE repos SET present = 0 WHERE id = ?1", [id])?;
    Ok(())
}

/// The recorded names of hosted repositories, by id; also those of removed repositories.
pub(crate) fn recorded_names(connection: &Connection) -> Result<HashMap<String, RepoName>> {
    let mut statement = connection.prepare_cached("SELECT id, name FROM repos WHERE origin = 'hosted'")?;
    let rows = statement.query_map([], |found| Ok((found.get(0)?, found.get::<_, String>(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_>>()?;
    rows.into_iter().map(|(id, name)| Ok((id, read_name(1, &name)?))).collect()
}

/// The folders of all runs, by name, with the last number of a run that is known in each.
pub(crate) fn last_numbers(connection: &Connection) -> Result<HashMap<PathBuf, u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT present, name, (SELECT coalesce(max(number), 0) FROM runs WHERE repo = repos.id) FROM repos",
    )?;
    let rows = statement
        .query_map([], |found| Ok((found.get::<_, bool>(0)?, found.get::<_, String>(1)?, found.get(2)?)))?;
    let mut rows: Vec<(bool, String, i64)> = rows.collect::<Result<_>>()?;
    // The repository that has the name now comes last.
    rows.sort();
    rows.into_iter()
        .map(|(_, name, last)| Ok((read_name(0, &name)?.folder(), last.cast_unsigned())))
        .collect()
}

/// The recorded name of the repository `id`.
pub(crate) fn recorded_name(connection: &Connection, id: &str) -> Result<Option<RepoName>> {
    let found = connection
        .prepare_cached("SELECT name FROM repos WHERE id = ?1")?
        .query_row([id], |found| found.get::<_, String>(0))
        .optional()?;
    found.map(|name| read_name(0, &name)).transpose()
}

/// The repository with this name, hosted or watched.
pub(crate) fn find_repo(connection: &Connection, name: &RepoName) -> Result<Option<RepoRow>> {
    connection
        .prepare_cached("SELECT id, origin FROM repos WHERE name = ?1 AND present = 1")?
        .query_row([name.as_str()], |found| {
            Ok(RepoRow { id: found.get(0)?, name: name.clone(), origin: read_origin(found, 1)? })
        })
        .optional()
}

/// All existing hosted repositories, by name.
pub(crate) fn repos(connection: &Connection) -> Result<Vec<RepoRow>> {
    let mut statement = connection
        .prepare_cached("SELECT id, name FROM repos WHERE present = 1 AND origin = 'hosted' ORDER BY name")?;
    let rows = statement.query_map([], |found| Ok((found.get(0)?, found.get::<_, String>(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_>>()?;
    rows.into_iter().map(|(id, name)| Ok(RepoRow::hosted(id, read_name(1, &name)?))).collect()
}

/// Whether the baseline of the repository has been taken over.
pub(crate) fn is_based(connection: &Connection, id: &str) -> Result<bool> {
    connection.prepare_cached("SELECT based FROM repos WHERE id = ?1")?.query_row([id], |row| row.get(0))
}

/// Records that the baseline has been taken over.
pub(crate) fn mark_based(connection: &Connection, id: &str) -> Result<()> {
    connection.prepare_cached("UPDATE repos SET based = 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}
