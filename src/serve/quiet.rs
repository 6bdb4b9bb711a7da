//! When a server that has nothing to do rests, and what it gives back then.

use std::time::{Duration, Instant};

use crate::sys::own_pages;

/// How long after the last push or run the pages of the program are kept: the next push often comes soon, and needs them.
const PAGES_KEPT: Duration = Duration::from_secs(3);

/// What is known of how busy the server is.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Whether a quiet moment is waited for.
    pub(super) is_waited_for: bool,
    busy_at: Option<Instant>,
}

impl Quiet {
    /// Notes that something has to be done.
    pub(super) fn disturb(&mut self) {
        self.busy_at = Some(Instant::now());
    }

    /// How much longer the pages of the program are kept.
    pub(super) fn keeps_pages(&self) -> Option<Duration> {
        let left = PAGES_KEPT.checked_sub(self.busy_at?.elapsed())?;
        (!left.is_zero()).then_some(left)
    }
}

/// Gives back what the push before has mapped of the program.
pub(super) fn give_back_pages() {
    if let Err(error) = own_pages::give_back() {
        tracing::debug!(%error, "pages of the program could not be given back");
    }
}
