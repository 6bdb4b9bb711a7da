//! What journals say about runs, in the rows of the runs, their jobs and their steps.
//!
//! A change says how far into the journal it goes, and a row how far it was filled: reading a journal again from its beginning
//! doubles nothing and takes nothing back. The jobs of a run are indexed once they have begun, or the run has ended.

use rusqlite::{Connection, OptionalExtension, Result, TransactionBehavior, params};

use super::artifact_expiries::set_artifact_expiry;
use super::audit::AuditEntry;
use super::run_event::json;
use super::runs::reason_columns;
use crate::journal::{Denial, JobRecord, RunRecord, StepRecord};
use crate::model::{AuditAction, Outcome, Reason, RunId, Timestamp};

/// What the journal of a run says, and the index of runs does not yet.
#[derive(Debug, Clone)]
pub(crate) struct RunChange {
    run: RunId,
    /// The record of the journal up to which it goes.
    seq: u64,
    attempt: u32,
    started_at: Option<Timestamp>,
    end: Option<End>,
    /// Whether these are all jobs and steps of the run.
    is_whole: bool,
    jobs: Vec<JobRow>,
    steps: Vec<StepRow>,
    denials: Vec<(u64, Denial)>,
    /// When the first of its artifacts expires.
    expires_ms: Option<i64>,
}

/// How a run ended.
#[derive(Debug, Clone)]
struct End {
    outcome: Outcome,
    reason: Option<Reason>,
    at: Timestamp,
}

#[derive(Debug, Clone)]
struct JobRow {
    place: usize,
    name: String,
    needs: Vec<String>,
    added_by: Option<String>,
    outcome: Option<Outcome>,
    reason: Option<Reason>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct StepRow {
    job: String,
    number: u32,
    title: String,
    line: Option<u32>,
    outcome: Option<Outcome>,
    exit: Option<i32>,
    signal: Option<i32>,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    duration_ms: Option<u64>,
    left_out: u64,
}

impl RunChange {
    /// What a record says since its record number `indexed`; nothing before the jobs of the run have begun. `now` is the end
    /// of a run whose journal does not say when that was.
    pub(crate) fn since(indexed: u64, run: RunId, record: &RunRecord, now: Timestamp) -> Option<Self> {
        let RunRecord { seq, attempt, started_at, .. } = *record;
        let end = record.outcome.map(|outcome| End {
            outcome,
            reason: record.reason.clone(),
            at: record.finished_at.unwrap_or(now),
        });
        if started_at.is_none() && end.is_none() {
            return None;
        }
        let is_whole = indexed < record.declared_seq.max(1);
        let is_new = |seq: u64| is_whole || seq > indexed;
        let jobs = record.jobs.iter().enumerate();
        let jobs = jobs.filter(|(_, job)| is_new(job.seq)).map(|(place, job)| JobRow::new(place, job));
        let steps = record.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (job, step)));
        let steps = steps.filter(|(_, step)| is_new(step.seq)).map(|(job, step)| StepRow::new(&job.id, step));
        let (jobs, steps) = (jobs.collect(), steps.collect());
        let denials = record.denials.clone();
        let expires_ms = record.artifacts.iter().filter_map(|(_, artifact)| artifact.expires_ms).min();
        Some(Self { run, seq, attempt, started_at, end, is_whole, jobs, steps, denials, expires_ms })
    }

    /// Whether the run has ended.
    pub(crate) fn is_end(&self) -> bool {
        self.end.is_some()
    }

    /// The numbers of its jobs and steps.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.jobs.len(), self.steps.len())
    }
}

