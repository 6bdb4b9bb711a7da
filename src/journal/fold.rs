//! Folds facts into what they say about a run.

use std::path::Path;

use super::fact::{DiagnosticFact, Fact, JobFact, Record, StopReason};
use super::reader::{JournalReadError, JournalReader};
use crate::model::{Outcome, Progress, chain};
use crate::secret::RedactedText;

/// What a journal says about its run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunRecord {
    /// Whether a runner has taken the run.
    pub is_opened: bool,
    /// Whether the pipeline was evaluated, well or not.
    pub is_evaluated: bool,
    /// When its jobs began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it ended so, unless it passed.
    pub reason: Option<String>,
    /// What asked it to stop, if anything did.
    pub stop: Option<StopReason>,
    /// What was found in the pipeline's files.
    pub diagnostics: Vec<DiagnosticFact>,
    /// Its jobs, in the order of the file.
    pub jobs: Vec<JobRecord>,
    /// The images that its containers used.
    pub images: Vec<ImageRecord>,
    /// Whether something stands after an end: the runner writes nothing more then, so another process has written to the
    /// journal. Such a run is never green.
    pub is_tampered: bool,
}

/// What a journal says about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// The image, as the pipeline names it.
    pub image: String,
    /// The id of what was run.
    pub id: String,
    /// Its digest in its registry, if it came from one.
    pub digest: Option<String>,
}

/// What a journal says about a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// The job's id.
    pub id: String,
    /// What it needs.
    pub needs: Vec<String>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why, unless it passed.
    pub reason: Option<String>,
    /// Its steps.
    pub steps: Vec<StepRecord>,
    /// What was decided about the containers that it asked for.
    pub policy: Vec<PolicyRecord>,
}

/// What a journal says was decided about one point of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// What the container is for.
    pub subject: String,
    /// `allow`, `warn` or `deny`.
    pub verdict: String,
    /// The word for the reason.
    pub code: String,
    /// The reason, for people.
    pub reason: String,
    /// What would allow it.
    pub hint: Option<String>,
}

/// What a journal says about a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// Its number in the job, from 1.
    pub number: u32,
    /// What it ran.
    pub title: String,
    /// The line that asked for it.
    pub line: Option<u32>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its exit status.
    pub exit: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Bytes of output that the log had no room for.
    pub left_out: u64,
    /// The secrets that were masked in its output.
    pub secrets: Vec<String>,
    /// Processes that it left behind.
    pub leftovers: Vec<String>,
}

impl RunRecord {
    /// Where the run is.
    pub fn progress(&self) -> Progress {
        if self.outcome.is_some() {
            Progress::Finished
        } else if self.started_at.is_some() {
            Progress::Running
        } else {
            Progress::Queued
        }
    }

