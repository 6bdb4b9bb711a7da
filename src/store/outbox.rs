//! Notices, and the outbox: the messages to send, and the results of sending them.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::damaged::damaged;
use super::runs::{RunRow, run_id};
use crate::model::{Outcome, RunId, Timestamp};

/// The most messages that are kept after they were sent or given up.
const MAX_ENDED: i64 = 1000;

/// The most messages that may wait for one target; further ones are given up at once.
const MAX_WAITING: i64 = 1000;

/// The subject of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeKind {
    /// A run has ended.
    Ended(RunId),
    /// A run is stuck.
    Stuck(RunId),
    /// Not a run: a change of a watched remote, as JSON.
    Watch(String),
}

/// An event that was not yet compared with the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Its row.
    pub(crate) seq: i64,
    /// Its subject.
    pub(crate) kind: NoticeKind,
    /// When it happened.
    pub(crate) at: Timestamp,
}

/// The state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is to be sent.
    Waiting,
    /// The target has taken it.
    Sent,
    /// It is not sent again.
    GivenUp,
}

impl Delivery {
    /// The word for it, in the database and on screens.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::GivenUp => "given-up",
        }
    }

    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Waiting, Self::Sent, Self::GivenUp];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A message to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id, which stays the same over all attempts.
    pub(crate) id: String,
    pub(crate) target: String,
    /// The word for the event.
    pub(crate) event: String,
    /// The subject, in one word: a run, or a repository.
    pub(crate) subject: String,
    /// The content, as JSON.
    pub(crate) message: String,
    pub(crate) state: Delivery,
    /// The number of attempts.
    pub(crate) attempts: u32,
    /// When the next attempt is due, while it waits.
    pub(crate) due_at: Timestamp,
    /// The error of the last attempt.
    pub(crate) problem: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it was sent or given up.
    pub(crate) ended_at: Option<Timestamp>,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The target has taken it.
    Sent,
    /// The next attempt is at this time.
    Later(Timestamp, String),
    /// It is not sent again.
    GivenUp(String),
}

const COLUMNS: &str =
    "id, target, event, subject, message, state, attempts, due_at, problem, created_at, ended_at";

