//! Which addresses of the network are sent to: those of the outside world, and those that the operator lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether a place is listed: by the name that the target has, or by the address that the name leads to. Both are
/// `host:port` in lower case.
pub(super) fn is_listed(allow: &[String], host: &str, address: SocketAddr) -> bool {
    let named = format!("{}:{}", host.to_ascii_lowercase(), address.port());
    allow.iter().any(|listed| *listed == named || *listed == address.to_string())
}

/// Whether an address is one of the outside world.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local() // the metadata of most clouds
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared by carriers; metadata of one cloud
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || [a, b, c, d] == [168, 63, 129, 16]; // metadata of one cloud, at a public address
    !is_special
}

/// Only global unicast, and nothing in it that leads to an IPv4 address by another way.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global = a & 0xe000 == 0x2000;
    let is_special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8, // Teredo, benchmarks, ORCHID; documentation
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_outside_world_are_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

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
