//! A network of addresses.

use std::net::IpAddr;

use super::Quoted;

/// Addresses that begin with the same bits: one address, or `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    bits: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    /// It is not written so.
    #[error("{0} is not an address or a network: write it as `192.0.2.1`, `10.0.0.0/8` or `2001:db8::/32`")]
    Form(Quoted),
    /// Bits of the address are set that are not those of the network.
    #[error("{0} is not the first address of its network: write `{1}`")]
    First(Quoted, String),
}

impl Network {
    /// Parses an address, or the first address of a network and how many bits are the network's.
    ///
    /// # Errors
    /// How it is written.
    pub(crate) fn parse(text: &str) -> Result<Self, NetworkError> {
        let form = || NetworkError::Form(Quoted::new(text));
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| form())?;
        let width: u8 = if first.is_ipv4() { 32 } else { 128 };
        let is_plain = |bits: &&str| bits.bytes().all(|c| c.is_ascii_digit());
        let bits = match bits {
            None => width,
            Some(bits) => bits.parse().ok().filter(|_| is_plain(&bits)).ok_or_else(form)?,
        };
        if bits > width {
            return Err(form());
        }
        let network = Self { first: masked(first, bits), bits };
        if network.first == first {
            return Ok(network);
        }
        Err(NetworkError::First(Quoted::new(text), format!("{}/{bits}", network.first)))
    }

    /// Whether an address is in it. An IPv4 address in the form of IPv6 is the IPv4 address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.bits) == self.first
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_networks() {
        let contains = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        for (network, inside, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "::2", "127.0.0.1"),
            ("::1", "::1", "::2"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
        ] {
            assert!(contains(network, inside) && !contains(network, outside), "{network}");
        }
        for wrong in [
            "",
            "x",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0/8",
            "a.example",
        ] {
            assert!(matches!(Network::parse(wrong), Err(NetworkError::Form(_))), "{wrong}");
        }
        let wrong = Network::parse("10.1.0.0/8").unwrap_err();
        assert!(wrong.to_string().ends_with("write `10.0.0.0/8`"), "{wrong}");
    }
}
