//! The owner of the queue: keeps it in memory, asks [`plan`], and performs what it says.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::echo::echo;
use super::follower::{Followed, finish, follow, settle};
use super::launch::{Runner, start_runner};
use super::recover::{Recovered, look};
use crate::config::{Asker, Settings, WATCH_EVENT};
use crate::executor::container::ENGINE_VARIABLES;
use crate::http::{App, Wake};
use crate::journal::StopReason;
use crate::model::{Outcome, RunId, chain};
use crate::policy::{PolicySpec, StartProfiles, policy_of_run};
use crate::run::{Dispatch, Message, QueuedRun, RunLimits, RunSpec, StepRules, plan, tell};
use crate::secret::SecretGrant;
use crate::store::{self, RunRow};
use crate::sys::clock;
use crate::sys::own_pages;

/// How long after a runner was taken the next one is made ready.
const SPARE_AFTER: std::time::Duration = std::time::Duration::from_millis(100);

/// An unfinished run.
struct Tracked {
    row: RunRow,
    has_runner: bool,
    has_slot: bool,
}

/// What the owner of the queue is started with.
pub(super) struct DispatchStart {
    /// The quire binary, for runners.
    pub(super) binary: PathBuf,
    /// The profiles of containers that were chosen where the server was started.
    pub(super) profiles: StartProfiles,
    /// Whether what steps say is shown on standard output.
    pub(super) shows_output: bool,
}

/// The owner of the queue.
pub(super) struct Dispatcher {
    app: App,
    start: DispatchStart,
    runs: Vec<Tracked>,
    spare: Option<Runner>,
}

/// Owns the queue until nobody can tell it anything any more.
pub(super) async fn dispatch(app: App, start: DispatchStart, mut wakes: mpsc::Receiver<Wake>) {
    let mut dispatcher = Dispatcher { app, start, runs: Vec::new(), spare: None };
    dispatcher.recover().await;
    dispatcher.advance().await;
    dispatcher.keep_spare().await;
    while let Some(wake) = wakes.recv().await {
        match wake {
            Wake::Queued => dispatcher.refresh().await,
            Wake::Superseded(runs) => dispatcher.supersede(runs),
            Wake::Cancel { run, by, answer } => dispatcher.cancel(run, by, answer).await,
            Wake::Ended(run) => dispatcher.runs.retain(|tracked| tracked.row.id != run),
            Wake::Again(run) => dispatcher.queue_again(run),
            Wake::Quiet => {
                dispatcher.keep_spare().await;
                give_back_pages();
            }
        }
        dispatcher.advance().await;
    }
}

/// Gives back what the push before has mapped of the program.
fn give_back_pages() {
    if let Err(error) = own_pages::give_back() {
        tracing::debug!(%error, "pages of the program could not be given back");
    }
}

impl Dispatcher {
    /// Looks at every unfinished run once, when the server starts.
    async fn recover(&mut self) {
        for row in self.unfinished().await {
            self.app.live.open(row.id);
            let (data, seen) = (self.app.data.clone(), row.clone());
            let found = tokio::task::spawn_blocking(move || look(&data, &seen)).await;
            match found {
                Ok(Recovered::Attached { process, has_slot, run_dir }) => {
                    tracing::info!(run = %row.id, "a run goes on");
                    self.follow(Followed { row: row.clone(), run_dir, process, is_found: true });
                    self.runs.push(Tracked { row, has_runner: true, has_slot });
                }
                Ok(Recovered::Gone { mut record, run_dir }) => {
                    let app = self.app.clone();
                    if record.outcome.is_none() {
                        settle(&app, &row, &run_dir, &mut record).await;
                    } else {
                        finish(&app, &row, &record).await;
                    }
                    app.live.close(row.id);
                }
                Ok(Recovered::Queued) => self.runs.push(Tracked { row, has_runner: false, has_slot: false }),
                Err(error) => tracing::error!(%error, "a run could not be looked at"),
            }
        }
    }

