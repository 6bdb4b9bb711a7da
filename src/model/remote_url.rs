//! The address of a repository, remote or local, that quire may fetch from.
//!
//! Whether the address is public is checked after the name is resolved: see [`not_public`](super::not_public).

use std::fmt;
use std::net::IpAddr;

/// The longest address, in bytes.
const MAX_LENGTH: usize = 1024;

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlScheme {
    /// `https://`.
    Https,
    /// `http://`.
    Http,
    /// `ssh://`, or `user@host:path`.
    Ssh,
    /// `file://`, or an absolute path.
    File,
}

/// A checked address. It holds no password, nothing that git takes for an option, and no helper of git's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteUrl {
    text: String,
    scheme: UrlScheme,
    host: String,
    port: Option<u16>,
}

/// Why a text is not a valid address to fetch from. Never repeats a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct RemoteUrlError {
    message: String,
    /// What to do instead.
    pub(crate) hint: &'static str,
}

const SCHEMES: &str = "use https://, ssh://, user@host:path, file:// or an absolute path";
const NO_PASSWORD: &str = "declare a secret in config.fnl and refer to it: `:token \"NAME\"` in `:watch`, or `quire --data DIR watch add --token NAME`";

fn wrong<T>(message: impl Into<String>, hint: &'static str) -> Result<T, RemoteUrlError> {
    Err(RemoteUrlError { message: message.into(), hint })
}

impl RemoteUrl {
    /// Parses an address.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, RemoteUrlError> {
        if text.is_empty() {
            return wrong("an address must not be empty", SCHEMES);
        }
        if text.len() > MAX_LENGTH {
            return wrong(
                format!("an address may have at most {MAX_LENGTH} bytes, this one has {}", text.len()),
                SCHEMES,
            );
        }
        if text.chars().any(char::is_control) {
            return wrong("an address must not contain control characters", SCHEMES);
        }
        if text.starts_with('-') {
            return wrong("an address must not begin with `-`: git takes it for an option", SCHEMES);
        }
        if text.starts_with('/') {
            return Ok(Self {
                text: text.to_owned(),
                scheme: UrlScheme::File,
                host: String::new(),
                port: None,
            });
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return with_scheme(text, scheme, rest);
        }
        if let Some((helper, _)) = text.split_once("::") {
            let shown: String = helper.chars().take(20).collect();
            return wrong(format!("`{shown}::` is not allowed: git would run a program"), SCHEMES);
        }
        match text.split_once(':') {
            Some((host, path)) if !host.contains('/') => scp_like(text, host, path),
            Some(_) | None if begins_with_host(text) => {
                wrong("the address does not say how to reach it", "begin it with `https://` or `ssh://`")
            }
            Some(_) | None => wrong("the path of a local repository must be absolute", "begin it with `/`"),
        }
    }

    /// The address in the form that git gets.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The protocol.
    pub(crate) fn scheme(&self) -> UrlScheme {
        self.scheme
    }

    /// The host name or address, without brackets; empty for a local path.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port, also when the address leaves it out.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            UrlScheme::Https => 443,
            UrlScheme::Http => 80,
            UrlScheme::Ssh => 22,
            UrlScheme::File => 0,
        })
    }

    /// The scheme, host and port: a credential is bound to them.
    pub(crate) fn origin(&self) -> String {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let scheme = if self.scheme == UrlScheme::Https { "https" } else { "http" };
        format!("{scheme}://{authority}/")
    }

    /// Whether the address itself names this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// The name of the repository: the last part of the path, without `.git`.
    pub(crate) fn last_part(&self) -> &str {
        let path = self.text.trim_end_matches('/');
        let last = path.rsplit(['/', ':']).next().unwrap_or_default();
        last.strip_suffix(".git").unwrap_or(last)
    }
}

/// Whether a text without a scheme begins as the name of a machine: `git.example.org/site`.
fn begins_with_host(text: &str) -> bool {
    let (first, path) = text.split_once('/').unwrap_or_default();
    let is_name =
        first.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
    is_name && first.trim_matches('.').contains('.') && !path.is_empty()
}

/// `scheme://[user@]host[:port]/path`.
fn with_scheme(text: &str, scheme: &str, rest: &str) -> Result<RemoteUrl, RemoteUrlError> {
    let scheme = match scheme {
        "https" => UrlScheme::Https,
        "http" => UrlScheme::Http,
        "ssh" => UrlScheme::Ssh,
        "file" => UrlScheme::File,
        other => {
            let shown: String = other.chars().take(20).collect();
            return wrong(format!("`{shown}://` is not supported"), SCHEMES);
        }
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme == UrlScheme::File {
        if !matches!(authority, "" | "localhost") || path.is_empty() {
            return wrong(
                "the path of a file address must be absolute",
                "write it as file:///path/to/repository.git",
            );
        }
        return Ok(RemoteUrl { text: text.to_owned(), scheme, host: String::new(), port: None });
    }
    let (user, address) = match authority.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, authority),
    };
    check_user(scheme, user)?;
    let (host, port) = split_port(address)?;
    check_host(host)?;
    if path.is_empty() {
        return wrong("the address has no path of a repository", "add its path");
    }
    if scheme != UrlScheme::Ssh && text.contains(['?', '#']) {
        return wrong("an address must not contain `?` or `#`", NO_PASSWORD);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'`' | b'\'' | b'"')) {
        return wrong("an address must not contain spaces, quotes or non-ASCII letters", "write them as %XX");
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(RemoteUrl { text: text.to_owned(), scheme, host, port })
}

