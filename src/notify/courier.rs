//! The server's task for notifications: compares notices with the rules, and sends the messages in the outbox.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};

use super::backoff::pause;
use super::deliver::deliver;
use super::expand::{Expanded, Expansion, expand};
use super::http_post::NotSent;
use super::message::Message;
use super::places::{Attempt, Turn, turn};
use super::target::{find_target, variables};
use crate::config::{CurrentSettings, DataDir, NotifyEvent, Settings, TargetDecl};
use crate::metrics::Metrics;
use crate::model::{Progress, RepoName, RunId, RunName, Timestamp};
use crate::store::{self, Attempted, NoticeKind, NoticeRow, OutboxRow, RunRow, Store};
use crate::sys::clock;

/// Notices that are read in one batch.
const MAX_NOTICES: u32 = 64;

/// Notices that are dropped in one transaction.
const MAX_DROPPED: u32 = 1024;

/// The repositories whose invalid rules were reported, before the list is cleared.
const MAX_WARNED: usize = 256;

/// The runs that were found stuck, before the list is cleared.
const MAX_STUCK: usize = 4096;

/// The pause after a database error.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);

/// What the task depends on.
#[derive(Clone)]
pub(crate) struct CourierStart {
    pub(crate) data: DataDir,
    /// The database.
    pub(crate) store: Store,
    pub(crate) settings: Arc<CurrentSettings>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Rung when there may be new notices or messages.
    pub(crate) notices: Arc<Notify>,
    /// The address of the server.
    pub(crate) url: Option<String>,
    /// The server's environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Whether messages about runs that passed include the last lines of their output.
    pub(crate) shows_output: bool,
}

type Ended = Result<(Id, Result<(), NotSent>), JoinError>;

/// Whether a database error was already logged.
struct Trouble;

/// The server's task for notifications.
pub(crate) struct Courier {
    start: CourierStart,
    of_variables: Arc<Vec<TargetDecl>>,
    sending: JoinSet<Result<(), NotSent>>,
    /// The messages being sent, one for each target.
    busy: HashMap<Id, (OutboxRow, Attempt)>,
    /// The targets whose last attempt has failed.
    failing: HashSet<String>,
    stuck: HashSet<RunId>,
    warned: HashMap<RepoName, String>,
}

impl Courier {
    /// Runs until the runtime ends. Messages that are being sent then are sent again by the next server.
    pub(crate) async fn run(start: CourierStart) {
        let (data, environment) = (start.data.clone(), start.environment.clone());
        let found = tokio::task::spawn_blocking(move || variables(&data, &environment)).await;
        let (of_variables, problems) = found.unwrap_or_default();
        for problem in problems {
            tracing::warn!("the variables for notifications have problems:\n{problem}");
        }
        let mut courier = Self {
            start,
            of_variables: Arc::new(of_variables),
            sending: JoinSet::new(),
            busy: HashMap::new(),
            failing: HashSet::new(),
            stuck: HashSet::new(),
            warned: HashMap::new(),
        };
        loop {
            let pause = courier.work().await.unwrap_or(Some(AFTER_TROUBLE));
            courier.wait(pause).await;
        }
    }

