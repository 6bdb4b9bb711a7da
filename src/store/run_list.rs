//! Lists of runs, newest first. Every list walks an index from its newest row, and ends at its limit.

use std::cmp::Reverse;

use rusqlite::{Connection, OptionalExtension, Result, ToSql};

use super::repos::find_repo;
use super::run_event::json;
use super::runs::{RunRow, query};
use crate::event::Trigger;
use crate::model::{CommitId, Outcome, Progress, RefName, RepoName, Timestamp};

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFilter {
    /// Only those of this repository.
    pub(crate) repo: Option<RepoName>,
    /// Only those of the repositories with these ids: what the caller may see.
    pub(crate) visible: Option<Vec<String>>,
    /// Only those of these refs; of all when there are none.
    pub(crate) ref_names: Vec<RefName>,
    /// Only those of this commit.
    pub(crate) sha: Option<CommitId>,
    /// Only those that events of these kinds started; of all when there are none.
    pub(crate) triggers: Vec<Trigger>,
    /// Only those that ended so.
    pub(crate) outcome: Option<Outcome>,
    /// Only those in this state.
    pub(crate) state: Option<Progress>,
    /// Only those that have a job with this id, once their jobs have begun.
    pub(crate) job: Option<String>,
    /// Only those that were recorded since this time.
    pub(crate) since: Option<Timestamp>,
    /// Only those that were recorded until this time.
    pub(crate) until: Option<Timestamp>,
    /// Only those before this row.
    pub(crate) before: Option<i64>,
    /// At most this many.
    pub(crate) limit: usize,
}

impl RunFilter {
    /// The newest runs of a repository, or of all.
    pub(crate) fn newest(repo: Option<RepoName>, limit: usize) -> Self {
        Self { repo, limit, ..Self::default() }
    }
}

/// What each list asks of its rows, whatever index it walks.
const CONDITIONS: &str =
    "r.seq >= ?1 AND r.seq < ?2 AND (?3 IS NULL OR r.repo IN (SELECT value FROM json_each(?3)))
    AND (?4 IS NULL OR r.state = ?4) AND (?5 IS NULL OR r.outcome = ?5) AND (?6 IS NULL OR r.event = ?6)
    AND (?7 IS NULL OR r.sha = ?7) AND (?8 IS NULL OR r.ref = ?8)
    AND (?9 IS NULL OR EXISTS (SELECT 1 FROM jobs j WHERE j.run = r.seq AND j.name = ?9))";

/// Runs, newest first.
pub(crate) fn list_runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>> {
    let Some(first) = filter.since.map_or(Ok(Some(0)), |since| first_since(connection, since))? else {
        return Ok(Vec::new());
    };
    let after_until = filter.until.map(|until| Timestamp::from_millis(until.as_millis().saturating_add(1)));
    let after_until = after_until.map_or(Ok(None), |after| first_since(connection, after))?;
    let before = [filter.before, after_until].into_iter().flatten().min().unwrap_or(i64::MAX);
    let repos = repo_ids(connection, filter)?;
    let mut runs = Vec::new();
    for ref_name in or_all(&filter.ref_names) {
        for trigger in or_all(&filter.triggers) {
            let list = List {
                connection,
                filter,
                ref_name,
                trigger: trigger.copied(),
                range: (first, before),
                repos: repos.as_deref(),
                limit: i64::try_from(filter.limit).unwrap_or(i64::MAX),
            };
            runs.extend(list.rows()?);
        }
    }
    runs.sort_by_key(|run: &RunRow| Reverse(run.seq));
    runs.truncate(filter.limit);
    Ok(runs)
}

/// Each of some values, or nothing once, which stands for all.
fn or_all<T>(values: &[T]) -> Vec<Option<&T>> {
    if values.is_empty() { vec![None] } else { values.iter().map(Some).collect() }
}

/// The row of the first run since a time; nothing when there is none.
fn first_since(connection: &Connection, since: Timestamp) -> Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT seq FROM runs INDEXED BY runs_by_time WHERE queued_at >= ?1 ORDER BY queued_at LIMIT 1",
        )?
        .query_row([since.as_millis()], |row| row.get(0))
        .optional()
}

/// The ids of the repositories that a filter names; nothing when it means all.
fn repo_ids(connection: &Connection, filter: &RunFilter) -> Result<Option<Vec<String>>> {
    let Some(name) = &filter.repo else { return Ok(filter.visible.clone()) };
    let found = find_repo(connection, name)?.map(|repo| repo.id);
    let is_visible = |id: &String| filter.visible.as_ref().is_none_or(|visible| visible.contains(id));
    Ok(Some(found.into_iter().filter(is_visible).collect()))
}

