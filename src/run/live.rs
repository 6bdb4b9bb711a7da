//! What is known of the runs that have not ended, for everybody who waits for one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, watch};

use crate::journal::RunRecord;
use crate::model::{Outcome, RunId};

/// How many news a follower of all runs can be late.
const MAX_NEWS: usize = 1024;

/// What those who wait for a run are woken for. Nothing in it grows with the run, and no step changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveRun {
    /// Whether the pipeline was evaluated, well or not.
    pub(crate) is_evaluated: bool,
    /// Whether its jobs have begun.
    pub(crate) has_begun: bool,
    /// How many of its jobs have ended.
    pub(crate) ended_jobs: usize,
    /// Whether its journal says that it stops.
    pub(crate) is_stopping: bool,
    /// Whether it has ended.
    pub(crate) has_ended: bool,
}

/// What has happened to one of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunNews {
    /// It waits.
    Queued,
    /// Its jobs begin.
    Started,
    /// It has ended, and its row says how.
    Finished,
}

/// The unfinished runs. Clones share them.
#[derive(Debug, Clone)]
pub struct LiveRuns {
    runs: Arc<Mutex<HashMap<RunId, Live>>>,
    news: broadcast::Sender<(RunId, RunNews)>,
}

#[derive(Debug, Default)]
struct Live {
    known: watch::Sender<LiveRun>,
    /// The number of the last record of its journal.
    facts: watch::Sender<u64>,
}

impl LiveRun {
    fn of(record: &RunRecord) -> Self {
        let ended_jobs = record.jobs.iter().filter(|job| job.outcome.is_some()).count();
        let is_stopping = record.stop.is_some() || record.outcome == Some(Outcome::Cancelled);
        let has_ended = record.outcome.is_some();
        let has_begun = record.started_at.is_some();
        Self { is_evaluated: record.is_evaluated, has_begun, ended_jobs, is_stopping, has_ended }
    }
}

impl Default for LiveRuns {
    fn default() -> Self {
        Self { runs: Arc::default(), news: broadcast::Sender::new(MAX_NEWS) }
    }
}

impl LiveRuns {
    /// Begins to keep what is known of a run.
    pub(crate) fn open(&self, run: RunId) {
        if self.insert(run, LiveRun::default()) {
            self.announce(run, RunNews::Queued);
        }
    }

    /// Begins to keep what is known of a run that is no news: the server has found it when it started.
    pub(crate) fn open_found(&self, run: RunId, has_begun: bool) {
        self.insert(run, LiveRun { has_begun, ..LiveRun::default() });
    }

    /// Publishes what is known of a run, if that is new.
    pub(crate) fn publish(&self, run: RunId, record: &RunRecord) {
        let known = LiveRun::of(record);
        let mut begins = false;
        if let Some(live) = self.lock().get(&run) {
            live.known.send_if_modified(|last| {
                begins = known.has_begun && !last.has_begun;
                std::mem::replace(last, known) != known
            });
            live.facts.send_if_modified(|last| std::mem::replace(last, record.seq) != record.seq);
        }
        if begins {
            self.announce(run, RunNews::Started);
        }
    }

    /// A run that has ended is not kept any longer; whoever waits for it sees that it is over.
    pub(crate) fn close(&self, run: RunId) {
        if self.lock().remove(&run).is_some() {
            self.announce(run, RunNews::Finished);
        }
    }

    /// Announces a run that had ended when it was recorded.
    pub(crate) fn announce_end(&self, run: RunId) {
        self.announce(run, RunNews::Finished);
    }

    /// Follows what is known of a run; nothing when the run has ended.
    pub(crate) fn follow(&self, run: RunId) -> Option<watch::Receiver<LiveRun>> {
        self.lock().get(&run).map(|live| live.known.subscribe())
    }

    /// Follows how far the journal of a run has grown; nothing when the run has ended.
    pub(crate) fn follow_facts(&self, run: RunId) -> Option<watch::Receiver<u64>> {
        self.lock().get(&run).map(|live| live.facts.subscribe())
    }

    /// Follows all runs.
    pub(crate) fn follow_all(&self) -> broadcast::Receiver<(RunId, RunNews)> {
        self.news.subscribe()
    }

    /// Whether it is new.
    fn insert(&self, run: RunId, known: LiveRun) -> bool {
        let mut is_new = false;
        self.lock().entry(run).or_insert_with(|| {
            is_new = true;
            Live { known: watch::Sender::new(known), facts: watch::Sender::new(0) }
        });
        is_new
    }

    fn announce(&self, run: RunId, news: RunNews) {
        // Nobody may listen.
        let _listeners = self.news.send((run, news)).unwrap_or_default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Live>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
