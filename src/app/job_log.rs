//! The output of one job, also while it grows.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::problem::{Code, Problem};
use super::runs::find_run;
use super::state::AppState;
use crate::journal::{JobRecord, JournalReader, RunRecord};
use crate::model::{Progress, Quoted};
use crate::store::{RunRow, WriterGone};
use crate::view::{JobEnd, LogFollower, LogLine, LogSizes};

/// How long it is waited until it is known which jobs a run has, before its output is followed.
const EVALUATION_PATIENCE: Duration = Duration::from_secs(5);

/// How soon a run is looked at again that is not live and has not ended.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Which output.
#[derive(Debug, Clone)]
pub struct ReadJobLog {
    pub(crate) job: String,
    /// Only that of this step; 0 for what the script prints.
    pub(crate) step: Option<u32>,
    /// Only that of this attempt.
    pub(crate) attempt: Option<u32>,
    /// Whether what comes until the job ends is read as well.
    pub(crate) follow: bool,
}

/// The output of a job, a batch of lines at a time.
pub struct JobLog {
    row: RunRow,
    job: String,
    state: State,
    facts: Option<watch::Receiver<u64>>,
    follow: bool,
    is_over: bool,
}

/// What is read where it may block.
struct State {
    journal: JournalReader,
    record: RunRecord,
    follower: LogFollower,
    has_ended: bool,
}

/// Opens the output of a job.
///
/// # Errors
/// The run has no such job, step or attempt, or its record cannot be read.
pub async fn open_job_log(app: &AppState, row: RunRow, request: ReadJobLog) -> Result<JobLog, Problem> {
    let facts = app.live.follow_facts(row.id);
    let run_dir = app.data.run(&row.repo, row.number);
    let follower = LogFollower::new(&run_dir, Some(request.job.clone())).of_step(request.step);
    let state = State {
        journal: JournalReader::new(&run_dir),
        record: RunRecord::default(),
        follower,
        has_ended: false,
    };
    let ReadJobLog { job, step, attempt, follow } = request;
    let mut log = JobLog { row, job, state, facts, follow, is_over: false };
    log.refresh(app).await?;
    let deadline = Instant::now() + EVALUATION_PATIENCE;
    while follow && !log.is_known() && Instant::now() < deadline {
        if timeout_at(deadline, log.wait(app)).await.is_ok() {
            log.refresh(app).await?;
        }
    }
    log.expect(step, attempt)?;
    Ok(log)
}

/// The last lines of a job; of a step when it has written some of the last.
///
/// # Errors
/// When the server stops.
pub(crate) async fn read_job_end(
    app: &AppState,
    row: &RunRow,
    job: &str,
    (step, most): (Option<u32>, usize),
) -> Result<JobEnd, Problem> {
    let (run_dir, job) = (app.data.run(&row.repo, row.number), job.to_owned());
    let read = app.read(move || crate::view::read_job_end(&run_dir, &job, (step, most)));
    Ok(read.await.ok_or(WriterGone)?)
}

impl JobLog {
    /// The attempt that the output is of.
    pub(crate) fn attempt(&self) -> u32 {
        self.state.record.attempt.max(1)
    }

