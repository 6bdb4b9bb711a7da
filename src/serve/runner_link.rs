//! The way to a runner and back. A runner that this server started is reached over the socket pair that it inherited, which
//! no step can touch; one that was found is reached over the socket in its run's folder.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::run::{MAX_MESSAGE, Message, NOT_STARTED, send_message};

/// Answers of a found runner that may wait to be read.
const MAX_ANSWERS: usize = 16;

/// How long a runner may leave a message in a full socket.
const SEND_LIMIT: Duration = Duration::from_secs(1);

/// How long the last words of a runner that is gone are waited for.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);

/// The way to one runner.
#[derive(Debug)]
pub(super) enum RunnerLink {
    /// The socket pair that the runner inherited.
    Inherited {
        reader: BufReader<OwnedReadHalf>,
        writer: OwnedWriteHalf,
        line: Vec<u8>,
        is_open: bool,
        not_started: Option<String>,
    },
    /// The socket in the run's folder.
    Socket { run_dir: PathBuf, answers: (mpsc::Sender<()>, mpsc::Receiver<()>) },
}

impl RunnerLink {
    /// The way to a runner that was started here.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub(super) fn inherited(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(socket)?.into_split();
        let reader = BufReader::new(reader);
        Ok(Self::Inherited { reader, writer, line: Vec::new(), is_open: true, not_started: None })
    }

    /// The way to a runner that was found.
    pub(super) fn socket(run_dir: PathBuf) -> Self {
        Self::Socket { run_dir, answers: mpsc::channel(MAX_ANSWERS) }
    }

    /// Sends a message. One that cannot be sent is not answered, and that has a limit.
    pub(super) async fn send(&mut self, message: &Message) {
        match self {
            Self::Inherited { writer, .. } => {
                let mut line = serde_json::to_vec(message).unwrap_or_default();
                line.push(b'\n');
                // Waits for the socket: a fresh one is not known to be writable, and what is not written is lost.
                let sent = tokio::time::timeout(SEND_LIMIT, writer.write_all(&line)).await;
                match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a runner cannot be sent messages"),
                    Err(_) => tracing::warn!("a runner takes no messages"),
                }
            }
            Self::Socket { run_dir, answers } => {
                let (run_dir, message, heard) = (run_dir.clone(), message.clone(), answers.0.clone());
                tokio::task::spawn_blocking(move || match send_message(&run_dir, &message) {
                    Ok(()) => drop(heard.blocking_send(())),
                    Err(error) => tracing::debug!(%error, "a runner did not take a message"),
                });
            }
        }
    }

    /// Waits until the runner has heard a message; never ends when it can say nothing more. Nothing is lost when
    /// cancelled.
    pub(super) async fn heard(&mut self) {
        if !self.next().await {
            std::future::pending::<()>().await;
        }
    }

    /// Why a runner that is gone could not begin its run, if it has said so.
    pub(super) async fn last_words(&mut self) -> Option<String> {
        // A dead runner's socket has an end, unless a process that it started has a copy.
        let to_its_end = async { while self.next().await {} };
        let _has_no_end = tokio::time::timeout(LAST_WORDS_LIMIT, to_its_end).await.is_err();
        match self {
            Self::Inherited { not_started, .. } => not_started.take(),
            Self::Socket { .. } => None,
        }
    }

    /// Takes the next thing that the runner says; false when there is no more.
    async fn next(&mut self) -> bool {
        match self {
            Self::Inherited { reader, line, is_open, not_started, .. } => {
                while *is_open {
                    let read = reader.take(MAX_MESSAGE).read_until(b'\n', line).await;
                    if !matches!(read, Ok(count) if count > 0) {
                        *is_open = false;
                    } else if line.ends_with(b"\n") || line.len() as u64 >= MAX_MESSAGE {
                        let text = String::from_utf8_lossy(&std::mem::take(line)).into_owned();
                        if let Some(problem) = text.trim_end().strip_prefix(NOT_STARTED) {
                            *not_started = Some(problem.to_owned());
                        }
                        return true;
                    }
                }
                false
            }
            Self::Socket { answers, .. } => answers.1.recv().await.is_some(),
        }
    }
}
