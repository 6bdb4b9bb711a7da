//! What the index of runs says about the jobs of a run, and its repetitions.

use rusqlite::{Connection, Result, Row, params};

use super::run_event::from_json;
use super::runs::{RunRow, read_outcome, read_reason};
use crate::model::{CommitId, JobId, Outcome, Reason, RefName, RepoName, Timestamp};

/// A job of a run, without its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobRow {
    pub(crate) id: String,
    /// What it needs: ids of jobs and event sources.
    pub(crate) needs: Vec<String>,
    /// The job that has added it to the graph.
    pub(crate) added_by: Option<String>,
    /// The attempt of the run that it belongs to.
    pub(crate) attempt: u32,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
    /// Why.
    pub(crate) reason: Option<Reason>,
    /// When it began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
}

/// The jobs of a run, in the order of the pipeline; none before its jobs have begun.
pub(crate) fn jobs_of(connection: &Connection, run: &RunRow) -> Result<Vec<JobRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, needs, added_by, attempt, outcome, reason, reason_code, reason_hints, started_at, finished_at
         FROM jobs WHERE run = ?1 ORDER BY place",
    )?;
    let rows = statement.query_map([run.seq], read_job)?;
    rows.collect()
}

fn read_job(row: &Row<'_>) -> Result<JobRow> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp::from_millis));
    Ok(JobRow {
        id: row.get(0)?,
        needs: from_json(1, &row.get::<_, String>(1)?)?,
        added_by: row.get(2)?,
        attempt: row.get(3)?,
        outcome: read_outcome(row, 4)?,
        reason: read_reason(row, 5)?,
        started_at: time(8)?,
        finished_at: time(9)?,
    })
}

/// Whether a job has passed in a finished run of a commit that was pushed to another ref. A run with variables of its own may have
/// tested something else.
pub(crate) fn has_passed(
    connection: &Connection,
    repo: &RepoName,
    (job, commit, not_on): (&JobId, CommitId, &RefName),
) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM runs JOIN jobs ON jobs.run = runs.seq AND jobs.name = ?1
         WHERE runs.sha = ?2 AND runs.repo = (SELECT id FROM repos WHERE name = ?3 AND present = 1)
           AND runs.ref <> ?4 AND runs.event = 'push' AND runs.state = 'finished' AND jobs.outcome = 'passed'
           AND instr(runs.options, '\"ci.var=') = 0 LIMIT 1",
    )?;
    statement.exists(params![job.as_str(), commit.to_string(), repo.as_str(), not_on.as_bytes()])
}

/// The numbers of the runs that repeat a run.
pub(crate) fn reruns_of(connection: &Connection, run: &RunRow) -> Result<Vec<u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM runs INDEXED BY runs_by_rerun WHERE repo = ?1 AND rerun_of = ?2 ORDER BY seq",
    )?;
    let rows = statement.query_map((&run.repo_id, run.number.cast_signed()), |row| {
        row.get::<_, i64>(0).map(i64::cast_unsigned)
    })?;
    rows.collect()
}

/// How long each step of a run took that has ended: its job, its number, its title, seconds.
pub(crate) fn step_times(connection: &Connection, run: &RunRow) -> Result<Vec<(String, u32, String, f64)>> {
    let mut statement = connection.prepare_cached(
        "SELECT job, number, title, duration_ms FROM steps WHERE run = ?1 AND duration_ms IS NOT NULL",
    )?;
    let rows = statement.query_map([run.seq], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)? as f64 / 1000.0))
    })?;
    rows.collect()
}
