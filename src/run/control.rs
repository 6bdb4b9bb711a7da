//! The control socket in a run's folder: how a server, also one that was restarted, reaches a runner.
//!
//! One message a connection: a line of JSON, answered by `ok`. The server makes the socket before it starts the
//! runner and hands it over, so that a message which comes early waits instead of failing. The server that started the
//! runner does not use it: it uses the socket pair that the runner inherited, which nobody else can reach.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use tokio::sync::mpsc;

use super::drive::Outside;
use crate::journal::{RunRecord, StopReason};
use crate::sys::socket;

/// The longest message, in bytes.
pub const MAX_MESSAGE: u64 = 64 * 1024;

/// How long a runner may take to answer; it may be starting.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a runner waits after a connection that it could not take.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The beginning of the line in which a runner reports, over the socket pair that it inherited, why its run could not start.
pub const NOT_STARTED: &str = "not started: ";

/// The name of the socket in the run's folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// Where a run hears what others have to say.
#[derive(Debug)]
pub struct Control {
    /// The listening socket in the run's folder.
    pub(crate) socket: UnixListener,
    /// The connection to the server that started the runner.
    pub(crate) server: Option<UnixStream>,
}

/// A message to a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Message {
    /// The run has its slot.
    Go {},
    /// The run has to stop.
    Stop {
        /// Why.
        reason: StopReason,
    },
}

/// Sends a message to the runner of the run in `run_dir`, and waits until it was received. Blocking.
///
/// # Errors
/// When the runner is gone or does not answer in time.
pub fn send_message(run_dir: &Path, message: &Message) -> io::Result<()> {
    let mut stream = socket::connect(&run_dir.join(CONTROL_SOCKET))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).take(MAX_MESSAGE).read_line(&mut answer)?;
    if answer == "ok\n" { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reports to the server when a run could not start for a reason that is not its own, such as a full disk: it is tried
/// again. A run whose jobs have begun, or whose folder was removed, is not.
pub(super) fn report_not_started(mut server: &UnixStream, run_dir: &Path, problem: &str) {
    let has_begun = RunRecord::may_have_begun(run_dir).unwrap_or_default();
    if has_begun || !run_dir.is_dir() {
        return;
    }
    let line = format!("{NOT_STARTED}{}\n", problem.replace('\n', " "));
    if let Err(error) = server.write_all(line.as_bytes()) {
        tracing::debug!(%error, "the server is gone");
    }
}

/// Receives the server's messages while the run is active.
pub(super) fn listen(control: Control, events: mpsc::Sender<Outside>) -> io::Result<()> {
    if let Some(server) = control.server {
        server.set_nonblocking(true)?;
        let (server, events) = (tokio::net::UnixStream::from_std(server)?, events.clone());
        tokio::spawn(async move {
            if let Err(error) = hear_server(server, &events).await {
                tracing::warn!(%error, "the server is not understood");
            }
        });
    }
    let control = control.socket;
    control.set_nonblocking(true)?;
    let control = tokio::net::UnixListener::from_std(control)?;
    tokio::spawn(async move {
        loop {
            let stream = match control.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // No descriptor is free, or the other side has gone: later ones must be heard all the same.
                    tracing::warn!(%error, "a message to the run could not be taken");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let events = events.clone();
            tokio::spawn(async move {
                match hear(stream).await {
                    Ok(message) => {
                        let _gone = events.send(Outside::Message(message)).await.is_err();
                    }
                    Err(error) => tracing::warn!(%error, "a message to the run was not understood"),
                }
            });
        }
    });
    Ok(())
}

/// Hears what the server that started this runner has to say, for as long as the server is there. Each message is a line,
/// answered by `ok`.
///
/// # Errors
/// When the connection breaks or carries something else.
async fn hear_server(stream: tokio::net::UnixStream, events: &mpsc::Sender<Outside>) -> io::Result<()> {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        if (&mut reader).take(MAX_MESSAGE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let _gone = events.send(Outside::Message(serde_json::from_slice(&line)?)).await.is_err();
        writer.write_all(b"ok\n").await?;
    }
}

/// Reads the one message of a connection and answers it.
///
/// # Errors
/// When the connection breaks or carries something else.
async fn hear(stream: tokio::net::UnixStream) -> io::Result<Message> {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    tokio::io::BufReader::new(reader).take(MAX_MESSAGE).read_until(b'\n', &mut line).await?;
    let message = serde_json::from_slice(&line)?;
    writer.write_all(b"ok\n").await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_heard_and_answered() {
        let folder = tempfile::tempdir().unwrap();
        let listener = socket::listen(&folder.path().join(CONTROL_SOCKET)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::UnixListener::from_std(listener).unwrap();
        let run_dir = folder.path().to_owned();
        let message = Message::Stop { reason: StopReason::Superseded { by: 8 } };
        let sent = message.clone();
        let sending = tokio::task::spawn_blocking(move || send_message(&run_dir, &sent));
        let heard = hear(listener.accept().await.unwrap().0).await.unwrap();
        assert_eq!(heard, message);
        sending.await.unwrap().unwrap();
        drop(listener);
        assert!(send_message(folder.path(), &message).is_err());
    }
}
