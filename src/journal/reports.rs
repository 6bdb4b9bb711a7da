//! How often a journal says that logs have grown. A step that never stops writing must not make a journal that nobody can
//! read any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The most reports that are written as they come: those of a step that never stops writing for more than half an hour.
const MAX_QUICK: u32 = 72_000;

/// After them, the least time between two reports.
const SLOW: Duration = Duration::from_secs(1);

/// The most reports. What logs hold after that comes at the end of their steps.
const MAX_REPORTS: u32 = 200_000;

/// The most reports of what scripts print that are written as they come, and the least time between two after them.
const MAX_QUICK_PRINTS: u32 = 1_000;
const SLOW_PRINTS: Duration = Duration::from_millis(50);

/// What was reported of the logs of a run, and what was not.
#[derive(Debug, Default)]
pub(super) struct Reports {
    count: u32,
    last: Option<Instant>,
    prints: u32,
    last_print: Option<Instant>,
    /// The bytes that scripts have printed since the last report, by job.
    unreported: BTreeMap<Option<String>, u64>,
}

impl Reports {
    /// Whether one more may be written now; counts it.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_slow_enough = self.count < MAX_QUICK || self.last.is_none_or(|last| now >= last + SLOW);
        let is_due = is_slow_enough && self.count < MAX_REPORTS;
        if is_due {
            (self.count, self.last) = (self.count + 1, Some(now));
        }
        is_due
    }

    /// The log of a job's script, or of the evaluation, has grown.
    pub(super) fn print(&mut self, job: Option<&str>, bytes: u64) {
        self.unreported.insert(job.map(str::to_owned), bytes);
    }

    /// Whether what scripts have printed may be reported now, although no other fact comes; counts it.
    pub(super) fn is_due_for_prints(&mut self, now: Instant) -> bool {
        let is_quick = self.prints < MAX_QUICK_PRINTS;
        if !(is_quick || self.last_print.is_none_or(|last| now >= last + SLOW_PRINTS)) || !self.is_due(now) {
            return false;
        }
        (self.prints, self.last_print) = (self.prints + 1, Some(now));
        true
    }

    /// What was printed and not reported.
    pub(super) fn next_print(&self) -> Option<(Option<String>, u64)> {
        self.unreported.first_key_value().map(|(job, bytes)| (job.clone(), *bytes))
    }

    /// That was reported.
    pub(super) fn printed(&mut self, job: &Option<String>) {
        self.unreported.remove(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_never_stops_writing_has_a_bounded_number_of_reports() {
        let (mut reports, mut now) = (Reports::default(), Instant::now());
        for _ in 0..MAX_QUICK {
            assert!(reports.is_due(now));
        }
        assert!(!reports.is_due(now), "the next one waits");
        now += SLOW;
        assert!(reports.is_due(now) && !reports.is_due(now));
        for _ in 0..MAX_REPORTS {
            now += SLOW;
            reports.is_due(now);
        }
        assert_eq!(reports.count, MAX_REPORTS);
    }

    #[test]
    fn a_flood_of_printed_lines_is_reported_now_and_then() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        let written = (0..100_000).filter(|_| reports.is_due_for_prints(now)).count();
        assert_eq!(written, MAX_QUICK_PRINTS as usize);
        assert!(reports.is_due_for_prints(now + SLOW_PRINTS));
    }
}
