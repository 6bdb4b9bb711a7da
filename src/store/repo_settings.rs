//! What people say about repositories.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use super::repos::{RepoRow, read_name, read_origin};
use crate::model::Visibility;

/// What is said about a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepoSettings {
    /// What it is, in a line.
    pub(crate) description: Option<String>,
    /// Who may see it; the default of the server when absent.
    pub(crate) visibility: Option<Visibility>,
    /// Who may see the logs of its runs; the default of the server when absent.
    pub(crate) log_visibility: Option<Visibility>,
}

/// What is said about the repository `id`; `None` when it was removed.
pub fn repo_settings(connection: &Connection, id: &str) -> Result<Option<RepoSettings>> {
    connection
        .prepare_cached(
            "SELECT description, visibility, log_visibility FROM repos WHERE id = ?1 AND present = 1",
        )?
        .query_row([id], read_settings)
        .optional()
}

/// The row of the repository `id`, and what is said about it, also when it was removed.
pub fn recorded_settings(connection: &Connection, id: &str) -> Result<Option<(i64, RepoSettings)>> {
    connection
        .prepare_cached("SELECT description, visibility, log_visibility, rowid FROM repos WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(3)?, read_settings(row)?)))
        .optional()
}

fn read_settings(row: &Row<'_>) -> Result<RepoSettings> {
    Ok(RepoSettings {
        description: row.get(0)?,
        visibility: read_visibility(row, 1)?,
        log_visibility: read_visibility(row, 2)?,
    })
}

fn read_visibility(row: &Row<'_>, column: usize) -> Result<Option<Visibility>> {
    let Some(word) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    Ok(Some(Visibility::parse(&word).ok_or_else(|| damaged(column, "visibility", &word))?))
}

/// Records what is said about the repository `id`.
pub fn save_repo_settings(connection: &Connection, id: &str, settings: &RepoSettings) -> Result<()> {
    let word = |visibility: Option<Visibility>| visibility.map(Visibility::as_str);
    connection
        .prepare_cached(
            "UPDATE repos SET description = ?2, visibility = ?3, log_visibility = ?4 WHERE id = ?1",
        )?
        .execute(params![
            id,
            settings.description,
            word(settings.visibility),
            word(settings.log_visibility)
        ])?;
    Ok(())
}

/// Hosted repositories, newest first, each with its row: those with these ids or all, before a row, at most `limit`.
pub fn list_repos(
    connection: &Connection,
    visible: Option<&[String]>,
    (before, limit): (Option<i64>, usize),
) -> Result<Vec<(i64, RepoRow)>> {
    let visible = visible.map(|ids| super::run_event::json(&ids)).transpose()?;
    let mut statement = connection.prepare_cached(
        "SELECT rowid, id, name FROM repos
         WHERE rowid < ?1 AND present = 1 AND origin = 'hosted'
           AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2)))
         ORDER BY rowid DESC LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![before.unwrap_or(i64::MAX), visible, limit], |row| {
        let name: String = row.get(2)?;
        Ok((row.get(0)?, RepoRow::hosted(row.get(1)?, read_name(2, &name)?)))
    })?;
    rows.collect()
}

/// All present repositories, hosted and watched, with what is said about them.
pub fn all_repo_settings(connection: &Connection) -> Result<Vec<(RepoRow, RepoSettings)>> {
    let mut statement = connection.prepare_cached("SELECT id, name, origin FROM repos WHERE present = 1")?;
    let rows = statement.query_map([], |row| {
        let name: String = row.get(1)?;
        Ok(RepoRow { id: row.get(0)?, name: read_name(1, &name)?, origin: read_origin(row, 2)? })
    })?;
    let rows: Vec<RepoRow> = rows.collect::<Result<_>>()?;
    let settings = |row: &RepoRow| repo_settings(connection, &row.id).map(Option::unwrap_or_default);
    rows.into_iter().map(|row| settings(&row).map(|settings| (row, settings))).collect()
}