/// Records an event that is not the end of a run.
pub fn insert_notice(connection: &Connection, kind: &NoticeKind, at: Timestamp) -> Result<()> {
    let (word, run, said) = match kind {
        NoticeKind::Ended(run) => ("ended", Some(run.to_string()), None),
        NoticeKind::Stuck(run) => ("stuck", Some(run.to_string()), None),
        NoticeKind::Watch(said) => ("watch", None, Some(said)),
    };
    connection
        .prepare_cached("INSERT INTO notices (kind, run, said, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![word, run, said, at.as_millis()])?;
    Ok(())
}

/// The oldest notices, at most `limit`.
pub fn notices(connection: &Connection, limit: u32) -> Result<Vec<NoticeRow>> {
    let mut statement =
        connection.prepare_cached("SELECT seq, kind, run, said, at FROM notices ORDER BY seq LIMIT ?1")?;
    let rows = statement.query_map([limit], |row| {
        let kind: String = row.get(1)?;
        let run = || run_id(2, &row.get::<_, String>(2)?);
        let kind = match kind.as_str() {
            "ended" => NoticeKind::Ended(run()?),
            "stuck" => NoticeKind::Stuck(run()?),
            "watch" => NoticeKind::Watch(row.get(3)?),
            _ => return Err(damaged(1, "kind of a notice", &kind)),
        };
        Ok(NoticeRow { seq: row.get(0)?, kind, at: Timestamp::from_millis(row.get(4)?) })
    })?;
    rows.collect()
}

/// Deletes the oldest notices, at most `limit`; gives for each the outcome of the run that it says has ended.
pub(crate) fn drop_notices(connection: &mut Connection, limit: u32) -> Result<Vec<Option<Outcome>>> {
    let transaction = connection.transaction()?;
    let mut found = transaction.prepare_cached(
        "SELECT n.seq, r.outcome FROM notices n LEFT JOIN runs r ON r.id = n.run AND n.kind = 'ended'
         ORDER BY n.seq LIMIT ?1",
    )?;
    let rows = found.query_map([limit], |row| {
        let outcome: Option<String> = row.get(1)?;
        Ok((row.get::<_, i64>(0)?, outcome.and_then(|word| Outcome::parse(&word))))
    })?;
    let rows = rows.collect::<Result<Vec<_>>>()?;
    drop(found);
    if let Some((last, _)) = rows.last() {
        transaction.prepare_cached("DELETE FROM notices WHERE seq <= ?1")?.execute([last])?;
    }
    transaction.commit()?;
    Ok(rows.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Puts the messages of a notice into the outbox and deletes the notice, in one transaction. An existing message
/// stays unchanged.
pub fn post(connection: &mut Connection, notice: i64, messages: &[OutboxRow]) -> Result<()> {
    let transaction = connection.transaction()?;
    for row in messages {
        insert(&transaction, row)?;
    }
    transaction.execute("DELETE FROM notices WHERE seq = ?1", [notice])?;
    transaction.execute(
        "DELETE FROM outbox WHERE state <> 'waiting' AND created_at < coalesce(
           (SELECT created_at FROM outbox WHERE state <> 'waiting' ORDER BY created_at DESC LIMIT 1 OFFSET ?1), 0)",
        [MAX_ENDED],
    )?;
    transaction.commit()
}

fn insert(connection: &Connection, row: &OutboxRow) -> Result<()> {
    let waiting: i64 = connection
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = 'waiting' AND target = ?1")?
        .query_row([&row.target], |row| row.get(0))?;
    let is_full = waiting >= MAX_WAITING;
    let state = if is_full { Delivery::GivenUp } else { Delivery::Waiting };
    let problem = is_full.then(|| format!("already {MAX_WAITING} messages wait for this target"));
    connection
        .prepare_cached(
            "INSERT INTO outbox (id, target, event, subject, message, state, attempts, due_at, problem, created_at, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            row.id,
            row.target,
            row.event,
            row.subject,
            row.message,
            state.as_str(),
            row.due_at.as_millis(),
            problem,
            row.created_at.as_millis(),
            is_full.then_some(row.created_at.as_millis())
        ])?;
    Ok(())
}

/// The first due message of each target, the most urgent first.
pub fn next_messages(connection: &Connection) -> Result<Vec<OutboxRow>> {
    // SQLite takes the other columns from the row that has the minimum.
    let sql = format!(
        "SELECT {COLUMNS}, min(due_at) FROM outbox WHERE state = 'waiting' GROUP BY target ORDER BY min(due_at), id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], read_row)?;
    rows.collect()
}

/// Records the result of an attempt.
pub fn record_attempt(connection: &Connection, id: &str, how: &Attempted, now: Timestamp) -> Result<()> {
    let (state, due, problem) = match how {
        Attempted::Sent => (Delivery::Sent, now, None),
        Attempted::Later(due, problem) => (Delivery::Waiting, *due, Some(problem)),
        Attempted::GivenUp(problem) => (Delivery::GivenUp, now, Some(problem)),
    };
    let ended = (state != Delivery::Waiting).then_some(now.as_millis());
    connection
        .prepare_cached(
            "UPDATE outbox SET state = ?2, attempts = attempts + 1, due_at = ?3, problem = ?4, ended_at = ?5 WHERE id = ?1",
        )?
        .execute(params![id, state.as_str(), due.as_millis(), problem, ended])?;
    Ok(())
}

/// Schedules a message for now, with all its attempts again. False when the message does not exist.
pub fn retry_message(connection: &Connection, id: &str, now: Timestamp) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = ?2, ended_at = NULL WHERE id = ?1",
        )?
        .execute(params![id, now.as_millis()])?;
    Ok(changed > 0)
}

