//! What is known of the runs that have not ended, for everybody who waits for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::journal::RunRecord;
use crate::model::{Outcome, RunId};

/// What those who wait for a run are woken for. Nothing in it grows with the run, and no step changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveRun {
    /// Whether the pipeline was evaluated, well or not.
    pub is_evaluated: bool,
    /// How many of its jobs have ended.
    pub ended_jobs: usize,
    /// Whether its journal says that it stops.
    pub is_stopping: bool,
    /// Whether it has ended.
    pub has_ended: bool,
}

/// The unfinished runs. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LiveRuns(Arc<Mutex<HashMap<RunId, watch::Sender<LiveRun>>>>);

impl LiveRun {
    fn of(record: &RunRecord) -> Self {
        let ended_jobs = record.jobs.iter().filter(|job| job.outcome.is_some()).count();
        let is_stopping = record.stop.is_some() || record.outcome == Some(Outcome::Cancelled);
        let has_ended = record.outcome.is_some();
        Self { is_evaluated: record.is_evaluated, ended_jobs, is_stopping, has_ended }
    }
}

impl LiveRuns {
    /// Begins to keep what is known of a run.
    pub fn open(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(run).or_default();
    }

    /// Publishes what is known of a run, if that is new.
    pub fn publish(&self, run: RunId, record: &RunRecord) {
        let known = LiveRun::of(record);
        if let Some(live) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run) {
            live.send_if_modified(|last| std::mem::replace(last, known) != known);
        }
    }

    /// A run that has ended is not kept any longer; whoever waits for it sees that it is over.
    pub fn close(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// Follows what is known of a run; nothing when the run has ended.
    pub fn follow(&self, run: RunId) -> Option<watch::Receiver<LiveRun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).map(watch::Sender::subscribe)
    }
}
