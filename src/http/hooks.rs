//! `POST /intents` and `POST /events`: what hooks send. They read text.

use axum::body::Body;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio_stream::wrappers::ReceiverStream;

use super::problem::status_of;
use crate::app::{AppState, Problem, record_push, report_push};
use crate::intake::{EventFrame, IntentFrame};

/// A problem for a hook.
fn refusal(problem: &Problem) -> Response {
    (status_of(problem), format!("{}\n", problem.text)).into_response()
}

/// Records what a push is about to do. The answer comes after it is on disk.
pub(super) async fn intents(State(app): State<AppState>, Json(frame): Json<IntentFrame>) -> Response {
    match record_push(app, frame).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(problem) => refusal(&problem),
    }
}

/// Settles what a push has done, and streams what the pusher is to read.
pub(super) async fn events(State(app): State<AppState>, Json(frame): Json<EventFrame>) -> Response {
    match report_push(app, frame).await {
        Ok(lines) => Body::from_stream(ReceiverStream::new(lines)).into_response(),
        Err(problem) => refusal(&problem),
    }
}