    /// What the journal in a run's folder says by now; nothing when there is none.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn try_read(run_dir: &Path) -> Result<RunRecord, JournalReadError> {
        let mut record = RunRecord::default();
        for fact in JournalReader::new(run_dir).read()? {
            record.apply(fact);
        }
        Ok(record)
    }

    /// Whether the jobs of a run may have begun, or it has ended. A journal that will never be readable, or has damaged
    /// lines, counts as yes: an unreadable line may have said so.
    ///
    /// # Errors
    /// The journal cannot be read now.
    pub fn may_have_begun(run_dir: &Path) -> Result<bool, JournalReadError> {
        let mut reader = JournalReader::new(run_dir);
        match reader.read() {
            Ok(_) if reader.is_damaged() => Ok(true),
            Ok(records) => {
                let mut record = RunRecord::default();
                records.into_iter().for_each(|fact| record.apply(fact));
                Ok(record.started_at.is_some() || record.outcome.is_some())
            }
            Err(error) if error.is_lasting() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What is recorded of a run that has ended and whose journal does not say so.
    pub fn without_journal(outcome: Outcome, reason: String) -> RunRecord {
        RunRecord { outcome: Some(outcome), reason: Some(reason), ..RunRecord::default() }
    }

    /// What is recorded of a run whose journal cannot be read, now that nothing of it is left: it has not passed.
    pub fn unreadable(error: &JournalReadError) -> RunRecord {
        RunRecord::without_journal(Outcome::Interrupted, chain(error))
    }

    /// Folds one more record.
    pub fn apply(&mut self, record: Record) {
        let time = record.t;
        if self.outcome.is_some() && !matches!(record.fact, Fact::RunOpened { .. }) {
            // An interruption is the server's word about a runner that was killed at its end. Nothing gets green by it.
            self.is_tampered |= !is_interruption(&record.fact);
            self.reopen();
        }
        match record.fact {
            Fact::RunOpened { .. } => *self = RunRecord { is_opened: true, ..RunRecord::default() },
            Fact::Evaluated { jobs, diagnostics } => {
                self.is_evaluated = true;
                self.diagnostics = diagnostics;
                // Of some it was known before how they end: what they ask for was decided about.
                let mut decided = std::mem::take(&mut self.jobs);
                let record = |job: JobFact| {
                    let known = decided.iter().position(|known| known.id == job.id);
                    let known = known.map(|place| decided.swap_remove(place));
                    JobRecord {
                        needs: job.needs,
                        ..known.unwrap_or_else(|| JobRecord::new(job.id, Vec::new()))
                    }
                };
                self.jobs = jobs.into_iter().map(record).collect();
            }
            Fact::Broken { diagnostics } => {
                self.is_evaluated = true;
                self.diagnostics = diagnostics;
            }
            Fact::RunStarted {} => self.started_at = Some(time),
            Fact::StopAsked { reason } => self.stop = Some(reason),
            Fact::ImageResolved { image, id, digest } => self.images.push(ImageRecord {
                image: image.into_string(),
                id: id.into_string(),
                digest: digest.map(RedactedText::into_string),
            }),
            Fact::RunEnded { outcome, reason } => {
                let mut outcome = word(&outcome);
                for job in &mut self.jobs {
                    job.close(outcome, reason.as_deref(), &time);
                }
                self.reason = reason.map(RedactedText::into_string);
                if self.is_tampered {
                    self.reason = Some(tampered(self.reason.as_deref()));
                    outcome = if is_green(outcome) { Outcome::Failed } else { outcome };
                }
                self.outcome = Some(outcome);
                self.finished_at = Some(time);
            }
            fact @ (Fact::JobStarted { .. }
            | Fact::StepStarted { .. }
            | Fact::StepEnded { .. }
            | Fact::PolicyDecision { .. }
            | Fact::JobEnded { .. }) => self.apply_to_job(time, fact),
        }
    }

    /// Whether the run has ended well, as far as its journal says.
    pub fn is_green(&self) -> bool {
        self.outcome.is_some_and(is_green)
    }

    /// The record without its end, of a run that has not been settled: another process may have written that end.
    pub fn without_end(mut self) -> RunRecord {
        self.reopen();
        self
    }

    /// Takes the end back, and those that it gave to jobs.
    fn reopen(&mut self) {
        let ended_at = self.finished_at.take();
        (self.outcome, self.reason) = (None, None);
        for job in self.jobs.iter_mut().filter(|job| job.finished_at == ended_at) {
            (job.outcome, job.reason, job.finished_at) = (None, None, None);
            for step in
                job.steps.iter_mut().filter(|step| step.finished_at == ended_at && step.exit.is_none())
            {
                (step.outcome, step.finished_at) = (None, None);
            }
        }
    }

    /// Folds a record about a job.
    fn apply_to_job(&mut self, time: String, fact: Fact) {
        match fact {
            Fact::JobStarted { job } => self.with_job(&job, |job| job.started_at = Some(time)),
            Fact::StepStarted { job, step, title, line } => {
                self.with_job(&job, |job| {
                    job.steps.push(StepRecord::new(step, title.into_string(), line, time))
                });
            }
            Fact::StepEnded {
                job,
                step,
                outcome,
                exit,
                signal,
                duration_ms,
                left_out,
                secrets,
                leftovers,
            } => {
                self.with_job(&job, |job| {
                    let Some(step) = job.steps.iter_mut().find(|known| known.number == step) else { return };
                    step.finished_at = Some(time);
                    step.outcome = Some(word(&outcome));
                    step.exit = Some(exit);
                    step.signal = signal;
                    step.duration_ms = Some(duration_ms);
                    step.left_out = left_out;
                    step.secrets = secrets;
                    step.leftovers = leftovers.into_iter().map(RedactedText::into_string).collect();
                });
            }
            Fact::PolicyDecision { job, subject, verdict, code, reason, hint } => {
                self.with_job(&job, |job| {
                    job.policy.push(PolicyRecord {
                        subject: subject.into_string(),
                        verdict,
                        code,
                        reason: reason.into_string(),
                        hint: hint.map(RedactedText::into_string),
                    });
                })
            }
            Fact::JobEnded { job, outcome, reason } => {
                self.end_job(&job, word(&outcome), (reason.as_deref(), &time));
            }
            Fact::RunOpened { .. }
            | Fact::Evaluated { .. }
            | Fact::Broken { .. }
            | Fact::RunStarted {}
            | Fact::StopAsked { .. }
            | Fact::ImageResolved { .. }
            | Fact::RunEnded { .. } => {}
        }
    }

    /// Ends a job. One that has ended was ended by another process; what the runner writes comes last.
    fn end_job(&mut self, id: &str, outcome: Outcome, (reason, time): (Option<&str>, &str)) {
        let mut has_ended = false;
        self.with_job(id, |job| {
            has_ended = job.outcome.is_some();
            if job.outcome.is_some_and(is_green) && !is_green(outcome) {
                job.outcome = None;
            }
            job.close(outcome, reason, time);
        });
        self.is_tampered |= has_ended;
    }

    /// Changes the job with this id, if the pipeline has it or is not known yet.
    fn with_job(&mut self, id: &str, change: impl FnOnce(&mut JobRecord)) {
        if !self.is_evaluated && !self.jobs.iter().any(|job| job.id == id) {
            self.jobs.push(JobRecord::new(id.to_owned(), Vec::new()));
        }
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            change(job);
        }
    }
}

