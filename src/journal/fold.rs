//! Folds facts into what they say about a run.

use std::collections::HashSet;
use std::path::Path;

use super::artifact_fact::ArtifactRecord;
use super::diagnostic_fact::DiagnosticFact;
use super::fact::{End, Fact, ImageRecord, JobFact, PolicyRecord, Record, StepEnd, StepStart, StopReason};
use super::job_output::JobOutput;
use super::reader::{JournalReadError, JournalReader};
use crate::model::{Diagnostic, Outcome, Progress, Reason, Timestamp, chain, codes};
use crate::secret::RedactedText;

/// What a journal says about its run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunRecord {
    /// The number of the last record.
    pub(crate) seq: u64,
    /// The attempt that it belongs to.
    pub(crate) attempt: u32,
    /// The number of the record that last said which jobs there are: what was known of jobs before it is void.
    pub(crate) declared_seq: u64,
    /// Whether a runner has taken the run.
    pub(crate) is_opened: bool,
    /// Whether the pipeline was evaluated, well or not.
    pub(crate) is_evaluated: bool,
    /// When its jobs began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
    /// Why it ended so, unless it passed.
    pub reason: Option<Reason>,
    /// What asked it to stop, if anything did.
    pub(crate) stop: Option<StopReason>,
    /// What was found in the pipeline's files.
    pub(crate) diagnostics: Vec<DiagnosticFact>,
    /// Its jobs, in the order of the file.
    pub jobs: Vec<JobRecord>,
    /// The images that its containers used.
    pub(crate) images: Vec<ImageRecord>,
    /// The files that its jobs have kept, each with its job.
    pub(crate) artifacts: Vec<(String, ArtifactRecord)>,
    /// What was denied, each with the number of its record; only the first few.
    pub(crate) denials: Vec<(u64, Denial)>,
    /// Whether another process has written to the journal: something stands after an end, or has not the number that its
    /// writer gave it. Such a run is never green.
    pub(crate) is_tampered: bool,
}

/// The most denials of a run that are named.
const MAX_DENIALS: usize = 20;

/// Something that the policy denied to a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial {
    pub(crate) job: String,
    /// The word for the reason.
    pub(crate) code: String,
    /// The reason, for people.
    pub(crate) reason: RedactedText,
}

/// What a journal says about a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// The number of the last record that changed it.
    pub(crate) seq: u64,
    /// The job's id.
    pub id: String,
    /// What it needs.
    pub(crate) needs: Vec<String>,
    /// The job that has added it to the graph, if one did.
    pub(crate) added_by: Option<String>,
    /// When it began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
    /// Why, unless it passed.
    pub reason: Option<Reason>,
    /// What it gave to those that need it.
    pub output: Option<JobOutput>,
    pub(crate) steps: Vec<StepRecord>,
    /// What was decided about the containers that it asked for.
    pub(crate) policy: Vec<PolicyRecord>,
}

/// What a journal says about a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The number of the last record that changed it.
    pub(crate) seq: u64,
    /// What was started.
    pub(crate) start: StepStart,
    /// When.
    pub(crate) started_at: Timestamp,
    /// When it ended.
    pub(crate) finished_at: Option<Timestamp>,
    /// How it ended: by itself, or with its run.
    pub(crate) outcome: Option<Outcome>,
    /// How it ended, when it was followed to its end.
    pub(crate) end: Option<StepEnd>,
}

