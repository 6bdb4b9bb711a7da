//! The owner of the queue: keeps it in memory, asks [`plan`], and performs what it says.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::assignment::{assignment, with_present_name};
use super::backoff::Backoff;
use super::echo::echo;
use super::follower::{Followed, follow};
use super::kept_commits;
use super::launch::{Found, Launch, LaunchError, Launched, Led};
use super::local_launch::SPECULATION_LIMIT;
use super::quiet::{Quiet, give_back_pages};
use super::runner_limits::{RunnerLimits, Verdict};
use super::settle::{conclude, settle};
use super::tracked::{Tracked, heard};
use crate::app::{AppState, Code, Problem, Wake, end_queued};
use crate::config::Settings;
use crate::journal::StopReason;
use crate::model::{Outcome, Progress, Reason, RunId, chain, codes};
use crate::run::{Dispatch, Message, QueuedRun, Speculation, Stage, plan};
use crate::store::{self, RunRow};
use crate::sys::clock;

/// How long after the start of a run the next start is prepared.
const PREPARE_AFTER: Duration = Duration::from_millis(100);

/// How long after the last run has ended, or after its start, a server is idle.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// Messages to a runner that may wait to be sent.
const MAX_MESSAGES: usize = 16;

/// How long a found runner's run may take at least: nobody knows under which `:run-timeout` it was started.
const FOUND_RUN_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// What the owner of the queue is started with.
pub(super) struct DispatchStart {
    /// What has runs led.
    pub(super) launch: Arc<dyn Launch>,
    /// Whether what steps say is shown on standard output.
    pub(super) shows_output: bool,
}

/// The owner of the queue.
pub(super) struct Dispatcher {
    app: AppState,
    start: DispatchStart,
    runs: Vec<Tracked>,
    /// The last row that was taken up.
    seen: i64,
    quiet: Quiet,
    /// The pauses between attempts to read the queue.
    reading: Backoff,
}

/// Owns the queue until its channel is closed.
pub(super) async fn dispatch(app: AppState, start: DispatchStart, mut wakes: mpsc::Receiver<Wake>) {
    let mut dispatcher = Dispatcher {
        app,
        start,
        runs: Vec::new(),
        seen: 0,
        quiet: Quiet::default(),
        reading: Backoff::of_runs(),
    };
    dispatcher.recover().await;
    dispatcher.advance().await;
    dispatcher.prepare().await;
    dispatcher.wake_when_quiet(IDLE_AFTER);
    while let Some(wake) = wakes.recv().await {
        if !matches!(wake, Wake::Quiet) {
            dispatcher.quiet.disturb();
        }
        match wake {
            Wake::Announced(what) => {
                dispatcher.speculate(what);
                continue;
            }
            Wake::Queued => dispatcher.refresh().await,
            Wake::Superseded(runs) => dispatcher.supersede(runs).await,
            Wake::Cancel { run, by, answer } => dispatcher.cancel(run, by, answer).await,
            Wake::Ended(run) => {
                for ended in dispatcher.runs.extract_if(.., |tracked| tracked.row.id == run) {
                    kept_commits::release(&dispatcher.app, ended.row).await;
                }
                if dispatcher.runs.is_empty() {
                    dispatcher.wake_when_quiet(IDLE_AFTER);
                }
            }
            Wake::Again(run) => dispatcher.queue_again(run),
            Wake::NotStarted { run, problem } => dispatcher.delay(run, &problem),
            Wake::Retry(run) => dispatcher.retry(run).await,
            Wake::Slow(run, is_slow) => dispatcher.slow(run, is_slow),
            Wake::Killed(run) => dispatcher.set_stage(run, Stage::Ending),
            Wake::Quiet => dispatcher.rest().await,
        }
        dispatcher.advance().await;
    }
}

