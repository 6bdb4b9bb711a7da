//! What `quire notify` asks the server for, over the Unix socket.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::AppState;
use crate::store;
use crate::sys::clock;

/// `POST /notify/{id}/retry`: 200 when the message is tried now, 404 when there is none.
pub(super) async fn retry(State(app): State<AppState>, Path(id): Path<String>) -> Response {
    let changed = app.store.call(move |connection| store::retry_message(connection, &id, clock::now())).await;
    let (status, value) = match changed {
        Ok(Ok(true)) => (StatusCode::OK, json!({ "retried": true })),
        Ok(Ok(false)) => (StatusCode::NOT_FOUND, json!({ "error": "no such message" })),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": error.to_string() })),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": error.to_string() })),
    };
    app.notices.notify_one();
    (status, axum::Json(value)).into_response()
}
