//! A small blocking HTTP client for a quire server elsewhere, over TCP or TLS, and for the routes of the one here, over its
//! Unix socket.
//!
//! It uses HTTP/1.0 (RFC 1945), so that an answer ends where the connection ends and a streamed one needs no decoding.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Uri;
use tokio_rustls::rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use super::socket;
use super::tls::client_config;

/// The longest head of an answer, in bytes.
const MAX_HEAD: u64 = 64 * 1024;

/// How long connecting to one address of a server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server, by the address that people write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebServer {
    host: String,
    port: u16,
    is_tls: bool,
    /// What stands before all paths.
    prefix: String,
    /// The Unix socket of a server on this machine; host and port are not used then.
    socket: Option<PathBuf>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct WebRequest<'a> {
    pub(crate) method: &'a str,
    /// The path with the query, below the address of the server.
    pub(crate) target: &'a str,
    /// Headers beside those of the connection and the body.
    pub(crate) headers: Vec<(&'a str, String)>,
    /// The body, which is JSON.
    pub(crate) body: Option<Vec<u8>>,
    /// The longest silence that is accepted.
    pub(crate) patience: Duration,
}

/// An answer whose body is read by the caller.
pub(crate) struct WebAnswer {
    pub(crate) status: u16,
    /// The headers, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Box<dyn BufRead>,
}

impl WebAnswer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl WebServer {
    /// Reads `https://git.example.org` or `http://127.0.0.1:7878`, with or without a path before all paths.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is not an address")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err("it begins with neither https:// nor http://"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it has a user name; the token is in QUIRE_TOKEN");
        }
        if uri.query().is_some() {
            return Err("it has a query");
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            is_tls,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            socket: None,
        })
    }

    /// The server behind a Unix socket.
    pub(crate) fn of_socket(path: &Path) -> Self {
        let (host, prefix) = ("localhost".to_owned(), String::new());
        Self { host, port: 80, is_tls: false, prefix, socket: Some(path.to_owned()) }
    }

    /// Whether others can read what is sent.
    pub(crate) fn is_readable_by_others(&self) -> bool {
        !self.is_tls && !matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Sends a request and reads the head of the answer.
    ///
    /// # Errors
    /// The server cannot be reached, is silent for too long, or its answer is not HTTP.
    pub(crate) fn send(&self, request: &WebRequest<'_>) -> io::Result<WebAnswer> {
        let mut head =
            format!("{} {}{} HTTP/1.0\r\nHost: {}", request.method, self.prefix, request.target, self.host);
        if self.port != if self.is_tls { 443 } else { 80 } {
            head.push_str(&format!(":{}", self.port));
        }
        for (name, value) in &request.headers {
            if value.contains(char::is_control) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a header has a control character"));
            }
            head.push_str(&format!("\r\n{name}: {value}"));
        }
        if let Some(body) = &request.body {
            head.push_str(&format!("\r\nContent-Type: application/json\r\nContent-Length: {}", body.len()));
        }
        head.push_str("\r\n\r\n");
        let mut stream = self.connect(request.patience)?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(request.body.as_deref().unwrap_or_default())?;
        stream.flush()?;
        read_answer(stream)
    }

    fn connect(&self, patience: Duration) -> io::Result<Box<dyn Stream>> {
        if let Some(path) = &self.socket {
            let stream = socket::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            return Ok(Box::new(stream));
        }
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (host, self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(patience))?;
                    stream.set_write_timeout(Some(patience))?;
                    return if self.is_tls { over_tls(host, stream) } else { Ok(Box::new(stream)) };
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

fn over_tls(host: &str, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
    let config = client_config().map_err(io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

fn read_answer(stream: Box<dyn Stream>) -> io::Result<WebAnswer> {
    let not_http = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let mut body = BufReader::new(stream);
    let (mut line, mut left) = (String::new(), MAX_HEAD);
    let mut next_line = |line: &mut String| {
        line.clear();
        let count = body.by_ref().take(left).read_line(line)?;
        left = left.saturating_sub(count as u64);
        if line.ends_with('\n') { Ok(()) } else { Err(not_http()) }
    };
    next_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    let status = status.ok_or_else(not_http)?;
    let mut headers = Vec::new();
    loop {
        next_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let body: Box<dyn BufRead> = match length.and_then(|(_, length)| length.parse::<u64>().ok()) {
        Some(length) => Box::new(body.take(length)),
        None => Box::new(body),
    };
    Ok(WebAnswer { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_people_write() {
        let server = WebServer::parse("https://git.example.org/quire/").unwrap();
        assert_eq!((server.port, server.is_tls, server.prefix.as_str()), (443, true, "/quire"));
        let local = WebServer::parse("http://[::1]:7878").unwrap();
        assert_eq!((local.port, local.prefix.as_str(), local.is_readable_by_others()), (7878, "", false));
        assert!(WebServer::parse("http://git.example.org").unwrap().is_readable_by_others());
        for wrong in
            ["", "git.example.org", "ftp://x", "https://", "https://t@x", "https://x/?a=b", "https:// x"]
        {
            assert!(WebServer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
