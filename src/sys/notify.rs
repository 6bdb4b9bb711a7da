//! Reports of a service to its supervisor: datagrams to `$NOTIFY_SOCKET`, as sd_notify(3) describes them.
//!
//! These few lines replace a library, because the protocol is one datagram.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of the supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor(OsString);

impl Supervisor {
    /// The socket at a path, or at an abstract name after `@`; `None` for another kind of address.
    pub(crate) fn at(address: &OsStr) -> Option<Self> {
        matches!(address.as_bytes(), [b'/', ..] | [b'@', _, ..]).then(|| Self(address.to_owned()))
    }

    /// Sends lines such as `READY=1`. Does not wait: a listener that does not read gets nothing.
    ///
    /// # Errors
    /// No process listens, or its queue is full.
    pub(crate) fn notify(&self, lines: &str) -> io::Result<()> {
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
    fn a_socket_receives_every_line_under_both_kinds_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("quire-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}").into()),
        ];
        for (socket, address) in sockets {
            Supervisor::at(&address).unwrap().notify("READY=1\nSTATUS=here").unwrap();
            let mut heard = [0; 64];
            let length = socket.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1\nSTATUS=here");
        }
    }

    #[test]
    fn missing_and_unsupported_addresses_are_distinguished() {
        for address in ["", "@", "vsock:2:1234", "relative"] {
            assert!(Supervisor::at(address.as_ref()).is_none(), "{address}");
        }
        assert!(Supervisor::at("/no/such/socket".as_ref()).unwrap().notify("READY=1").is_err());
    }
}
