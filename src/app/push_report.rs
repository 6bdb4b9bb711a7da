//! What a push reads while it waits: the runs it led to, at most four lines; with `-o ci.wait` a line per job and the
//! verdict, with `-o ci.log` all output.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use super::push_options::unknown_options;
use super::state::AppState;

use crate::intake::{END_OF_REPORT, is_over_http};
use crate::model::{Outcome, RefKind, RefName, RunId, RunName};
use crate::run::LiveRun;
use crate::store;
use crate::sys::inotify::Inotify;
use crate::view::{
    Colours, Comparison, EndLimit, FollowedRun, LogFollower, LogLine, OutputItem, OutputOrder, PushedRun,
    RunView, SafeText, broken, job_line, nothing_to_run, one_line, output_line, push_default_branch,
    push_header, push_stopped, push_verdict, read_log_end,
};

/// How long a push waits for the evaluation of what it led to.
const EVALUATION_PATIENCE: Duration = Duration::from_secs(1);

/// How often a waiting push is sent a sign that the server is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The longest that a push waits for its runs.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Lines that may wait for a slow pusher.
const MAX_LINES: usize = 256;

/// The runs of one push that are shown in detail.
const MAX_RUNS: usize = 5;

/// How many of the last runs that passed an estimate is made of, at most and at least.
const MAX_SAMPLES: u32 = 10;
const MIN_SAMPLES: usize = 3;

/// How many of the last lines of a failed job are shown, and how much is read for them.
const FAILED_LINES: EndLimit = EndLimit { bytes: 256 << 10, lines: 20 };

type Lines = mpsc::Receiver<Result<Vec<u8>, Infallible>>;

/// Starts to report on a push, once it is settled.
pub(super) fn start(
    app: AppState,
    push: String,
    (options, command): (Vec<String>, Option<String>),
    settled: oneshot::Receiver<Result<Option<RefName>, Problem>>,
) -> Lines {
    let (sender, receiver) = mpsc::channel(MAX_LINES);
    let mut waiter = app.stopping.waiter();
    let given = command.clone();
    tokio::spawn(async move {
        // That of the operator is one over ssh, which a pusher who has come over HTTP may not have.
        let own = command.filter(|command| is_over_http(command));
        let command = own.or_else(|| app.settings.get().command.clone()).or(given);
        let reporter = Reporter { app, command: command.unwrap_or_else(|| "quire".to_owned()), sender };
        let reported = tokio::select! {
            reported = reporter.report_settled(&push, &options, settled) => reported,
            () = waiter.until_stopping() => reporter.report_stop(&push).await,
        };
        // The pusher may have gone away: that is nothing to report.
        if reported.is_some() {
            let _gone = reporter.sender.send(Ok(vec![END_OF_REPORT])).await.is_err();
        }
    });
    receiver
}

/// Reports until the pusher is gone, which is what `None` says.
struct Reporter {
    app: AppState,
    /// How the pusher calls quire.
    command: String,
    sender: mpsc::Sender<Result<Vec<u8>, Infallible>>,
}

