//! `POST /intents` and `POST /events`: what hooks send. They read text.

use axum::body::Body;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::guarded::Guarded;
use super::problem::status_of;
use super::stream::Parts;
use crate::app::{AppState, Problem, record_push, report_push};
use crate::intake::{EventFrame, IntentFrame};
use crate::metrics::Hook;
use crate::view::{one_line, output_line};

/// A problem for a hook.
fn refusal(problem: &Problem) -> Response {
    (status_of(problem), format!("{}\n", problem.text)).into_response()
}

/// Records what a push is about to do. The answer comes after it is on disk.
pub(super) async fn intents(State(app): State<AppState>, Json(frame): Json<IntentFrame>) -> Response {
    let _timed = app.metrics.time_hook(Hook::PreReceive);
    let (repo, pusher) = (frame.git_dir.clone(), frame.pusher.clone());
    match record_push(app, frame).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(problem) => {
            let by = pusher.map(|pusher| format!(" by {}", one_line(&pusher))).unwrap_or_default();
            tracing::warn!("refused a push to {}{by}: {}", one_line(&repo), output_line(&problem.text));
            refusal(&problem)
        }
    }
}

/// Settles what a push has done, and streams what the pusher is to read.
pub(super) async fn events(State(app): State<AppState>, Json(frame): Json<EventFrame>) -> Response {
    // Until the whole answer was sent: the server lets it have its last line when it stops.
    let held = (app.stopping.waiter(), app.metrics.time_hook(Hook::PostReceive));
    match report_push(app, frame).await {
        Ok(lines) => Response::new(Body::new(Guarded::new(Body::new(Parts(lines)), held))),
        Err(problem) => refusal(&problem),
    }
}
