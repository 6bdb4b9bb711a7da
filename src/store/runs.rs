//! The table of runs: the queue, and an index of what the journals say.

use rusqlite::{Connection, Result, Row, params};

use super::updates::{commit_id, ref_name};
use crate::model::{CommitId, Outcome, Progress, RefName, RepoName, RunId, RunName, Timestamp};

/// A run to be recorded.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The id of the repository.
    pub repo: String,
    /// The update that started it.
    pub update: Option<i64>,
    /// The ref.
    pub ref_name: RefName,
    /// The ref's value before.
    pub old: CommitId,
    /// The commit.
    pub sha: CommitId,
    /// What started it: `push`.
    pub event: String,
    /// Who pushed, when that is known.
    pub pusher: Option<String>,
    /// The push options.
    pub options: Vec<String>,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// When it is recorded.
    pub queued_at: Timestamp,
    /// The outcome, with its reason, of a run that never begins.
    pub ended: Option<(Outcome, String)>,
    /// The number of the run that this one repeats.
    pub rerun_of: Option<u64>,
}

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The repository.
    pub repo: RepoName,
    /// The id of the repository.
    pub repo_id: String,
    /// Its number in the repository.
    pub number: u64,
    /// The ref.
    pub ref_name: RefName,
    /// The ref's value before.
    pub old: CommitId,
    /// The commit.
    pub sha: CommitId,
    /// What started it.
    pub event: String,
    /// Who pushed, when that is known.
    pub pusher: Option<String>,
    /// The push options.
    pub options: Vec<String>,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// Where it is.
    pub state: Progress,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why.
    pub reason: Option<String>,
    /// The number of the run that superseded it before it began.
    pub superseded_by: Option<u64>,
    /// The number of the run that this one repeats.
    pub rerun_of: Option<u64>,
    /// When it was recorded.
    pub queued_at: Timestamp,
    /// When its jobs began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl RunRow {
    /// Whether it is a run of a watched repository.
    pub fn is_watched(&self) -> bool {
        self.repo_id.starts_with(super::repos::WATCHED_ID)
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only those of this repository.
    pub repo: Option<RepoName>,
    /// At most this many.
    pub limit: usize,
}

const COLUMNS: &str =
    "r.id, p.name, r.repo, r.number, r.ref, r.old, r.sha, r.event, r.pusher, r.options, r.pushed_at,
    r.state, r.outcome, r.reason, r.superseded_by, r.rerun_of, r.queued_at, r.started_at, r.finished_at";

/// Records a run under the next number of its repository, which it returns.
pub fn insert_run(connection: &Connection, run: &NewRun) -> Result<u64> {
    let number: i64 = connection
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM runs WHERE repo = ?1")?
        .query_row([&run.repo], |row| row.get(0))?;
    let (state, outcome, reason) = match &run.ended {
        Some((outcome, reason)) => (Progress::Finished, Some(outcome.as_str()), Some(reason)),
        None => (Progress::Queued, None, None),
    };
    let finished_at = run.ended.is_some().then_some(run.queued_at.as_millis());
    connection
        .prepare_cached(
            "INSERT INTO runs (id, repo, number, update_id, ref, old, sha, event, pusher, options, pushed_at, state,
                               outcome, reason, rerun_of, queued_at, finished_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            run.id.to_string(),
            run.repo,
            number,
            run.update,
            run.ref_name.as_bytes(),
            run.old.to_string(),
            run.sha.to_string(),
            run.event,
            run.pusher,
            serde_json::to_string(&run.options).unwrap_or_default(),
            run.pushed_at.as_millis(),
            state.as_str(),
            outcome,
            reason,
            run.rerun_of.map(u64::cast_signed),
            run.queued_at.as_millis(),
            finished_at
        ])?;
    Ok(number.cast_unsigned())
}

/// Marks the unfinished older runs of the same ref as superseded by run `number`; returns their ids.
pub fn mark_superseded(
    connection: &Connection,
    repo: &str,
    ref_name: &RefName,
    number: u64,
) -> Result<Vec<RunId>> {
    let mut statement = connection.prepare_cached(
        "UPDATE runs SET superseded_by = ?3 WHERE repo = ?1 AND ref = ?2 AND number < ?3 AND state <> 'finished'
         RETURNING id",
    )?;
    let rows =
        statement.query_map(params![repo, ref_name.as_bytes(), number.cast_signed()], |row| row.get(0))?;
    let ids: Vec<String> = rows.collect::<Result<_>>()?;
    Ok(ids.iter().filter_map(|id| RunId::parse(id)).collect())
}

