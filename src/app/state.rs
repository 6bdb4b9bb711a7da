//! What the handlers and the server's tasks stand on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::audit::AuditQueue;
use super::browsing::Browsing;
use super::events::MAX_FOLLOWERS;
use super::health::Health;
use super::jobs::{JobPlace, JobSecrets};
use super::known_plans::KnownPlans;
use super::known_secrets::KnownSecrets;
use super::local::LocalWriter;
use super::log_index::LogIndexes;
use super::probe::Probe;
use super::problem::{Code, Problem};
use super::push_log;
use super::run_feed::RunFeeds;
use super::sources::SourcePlace;
use super::spool_gate::SpoolGate;
use super::stopping::Stopping;
use super::tasks::Tasks;
use super::touched::{Touched, TouchedRefs};
use super::unseen::UnseenPushes;
use crate::config::{CurrentSettings, DataDir};
use crate::event::RefUpdate;
use crate::intake::{Scope, SettleError, Settled, Settling, settle};
use crate::metrics::{Metrics, PushResult};
use crate::model::{InstanceId, RefName, RunId, Visibility, chain};
use crate::policy::StartProfiles;
use crate::run::{LiveRuns, Speculation};
use crate::store::{self, OpenPush, RepoRow, RunRow, Store};
use crate::sys::{clock, random};
use crate::view::{FollowedRun, RunView};
use crate::watch::{WatchWake, runs_first};

/// How many read files of runs at the same time: pages, and pushes that wait.
const MAX_READERS: usize = 4;

/// How many pipelines are evaluated for requests at the same time, each by a process of its own.
const MAX_PLANNERS: usize = 2;

/// How many pages are in memory at the same time.
const MAX_PAGES: usize = 32;

/// A message to the queue. Rows are the truth; this only says that there is something to look at.
#[derive(Debug)]
pub(crate) enum Wake {
    /// A push is about to move a ref; a run may follow.
    Announced(Box<Speculation>),
    /// Runs were queued.
    Queued,
    /// Newer runs supersede these, by the newer ones' numbers.
    Superseded(Vec<(RunId, u64)>),
    /// A person cancels a run; the answer says whether its runner could be reached.
    Cancel {
        run: RunId,
        /// Who asks.
        by: Option<String>,
        /// Whether the run was still there to be stopped.
        answer: oneshot::Sender<Result<(), Problem>>,
    },
    /// A runner is gone and its run is settled.
    Ended(RunId),
    /// The runner of a run that had not begun was dying when the server started: the run needs another.
    Again(RunId),
    /// A run could not be started, for this reason, which has nothing to do with it.
    NotStarted {
        run: RunId,
        /// The reason.
        problem: String,
    },
    /// It is time to try again with a run that could not be started, or whose runner could not be found.
    Retry(RunId),
    /// The pipeline of a run has been under evaluation for long (true), or is evaluated after all (false).
    Slow(RunId, bool),
    /// The runner of a run is being killed.
    Killed(RunId),
    /// A moment has passed since a runner was taken: the next one can be made ready.
    Quiet,
}

