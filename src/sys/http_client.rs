//! A small blocking HTTP client for quire's own Unix socket, by which hooks and commands connect to the server.
//!
//! It uses HTTP/1.0 (RFC 1945), so that an answer ends where the connection ends and a streamed one needs no
//! decoding. Hooks live for milliseconds, so an async runtime would cost too much.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::socket;

/// The longest head of an answer, in bytes.
const MAX_HEAD: u64 = 64 * 1024;

/// How long a server may take to connect to the socket of a command.
const CALL_PATIENCE: Duration = Duration::from_secs(10);

/// A response whose body is read by the caller.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    pub(crate) body: BufReader<UnixStream>,
}

/// Sends one request and reads the head of the response. `patience` is the longest silence that is accepted while
/// connecting, writing and reading.
///
/// # Errors
/// No server listens, it is silent for longer, or its response is not HTTP.
pub fn request(
    path: &Path,
    method: &str,
    target: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    send(socket::connect(path)?, (method, target, body), patience)
}

/// The same to a server that listens nowhere: it connects to the socket that is made in `folder` for that.
///
/// # Errors
/// No server comes, it is silent for longer, or its response is not HTTP.
pub(crate) fn request_by_call(
    folder: &Path,
    method: &str,
    target: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<Answer> {
    send(socket::call(folder, patience.min(CALL_PATIENCE))?, (method, target, body), patience)
}

fn send(
    mut stream: UnixStream,
    (method, target, body): (&str, &str, &[u8]),
    patience: Duration,
) -> io::Result<Answer> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let head = format!(
        "{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut message = head.into_bytes();
    message.extend_from_slice(body);
    stream.write_all(&message)?;
    let mut body = BufReader::new(stream);
    let status = read_head(&mut body)?;
    Ok(Answer { status, body })
}

impl Answer {
    /// Reads the body, at most `limit` bytes of it.
    ///
    /// # Errors
    /// The server is silent for too long.
    pub(crate) fn read(mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.body.by_ref().take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The connection, which does not wait any more, and what was read of the body already.
    ///
    /// # Errors
    /// When the socket refuses.
    pub(crate) fn into_stream(self) -> io::Result<(Vec<u8>, UnixStream)> {
        let read = self.body.buffer().to_vec();
        let stream = self.body.into_inner();
        stream.set_nonblocking(true)?;
        Ok((read, stream))
    }
}

/// Reads the status line and skips the headers.
fn read_head(reader: &mut impl BufRead) -> io::Result<u16> {
    let not_http = || io::Error::new(io::ErrorKind::InvalidData, "the response is not HTTP");
    let mut head = reader.take(MAX_HEAD);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(not_http)?;
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Err(not_http());
        }
        if line.trim_end().is_empty() {
            return Ok(status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_and_others_refused() {
        let read = |text: &str| read_head(&mut text.as_bytes()).ok();
        assert_eq!(read("HTTP/1.0 200 OK\r\nA: b\r\n\r\nbody"), Some(200));
        for text in ["", "x", "HTTP/1.0 200 OK\r\n", "HTTP/1.0 x\r\n\r\n"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_silent_server_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listener = socket::listen(&path).unwrap();
        assert!(request(&path, "GET", "/healthz", b"", Duration::from_millis(20)).is_err());
    }
}
