//! HTTP over both doors, byte by byte, because some requests are wrong on purpose.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::super::stories::world::PATIENCE;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The media type, without parameters.
    pub(crate) fn kind(&self) -> &str {
        self.header("content-type").and_then(|kind| kind.split(';').next()).unwrap_or_default().trim()
    }

    /// The body as JSON; null when it is something else.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let field = |line: &str| {
            line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        };
        let mut answer =
            Self { status, headers: lines.filter_map(field).collect(), body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body)?;
        }
        Some(answer)
    }
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        let chunk = rest.get(end + 2..end + 2 + length)?;
        whole.extend_from_slice(chunk);
        if length == 0 {
            return Some(whole);
        }
        rest = rest.get(end + 2 + length + 2..)?;
    }
}

/// A request, as bytes, on a connection of its own.
pub(crate) fn request(
    (method, target): (&str, &str),
    host: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" || method == "PATCH" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// A stream to a door.
pub(crate) trait Connection: Read + Write {}

impl Connection for TcpStream {}
impl Connection for UnixStream {}

/// Sends bytes and reads the answer until the connection is closed.
pub(crate) fn exchange(mut stream: impl Connection, bytes: &[u8]) -> Answer {
    // A request that is refused early is not read to its end, and the connection may be reset after the answer.
    let _refused = stream.write_all(bytes).is_err();
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).is_err();
    Answer::parse(&answer).unwrap_or_else(|| {
        let request = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
        panic!("no whole answer to {request}: {:?}", String::from_utf8_lossy(&answer))
    })
}

pub(crate) fn connect_tcp(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(super) fn connect_unix(path: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
