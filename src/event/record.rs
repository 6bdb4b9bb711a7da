//! An event as JSON: in the spec of a run, its journal and its row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::{Event, EventKind, RerunScope};
use super::ref_update::{RefUpdateRecord, RefUpdateRecordError};
use crate::model::{JobId, Timestamp};

/// An event as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRecord {
    /// What happened; of a rerun, what started the run that it repeats.
    cause: CauseRecord,
    rerun: Option<RerunRecord>,
    subject: Option<RefUpdateRecord>,
    actor: Option<String>,
    at: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum CauseRecord {
    Push {},
    Watch {},
    Manual {
        job: Option<String>,
        args: BTreeMap<String, Value>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        secrets: Vec<String>,
    },
    Cron {
        schedule: String,
        due_at: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RerunRecord {
    of: u64,
    what: ScopeRecord,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ScopeRecord {
    All,
    Failed,
    Job(String),
}

/// Why a record is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventRecordError {
    /// A time is invalid.
    #[error("`{0}` is not a time")]
    Time(String),
    /// The id of a job is invalid.
    #[error("`{0}` is not a job id")]
    Job(String),
    /// The ref update is invalid.
    #[error(transparent)]
    RefUpdate(#[from] RefUpdateRecordError),
}

impl From<&Event> for EventRecord {
    fn from(event: &Event) -> Self {
        Self {
            cause: CauseRecord::of(event.kind.original()),
            rerun: event.as_rerun().map(|rerun| RerunRecord {
                of: rerun.of(),
                what: match rerun.what() {
                    RerunScope::All => ScopeRecord::All,
                    RerunScope::Failed => ScopeRecord::Failed,
                    RerunScope::Job(job) => ScopeRecord::Job(job.to_string()),
                },
            }),
            subject: event.subject.as_ref().map(RefUpdateRecord::from),
            actor: event.actor.clone(),
            at: event.at.to_string(),
        }
    }
}

impl EventRecord {
    /// The ref update that it is about.
    pub(crate) fn subject(&self) -> Option<&RefUpdateRecord> {
        self.subject.as_ref()
    }
}

impl CauseRecord {
    fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Push | EventKind::Rerun(_) => Self::Push {},
            EventKind::Watch => Self::Watch {},
            EventKind::Manual { job, args, secrets } => Self::Manual {
                job: job.as_ref().map(ToString::to_string),
                args: args.clone(),
                secrets: secrets.clone(),
            },
            EventKind::Cron { schedule, due_at } => {
                Self::Cron { schedule: schedule.clone(), due_at: due_at.to_string() }
            }
        }
    }

    fn parse(self) -> Result<EventKind, EventRecordError> {
        Ok(match self {
            Self::Push {} => EventKind::Push,
            Self::Watch {} => EventKind::Watch,
            Self::Manual { job, args, secrets } => {
                EventKind::Manual { job: job.map(|id| job_id(&id)).transpose()?, args, secrets }
            }
            Self::Cron { schedule, due_at } => EventKind::Cron { schedule, due_at: time(&due_at)? },
        })
    }
}

impl EventRecord {
    /// The event.
    ///
    /// # Errors
    /// When something in it is invalid.
    pub(crate) fn parse(self) -> Result<Event, EventRecordError> {
        let original = self.cause.parse()?;
        let kind = match self.rerun {
            None => original,
            Some(RerunRecord { of, what }) => {
                let what = match what {
                    ScopeRecord::All => RerunScope::All,
                    ScopeRecord::Failed => RerunScope::Failed,
                    ScopeRecord::Job(job) => RerunScope::Job(job_id(&job)?),
                };
                EventKind::rerun(original, of, what)
            }
        };
        let subject = self.subject.map(|update| update.parse()).transpose()?;
        Ok(Event { kind, subject, actor: self.actor, at: time(&self.at)? })
    }
}

fn time(text: &str) -> Result<Timestamp, EventRecordError> {
    Timestamp::parse(text).ok_or_else(|| EventRecordError::Time(text.chars().take(40).collect()))
}

fn job_id(text: &str) -> Result<JobId, EventRecordError> {
    JobId::parse(text).map_err(|_| EventRecordError::Job(text.chars().take(80).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RefUpdate;
    use crate::model::{CommitId, RefName};

    #[test]
    fn events_survive() {
        let subject = RefUpdate {
            ref_name: RefName::parse(b"refs/heads/\xff").unwrap(),
            old: CommitId::ZERO,
            new: CommitId::from_bytes([7; 20]),
        };
        let (job, due_at) = (JobId::parse("deploy").unwrap(), Timestamp::from_millis(1));
        let args = BTreeMap::from([("to".to_owned(), Value::from("staging"))]);
        for kind in [
            EventKind::Push,
            EventKind::Watch,
            EventKind::Manual { job: Some(job.clone()), args, secrets: vec!["token".to_owned()] },
            EventKind::Cron { schedule: "@daily".to_owned(), due_at },
        ] {
            let at = Timestamp::from_millis(1_795_219_199_007);
            let first = Event { kind, subject: Some(subject.clone()), actor: Some("ann".to_owned()), at };
            let again = Event::rerun(&first, 9, RerunScope::Job(job.clone()), None);
            let of_folder = Event { subject: None, actor: None, ..again.clone() };
            for event in [first, again, of_folder] {
                let text = serde_json::to_string(&EventRecord::from(&event)).unwrap();
                let read: EventRecord = serde_json::from_str(&text).unwrap();
                assert_eq!(read.parse().unwrap(), event, "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let record = |cause: &str, at: &str| {
            format!(r#"{{"cause":{cause},"rerun":null,"subject":null,"actor":null,"at":"{at}"}}"#)
        };
        let now = "2026-11-29T21:00:00.000Z";
        assert!(serde_json::from_str::<EventRecord>(&record(r#"{"kind":"push"}"#, now)).is_ok());
        for cause in [r#"{"kind":"tick"}"#, r#"{"kind":"push","x":1}"#, r#"{"kind":"manual"}"#, "null"] {
            assert!(serde_json::from_str::<EventRecord>(&record(cause, now)).is_err(), "{cause}");
        }
        let read: EventRecord = serde_json::from_str(&record(r#"{"kind":"push"}"#, "noon")).unwrap();
        assert_eq!(read.parse(), Err(EventRecordError::Time("noon".to_owned())));
    }
}
