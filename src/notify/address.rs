//! The addresses that the operator allows in addition to the public ones.

use std::net::SocketAddr;

/// Whether an address is listed: by the name in the target, or by the address that the name resolves to. Both are
/// `host:port` in lower case.
pub(super) fn is_listed(allow: &[String], host: &str, address: SocketAddr) -> bool {
    let named = format!("{}:{}", host.to_ascii_lowercase(), address.port());
    allow.iter().any(|listed| *listed == named || *listed == address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_place_is_that_port_alone() {
        let allow = ["127.0.0.1:8080".to_owned(), "chat.lan:443".to_owned(), "[::1]:25".to_owned()];
        let listed = |host: &str, address: &str| is_listed(&allow, host, address.parse().unwrap());
        assert!(listed("localhost", "127.0.0.1:8080") && listed("Chat.LAN", "10.0.0.7:443"));
        assert!(listed("[::1]", "[::1]:25"));
        assert!(!listed("127.0.0.1", "127.0.0.1:8081") && !listed("other.lan", "10.0.0.7:443"));
        assert!(!listed("chat.lan", "10.0.0.7:80"));
    }
}
