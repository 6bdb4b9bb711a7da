//! Lists of runs, newest first. Every list walks an index from its newest row, and ends at its limit.

use std::cmp::Reverse;

use rusqlite::{Connection, Result, params};

use super::repos::find_repo;
use super::runs::{RunRow, query};
use crate::model::{Outcome, Progress, RefName, RepoName, Timestamp};

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only those of this repository.
    pub repo: Option<RepoName>,
    /// Only those of these refs; of all when there are none.
    pub ref_names: Vec<RefName>,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// Only those in this state.
    pub state: Option<Progress>,
    /// Only those that were recorded since this time.
    pub since: Option<Timestamp>,
    /// At most this many.
    pub limit: usize,
}

impl RunFilter {
    /// The newest runs of a repository, or of all.
    pub fn newest(repo: Option<RepoName>, limit: usize) -> Self {
        Self { repo, limit, ..Self::default() }
    }
}

/// Runs, newest first.
pub fn list_runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>> {
    let Some(first) = first_since(connection, filter.since)? else { return Ok(Vec::new()) };
    let list = List { connection, filter, first, limit: i64::try_from(filter.limit).unwrap_or(i64::MAX) };
    if matches!(filter.state, Some(Progress::Queued | Progress::Running)) {
        return Ok(list.newest(vec![list.unfinished()?]));
    }
    let repos = match (&filter.repo, filter.ref_names.is_empty() && filter.outcome.is_none()) {
        (None, true) => return list.of_all(),
        (name, _) => repo_ids(connection, name.as_ref())?,
    };
    let lists = repos.iter().map(|repo| list.of_repo(repo)).collect::<Result<Vec<_>>>()?;
    Ok(list.newest(lists.concat()))
}

/// The row of the first run since a time; nothing when there is none.
fn first_since(connection: &Connection, since: Option<Timestamp>) -> Result<Option<i64>> {
    let Some(since) = since else { return Ok(Some(0)) };
    connection
        .prepare_cached("SELECT min(seq) FROM runs INDEXED BY runs_by_time WHERE queued_at >= ?1")?
        .query_row([since.as_millis()], |row| row.get(0))
}

/// The ids of the present repositories, or of the one with this name.
fn repo_ids(connection: &Connection, name: Option<&RepoName>) -> Result<Vec<String>> {
    if let Some(name) = name {
        return Ok(find_repo(connection, name)?.map(|repo| repo.id).into_iter().collect());
    }
    let mut statement = connection.prepare_cached("SELECT id FROM repos WHERE present = 1")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// A list that is being made.
struct List<'a> {
    connection: &'a Connection,
    filter: &'a RunFilter,
    /// The first row that counts.
    first: i64,
    limit: i64,
}

impl List<'_> {
    fn state(&self) -> Option<&'static str> {
        self.filter.state.map(Progress::as_str)
    }

    fn outcome(&self) -> Option<&'static str> {
        self.filter.outcome.map(Outcome::as_str)
    }

    /// The newest of several lists.
    fn newest(&self, lists: Vec<Vec<RunRow>>) -> Vec<RunRow> {
        let mut runs = lists.concat();
        runs.sort_by_key(|run| Reverse(run.seq));
        runs.truncate(self.filter.limit);
        runs
    }

    /// The runs of all repositories.
    fn of_all(&self) -> Result<Vec<RunRow>> {
        let from = "FROM runs r JOIN repos p ON p.id = r.repo
                    WHERE p.present = 1 AND r.seq >= ?1 AND (?2 IS NULL OR r.state = ?2)
                    ORDER BY r.seq DESC LIMIT ?3";
        query(self.connection, from, params![self.first, self.state(), self.limit])
    }

    /// The runs that are queued or running, of which there are few.
    fn unfinished(&self) -> Result<Vec<RunRow>> {
        let from = "FROM runs r INDEXED BY runs_unfinished JOIN repos p ON p.id = r.repo
                    WHERE r.state <> 'finished' AND p.present = 1 AND r.state = ?1 AND r.seq >= ?2
                      AND (?3 IS NULL OR p.name = ?3)
                    ORDER BY r.seq DESC";
        let name = self.filter.repo.as_ref().map(RepoName::as_str);
        let mut runs = query(self.connection, from, params![self.state(), self.first, name])?;
        let is_of = |run: &RunRow| {
            let subject = run.event.subject.as_ref();
            self.filter.ref_names.is_empty()
                || subject.is_some_and(|update| self.filter.ref_names.contains(&update.ref_name))
        };
        runs.retain(|run| {
            is_of(run) && (self.filter.outcome.is_none() || run.outcome == self.filter.outcome)
        });
        Ok(runs)
    }

    /// The runs of one repository: a list for each ref.
    fn of_repo(&self, repo: &str) -> Result<Vec<Vec<RunRow>>> {
        let (state, outcome) = (self.state(), self.outcome());
        if !self.filter.ref_names.is_empty() {
            let from = "FROM runs r INDEXED BY runs_by_ref JOIN repos p ON p.id = r.repo
                        WHERE r.repo = ?1 AND r.ref = ?2 AND r.seq >= ?3 AND (?4 IS NULL OR r.state = ?4)
                          AND (?5 IS NULL OR r.outcome = ?5)
                        ORDER BY r.seq DESC LIMIT ?6";
            let of_ref = |name: &RefName| {
                let values = params![repo, name.as_bytes(), self.first, state, outcome, self.limit];
                query(self.connection, from, values)
            };
            return self.filter.ref_names.iter().map(of_ref).collect();
        }
        let list = if outcome.is_some() {
            let from = "FROM runs r INDEXED BY runs_by_outcome JOIN repos p ON p.id = r.repo
                        WHERE r.repo = ?1 AND r.outcome = ?2 AND r.seq >= ?3 ORDER BY r.seq DESC LIMIT ?4";
            query(self.connection, from, params![repo, outcome, self.first, self.limit])
        } else {
            let from = "FROM runs r INDEXED BY runs_by_repo JOIN repos p ON p.id = r.repo
                        WHERE r.repo = ?1 AND r.seq >= ?2 AND (?3 IS NULL OR r.state = ?3)
                        ORDER BY r.seq DESC LIMIT ?4";
            query(self.connection, from, params![repo, self.first, state, self.limit])
        };
        Ok(vec![list?])
    }
}
