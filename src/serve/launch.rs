//! Who leads a run, on this machine or elsewhere: started, found again, followed.

use std::io;
use std::path::PathBuf;

use crate::journal::JournalReadError;
use crate::run::{Assignment, Control, Pending, Speculation};
use crate::store::RunRow;

/// Starts those who lead runs, and finds them again. Blocking, in a tokio runtime.
pub(super) trait Launch: Send + Sync {
    /// Has a run led, unless it has begun before.
    fn start(&self, given: &Assignment) -> Result<Launched, LaunchError>;

    /// Looks for whoever leads an unfinished run. That it is to be settled follows only from the index and the journal together.
    ///
    /// # Errors
    /// That cannot be said now.
    fn find(&self, row: &RunRow) -> io::Result<Found>;

    /// Makes the next start quick, and ends what was prepared for one that has not come for long.
    fn prepare(&self) -> Result<(), LaunchError>;

    /// Has the run of a push prepared while its ref moves. Blocking.
    fn speculate(&self, _what: &Speculation) {}

    /// Gives back what is not needed while nothing is led. Does not block.
    fn rest(&self) {}
}

/// What became of a run that was to be led.
pub(super) enum Launched {
    /// It is led.
    Started(Led),
    /// Its journal says that it has begun before, so it must not begin again.
    Begun,
}

/// What was found of an unfinished run.
pub(super) enum Found {
    /// It is led, and may have its slot.
    Led { led: Led, has_slot: bool },
    /// Nobody leads it, and its jobs had begun or it has an end.
    Gone,
    /// It has not begun.
    Queued,
    /// It is claimed, and whoever leads it cannot be found.
    Hidden,
}

/// A run that is led: what is seen of the leader, and the way to it.
pub(super) struct Led {
    pub(super) leader: Box<dyn Leader>,
    pub(super) control: Box<dyn Control>,
}

/// Whoever leads a run, as the server sees it.
pub(super) trait Leader: Send {
    /// Waits for what happens next. Nothing is lost when cancelled, and nothing comes after its end.
    fn next(&mut self) -> Pending<'_, Seen>;

    /// Ends it at once.
    fn kill(&self);

    /// Whether one that is gone has not ended by itself, as far as that is known.
    fn was_killed(&self) -> bool;
}

/// What is seen of whoever leads a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The journal may have grown.
    Change,
    Gone,
}

/// Why nobody leads a run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    /// The run's folder could not be prepared.
    #[error("could not prepare the folder of the run {path}")]
    Folder { path: PathBuf, source: io::Error },
    /// Another process holds the run's lock.
    #[error("another process leads the run in {0}")]
    Held(PathBuf),
    /// The process could not be started.
    #[error("could not start a runner")]
    Spawn(#[source] io::Error),
    /// It did not take its run.
    #[error("could not hand the run to its runner")]
    HandOver(#[source] io::Error),
    /// What an earlier attempt has written cannot be read.
    #[error(transparent)]
    Journal(JournalReadError),
    /// The spec cannot be sent.
    #[error("could not describe the run")]
    Encode(#[source] serde_json::Error),
}

impl LaunchError {
    /// Whether another attempt may succeed: everything but a run that cannot be described.
    pub(super) fn is_for_now(&self) -> bool {
        match self {
            Self::Folder { .. } | Self::Held(_) | Self::Spawn(_) | Self::HandOver(_) | Self::Journal(_) => {
                true
            }
            Self::Encode(_) => false,
        }
    }
}

#[cfg(test)]
#[path = "launch_tests.rs"]
mod tests;
