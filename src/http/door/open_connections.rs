//! Which connections are open, and which of them goes when there are too many. Decides; closes nothing itself.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::limits::DoorLimits;

/// Who has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A machine. Of IPv6 it is the network of 64 bits, since one machine may have all of its addresses.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

/// The number of a connection: a later one has a larger number.
pub(super) type Number = u64;

/// What becomes of a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<C> {
    Served(Number),
    /// It is served, and this other one is to be closed.
    InPlaceOf(Number, C),
    /// It is refused: all others are being answered.
    Refused,
}

/// The connections of a door. `C` is what is kept of each.
#[derive(Debug)]
pub(super) struct OpenConnections<C> {
    limits: DoorLimits,
    /// Whether a connection has not sent a whole request.
    is_waiting: fn(&C) -> bool,
    next: Number,
    open: BTreeMap<Number, (Peer, C)>,
    of_peer: HashMap<Peer, usize>,
}

impl Peer {
    /// The peer at an address.
    pub(super) fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self::Address(IpAddr::from((v6.to_bits() >> 64 << 64).to_be_bytes())),
            v4 @ IpAddr::V4(_) => Self::Address(v4),
        }
    }
}

impl<C> OpenConnections<C> {
    /// None yet.
    pub(super) fn new(limits: DoorLimits, is_waiting: fn(&C) -> bool) -> Self {
        Self { limits, is_waiting, next: 0, open: BTreeMap::new(), of_peer: HashMap::new() }
    }

    /// Decides about a new connection, and keeps it unless it is refused.
    pub(super) fn admit(&mut self, peer: Peer, connection: C) -> Admission<C> {
        let of_peer = self.of_peer.get(&peer).copied().unwrap_or_default();
        let evicted = if of_peer >= self.limits.of_peer {
            self.oldest_waiting(|other| other == peer)
        } else if self.open.len() >= self.limits.in_all {
            // Whoever has the most connections loses one.
            let largest = self.of_peer.iter().max_by_key(|(_, count)| **count).map(|(peer, _)| *peer);
            self.oldest_waiting(|other| Some(other) == largest).or_else(|| self.oldest_waiting(|_| true))
        } else {
            return Admission::Served(self.insert(peer, connection));
        };
        match evicted.and_then(|number| self.remove(number)) {
            Some(evicted) => Admission::InPlaceOf(self.insert(peer, connection), evicted),
            None => Admission::Refused,
        }
    }

    /// Takes out the oldest connection without a whole request: it is to be closed.
    pub(super) fn take_oldest_waiting(&mut self) -> Option<C> {
        let number = self.oldest_waiting(|_| true)?;
        self.remove(number)
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, number: Number) -> Option<C> {
        let (peer, connection) = self.open.remove(&number)?;
        if let Some(count) = self.of_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&peer);
            }
        }
        Some(connection)
    }

    fn oldest_waiting(&self, is_meant: impl Fn(Peer) -> bool) -> Option<Number> {
        let mut of_meant = self.open.iter().filter(|(_, (peer, _))| is_meant(*peer));
        of_meant.find(|(_, (_, connection))| (self.is_waiting)(connection)).map(|(number, _)| *number)
    }

    fn insert(&mut self, peer: Peer, connection: C) -> Number {
        self.next += 1;
        *self.of_peer.entry(peer).or_default() += 1;
        self.open.insert(self.next, (peer, connection));
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::door::limits::Timeouts;

    /// A connection: its name, and whether it waits.
    type Named = (&'static str, bool);

    fn door(in_all: usize, of_peer: usize) -> OpenConnections<Named> {
        OpenConnections::new(
            DoorLimits { in_all, of_peer, body: 0, large_bodies: 0, timeouts: Timeouts::OF_DOORS },
            |(_, is_waiting)| *is_waiting,
        )
    }

    fn evicted(admission: Admission<Named>) -> Option<&'static str> {
        match admission {
            Admission::Served(_) => None,
            Admission::InPlaceOf(_, (name, _)) => Some(name),
            Admission::Refused => Some("refused"),
        }
    }

    #[test]
    fn the_oldest_connection_without_a_request_goes_first() {
        let (mut door, peer) = (door(9, 2), Peer::User(1));
        assert_eq!(evicted(door.admit(peer, ("answered", false))), None);
        assert_eq!(evicted(door.admit(peer, ("idle", true))), None);
        assert_eq!(evicted(door.admit(Peer::User(2), ("of another", true))), None);
        assert_eq!(evicted(door.admit(peer, ("answered", false))), Some("idle"));
        assert_eq!(evicted(door.admit(peer, ("late", true))), Some("refused"));
        assert_eq!(door.take_oldest_waiting(), Some(("of another", true)));
        assert_eq!(door.take_oldest_waiting(), None);
    }

    #[test]
    fn at_the_limit_of_all_the_largest_peer_loses_one() {
        let mut door = door(4, 3);
        assert_eq!(evicted(door.admit(Peer::User(2), ("first", true))), None);
        for name in ["a", "b", "c"] {
            assert_eq!(evicted(door.admit(Peer::User(1), (name, true))), None);
        }
        assert_eq!(evicted(door.admit(Peer::User(3), ("new", true))), Some("a"));
        let served = door.admit(Peer::User(3), ("newer", true));
        assert!(matches!(served, Admission::InPlaceOf(..)));
    }

    #[test]
    fn a_connection_that_ends_makes_room() {
        let mut door = door(1, 1);
        let Admission::Served(number) = door.admit(Peer::User(1), ("a", false)) else { panic!() };
        assert_eq!(evicted(door.admit(Peer::User(1), ("b", false))), Some("refused"));
        assert!(door.remove(number).is_some() && door.remove(number).is_none());
        assert_eq!(evicted(door.admit(Peer::User(1), ("b", false))), None);
    }

    #[test]
    fn one_machine_is_one_peer() {
        let at = |address: &str| Peer::at(address.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