/// What the handlers and the server's tasks stand on. Clones share it.
#[derive(Clone)]
pub struct AppState {
    /// In a command without a server: the way to write.
    pub(crate) local: Option<Arc<LocalWriter>>,
    /// The owner of the tasks.
    pub(crate) tasks: Tasks,
    pub(crate) data: DataDir,
    /// The id of the data folder, which marks what its runs start.
    pub(crate) instance: InstanceId,
    /// The database.
    pub(crate) store: Store,
    pub(crate) settings: Arc<CurrentSettings>,
    /// The values of the declared secrets.
    pub(crate) known_secrets: KnownSecrets,
    /// The unfinished runs.
    pub(crate) live: LiveRuns,
    /// The runs whose events are followed.
    pub(crate) feeds: RunFeeds,
    /// What is known of how long formatted logs are.
    pub(crate) log_indexes: LogIndexes,
    /// A place for each client that follows events.
    pub(crate) followers: Arc<Semaphore>,
    /// What the server cannot do at the moment.
    pub(crate) health: Health,
    /// Who acts, for the audit.
    pub(crate) actor: Arc<str>,
    /// What is counted and timed.
    pub(crate) metrics: Arc<Metrics>,
    /// What was done and is not in the audit yet.
    pub(crate) audit: AuditQueue,
    /// The way to the queue.
    pub(crate) wake: mpsc::Sender<Wake>,
    /// The way to whoever watches pushes until their receive-pack is gone.
    pub(crate) pushes: mpsc::Sender<OpenPush>,
    /// The way to whoever watches remotes.
    pub(crate) watches: mpsc::Sender<WatchWake>,
    /// Pushes that have announced themselves and not reported yet, by repository id.
    pub(crate) open_pushes: Arc<Mutex<HashMap<String, HashSet<String>>>>,
    /// Refs that may have moved and were not looked at since.
    pub(crate) touched: TouchedRefs,
    /// Pushes whose receive-pack cannot be seen from here.
    pub(crate) unseen: UnseenPushes,
    /// Rung when a push is over.
    pub(crate) push_over: Arc<Notify>,
    /// Rung when a token was revoked or a session has ended.
    pub(crate) passes: Arc<Notify>,
    /// Whether the spool was read.
    pub(crate) spool: SpoolGate,
    /// Held while the spool is taken in.
    pub(crate) draining: Arc<tokio::sync::Mutex<()>>,
    /// Rung when there may be notices: runs that have ended, or what was announced.
    pub(crate) notices: Arc<tokio::sync::Notify>,
    /// The address of the server, when it answers anywhere over TCP.
    pub(crate) url: Option<String>,
    /// Who may see a repository, or its logs, that has no visibility of its own.
    pub(crate) visibility: Visibility,
    /// The environment that the server was started with.
    pub(crate) environment: Arc<Vec<(String, String)>>,
    /// Whether disk and database answer.
    pub(crate) probe: Probe,
    /// A place for each reader of files of runs.
    pub(crate) readers: Arc<Semaphore>,
    /// A place for each page that is in memory, until it was sent.
    pub(crate) pages: Arc<Semaphore>,
    /// What pages of repositories share.
    pub(crate) browsing: Arc<Browsing>,
    /// A place for each process that evaluates a pipeline for a request.
    pub(crate) planners: Arc<Semaphore>,
    /// The plans of commits from which runs were started.
    pub(crate) known_plans: Arc<KnownPlans>,
    /// Where job folders are looked for.
    pub(crate) jobs: Arc<JobPlace>,
    /// Secret arguments of runs that have not ended.
    pub(crate) job_secrets: JobSecrets,
    /// The profiles that were chosen where quire was started.
    pub(crate) profiles: StartProfiles,
    /// Where sources of jobs may come from.
    pub(crate) sources: Arc<SourcePlace>,
    /// Whether the server stops.
    pub(crate) stopping: Stopping,
    /// Notified when the server shall stop, empty its caches and start again.
    pub(crate) start_again: Arc<Notify>,
}

/// What to look at.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    /// Everything.
    All,
    /// These refs, and those that an open push has announced.
    Refs(BTreeSet<RefName>),
    /// What a hook reported.
    Reported { push: String, updates: Vec<RefUpdate> },
}

impl From<Touched> for Look {
    fn from(touched: Touched) -> Self {
        match touched {
            Touched::All => Self::All,
            Touched::Refs(refs) => Self::Refs(refs),
        }
    }
}

/// Why nothing was settled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    /// The spool may hold intents of the repository.
    #[error("{0}")]
    Spool(String),
    /// The database or the repository could not be used.
    #[error("{0}")]
    Failed(String),
    /// One of these pushes, which are not over, may have made an update that another announced as well.
    #[error("an update can belong to one of several pushes that are not over")]
    Undecided(HashSet<String>),
}

impl From<Unsettled> for Problem {
    fn from(unsettled: Unsettled) -> Self {
        let code = match &unsettled {
            Unsettled::Spool(_) => Code::SpoolUnread,
            Unsettled::Failed(_) => Code::ServerFailed,
            Unsettled::Undecided(_) => Code::PushUnrecorded,
        };
        Self::new(code, unsettled)
    }
}

