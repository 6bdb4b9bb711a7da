//! The owner of the watches: starts each look when it is due or requested, one at a time for each remote.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use super::admin::{WatchError, all_watches, not_found, remove_watch};
use super::announce::{announce, announcement};
use super::context::WatchContext;
use super::look::{Looked, Task, Turns};
use super::remote::FETCH_MARK;
use super::state::{Applied, Moment, RemoteState};
use super::wake::WatchWake;
use crate::config::{Settings, WatchDecl};
use crate::model::{InstanceId, RepoName, chain};
use crate::notify;
use crate::store::{self, RepoRow, WatchStatus};
use crate::sys::cancel_signal::{CancelHandle, cancel_pair};
use crate::sys::pidfd::{self, PidFd};
use crate::sys::{clock, process, random};

/// The interval between the first looks at different remotes.
const SPREAD: Duration = Duration::from_millis(40);

/// When config.fnl is checked again if nothing else is due: watches may have been added to it.
const LOOK_AT_CONFIG: Duration = Duration::from_secs(60);

/// How long to wait for the git processes of a dead server.
const END_PATIENCE: Duration = Duration::from_secs(10);

type RemoveAnswer = oneshot::Sender<Result<(), WatchError>>;

/// One watch.
struct Watched {
    watch: WatchDecl,
    state: RemoteState,
    row: Option<RepoRow>,
    is_settled: bool,
    /// While a look is in progress: dropping it cancels the look.
    look: Option<CancelHandle>,
    /// The task of that look.
    task: Option<task::Id>,
    /// Requests that wait for a look that begins after them.
    asked: Vec<oneshot::Sender<()>>,
    /// Requests that wait for the current look.
    awaited: Vec<oneshot::Sender<()>>,
    removal: Option<RemoveAnswer>,
}

/// The owner of the watches.
struct Remotes {
    context: WatchContext,
    /// The settings that were applied last.
    settings: Option<Arc<Settings>>,
    turns: Arc<Turns>,
    watches: HashMap<RepoName, Watched>,
    looks: JoinSet<Looked>,
    answers: JoinSet<()>,
}

/// Watches remotes as long as a sender of requests exists.
pub(crate) async fn watch_remotes(context: WatchContext, mut wakes: mpsc::Receiver<WatchWake>) {
    let instance = context.instance;
    if let Err(error) = tokio::task::spawn_blocking(move || end_leftovers(instance)).await {
        tracing::warn!(%error, "could not end processes of an earlier server");
    }
    let mut remotes = Remotes {
        context,
        settings: None,
        turns: Arc::new(Turns::new()),
        watches: HashMap::new(),
        looks: JoinSet::new(),
        answers: JoinSet::new(),
    };
    remotes.reload().await;
    loop {
        let next = remotes.begin();
        tokio::select! {
            wake = wakes.recv() => match wake {
                Some(wake) => remotes.hear(wake).await,
                None => return,
            },
            Some(looked) = remotes.looks.join_next() => match looked {
                Ok(looked) => remotes.end(looked).await,
                Err(error) => remotes.lose(&error),
            },
            Some(_) = remotes.answers.join_next() => {}
            () = tokio::time::sleep_until(next) => {}
        }
        remotes.reload_when_changed().await;
    }
}

/// Ends the git processes of a server that was killed: two that fetch into one copy would disturb each other.
fn end_leftovers(instance: InstanceId) {
    let mark = format!("{FETCH_MARK}={instance}");
    let is_left = |pid| process::environment_has(pid, &[mark.as_bytes()]);
    let mut ending = Vec::new();
    for pid in process::all().into_iter().filter(|pid| is_left(*pid)) {
        let Ok(Some(left)) = PidFd::open(pid) else { continue };
        if !is_left(pid) {
            continue;
        }
        match left.signal(process::Signal::KILL) {
            Ok(_) => ending.push(left),
            Err(error) => {
                tracing::warn!(%error, %pid, "could not end a git process of an earlier server");
            }
        }
    }
    // Their locks are free only when they have ended.
    for left in pidfd::wait_all(ending, END_PATIENCE) {
        tracing::warn!(pid = %left.pid(), "a git process of an earlier server does not end");
    }
}

impl Remotes {
    /// Applies config.fnl when it has changed since it was applied: others may have read it since.
    async fn reload_when_changed(&mut self) {
        let now = self.context.settings.unchanged();
        let is_same = now.zip(self.settings.as_ref()).is_some_and(|(now, taken)| Arc::ptr_eq(&now, taken));
        if !is_same {
            self.reload().await;
        }
    }

