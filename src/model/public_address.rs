//! Which addresses are public: the one table that watched remotes and notification targets are checked against, after their
//! names were resolved. Sources: IANA's registries of special-purpose IPv4 and IPv6 addresses (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address at which machines of one cloud find its metadata, though it lies among the public ones.
const CLOUD_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Why an address is not public; `None` for a public address.
pub(crate) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    if address.is_loopback() {
        Some("loopback")
    } else if address.is_private() || (a == 100 && b & 0xc0 == 64) {
        Some("private")
    } else if address.is_link_local() || address == CLOUD_HOST {
        Some("link-local or metadata")
    } else if a == 0
        || a >= 224
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99) // relays of 6to4, which lead anywhere
        || (a == 198 && b & 0xfe == 18)
        || address.is_documentation()
    {
        Some("reserved")
    } else {
        None
    }
}

fn v6(address: Ipv6Addr) -> Option<&'static str> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        v4(Ipv4Addr::new(a, b, c, d))
    };
    if address.is_loopback() {
        return Some("loopback");
    }
    if (s0, s1, s2, s3, s4) == (0, 0, 0, 0, 0) && (s5 == 0xffff || s5 == 0) {
        // IPv4-mapped (RFC 4291 §2.5.5.2); the IPv4-compatible form is deprecated and leads nowhere.
        return if s5 == 0 { Some("reserved") } else { inner(s6, s7) };
    }
    if (s0, s1) == (0x64, 0xff9b) {
        // Translated by NAT64 (RFC 6052), as names of IPv4 hosts are in networks of IPv6 alone. 64:ff9b:1::/48 is local
        // (RFC 8215).
        let is_well_known = (s2, s3, s4, s5) == (0, 0, 0, 0);
        return if is_well_known { inner(s6, s7) } else { Some("private") };
    }
    if s0 == 0x2002 {
        return inner(s1, s2); // 6to4 (RFC 3056)
    }
    if matches!((s4, s5), (0 | 0x200, 0x5efe)) {
        return inner(s6, s7).or(Some("reserved")); // ISATAP (RFC 5214)
    }
    if s0 & 0xfe00 == 0xfc00 || s0 & 0xffc0 == 0xfec0 {
        Some("private")
    } else if s0 & 0xffc0 == 0xfe80 {
        Some("link-local or metadata")
    } else if s0 & 0xe000 != 0x2000
        || (s0 == 0x2001 && s1 < 0x200)
        || (s0, s1) == (0x2001, 0xdb8)
        || (s0 == 0x3fff && s1 < 0x1000)
    {
        Some("reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_public_has_a_reason() {
        for (text, reason) in [
            ("8.8.8.8", None),
            ("140.82.121.4", None),
            ("2606:4700::1111", None),
            ("127.0.0.1", Some("loopback")),
            ("127.9.9.9", Some("loopback")),
            ("::1", Some("loopback")),
            ("10.0.0.1", Some("private")),
            ("172.16.0.1", Some("private")),
            ("172.32.0.1", None),
            ("192.168.1.1", Some("private")),
            ("100.64.0.1", Some("private")),
            ("100.100.100.200", Some("private")),
            ("100.128.0.1", None),
            ("169.254.169.254", Some("link-local or metadata")),
            ("168.63.129.16", Some("link-local or metadata")),
            ("0.0.0.0", Some("reserved")),
            ("198.18.0.1", Some("reserved")),
            ("192.0.2.1", Some("reserved")),
            ("224.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("reserved")),
            ("::", Some("reserved")),
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:8.8.8.8", None),
            ("::127.0.0.1", Some("reserved")),
            ("64:ff9b::7f00:1", Some("loopback")),
            ("64:ff9b::808:808", None),
            ("2002:7f00:1::", Some("loopback")),
            ("2002:a9fe:a9fe::", Some("link-local or metadata")),
            ("fd00:ec2::254", Some("private")),
            ("fe80::1", Some("link-local or metadata")),
            ("ff02::1", Some("reserved")),
            ("2001:db8::1", Some("reserved")),
            ("2001::1", Some("reserved")),
            ("192.88.99.1", Some("reserved")),
            ("3fff::1", Some("reserved")),
            ("3fff:fff:ffff::1", Some("reserved")),
            ("::ffff:10.1.2.3", Some("private")),
            ("::ffff:169.254.169.254", Some("link-local or metadata")),
            ("64:ff9b::a9fe:a9fe", Some("link-local or metadata")),
            ("64:ff9b:1::808:808", Some("private")),
            ("64:ff9b:0:1::808:808", Some("private")),
            ("2002:c0a8:1::1", Some("private")),
            ("2002:808:808::1", None),
            ("2a00:1450::5efe:a00:1", Some("private")),
            ("2a00:1450::200:5efe:808:808", Some("reserved")),
            ("fec0::1", Some("private")),
            ("240.0.0.1", Some("reserved")),
            ("192.0.0.192", Some("reserved")),
            ("100.63.0.1", None),
            ("2a00:1450::1", None),
        ] {
            assert_eq!(not_public(text.parse().unwrap()), reason, "{text}");
        }
    }
}
