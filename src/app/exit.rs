//! Exit codes: what a program that called quire reads.

use crate::model::Outcome;

/// Exit codes of quire's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Passed, or done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Bad usage, or an invalid pipeline or configuration.
    Usage = 2,
    /// Cancelled or superseded.
    Stopped = 3,
    /// It does not exist.
    NotFound = 4,
    /// quire could not do its work.
    Broken = 5,
    /// Timed out, as for timeout(1).
    TimedOut = 124,
    /// SIGHUP.
    HungUp = 129,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGQUIT.
    Quit = 131,
    /// SIGTERM.
    Terminated = 143,
}

/// The exit code of a command that carries a run's verdict.
pub fn verdict(outcome: Option<Outcome>) -> Exit {
    match outcome {
        Some(Outcome::Passed | Outcome::Skipped) => Exit::Done,
        Some(Outcome::Failed | Outcome::Denied | Outcome::Interrupted) | None => Exit::Failed,
        Some(Outcome::Cancelled | Outcome::Superseded) => Exit::Stopped,
        Some(Outcome::TimedOut) => Exit::TimedOut,
    }
}
