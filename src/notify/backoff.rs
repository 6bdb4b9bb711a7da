//! When a message is sent again.

use std::time::Duration;

use crate::model::Timestamp;

/// The pauses between the attempts: ten attempts within a day.
const PAUSES: [u64; 9] = [20, 60, 180, 600, 1_800, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600];

/// The longest pause that a target can request.
const MAX_ASKED: Duration = Duration::from_secs(6 * 3_600);

/// A pause is longer by a random part up to this one, so that not all messages are sent at once.
const JITTER: u64 = 4;

/// How long to wait after `attempts` failed attempts; `None` after the last. `asked` is what the target requests, and
/// `seed` differs between messages.
pub(super) fn pause(attempts: u32, asked: Option<Duration>, seed: u64) -> Option<Duration> {
    let place = usize::try_from(attempts.checked_sub(1)?).ok()?;
    let own = PAUSES.get(place)? * 1000;
    let jitter = seed.wrapping_mul(u64::from(attempts) | 1) % (own / JITTER);
    let own = Duration::from_millis(own + jitter);
    Some(own.max(asked.unwrap_or_default().min(MAX_ASKED)))
}

/// The value of `Retry-After`: seconds, or a date.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(secs) = text.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().as_millisecond();
    u64::try_from(at - now.as_millis()).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_attempts_within_about_a_day() {
        let pauses: Vec<Duration> = (1..20).map_while(|attempts| pause(attempts, None, 0)).collect();
        assert_eq!(pauses.len(), 9);
        let longest: Duration = (1..10).filter_map(|attempts| pause(attempts, None, u64::MAX)).sum();
        assert!(longest < Duration::from_secs(30 * 3600), "{longest:?}");
        assert_eq!(pause(0, None, 0), None);
        for seed in [0, 1, 77, u64::MAX] {
            let first = pause(1, None, seed).unwrap();
            assert!((20..=25).contains(&first.as_secs()), "{first:?}");
        }
    }

    #[test]
    fn a_target_can_request_a_longer_pause_within_a_limit() {
        let secs = Duration::from_secs;
        assert_eq!(pause(1, Some(secs(90)), 0), Some(secs(90)));
        assert_eq!(pause(1, Some(secs(1)), 0), Some(secs(20)));
        assert_eq!(pause(1, Some(secs(u64::MAX)), 0), Some(MAX_ASKED));
        assert_eq!(pause(10, Some(secs(90)), 0), None);
        let now = Timestamp::parse("2026-11-21T03:00:00Z").unwrap();
        assert_eq!(retry_after(" 7", now), Some(secs(7)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 03:01:00 GMT", now), Some(secs(60)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 02:01:00 GMT", now), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
