//! One `git http-backend`, from its start to its end. It ends with its client: whoever leaves, stalls or takes too long leaves no
//! process behind.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use rustix::process::{Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::answers::broken;
use crate::app::AppState;
use crate::http::stream::Parts;
use crate::sys::search_path::find_program;
use crate::sys::spawn::{Child, Launch, spawn};

/// The longest head of git's answer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// How much of git's answer is read at a time, in bytes.
const PART: usize = 32 << 10;

/// Parts of the answer that wait for the client.
const MAX_PARTS: usize = 2;

/// How long the client may send nothing of a body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// How long git may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// The most of git's complaints that are logged, in bytes.
const MAX_COMPLAINT: u64 = 2000;

/// What git gets from the server's environment.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// A call of git.
pub(super) struct Call {
    /// The folder of the repository.
    pub(super) repo: PathBuf,
    pub(super) variables: Vec<(&'static str, String)>,
    /// From its start to its end.
    pub(super) time: Duration,
    /// The largest body, in bytes.
    pub(super) max_body: u64,
}

/// A running git.
pub(super) struct Backend {
    child: Child,
    deadline: Instant,
    max_body: u64,
    _place: OwnedSemaphorePermit,
}

/// The beginning of an answer.
type Head = (StatusCode, HeaderMap, Bytes);

impl Backend {
    /// Starts git, in a session of its own.
    pub(super) fn start(app: &AppState, call: Call, place: OwnedSemaphorePermit) -> io::Result<Self> {
        let of_server = app.environment.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        let path = app.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_str());
        let program = find_program("git", OsStr::new(path.unwrap_or("/usr/bin:/bin")))
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "git is not installed"))?;
        let root = call.repo.to_string_lossy().into_owned();
        let mut env: Vec<(&OsStr, &OsStr)> = vec![(OsStr::new("GIT_PROJECT_ROOT"), OsStr::new(&root))];
        env.extend(of_server.map(|(name, value)| (OsStr::new(name), OsStr::new(value))));
        env.extend(call.variables.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(value))));
        let child = spawn(Launch {
            program,
            args: vec!["git".into(), "http-backend".into()],
            env,
            cwd: Path::new("/"),
            has_input: true,
            cgroup: None,
            transition: None,
            kept: None,
        })?;
        Ok(Self { child, deadline: Instant::now() + call.time, max_body: call.max_body, _place: place })
    }

    /// Passes a request on, and the answer back. What follows the head is sent while git makes it.
    pub(super) async fn answer(mut self, body: Body) -> Response {
        let (head, has_head) = oneshot::channel();
        let (parts, receiver) = mpsc::channel(MAX_PARTS);
        // Not tied to the request: it has to clear up when that is dropped.
        tokio::spawn(async move {
            let deadline = self.deadline;
            match timeout_at(deadline, self.talk(body, head, &parts)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "git over HTTP has ended early");
                    let _gone = parts.send(Err(error)).await.is_err();
                }
                Err(_) => {
                    tracing::warn!("git over HTTP took too long and was ended");
                    let _gone = parts.send(Err(io::ErrorKind::TimedOut.into())).await.is_err();
                }
            }
            self.end().await;
        });
        let Ok((status, headers, first)) = has_head.await else { return broken() };
        let mut response = Response::new(Body::new(Prefixed::new(first, receiver)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// Sends the body and reads the answer, at the same time.
    async fn talk(
        &mut self,
        body: Body,
        head: oneshot::Sender<Head>,
        parts: &mpsc::Sender<io::Result<Bytes>>,
    ) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let [stdout, stderr] = self.child.outputs.take().ok_or_else(gone)?;
        let stdin = self.child.stdin.take().ok_or_else(gone)?;
        let (feed, read, complaints) =
            (feed(stdin, body, self.max_body), read(stdout, head, parts), complaints(stderr));
        let mut feed = std::pin::pin!(feed);
        let mut read = std::pin::pin!(read);
        let mut complaints = std::pin::pin!(complaints);
        let (mut is_fed, mut is_silent) = (false, false);
        loop {
            tokio::select! {
                ended = &mut read => return ended,
                fed = &mut feed, if !is_fed => {
                    // A git that has read enough answers all the same; a client that stalls or leaves ends it.
                    fed?;
                    is_fed = true;
                }
                () = &mut complaints, if !is_silent => is_silent = true,
            }
        }
    }

    /// Ends git and all that it has started: asked first, so that it removes what it had begun, then killed.
    async fn end(self) {
        let group = self.child.pid();
        if timeout(Duration::from_millis(500), self.child.process.dead()).await.is_err() {
            let _gone = kill_process_group(group, Signal::TERM).is_err();
            let _late = timeout(GRACE, self.child.process.dead()).await.is_err();
        }
        let _gone = kill_process_group(group, Signal::KILL).is_err();
        let _dead = self.child.process.dead().await.is_err();
        let _reaped = self.child.reap();
    }
}