/// A list that is being made: of one ref and one kind of event, or of all.
struct List<'a> {
    connection: &'a Connection,
    filter: &'a RunFilter,
    ref_name: Option<&'a RefName>,
    trigger: Option<Trigger>,
    /// The first row that counts, and the first behind the last.
    range: (i64, i64),
    /// The repositories; all when absent.
    repos: Option<&'a [String]>,
    limit: i64,
}

impl List<'_> {
    /// The rows, by the index that leaves out most.
    fn rows(&self) -> Result<Vec<RunRow>> {
        let filter = self.filter;
        if matches!(filter.state, Some(Progress::Queued | Progress::Running)) {
            // There are few.
            let from = format!(
                "FROM runs r INDEXED BY runs_unfinished JOIN repos p ON p.id = r.repo
                 WHERE r.state <> 'finished' AND p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            );
            return self.query(&from, self.repos);
        }
        if filter.sha.is_some() {
            let from = format!(
                "FROM runs r INDEXED BY runs_by_sha JOIN repos p ON p.id = r.repo
                 WHERE r.sha = ?7 AND p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            );
            return self.query(&from, self.repos);
        }
        let is_narrow = self.ref_name.is_some() || filter.outcome.is_some() || self.trigger.is_some();
        if filter.job.is_some() && !is_narrow {
            let from = format!(
                "FROM jobs named INDEXED BY jobs_by_name CROSS JOIN runs r ON r.seq = named.run JOIN repos p ON p.id = r.repo
                 WHERE named.name = ?9 AND named.run >= ?1 AND named.run < ?2 AND p.present = 1 AND {CONDITIONS}
                 ORDER BY named.run DESC LIMIT ?10"
            );
            return self.query(&from, self.repos);
        }
        if self.repos.is_none() && !is_narrow {
            let from = format!(
                "FROM runs r JOIN repos p ON p.id = r.repo WHERE p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            );
            return self.query(&from, None);
        }
        self.of_each_repo()
    }

    /// The rows of each repository.
    fn of_each_repo(&self) -> Result<Vec<RunRow>> {
        let repos = match self.repos {
            Some(repos) => repos.to_vec(),
            None => present_repos(self.connection)?,
        };
        let from = if self.ref_name.is_some() {
            format!(
                "FROM runs r INDEXED BY runs_by_ref JOIN repos p ON p.id = r.repo
                 WHERE r.repo = ?11 AND r.ref = ?8 AND p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            )
        } else if self.filter.outcome.is_some() {
            format!(
                "FROM runs r INDEXED BY runs_by_outcome JOIN repos p ON p.id = r.repo
                 WHERE r.repo = ?11 AND r.outcome = ?5 AND p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            )
        } else if self.trigger.is_some() {
            format!(
                "FROM runs r INDEXED BY runs_by_event JOIN repos p ON p.id = r.repo
                 WHERE r.repo = ?11 AND r.event = ?6 AND p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            )
        } else {
            format!(
                "FROM runs r INDEXED BY runs_by_repo JOIN repos p ON p.id = r.repo
                 WHERE r.repo = ?11 AND p.present = 1 AND {CONDITIONS} ORDER BY r.seq DESC LIMIT ?10"
            )
        };
        let lists = repos.iter().map(|repo| self.query_of(&from, None, Some(repo)));
        Ok(lists.collect::<Result<Vec<_>>>()?.concat())
    }

    fn query(&self, from: &str, repos: Option<&[String]>) -> Result<Vec<RunRow>> {
        self.query_of(from, repos, None)
    }

    fn query_of(&self, from: &str, repos: Option<&[String]>, repo: Option<&str>) -> Result<Vec<RunRow>> {
        let filter = self.filter;
        let (first, before) = self.range;
        let repos = repos.map(|repos| json(&repos)).transpose()?;
        let (state, outcome) = (filter.state.map(Progress::as_str), filter.outcome.map(Outcome::as_str));
        let (event, sha) = (self.trigger.map(Trigger::as_str), filter.sha.map(|sha| sha.to_string()));
        let ref_name = self.ref_name.map(RefName::as_bytes);
        let values: [&dyn ToSql; 10] =
            [&first, &before, &repos, &state, &outcome, &event, &sha, &ref_name, &filter.job, &self.limit];
        match repo {
            None => query(self.connection, from, values.as_slice()),
            Some(repo) => query(self.connection, from, [values.as_slice(), &[&repo]].concat().as_slice()),
        }
    }
}

/// The ids of the present repositories.
fn present_repos(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT id FROM repos WHERE present = 1")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}
