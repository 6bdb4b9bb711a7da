//! Starting again, over the Unix socket.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::AppState;

/// `POST /reset-caches`: 200 with a line; the connection ends when the server is gone. It starts again by itself.
pub(super) async fn reset_caches(State(app): State<AppState>) -> Response {
    let (sender, receiver) = mpsc::channel::<Result<&'static str, Infallible>>(1);
    tokio::spawn(async move {
        if sender.send(Ok("{\"restarts\":true}\n")).await.is_ok() {
            // There is room again when the line has been taken to be sent.
            let _taken = sender.reserve().await.is_ok();
            app.start_again.notify_one();
        }
        // The answer must not end before the server does: that is how the asker knows.
        std::future::pending::<()>().await;
    });
    Body::from_stream(ReceiverStream::new(receiver)).into_response()
}