/// Messages, newest first.
pub fn list_messages(connection: &Connection, limit: usize) -> Result<Vec<OutboxRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = format!("SELECT {COLUMNS} FROM outbox ORDER BY created_at DESC, target, id LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([limit], read_row)?;
    rows.collect()
}

/// Messages, newest first, each with its row: those in a state or all, before a row, at most `limit`.
pub fn page_of_messages(
    connection: &Connection,
    state: Option<Delivery>,
    (before, limit): (Option<i64>, usize),
) -> Result<Vec<(i64, OutboxRow)>> {
    let sql = format!(
        "SELECT {COLUMNS}, rowid FROM outbox WHERE rowid < ?1 AND (?2 IS NULL OR state = ?2) ORDER BY rowid DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = params![before.unwrap_or(i64::MAX), state.map(Delivery::as_str), limit];
    let rows = statement.query_map(values, |row| Ok((row.get(11)?, read_row(row)?)))?;
    rows.collect()
}

/// What a ref looked like when a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefVerdict {
    /// How the newest run of its newest commit ended that passed or failed in any way.
    pub(crate) before: Option<Outcome>,
    /// Whether the run is of an older commit than the ref has had a run of: it says nothing about the ref then.
    pub(crate) is_outdated: bool,
}

/// The verdict of a ref before a run of it. A run once more counts when it is of the newest commit.
pub fn verdict_before(connection: &Connection, row: &RunRow) -> Result<RefVerdict> {
    let Some(update) = &row.event.subject else { return Ok(RefVerdict::default()) };
    let ref_name = update.ref_name.as_bytes();
    let find = |statement: &str| -> Result<Option<(i64, String, Option<String>)>> {
        connection
            .prepare_cached(statement)?
            .query_row(params![row.repo_id, ref_name, row.seq], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()
    };
    let is_outdated = row.event.as_rerun().is_some()
        && find(
            "SELECT seq, sha, outcome FROM runs WHERE repo = ?1 AND ref = ?2 AND seq < ?3 AND rerun_of IS NULL
               ORDER BY seq DESC LIMIT 1",
        )?
        .is_some_and(|(_, sha, _)| sha != update.new.to_string());
    let with_verdict = format!(
        "SELECT seq, sha, outcome FROM runs WHERE repo = ?1 AND ref = ?2 AND seq < ?3 AND rerun_of IS NULL
           AND {HAS_VERDICT} ORDER BY seq DESC LIMIT 1"
    );
    let Some((pushed, sha, outcome)) = find(&with_verdict)? else {
        return Ok(RefVerdict { before: None, is_outdated });
    };
    let again: Option<String> = connection
        .prepare_cached(&format!(
            "SELECT outcome FROM runs WHERE repo = ?1 AND ref = ?2 AND seq < ?3 AND seq > ?4 AND sha = ?5
               AND {HAS_VERDICT} ORDER BY seq DESC LIMIT 1"
        ))?
        .query_row(params![row.repo_id, ref_name, row.seq, pushed, sha], |row| row.get(0))
        .optional()?;
    let parse = |word: String| Outcome::parse(&word).ok_or_else(|| damaged(0, "outcome", &word));
    Ok(RefVerdict { before: again.or(outcome).map(parse).transpose()?, is_outdated })
}

/// Of a run that passed or failed in any way.
const HAS_VERDICT: &str = "state = 'finished' AND outcome NOT IN ('cancelled', 'superseded', 'skipped')";

fn read_row(row: &Row<'_>) -> Result<OutboxRow> {
    let time = |column| row.get::<_, i64>(column).map(Timestamp::from_millis);
    let state: String = row.get(5)?;
    Ok(OutboxRow {
        id: row.get(0)?,
        target: row.get(1)?,
        event: row.get(2)?,
        subject: row.get(3)?,
        message: row.get(4)?,
        state: Delivery::parse(&state).ok_or_else(|| damaged(5, "state of a message", &state))?,
        attempts: row.get(6)?,
        due_at: time(7)?,
        problem: row.get(8)?,
        created_at: time(9)?,
        ended_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_millis),
    })
}
