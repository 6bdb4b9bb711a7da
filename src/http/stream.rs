//! Bodies that are made while they are sent. Nothing is made ahead of a client that does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::app::{AppState, Caller, Problem, until_refused};

/// Marks an answer that does not take one of the door's connections: its kind has a limit of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnPlace;

/// What comes out of a channel, as a body.
pub(super) struct Parts<T, E>(pub(super) mpsc::Receiver<Result<T, E>>);

impl<T: Into<Bytes>, E> HttpBody for Parts<T, E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| part.map(|part| Frame::data(part.into()))))
    }
}

/// The way into a body. Clones share it.
#[derive(Clone)]
pub(crate) struct BodyParts(mpsc::Sender<io::Result<Bytes>>);

impl BodyParts {
    /// Adds a part as soon as the one before it was taken; whether the client is still there.
    pub(crate) async fn send(&self, part: Bytes) -> bool {
        self.0.send(Ok(part)).await.is_ok()
    }

    /// Breaks the answer off: the client must not take it for a whole one.
    pub(crate) async fn fail(&self, problem: &Problem) {
        tracing::warn!(%problem, "an answer breaks off");
        let _gone = self.0.send(Err(io::Error::other(problem.text.clone()))).await.is_err();
    }

    /// Waits until the client is gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// A body whose parts `make` sends.
pub(crate) fn streamed<F: Future<Output = ()> + Send + 'static>(make: impl FnOnce(BodyParts) -> F) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    // It ends with its client, or with what it sends.
    tokio::spawn(make(BodyParts(sender)));
    Body::new(Parts(receiver))
}

/// The same for a body that may never end: it breaks off when what the caller came in with does not count any more.
pub(super) fn streamed_to<F: Future<Output = ()> + Send + 'static>(
    (app, caller): (AppState, Caller),
    make: impl FnOnce(BodyParts) -> F + Send + 'static,
) -> Body {
    streamed(|parts| async move {
        tokio::select! {
            () = make(parts.clone()) => {}
            problem = until_refused(&app, &caller) => parts.fail(&problem).await,
        }
    })
}
