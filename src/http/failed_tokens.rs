//! How often a peer has sent a token that is none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::door::Peer;

/// How many failed tokens of one peer are answered in a minute.
const MAX_FAILURES: u32 = 50;

/// The minute.
const WINDOW: Duration = Duration::from_secs(60);

/// How many peers are remembered.
const MAX_PEERS: usize = 4096;

/// The peers whose tokens have failed.
#[derive(Debug, Default)]
pub(super) struct FailedTokens(Mutex<HashMap<Peer, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl FailedTokens {
    /// Counts a failed token; how long the peer has to wait when there were too many.
    pub(super) fn count(&self, peer: Peer, now: Instant) -> Option<Duration> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MAX_PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
        }
        if peers.len() >= MAX_PEERS && !peers.contains_key(&peer) {
            // Who has the fewest loses the least.
            let least = peers.iter().min_by_key(|(_, failures)| failures.count).map(|(peer, _)| *peer);
            least.and_then(|least| peers.remove(&least));
        }
        let failures = peers.entry(peer).or_insert(Failures { since: now, count: 0 });
        if now.duration_since(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
        let is_too_many = failures.count > MAX_FAILURES;
        is_too_many.then(|| WINDOW.saturating_sub(now.duration_since(failures.since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifty_first_failed_token_of_a_minute_is_too_many() {
        let (failed, now) = (FailedTokens::default(), Instant::now());
        let (peer, other) = (Peer::User(1), Peer::User(2));
        assert!((0..50).all(|_| failed.count(peer, now).is_none()));
        assert_eq!(failed.count(peer, now + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert_eq!(failed.count(other, now), None);
        assert_eq!(failed.count(peer, now + WINDOW), None);
    }

    #[test]
    fn only_so_many_peers_are_remembered_and_the_worst_stay() {
        let (failed, now) = (FailedTokens::default(), Instant::now());
        let worst = Peer::User(0);
        assert_eq!((0..51).filter(|_| failed.count(worst, now).is_some()).count(), 1);
        (1..5_000).for_each(|peer| assert!(failed.count(Peer::User(peer), now).is_none()));
        assert_eq!(failed.0.lock().unwrap().len(), MAX_PEERS);
        assert!(failed.count(worst, now).is_some());
        assert_eq!(failed.count(Peer::User(9_999), now + WINDOW), None);
        assert_eq!(failed.0.lock().unwrap().len(), 1);
    }
}
