//! Where the server answers over TCP.

use std::net::{Ipv4Addr, SocketAddr};

/// Where the server answers over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// At this address.
    Address(SocketAddr),
    /// Nowhere.
    Nothing,
}

impl Bind {
    /// Parses an address with a port, `localhost` with a port, or `none`. Other names are not looked up: what they lead to can
    /// change while the server runs.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::Nothing);
        }
        let of_localhost = |(host, port): (&str, &str)| {
            let port = port.parse::<u16>().ok().filter(|_| host.eq_ignore_ascii_case("localhost"))?;
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        let address = text.parse().ok().or_else(|| text.rsplit_once(':').and_then(of_localhost));
        address.map(Self::Address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_localhost_with_a_port_or_none_is_where_to_answer() {
        let local = Bind::Address("127.0.0.1:7878".parse().unwrap());
        for (text, parsed) in [
            ("127.0.0.1:7878", Some(local)),
            ("localhost:7878", Some(local)),
            ("LOCALHOST:7878", Some(local)),
            ("[::1]:80", Some(Bind::Address("[::1]:80".parse().unwrap()))),
            ("none", Some(Bind::Nothing)),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:99999", None),
            (":7878", None),
            ("7878", None),
            ("git.example.org:80", None),
            ("", None),
        ] {
            assert_eq!(Bind::parse(text), parsed, "{text}");
        }
    }
}
