//! What addresses a name has.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

/// All addresses of a machine, by the system's resolver. Blocking.
///
/// # Errors
/// The name has none, or nobody could be asked.
pub fn addresses(host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> = (host, port).to_socket_addrs()?.map(|address| address.ip()).collect();
    found.dedup();
    Ok(found)
}