impl Reporter {
    async fn say(&self, text: String) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        let text = SafeText::new(&text, Colours::Dropped);
        self.sender.send(Ok(text.as_str().to_owned().into_bytes())).await.ok()
    }

    /// Reports on a push when it is settled.
    async fn report_settled(
        &self,
        push: &str,
        options: &[String],
        settled: oneshot::Receiver<Result<Option<RefName>, Problem>>,
    ) -> Option<()> {
        let problem = match settled.await {
            Ok(Err(problem)) => problem,
            Ok(Ok(default_branch)) => {
                let line = default_branch.map(|branch| push_default_branch(&branch)).unwrap_or_default();
                self.say(line).await?;
                return self.report(push, options).await;
            }
            // The server stops.
            Err(_) => return None,
        };
        tracing::error!(%problem, push, "a push could not be settled; it is tried again");
        let sorry =
            "warning: quire could not look at this push now; it is recorded and will be looked at again\n";
        self.say(sorry.to_owned()).await
    }

    /// Reports that the server stops, and how to wait for the runs of the push that continue.
    async fn report_stop(&self, push: &str) -> Option<()> {
        let mut text = String::new();
        for id in self.runs(push).await {
            if let Some(row) = self.row(id).await.filter(|row| row.outcome.is_none()) {
                text.push_str(&push_stopped(&row.repo, row.number, &self.command));
            }
        }
        if text.is_empty() {
            text.push_str("warning: the server is stopping; the push is stored\n");
        }
        self.say(text).await
    }

    async fn report(&self, push: &str, options: &[String]) -> Option<()> {
        self.say(unknown_options(options)).await?;
        let (shows_log, waits) =
            (options.iter().any(|o| o == "ci.log"), options.iter().any(|o| o == "ci.wait"));
        let ids = self.runs(push).await;
        let deadline = Instant::now() + EVALUATION_PATIENCE;
        for id in ids.iter().take(MAX_RUNS) {
            if let Some(mut live) = self.follow(*id).await {
                let known = |run: &LiveRun| run.is_evaluated || run.has_ended;
                let _late = timeout_at(deadline, live.wait_for(known)).await.is_err();
            }
        }
        let mut runs = Vec::new();
        for id in &ids {
            let pushed = self.pushed(*id, waits || shows_log).await;
            if pushed.as_ref().is_some_and(|pushed| pushed.run.row.outcome.is_some()) {
                // It may have ended before it was followed.
                self.app.live.close(*id);
            }
            runs.extend(pushed);
        }
        if runs.is_empty() {
            return self.say(self.nothing_to_run(push, waits || shows_log).await).await;
        }
        self.say(push_header(&runs)).await?;
        self.say(self.config_trouble().await).await?;
        if !waits && !shows_log {
            return Some(());
        }
        if runs.iter().any(|pushed| !pushed.run.has_ended()) {
            self.say("hint: Ctrl-C stops watching, not the run\n".to_owned()).await?;
        }
        for pushed in runs.into_iter().take(MAX_RUNS) {
            self.watch(pushed.run, pushed.compared, shows_log).await?;
        }
        Some(())
    }

    /// Why a push starts no run. Somebody who did not ask for runs reads that of a new branch only: many repositories have no
    /// pipeline.
    async fn nothing_to_run(&self, push: &str, is_asked: bool) -> String {
        let push = push.to_owned();
        let found = self.app.store.call(move |connection| store::updates_of_push(connection, &push)).await;
        let mut updates = found.ok().and_then(Result::ok).unwrap_or_default();
        if !is_asked {
            updates.retain(|update| update.old.is_zero() && update.ref_name.kind() == RefKind::Branch);
        }
        nothing_to_run(updates.iter().map(|update| (&update.ref_name, update.decision.as_str())))
    }

    /// The warning that runs go by older settings than those of the operator's files.
    async fn config_trouble(&self) -> String {
        let settings = Arc::clone(&self.app.settings);
        let trouble = tokio::task::spawn_blocking(move || settings.trouble()).await.ok().flatten();
        let sentence = |trouble: String| {
            format!(
                "warning: {}; the last good one is in force, and the server's log says more\n",
                one_line(&trouble)
            )
        };
        trouble.map(sentence).unwrap_or_default()
    }

    /// What is known of a run that has not ended, also when nobody has begun to keep it yet.
    async fn follow(&self, id: RunId) -> Option<watch::Receiver<LiveRun>> {
        if let Some(live) = self.app.live.follow(id) {
            return Some(live);
        }
        if self.row(id).await.is_some_and(|row| row.outcome.is_none()) {
            self.app.live.open(id);
        }
        self.app.live.follow(id)
    }

    /// The runs that a push has led to.
    async fn runs(&self, push: &str) -> Vec<RunId> {
        let push = push.to_owned();
        let found = self.app.store.call(move |connection| store::runs_of_push(connection, &push)).await;
        let ids = found.ok().and_then(Result::ok).unwrap_or_default();
        ids.iter().filter_map(|id| RunId::parse(id).ok()).collect()
    }

    async fn row(&self, id: RunId) -> Option<store::RunRow> {
        let found =
            self.app.store.call(move |connection| store::find_run(connection, &RunName::Id(id))).await;
        found.ok().and_then(Result::ok).flatten()
    }

    async fn pushed(&self, id: RunId, is_watched: bool) -> Option<PushedRun> {
        let row = self.row(id).await?;
        // Ids of one millisecond are in no order, numbers are.
        let seq = (row.queued_at, row.number);
        let unfinished = self.app.store.call(|connection| store::unfinished_runs(connection)).await;
        let unfinished = unfinished.ok().and_then(Result::ok).unwrap_or_default();
        let ahead = unfinished.iter().take_while(|run| run.id != row.id);
        let ahead =
            ahead.filter(|run| run.superseded_by.is_none() && (run.queued_at, run.number) < seq).count();
        // Runs that leave a slot free are not waited for.
        let ahead = if ahead < self.app.settings.get().limits.runs { 0 } else { ahead };
        let compared = if is_watched { self.comparison(&row).await } else { Comparison::default() };
        Some(PushedRun { run: self.app.view(row).await, ahead, is_watched, compared })
    }

    /// What a run is compared with. A database that cannot say leaves it out.
    async fn comparison(&self, row: &store::RunRow) -> Comparison {
        let row = row.clone();
        let read = self.app.store.read(move |connection| -> rusqlite::Result<Comparison> {
            let mut lengths = store::passed_lengths(connection, &row, MAX_SAMPLES)?;
            lengths.sort_unstable();
            let usual = lengths.get(lengths.len() / 2).filter(|_| lengths.len() >= MIN_SAMPLES);
            let usual = usual.and_then(|millis| u64::try_from(*millis).ok()).map(Duration::from_millis);
            Ok(Comparison { before: store::run_before(connection, &row)?, usual })
        });
        read.await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Follows one run to its end.
    async fn watch(&self, run: RunView, compared: Comparison, shows_log: bool) -> Option<()> {
        let id = run.row.id;
        let run_dir = self.app.data.run(&run.row.repo, run.row.number);
        let mut follower = Some(LogFollower::new(&run_dir, None));
        let mut followed = FollowedRun::new(&run_dir);
        let mut order = OutputOrder::default();
        let was_broken = broken(&run).is_some();
        let end = Instant::now() + MAX_WAIT;
        let mut live = self.app.live.follow(id);
        let output = shows_log.then(Inotify::new).and_then(Result::ok);
        loop {
            // Watched first, then read: no line is missed.
            if let (Some(inotify), Some(follower)) = (&output, &follower) {
                for folder in follower.folders().into_iter().chain([run_dir.clone()]) {
                    let _comes_up_later = inotify.watch(&folder).is_err();
                }
            }
            let view;
            (view, followed) = self.app.view_again(self.row(id).await?, followed).await?;
            if let Some(problem) = &view.problem {
                return self.say(format!("warning: {}\n", one_line(problem))).await;
            }
            loop {
                let mut lines = Vec::new();
                if let Some(kept) = follower.take_if(|_| shows_log) {
                    let read = self.read_logs(kept, &view).await?;
                    (follower, lines) = (Some(read.0), read.1);
                }
                self.send(&view, order.next(lines, &view.record.jobs), (&run_dir, shows_log)).await?;
                if !follower.as_ref().is_some_and(LogFollower::has_more) {
                    break;
                }
            }
            if view.has_ended() {
                self.say(order.rest().iter().map(prefixed).collect()).await?;
                let late = broken(&view).filter(|_| !was_broken);
                return self
                    .say(late.unwrap_or_else(|| push_verdict(&view, &one_line(&self.command), compared)))
                    .await;
            }
            if Instant::now() > end {
                return self.say("warning: watched for an hour; the run continues\n".to_owned()).await;
            }
            // A closed channel says that the run has just ended: the row is read once more.
            if let Some(changes) = &mut live {
                tokio::select! {
                    changed = changes.changed() => {
                        if changed.is_err() {
                            live = None;
                        }
                    }
                    () = more_output(output.as_ref()) => {}
                    () = tokio::time::sleep(KEEP_ALIVE) => self.sender.send(Ok(vec![0])).await.ok()?,
                }
            } else if self.row(id).await?.outcome.is_none() {
                // The run has ended, but its end is not in the index: that was said in the server's log.
                return self.say("warning: lost sight of the run\n".to_owned()).await;
            }
        }
    }

    /// The next lines of a run.
    async fn read_logs(
        &self,
        mut follower: LogFollower,
        run: &RunView,
    ) -> Option<(LogFollower, Vec<LogLine>)> {
        let ended = run.has_ended();
        let record = run.record.clone();
        let read = move || {
            follower.name_services(&record);
            let lines = if ended { follower.finish() } else { follower.read(&record) };
            (follower, lines.unwrap_or_default())
        };
        self.app.read(read).await
    }

    /// Reports output and the jobs that have ended.
    async fn send(
        &self,
        run: &RunView,
        items: Vec<OutputItem<'_>>,
        (run_dir, shows_log): (&std::path::Path, bool),
    ) -> Option<()> {
        let width = run.record.jobs.iter().map(|job| job.id.len()).max().unwrap_or_default();
        let mut text = String::new();
        for item in items {
            let job = match item {
                OutputItem::Line(line) => {
                    text.push_str(&prefixed(&line));
                    continue;
                }
                OutputItem::End(job) => job,
            };
            text.push_str(&job_line(job, width));
            let is_bad = matches!(job.outcome, Some(Outcome::Failed | Outcome::TimedOut));
            if is_bad && !shows_log {
                let (run_dir, id) = (run_dir.to_owned(), job.id.clone());
                let end = self.app.read(move || read_log_end(&run_dir, Some(&id), FAILED_LINES)).await;
                text.extend(end.unwrap_or_default().lines.iter().map(prefixed));
            }
        }
        self.say(text).await
    }
}

/// Waits until there may be more output to read; for ever when nobody reads it.
async fn more_output(inotify: Option<&Inotify>) {
    match inotify {
        Some(inotify) => {
            let _looked_at_anyway = inotify.changes().await.is_err();
        }
        None => std::future::pending().await,
    }
}

/// A line of output behind the name of its job, so that it can neither be taken for a verdict nor be coloured.
fn prefixed(line: &LogLine) -> String {
    let text = String::from_utf8_lossy(&line.bytes);
    let last = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    format!("{} │ {}\n", line.origin(), output_line(last))
}
