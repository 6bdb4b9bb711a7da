//! Which routes there are, and which scopes each requires.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, any, delete, get, post};
use ring::hmac;

use super::identity::FlwdScope::{
    self, EventsRead, JobsRead, RunsRead, RunsWrite, SourcesRead, SourcesWrite,
};
use super::identity::{Gate, identify, require};
use super::problem::FlwdProblem;
use super::{FlwdState, access, browser, health, hub, jobs, runs, sources, streams};

/// The largest body of a request, in bytes.
const MAX_BODY: usize = 1 << 20;

/// The routes; `key` verifies tokens.
pub(super) fn router(flwd: FlwdState, key: Option<hmac::Key>) -> Router {
    let is_dev = flwd.flags.is_dev;
    let gate = Gate::new(flwd.app.clone(), is_dev, key);
    let mut router = Router::new()
        .route("/jobs", guarded(get(jobs::list), &[JobsRead]))
        .route("/plans", guarded(post(jobs::plan), &[JobsRead]))
        .route("/runs", guarded(get(runs::list), &[RunsRead]).merge(guarded(post(jobs::start), &[RunsWrite])))
        .route(
            "/runs/{id}",
            guarded(get(runs::get), &[RunsRead]).merge(guarded(post(runs::cancel), &[RunsWrite])),
        )
        .route("/runs/{id}/events", guarded(get(streams::of_run), &[RunsRead, EventsRead]))
        .route("/runs/{id}/events.ndjson", guarded(get(streams::export), &[RunsRead, EventsRead]))
        .route("/events", guarded(get(hub::of_all), &[EventsRead]))
        .route("/events/stream", guarded(get(hub::of_all), &[EventsRead]))
        .route(
            "/sources",
            guarded(get(sources::list), &[SourcesRead]).merge(guarded(post(sources::add), &[SourcesWrite])),
        )
        .route(
            "/sources/{name}",
            guarded(get(sources::get), &[SourcesRead])
                .merge(guarded(delete(sources::remove), &[SourcesWrite])),
        )
        .route("/capabilities", guarded(get(health::capabilities), &[JobsRead]))
        .route("/limits", guarded(get(health::limits), &[JobsRead]))
        .route("/health/storage", guarded(get(health::storage), &[JobsRead]))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/startupz", get(health::startupz))
        .route("/kv/{*path}", any(no_store));
    if flwd.flags.has_metrics {
        router = router.route("/metrics", get(health::metrics));
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(gate, identify))
        .layer(from_fn_with_state(is_dev, browser::admit))
        .layer(from_fn_with_state(flwd.clone(), access::record))
        .layer(map_response(private))
        .with_state(flwd)
}

/// Handlers that require these scopes.
fn guarded(handlers: MethodRouter<FlwdState>, scopes: &'static [FlwdScope]) -> MethodRouter<FlwdState> {
    handlers.route_layer(from_fn_with_state(scopes, require))
}

async fn no_route() -> FlwdProblem {
    FlwdProblem::not_found("there is nothing at this path")
}

async fn no_method() -> FlwdProblem {
    FlwdProblem::method_not_allowed("the path has no such method")
}

async fn no_store() -> FlwdProblem {
    FlwdProblem::not_found("this server has no key/value store")
}

/// Answers depend on who asks: nobody between keeps them.
async fn private(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
