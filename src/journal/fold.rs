//! Folds facts into what they say about a run.

use std::io;
use std::path::Path;

use super::fact::{DiagnosticFact, Fact, JobFact, Record, StopReason};
use super::reader::{JOURNAL, JournalReader};
use crate::model::{Outcome, Progress};
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

    /// What the journal in a run's folder says by now, for screens. One that cannot be read counts as one that says
    /// nothing: whoever decides something uses [`RunRecord::try_read`].
    pub fn read(run_dir: &Path) -> RunRecord {
        RunRecord::try_read(run_dir).unwrap_or_default()
    }

    /// What the journal in a run's folder says by now. One that is missing says nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn try_read(run_dir: &Path) -> io::Result<RunRecord> {
        let mut record = RunRecord::default();
        for fact in JournalReader::new(&run_dir.join(JOURNAL)).read()? {
            record.apply(fact);
        }
        Ok(record)
    }

    /// Folds one more record.
    pub fn apply(&mut self, record: Record) {
        let time = record.t;
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
                let outcome = word(&outcome);
                for job in &mut self.jobs {
                    job.close(outcome, reason.as_deref(), &time);
                }
                self.outcome = Some(outcome);
                self.reason = reason.map(RedactedText::into_string);
                self.finished_at = Some(time);
            }
            fact @ (Fact::JobStarted { .. }
            | Fact::StepStarted { .. }
            | Fact::StepEnded { .. }
            | Fact::PolicyDecision { .. }
            | Fact::JobEnded { .. }) => self.apply_to_job(time, fact),
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
                self.with_job(&job, |job| job.close(word(&outcome), reason.as_deref(), &time));
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

/// The outcome with this word. A word that this version does not know is never read as green.
fn word(outcome: &str) -> Outcome {
    Outcome::parse(outcome).unwrap_or(Outcome::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JobFact;

    fn fold(facts: Vec<Fact>) -> RunRecord {
        let mut run = RunRecord::default();
        for (second, fact) in facts.into_iter().enumerate() {
            run.apply(Record { v: 1, t: format!("2026-01-01T00:00:{second:02}.000Z"), fact });
        }
        run
    }

    #[test]
    fn what_a_dead_runner_left_open_ends_with_its_run() {
        let run = fold(vec![
            opened(),
            Fact::Evaluated {
                jobs: vec![
                    JobFact { id: "build".into(), needs: Vec::new() },
                    JobFact { id: "test".into(), needs: Vec::new() },
                ],
                diagnostics: Vec::new(),
            },
            Fact::RunStarted {},
            Fact::JobStarted { job: "build".into() },
            Fact::StepStarted { job: "build".into(), step: 1, title: "make".into(), line: None },
            Fact::RunEnded { outcome: "interrupted".into(), reason: Some("gone".into()) },
        ]);
        for job in &run.jobs {
            assert_eq!((job.state(), job.outcome), ("finished", Some(Outcome::Interrupted)), "{}", job.id);
            assert_eq!((job.reason.as_deref(), &job.finished_at), (Some("gone"), &run.finished_at));
            assert!(job.steps.iter().all(|step| step.outcome == Some(Outcome::Interrupted)));
        }
    }

    fn opened() -> Fact {
        Fact::RunOpened {
            repo: "foo".into(),
            number: 1,
            id: "i".into(),
            r#ref: "refs/heads/main".into(),
            sha: "0".repeat(40),
            event: "push".into(),
            pusher: None,
            runner: 1,
        }
    }

    #[test]
    fn a_whole_run_folds_to_its_jobs_and_steps() {
        let job = || "test".to_owned();
        let run = fold(vec![
            opened(),
            Fact::Evaluated {
                jobs: vec![JobFact { id: job(), needs: vec!["quire/push".into()] }],
                diagnostics: vec![],
            },
            Fact::RunStarted {},
            Fact::JobStarted { job: job() },
            Fact::StepStarted { job: job(), step: 1, title: "true".into(), line: Some(3) },
            Fact::StepEnded {
                job: job(),
                step: 1,
                outcome: "failed".into(),
                exit: 3,
                signal: None,
                duration_ms: 5,
                left_out: 0,
                secrets: vec![],
                leftovers: vec![],
            },
            Fact::JobEnded { job: job(), outcome: "failed".into(), reason: Some("step 1".into()) },
            Fact::RunEnded { outcome: "failed".into(), reason: None },
        ]);
        assert_eq!(run.progress(), Progress::Finished);
        assert_eq!(run.jobs[0].outcome, Some(Outcome::Failed));
        assert_eq!(run.jobs[0].steps[0].exit, Some(3));
    }

    #[test]
    fn decisions_belong_to_their_job() {
        let decided = |job: &str, hint: Option<&'static str>| Fact::PolicyDecision {
            job: job.into(),
            subject: "db".into(),
            verdict: "deny".into(),
            code: "policy.denied".into(),
            reason: "why".into(),
            hint: hint.map(RedactedText::from),
        };
        let jobs = vec![JobFact { id: "a".into(), needs: vec![] }, JobFact { id: "b".into(), needs: vec![] }];
        let evaluated = Fact::Evaluated { jobs, diagnostics: vec![] };
        let run = fold(vec![opened(), evaluated, decided("b", Some("how")), decided("nobody", None)]);
        assert!(run.jobs[0].policy.is_empty());
        let [decision] = run.jobs[1].policy.as_slice() else { panic!("{:?}", run.jobs[1]) };
        assert_eq!((decision.subject.as_str(), decision.reason.as_str()), ("db", "why"));
        assert_eq!(decision.hint.as_deref(), Some("how"));
    }

    #[test]
    fn what_goes_on_ends_with_its_run() {
        let job = || "test".to_owned();
        let run = fold(vec![
            opened(),
            Fact::Evaluated { jobs: vec![JobFact { id: job(), needs: vec![] }], diagnostics: vec![] },
            Fact::JobStarted { job: job() },
            Fact::StepStarted { job: job(), step: 1, title: "sleep".into(), line: None },
            Fact::RunEnded { outcome: "interrupted".into(), reason: None },
        ]);
        assert_eq!((run.jobs[0].outcome, run.jobs[0].state()), (Some(Outcome::Interrupted), "finished"));
        assert_eq!(run.jobs[0].steps[0].outcome, Some(Outcome::Interrupted));
    }

    #[test]
    fn a_second_attempt_forgets_the_first_and_unknown_words_are_not_green() {
        let jobs = vec![JobFact { id: "a".into(), needs: vec![] }];
        let run = fold(vec![opened(), Fact::Evaluated { jobs, diagnostics: vec![] }, opened()]);
        assert!(run.jobs.is_empty() && run.is_opened && !run.is_evaluated);
        let run = fold(vec![opened(), Fact::RunEnded { outcome: "splendid".into(), reason: None }]);
        assert_eq!(run.outcome, Some(Outcome::Failed));
    }
}
