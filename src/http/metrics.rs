//! `GET /metrics`: for Prometheus.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::problem::Refused;
use crate::app::{AppState, Caller, scrape};
use crate::metrics::TEXT_FORMAT;
use crate::model::Scope;

/// Headers of a request that came through a proxy: not from this machine, then. All that begin with the last one count.
const FORWARDED: [&str; 3] = ["forwarded", "x-real-ip", "via"];
const X_FORWARDED: &str = "x-forwarded-";

/// The metrics, for callers with the scope `admin`.
pub(super) async fn metrics(State(app): State<AppState>, caller: Caller) -> Result<Response, Refused> {
    caller.require(Scope::Admin)?;
    Ok(answer(&app).await)
}

/// The metrics of a server on loopback: for everybody on this machine, but not for whom a proxy lets in.
pub(super) async fn metrics_on_loopback(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if is_proxied(&headers) {
        caller.require(Scope::Admin)?;
    }
    Ok(answer(&app).await)
}

/// Whether a request to a server on loopback may have come from elsewhere: through a proxy, or by a name that leads here.
pub(crate) fn is_proxied(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut names = headers.keys().map(header::HeaderName::as_str);
    !super::router::is_loopback(host)
        || names.any(|name| FORWARDED.contains(&name) || name.starts_with(X_FORWARDED))
}

async fn answer(app: &AppState) -> Response {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], scrape(app).await).into_response()
}
