//! What is known of an active run, what can happen to it, and what can be done about it.

use crate::journal::StopReason;
use crate::model::{Outcome, Reason};
use crate::pipeline::JobGraph;

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Its needs have not ended, or the run has no free slot yet.
    Waiting,
    /// Its function is still running.
    Running {
        /// The outcome that it will have, once it was asked to stop.
        stopping: Option<(Outcome, Reason)>,
    },
    /// It has ended.
    Ended(Outcome),
}

/// An active run.
#[derive(Debug, Clone)]
pub(crate) struct RunState {
    /// The checked pipeline.
    pub(super) graph: JobGraph,
    /// Where each job is, by its place in the graph.
    pub(super) jobs: Vec<JobState>,
    /// How many jobs may run at the same time.
    pub(super) max_jobs: usize,
    /// What asked the run to stop, once something did.
    pub(super) stop: Option<StopReason>,
    /// Whether [`Action::EndRun`] was given.
    pub(super) has_ended: bool,
}

impl RunState {
    /// A run none of whose jobs have begun.
    pub(crate) fn new(graph: JobGraph, max_jobs: usize) -> Self {
        let jobs = vec![JobState::Waiting; graph.jobs().len()];
        Self { graph, jobs, max_jobs: max_jobs.max(1), stop: None, has_ended: false }
    }

    /// The same run, some of whose jobs have ended before it began.
    #[must_use]
    pub(crate) fn keeping(mut self, kept: impl IntoIterator<Item = (usize, Outcome)>) -> Self {
        for (job, outcome) in kept {
            if let Some(state) = self.jobs.get_mut(job) {
                *state = JobState::Ended(outcome);
            }
        }
        self
    }

    /// The checked pipeline.
    pub(crate) fn graph(&self) -> &JobGraph {
        &self.graph
    }

    /// Where each job is.
    pub(crate) fn jobs(&self) -> &[JobState] {
        &self.jobs
    }
}

/// What can happen to a run. Jobs are named by their place in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The run has its slot.
    Started,
    /// The function of a job has ended.
    JobEnded {
        job: usize,
        /// How it ended by itself.
        outcome: Outcome,
        /// Why, unless it passed.
        reason: Option<Reason>,
    },
    /// The time of a job is over.
    JobDeadlinePassed {
        job: usize,
        /// The time that it had, for people.
        limit: String,
    },
    /// Something asked the run to stop.
    StopAsked(StopReason),
}

/// What has to be done. Actions are performed in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Begin a job.
    StartJob { job: usize },
    /// Stop a running job; [`Event::JobEnded`] follows.
    StopJob { job: usize },
    /// Record that a job has ended.
    RecordJobEnd {
        job: usize,
        /// How it ended.
        outcome: Outcome,
        /// Why, unless it passed.
        reason: Option<Reason>,
    },
    /// Record that something asked the run to stop.
    RecordStop(StopReason),
    /// End the run; nothing of it is still running.
    EndRun {
        /// How it ended.
        outcome: Outcome,
        /// Why, unless it passed.
        reason: Option<Reason>,
    },
}