/// Writes the body to git.
async fn feed(stdin: OwnedFd, mut body: Body, most: u64) -> io::Result<()> {
    let mut stdin = pipe::Sender::from_owned_fd(stdin)?;
    let mut sent = 0_u64;
    loop {
        let frame = timeout(BODY_PATIENCE, body.frame()).await.map_err(|_| io::ErrorKind::TimedOut)?;
        let Some(frame) = frame else { return stdin.shutdown().await };
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        sent = sent.saturating_add(data.len() as u64);
        if sent > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the body is larger than its limit"));
        }
        match stdin.write_all(&data).await {
            // It has read what it wants.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

/// Reads git's answer: its head, then parts for as long as the client takes them.
async fn read(
    stdout: OwnedFd,
    head: oneshot::Sender<Head>,
    parts: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut stdout = pipe::Receiver::from_owned_fd(stdout)?;
    let left = || io::Error::new(io::ErrorKind::ConnectionAborted, "the client has left");
    let mut bytes = Vec::with_capacity(PART);
    let (status, headers, rest) = loop {
        let count = tokio::select! {
            count = stdout.read_buf(&mut bytes) => count?,
            () = parts.closed() => return Err(left()),
        };
        if let Some(head) = parse_head(&bytes) {
            break head;
        }
        if count == 0 || bytes.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "git has answered without a head"));
        }
    };
    let rest = Bytes::copy_from_slice(bytes.get(rest..).unwrap_or_default());
    head.send((status, headers, rest)).map_err(|_| left())?;
    loop {
        let mut part = Vec::with_capacity(PART);
        let count = tokio::select! {
            count = stdout.read_buf(&mut part) => count?,
            () = parts.closed() => return Err(left()),
        };
        if count == 0 {
            return Ok(());
        }
        parts.send(Ok(part.into())).await.map_err(|_| left())?;
    }
}

/// Reads what git complains about until it ends, and logs the beginning.
async fn complaints(stderr: OwnedFd) {
    let Ok(mut stderr) = pipe::Receiver::from_owned_fd(stderr) else { return };
    let mut text = Vec::new();
    let mut first = (&mut stderr).take(MAX_COMPLAINT);
    let _cut = first.read_to_end(&mut text).await.is_err();
    if !text.is_empty() {
        let text = String::from_utf8_lossy(&text);
        tracing::debug!("git http-backend: {}", crate::view::one_line(&text));
    }
    let _rest = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await.is_err();
}

/// The head of an answer as CGI has it (RFC 3875, 6), and where the rest begins; nothing when it is not complete.
fn parse_head(bytes: &[u8]) -> Option<(StatusCode, HeaderMap, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let (mut status, mut headers) = (StatusCode::OK, HeaderMap::new());
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("status") {
            let code = value.trim().split(' ').next()?.parse().ok()?;
            status = StatusCode::from_u16(code).ok()?;
        } else {
            headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.trim()).ok()?);
        }
    }
    Some((status, headers, end + 4))
}

/// What came with the head, then the parts.
struct Prefixed {
    first: Option<Bytes>,
    parts: Parts<Bytes, io::Error>,
}

impl Prefixed {
    fn new(first: Bytes, parts: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { first: Some(first).filter(|first| !first.is_empty()), parts: Parts(parts) }
    }
}

impl axum::body::HttpBody for Prefixed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, io::Error>>> {
        match self.first.take() {
            Some(first) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(first)))),
            None => std::pin::Pin::new(&mut self.parts).poll_frame(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_of_cgi_is_parsed_when_it_is_complete() {
        let (status, headers, end) =
            parse_head(b"Status: 404 Not Found\r\nExpires: x\r\nContent-Type: a/b\r\n\r\nrest").unwrap();
        assert_eq!((status.as_u16(), headers.len(), end), (404, 2, 56));
        assert_eq!(parse_head(b"Content-Type: a/b\r\n\r\n").unwrap().0, StatusCode::OK);
        for text in ["", "Content-Type: a/b\r\n", "Status: x\r\n\r\n", "a\u{1}: b\r\n\r\n"] {
            assert!(parse_head(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
