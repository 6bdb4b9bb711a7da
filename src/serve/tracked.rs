//! An unfinished run, as the owner of the queue keeps it.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::backoff::Backoff;
use crate::app::{AppState, Code, Problem, Trouble};
use crate::run::{LiveRun, Message, Stage};
use crate::store::RunRow;

/// After this many failed attempts it is reported that a run cannot be started, or that its runner cannot be found.
const QUIET_ATTEMPTS: u32 = 6;

/// An unfinished run.
pub(super) struct Tracked {
    pub(super) row: RunRow,
    pub(super) stage: Stage,
    /// Whether its runner was given a slot.
    pub(super) has_slot: bool,
    /// The way to its runner.
    pub(super) runner: Option<mpsc::Sender<Message>>,
    /// What keeps it from being started, or its runner from being found.
    pub(super) waiting: Option<Waiting>,
}

/// What keeps a run waiting, apart from the queue.
pub(super) struct Waiting {
    backoff: Backoff,
    attempts: u32,
    pub(super) trouble: Option<Trouble>,
}

impl Tracked {
    pub(super) fn new(row: RunRow, stage: Stage) -> Self {
        Self { row, stage, has_slot: false, runner: None, waiting: None }
    }

    /// Counts one more failed attempt and gives the pause before the next. `what` says what cannot be done.
    pub(super) fn wait(&mut self, app: &AppState, what: &str) -> Duration {
        let fresh = || Waiting { backoff: Backoff::of_runs(), attempts: 0, trouble: None };
        let waiting = self.waiting.get_or_insert_with(fresh);
        waiting.attempts += 1;
        let (repo, number) = (&self.row.repo, self.row.number);
        if waiting.attempts == QUIET_ATTEMPTS {
            tracing::error!(run = %self.row.id, problem = what, "run {repo}#{number} waits; retrying");
        }
        if waiting.attempts >= QUIET_ATTEMPTS {
            let report = || app.health.report(format!("{repo}#{number} waits: {what}"));
            waiting.trouble.get_or_insert_with(report);
        }
        waiting.backoff.next()
    }
}

/// Waits until a runner has heard that its run is to stop: its journal says so. The end of the run says it as well.
pub(super) async fn heard(live: Option<watch::Receiver<LiveRun>>) -> Result<(), Problem> {
    let finished = || Problem::new(Code::RunFinished, "the run has ended");
    let mut live = live.ok_or_else(finished)?;
    let _is_over = live.wait_for(|run| run.is_stopping || run.has_ended).await.is_err();
    if live.borrow().is_stopping { Ok(()) } else { Err(finished()) }
}
