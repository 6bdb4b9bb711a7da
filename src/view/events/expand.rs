//! What follows from each fact of a journal: events, and parts of logs that are read at its place. No I/O.

use std::collections::VecDeque;

use super::body::EventBody;
use crate::journal::{Fact, JobFact, Record};
use crate::model::{Outcome, Reason, Timestamp};
use crate::secret::RedactedText;
use crate::store::RunRow;

/// A log of a run: its job, none for the evaluation, and the number of the step, 0 for what a script prints.
pub(super) type LogKey = (Option<String>, u32);

/// What comes next in the sequence.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Event(Timestamp, EventBody),
    /// What a log has up to this byte and was not given, or all of it; it may be complete by then.
    Log {
        key: LogKey,
        attempt: u32,
        until: Option<u64>,
        is_complete: bool,
    },
}

/// How a run ended: not the end in its journal, which anything may have written, but the one that counts.
#[derive(Debug, Clone)]
pub(super) struct RunEnd {
    outcome: Outcome,
    reason: Option<Reason>,
    at: Timestamp,
}

/// The jobs of a run, as far as they have no end.
#[derive(Debug, Default)]
pub(super) struct Expander {
    attempt: u32,
    /// In the order of the pipeline.
    jobs: Vec<OpenJob>,
}

#[derive(Debug)]
struct OpenJob {
    id: String,
    has_ended: bool,
    steps: Vec<u32>,
}

impl RunEnd {
    /// The end of a run that has one in its row.
    pub(super) fn of(row: &RunRow) -> Option<Self> {
        let at = row.finished_at.unwrap_or(row.queued_at);
        Some(Self { outcome: row.outcome?, reason: row.reason.clone(), at })
    }
}

impl Expander {
    /// What follows from a record.
    pub(super) fn expand(&mut self, record: Record, into: &mut VecDeque<Item>) {
        let (at, attempt) = (record.at, record.attempt);
        self.attempt = attempt;
        let log = |key, until, is_complete| Item::Log { key, attempt, until, is_complete };
        let body = match record.fact {
            Fact::RunOpened { .. } => {
                // What another runner had begun is void; what was read of it stays.
                *self = Self { attempt, ..Self::default() };
                return;
            }
            Fact::Evaluated { jobs, diagnostics } => {
                for job in &jobs {
                    self.job(&job.id);
                }
                EventBody::Evaluated { jobs, diagnostics }
            }
            Fact::Broken { diagnostics } => EventBody::Broken { diagnostics },
            Fact::JobsAdded { by, jobs } => {
                for JobFact { id: job, needs } in jobs {
                    self.job(&job);
                    let added_by = by.clone();
                    into.push_back(Item::Event(at, EventBody::JobAdded { job, needs, added_by }));
                }
                return;
            }
            Fact::RunStarted {} => EventBody::RunStarted {},
            Fact::JobStarted { job } => {
                self.job(&job);
                EventBody::JobStarted { job, attempt }
            }
            Fact::StepStarted { job, step } => {
                self.job(&job).steps.push(step.number);
                EventBody::step_started(job, attempt, step)
            }
            Fact::LogGrown { job, number, bytes } => {
                into.push_back(log((job, number), Some(bytes), false));
                return;
            }
            Fact::StepEnded { job, number, end } => {
                self.job(&job).steps.retain(|open| *open != number);
                into.push_back(log((Some(job.clone()), number), end.log_bytes, true));
                EventBody::step_finished(job, (number, attempt), end)
            }
            Fact::PolicyDecision { job, decision } => {
                EventBody::PolicyDecision { job, decision: Box::new(decision) }
            }
            Fact::ArtifactSaved { job, artifact } => EventBody::artifact_saved(job, *artifact),
            Fact::JobEnded { job, end } => {
                self.job(&job).has_ended = true;
                let reason = end.reason.map(|reason| reason.map(RedactedText::into_string));
                EventBody::JobFinished { job, attempt, outcome: end.outcome.as_str(), reason }
            }
            // An end in a journal counts when the run is settled, and then the row has it.
            Fact::ImageResolved { .. }
            | Fact::JobOutput { .. }
            | Fact::StopAsked { .. }
            | Fact::RunEnded { .. } => return,
        };
        into.push_back(Item::Event(at, body));
    }

    /// What comes after the last record: what logs hold that no fact names, the ends of what has none, and the end of the run.
    pub(super) fn finish(&mut self, end: &RunEnd, into: &mut VecDeque<Item>) {
        let (attempt, outcome, at) = (self.attempt, end.outcome, end.at);
        let rest = |job, number| Item::Log { key: (job, number), attempt, until: None, is_complete: true };
        into.push_back(rest(None, 0));
        for OpenJob { id, has_ended, steps } in std::mem::take(&mut self.jobs) {
            into.push_back(rest(Some(id.clone()), 0));
            for step in steps {
                into.push_back(rest(Some(id.clone()), step));
                into.push_back(Item::Event(at, EventBody::step_lost(id.clone(), (step, attempt), outcome)));
            }
            if !has_ended {
                let reason = end.reason.clone();
                let body = EventBody::JobFinished { job: id, attempt, outcome: outcome.as_str(), reason };
                into.push_back(Item::Event(at, body));
            }
        }
        let reason = end.reason.clone();
        into.push_back(Item::Event(at, EventBody::RunFinished { outcome: outcome.as_str(), reason }));
    }

    /// The job with this id, which is added when it is not known.
    fn job(&mut self, id: &str) -> &mut OpenJob {
        let place = self.jobs.iter().position(|job| job.id == id).unwrap_or_else(|| {
            self.jobs.push(OpenJob { id: id.to_owned(), has_ended: false, steps: Vec::new() });
            self.jobs.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the place was found or made in the line above")]
        &mut self.jobs[place]
    }
}