    /// Waits for a ring, for the end of an attempt, or until something is due.
    async fn wait(&mut self, pause: Option<Duration>) {
        let due = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.start.notices.notified() => {}
            Some(ended) = self.sending.join_next_with_id(), if !self.sending.is_empty() => self.ended(ended).await,
            () = due => {}
        }
    }

    /// Does the work that is due, and returns when more will be.
    async fn work(&mut self) -> Result<Option<Duration>, Trouble> {
        let settings = self.settings().await?;
        let stuck = self.look_for_stuck(&settings).await?;
        let has_targets = !settings.notify.targets.is_empty() || !self.of_variables.is_empty();
        while if has_targets { self.post_some(&settings).await? } else { self.drop_some().await? } {}
        let due = self.send_due(&settings).await?;
        Ok(stuck.into_iter().chain(due).min())
    }

    async fn settings(&self) -> Result<Arc<Settings>, Trouble> {
        self.start.settings.get_async().await.map_err(|_| Trouble)
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        match self.start.store.call_unsynced(work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                tracing::error!(%error, "could not use the outbox of notifications");
                Err(Trouble)
            }
            Err(_) => Err(Trouble),
        }
    }

    /// Turns the oldest notices into messages; whether there were any.
    async fn post_some(&mut self, settings: &Arc<Settings>) -> Result<bool, Trouble> {
        let notices = self.call(|connection| store::notices(connection, MAX_NOTICES)).await?;
        let are_any = !notices.is_empty();
        for notice in notices {
            self.post(notice, settings).await?;
        }
        Ok(are_any)
    }

    /// Drops the oldest notices, when there is nobody to notify; whether there were any.
    async fn drop_some(&self) -> Result<bool, Trouble> {
        let dropped = self.call(|connection| store::drop_notices(connection, MAX_DROPPED)).await?;
        dropped.iter().flatten().for_each(|outcome| self.start.metrics.run_ended(*outcome));
        Ok(!dropped.is_empty())
    }

    /// Turns a notice into messages.
    async fn post(&mut self, notice: NoticeRow, settings: &Arc<Settings>) -> Result<(), Trouble> {
        let seq = notice.seq;
        let is_end = matches!(notice.kind, NoticeKind::Ended(_));
        let run = match notice.kind {
            NoticeKind::Ended(id) | NoticeKind::Stuck(id) => self.call(move |db| find_run(db, id)).await?,
            NoticeKind::Watch(_) => None,
        };
        let ended = run.as_ref().and_then(|(run, _)| run.outcome).filter(|_| is_end);
        let expansion = Expansion {
            data: self.start.data.clone(),
            url: self.start.url.clone(),
            settings: Arc::clone(settings),
            of_variables: Arc::clone(&self.of_variables),
            shows_output: self.start.shows_output,
            notice,
            run,
        };
        let expanded = tokio::task::spawn_blocking(move || expand(&expansion)).await;
        let Expanded { messages, warning } = expanded.unwrap_or_else(|error| {
            tracing::error!(%error, "dropped a notice that could not be compared with the rules");
            Expanded::default()
        });
        if let Some((repo, problem)) = warning {
            self.warn(repo, problem);
        }
        self.call(move |db| store::post(db, seq, &messages)).await?;
        if let Some(outcome) = ended {
            self.start.metrics.run_ended(outcome);
        }
        Ok(())
    }

    /// Logs once what is wrong with the rules of a repository.
    fn warn(&mut self, repo: RepoName, problem: String) {
        if self.warned.get(&repo) == Some(&problem) {
            return;
        }
        tracing::warn!(%repo, "ignored invalid notification rules of the repository:\n{problem}");
        if self.warned.len() >= MAX_WARNED {
            self.warned.clear();
        }
        self.warned.insert(repo, problem);
    }

    /// Writes a notice for each run that has become stuck, if any rule asks for it; returns when the next run would be.
    async fn look_for_stuck(&mut self, settings: &Settings) -> Result<Option<Duration>, Trouble> {
        let notify = &settings.notify;
        let is_wanted = notify.rules.iter().any(|rule| rule.on.contains(&NotifyEvent::Stuck))
            || notify.targets.iter().any(|target| !target.repos.is_empty());
        if !is_wanted {
            return Ok(None);
        }
        let (now, limit) = (clock::now(), notify.stuck_after);
        let mut next = limit;
        for run in self.call(|db| store::unfinished_runs(db)).await? {
            let since = match run.state {
                Progress::Running => run.started_at.unwrap_or(run.queued_at),
                Progress::Queued | Progress::Finished => run.queued_at,
            };
            let left = limit.checked_sub(since_until(since, now)).filter(|left| !left.is_zero());
            match left {
                Some(left) => next = next.min(left),
                None if self.stuck.contains(&run.id) => {}
                None => {
                    let kind = NoticeKind::Stuck(run.id);
                    self.call(move |db| store::insert_notice(db, &kind, now)).await?;
                    if self.stuck.len() >= MAX_STUCK {
                        self.stuck.clear();
                    }
                    self.stuck.insert(run.id);
                }
            }
        }
        Ok(Some(next))
    }

    /// Begins to send what is due, and returns when the next message is.
    async fn send_due(&mut self, settings: &Settings) -> Result<Option<Duration>, Trouble> {
        let now = clock::now();
        let mut next: Option<Duration> = None;
        for row in self.call(|db| store::next_messages(db)).await? {
            let begun: Vec<Attempt> = self.busy.values().map(|(_, attempt)| attempt.clone()).collect();
            let pause = match turn(&begun, &self.failing, &row.target, Instant::now()) {
                Turn::Later => continue, // tried again when an attempt ends
                Turn::After(pause) => Some(pause),
                Turn::Now if row.due_at > now => Some(since_until(now, row.due_at)),
                Turn::Now => None,
            };
            if let Some(pause) = pause {
                next = Some(next.map_or(pause, |next| next.min(pause)));
                continue;
            }
            let target = find_target(&settings.notify, &self.of_variables, &row.target);
            let message = serde_json::from_str::<Message>(&row.message);
            let (id, kept) = (row.id.clone(), row.clone());
            let attempt = Attempt { target: row.target, since: Instant::now() };
            let task = self.sending.spawn(async move {
                let unknown = || NotSent::Never("the target is no longer in the configuration".to_owned());
                let unread = |_| NotSent::Never("this version cannot read the message".to_owned());
                deliver(&target.ok_or_else(unknown)?, &message.map_err(unread)?, &id).await
            });
            self.busy.insert(task.id(), (kept, attempt));
        }
        Ok(next)
    }

    /// Records the result of an attempt.
    async fn ended(&mut self, ended: Ended) {
        let (task, how) = match ended {
            Ok((task, how)) => (task, how),
            Err(error) => {
                (error.id(), Err(NotSent::Later { problem: "the attempt failed".to_owned(), asked: None }))
            }
        };
        let Some((row, _)) = self.busy.remove(&task) else { return };
        match &how {
            Ok(()) => self.failing.remove(&row.target),
            Err(_) => self.failing.insert(row.target.clone()),
        };
        let now = clock::now();
        let how = outcome(&row, how, now);
        let (target, id, attempts) = (&row.target, &row.id, row.attempts + 1);
        match &how {
            Attempted::Sent => tracing::info!(target, id, subject = row.subject, "notified"),
            Attempted::Later(due, problem) => {
                tracing::warn!(problem, target, id, attempts, "notification failed; next attempt at {due}");
            }
            Attempted::GivenUp(problem) => {
                tracing::error!(
                    problem,
                    target,
                    id,
                    attempts,
                    "notification failed for good; to send it again: quire --data '{}' notify retry {id}",
                    self.start.data.path().display()
                );
            }
        }
        // Nothing else is sent before this is recorded: otherwise the message would be sent again and again.
        loop {
            let (id, how) = (row.id.clone(), how.clone());
            if self.call(move |db| store::record_attempt(db, &id, &how, now)).await.is_ok() {
                return;
            }
            tokio::time::sleep(AFTER_TROUBLE).await;
        }
    }
}

fn find_run(
    connection: &rusqlite::Connection,
    id: RunId,
) -> rusqlite::Result<Option<(RunRow, store::RefVerdict)>> {
    let Some(row) = store::find_run(connection, &RunName::Id(id))? else { return Ok(None) };
    let before = store::verdict_before(connection, &row)?;
    Ok(Some((row, before)))
}

/// The consequence of an attempt.
fn outcome(row: &OutboxRow, how: Result<(), NotSent>, now: Timestamp) -> Attempted {
    match how {
        Ok(()) => Attempted::Sent,
        Err(NotSent::Never(problem)) => Attempted::GivenUp(problem),
        Err(NotSent::Later { problem, asked }) => {
            let seed = row.id.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            match pause(row.attempts + 1, asked, seed) {
                Some(pause) => {
                    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                    Attempted::Later(Timestamp::from_millis(now.as_millis().saturating_add(millis)), problem)
                }
                None => Attempted::GivenUp(problem),
            }
        }
    }
}

fn since_until(start: Timestamp, end: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(end.as_millis() - start.as_millis()).unwrap_or_default())
}