impl RunRecord {
    /// What was found in the pipeline's files, to be rendered.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        self.diagnostics.iter().map(DiagnosticFact::to_diagnostic).collect()
    }

    /// Where the run is.
    pub(crate) fn progress(&self) -> Progress {
        if self.outcome.is_some() {
            Progress::Finished
        } else if self.started_at.is_some() {
            Progress::Running
        } else {
            Progress::Queued
        }
    }

    /// The state of a run from the journal in its folder; empty when it is missing.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn try_read(run_dir: &Path) -> Result<Self, JournalReadError> {
        let mut record = Self::default();
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
    pub(crate) fn may_have_begun(run_dir: &Path) -> Result<bool, JournalReadError> {
        let mut reader = JournalReader::new(run_dir);
        match reader.read() {
            Ok(_) if reader.is_damaged() => Ok(true),
            Ok(records) => {
                let mut record = Self::default();
                records.into_iter().for_each(|fact| record.apply(fact));
                Ok(record.started_at.is_some() || record.outcome.is_some())
            }
            Err(error) if error.is_lasting() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The id of the run whose journal is in a folder; nothing when no runner has opened one.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) fn id_in(run_dir: &Path) -> Result<Option<String>, JournalReadError> {
        let records = JournalReader::new(run_dir).read()?;
        Ok(records
            .into_iter()
            .find_map(|record| if let Fact::RunOpened { run } = record.fact { Some(run.id) } else { None }))
    }

    /// What is recorded of a run that has ended and whose journal does not say so.
    pub(crate) fn without_journal(outcome: Outcome, reason: Reason) -> Self {
        Self { outcome: Some(outcome), reason: Some(reason), ..Self::default() }
    }

    /// What is recorded of a run whose journal cannot be read, now that nothing of it is left: it has not passed.
    pub(crate) fn unreadable(error: &JournalReadError) -> Self {
        Self::without_journal(Outcome::Interrupted, Reason::new(codes::INTERRUPTED, chain(error)))
    }

    /// Folds one more record.
    pub fn apply(&mut self, record: Record) {
        let time = record.at;
        (self.seq, self.attempt) = (record.seq, record.attempt);
        if self.outcome.is_some() && !matches!(record.fact, Fact::RunOpened { .. }) {
            // An interruption is the server's word about a runner that was killed at its end. Nothing gets green by it.
            self.is_tampered |= !is_interruption(&record.fact);
            self.reopen();
        }
        self.is_tampered |= !record.is_in_order;
        match record.fact {
            Fact::RunOpened { .. } => {
                let Self { seq, attempt, .. } = *self;
                *self = Self { seq, attempt, declared_seq: seq, is_opened: true, ..Self::default() };
            }
            Fact::Evaluated { jobs, diagnostics } => {
                (self.is_evaluated, self.declared_seq) = (true, self.seq);
                self.diagnostics = diagnostics;
                self.declare_jobs(jobs);
            }
            Fact::Broken { diagnostics } => {
                self.is_evaluated = true;
                self.diagnostics = diagnostics;
            }
            Fact::JobsAdded { by, jobs } => {
                let added = |job: JobFact| JobRecord {
                    added_by: Some(by.clone()),
                    ..JobRecord::new(job.id, job.needs)
                };
                self.add_jobs(jobs.into_iter().map(added).collect());
            }
            Fact::RunStarted {} => self.started_at = Some(time),
            Fact::StopAsked { reason } => self.stop = Some(reason),
            Fact::LogGrown { .. } => {}
            Fact::ImageResolved { image } => self.images.push(image),
            Fact::ArtifactSaved { job, artifact } => self.artifacts.push((job, *artifact)),
            Fact::RunEnded { end: End { mut outcome, reason } } => {
                let reason = reason.map(|reason| reason.map(RedactedText::into_string));
                let seq = self.seq;
                for job in &mut self.jobs {
                    job.close((outcome, reason.as_ref()), time, seq);
                }
                self.reason = reason;
                if self.is_tampered {
                    self.reason = Some(tampered(self.reason.take()));
                    outcome = if is_green(outcome) { Outcome::Failed } else { outcome };
                }
                self.outcome = Some(outcome);
                self.finished_at = Some(time);
            }
            fact @ (Fact::JobStarted { .. }
            | Fact::StepStarted { .. }
            | Fact::StepEnded { .. }
            | Fact::PolicyDecision { .. }
            | Fact::JobOutput { .. }
            | Fact::JobEnded { .. }) => self.apply_to_job(time, fact),
        }
    }

    /// Whether the run has ended well, as far as its journal says.
    pub(crate) fn is_green(&self) -> bool {
        self.outcome.is_some_and(is_green)
    }

    /// The record without its end, of a run that has not been settled: another process may have written that end.
    pub(crate) fn without_end(mut self) -> Self {
        self.reopen();
        self
    }

    /// Takes the end back, and those that it gave to jobs.
    fn reopen(&mut self) {
        let (ended_at, seq) = (self.finished_at.take(), self.seq);
        (self.outcome, self.reason) = (None, None);
        for job in self.jobs.iter_mut().filter(|job| job.finished_at == ended_at) {
            (job.outcome, job.reason, job.finished_at, job.seq) = (None, None, None, seq);
            for step in job.steps.iter_mut().filter(|step| step.finished_at == ended_at && step.end.is_none())
            {
                (step.outcome, step.finished_at, step.seq) = (None, None, seq);
            }
        }
    }

    /// Folds a record about a job.
    fn apply_to_job(&mut self, time: Timestamp, fact: Fact) {
        match fact {
            Fact::JobStarted { job } => self.with_job(&job, |job| job.started_at = Some(time)),
            Fact::StepStarted { job, step } => {
                let (mut is_known, seq) = (false, self.seq);
                self.with_job(&job, |job| {
                    is_known = job.step_mut(step.number).is_some();
                    if !is_known {
                        job.steps.push(StepRecord::new(step, time, seq));
                    }
                });
                // A runner counts the steps of a job.
                self.is_tampered |= is_known;
            }
            Fact::StepEnded { job, number, end } => {
                let seq = self.seq;
                self.with_job(&job, |job| {
                    let Some(step) = job.step_mut(number) else { return };
                    let ended = (Some(time), Some(end.outcome), Some(end), seq);
                    (step.finished_at, step.outcome, step.end, step.seq) = ended;
                });
            }
            Fact::PolicyDecision { job, decision } => {
                if decision.is_denial() && self.denials.len() < MAX_DENIALS {
                    let (code, reason) = (decision.code.clone(), decision.reason.clone());
                    self.denials.push((self.seq, Denial { job: job.clone(), code, reason }));
                }
                self.with_job(&job, |job| job.policy.push(decision));
            }
            Fact::JobOutput { job, output } => self.with_job(&job, |job| job.output = Some(output)),
            Fact::JobEnded { job, end: End { outcome, reason } } => {
                let reason = reason.map(|reason| reason.map(RedactedText::into_string));
                self.end_job(&job, (outcome, reason), time);
            }
            Fact::RunOpened { .. }
            | Fact::Evaluated { .. }
            | Fact::Broken { .. }
            | Fact::JobsAdded { .. }
            | Fact::RunStarted {}
            | Fact::StopAsked { .. }
            | Fact::ImageResolved { .. }
            | Fact::ArtifactSaved { .. }
            | Fact::LogGrown { .. }
            | Fact::RunEnded { .. } => {}
        }
    }

    /// Ends a job. One that has ended was ended by another process; what the runner writes comes last.
    fn end_job(&mut self, id: &str, (outcome, reason): (Outcome, Option<Reason>), time: Timestamp) {
        let (mut has_ended, seq) = (false, self.seq);
        self.with_job(id, |job| {
            has_ended = job.outcome.is_some();
            if job.outcome.is_some_and(is_green) && !is_green(outcome) {
                job.outcome = None;
            }
            job.close((outcome, reason.as_ref()), time, seq);
        });
        self.is_tampered |= has_ended;
    }

    /// Changes the job with this id, if the pipeline has it or is not known yet.
    fn with_job(&mut self, id: &str, change: impl FnOnce(&mut JobRecord)) {
        if !self.is_evaluated && !self.jobs.iter().any(|job| job.id == id) {
            self.jobs.push(JobRecord::new(id.to_owned(), Vec::new()));
        }
        let seq = self.seq;
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.seq = seq;
            change(job);
        }
    }

    /// Takes the jobs of the pipeline.
    fn declare_jobs(&mut self, jobs: Vec<JobFact>) {
        // Of some it was known before how they end: what they ask for was decided about.
        let mut decided = std::mem::take(&mut self.jobs);
        let record = |job: JobFact| {
            let known = decided.iter().position(|known| known.id == job.id);
            let known = known.map(|place| decided.swap_remove(place));
            JobRecord { needs: job.needs, ..known.unwrap_or_else(|| JobRecord::new(job.id, Vec::new())) }
        };
        let jobs = jobs.into_iter().map(record).collect();
        self.add_jobs(jobs);
    }

    /// Adds jobs to the graph. A runner never declares one twice.
    fn add_jobs(&mut self, jobs: Vec<JobRecord>) {
        let mut known: HashSet<String> = self.jobs.iter().map(|job| job.id.clone()).collect();
        for job in jobs {
            if known.insert(job.id.clone()) {
                self.jobs.push(JobRecord { seq: self.seq, ..job });
            } else {
                self.is_tampered = true;
            }
        }
    }
}