impl AppState {
    /// What everything stands on, when nothing has happened yet.
    pub(crate) fn new(
        (data, instance): (DataDir, InstanceId),
        store: Store,
        settings: Arc<CurrentSettings>,
        (wake, pushes, watches): (mpsc::Sender<Wake>, mpsc::Sender<OpenPush>, mpsc::Sender<WatchWake>),
        (url, environment): (Option<String>, Vec<(String, String)>),
    ) -> Self {
        let metrics = Arc::new(Metrics::new(store.commits()));
        let jobs = Arc::new(JobPlace::below(data.path()));
        Self {
            local: None,
            tasks: Tasks::default(),
            data,
            instance,
            store,
            settings,
            known_secrets: KnownSecrets::default(),
            live: LiveRuns::default(),
            feeds: RunFeeds::default(),
            log_indexes: LogIndexes::default(),
            followers: Arc::new(Semaphore::new(MAX_FOLLOWERS)),
            health: Health::default(),
            actor: Arc::from("nobody"),
            metrics,
            audit: AuditQueue::default(),
            wake,
            pushes,
            watches,
            open_pushes: Arc::default(),
            touched: TouchedRefs::default(),
            unseen: UnseenPushes::default(),
            push_over: Arc::default(),
            passes: Arc::default(),
            spool: SpoolGate::default(),
            draining: Arc::default(),
            notices: Arc::default(),
            url,
            visibility: Visibility::Private,
            environment: Arc::new(environment),
            probe: Probe::default(),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
            pages: Arc::new(Semaphore::new(MAX_PAGES)),
            browsing: Arc::default(),
            planners: Arc::new(Semaphore::new(MAX_PLANNERS)),
            known_plans: Arc::default(),
            jobs,
            job_secrets: JobSecrets::default(),
            profiles: StartProfiles::default(),
            sources: Arc::default(),
            stopping: Stopping::default(),
            start_again: Arc::default(),
        }
    }

    /// Leaves descriptors for everything else: a quarter of them is for those who follow events.
    pub(crate) fn limit_followers(&self, descriptors: u64) {
        let most = usize::try_from(descriptors / 4).unwrap_or(MAX_FOLLOWERS);
        self.followers.forget_permits(MAX_FOLLOWERS.saturating_sub(most));
    }

    /// The writer of the database. A command without a server takes the server's lock for it.
    ///
    /// # Errors
    /// When a server has the data folder that this command could not ask, or the database cannot be opened.
    pub(crate) fn writer(&self) -> Result<Store, Problem> {
        self.local.as_ref().map_or_else(|| Ok(self.store.clone()), |local| local.open(&self.data))
    }

    /// Settles what has happened to a repository, and sees to what follows.
    ///
    /// # Errors
    /// When nothing could be settled; it is tried again at the next change.
    pub(crate) async fn settle(&self, repo: RepoRow, look: Look) -> Result<Settled, Unsettled> {
        if let Some(problem) = self.spool.problem(&repo.id).filter(|_| !repo.is_watched()) {
            return Err(Unsettled::Spool(problem));
        }
        let (data, settings) = (self.data.clone(), Arc::clone(&self.settings));
        let (app, row) = (self.clone(), repo.clone());
        let settled = self.store.call(move |connection| {
            let settings = settings.get();
            let open_pushes = app.open_pushes_of(&repo.id);
            let mut new_id = random::run_id;
            let failed = |source: rusqlite::Error| SettleError::Store {
                repo: repo.name.to_string(),
                source: source.into(),
            };
            let records_first =
                repo.is_watched() && !runs_first(connection, &settings, &repo.name).map_err(failed)?;
            let secrets = app.known_secrets.redactor(&settings);
            let mut settling = Settling {
                data: &data,
                repo: &repo,
                limits: &settings.limits,
                secrets: &secrets,
                open_pushes: &open_pushes,
                records_first,
                now: clock::now(),
                new_id: &mut new_id,
            };
            let scope = match &look {
                Look::All => Scope::All,
                Look::Refs(refs) => Scope::Refs(refs),
                Look::Reported { push, updates } => Scope::Reported { push, updates },
            };
            settle(connection, &mut settling, scope)
        });
        let settled = settled.await.map_err(|error| Unsettled::Failed(error.to_string()))?;
        let settled = settled.map_err(|error| Unsettled::Failed(chain(&error)))?;
        let pushes: HashSet<_> = settled.recorded.iter().filter_map(|update| update.push.as_ref()).collect();
        self.metrics.pushed(PushResult::Accepted, pushes.len());
        push_log::log(&row, &settled.recorded);
        for unread in &settled.unread {
            tracing::warn!(problem = unread.problem, "{} could not be looked at", unread.name);
        }
        let unread = settled.unread.iter().map(|unread| unread.name.clone());
        let open = unread.chain(settled.undecided.iter().map(|undecided| undecided.name.clone())).collect();
        self.touched.add(&row.id, Touched::Refs(open));
        self.follow_up(&settled).await;
        if !settled.recorded.is_empty() {
            self.index_history(&row);
        }
        Ok(settled)
    }