/// `[user@]host:path`.
fn scp_like(text: &str, machine: &str, path: &str) -> Result<RemoteUrl, RemoteUrlError> {
    let (user, host) = match machine.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, machine),
    };
    check_user(UrlScheme::Ssh, user)?;
    if host.starts_with('[') {
        return wrong("an address with brackets must have a scheme", "write it as ssh://[address]/path");
    }
    check_host(host)?;
    if path.is_empty() || path.starts_with('-') {
        return wrong("the path of a repository must not be empty or begin with `-`", SCHEMES);
    }
    if path.contains('@') {
        return wrong("an address must not contain a password", NO_PASSWORD);
    }
    Ok(RemoteUrl { text: text.to_owned(), scheme: UrlScheme::Ssh, host: host.to_owned(), port: None })
}

fn check_user(scheme: UrlScheme, user: Option<&str>) -> Result<(), RemoteUrlError> {
    let Some(user) = user else { return Ok(()) };
    // Over http, tokens are also given as user names.
    if user.contains(':') || matches!(scheme, UrlScheme::Https | UrlScheme::Http) {
        return wrong("an http address must not contain a user or password", NO_PASSWORD);
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    if user.is_empty() || user.starts_with('-') || !user.chars().all(fits) {
        return wrong("the user in the address is invalid", "write it as ssh://git@host/path");
    }
    Ok(())
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), RemoteUrlError> {
    let after_bracket = address.rfind(']').unwrap_or(0);
    let Some(colon) = address.rfind(':').filter(|colon| *colon >= after_bracket) else {
        return Ok((address, None));
    };
    let (host, port) = address.split_at(colon);
    let digits = port.trim_start_matches(':');
    match digits.parse() {
        Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, Some(port))),
        // The text may be a password.
        Ok(_) | Err(_) => wrong("the port in the address must be a number from 1 to 65535", SCHEMES),
    }
}

fn check_host(host: &str) -> Result<(), RemoteUrlError> {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && !host.starts_with('-')
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    if fits { Ok(()) } else { wrong("the address has no valid host name", SCHEMES) }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, scheme, host, port, last) in [
            ("https://example.org/a/b.git", UrlScheme::Https, "example.org", 443, "b"),
            ("https://example.org:8443/b/", UrlScheme::Https, "example.org", 8443, "b"),
            ("http://127.0.0.1:80/x", UrlScheme::Http, "127.0.0.1", 80, "x"),
            ("ssh://git@example.org/~x/b.git", UrlScheme::Ssh, "example.org", 22, "b"),
            ("ssh://git@[::1]:2222/b.git", UrlScheme::Ssh, "::1", 2222, "b"),
            ("git@example.org:a/b.git", UrlScheme::Ssh, "example.org", 22, "b"),
            ("host:b", UrlScheme::Ssh, "host", 22, "b"),
            ("file:///srv/b.git", UrlScheme::File, "", 0, "b"),
            ("/srv/ä b/c.git", UrlScheme::File, "", 0, "c"),
        ] {
            let url = RemoteUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (url.scheme(), url.host(), url.port(), url.last_part()),
                (scheme, host, port, last),
                "{text}"
            );
        }
        assert_eq!(RemoteUrl::parse("https://h:8443/a/b").unwrap().origin(), "https://h:8443/");
        assert!(RemoteUrl::parse("http://[::1]:1/a").unwrap().is_loopback());
    }

    #[test]
    fn unsafe_addresses_are_refused_and_no_password_is_repeated() {
        let long = format!("https://h/{}", "a".repeat(1024));
        for text in [
            "",
            "-x",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c id",
            "fd::7",
            "transport::https://h/x",
            "git://h/x",
            "ftp://h/x",
            "ssh+git://h/x",
            "HTTPS://h/x",
            "relative/path",
            "../x",
            "~/x",
            ".",
            "https://user:hunter22@h/x",
            "https://hunter22@h/x",
            "ssh://git:hunter22@h/x",
            "git:hunter22@h:x",
            "https://h:hunter22/x",
            "https://h/x?token=hunter22",
            "https://h/x#hunter22",
            "ssh://-oProxyCommand=x/y",
            "ssh://-u@h/y",
            "-h:x",
            "h:-x",
            "ssh://h",
            "https://h/",
            "https:///x",
            "https://h h/x",
            "https://h/a b",
            "https://h/'x'",
            "https://h%0a/x",
            "https://[::1/x",
            "https://[zz]/x",
            "https://h:0/x",
            "https://h:+1/x",
            "https://h:99999/x",
            "https://h/x\n",
            "file://host/x",
            "file://",
            "h:",
            &long,
        ] {
            let error = RemoteUrl::parse(text).map(|url| url.to_string()).expect_err(text);
            assert!(!error.to_string().contains("hunter22") && !error.hint.is_empty(), "{text:?}: {error}");
        }
    }
}
