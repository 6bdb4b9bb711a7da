//! The event that a run comes from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ref_update::RefUpdate;
use super::source::Source;
use super::start::Start;
use super::trigger::Trigger;
use crate::model::{JobId, Timestamp};

/// Who moves the branches of watched repositories, as scripts and screens see it.
const WATCH_PUSHER: &str = "watch";

/// The event that a run comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The ref update that the run is about; none for a run of a job folder.
    pub subject: Option<RefUpdate>,
    /// Who caused it, when that is known.
    pub actor: Option<String>,
    /// When it happened.
    pub at: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A ref of a hosted repository was pushed.
    Push,
    /// A branch of a watched remote moved.
    Watch,
    /// A person or a program asked.
    Manual {
        /// The root job to start; all of them when absent.
        job: Option<JobId>,
        /// Its arguments.
        args: BTreeMap<String, Value>,
        /// The names of those that are secrets: their values are nowhere but in memory.
        secrets: Vec<String>,
    },
    /// A schedule was due.
    Cron {
        /// The schedule, as the pipeline writes it.
        schedule: String,
        /// When it was due.
        due_at: Timestamp,
    },
    /// A run is repeated.
    Rerun(Rerun),
}

/// The repetition of a run. Made by [`Event::rerun`] only, so that `original` is never a repetition itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerun {
    of: u64,
    what: RerunScope,
    original: Box<EventKind>,
}

/// Which jobs of a run are repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RerunScope {
    /// All of them.
    All,
    /// Those that did not pass, and what needs them.
    Failed,
    /// One job, and what needs it.
    Job(JobId),
}

impl Rerun {
    /// The number of the run that is repeated.
    pub(crate) fn of(&self) -> u64 {
        self.of
    }

    /// Which of its jobs are.
    pub(crate) fn what(&self) -> &RerunScope {
        &self.what
    }
}

impl EventKind {
    /// The repetition of a run that came from `original`, or repeated one that did.
    pub(super) fn rerun(original: Self, of: u64, what: RerunScope) -> Self {
        let original = match original {
            Self::Rerun(earlier) => earlier.original,
            first @ (Self::Push | Self::Watch | Self::Manual { .. } | Self::Cron { .. }) => Box::new(first),
        };
        Self::Rerun(Rerun { of, what, original })
    }

    /// What happened first: of a rerun, what started the run that it repeats.
    pub(crate) fn original(&self) -> &Self {
        match self {
            Self::Rerun(rerun) => &rerun.original,
            first @ (Self::Push | Self::Watch | Self::Manual { .. } | Self::Cron { .. }) => first,
        }
    }
}

impl Event {
    /// The event of a run that repeats run `number`, which came from `of`.
    pub(crate) fn rerun(of: &Self, number: u64, what: RerunScope, actor: Option<String>) -> Self {
        Self {
            kind: EventKind::rerun(of.kind.clone(), number, what),
            subject: of.subject.clone(),
            actor: actor.or_else(|| of.actor.clone()),
            at: of.at,
        }
    }

    /// The kind of the event; of a rerun, that of the run that it repeats.
    pub fn trigger(&self) -> Trigger {
        match self.kind.original() {
            EventKind::Push | EventKind::Rerun(_) => Trigger::Push,
            EventKind::Watch => Trigger::Watch,
            EventKind::Manual { .. } => Trigger::Manual,
            EventKind::Cron { .. } => Trigger::Cron,
        }
    }

    /// The sources that it fires.
    pub(crate) fn sources(&self) -> BTreeSet<Source> {
        BTreeSet::from([match self.kind.original() {
            EventKind::Push | EventKind::Watch | EventKind::Rerun(_) => Source::Push,
            EventKind::Manual { .. } => Source::Manual,
            EventKind::Cron { schedule, .. } => Source::Cron { schedule: schedule.clone() },
        }])
    }

    /// What it starts of a pipeline.
    pub(crate) fn start(&self) -> Start {
        let root = match self.kind.original() {
            EventKind::Manual { job, .. } => job.clone(),
            EventKind::Push | EventKind::Watch | EventKind::Cron { .. } | EventKind::Rerun(_) => None,
        };
        Start { sources: self.sources(), root, only: None }
    }

    /// The names of its arguments that are secrets.
    pub(crate) fn secret_arguments(&self) -> &[String] {
        match self.kind.original() {
            EventKind::Manual { secrets, .. } => secrets,
            EventKind::Push | EventKind::Watch | EventKind::Cron { .. } | EventKind::Rerun(_) => &[],
        }
    }

    /// The repetition, if it is one.
    pub(crate) fn as_rerun(&self) -> Option<&Rerun> {
        match &self.kind {
            EventKind::Rerun(rerun) => Some(rerun),
            EventKind::Push | EventKind::Watch | EventKind::Manual { .. } | EventKind::Cron { .. } => None,
        }
    }

    /// Who caused it, as scripts and screens see it.
    pub(crate) fn pusher(&self) -> Option<&str> {
        let of_watch = || (self.trigger() == Trigger::Watch).then_some(WATCH_PUSHER);
        self.actor.as_deref().or_else(of_watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, actor: Option<&str>) -> Event {
        let at = Timestamp::from_millis(7);
        Event { kind, subject: None, actor: actor.map(str::to_owned), at }
    }

    #[test]
    fn a_rerun_of_a_rerun_repeats_what_happened_first() {
        let first = event(EventKind::Watch, None);
        let again = Event::rerun(&first, 3, RerunScope::All, None);
        let third = Event::rerun(&again, 4, RerunScope::Failed, Some("ann".to_owned()));
        assert_eq!((again.pusher(), third.pusher()), (Some("watch"), Some("ann")));
        assert_eq!(third.as_rerun().map(|rerun| (rerun.of(), rerun.what())), Some((4, &RerunScope::Failed)));
        assert_eq!((third.kind.original(), third.trigger()), (&EventKind::Watch, Trigger::Watch));
        assert_eq!(third.sources(), first.sources());
    }

    #[test]
    fn every_event_fires_its_source() {
        let due_at = Timestamp::from_millis(1);
        let daily = || "0 3 * * *".to_owned();
        for (kind, source) in [
            (EventKind::Push, Source::Push),
            (EventKind::Watch, Source::Push),
            (EventKind::Manual { job: None, args: BTreeMap::new(), secrets: Vec::new() }, Source::Manual),
            (EventKind::Cron { schedule: daily(), due_at }, Source::Cron { schedule: daily() }),
        ] {
            assert_eq!(event(kind, None).sources(), BTreeSet::from([source]));
        }
    }
}
