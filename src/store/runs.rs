//! The table of runs: the queue, and an index of what the journals say.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use super::repos::{RepoOrigin, read_origin};
use super::run_event::{EVENT_COLUMNS, event_texts, from_json, json, read_event};
use crate::event::Event;
use crate::model::{
    CommitId, Outcome, Progress, Reason, RefName, RepoName, RunId, RunName, Timestamp, codes,
};

/// A run to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) id: RunId,
    /// The id of the repository.
    pub(crate) repo: String,
    /// The update that started it.
    pub(crate) update: Option<i64>,
    /// What started it.
    pub(crate) event: Event,
    /// The first line of the message of its commit.
    pub(crate) commit_subject: Option<String>,
    /// The push options.
    pub(crate) options: Vec<String>,
    /// When it is recorded.
    pub(crate) queued_at: Timestamp,
    /// The outcome, with its reason, of a run that never begins.
    pub(crate) ended: Option<(Outcome, Reason)>,
}

/// A recorded run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its place among the runs of all repositories.
    pub(crate) seq: i64,
    pub(crate) id: RunId,
    pub(crate) repo: RepoName,
    pub(crate) repo_id: String,
    /// Where the repository is from.
    pub(crate) origin: RepoOrigin,
    /// Its number in the repository.
    pub(crate) number: u64,
    /// What started it.
    pub(crate) event: Event,
    /// The first line of the message of its commit; nothing in rows of older versions.
    pub(crate) commit_subject: Option<String>,
    /// The push options.
    pub(crate) options: Vec<String>,
    /// Where it is.
    pub(crate) state: Progress,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
    /// Why.
    pub(crate) reason: Option<Reason>,
    /// The number of the run that superseded it before it began.
    pub(crate) superseded_by: Option<u64>,
    /// When it was recorded.
    pub(crate) queued_at: Timestamp,
    /// When its jobs began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
}

impl RunRow {
    /// Whether it is a run of a watched repository.
    pub(crate) fn is_watched(&self) -> bool {
        self.origin == RepoOrigin::Watched
    }

    /// Whether it is the run of a job folder.
    pub(crate) fn is_of_jobs(&self) -> bool {
        self.origin == RepoOrigin::Jobs
    }
}

/// The columns before those of the event.
const COLUMNS: &str =
    "r.id, p.name, p.origin, r.repo, r.number, r.options, r.state, r.outcome, r.reason, r.reason_code, r.reason_hints,
    r.superseded_by, r.queued_at, r.started_at, r.finished_at, r.commit_subject, r.seq";

/// How many [`COLUMNS`] are.
const FIRST_OF_EVENT: usize = 17;

/// Records a run under the next number of its repository, which it returns.
pub(crate) fn insert_run(connection: &Connection, run: &NewRun) -> Result<u64> {
    let number: i64 = connection
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM runs WHERE repo = ?1")?
        .query_row([&run.repo], |row| row.get(0))?;
    let (state, outcome, reason) = match &run.ended {
        Some((outcome, reason)) => (Progress::Finished, Some(outcome.as_str()), Some(reason)),
        None => (Progress::Queued, None, None),
    };
    let (text, code, hints) = reason_columns(reason)?;
    let finished_at = run.ended.is_some().then_some(run.queued_at.as_millis());
    let (event, texts) = (&run.event, event_texts(&run.event)?);
    let subject = event.subject.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO runs (id, repo, number, update_id, ref, old, sha, event, cause, pusher, options, pushed_at, state,
                               outcome, reason, rerun_of, rerun_what, queued_at, finished_at,
                               reason_code, reason_hints, commit_subject)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
        )?
        .execute(params![
            run.id.to_string(),
            run.repo,
            number,
            run.update,
            subject.map(|update| update.ref_name.as_bytes()),
            subject.map(|update| update.old.to_string()),
            subject.map(|update| update.new.to_string()),
            event.trigger().as_str(),
            texts.cause,
            event.actor,
            json(&run.options)?,
            event.at.as_millis(),
            state.as_str(),
            outcome,
            text,
            event.as_rerun().map(|rerun| rerun.of().cast_signed()),
            texts.rerun_what,
            run.queued_at.as_millis(),
            finished_at,
            code,
            hints,
            run.commit_subject
        ])?;
    Ok(number.cast_unsigned())
}

/// Marks the unfinished older runs of the same ref as superseded by run `number`; returns their ids. A run that somebody has
/// started for its own sake is not one of them.
pub(crate) fn mark_superseded(
    connection: &Connection,
    repo: &str,
    ref_name: &RefName,
    number: u64,
) -> Result<Vec<RunId>> {
    let mut statement = connection.prepare_cached(
        "UPDATE runs INDEXED BY runs_unfinished SET superseded_by = ?3
         WHERE repo = ?1 AND ref = ?2 AND number < ?3 AND state <> 'finished' AND event <> 'manual'
         RETURNING id",
    )?;
    let rows =
        statement.query_map(params![repo, ref_name.as_bytes(), number.cast_signed()], |row| row.get(0))?;
    let ids: Vec<String> = rows.collect::<Result<_>>()?;
    ids.iter().map(|id| run_id(0, id)).collect()
}

