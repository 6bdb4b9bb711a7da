//! How something ended, and whether it has ended.

use std::fmt;

/// How a run, a job or a step ended. Six ways not to pass, each with its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It succeeded.
    Passed,
    /// A command, a script or the pipeline itself failed.
    Failed,
    /// Its time limit was reached.
    TimedOut,
    /// A person stopped it.
    Cancelled,
    /// A newer push stopped it.
    Superseded,
    /// Its runner ended before it did.
    Interrupted,
    /// Policy refused it.
    Denied,
    /// There was nothing to do.
    Skipped,
}

impl Outcome {
    /// All outcomes.
    pub(crate) const ALL: [Self; 8] = [
        Self::Passed,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Superseded,
        Self::Interrupted,
        Self::Denied,
        Self::Skipped,
    ];

    /// The word for it, in the journal, in JSON and on screens.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Interrupted => "interrupted",
            Self::Denied => "denied",
            Self::Skipped => "skipped",
        }
    }

    /// The outcome as the predicate of a sentence.
    pub(crate) fn predicate(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "was cancelled",
            Self::Superseded => "was superseded",
            Self::Interrupted => "was interrupted",
            Self::Denied => "was denied",
            Self::Skipped => "was skipped",
        }
    }

    /// The outcome with this word, if there is one.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Recorded; its jobs have not begun.
    Queued,
    /// Its jobs are running.
    Running,
    /// It has an outcome.
    Finished,
}

impl Progress {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Queued, Self::Running, Self::Finished];

    /// The word for it, in the database, in JSON and on screens.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }

    /// The state with this word, if there is one.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Finished].into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
