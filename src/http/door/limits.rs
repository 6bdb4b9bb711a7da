//! The limits of a door, from the number of descriptors that the server may have.

use std::time::Duration;

/// How long the clients of a door may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeouts {
    /// To send the head of a request.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// Until more comes of the body of a request.
    pub(super) body: Duration,
    /// To send a body, however steadily it comes.
    pub(super) whole_body: Duration,
    /// To take more of an answer.
    pub(super) stall: Duration,
}

impl Timeouts {
    /// Those of both doors.
    pub(super) const OF_DOORS: Self = Self {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        body: Duration::from_secs(30),
        whole_body: Duration::from_secs(10 * 60),
        stall: Duration::from_secs(30),
    };
}

/// The longest head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// The largest body that any number of requests may have at the same time, in bytes.
pub(super) const SMALL_BODY: u64 = 256 << 10;

/// How many requests with larger bodies are read at the same time: over TCP, where they are no larger than
/// [`MAX_PUBLIC_BODY`], and over the Unix socket.
const MAX_PUBLIC_LARGE: usize = 32;
const MAX_LOCAL_LARGE: usize = 2;

/// The most connections of one peer.
const MAX_OF_PEER: usize = 256;

/// The largest body of a request over TCP, in bytes.
const MAX_PUBLIC_BODY: usize = 1 << 20;

/// The most connections over TCP, and over the Unix socket.
const MAX_PUBLIC: usize = 512;
const MAX_LOCAL: usize = 512;

/// The fewest connections of a door.
const MIN_CONNECTIONS: usize = 8;

/// How many connections a door may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoorLimits {
    /// Of all peers together.
    pub(super) in_all: usize,
    /// Of one peer: an address, or a user.
    pub(super) of_peer: usize,
    /// The largest body of a request, in bytes.
    pub(super) body: usize,
    /// Bodies that are not small, of all peers together.
    pub(super) large_bodies: usize,
    /// How long clients may take.
    pub(super) timeouts: Timeouts,
}

impl DoorLimits {
    /// The limits of the door over TCP: an eighth of the descriptors.
    pub(crate) fn public(descriptors: u64) -> Self {
        let in_all = share(descriptors / 8, MAX_PUBLIC);
        Self {
            in_all,
            of_peer: in_all.min(MAX_OF_PEER),
            body: MAX_PUBLIC_BODY,
            large_bodies: MAX_PUBLIC_LARGE,
            timeouts: Timeouts::OF_DOORS,
        }
    }

    /// The limits of the Unix socket: a quarter of the descriptors. The rest is for runners, the database and files.
    pub(crate) fn local(descriptors: u64, body: usize) -> Self {
        let in_all = share(descriptors / 4, MAX_LOCAL);
        Self {
            in_all,
            of_peer: in_all.min(MAX_OF_PEER),
            body,
            large_bodies: MAX_LOCAL_LARGE,
            timeouts: Timeouts::OF_DOORS,
        }
    }

    /// How many requests other than those of hooks may be answered at the same time: hooks always find a place.
    pub(crate) fn for_commands(&self) -> usize {
        (self.of_peer / 2).max(1)
    }
}

fn share(share: u64, most: usize) -> usize {
    usize::try_from(share).unwrap_or(most).clamp(MIN_CONNECTIONS, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_descriptors_are_kept_for_what_the_doors_are_there_for() {
        for descriptors in [0, 64, 256, 1024, 20_000, u64::MAX] {
            let (public, local) = (DoorLimits::public(descriptors), DoorLimits::local(descriptors, 1));
            assert!((public.in_all + local.in_all) as u64 <= (descriptors / 2).max(16), "{descriptors}");
            assert!(public.of_peer <= 256 && local.of_peer <= 256, "{descriptors}");
        }
        assert_eq!((DoorLimits::public(256).in_all, DoorLimits::local(256, 1).in_all), (32, 64));
    }
}