/// Notes why a queued run is still waiting, or that nothing keeps it from being started any more.
pub(crate) fn note_waiting(connection: &Connection, id: RunId, reason: Option<&Reason>) -> Result<()> {
    let (text, code, hints) = reason_columns(reason)?;
    connection
        .prepare_cached(
            "UPDATE runs SET reason = ?2, reason_code = ?3, reason_hints = ?4 WHERE id = ?1 AND state = 'queued'",
        )?
        .execute(params![id.to_string(), text, code, hints])?;
    Ok(())
}

/// Indexes that a run has ended. Returns false when it had ended already.
pub(crate) fn finish_run(
    connection: &Connection,
    id: RunId,
    outcome: Outcome,
    reason: Option<&Reason>,
    at: Timestamp,
) -> Result<bool> {
    let (text, code, hints) = reason_columns(reason)?;
    let changed = connection
        .prepare_cached(
            "UPDATE runs SET state = 'finished', outcome = ?2, reason = ?3, finished_at = ?4, reason_code = ?5,
                             reason_hints = ?6
             WHERE id = ?1 AND state <> 'finished'",
        )?
        .execute(params![id.to_string(), outcome.as_str(), text, at.as_millis(), code, hints])?;
    Ok(changed > 0)
}

/// All runs that have not ended, in the order of the queue.
pub(crate) fn unfinished_runs(connection: &Connection) -> Result<Vec<RunRow>> {
    let from = "FROM runs r INDEXED BY runs_unfinished JOIN repos p ON p.id = r.repo
                WHERE r.state <> 'finished' AND p.present = 1 ORDER BY r.seq";
    query(connection, from, [])
}

/// All runs that have not ended, and the row of the newest run.
pub(crate) fn whole_queue(connection: &Connection) -> Result<(Vec<RunRow>, i64)> {
    let newest = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM runs")?
        .query_row([], |row| row.get(0))?;
    Ok((unfinished_runs(connection)?, newest))
}

/// The runs behind a row that have not ended, in the order of the queue.
pub(crate) fn unfinished_runs_since(connection: &Connection, seq: i64) -> Result<Vec<RunRow>> {
    let from = "FROM runs r JOIN repos p ON p.id = r.repo
                WHERE r.seq > ?1 AND r.state <> 'finished' AND p.present = 1 ORDER BY r.seq";
    query(connection, from, [seq])
}

/// Whether a ref has had this many runs since a moment.
pub(crate) fn has_runs_since(
    connection: &Connection,
    (repo, name): (&str, &RefName),
    since: Timestamp,
    runs: usize,
) -> Result<bool> {
    let behind = i64::try_from(runs).unwrap_or(i64::MAX).saturating_sub(1);
    let queued_at: Option<i64> = connection
        .prepare_cached(
            "SELECT queued_at FROM runs INDEXED BY runs_by_ref WHERE repo = ?1 AND ref = ?2
             ORDER BY seq DESC LIMIT 1 OFFSET ?3",
        )?
        .query_row(params![repo, name.as_bytes(), behind], |row| row.get(0))
        .optional()?;
    Ok(queued_at.is_some_and(|at| at > since.as_millis()))
}

/// How many runs of a repository began since a moment with a ref that had moved without a push.
pub(crate) fn unannounced_runs(connection: &Connection, repo: &str, since: Timestamp) -> Result<usize> {
    let count: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM runs r INDEXED BY runs_by_time JOIN updates u ON u.id = r.update_id
             WHERE r.queued_at > ?2 AND r.repo = ?1 AND u.push IS NULL",
        )?
        .query_row(params![repo, since.as_millis()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The commits of the runs of a ref that have not ended.
pub(crate) fn unfinished_commits(
    connection: &Connection,
    repo: &str,
    name: &RefName,
) -> Result<Vec<(RunId, CommitId)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, sha FROM runs INDEXED BY runs_unfinished
         WHERE state <> 'finished' AND repo = ?1 AND ref = ?2 AND sha IS NOT NULL",
    )?;
    let rows = statement.query_map(params![repo, name.as_bytes()], |row| {
        let sha: String = row.get(1)?;
        let commit = CommitId::parse(&sha).map_err(|_| damaged(1, "commit id", &sha))?;
        Ok((run_id(0, &row.get::<_, String>(0)?)?, commit))
    })?;
    rows.collect()
}

