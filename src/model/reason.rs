//! Why something ended as it did: a stable word, a text for people, and what helps.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a run or a job ended as it did. `code` is one of [`codes`], or the code of a decision of policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason<T = String> {
    /// The stable word.
    pub code: String,
    /// What happened: of several decisions one a line.
    pub text: T,
    /// What helps: one command or line each.
    pub hints: Vec<T>,
}

/// The words for reasons.
pub mod codes {
    /// A step failed.
    pub(crate) const STEP_FAILED: &str = "step.failed";
    /// A step took longer than its limit.
    pub(crate) const STEP_TIMED_OUT: &str = "step.timed-out";
    /// The script of a job raised an error.
    pub(crate) const SCRIPT_ERROR: &str = "script.error";
    /// The script did not listen.
    pub(crate) const SCRIPT_STUCK: &str = "script.stuck";
    /// A job returned a failure.
    pub(crate) const JOB_FAILED: &str = "job.failed";
    /// A job took longer than its limit.
    pub(crate) const JOB_TIMED_OUT: &str = "job.timed-out";
    /// What a job was to keep could not be kept.
    pub(crate) const ARTIFACT: &str = "job.artifact";
    /// A job called no primitive and returned nothing.
    pub(crate) const NOTHING_TO_DO: &str = "job.nothing-to-do";
    /// A job was skipped by what became of its needs.
    pub(crate) const NEEDS: &str = "job.needs";
    /// The run ended so because of its jobs.
    pub(crate) const JOBS: &str = "run.jobs";
    /// No job of the pipeline is started by the event.
    pub(crate) const NO_JOB: &str = "run.nothing-to-start";
    /// A rerun has not repeated the job: its end and its output are those of the earlier run.
    pub(crate) const KEPT: &str = "job.kept";
    /// The run was skipped before it began: a push option, a commit message, or a limit.
    pub(crate) const SKIPPED: &str = "run.skipped";
    /// A person stopped it.
    pub(crate) const CANCELLED: &str = "run.cancelled";
    /// A newer push stopped it.
    pub(crate) const SUPERSEDED: &str = "run.superseded";
    /// The run took longer than its limit.
    pub(crate) const TIMED_OUT: &str = "run.timed-out";
    /// The memory of the script is used up.
    pub(crate) const OUT_OF_MEMORY: &str = "run.out-of-memory";
    /// Its runner was gone before it had ended.
    pub(crate) const INTERRUPTED: &str = "run.interrupted";
    /// The run waits, or could not begin, for a reason of the machine.
    pub(crate) const NOT_STARTED: &str = "run.not-started";
    /// The pipeline or the commit cannot be used.
    pub(crate) const PIPELINE: &str = "pipeline.broken";
    /// Another process has written to the journal of the run.
    pub(crate) const JOURNAL: &str = "run.journal";
    /// What the run asked for is refused.
    pub(crate) const DENIED: &str = "run.denied";
    /// An older version of quire wrote it down without a word, or none of the others fits.
    pub(crate) const OTHER: &str = "other";

    /// All of them.
    pub const ALL: [&str; 23] = [
        STEP_FAILED,
        STEP_TIMED_OUT,
        SCRIPT_ERROR,
        SCRIPT_STUCK,
        JOB_FAILED,
        JOB_TIMED_OUT,
        ARTIFACT,
        NOTHING_TO_DO,
        NEEDS,
        JOBS,
        NO_JOB,
        KEPT,
        SKIPPED,
        CANCELLED,
        SUPERSEDED,
        TIMED_OUT,
        OUT_OF_MEMORY,
        INTERRUPTED,
        NOT_STARTED,
        PIPELINE,
        JOURNAL,
        DENIED,
        OTHER,
    ];
}

impl<T> Reason<T> {
    /// A reason without hints.
    pub fn new(code: &str, text: impl Into<T>) -> Self {
        Self { code: code.to_owned(), text: text.into(), hints: Vec::new() }
    }

    /// The same reason with other texts.
    pub(crate) fn map<U>(self, mut change: impl FnMut(T) -> U) -> Reason<U> {
        Reason {
            code: self.code,
            text: change(self.text),
            hints: self.hints.into_iter().map(change).collect(),
        }
    }
}

impl Reason {
    /// The same reason with more to say.
    pub(crate) fn add(&mut self, more: &str) {
        self.text.push_str(&format!("; {more}"));
    }

    /// The first line.
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

impl<T: fmt::Display> fmt::Display for Reason<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}
