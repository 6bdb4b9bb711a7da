//! Pauses between tries, each twice as long as the one before, up to a limit.

use std::time::Duration;

/// The first pause of what a run waits for.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause of what a run waits for: it continues at most this much later than it could.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The pauses from the first on.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The pauses between tries at what has to succeed in the end, such as the index of runs, or a runner for a run.
    pub(super) fn of_runs() -> Self {
        Self::new(FIRST_PAUSE, LONGEST_PAUSE)
    }

    /// The pause before the next try.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let pauses: Vec<u64> = (0..5).map(|_| backoff.next().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
    }
}
