//! The other end of a connection.

use std::fmt;
use std::net::IpAddr;

use super::open_connections::Peer;
use crate::sys::user::own_uid;

/// The other end of a connection; it is in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    /// A machine.
    Address(IpAddr),
    /// A user of this machine (unix(7), `SO_PEERCRED`).
    User(u32),
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{}", address.to_canonical()),
            Self::User(user) => write!(f, "uid:{user}"),
        }
    }
}

impl Remote {
    /// Whose connections are counted together.
    pub(crate) fn peer(self) -> Peer {
        match self {
            Self::Address(address) => Peer::at(address),
            Self::User(user) => Peer::User(user),
        }
    }

    /// Whether it may connect: over the Unix socket only the account of the server, and root, whatever the mode of the file.
    pub(super) fn is_admitted(self) -> bool {
        match self {
            Self::Address(_) => true,
            Self::User(user) => user == 0 || user == own_uid(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_for_the_account_of_the_server_and_root() {
        assert!(Remote::User(0).is_admitted() && Remote::User(own_uid()).is_admitted());
        assert!(!Remote::User(own_uid() + 1).is_admitted());
        assert!(Remote::Address([192, 0, 2, 1].into()).is_admitted());
    }
}