    /// Applies the watches of config.fnl and the database.
    async fn reload(&mut self) {
        let settings = Arc::clone(&self.context.settings);
        let loaded = self.context.store.call(move |connection| {
            let settings = settings.get();
            let watches = all_watches(connection, &settings)?;
            let with_status = watches
                .into_iter()
                .map(|(watch, _)| store::watch_status(connection, &watch).map(|status| (watch, status)));
            let watches = with_status.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok::<_, rusqlite::Error>((settings, watches))
        });
        let loaded = match loaded.await {
            Ok(Ok((settings, loaded))) => {
                self.settings = Some(settings);
                loaded
            }
            Ok(Err(error)) => {
                return tracing::error!(problem = chain(&error), "could not read the watches");
            }
            Err(_) => return,
        };
        let mut known = std::mem::take(&mut self.watches);
        let mut due = Instant::now();
        for (watch, status) in loaded {
            let name = watch.name.clone();
            let kept = known.remove(&name);
            let watched = match kept {
                Some(kept) if kept.watch == watch => kept,
                Some(kept) => kept.changed(Watched::new(watch, status, due)),
                None => {
                    if let Some(warning) = watch.warning() {
                        tracing::warn!("{warning}");
                    }
                    Watched::new(watch, status, due)
                }
            };
            due += SPREAD;
            self.watches.insert(name, watched);
        }
    }

    /// Starts the looks that are due; returns when the next one is.
    fn begin(&mut self) -> Instant {
        let now = Instant::now();
        let mut next = now + LOOK_AT_CONFIG;
        for watched in self.watches.values_mut().filter(|watched| watched.look.is_none()) {
            if let Some(due) = watched.state.next_look(!watched.asked.is_empty(), now) {
                next = next.min(due);
                continue;
            }
            let (handle, cancel) = match cancel_pair() {
                Ok(pair) => pair,
                Err(error) => {
                    tracing::error!(%error, "could not look at a remote");
                    watched.state.postpone(watched.watch.every, now);
                    continue;
                }
            };
            watched.look = Some(handle);
            watched.awaited = std::mem::take(&mut watched.asked);
            let task = Task {
                context: self.context.clone(),
                watch: watched.watch.clone(),
                row: watched.row.clone(),
                is_settled: watched.is_settled,
                known_tip: watched.state.known_tip(),
                is_failing: watched.state.is_failing(),
                turns: Arc::clone(&self.turns),
                cancel: Arc::new(cancel),
            };
            watched.task = Some(self.looks.spawn(task.look()).id());
        }
        next
    }

    /// Schedules another look at a watch whose look was lost.
    fn lose(&mut self, error: &JoinError) {
        tracing::error!(%error, "the task of a look at a remote failed");
        let of_task = |watched: &&mut Watched| watched.task == Some(error.id());
        if let Some(watched) = self.watches.values_mut().find(of_task) {
            (watched.look, watched.task) = (None, None);
            watched.state.postpone(watched.watch.every, Instant::now());
            watched.awaited.clear();
        }
    }

    /// Applies the result of a look.
    async fn end(&mut self, looked: Looked) {
        let Some(watched) = self.watches.get_mut(&looked.watch.name) else { return };
        watched.look = None;
        if watched.removal.is_some() {
            return self.remove_now(&looked.watch.name).await;
        }
        let at = Moment { time: clock::now(), instant: Instant::now(), jitter: random::fraction() };
        let is_current = watched.watch == looked.watch;
        let applied =
            is_current.then(|| watched.state.apply(looked.watch.every, looked.finding, at)).flatten();
        let Some(Applied { status, changes }) = applied else {
            watched.asked.append(&mut watched.awaited);
            return;
        };
        (watched.row, watched.is_settled) = (looked.row, looked.is_settled);
        if let Some(status) = status {
            let watch = looked.watch.clone();
            let said: Vec<_> =
                changes.iter().filter_map(|change| announcement(&looked.watch, change)).collect();
            let saved = self.context.store.call(move |connection| {
                let transaction = connection.transaction()?;
                store::save_watch_status(&transaction, &watch, &status)?;
                said.iter().try_for_each(|said| notify::announce(&transaction, said, clock::now()))?;
                transaction.commit()
            });
            if let Ok(Err(error)) = saved.await {
                tracing::error!(problem = chain(&error), "could not record the state of a watch");
            }
            self.context.notices.notify_one();
        }
        // Announced after it was recorded, so that a new server does not announce it again.
        for change in &changes {
            announce(&looked.watch, change);
        }
        for waiting in std::mem::take(&mut watched.awaited) {
            let _gone = waiting.send(()).is_err();
        }
    }