impl Dispatcher {
    /// Looks at every unfinished run once, when the server starts.
    async fn recover(&mut self) {
        let rows = loop {
            match self.read_queue(store::whole_queue).await {
                Some((rows, newest)) => {
                    self.seen = newest;
                    break rows;
                }
                None => tokio::time::sleep(self.reading.next()).await,
            }
        };
        self.reading = Backoff::of_runs();
        kept_commits::release_others(&self.app, &rows).await;
        for row in rows {
            self.app.live.open_found(row.id, row.state == Progress::Running);
            self.runs.push(Tracked::new(row.clone(), Stage::Ending));
            self.look(row).await;
        }
    }

    /// Looks at what is on disk of a run that is not followed, and does what follows from it.
    async fn look(&mut self, row: RunRow) {
        let (launch, seen, id) = (Arc::clone(&self.start.launch), row.clone(), row.id);
        let found = tokio::task::spawn_blocking(move || launch.find(&seen)).await;
        match found.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(Found::Led { led, has_slot }) => {
                tracing::info!(run = %id, "a run continues");
                let timeout = self.app.settings.get().limits.run_timeout.max(FOUND_RUN_TIMEOUT);
                let limits = RunnerLimits::new(timeout, has_slot, Instant::now());
                self.follow(row.clone(), led, limits, true);
                self.set_running(id, has_slot);
                if let Some(by) = row.superseded_by {
                    self.say(id, Message::Stop { reason: StopReason::Superseded { by } }).await;
                }
            }
            Ok(Found::Gone) => self.settle(row),
            Ok(Found::Queued) => self.set_stage(id, Stage::Queued),
            Ok(Found::Hidden) => {
                let what = "its lock is held by a process that quire cannot find; quire doctor names it";
                self.retry_later(id, what);
            }
            Err(error) => self.retry_later(id, &format!("its folder cannot be read: {error}")),
        }
    }

    /// Settles a run whose runner is gone, without blocking the queue.
    fn settle(&self, row: RunRow) {
        let app = self.app.clone();
        self.app.tasks.spawn("the end of a run", async move {
            let run_dir = app.data.run(&row.repo, row.number);
            let record = settle(&app, &row, &run_dir, Verdict::runner_gone()).await;
            conclude(&app, &row, &record, 0).await;
        });
    }

    /// What is read of the queue; nothing when it cannot be read now.
    async fn read_queue<T: Default + Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<T> {
        match self.app.store.call(|connection| read(connection)).await {
            Ok(Ok(read)) => Some(read),
            Ok(Err(error)) => {
                tracing::error!(%error, "the queue could not be read; retrying");
                None
            }
            Err(_) => Some(T::default()),
        }
    }

    /// Takes up rows that are new.
    async fn refresh(&mut self) {
        let seen = self.seen;
        let Some(rows) = self.read_queue(move |db| store::unfinished_runs_since(db, seen)).await else {
            let (app, pause) = (self.app.clone(), self.reading.next());
            self.app.tasks.spawn("a look at the queue", async move {
                tokio::time::sleep(pause).await;
                app.wake(Wake::Queued).await;
            });
            return;
        };
        self.reading = Backoff::of_runs();
        for row in rows {
            self.seen = self.seen.max(row.seq);
            self.app.live.open(row.id);
            self.runs.push(Tracked::new(row, Stage::Queued));
        }
    }

    /// The queue, as the decision about it sees it.
    fn queue(&self) -> Vec<QueuedRun<'_>> {
        let rows: Vec<&RunRow> = self.runs.iter().map(|tracked| &tracked.row).collect();
        let is_rerun = |row: &RunRow| row.event.as_rerun().is_some();
        // Later runs of their refs begin when these have ended.
        let before_others: Vec<&RunRow> =
            rows.iter().copied().filter(|row| row.superseded_by.is_some() || is_rerun(row)).collect();
        let ref_of = |row: &RunRow| row.event.subject.as_ref().map(|update| update.ref_name.clone());
        let is_same_ref =
            |one: &RunRow, other: &RunRow| ref_of(one).is_some() && ref_of(one) == ref_of(other);
        let is_blocked = |row: &RunRow| {
            // A rerun is no newer state of its ref: it supersedes nothing, and waits.
            let before = if is_rerun(row) { &rows } else { &before_others };
            before.iter().any(|older| {
                older.number < row.number && older.repo_id == row.repo_id && is_same_ref(older, row)
            })
        };
        let queued = self.runs.iter().map(|Tracked { row, stage, .. }| QueuedRun {
            id: row.id,
            repo: &row.repo_id,
            stage: *stage,
            is_superseded: row.superseded_by.is_some(),
            is_blocked: is_blocked(row),
        });
        queued.collect()
    }

    /// Has the run of an announced push prepared, unless runs wait for the machine.
    fn speculate(&self, what: Box<Speculation>) {
        let is_led = |tracked: &Tracked| matches!(tracked.stage, Stage::Running | Stage::Ending);
        if !self.runs.iter().all(is_led) {
            return;
        }
        let (app, launch) = (self.app.clone(), Arc::clone(&self.start.launch));
        self.app.tasks.spawn("a run that is prepared", async move {
            if let Err(error) = tokio::task::spawn_blocking(move || launch.speculate(&what)).await {
                tracing::debug!(%error, "a run is not prepared ahead of time");
            }
            tokio::time::sleep(SPECULATION_LIMIT).await;
            app.wake(Wake::Quiet).await;
        });
    }

    /// Does what the queue needs done now.
    async fn advance(&mut self) {
        let settings = match self.app.settings.get_async().await {
            Ok(settings) => settings,
            Err(error) => return tracing::error!(%error, "the settings could not be read"),
        };
        for dispatch in plan(&self.queue(), settings.limits.runs) {
            match dispatch {
                Dispatch::Start { id, with_slot } => self.start(id, with_slot, &settings).await,
                Dispatch::Grant { id } => {
                    self.set_running(id, true);
                    self.say(id, Message::Go {}).await;
                }
            }
        }
    }

    /// Starts a runner for a run.
    async fn start(&mut self, id: RunId, with_slot: bool, settings: &Arc<Settings>) {
        let Some(row) = self.tracked(id).map(|tracked| tracked.row.clone()) else { return };
        let named = with_present_name(&self.app, row).await;
        let Ok(row) = named.map_err(|problem| self.delay(id, &problem)) else { return };
        let given = assignment(&self.app, &row, with_slot, settings).await;
        let launch = Arc::clone(&self.start.launch);
        self.wake_when_quiet(PREPARE_AFTER);
        let launched = tokio::task::spawn_blocking(move || launch.start(&given)).await;
        let launched = launched.unwrap_or_else(|error| Err(LaunchError::Spawn(std::io::Error::other(error))));
        match launched {
            Ok(Launched::Started(led)) => {
                let limits = RunnerLimits::new(settings.limits.run_timeout, with_slot, Instant::now());
                self.follow(row, led, limits, false);
                self.set_running(id, with_slot);
            }
            Ok(Launched::Begun) => {
                tracing::warn!(run = %id, "a queued run has begun before, according to its journal");
                self.set_stage(id, Stage::Ending);
                self.settle(row);
            }
            Err(error) if error.is_for_now() => self.delay(id, &chain(&error)),
            Err(error) => self.give_up(&row, &chain(&error)).await,
        }
    }

    /// Has a run that could not be started wait for a while.
    fn delay(&mut self, id: RunId, problem: &str) {
        let what = format!("it could not be started: {problem}");
        if self.tracked(id).is_some_and(|tracked| tracked.waiting.is_none()) {
            tracing::warn!(problem, run = %id, "a run could not be started; retrying");
        }
        if let Some(tracked) = self.tracked(id) {
            (tracked.stage, tracked.runner) = (Stage::Delayed, None);
        }
        self.retry_later(id, &what);
        self.note(id, Reason::new(codes::NOT_STARTED, format!("{what}; trying again")));
    }

    /// Notes in the index why a queued run waits, without blocking the queue. It is only for people.
    fn note(&self, id: RunId, reason: Reason) {
        let store = self.app.store.clone();
        self.app.tasks.spawn("a note about a run", async move {
            let noted = store
                .call_unsynced(move |connection| store::note_waiting(connection, id, Some(&reason)))
                .await;
            if let Ok(Err(error)) = noted {
                tracing::debug!(%error, "why a run waits could not be noted");
            }
        });
    }

    /// Comes back to a run after its next pause.
    fn retry_later(&mut self, id: RunId, what: &str) {
        let app = self.app.clone();
        let Some(tracked) = self.tracked(id) else { return };
        let pause = tracked.wait(&app, what);
        self.app.tasks.spawn("a run that waits", async move {
            tokio::time::sleep(pause).await;
            app.wake(Wake::Retry(id)).await;
        });
    }

    /// Comes back to a run that could not be started, or whose runner could not be found.
    async fn retry(&mut self, id: RunId) {
        let Some(tracked) = self.tracked(id) else { return };
        match tracked.stage {
            Stage::Delayed => tracked.stage = Stage::Queued,
            Stage::Ending if tracked.runner.is_none() => {
                let row = tracked.row.clone();
                self.look(row).await;
            }
            Stage::Queued | Stage::Waiting | Stage::Running | Stage::Slow | Stage::Ending => {}
        }
    }

    /// Ends a run that can never get a runner: it has failed, with the reason.
    async fn give_up(&mut self, row: &RunRow, problem: &str) {
        tracing::error!(problem, run = %row.id, "a run cannot be started");
        let reason = Reason::new(codes::NOT_STARTED, format!("quire could not start it: {problem}"));
        let id = row.id;
        let ended = self.app.store.call(move |connection| {
            store::finish_run(connection, id, Outcome::Failed, Some(&reason), clock::now())
        });
        if let Ok(Err(error)) = ended.await {
            return self.delay(id, &error.to_string());
        }
        self.forget(id);
    }

    /// Forgets a run that has ended without a runner.
    fn forget(&mut self, id: RunId) {
        self.app.notices.notify_one();
        self.runs.retain(|tracked| tracked.row.id != id);
        self.app.live.close(id);
        self.app.job_secrets.forget(id);
    }

    fn tracked(&mut self, id: RunId) -> Option<&mut Tracked> {
        self.runs.iter_mut().find(|tracked| tracked.row.id == id)
    }

    fn set_stage(&mut self, id: RunId, stage: Stage) {
        if let Some(tracked) = self.tracked(id) {
            tracked.stage = stage;
        }
    }

    fn follow(&mut self, row: RunRow, led: Led, limits: RunnerLimits, is_found: bool) {
        let (sender, messages) = mpsc::channel(MAX_MESSAGES);
        if let Some(tracked) = self.tracked(row.id) {
            tracked.runner = Some(sender);
        }
        let (app, shows_output) = (self.app.clone(), self.start.shows_output);
        let run_dir = self.app.data.run(&row.repo, row.number);
        let followed = Followed { row: row.clone(), run_dir, led, is_found, messages, limits };
        self.app.tasks.spawn("a run", async move {
            if shows_output {
                tokio::join!(follow(app.clone(), followed), echo(app, row));
            } else {
                follow(app, followed).await;
            }
        });
    }

    /// Takes a run as if it had had no runner.
    fn queue_again(&mut self, id: RunId) {
        if let Some(tracked) = self.tracked(id) {
            (tracked.stage, tracked.runner) = (Stage::Queued, None);
        }
    }

    /// Notes that a runner has a slot, or waits for one.
    fn set_running(&mut self, id: RunId, has_slot: bool) {
        if let Some(tracked) = self.tracked(id) {
            tracked.has_slot = has_slot;
            // Should its runner give up at once, the next pause is longer all the same.
            if let Some(waiting) = &mut tracked.waiting {
                waiting.trouble = None;
            }
            tracked.stage = if has_slot { Stage::Running } else { Stage::Waiting };
        }
    }

    /// Counts a run whose evaluation takes long as one that uses no slot and gets none, or as any other again.
    fn slow(&mut self, id: RunId, is_slow: bool) {
        let Some(tracked) = self.tracked(id) else { return };
        match (tracked.stage, is_slow) {
            (Stage::Running | Stage::Waiting, true) => tracked.stage = Stage::Slow,
            (Stage::Slow, false) => {
                let has_slot = tracked.has_slot;
                self.set_running(id, has_slot);
            }
            (Stage::Queued | Stage::Delayed | Stage::Slow | Stage::Ending, true)
            | (Stage::Queued | Stage::Delayed | Stage::Running | Stage::Waiting | Stage::Ending, false) => {}
        }
    }

    /// Sends a runner a message. A runner that is gone hears nothing, and its run is settled.
    async fn say(&mut self, id: RunId, message: Message) {
        let runner = self.tracked(id).and_then(|tracked| tracked.runner.clone());
        // One that has taken none of many messages will be killed for the first.
        if let Some(Err(error)) = runner.map(|runner| runner.try_send(message)) {
            tracing::debug!(%error, run = %id, "a runner gets no more messages");
        }
    }

    async fn supersede(&mut self, runs: Vec<(RunId, u64)>) {
        for (id, by) in runs {
            let Some(tracked) = self.tracked(id) else { continue };
            tracked.row.superseded_by = Some(by);
            self.say(id, Message::Stop { reason: StopReason::Superseded { by } }).await;
        }
    }

    async fn cancel(&mut self, id: RunId, by: Option<String>, answer: oneshot::Sender<Result<(), Problem>>) {
        self.refresh().await;
        let stage = self.tracked(id).map(|tracked| (tracked.stage, tracked.runner.is_some()));
        let sent = match stage {
            None => Err(Problem::new(Code::RunFinished, "the run has ended")),
            Some((_, true)) => {
                let live = self.app.live.follow(id);
                self.say(id, Message::Stop { reason: StopReason::Cancelled { by } }).await;
                let hearing = async move { drop(answer.send(heard(live).await)) };
                return self.app.tasks.spawn("a cancellation", hearing);
            }
            Some((Stage::Ending, false)) => {
                Err(Problem::new(Code::RunEnding, "the run is being ended, or its runner cannot be found")
                    .hint("quire doctor names a lock that is held by another process"))
            }
            Some((_, false)) => self.cancel_queued(id, by).await,
        };
        let _nobody_waits = answer.send(sent).is_err();
    }

    /// Ends a run that has no runner yet.
    async fn cancel_queued(&mut self, id: RunId, by: Option<String>) -> Result<(), Problem> {
        end_queued(&self.app, id, by).await?;
        self.forget(id);
        Ok(())
    }

    /// Has a new runner made ready, and pages given back, in a moment: not now, when a push needs the processors.
    fn wake_when_quiet(&mut self, pause: Duration) {
        if std::mem::replace(&mut self.quiet.is_waited_for, true) {
            return;
        }
        let app = self.app.clone();
        self.app.tasks.spawn("a quiet moment", async move {
            tokio::time::sleep(pause).await;
            app.wake(Wake::Quiet).await;
        });
    }

    /// What is done when no push needs the processors. Pages are given back when there has been none for a while: they are
    /// needed by runs that are led, and by the next push.
    async fn rest(&mut self) {
        self.quiet.is_waited_for = false;
        self.prepare().await;
        if !self.runs.is_empty() {
            return;
        }
        match self.quiet.keeps_pages() {
            Some(left) => self.wake_when_quiet(left),
            None => {
                self.start.launch.rest();
                give_back_pages();
            }
        }
    }

    /// Makes the next start of a run quick.
    async fn prepare(&self) {
        let launch = Arc::clone(&self.start.launch);
        match tokio::task::spawn_blocking(move || launch.prepare()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(problem = chain(&error), "no runner is ready ahead of time"),
            Err(error) => tracing::warn!(%error, "no runner is ready ahead of time"),
        }
    }
}
