//! What is counted and logged of each request.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use super::FlwdState;
use crate::model::escape_controls;
use crate::secret::without_credentials;

/// The longest path that is logged, in characters.
const MAX_PATH: usize = 200;

/// The label of what no route has.
const NO_ROUTE: &str = "unmatched";

/// The routes, as they are counted; the router knows the cancelling of a run as one of its id.
const ROUTES: [&str; 18] = [
    "/jobs",
    "/plans",
    "/runs",
    "/runs/{id}",
    "/runs/{id}/events",
    "/runs/{id}/events.ndjson",
    "/events",
    "/events/stream",
    "/sources",
    "/sources/{name}",
    "/metrics",
    "/healthz",
    "/readyz",
    "/startupz",
    "/capabilities",
    "/limits",
    "/health/storage",
    "/kv/{*path}",
];

/// The label of a request's route.
fn route_of(method: &Method, matched: Option<&MatchedPath>) -> &'static str {
    let matched = matched.map(MatchedPath::as_str);
    if *method == Method::POST && matched == Some("/runs/{id}") {
        return "/runs/{id}:cancel";
    }
    ROUTES.into_iter().find(|route| Some(*route) == matched).unwrap_or(NO_ROUTE)
}

/// The label of a method. Anybody may invent others.
fn label_of(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Counts and logs a request when its answer begins.
pub(super) async fn record(State(flwd): State<FlwdState>, request: Request, next: Next) -> Response {
    let (method, begun) = (request.method().clone(), Instant::now());
    let path: String =
        escape_controls(&without_credentials(request.uri().path())).chars().take(MAX_PATH).collect();
    let route = route_of(&method, request.extensions().get::<MatchedPath>());
    let answer = next.run(request).await;
    let (took, status) = (begun.elapsed(), answer.status().as_u16());
    flwd.metrics.answered(label_of(&method), route, status, took);
    let duration = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let profile = flwd.flags.profile().as_str();
    tracing::info!(%method, path, status, route, duration, profile.config = profile, "request");
    answer
}