impl JobRecord {
    fn new(id: String, needs: Vec<String>) -> JobRecord {
        JobRecord {
            id,
            needs,
            started_at: None,
            finished_at: None,
            outcome: None,
            reason: None,
            steps: Vec::new(),
            policy: Vec::new(),
        }
    }

    /// Ends the job, unless it has ended, and those of its steps that have no end of their own: a runner that is gone says
    /// nothing of its jobs, and a step that could not be followed nothing of itself.
    fn close(&mut self, outcome: Outcome, reason: Option<&str>, time: &str) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(outcome);
        self.reason = reason.map(str::to_owned);
        self.finished_at = Some(time.to_owned());
        for step in self.steps.iter_mut().filter(|step| step.outcome.is_none()) {
            step.outcome = Some(outcome);
            step.finished_at = Some(time.to_owned());
        }
    }

    /// The word for where the job is: `waiting`, `running`, or `finished`.
    pub fn state(&self) -> &'static str {
        match (self.outcome, &self.started_at) {
            (Some(_), _) => "finished",
            (None, Some(_)) => "running",
            (None, None) => "waiting",
        }
    }
}

impl StepRecord {
    fn new(number: u32, title: String, line: Option<u32>, started_at: String) -> StepRecord {
        StepRecord {
            number,
            title,
            line,
            started_at,
            finished_at: None,
            outcome: None,
            exit: None,
            signal: None,
            duration_ms: None,
            left_out: 0,
            secrets: Vec::new(),
            leftovers: Vec::new(),
        }
    }
}

/// Whether an outcome is a good one.
fn is_green(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Skipped)
}

/// Whether a fact is the end of an interrupted run.
fn is_interruption(fact: &Fact) -> bool {
    matches!(fact, Fact::RunEnded { outcome, .. } if outcome == Outcome::Interrupted.as_str())
}

/// The reason of a run whose journal another process has written to.
fn tampered(reason: Option<&str>) -> String {
    let what = "another process has written to the journal of the run";
    reason.map_or_else(|| what.to_owned(), |reason| format!("{reason}; {what}"))
}

/// The outcome with this word. A word that this version does not know is never read as green.
fn word(outcome: &str) -> Outcome {
    Outcome::parse(outcome).unwrap_or(Outcome::Failed)
}