/// The run with this name.
pub(crate) fn find_run(connection: &Connection, name: &RunName) -> Result<Option<RunRow>> {
    let runs = match name {
        RunName::Id(id) => {
            let from = "FROM runs r JOIN repos p ON p.id = r.repo WHERE r.id = ?1";
            query(connection, from, [id.to_string()])?
        }
        RunName::Number(repo, number) => {
            let from = "FROM runs r JOIN repos p ON p.id = r.repo
                        WHERE p.present = 1 AND p.name = ?1 AND r.number = ?2";
            query(connection, from, params![repo.as_str(), number.cast_signed()])?
        }
    };
    Ok(runs.into_iter().next())
}

/// The runs of a query, whose text begins with `FROM runs r` and joins the repositories as `p`.
pub(super) fn query(
    connection: &Connection,
    from: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<RunRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS}, {EVENT_COLUMNS} {from}"))?;
    let rows = statement.query_map(values, read_row)?;
    rows.collect()
}

/// The columns of a reason: its text, its word, its hints.
pub(super) fn reason_columns(
    reason: Option<&Reason>,
) -> Result<(Option<&str>, Option<&str>, Option<String>)> {
    let Some(Reason { code, text, hints }) = reason else { return Ok((None, None, None)) };
    Ok((Some(text), Some(code), Some(json(hints)?)))
}

/// Reads the columns of a reason: `first` and the two behind it. Those of older versions have a text alone.
pub(super) fn read_reason(row: &Row<'_>, first: usize) -> Result<Option<Reason>> {
    let Some(text) = row.get::<_, Option<String>>(first)? else { return Ok(None) };
    let code: Option<String> = row.get(first + 1)?;
    let hints = match row.get::<_, Option<String>>(first + 2)? {
        Some(hints) => from_json(first + 2, &hints)?,
        None => Vec::new(),
    };
    Ok(Some(Reason { code: code.unwrap_or_else(|| codes::OTHER.to_owned()), text, hints }))
}

/// Reads the column of an outcome.
pub(super) fn read_outcome(row: &Row<'_>, column: usize) -> Result<Option<Outcome>> {
    let Some(word) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    Ok(Some(Outcome::parse(&word).ok_or_else(|| damaged(column, "outcome", &word))?))
}

pub(super) fn run_id(column: usize, id: &str) -> Result<RunId> {
    RunId::parse(id).map_err(|_| damaged(column, "run id", id))
}

/// Reads one row of [`COLUMNS`] and [`EVENT_COLUMNS`].
fn read_row(row: &Row<'_>) -> Result<RunRow> {
    let text = |column| row.get::<_, String>(column);
    let number = |column| row.get::<_, Option<i64>>(column).map(|number| number.map(i64::cast_unsigned));
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp::from_millis));
    let (name, state) = (text(1)?, text(6)?);
    let outcome = read_outcome(row, 7)?;
    Ok(RunRow {
        id: run_id(0, &text(0)?)?,
        repo: RepoName::parse(&name).map_err(|_| damaged(1, "repository name", &name))?,
        origin: read_origin(row, 2)?,
        repo_id: text(3)?,
        number: row.get::<_, i64>(4)?.cast_unsigned(),
        options: from_json(5, &text(5)?)?,
        state: Progress::parse(&state).ok_or_else(|| damaged(6, "state of a run", &state))?,
        outcome,
        reason: read_reason(row, 8)?,
        superseded_by: number(11)?,
        queued_at: Timestamp::from_millis(row.get(12)?),
        started_at: time(13)?,
        finished_at: time(14)?,
        commit_subject: row.get(15)?,
        seq: row.get(16)?,
        event: read_event(row, FIRST_OF_EVENT)?,
    })
}

/// The newest run of the same ref before a run that passed or failed in any way: its number and how it ended.
pub(crate) fn run_before(connection: &Connection, row: &RunRow) -> Result<Option<(u64, Outcome)>> {
    let Some(update) = &row.event.subject else { return Ok(None) };
    let found = connection
        .prepare_cached(
            "SELECT number, outcome FROM runs WHERE repo = ?1 AND ref = ?2 AND seq < ?3 AND state = 'finished'
               AND outcome NOT IN ('cancelled', 'superseded', 'skipped') AND instr(options, '\"ci.only=') = 0
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![row.repo_id, update.ref_name.as_bytes(), row.seq], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), read_outcome(row, 1)?))
        })
        .optional()?;
    Ok(found.and_then(|(number, outcome)| Some((number, outcome?))))
}

/// How many milliseconds the last runs of a repository that have passed took, newest first, at most `limit`.
pub(crate) fn passed_lengths(connection: &Connection, row: &RunRow, limit: u32) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT finished_at - started_at FROM runs WHERE repo = ?1 AND outcome = 'passed' AND seq < ?2
           AND started_at IS NOT NULL AND instr(options, '\"ci.only=') = 0 ORDER BY seq DESC LIMIT ?3",
    )?;
    statement.query_map(params![row.repo_id, row.seq, limit], |row| row.get(0))?.collect()
}
