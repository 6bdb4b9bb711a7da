//! The origin of a web page.

use std::fmt;

use super::Quoted;

/// The origin of a web page, as browsers write it: `https://git.example.org`, `http://127.0.0.1:7878`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebOrigin(String);

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an origin: write it as `https://pages.example.org`, without a path and without `*`")]
pub(crate) struct WebOriginError(Quoted);

impl WebOrigin {
    /// Parses an origin. The port of the scheme is left out, as browsers do.
    ///
    /// # Errors
    /// How it is written.
    pub(crate) fn parse(text: &str) -> Result<Self, WebOriginError> {
        read(text).ok_or_else(|| WebOriginError(Quoted::new(text)))
    }

    /// The origin of an address.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        read(&format!("{scheme}://{}", rest.split(['/', '?', '#']).next()?))
    }

    /// The origin as it stands in a header.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn read(text: &str) -> Option<WebOrigin> {
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let default = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    // The brackets of an IPv6 address hold colons.
    let end = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority.get(end..)?.find(':') {
        Some(colon) => (authority.get(..end + colon)?, Some(authority.get(end + colon + 1..)?)),
        None => (authority, None),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_host),
    };
    let number =
        port.map(|port| port.parse::<u16>().ok().filter(|_| port.bytes().all(|c| c.is_ascii_digit())));
    match (fits, number) {
        (true, None) => Some(WebOrigin(format!("{scheme}://{host}"))),
        (true, Some(Some(number))) if number.to_string() == default => {
            Some(WebOrigin(format!("{scheme}://{host}")))
        }
        (true, Some(Some(number))) => Some(WebOrigin(format!("{scheme}://{host}:{number}"))),
        (true, Some(None)) | (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, origin) in [
            ("https://Pages.example.org", "https://pages.example.org"),
            ("https://a.example:443", "https://a.example"),
            ("http://a.example:443", "http://a.example:443"),
            ("http://127.0.0.1:7878", "http://127.0.0.1:7878"),
            ("http://[::1]:7878", "http://[::1]:7878"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(WebOrigin::parse(text).map(|origin| origin.to_string()).as_deref(), Ok(origin));
        }
        for wrong in [
            "",
            "*",
            "null",
            "https://",
            "https://*",
            "https://*.example",
            "ftp://a",
            "a.example",
            "https://a/",
            "https://a/x",
            "https://u@a",
            "https://a:",
            "https://a:x",
            "https://a:99999",
            "https://a b",
            "https://a:+1",
            "file:///x",
            "https://[::1",
            "https://a,b",
        ] {
            assert!(WebOrigin::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(WebOrigin::of_url("https://a.example/git/").unwrap().as_str(), "https://a.example");
        assert_eq!(WebOrigin::of_url("https://u@a.example/"), None);
    }
}
