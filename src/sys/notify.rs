//! What a service says to the one who started it: datagrams to `$NOTIFY_SOCKET`, as sd_notify(3) describes them.
//!
//! These few lines stand for a library, because the protocol is one datagram.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where somebody listens for what a service says about itself.
#[derive(Debug, Clone)]
pub struct Supervisor(OsString);

impl Supervisor {
    /// The listener at a path, or at an abstract name behind `@`; nothing for another kind of address.
    pub fn at(address: &OsStr) -> Option<Supervisor> {
        matches!(address.as_bytes(), [b'/', ..] | [b'@', _, ..]).then(|| Supervisor(address.to_owned()))
    }

    /// Sends lines such as `READY=1`. Does not wait: a listener that is stuck hears nothing.
    ///
    /// # Errors
    /// When nobody listens there, or its queue is full.
    pub fn tell(&self, lines: &str) -> io::Result<()> {
        let address = match self.0.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(lines.as_bytes(), &address).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_socket_hears_every_line_under_both_kinds_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("quire-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}").into()),
        ];
        for (socket, address) in sockets {
            Supervisor::at(&address).unwrap().tell("READY=1\nSTATUS=here").unwrap();
            let mut heard = [0; 64];
            let length = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1\nSTATUS=here");
        }
    }

    #[test]
    fn nobody_and_other_addresses_are_told_apart() {
        for address in ["", "@", "vsock:2:1234", "relative"] {
            assert!(Supervisor::at(address.as_ref()).is_none(), "{address}");
        }
        assert!(Supervisor::at("/no/such/socket".as_ref()).unwrap().tell("READY=1").is_err());
    }
}
