//! Follows one run: its journal into the index, messages to its runner, the death of its runner into an end. A runner that
//! exceeds one of its limits is killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::index;
use super::launch::{Led, Seen};
use super::local_launch::LOOK_AGAIN;
use super::runner_limits::{RunnerLimits, Verdict};
use super::settle::{conclude, settle};
use crate::app::{AppState, Wake};
use crate::executor::sweep_run;
use crate::journal::{Fact, JobRecord, JournalReader, PolicyRecord, Record, RunRecord};
use crate::model::{Progress, RunMark, chain};
use crate::run::{Answer, Control, Message};
use crate::store::{RunChange, RunRow};
use crate::sys::clock;

/// How long the last words of a runner that is gone are waited for.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);

/// How often the jobs and steps of a running run are indexed: its start and its end are at once.
const INDEX_EVERY: Duration = Duration::from_secs(1);

/// A run that has a runner.
pub(super) struct Followed {
    pub(super) row: RunRow,
    pub(super) run_dir: PathBuf,
    pub(super) led: Led,
    /// Whether the runner was there when the server started. Such a one may have been dying already.
    pub(super) is_found: bool,
    /// The message for the runner.
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) limits: RunnerLimits,
}

/// What the journal of a followed run says.
struct Reading {
    reader: JournalReader,
    record: RunRecord,
    /// The last record that is to be indexed: that a log has grown is not.
    news: u64,
    /// The record up to which the index has been, or is being, written.
    indexed: u64,
    /// Writes into the index.
    indexing: Option<JoinHandle<()>>,
    /// When the index is due again.
    index_at: Option<Instant>,
    /// How many bytes of the journal were read.
    bytes_read: u64,
    /// Whether what is read now is new.
    is_counted: bool,
    /// Whether the runner is gone. An end counts only then: a living runner may show that another process wrote it.
    is_over: bool,
    /// Whether the journal is invalid and will stay so. The run may have begun.
    is_unreadable: bool,
}

/// Follows a run until its runner is gone and the run is settled.
pub(super) async fn follow(app: AppState, mut followed: Followed) {
    let mut reading = Reading {
        reader: JournalReader::new(&followed.run_dir),
        record: RunRecord::default(),
        news: 0,
        indexed: 0,
        indexing: None,
        index_at: None,
        bytes_read: 0,
        is_counted: !followed.is_found,
        is_over: false,
        is_unreadable: false,
    };
    let (verdict, not_started) = watch_runner(&app, &mut followed, &mut reading).await;
    reading.is_over = true;
    reading.read_on(&app, &followed.row).await;
    reading.wait_for_index().await;
    let (row, record) = (&followed.row, &reading.record);
    if record.is_tampered {
        tracing::warn!(run = %row.id, "another process has written to the journal of the run");
    }
    // A step can write an end and kill its runner.
    let is_killed = followed.led.leader.was_killed();
    let is_forged = is_killed && (record.is_green() || record.is_tampered);
    let verdict = match is_forged {
        true => Some(Verdict::unconfirmed()),
        false => verdict.or_else(|| followed.limits.stop_verdict()),
    };
    let has_begun = record.started_at.is_some() || record.outcome.is_some() || reading.is_unreadable;
    if !has_begun && verdict.is_none() {
        if followed.is_found && sweep(RunMark { instance: app.instance, run: row.id }).await {
            // As if the server had come a moment later. A runner of its own that dies so is not given a second try.
            return app.wake(Wake::Again(row.id)).await;
        }
        if let Some(problem) = not_started.or(last_words(&mut *followed.led.control).await) {
            return app.wake(Wake::NotStarted { run: row.id, problem }).await;
        }
    }
    if is_killed || record.outcome.is_none() {
        let verdict = verdict.unwrap_or_else(Verdict::runner_gone);
        reading.record = settle(&app, row, &followed.run_dir, verdict).await;
        reading.indexed = 0;
    }
    conclude(&app, row, &reading.record, reading.indexed).await;
}

/// Waits until the runner is gone. Gives the verdict about a runner that had to be killed, and why it could not begin its run, if
/// it has said so.
async fn watch_runner(
    app: &AppState,
    followed: &mut Followed,
    reading: &mut Reading,
) -> (Option<Verdict>, Option<String>) {
    let Followed { row, led: Led { leader, control }, messages, limits, .. } = followed;
    let (mut verdict, mut not_started, mut is_slow) = (None, None, false);
    loop {
        let is_readable = reading.read_on(app, row).await;
        let now = Instant::now();
        if is_readable {
            limits.saw(&reading.record, now);
            reading.index(app, row, now);
            if limits.is_slow(now) {
                is_slow = true;
                app.wake(Wake::Slow(row.id, true)).await;
            } else if is_slow && reading.record.is_evaluated {
                is_slow = false;
                app.wake(Wake::Slow(row.id, false)).await;
            }
            if limits.must_repeat_go() {
                limits.sent(&Message::Go {}, now);
                control.send(&Message::Go {}).await;
            }
            if let Some(exceeded) = limits.exceeded(now) {
                tracing::error!(run = %row.id, reason = %exceeded.reason, "a runner is killed");
                leader.kill();
                app.wake(Wake::Killed(row.id)).await;
                verdict = Some(exceeded);
            }
        }
        let again = (!is_readable).then_some(now + LOOK_AGAIN);
        let due = reading.index_at.filter(|_| reading.has_news());
        let next = limits.next().into_iter().chain(due).filter(|_| is_readable).chain(again).min();
        tokio::select! {
            seen = leader.next() => if seen == Seen::Gone { return (verdict, not_started) },
            Some(message) = messages.recv() => {
                limits.sent(&message, Instant::now());
                control.send(&message).await;
            }
            Some(answer) = control.answer() => match answer {
                Answer::Heard => limits.answered(),
                Answer::NotStarted(problem) => not_started = Some(problem),
                Answer::Away => {}
            },
            () = until(next) => {}
        }
    }
}