    /// Whether the job had ended when it was last looked at: then its output is complete, and stays as it is.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.has_ended || self.job().is_some_and(|job| job.outcome.is_some())
    }

    /// When it ended, in milliseconds since 1970, and how many bytes its logs have, of a job that has ended.
    pub(crate) async fn version(&self, app: &AppState) -> Option<(i64, u64)> {
        let at = self.job().and_then(|job| job.finished_at).or(self.row.finished_at)?;
        let (run_dir, job) = (app.data.run(&self.row.repo, self.row.number), self.job.clone());
        let bytes = app.read(move || LogSizes::read(&run_dir).of_job(&job)).await?;
        self.has_ended().then_some((at.as_millis(), bytes))
    }

    /// Where it is read from next.
    pub(crate) fn place(&self) -> LogFollower {
        self.state.follower.copy()
    }

    /// Reads on at another place of the same log.
    pub(crate) fn seek(&mut self, place: LogFollower) {
        self.state.follower = place;
    }

    /// The next lines; nothing at the end.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub(crate) async fn next(&mut self, app: &AppState) -> Result<Option<Vec<LogLine>>, Problem> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            let has_ended = self.has_ended();
            let lines = self.read(app, has_ended).await?;
            let is_drained = !self.state.follower.has_more();
            self.is_over = is_drained && (has_ended || !self.follow);
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
            if is_drained && !self.is_over {
                self.wait(app).await;
                self.refresh(app).await?;
            }
        }
    }

    async fn read(&mut self, app: &AppState, has_ended: bool) -> Result<Vec<LogLine>, Problem> {
        let mut follower = std::mem::take(&mut self.state.follower);
        let record = (!has_ended).then(|| self.state.record.clone());
        let read = app.read(move || {
            let lines = match &record {
                Some(record) => follower.read(record),
                None => follower.finish(),
            };
            (follower, lines)
        });
        let (follower, lines) = read.await.ok_or(WriterGone)?;
        self.state.follower = follower;
        lines.map_err(|error| Problem::failed(&error))
    }

    /// Waits until there may be more.
    async fn wait(&mut self, app: &AppState) {
        match &mut self.facts {
            Some(facts) => {
                if facts.changed().await.is_err() {
                    self.facts = None;
                }
            }
            None => {
                self.facts = app.live.follow_facts(self.row.id);
                if self.facts.is_none() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Reads what is new in the journal. The end of a run that is not live is in its row.
    async fn refresh(&mut self, app: &AppState) -> Result<(), Problem> {
        if let Some(facts) = &mut self.facts {
            facts.borrow_and_update();
        }
        if app.live.follow_facts(self.row.id).is_none() {
            self.row = find_run(app, &self.row.id.to_string()).await?;
            self.state.has_ended = self.row.state == Progress::Finished;
        }
        let run_dir = app.data.run(&self.row.repo, self.row.number);
        let mut journal = std::mem::replace(&mut self.state.journal, JournalReader::new(&run_dir));
        let read = app.read(move || (journal.read(), journal)).await.ok_or(WriterGone)?;
        let (records, journal) = read;
        self.state.journal = journal;
        let records = records.map_err(|error| Problem::caused_by(Code::RunUnreadable, &error))?;
        for record in records {
            self.state.record.apply(record);
        }
        self.state.follower.name_services(&self.state.record);
        Ok(())
    }

    fn job(&self) -> Option<&JobRecord> {
        self.state.record.jobs.iter().find(|job| job.id == self.job)
    }

    /// Whether it is known which jobs the run has.
    fn is_known(&self) -> bool {
        self.state.record.is_evaluated || self.state.has_ended
    }

    /// Checks that what is asked for is there, or can still come.
    fn expect(&self, step: Option<u32>, attempt: Option<u32>) -> Result<(), Problem> {
        let name = format!("{}#{}", self.row.repo, self.row.number);
        let Some(job) = self.job() else {
            if self.follow && !self.is_known() {
                return Ok(());
            }
            let names: Vec<&str> = self.state.record.jobs.iter().map(|job| job.id.as_str()).collect();
            let hint = match names.is_empty() {
                true => "it has no jobs yet".to_owned(),
                false => format!("it has {}", names.join(", ")),
            };
            let text = format!("{name} has no job {}", Quoted::new(&self.job));
            return Err(Problem::new(Code::JobNotFound, text).hint(hint));
        };
        if let Some(attempt) = attempt.filter(|attempt| *attempt != self.attempt()) {
            let text = format!("job `{}` of {name} has no attempt {attempt}", job.id);
            return Err(Problem::new(Code::StepNotFound, text).hint(format!("it has {}", self.attempt())));
        }
        let is_there = |step: u32| step == 0 || job.steps.iter().any(|known| known.start.number == step);
        match step.filter(|step| !is_there(*step) && (self.has_ended() || !self.follow)) {
            Some(step) => {
                let text = format!("job `{}` of {name} has no step {step}", job.id);
                Err(Problem::new(Code::StepNotFound, text).hint(format!("it has {} steps", job.steps.len())))
            }
            None => Ok(()),
        }
    }
}
