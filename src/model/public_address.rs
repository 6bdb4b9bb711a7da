//! Which addresses belong to everybody: what a foreign name must lead to before quire connects there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address at which machines of one cloud find its metadata, though it lies among the public ones.
const CLOUD_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Why an address is not a public one; nothing for one that is.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
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
        // An address of the fourth version in the clothes of the sixth; the old form is no address at all.
        return if s5 == 0 { Some("reserved") } else { inner(s6, s7) };
    }
    if (s0, s1) == (0x64, 0xff9b) {
        // Translated on its way; the form of one network's own is not public.
        return if s2 == 0 { inner(s6, s7) } else { Some("private") };
    }
    if s0 == 0x2002 {
        return inner(s1, s2);
    }
    if s0 & 0xfe00 == 0xfc00 || s0 & 0xffc0 == 0xfec0 {
        Some("private")
    } else if s0 & 0xffc0 == 0xfe80 {
        Some("link-local or metadata")
    } else if s0 & 0xe000 != 0x2000 || (s0 == 0x2001 && s1 < 0x200) || (s0, s1) == (0x2001, 0xdb8) {
        Some("reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_everybodys_have_a_reason() {
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
        ] {
            assert_eq!(not_public(text.parse().unwrap()), reason, "{text}");
        }
    }
}