/// The number of the newest run of a ref that is not a skipped one, if it is newer than `number`.
pub fn newer_run(
    connection: &Connection,
    repo: &str,
    ref_name: &RefName,
    number: u64,
) -> Result<Option<u64>> {
    let newest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(number) FROM runs WHERE repo = ?1 AND ref = ?2 AND outcome IS NOT 'skipped'",
        )?
        .query_row(params![repo, ref_name.as_bytes()], |row| row.get(0))?;
    Ok(newest.map(i64::cast_unsigned).filter(|newest| *newest > number))
}

/// Indexes that a run's jobs have begun.
pub fn mark_started(connection: &Connection, id: RunId, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE runs SET state = 'running', started_at = ?2, reason = NULL WHERE id = ?1 AND state = 'queued'",
        )?
        .execute(params![id.to_string(), at.as_millis()])?;
    Ok(())
}

/// Notes why a queued run is still waiting, or that nothing keeps it from being started any more.
pub fn note_waiting(connection: &Connection, id: RunId, reason: Option<&str>) -> Result<()> {
    connection
        .prepare_cached("UPDATE runs SET reason = ?2 WHERE id = ?1 AND state = 'queued'")?
        .execute(params![id.to_string(), reason])?;
    Ok(())
}

/// Indexes that a run has ended. Returns false when it had ended already.
pub fn finish_run(
    connection: &Connection,
    id: RunId,
    outcome: Outcome,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE runs SET state = 'finished', outcome = ?2, reason = ?3, finished_at = ?4
             WHERE id = ?1 AND state <> 'finished'",
        )?
        .execute(params![id.to_string(), outcome.as_str(), reason, at.as_millis()])?;
    Ok(changed > 0)
}

/// All runs that have not ended, in the order of the queue.
pub fn unfinished_runs(connection: &Connection) -> Result<Vec<RunRow>> {
    query(connection, "r.state <> 'finished' AND p.present = 1 ORDER BY r.seq", [])
}

/// The run with this name.
pub fn find_run(connection: &Connection, name: &RunName) -> Result<Option<RunRow>> {
    let runs = match name {
        RunName::Id(id) => query(connection, "r.id = ?1", [id.to_string()])?,
        RunName::Number(repo, number) => query(
            connection,
            "p.present = 1 AND p.name = ?1 AND r.number = ?2",
            params![repo.as_str(), number.cast_signed()],
        )?,
    };
    Ok(runs.into_iter().next())
}

/// Runs, newest first.
pub fn list_runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>> {
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    match &filter.repo {
        Some(repo) => query(
            connection,
            "p.present = 1 AND p.name = ?1 ORDER BY r.seq DESC LIMIT ?2",
            params![repo.as_str(), limit],
        ),
        None => query(connection, "p.present = 1 ORDER BY r.seq DESC LIMIT ?1", [limit]),
    }
}

fn query(connection: &Connection, condition: &str, values: impl rusqlite::Params) -> Result<Vec<RunRow>> {
    let sql = format!("SELECT {COLUMNS} FROM runs r JOIN repos p ON p.id = r.repo WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(values, read_row)?;
    let rows: Vec<Option<RunRow>> = rows.collect::<Result<_>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// Reads one row of [`COLUMNS`]; `None` when it holds a name that this version does not accept.
fn read_row(row: &Row<'_>) -> Result<Option<RunRow>> {
    let id: String = row.get(0)?;
    let name: String = row.get(1)?;
    let (Some(id), Ok(repo)) = (RunId::parse(&id), RepoName::parse(&name)) else { return Ok(None) };
    let state: String = row.get(11)?;
    let outcome: Option<String> = row.get(12)?;
    let number = |column| row.get::<_, Option<i64>>(column).map(|number| number.map(i64::cast_unsigned));
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp::from_millis));
    Ok(Some(RunRow {
        id,
        repo,
        repo_id: row.get(2)?,
        number: number(3)?.unwrap_or_default(),
        ref_name: ref_name(row, 4)?,
        old: commit_id(row, 5)?,
        sha: commit_id(row, 6)?,
        event: row.get(7)?,
        pusher: row.get(8)?,
        options: serde_json::from_str(&row.get::<_, String>(9)?).unwrap_or_default(),
        pushed_at: time(10)?.unwrap_or(Timestamp::from_millis(0)),
        state: Progress::parse(&state).unwrap_or(Progress::Finished),
        outcome: outcome.map(|word| Outcome::parse(&word).unwrap_or(Outcome::Failed)),
        reason: row.get(13)?,
        superseded_by: number(14)?,
        rerun_of: number(15)?,
        queued_at: time(16)?.unwrap_or(Timestamp::from_millis(0)),
        started_at: time(17)?,
        finished_at: time(18)?,
    }))
}
