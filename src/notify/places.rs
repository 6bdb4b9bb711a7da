//! Decides which targets may be sent to now: targets that do not answer must not delay those that do. Sends nothing.

use std::collections::HashSet;
use std::time::{Duration, Instant};

/// The most concurrent attempts that have just begun.
const MAX_PROMPT: usize = 16;

/// How long an attempt counts as just begun: healthy targets have answered by then.
const PROMPT: Duration = Duration::from_secs(1);

/// The most concurrent attempts in all, slow ones included.
const MAX_SENDING: usize = 128;

/// The most concurrent attempts to targets whose last attempt has failed.
const MAX_FAILING: usize = 8;

/// An attempt in progress.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) target: String,
    pub(super) since: Instant,
}

/// Whether an attempt may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// After this time, or when another attempt ends.
    After(Duration),
    /// When another attempt ends.
    Later,
}

/// Whether an attempt to a target may begin in addition to those in progress.
pub(super) fn turn(begun: &[Attempt], failing: &HashSet<String>, target: &str, now: Instant) -> Turn {
    let fails = |target: &str| failing.contains(target);
    let failing = begun.iter().filter(|attempt| fails(&attempt.target)).count();
    let is_busy = begun.iter().any(|attempt| attempt.target == target);
    if is_busy || begun.len() >= MAX_SENDING || (fails(target) && failing >= MAX_FAILING) {
        return Turn::Later;
    }
    let ages = begun.iter().map(|attempt| now.saturating_duration_since(attempt.since));
    let prompt: Vec<Duration> = ages.filter(|age| *age < PROMPT).collect();
    match prompt.iter().max() {
        Some(oldest) if prompt.len() >= MAX_PROMPT => Turn::After(PROMPT - *oldest),
        Some(_) | None => Turn::Now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(count: usize, since: Instant) -> Vec<Attempt> {
        (0..count).map(|n| Attempt { target: format!("dead{n}"), since }).collect()
    }

    #[test]
    fn slow_targets_delay_others_only_for_a_moment() {
        let (start, known) = (Instant::now(), HashSet::new());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(turn(&attempts(15, start), &known, "healthy", at(0)), Turn::Now);
        let sixteen = attempts(16, start);
        assert_eq!(turn(&sixteen, &known, "healthy", at(400)), Turn::After(Duration::from_millis(600)));
        assert_eq!(turn(&sixteen, &known, "healthy", at(1000)), Turn::Now);
        assert_eq!(turn(&sixteen, &known, "dead3", at(1000)), Turn::Later);
        assert_eq!(turn(&attempts(127, start), &known, "healthy", at(1000)), Turn::Now);
        assert_eq!(turn(&attempts(128, start), &known, "healthy", at(1000)), Turn::Later);
    }

    #[test]
    fn failed_targets_share_a_few_places() {
        let start = Instant::now();
        let failing: HashSet<String> = (0..200).map(|n| format!("dead{n}")).collect();
        let eight = attempts(8, start);
        assert_eq!(turn(&eight, &failing, "dead100", start), Turn::Later);
        assert_eq!(turn(&eight, &failing, "healthy", start), Turn::Now);
        assert_eq!(turn(&attempts(7, start), &failing, "dead100", start), Turn::Now);
    }
}
