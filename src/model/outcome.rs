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
    pub const ALL: [Outcome; 8] = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::Cancelled,
        Outcome::Superseded,
        Outcome::Interrupted,
        Outcome::Denied,
        Outcome::Skipped,
    ];

    /// The word for it, in the journal, in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed-out",
            Outcome::Cancelled => "cancelled",
            Outcome::Superseded => "superseded",
            Outcome::Interrupted => "interrupted",
            Outcome::Denied => "denied",
            Outcome::Skipped => "skipped",
        }
    }

    /// The outcome as the predicate of a sentence.
    pub fn predicate(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed out",
            Outcome::Cancelled => "was cancelled",
            Outcome::Superseded => "was superseded",
            Outcome::Interrupted => "was interrupted",
            Outcome::Denied => "was denied",
            Outcome::Skipped => "was skipped",
        }
    }

    /// The outcome with this word, if there is one.
    pub fn parse(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word)
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
    /// The word for it, in the database, in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Progress::Queued => "queued",
            Progress::Running => "running",
            Progress::Finished => "finished",
        }
    }

    /// The state with this word, if there is one.
    pub fn parse(word: &str) -> Option<Progress> {
        [Progress::Queued, Progress::Running, Progress::Finished]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