impl JobRecord {
    /// A job of which nothing is known but what it needs.
    pub(crate) fn new(id: String, needs: Vec<String>) -> Self {
        Self {
            seq: 0,
            id,
            needs,
            added_by: None,
            started_at: None,
            finished_at: None,
            outcome: None,
            reason: None,
            output: None,
            steps: Vec::new(),
            policy: Vec::new(),
        }
    }

    /// Ends the job, unless it has ended, and those of its steps that have no end of their own: a runner that is gone says
    /// nothing of its jobs, and a step that could not be followed nothing of itself.
    fn close(&mut self, (outcome, reason): (Outcome, Option<&Reason>), time: Timestamp, seq: u64) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(outcome);
        self.reason = reason.cloned();
        (self.finished_at, self.seq) = (Some(time), seq);
        for step in self.steps.iter_mut().filter(|step| step.outcome.is_none()) {
            (step.outcome, step.finished_at, step.seq) = (Some(outcome), Some(time), seq);
        }
    }

    /// The step with this number, most often one of the last.
    fn step_mut(&mut self, number: u32) -> Option<&mut StepRecord> {
        // Services begin before the step that needs them, with higher numbers than its.
        self.steps.iter_mut().rev().find(|step| step.start.number == number)
    }
}

impl StepRecord {
    fn new(start: StepStart, started_at: Timestamp, seq: u64) -> Self {
        Self { seq, start, started_at, finished_at: None, outcome: None, end: None }
    }
}

/// Whether an outcome is a good one.
fn is_green(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Skipped)
}

/// Whether a fact is the end of an interrupted run.
fn is_interruption(fact: &Fact) -> bool {
    matches!(fact, Fact::RunEnded { end } if end.outcome == Outcome::Interrupted)
}

/// The reason of a run whose journal another process has written to.
fn tampered(reason: Option<Reason>) -> Reason {
    let what = "another process has written to the journal of the run";
    match reason {
        None => Reason::new(codes::JOURNAL, what),
        Some(mut reason) => {
            reason.add(what);
            reason
        }
    }
}
