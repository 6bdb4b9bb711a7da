//! The event of a run in the columns of its row.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Result, Row};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::damaged::damaged;
use super::updates::{commit_id, ref_name};
use crate::event::{Event, EventKind, RefUpdate, RerunScope, Trigger};
use crate::model::{JobId, Timestamp};

/// The columns of an event, in the order in which [`read_event`] takes them.
pub(super) const EVENT_COLUMNS: &str =
    "r.ref, r.old, r.sha, r.event, r.cause, r.pusher, r.pushed_at, r.rerun_of, r.rerun_what";

/// The JSON values in the columns of an event.
pub(super) struct EventTexts {
    pub(super) cause: Option<String>,
    pub(super) rerun_what: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ManualRow {
    job: Option<String>,
    args: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct CronRow {
    schedule: String,
    due_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ScopeRow {
    All,
    Failed,
    Job(String),
}

/// The JSON of an event's columns.
pub(super) fn event_texts(event: &Event) -> Result<EventTexts> {
    let cause = match event.kind.original() {
        EventKind::Push | EventKind::Watch | EventKind::Rerun(_) => None,
        EventKind::Manual { job, args, secrets } => {
            let job = job.as_ref().map(ToString::to_string);
            Some(json(&ManualRow { job, args: args.clone(), secrets: secrets.clone() })?)
        }
        EventKind::Cron { schedule, due_at } => {
            Some(json(&CronRow { schedule: schedule.clone(), due_at: due_at.as_millis() })?)
        }
    };
    let scope = event.as_rerun().map(|rerun| match rerun.what() {
        RerunScope::All => ScopeRow::All,
        RerunScope::Failed => ScopeRow::Failed,
        RerunScope::Job(job) => ScopeRow::Job(job.to_string()),
    });
    Ok(EventTexts { cause, rerun_what: scope.as_ref().map(json).transpose()? })
}

/// Text for a column.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Parses the JSON of a column.
pub(super) fn from_json<T: DeserializeOwned>(column: usize, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// Reads [`EVENT_COLUMNS`], which begin at `first`.
pub(super) fn read_event(row: &Row<'_>, first: usize) -> Result<Event> {
    let subject = match row.get_ref(first)?.as_bytes_or_null()? {
        Some(_) => Some(RefUpdate {
            ref_name: ref_name(row, first)?,
            old: commit_id(row, first + 1)?,
            new: commit_id(row, first + 2)?,
        }),
        None => None,
    };
    let (word, cause): (String, Option<String>) = (row.get(first + 3)?, row.get(first + 4)?);
    let trigger = Trigger::parse(&word).ok_or_else(|| damaged(first + 3, "event", &word))?;
    let kind = read_kind(trigger, first + 4, cause.as_deref())?;
    let event =
        Event { kind, subject, actor: row.get(first + 5)?, at: Timestamp::from_millis(row.get(first + 6)?) };
    let (of, what): (Option<i64>, Option<String>) = (row.get(first + 7)?, row.get(first + 8)?);
    let Some((of, what)) = of.zip(what) else { return Ok(event) };
    let what = match from_json(first + 8, &what)? {
        ScopeRow::All => RerunScope::All,
        ScopeRow::Failed => RerunScope::Failed,
        ScopeRow::Job(id) => RerunScope::Job(job_id(first + 8, &id)?),
    };
    Ok(Event::rerun(&event, of.cast_unsigned(), what, None))
}

fn read_kind(trigger: Trigger, column: usize, cause: Option<&str>) -> Result<EventKind> {
    let cause = || cause.ok_or_else(|| damaged(column, "cause of a run", "null"));
    Ok(match trigger {
        Trigger::Push => EventKind::Push,
        Trigger::Watch => EventKind::Watch,
        Trigger::Manual => {
            let ManualRow { job, args, secrets } = from_json(column, cause()?)?;
            EventKind::Manual { job: job.map(|id| job_id(column, &id)).transpose()?, args, secrets }
        }
        Trigger::Cron => {
            let CronRow { schedule, due_at } = from_json(column, cause()?)?;
            EventKind::Cron { schedule, due_at: Timestamp::from_millis(due_at) }
        }
    })
}

fn job_id(column: usize, id: &str) -> Result<JobId> {
    JobId::parse(id).map_err(|_| damaged(column, "job id", id))
}