    /// Notifies everything that depends on what was settled.
    async fn follow_up(&self, settled: &Settled) {
        for run in &settled.queued {
            self.live.open(*run);
        }
        for run in &settled.ended {
            self.live.announce_end(*run);
        }
        self.notices.notify_one();
        if !settled.superseded.is_empty() {
            self.wake(Wake::Superseded(settled.superseded.clone())).await;
        }
        if !settled.queued.is_empty() {
            self.wake(Wake::Queued).await;
        }
    }

    /// Sends the queue a message.
    pub(crate) async fn wake(&self, wake: Wake) {
        if self.wake.send(wake).await.is_err() {
            tracing::debug!("the queue is closed");
        }
    }

    /// Sends the queue a message that is of use now or not at all.
    pub(crate) fn wake_if_idle(&self, wake: Wake) {
        let _busy = self.wake.try_send(wake).is_err();
    }

    /// Sends the watcher of remotes a message.
    pub(crate) async fn send_watcher(&self, wake: WatchWake) {
        if self.watches.send(wake).await.is_err() {
            tracing::debug!("the watcher of remotes is closed");
        }
    }

    /// The hosted repository with this id, under whatever name.
    pub(crate) async fn repo_of_id(&self, id: String) -> Result<Option<RepoRow>, Problem> {
        let rows = self.store.call(|connection| store::all_repos(connection)).await??;
        Ok(rows.into_iter().find(|row| row.id == id))
    }

    /// Remembers a push that has announced itself.
    pub(crate) fn open_push(&self, repo: &str, push: &str) {
        let mut open = self.open_pushes.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(repo.to_owned()).or_default().insert(push.to_owned());
    }

    /// Forgets a push that has reported, or whose receive-pack is gone.
    pub(crate) fn close_push(&self, repo: &str, push: &str) {
        let mut open = self.open_pushes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pushes) = open.get_mut(repo) {
            pushes.remove(push);
            if pushes.is_empty() {
                open.remove(repo);
            }
        }
        drop(open);
        self.push_over.notify_waiters();
    }

    /// The pushes that may still report on a repository, also those that cannot be seen from here.
    fn open_pushes_of(&self, repo: &str) -> HashSet<String> {
        let open = self.open_pushes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pushes = open.get(repo).cloned().unwrap_or_default();
        drop(open);
        pushes.extend(self.unseen.all());
        pushes
    }

    /// Waits until one of these pushes to a repository has reported or is over.
    pub(crate) async fn until_one_is_over(&self, repo: &str, pushes: &HashSet<String>) {
        loop {
            let mut over = std::pin::pin!(self.push_over.notified());
            // Listened first, then looked: none that ends in between is missed.
            over.as_mut().enable();
            if !pushes.is_subset(&self.open_pushes_of(repo)) {
                return;
            }
            over.await;
        }
    }

    /// Whether a push to the repository has announced itself and not reported yet.
    pub(crate) fn has_open_push(&self, repo: &str) -> bool {
        self.open_pushes.lock().unwrap_or_else(PoisonError::into_inner).contains_key(repo)
    }

    /// A run as screens see it.
    pub(crate) async fn view(&self, row: RunRow) -> RunView {
        let (data, base) = (self.data.clone(), self.url.clone());
        let fallback = RunView::without_record(row.clone(), base.as_deref());
        self.read(move || RunView::load(&data, row, base.as_deref())).await.unwrap_or(fallback)
    }

    /// The same of a run that was read before: what is new in its journal is read. Nothing when that has failed.
    pub(crate) async fn view_again(
        &self,
        row: RunRow,
        mut run: FollowedRun,
    ) -> Option<(RunView, FollowedRun)> {
        let (data, base) = (self.data.clone(), self.url.clone());
        self.read(move || (run.view(&data, row, base.as_deref()), run)).await
    }

    /// What the server cannot do at the moment; nothing when it can do all of its work.
    pub(crate) async fn troubles(&self) -> Vec<String> {
        let mut troubles = self.health.troubles();
        troubles.extend(self.probe.look(&self.data, &self.store).await.err());
        troubles
    }

    /// Does blocking work of an operation.
    ///
    /// # Errors
    /// What the work says, or that it has panicked.
    pub(crate) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        tokio::task::spawn_blocking(work).await.map_err(|error| Problem::failed(&error))?
    }

    /// Reads files of runs where it may block, a few at a time: each of them may be large. Nothing when that has failed.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _place = self.readers.acquire().await.ok()?;
        let read = tokio::task::spawn_blocking(work).await;
        read.inspect_err(|error| tracing::error!(%error, "a run could not be read")).ok()
    }
}
