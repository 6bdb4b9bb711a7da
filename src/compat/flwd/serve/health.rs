//! What the server says about itself.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::FlwdState;
use super::http_metrics::SPEC_VERSION;
use super::identity::Identity;
use super::problem::FlwdProblem;
use crate::app::{job_journal_bytes, storage_state, unfinished_counts};
use crate::http::is_proxied;
use crate::sys::clock;

/// The media type of the metrics.
const METRICS_TYPE: &str = "text/plain; charset=utf-8";

/// `GET /healthz`: 204 while the server lives.
pub(super) async fn healthz() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

/// `GET /readyz`: 200 when the server can take work.
pub(super) async fn readyz(State(flwd): State<FlwdState>) -> Result<Json<Value>, FlwdProblem> {
    let troubles = flwd.app.troubles().await;
    match troubles.is_empty() {
        true => Ok(Json(json!({"status": "ready"}))),
        false => Err(FlwdProblem::not_ready(troubles.join("; "))),
    }
}

/// `GET /startupz`: whoever can ask has found the server started.
pub(super) async fn startupz() -> Json<Value> {
    Json(json!({"status": "started"}))
}

/// `GET /metrics`: for everybody on this machine when the server listens on loopback, otherwise with any token.
pub(super) async fn metrics(
    State(flwd): State<FlwdState>,
    headers: HeaderMap,
    identity: axum::Extension<Identity>,
) -> Result<Response, FlwdProblem> {
    if !flwd.is_on_loopback || is_proxied(&headers) {
        identity.0.0?;
    }
    Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], flwd.metrics.render()).into_response())
}

/// `GET /capabilities`.
pub(super) async fn capabilities(State(flwd): State<FlwdState>) -> Json<Value> {
    let version = flwd.flags.version.as_str();
    Json(json!({
        "core": {"version": version, "spec_version": SPEC_VERSION, "app_id": "flowd"},
        "extensions": [{"name": "export", "version": version, "compiled": true, "enabled": flwd.has_export()}],
    }))
}

/// `GET /limits`: how many runs there are at the same time, and how many wait.
pub(super) async fn limits(State(flwd): State<FlwdState>) -> Result<Json<Value>, FlwdProblem> {
    let (queued, running) = unfinished_counts(&flwd.app).await?;
    let accepted = flwd.accepted();
    Ok(Json(json!({
        "algorithm": "fifo",
        "concurrency": flwd.app.settings.get().limits.runs,
        "queue_max_depth": 0,
        "backpressure_mode": "queue",
        "queue_stats": {
            "len": queued,
            "running": running,
            "enqueued": accepted,
            "dequeued": accepted.saturating_sub(queued),
            "dropped": 0,
        },
        "updated_at": clock::now().to_string(),
    })))
}

/// `GET /health/storage`.
pub(super) async fn storage(State(flwd): State<FlwdState>) -> Result<Json<Value>, FlwdProblem> {
    let (state, journal_bytes) = (storage_state(&flwd.app).await?, job_journal_bytes(&flwd.app).await?);
    let troubles = flwd.app.troubles().await;
    // The disk is the limit.
    let most = state.database_bytes.saturating_add(state.free_bytes);
    let body = json!({
        "driver": "sqlite",
        "ok": troubles.is_empty(),
        "bytes_used": state.database_bytes,
        "max_bytes": most,
        "journal_bytes": journal_bytes,
        "journal_max_bytes": state.free_bytes,
        "eviction_active": false,
        "schema_version": state.schema_version,
    });
    if troubles.is_empty() {
        return Ok(Json(body));
    }
    let problem = FlwdProblem::degraded(troubles.join("; "));
    let more = body.as_object().into_iter().flatten();
    Err(more.fold(problem, |problem, (name, value)| problem.with(name, value.clone())))
}
