//! Follows one run of a push to its end, for who waits: a line per job, the last lines of those that failed, the verdict; with
//! `-o ci.log` all output, with `-o ci.live` a ticker.

use std::future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until};

use super::job_log::read_job_end;
use super::push_options::WantedReport;
use super::push_report::{MAX_WAIT, Reporter};
use crate::journal::JobRecord;
use crate::model::{Outcome, RunId};
use crate::run::LiveRun;
use crate::sys::clock;
use crate::sys::inotify::Inotify;
use crate::view::{
    Comparison, FollowedRun, LogFollower, LogLine, OutputItem, OutputOrder, PushedRun, RunView, broken,
    failed_step, first_line, job_columns, one_line, push_verdict, pushed_failure, pushed_job, pushed_output,
    ticker, unstarted_jobs, watched_too_long,
};

/// How often a waiting push is sent a sign that the server is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How often the ticker is sent.
const TICK: Duration = Duration::from_secs(1);

/// How many failed jobs are explained, and with how many of their last lines.
const MAX_FAILURES: usize = 3;
const FAILED_LINES: usize = 20;

/// How a run of a push is followed. `None` says that the pusher is gone.
pub(super) struct PushWatch<'a> {
    pub(super) reporter: &'a Reporter,
    pub(super) wanted: WantedReport,
    /// Whether other runs of the push are followed, too.
    pub(super) is_one_of_several: bool,
    /// Until when.
    pub(super) deadline: Instant,
}

/// What is known of a run that is followed.
struct Following {
    run_dir: PathBuf,
    journal: FollowedRun,
    /// Reads the output, if it is shown.
    logs: Option<LogFollower>,
    /// Says that there may be more of it.
    output: Option<Inotify>,
    order: OutputOrder,
    /// Says that the run has changed; nothing when it has ended.
    live: Option<watch::Receiver<LiveRun>>,
    was_evaluated: bool,
    /// When the next sign is due that somebody is there: the ticker, if it is shown.
    signs: Interval,
}

/// Why a run is looked at again, or no longer.
enum Next {
    Look,
    /// The run has ended, but its end is not in the index: that was said in the server's log.
    Lost,
    /// The push has waited for as long as it may.
    TooLate,
}

