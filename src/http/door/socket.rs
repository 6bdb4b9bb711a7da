//! A connected socket whose reads and writes are seen, and which is still there when its protocol has ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::progress::Progress;
use crate::sys::ready::has_hung_up;

/// How long, and how much, is read of a client that still sends when it has its answer. A socket that is closed with
/// unread bytes is reset, and a reset takes the answer away from the client.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1 << 20);

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
}

impl Socket {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
        }
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Unix(stream) => stream.poll_write_ready(context),
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    /// Writes what can be written without waiting.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Whether the client is gone.
    pub(super) fn has_hung_up(&self) -> bool {
        match self {
            Self::Tcp(stream) => has_hung_up(stream),
            Self::Unix(stream) => has_hung_up(stream),
        }
    }

    /// Waits until the client sends no more. What it sends meanwhile belongs to nothing: the answer is the last one.
    pub(super) async fn until_read_closed(&self) {
        let (mut buffer, mut most) = ([0; 1024], LINGER.1);
        while std::future::poll_fn(|context| self.poll_read_ready(context)).await.is_ok() {
            match self.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => match most.checked_sub(count) {
                    Some(left) => most = left,
                    // It is not read any further, and noticed as every other client is.
                    None => std::future::pending().await,
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn shut_down(&self) -> io::Result<()> {
        use rustix::net::{Shutdown, shutdown};
        let shut = match self {
            Self::Tcp(stream) => shutdown(stream, Shutdown::Write),
            Self::Unix(stream) => shutdown(stream, Shutdown::Write),
        };
        shut.map_err(io::Error::from)
    }

    /// Lets the client read its answer before the socket is closed.
    pub(super) async fn linger(&self) {
        if self.shut_down().is_err() {
            return; // the client is gone
        }
        let (patience, mut most) = LINGER;
        let drained = tokio::time::timeout(patience, async {
            let mut buffer = [0; 8192];
            while std::future::poll_fn(|context| self.poll_read_ready(context)).await.is_ok() {
                match self.try_read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => match most.checked_sub(count) {
                        Some(left) => most = left,
                        None => return,
                    },
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        });
        let _still_sends = drained.await.is_err();
    }
}

/// HTTP over a socket.
pub(super) struct Seen {
    pub(super) socket: Arc<Socket>,
    pub(super) progress: Arc<Progress>,
}

impl AsyncRead for Seen {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?;
            match self.socket.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    self.progress.has_read();
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Seen {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            if self.socket.poll_write_ready(context)?.is_pending() {
                self.progress.has_written(false);
                return Poll::Pending;
            }
            match self.socket.try_write(bytes) {
                Ok(count) => {
                    self.progress.has_written(true);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shut_down())
    }
}
