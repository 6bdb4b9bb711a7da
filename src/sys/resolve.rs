//! Resolves names to addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

/// All addresses of a host name, by the system's resolver. Blocks.
///
/// # Errors
/// The name has no address, or no name server answered.
pub(crate) fn addresses(host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> = (host, port).to_socket_addrs()?.map(|address| address.ip()).collect();
    found.dedup();
    Ok(found)
}