impl JobRow {
    fn new(place: usize, job: &JobRecord) -> Self {
        Self {
            place,
            name: job.id.clone(),
            needs: job.needs.clone(),
            added_by: job.added_by.clone(),
            outcome: job.outcome,
            reason: job.reason.clone(),
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

impl StepRow {
    fn new(job: &str, step: &StepRecord) -> Self {
        let (start, end) = (&step.start, step.end.as_ref());
        Self {
            job: job.to_owned(),
            number: start.number,
            title: start.title.to_string(),
            line: start.line,
            outcome: step.outcome,
            exit: end.map(|end| end.exit),
            signal: end.and_then(|end| end.signal),
            started_at: step.started_at,
            finished_at: step.finished_at,
            duration_ms: end.map(|end| end.duration_ms),
            left_out: end.map_or(0, |end| end.left_out),
        }
    }
}

/// Indexes what a journal says, in one transaction. A run that has ended by its row stays so.
pub(crate) fn index_run(connection: &mut Connection, change: &RunChange) -> Result<()> {
    // It reads first: another process that writes meanwhile is waited for only so.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT seq, applied_seq FROM runs WHERE id = ?1")?
        .query_row([change.run.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((run, applied)) = found {
        if change.seq > applied.cast_unsigned() {
            write_rows(&transaction, run, change)?;
            audit_denials(&transaction, run, change, applied.cast_unsigned())?;
        }
        if let Some(end) = &change.end {
            let (text, code, hints) = reason_columns(end.reason.as_ref())?;
            transaction
                .prepare_cached(
                    "UPDATE runs SET state = 'finished', outcome = ?2, reason = ?3, finished_at = ?4, reason_code = ?5,
                                     reason_hints = ?6
                     WHERE seq = ?1 AND state <> 'finished'",
                )?
                .execute(params![run, end.outcome.as_str(), text, end.at.as_millis(), code, hints])?;
        }
    }
    transaction.commit()
}

/// Records in the audit what was denied after the record number `applied`.
fn audit_denials(connection: &Connection, run: i64, change: &RunChange, applied: u64) -> Result<()> {
    let new: Vec<_> = change.denials.iter().filter(|(seq, _)| *seq > applied).collect();
    if new.is_empty() {
        return Ok(());
    }
    let (pusher, subject): (Option<String>, String) = connection
        .prepare_cached(
            "SELECT r.pusher, p.name || '#' || r.number FROM runs r JOIN repos p ON p.id = r.repo WHERE r.seq = ?1",
        )?
        .query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (_, denial) in new {
        AuditEntry::by_user(pusher.as_deref(), AuditAction::PolicyDeny)
            .on(&subject)
            .with("job", denial.job.as_str())
            .with("code", denial.code.as_str())
            .with("reason", denial.reason.to_string())
            .insert(connection)?;
    }
    Ok(())
}

/// Indexes a run anew by its journal, whatever its rows say. A run whose journal has no end keeps the end of its row.
pub(crate) fn reindex_run(connection: &Connection, run: i64, change: &RunChange) -> Result<()> {
    write_rows(connection, run, change)?;
    if let Some(end) = &change.end {
        let (text, code, hints) = reason_columns(end.reason.as_ref())?;
        connection
            .prepare_cached(
                "UPDATE runs SET state = 'finished', outcome = ?2, reason = ?3, finished_at = ?4, reason_code = ?5,
                                 reason_hints = ?6
                 WHERE seq = ?1",
            )?
            .execute(params![run, end.outcome.as_str(), text, end.at.as_millis(), code, hints])?;
    }
    end_open(connection, run)
}

/// Removes the jobs and steps of a run whose jobs have not begun.
pub(crate) fn clear_index(connection: &Connection, run: i64) -> Result<()> {
    connection.prepare_cached("DELETE FROM jobs WHERE run = ?1")?.execute([run])?;
    connection.prepare_cached("DELETE FROM steps WHERE run = ?1")?.execute([run])?;
    Ok(())
}

fn write_rows(connection: &Connection, run: i64, change: &RunChange) -> Result<()> {
    if change.is_whole {
        clear_index(connection, run)?;
    }
    for job in &change.jobs {
        write_job(connection, (run, change.attempt), job)?;
    }
    for step in &change.steps {
        write_step(connection, run, step)?;
    }
    if change.expires_ms.is_some() {
        set_artifact_expiry(connection, run, change.expires_ms)?;
    }
    let started_at = change.started_at.map(Timestamp::as_millis);
    connection
        .prepare_cached(
            "UPDATE runs SET attempt = ?2, applied_seq = ?3, started_at = coalesce(?4, started_at) WHERE seq = ?1",
        )?
        .execute(params![run, change.attempt, change.seq.cast_signed(), started_at])?;
    if started_at.is_some() {
        connection
            .prepare_cached(
                "UPDATE runs SET state = 'running', reason = NULL, reason_code = NULL, reason_hints = NULL
                 WHERE seq = ?1 AND state = 'queued'",
            )?
            .execute([run])?;
    }
    Ok(())
}

fn write_job(connection: &Connection, (run, attempt): (i64, u32), job: &JobRow) -> Result<()> {
    let (text, code, hints) = reason_columns(job.reason.as_ref())?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO jobs (run, place, name, needs, added_by, attempt, outcome, reason, reason_code,
                                          reason_hints, started_at, finished_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            run,
            i64::try_from(job.place).unwrap_or(i64::MAX),
            job.name,
            json(&job.needs)?,
            job.added_by,
            attempt,
            job.outcome.map(Outcome::as_str),
            text,
            code,
            hints,
            job.started_at.map(Timestamp::as_millis),
            job.finished_at.map(Timestamp::as_millis)
        ])?;
    Ok(())
}

fn write_step(connection: &Connection, run: i64, step: &StepRow) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO steps (run, job, number, title, line, outcome, exit, signal, started_at, finished_at,
                                           duration_ms, left_out)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            run,
            step.job,
            step.number,
            step.title,
            step.line,
            step.outcome.map(Outcome::as_str),
            step.exit,
            step.signal,
            step.started_at.as_millis(),
            step.finished_at.map(Timestamp::as_millis),
            step.duration_ms.map(u64::cast_signed),
            step.left_out.cast_signed()
        ])?;
    Ok(())
}

/// Ends what a run has left open whose end is not in its journal, as the trigger does when a run ends.
fn end_open(connection: &Connection, run: i64) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE jobs SET (outcome, reason, reason_code, reason_hints, finished_at) =
               (SELECT outcome, reason, reason_code, reason_hints, finished_at FROM runs WHERE seq = ?1)
             WHERE run = ?1 AND outcome IS NULL",
        )?
        .execute([run])?;
    connection
        .prepare_cached(
            "UPDATE steps SET (outcome, finished_at) = (SELECT outcome, finished_at FROM runs WHERE seq = ?1)
             WHERE run = ?1 AND outcome IS NULL",
        )?
        .execute([run])?;
    Ok(())
}
