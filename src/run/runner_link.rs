//! The ways to a runner on this machine. One that this server started is reached over the socket pair that it inherited, which no
//! step can touch; one that was found is reached over the socket in its run's folder.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::control::{Answer, CONTROL_SOCKET, Control, MAX_MESSAGE, Message, NOT_STARTED, Pending};
use crate::sys::socket;

/// Answers of a found runner that may wait to be read.
const MAX_ANSWERS: usize = 16;

/// How long a runner may leave a message in a full socket.
const SEND_LIMIT: Duration = Duration::from_secs(1);

/// How long a runner may take to answer at the socket in its run's folder; it may be starting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket pair that a runner inherited.
#[derive(Debug)]
pub(crate) struct InheritedSocket {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    line: Vec<u8>,
}

/// The socket in a run's folder.
#[derive(Debug)]
pub(crate) struct RunSocket {
    run_dir: PathBuf,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
}

impl InheritedSocket {
    /// The way to a runner that was started with the other end. Needs a tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(socket)?.into_split();
        Ok(Self { reader: BufReader::new(reader), writer, line: Vec::new() })
    }
}

impl Control for InheritedSocket {
    fn send<'a>(&'a mut self, message: &'a Message) -> Pending<'a, ()> {
        Box::pin(async {
            let mut line = serde_json::to_vec(message).unwrap_or_default();
            line.push(b'\n');
            // Waits for the socket: a fresh one is not known to be writable, and what is not written is lost.
            match tokio::time::timeout(SEND_LIMIT, self.writer.write_all(&line)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a runner cannot be sent messages"),
                Err(_) => tracing::warn!("a runner takes no messages"),
            }
        })
    }

    fn answer(&mut self) -> Pending<'_, Option<Answer>> {
        Box::pin(async {
            loop {
                let read = (&mut self.reader).take(MAX_MESSAGE).read_until(b'\n', &mut self.line).await;
                if !matches!(read, Ok(count) if count > 0) {
                    return None;
                }
                if self.line.ends_with(b"\n") || self.line.len() as u64 >= MAX_MESSAGE {
                    let text = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    let problem = text.trim_end().strip_prefix(NOT_STARTED);
                    return Some(
                        problem.map_or(Answer::Heard, |problem| Answer::NotStarted(problem.to_owned())),
                    );
                }
            }
        })
    }
}

impl RunSocket {
    /// The way to the runner of the run in this folder.
    pub(crate) fn new(run_dir: PathBuf) -> Self {
        Self { run_dir, answers: mpsc::channel(MAX_ANSWERS) }
    }
}

impl Control for RunSocket {
    fn send<'a>(&'a mut self, message: &'a Message) -> Pending<'a, ()> {
        let (run_dir, message, answers) = (self.run_dir.clone(), message.clone(), self.answers.0.clone());
        tokio::task::spawn_blocking(move || {
            let sent = send_message(&run_dir, &message)
                .inspect_err(|error| tracing::debug!(%error, "a runner did not take a message"));
            drop(answers.blocking_send(if sent.is_ok() { Answer::Heard } else { Answer::Away }));
        });
        Box::pin(std::future::ready(()))
    }

    fn answer(&mut self) -> Pending<'_, Option<Answer>> {
        Box::pin(self.answers.1.recv())
    }
}

/// Sends a message to the runner of the run in `run_dir`, and waits until it was received. Blocking.
///
/// # Errors
/// When the runner is gone or does not answer in time.
pub(crate) fn send_message(run_dir: &Path, message: &Message) -> io::Result<()> {
    let mut stream = socket::connect(&run_dir.join(CONTROL_SOCKET))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    io::BufReader::new(stream).take(MAX_MESSAGE).read_line(&mut answer)?;
    if answer == "ok\n" { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
