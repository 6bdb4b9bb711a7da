//! What a push reads: the runs it led to, at most four lines; with `-o ci.wait` what becomes of them ([`PushWatch`]).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use super::push_options::{WantedReport, unknown_options};
use super::push_watch::PushWatch;
use super::state::AppState;
use crate::event::{OnlyJobs, PushCertificate};
use crate::intake::{END_OF_REPORT, is_over_http};
use crate::model::{Outcome, RefKind, RefName, RunId, RunName};
use crate::run::LiveRun;
use crate::store;
use crate::view::{
    Colours, Comparison, PushedRun, SafeText, nothing_to_run, one_line, push_default_branch, push_header,
    push_signature, push_stopped, pushes_verdict, unstarted_jobs,
};

/// How long a push waits for the evaluation of what it led to.
const EVALUATION_PATIENCE: Duration = Duration::from_secs(1);

/// The longest that a push waits for its runs.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Lines that may wait for a slow pusher.
const MAX_LINES: usize = 256;

/// The runs of one push that are shown in detail.
const MAX_RUNS: usize = 5;

/// How many of the last runs that passed an estimate is made of, at most and at least.
const MAX_SAMPLES: u32 = 10;
const MIN_SAMPLES: usize = 3;

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
pub(super) struct Reporter {
    pub(super) app: AppState,
    /// How the pusher calls quire.
    pub(super) command: String,
    sender: mpsc::Sender<Result<Vec<u8>, Infallible>>,
}

impl Reporter {
    /// Sends text of quire's own, in which nothing moves the cursor.
    pub(super) async fn say(&self, text: String) -> Option<()> {
        let text = SafeText::new(&text, Colours::Dropped);
        self.send(text.as_str().to_owned()).await
    }

    /// Sends a text as it is; nothing when the pusher is gone.
    pub(super) async fn send(&self, text: String) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        self.sender.send(Ok(text.into_bytes())).await.ok()
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
        let certificate = PushCertificate::of_options(options);
        self.say(certificate.as_ref().map(push_signature).unwrap_or_default()).await?;
        let wanted = WantedReport::of(options);
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
            let pushed = self.pushed(*id, wanted.waits).await;
            if pushed.as_ref().is_some_and(|pushed| pushed.run.row.outcome.is_some()) {
                // It may have ended before it was followed.
                self.app.live.close(*id);
            }
            runs.extend(pushed);
        }
        if runs.is_empty() {
            return self.say(self.nothing_to_run(push, wanted.waits).await).await;
        }
        self.say(push_header(&runs)).await?;
        for pushed in runs.iter().take(MAX_RUNS) {
            self.say(unstarted_jobs(&pushed.run)).await?;
        }
        self.say(self.config_trouble().await).await?;
        if wanted.waits { self.watch(runs, wanted).await } else { Some(()) }
    }

    /// Reports what becomes of runs. Of those that are not shown in detail only the outcome counts.
    async fn watch(&self, runs: Vec<PushedRun>, wanted: WantedReport) -> Option<()> {
        if runs.iter().any(|pushed| !pushed.run.has_ended()) {
            self.say("hint: Ctrl-C stops watching, not the run\n".to_owned()).await?;
        }
        let deadline = Instant::now() + MAX_WAIT;
        let (count, mut outcomes) = (runs.len(), Vec::new());
        for (place, pushed) in runs.into_iter().enumerate() {
            let watch = PushWatch { reporter: self, wanted, is_one_of_several: count > 1, deadline };
            let outcome = if place < MAX_RUNS {
                watch.to_end(pushed).await?
            } else {
                watch.outcome(pushed.run.row.id).await?
            };
            outcomes.push(outcome);
        }
        let outcomes: Option<Vec<Outcome>> = outcomes.into_iter().collect();
        match outcomes {
            Some(outcomes) if count > 1 => self.say(pushes_verdict(&outcomes)).await,
            // Of one that nobody knows the end of, that was said.
            Some(_) | None => Some(()),
        }
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

    pub(super) async fn row(&self, id: RunId) -> Option<store::RunRow> {
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
        // A part of a pipeline is not compared with all of it.
        if OnlyJobs::of_options(&row.options).is_some() {
            return Comparison::default();
        }
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
}