impl PushWatch<'_> {
    /// Follows a run and reports; its outcome, unless nobody knows it.
    pub(super) async fn to_end(&self, pushed: PushedRun) -> Option<Option<Outcome>> {
        let reporter = self.reporter;
        if self.is_one_of_several {
            reporter.say(format!("\n{}\n", first_line(&pushed))).await?;
        }
        let PushedRun { run, compared, .. } = pushed;
        let (id, number, was_broken) = (run.row.id, run.row.number, broken(&run).is_some());
        let mut state = self.begin(&run);
        loop {
            state.watch_folders();
            let view;
            let row = reporter.row(id).await?;
            (view, state.journal) = reporter.app.view_again(row, state.journal).await?;
            if let Some(problem) = &view.problem {
                reporter.say(format!("warning: {}\n", one_line(problem))).await?;
                return Some(view.row.outcome);
            }
            self.show_new(&mut state, &view).await?;
            if view.has_ended() {
                let rest = state.order.rest();
                reporter.send(rest.iter().map(|line| self.prefixed(line)).collect()).await?;
                self.end(&view, (was_broken, compared)).await?;
                return Some(view.outcome());
            }
            let last = match self.next(&mut state, &view).await? {
                Next::Look => continue,
                Next::Lost => format!("warning: lost sight of run {number}\n"),
                Next::TooLate => watched_too_long(&view, &reporter.command, MAX_WAIT),
            };
            reporter.say(last).await?;
            return Some(None);
        }
    }

    /// Waits for the end of a run of which nothing is shown; its outcome, unless nobody knows it.
    pub(super) async fn outcome(&self, id: RunId) -> Option<Option<Outcome>> {
        let reporter = self.reporter;
        while let Some(mut live) = reporter.app.live.follow(id) {
            tokio::select! {
                _gone = async { live.wait_for(|run| run.has_ended).await.is_err() } => break,
                () = sleep(KEEP_ALIVE) => reporter.send("\0".to_owned()).await?,
                () = sleep_until(self.deadline) => return Some(None),
            }
        }
        Some(reporter.row(id).await?.outcome)
    }

    fn begin(&self, run: &RunView) -> Following {
        let app = &self.reporter.app;
        let every = if self.wanted.is_live { TICK } else { KEEP_ALIVE };
        let mut signs = interval(every);
        signs.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let run_dir = app.data.run(&run.row.repo, run.row.number);
        Following {
            journal: FollowedRun::new(&run_dir),
            logs: self.wanted.shows_log.then(|| LogFollower::new(&run_dir, None)),
            output: self.wanted.shows_log.then(Inotify::new).and_then(Result::ok),
            order: OutputOrder::default(),
            live: app.live.follow(run.row.id),
            was_evaluated: run.record.is_evaluated,
            signs,
            run_dir,
        }
    }

    /// Reports output and the jobs that have ended.
    async fn show_new(&self, state: &mut Following, run: &RunView) -> Option<()> {
        if run.record.is_evaluated && !state.was_evaluated {
            state.was_evaluated = true;
            self.reporter.say(unstarted_jobs(run)).await?;
        }
        let columns = job_columns(&run.record.jobs);
        loop {
            let mut lines = Vec::new();
            if let Some(logs) = state.logs.take() {
                let read = self.read_logs(logs, run).await?;
                (state.logs, lines) = (Some(read.0), read.1);
            }
            for item in state.order.next(lines, &run.record.jobs) {
                match item {
                    OutputItem::Line(line) => self.reporter.send(self.prefixed(&line)).await?,
                    OutputItem::End(job) => self.reporter.say(pushed_job(job, columns)).await?,
                }
            }
            if !state.logs.as_ref().is_some_and(LogFollower::has_more) {
                return Some(());
            }
        }
    }

    /// The next lines of a run.
    async fn read_logs(&self, mut logs: LogFollower, run: &RunView) -> Option<(LogFollower, Vec<LogLine>)> {
        let ended = run.has_ended();
        let record = run.record.clone();
        let read = move || {
            logs.name_services(&record);
            let lines = if ended { logs.finish() } else { logs.read(&record) };
            (logs, lines.unwrap_or_default())
        };
        self.reporter.app.read(read).await
    }

    /// Waits until the run has to be looked at again, and shows meanwhile that somebody is there.
    async fn next(&self, state: &mut Following, run: &RunView) -> Option<Next> {
        let Some(changes) = &mut state.live else {
            let row = self.reporter.row(run.row.id).await?;
            return Some(if row.outcome.is_none() { Next::Lost } else { Next::Look });
        };
        loop {
            tokio::select! {
                changed = changes.changed() => {
                    // A closed channel says that the run has just ended: it is read once more.
                    if changed.is_err() {
                        state.live = None;
                    }
                    return Some(Next::Look);
                }
                () = more_output(state.output.as_ref()) => return Some(Next::Look),
                () = sleep_until(self.deadline) => return Some(Next::TooLate),
                _now = state.signs.tick() => {
                    let sign = if self.wanted.is_live { ticker((&run.record.jobs, run.started_at().is_none()), clock::now()) + "\r" } else { "\0".to_owned() };
                    self.reporter.send(sign).await?;
                }
            }
        }
    }

    /// Reports how a run has ended.
    async fn end(&self, run: &RunView, (was_broken, compared): (bool, Comparison)) -> Option<()> {
        if let Some(mistakes) = broken(run) {
            // Those that the header has shown are not shown again.
            return self.reporter.say(if was_broken { String::new() } else { mistakes }).await;
        }
        let is_bad = |job: &&JobRecord| {
            matches!(job.outcome, Some(Outcome::Failed | Outcome::TimedOut | Outcome::Denied))
        };
        let mut failed: Vec<&JobRecord> = run.record.jobs.iter().filter(is_bad).collect();
        failed.sort_by_key(|job| job.finished_at);
        for (place, job) in failed.iter().enumerate().take(MAX_FAILURES) {
            let step = failed_step(job).map(|step| step.start.number);
            let most = if self.wanted.shows_log { 0 } else { FAILED_LINES };
            let end = read_job_end(&self.reporter.app, &run.row, &job.id, (step, most)).await;
            let end = end.unwrap_or_default();
            let before = failed.get(..place).unwrap_or_default();
            self.reporter.send(pushed_failure(run, (before, job), (&end, self.wanted.colours))).await?;
        }
        let blank = if failed.is_empty() { "" } else { "\n" };
        self.reporter.say(format!("{blank}{}", push_verdict(run, &self.reporter.command, compared))).await
    }

    /// A line of output behind the name of its job, so that it can neither be taken for a verdict nor be coloured as one.
    fn prefixed(&self, line: &LogLine) -> String {
        let text = pushed_output(&String::from_utf8_lossy(&line.bytes), self.wanted.colours);
        format!("{} │ {text}\n", line.origin())
    }
}

impl Following {
    /// Watches what grows. Before it is read: no line is missed.
    fn watch_folders(&self) {
        if let (Some(inotify), Some(logs)) = (&self.output, &self.logs) {
            for folder in logs.folders().into_iter().chain([self.run_dir.clone()]) {
                let _comes_up_later = inotify.watch(&folder).is_err();
            }
        }
    }
}

/// Waits until there may be more output to read; for ever when nobody reads it.
async fn more_output(inotify: Option<&Inotify>) {
    match inotify {
        Some(inotify) => {
            let _looked_at_anyway = inotify.changes().await.is_err();
        }
        None => future::pending().await,
    }
}
