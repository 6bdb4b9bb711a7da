//! How often a peer has sent a token that is none.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::door::Peer;

/// How many failed tokens of one peer are answered in a minute.
const MAX_FAILURES: u32 = 50;

/// The minute.
const WINDOW: Duration = Duration::from_secs(60);

/// How many peers are remembered.
const MAX_PEERS: usize = 4096;

/// How many peers are looked at to find one to forget: those with too many failures stay.
const MAX_LOOKS: usize = 8;

/// How many failures of all peers are in the audit, in a minute.
const MAX_NOTED: u32 = 100;

/// The peers whose tokens have failed.
#[derive(Debug, Default)]
pub(crate) struct FailedTokens(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    peers: HashMap<Peer, Failures>,
    /// The same peers, in the order in which they are forgotten.
    order: VecDeque<Peer>,
    /// The failures of all that are in the audit.
    noted: Option<Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

/// What follows from a failed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// How long the peer has to wait when there were too many.
    pub(crate) wait: Option<Duration>,
    /// Whether the failure goes into the audit.
    pub(crate) is_noted: bool,
}

impl FailedTokens {
    /// Counts a failed token.
    pub(crate) fn count(&self, peer: Peer, now: Instant) -> Counted {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.peers.contains_key(&peer) {
            if known.peers.len() >= MAX_PEERS {
                known.forget_one(now);
            }
            known.order.push_back(peer);
        }
        let failures = known.peers.entry(peer).or_insert(Failures { since: now, count: 0 });
        let count = failures.add(now);
        let left = WINDOW.saturating_sub(now.duration_since(failures.since));
        let wait = (count > MAX_FAILURES).then_some(left);
        let noted = known.noted.get_or_insert(Failures { since: now, count: 0 });
        Counted { wait, is_noted: wait.is_none() && noted.add(now) <= MAX_NOTED }
    }
}

impl Known {
    /// Forgets the peer that is known longest, if it has not too many failures; it looks at a few only.
    fn forget_one(&mut self, now: Instant) {
        for look in 1..=MAX_LOOKS {
            let Some(peer) = self.order.pop_front() else { return };
            let is_worst = self.peers.get(&peer).is_some_and(|failures| {
                failures.count > MAX_FAILURES && now.duration_since(failures.since) < WINDOW
            });
            if !is_worst || look == MAX_LOOKS {
                self.peers.remove(&peer);
                return;
            }
            self.order.push_back(peer);
        }
    }
}

impl Failures {
    /// Counts one; how many there were in this minute.
    fn add(&mut self, now: Instant) -> u32 {
        if now.duration_since(self.since) >= WINDOW {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifty_first_failed_token_of_a_minute_is_too_many() {
        let (failed, now) = (FailedTokens::default(), Instant::now());
        let (peer, other) = (Peer::User(1), Peer::User(2));
        assert!((0..50).all(|_| failed.count(peer, now).wait.is_none()));
        assert_eq!(failed.count(peer, now + Duration::from_secs(20)).wait, Some(Duration::from_secs(40)));
        assert_eq!(failed.count(other, now).wait, None);
        assert_eq!(failed.count(peer, now + WINDOW).wait, None);
    }

    #[test]
    fn only_so_many_peers_are_remembered_and_the_worst_stay() {
        let (failed, now) = (FailedTokens::default(), Instant::now());
        let worst = Peer::User(0);
        assert_eq!((0..51).filter(|_| failed.count(worst, now).wait.is_some()).count(), 1);
        (1..5_000).for_each(|peer| assert!(failed.count(Peer::User(peer), now).wait.is_none()));
        let known = |failed: &FailedTokens| {
            let known = failed.0.lock().unwrap();
            (known.peers.len(), known.order.len())
        };
        assert_eq!(known(&failed), (MAX_PEERS, MAX_PEERS));
        assert!(failed.count(worst, now).wait.is_some());
        // More of the worst than are looked at: one of them goes.
        let (failed, all) = (FailedTokens::default(), u32::try_from(MAX_PEERS).unwrap());
        (0..all * 51)
            .for_each(|k| assert_eq!(failed.count(Peer::User(k / 51), now).wait.is_some(), k % 51 == 50));
        assert_eq!(failed.count(Peer::User(all), now).wait, None);
        assert_eq!(known(&failed), (MAX_PEERS, MAX_PEERS));
    }

    #[test]
    fn a_flood_of_failures_does_not_fill_the_audit() {
        let (failed, now) = (FailedTokens::default(), Instant::now());
        let noted = |peers: std::ops::Range<u32>, now| {
            peers.filter(|peer| failed.count(Peer::User(*peer), now).is_noted).count()
        };
        assert_eq!(noted(0..200, now), 100);
        assert_eq!(noted(0..60, now + WINDOW), 60);
        // What is answered with 429 is not noted.
        assert_eq!((0..60).filter(|_| failed.count(Peer::User(9), now + WINDOW * 3).is_noted).count(), 50);
    }
}