    async fn unfinished(&self) -> Vec<RunRow> {
        match self.app.store.call(|connection| store::unfinished_runs(connection)).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                tracing::error!(%error, "the queue could not be read");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Takes up rows that are new.
    async fn refresh(&mut self) {
        for row in self.unfinished().await {
            match self.runs.iter_mut().find(|tracked| tracked.row.id == row.id) {
                Some(known) => known.row.superseded_by = row.superseded_by,
                None => {
                    self.app.live.open(row.id);
                    self.runs.push(Tracked { row, has_runner: false, has_slot: false });
                }
            }
        }
    }

    /// Does what the queue wants done now.
    async fn advance(&mut self) {
        let queue: Vec<QueuedRun> = self
            .runs
            .iter()
            .map(|tracked| QueuedRun {
                id: tracked.row.id,
                has_runner: tracked.has_runner,
                has_slot: tracked.has_slot,
                is_superseded: tracked.row.superseded_by.is_some(),
            })
            .collect();
        let current = Arc::clone(&self.app.settings);
        let settings = match current.unchanged() {
            Some(settings) => settings,
            None => match tokio::task::spawn_blocking(move || current.get()).await {
                Ok(settings) => settings,
                Err(error) => return tracing::error!(%error, "the settings could not be read"),
            },
        };
        for dispatch in plan(&queue, settings.limits.runs) {
            match dispatch {
                Dispatch::Start { id, with_slot } => self.start(id, with_slot, &settings).await,
                Dispatch::Grant { id } => self.grant(id),
            }
        }
    }

    /// Starts a runner for a run.
    async fn start(&mut self, id: RunId, with_slot: bool, settings: &Settings) {
        let Some(place) = self.runs.iter().position(|tracked| tracked.row.id == id) else { return };
        let Some(row) = self.runs.get(place).map(|tracked| tracked.row.clone()) else { return };
        let run_dir = self.app.data.run(&row.repo, row.number);
        let spec = self.spec(&row, with_slot, settings);
        let (spare, binary) = (self.spare.take(), self.start.binary.clone());
        self.call_for_spare();
        let launched = tokio::task::spawn_blocking(move || {
            // A spare that died while it waited is no reason for the run to fail.
            match spare.map(|runner| runner.take(&spec)) {
                Some(Ok(process)) => Ok(process),
                Some(Err(_)) | None => start_runner(&binary)?.take(&spec),
            }
        });
        match launched.await {
            Ok(Ok(process)) => {
                self.follow(Followed { row: row.clone(), run_dir, process, is_found: false });
                if let Some(tracked) = self.runs.get_mut(place) {
                    (tracked.has_runner, tracked.has_slot) = (true, with_slot);
                }
            }
            Ok(Err(error)) => self.give_up(&row, &chain(&error)).await,
            Err(error) => self.give_up(&row, &error.to_string()).await,
        }
    }

    /// Ends a run that cannot get a runner: it has failed, with the reason.
    async fn give_up(&mut self, row: &RunRow, problem: &str) {
        tracing::error!(problem, run = %row.id, "a run could not be started");
        let (id, reason) = (row.id, format!("quire could not start it: {problem}"));
        let ended = self.app.store.call(move |connection| {
            store::finish_run(connection, id, Outcome::Failed, Some(&reason), clock::now())
        });
        if let Ok(Err(error)) = ended.await {
            tracing::error!(%error, "the index of runs could not be changed");
        }
        self.app.notices.notify_one();
        self.runs.retain(|tracked| tracked.row.id != row.id);
        self.app.live.close(row.id);
    }

    fn follow(&self, followed: Followed) {
        let (app, row, shows_output) = (self.app.clone(), followed.row.clone(), self.start.shows_output);
        tokio::spawn(async move {
            if shows_output {
                tokio::join!(follow(app.clone(), followed), echo(app, row));
            } else {
                follow(app, followed).await;
            }
        });
    }

    /// Takes a run as if it had had no runner.
    fn queue_again(&mut self, id: RunId) {
        if let Some(tracked) = self.runs.iter_mut().find(|tracked| tracked.row.id == id) {
            (tracked.has_runner, tracked.has_slot) = (false, false);
        }
    }

    /// Gives a slot to a runner that waits.
    fn grant(&mut self, id: RunId) {
        let Some(tracked) = self.runs.iter_mut().find(|tracked| tracked.row.id == id) else { return };
        tracked.has_slot = true;
        let row = tracked.row.clone();
        self.say(&row, Message::Go {});
    }

    /// Tells a runner something, beside the queue. A runner that is gone hears nothing, and its run is settled.
    fn say(&self, row: &RunRow, message: Message) {
        let run_dir = self.app.data.run(&row.repo, row.number);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = tell(&run_dir, &message) {
                tracing::debug!(%error, "a runner did not listen");
            }
        });
    }

    fn supersede(&mut self, runs: Vec<(RunId, u64)>) {
        for (id, by) in runs {
            let Some(tracked) = self.runs.iter_mut().find(|tracked| tracked.row.id == id) else { continue };
            tracked.row.superseded_by = Some(by);
            if tracked.has_runner {
                let row = tracked.row.clone();
                self.say(&row, Message::Stop { reason: StopReason::Superseded { by } });
            }
        }
    }

    async fn cancel(&mut self, id: RunId, by: Option<String>, answer: oneshot::Sender<Result<(), String>>) {
        self.refresh().await;
        let told = match self.runs.iter().find(|tracked| tracked.row.id == id) {
            None => Err("the run has ended".to_owned()),
            Some(tracked) if tracked.has_runner => {
                let row = tracked.row.clone();
                self.say(&row, Message::Stop { reason: StopReason::Cancelled { by } });
                Ok(())
            }
            Some(_) => self.cancel_queued(id, by).await,
        };
        let _nobody_waits = answer.send(told).is_err();
    }

    /// Ends a run that has no runner yet.
    async fn cancel_queued(&mut self, id: RunId, by: Option<String>) -> Result<(), String> {
        let reason = by.map_or_else(|| "cancelled".to_owned(), |by| format!("cancelled by {by}"));
        let ended = self.app.store.call(move |connection| {
            store::finish_run(connection, id, Outcome::Cancelled, Some(&reason), clock::now())
        });
        ended.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.app.notices.notify_one();
        self.runs.retain(|tracked| tracked.row.id != id);
        self.app.live.close(id);
        Ok(())
    }

    /// Has a new runner made ready in a moment: not now, when the push that took the last one needs the processors.
    fn call_for_spare(&self) {
        let app = self.app.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SPARE_AFTER).await;
            app.tell(Wake::Quiet).await;
        });
    }

    /// Keeps one runner ready for the next run.
    async fn keep_spare(&mut self) {
        if self.spare.as_ref().is_some_and(|runner| !runner.process.is_dead()) {
            return;
        }
        let binary = self.start.binary.clone();
        match tokio::task::spawn_blocking(move || start_runner(&binary)).await {
            Ok(Ok(runner)) => self.spare = Some(runner),
            Ok(Err(error)) => tracing::warn!(problem = chain(&error), "no runner is ready ahead of time"),
            Err(error) => tracing::warn!(%error, "no runner is ready ahead of time"),
        }
    }

    /// What the runner of a run is given.
    fn spec(&self, row: &RunRow, has_slot: bool, settings: &Settings) -> RunSpec {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let data = &self.app.data;
        let (policy, denied) =
            policy_of_run(&settings.policy, data.path(), self.start.profiles, &row.options);
        let of_engine = |(name, _): &&(String, String)| ENGINE_VARIABLES.contains(&name.as_str());
        RunSpec {
            v: RunSpec::VERSION,
            id: row.id.to_string(),
            instance: self.app.instance.to_string(),
            repo: row.repo.to_string(),
            number: row.number,
            git_dir: text(if row.is_watched() { data.watched_repo(&row.repo) } else { data.repo(&row.repo) }),
            run_dir: text(data.run(&row.repo, row.number)),
            cache_dir: text(data.cache().join("fennel")),
            ref_name: row.ref_name.as_bytes().to_vec(),
            old: row.old.to_string(),
            new: row.sha.to_string(),
            event: row.event.clone(),
            pusher: row.pusher.clone(),
            pushed_at: row.pushed_at.to_string(),
            has_slot,
            superseded_by: row.superseded_by,
            environment: self.environment(settings),
            secrets: grants(row, settings),
            limits: RunLimits::of(&settings.limits),
            policy: PolicySpec::from(&policy),
            denied: denied.map(|denied| denied.to_string()),
            engine_environment: self.app.environment.iter().filter(of_engine).cloned().collect(),
            steps: StepRules::of(settings, data),
        }
    }

    /// The variables of the server's environment that steps see.
    fn environment(&self, settings: &Settings) -> Vec<(String, String)> {
        const ALWAYS: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];
        let passes =
            |name: &str| ALWAYS.contains(&name) || settings.pass_env.iter().any(|passed| passed == name);
        self.app.environment.iter().filter(|(name, _)| passes(name)).cloned().collect()
    }
}

/// The declared secrets, with the sources of those that the run may have.
fn grants(row: &RunRow, settings: &Settings) -> Vec<SecretGrant> {
    let event = if row.is_watched() { WATCH_EVENT } else { &row.event };
    let asker = Asker { repo: Some(&row.repo), ref_name: &row.ref_name, event };
    settings.secrets.iter().map(|secret| SecretGrant::new(secret, asker)).collect()
}
