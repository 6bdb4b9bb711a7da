//! Messages to whoever leads a run, each answered; and the sockets by which a runner on this machine receives them.
//!
//! In the run's folder there is a socket by which a server, also one that was restarted, reaches the runner. One message a
//! connection: a line of JSON, answered by `ok`. The server makes the socket before it starts the runner and hands it over, so that a
//! message which comes early waits instead of failing. The server that started the runner does not use it: it uses the socket pair
//! that the runner inherited, which nobody else can reach.

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::drive::Outside;
use crate::journal::{RunRecord, StopReason};

/// The longest message, in bytes.
pub(super) const MAX_MESSAGE: u64 = 64 * 1024;

/// How long a runner waits after a connection that it could not take.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The beginning of the line in which a runner reports, over the socket pair that it inherited, why its run could not start.
pub(super) const NOT_STARTED: &str = "not started: ";

/// The name of the socket in the run's folder.
pub const CONTROL_SOCKET: &str = "control.sock";

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

/// What comes back from whoever leads a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A message was received.
    Heard,
    /// A message was not received.
    Away,
    /// The run could not be started, for a reason that is not its own.
    NotStarted(String),
}

/// What comes later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The way to whoever leads a run.
pub(crate) trait Control: Send {
    /// Sends a message. What becomes of it is an answer; there is none when it is lost on the way.
    fn send<'a>(&'a mut self, message: &'a Message) -> Pending<'a, ()>;

    /// The next answer; `None` when there are no more. Nothing is lost when cancelled.
    fn answer(&mut self) -> Pending<'_, Option<Answer>>;
}

/// Where whoever leads a run receives messages.
pub trait Inbox: Send {
    /// Gives each message to `events` from now on, and answers it then. Needs a tokio runtime.
    ///
    /// # Errors
    /// No message can be received.
    fn open(self: Box<Self>, events: mpsc::Sender<Outside>) -> io::Result<()>;
}

/// The sockets of a runner.
#[derive(Debug)]
pub(crate) struct RunnerInbox {
    /// The listening socket in the run's folder.
    pub(crate) socket: UnixListener,
    /// The connection to the server that started the runner.
    pub(crate) server: Option<UnixStream>,
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

impl Inbox for RunnerInbox {
    fn open(self: Box<Self>, events: mpsc::Sender<Outside>) -> io::Result<()> {
        if let Some(server) = self.server {
            server.set_nonblocking(true)?;
            tokio::spawn(receive(tokio::net::UnixStream::from_std(server)?, events.clone()));
        }
        self.socket.set_nonblocking(true)?;
        let socket = tokio::net::UnixListener::from_std(self.socket)?;
        tokio::spawn(async move {
            loop {
                match socket.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(receive(stream, events.clone()))),
                    Err(error) => {
                        // No descriptor is free, or the other side has gone: later ones must be heard all the same.
                        tracing::warn!(%error, "a message to the run could not be taken");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        });
        Ok(())
    }
}

/// Receives the messages of a connection until it ends. Each is a line, answered by `ok`.
async fn receive(stream: tokio::net::UnixStream, events: mpsc::Sender<Outside>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    let received = async {
        loop {
            let mut line = Vec::new();
            if (&mut reader).take(MAX_MESSAGE).read_until(b'\n', &mut line).await? == 0 {
                return io::Result::Ok(());
            }
            let _gone = events.send(Outside::Message(serde_json::from_slice(&line)?)).await.is_err();
            writer.write_all(b"ok\n").await?;
        }
    };
    if let Err(error) = received.await {
        tracing::warn!(%error, "a message to the run was not understood");
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::run::{InheritedSocket, RunSocket};
    use crate::sys::socket;

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    /// What every way of messages promises. `leave` ends whoever receives.
    async fn expect_answers(
        mut control: impl Control,
        mut events: mpsc::Receiver<Outside>,
        leave: impl FnOnce(),
    ) {
        for by in [8, 9] {
            let message = Message::Stop { reason: StopReason::Superseded { by } };
            control.send(&message).await;
            assert!(matches!(events.recv().await, Some(Outside::Message(heard)) if heard == message));
            assert_eq!(control.answer().await, Some(Answer::Heard));
        }
        leave();
        control.send(&Message::Go {}).await;
        assert!(matches!(control.answer().await, Some(Answer::Away) | None));
    }

    #[test]
    fn every_message_is_answered_by_a_runner_that_is_there() {
        let run_dir = tempfile::tempdir().unwrap();
        for is_inherited in [true, false] {
            let (of_server, of_runner) = (runtime(), runtime());
            let (ours, theirs) = UnixStream::pair().unwrap();
            let socket = socket::listen(&run_dir.path().join(CONTROL_SOCKET)).unwrap();
            let (sender, events) = mpsc::channel(1);
            let inbox = Box::new(RunnerInbox { socket, server: Some(theirs) });
            of_runner.block_on(async { inbox.open(sender) }).unwrap();
            let leave = || of_runner.shutdown_background();
            of_server.block_on(async {
                if is_inherited {
                    expect_answers(InheritedSocket::new(ours).unwrap(), events, leave).await;
                } else {
                    expect_answers(RunSocket::new(run_dir.path().to_owned()), events, leave).await;
                }
            });
        }
    }
}