    async fn hear(&mut self, wake: WatchWake) {
        self.reload_when_changed().await;
        match wake {
            WatchWake::Changed => self.reload().await,
            WatchWake::Now { name, answer } => self.look_now(name, answer).await,
            WatchWake::Remove { name, answer } => self.remove(name, answer).await,
        }
    }

    /// Requests looks at watches now, and answers when they are done.
    async fn look_now(
        &mut self,
        name: Option<RepoName>,
        answer: oneshot::Sender<Result<Vec<RepoName>, WatchError>>,
    ) {
        if let Some(name) = name.as_ref().filter(|name| !self.watches.contains_key(name)) {
            let error = self.not_found(name.clone()).await;
            let _gone = answer.send(Err(error)).is_err();
            return;
        }
        let is_meant = |watched: &&mut Watched| name.as_ref().is_none_or(|name| watched.watch.name == *name);
        let mut names = Vec::new();
        let mut waits = Vec::new();
        for watched in self.watches.values_mut().filter(is_meant) {
            let (sender, done) = oneshot::channel();
            watched.asked.push(sender);
            names.push(watched.watch.name.clone());
            waits.push(done);
        }
        names.sort();
        self.answers.spawn(async move {
            for wait in waits {
                // A watch that was removed meanwhile is skipped.
                let _removed = wait.await.is_err();
            }
            let _gone = answer.send(Ok(names)).is_err();
        });
    }

    async fn not_found(&self, name: RepoName) -> WatchError {
        let (settings, asked) = (Arc::clone(&self.context.settings), name.clone());
        let found = self.context.store.call(move |connection| not_found(connection, &settings.get(), &asked));
        match found.await {
            Ok(Ok(error)) => error,
            Ok(Err(_)) | Err(_) => WatchError::NotFound { name, near: None },
        }
    }

    /// Removes a watch, after its current look.
    async fn remove(&mut self, name: RepoName, answer: RemoveAnswer) {
        let is_declared = self
            .context
            .settings
            .unchanged()
            .is_some_and(|settings| settings.watches.iter().any(|watch| watch.name == name));
        match self.watches.get_mut(&name) {
            Some(watched) if !is_declared => {
                watched.removal = Some(answer);
                // The look is cancelled: its result is not needed any more.
                let is_looked_at = watched.look.as_mut().is_some_and(|look| {
                    look.cancel();
                    true
                });
                if !is_looked_at {
                    self.remove_now(&name).await;
                }
            }
            Some(_) | None => {
                let removed = self.remove_stored(name).await;
                let _gone = answer.send(removed).is_err();
            }
        }
    }

    async fn remove_now(&mut self, name: &RepoName) {
        let removed = self.remove_stored(name.clone()).await;
        let is_gone = removed.is_ok();
        let Some(watched) = self.watches.get_mut(name) else { return };
        if let Some(answer) = watched.removal.take() {
            let _gone = answer.send(removed).is_err();
        }
        if is_gone {
            self.watches.remove(name);
        }
    }

    async fn remove_stored(&self, name: RepoName) -> Result<(), WatchError> {
        let (data, settings) = (self.context.data.clone(), Arc::clone(&self.context.settings));
        let asked = name.clone();
        let removed = self
            .context
            .store
            .call(move |connection| remove_watch(connection, &data, &settings.get(), &asked));
        removed.await.unwrap_or(Err(WatchError::NotFound { name, near: None }))
    }
}

impl Watched {
    /// Replaces a watch whose settings have changed. Its current look is cancelled: the result is not used
    /// for the new settings, and waiting requests get the result of the next look.
    fn changed(mut self, new: Self) -> Self {
        if let Some(look) = &mut self.look {
            look.cancel();
        }
        self.asked.append(&mut self.awaited);
        Self { look: self.look, task: self.task, asked: self.asked, removal: self.removal, ..new }
    }

    fn new(watch: WatchDecl, status: Option<WatchStatus>, due: Instant) -> Self {
        Self {
            watch,
            state: RemoteState::new(status, due),
            row: None,
            is_settled: false,
            look: None,
            task: None,
            asked: Vec::new(),
            awaited: Vec::new(),
            removal: None,
        }
    }
}