/// Why a runner that is gone could not begin its run, if that is the last that it has said.
async fn last_words(control: &mut dyn Control) -> Option<String> {
    // A dead runner's socket has an end, unless a process that it started has a copy.
    let words = async {
        while let Some(answer) = control.answer().await {
            if let Answer::NotStarted(problem) = answer {
                return Some(problem);
            }
        }
        None
    };
    tokio::time::timeout(LAST_WORDS_LIMIT, words).await.ok().flatten()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Ends what is left of a run; whether nothing is.
async fn sweep(mark: RunMark) -> bool {
    let swept = tokio::task::spawn_blocking(move || sweep_run(&mark)).await;
    swept.is_ok_and(|swept| swept.survivors.is_empty())
}

impl Reading {
    /// Reads what is new in the journal, publishes it, and indexes that the jobs have begun; false when it could not be
    /// read.
    async fn read_on(&mut self, app: &AppState, row: &RunRow) -> bool {
        // Where it may block: whoever runs as this user can put anything in its place.
        let mut reader = std::mem::replace(&mut self.reader, JournalReader::new(Path::new("")));
        let read = tokio::task::spawn_blocking(move || (reader.read(), reader)).await;
        let Ok((records, reader)) = read else { return false };
        self.reader = reader;
        let records = match records {
            Ok(records) if records.is_empty() => return true,
            Ok(records) => records,
            Err(error) => {
                tracing::error!(problem = chain(&error), run = %row.id, "the journal cannot be read");
                self.is_unreadable = error.is_lasting();
                return self.is_unreadable;
            }
        };
        let had_begun = self.record.started_at.is_some();
        for fact in records {
            if !matches!(fact.fact, Fact::LogGrown { .. }) {
                self.news = fact.seq;
            }
            self.count(app, &fact);
            self.record.apply(fact);
        }
        let read = self.reader.bytes_read();
        app.metrics.journal_read(read.saturating_sub(self.bytes_read));
        (self.bytes_read, self.is_counted) = (read, true);
        if !had_begun && self.record.started_at.is_some() && row.state == Progress::Queued {
            let queued = self.record.started_at.map_or(0, |at| at.as_millis() - row.queued_at.as_millis());
            app.metrics.queue_wait.observe(Duration::from_millis(u64::try_from(queued).unwrap_or(0)));
            tracing::info!("run {}#{} started", row.repo, row.number);
        }
        if self.record.outcome.is_none() || self.is_over {
            app.live.publish(row.id, &self.record);
        }
        true
    }

    /// Counts what a journal says. What it said before the server has begun was counted by another.
    fn count(&self, app: &AppState, record: &Record) {
        if !self.is_counted {
            return;
        }
        if let Fact::StepEnded { job, end, .. } = &record.fact {
            let took = Duration::from_millis(end.duration_ms);
            app.metrics.steps.observe(took);
            let has_container = |known: &JobRecord| known.policy.iter().any(PolicyRecord::is_about_container);
            // A step that was denied had no container.
            let is_denied = |known: &JobRecord| known.policy.iter().any(PolicyRecord::is_denial);
            let has_run = |known: &JobRecord| has_container(known) && !is_denied(known);
            if self.record.jobs.iter().any(|known| known.id == *job && has_run(known)) {
                app.metrics.containers.ran(took);
            }
        } else if let Fact::ImageResolved { image } = &record.fact
            && let Some(took) = image.pulled_ms
        {
            app.metrics.containers.pulled(Duration::from_millis(took));
        } else if let Fact::PolicyDecision { decision, .. } = &record.fact
            && decision.is_denial()
        {
            app.metrics.denied();
        }
    }

    /// Whether the journal of a running run says something that is not in the index.
    fn has_news(&self) -> bool {
        self.record.started_at.is_some() && self.record.outcome.is_none() && self.news > self.indexed
    }

    /// Indexes what is new of a running run: at once that its jobs have begun, the rest now and then, all that has come by
    /// then in one transaction.
    fn index(&mut self, app: &AppState, row: &RunRow, now: Instant) {
        if !self.has_news() || self.index_at.is_some_and(|at| now < at) {
            return;
        }
        self.index_at = Some(now + INDEX_EVERY);
        if self.indexing.as_ref().is_none_or(JoinHandle::is_finished) {
            let change = RunChange::since(self.indexed, row.id, &self.record, clock::now());
            let (app, row) = (app.clone(), row.clone());
            self.indexing = Some(tokio::spawn(async move { index::write(&app, &row, change).await }));
            self.indexed = self.record.seq;
        }
    }

    /// Waits for what is being written into the index.
    async fn wait_for_index(&mut self) {
        if let Some(indexing) = self.indexing.take()
            && let Err(error) = indexing.await
        {
            tracing::error!(%error, "a part of a run was not indexed");
            self.indexed = 0;
        }
    }
}
