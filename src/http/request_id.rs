//! The id of a request: in its answer, and in every line that the server logs while it answers.

use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;

use crate::model::escape_controls;
use crate::secret::without_credentials;
use crate::sys::random;

/// The header, in requests of a proxy and in answers.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a request, in bytes.
const MAX_ID: usize = 64;

/// The longest path that is logged, in bytes.
const MAX_PATH: usize = 200;

tokio::task_local! {
    static CURRENT: String;
}

/// Who the request was found to be from: known once somebody has asked for it.
#[derive(Debug, Clone, Default)]
pub(super) struct FoundActor(Arc<OnceLock<String>>);

impl FoundActor {
    /// Notes who asks.
    pub(super) fn set(&self, actor: &str) {
        let _was_known = self.0.set(actor.to_owned()).is_err();
    }
}

/// The id of the request that is being answered, if one is.
pub(crate) fn current_request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Answers a request under its id: that of the proxy before the server when it is well-formed, otherwise a new one.
pub(super) async fn identified<B>(
    headers: &HeaderMap,
    answer: impl Future<Output = axum::http::Response<B>>,
) -> axum::http::Response<B> {
    let id = given_id(headers).unwrap_or_else(|| random::run_id().to_string());
    let mut answer = CURRENT.scope(id.clone(), answer).await;
    answer.headers_mut().extend(HeaderValue::from_str(&id).map(|id| (HEADER, id)));
    answer
}

/// The id that a request brings.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(HEADER).iter();
    let (Some(id), None) = (given.next(), given.next()) else { return None };
    let id = id.to_str().ok()?;
    let is_well_formed = (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'));
    // One that looks like a token may be a token.
    (is_well_formed && without_credentials(id) == id).then(|| id.to_owned())
}

/// Logs requests that change something, and those that are refused. Pushes and foreign hosts have lines of their own.
pub(super) async fn log_request(mut request: Request, next: Next) -> Response {
    let (method, uri, begun) = (request.method().clone(), request.uri().clone(), std::time::Instant::now());
    let actor = FoundActor::default();
    request.extensions_mut().insert(actor.clone());
    let answer = next.run(request).await;
    if is_logged(&method, uri.path(), answer.status()) {
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let actor = escape_controls(actor.0.get().map_or("nobody", String::as_str));
        let (status, path) = (answer.status().as_u16(), shown_path(&uri));
        let request_id = current_request_id().unwrap_or_default();
        tracing::info!(%method, %path, status, %actor, took_ms, %request_id, "request");
    }
    answer
}

fn is_logged(method: &Method, path: &str, status: StatusCode) -> bool {
    let has_own_line = matches!(path, "/intents" | "/events" | "/runs/wait");
    let is_change = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    // What is not there, somebody only looked for.
    let is_refused =
        status.as_u16() >= 400 && !matches!(status, StatusCode::NOT_FOUND | StatusCode::MISDIRECTED_REQUEST);
    !has_own_line && (is_change || is_refused)
}

/// The path without its query, which may hold a token.
fn shown_path(uri: &Uri) -> String {
    let path = without_credentials(uri.path());
    let end = (0..=MAX_PATH).rev().find(|place| path.is_char_boundary(*place)).unwrap_or_default();
    escape_controls(path.get(..end).unwrap_or(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_ids_are_taken_over() {
        let given = |ids: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append(HEADER, HeaderValue::from_str(id).unwrap());
            }
            given_id(&headers)
        };
        assert_eq!(given(&["0af7651916cd43dd.1:a_b-c"]).as_deref(), Some("0af7651916cd43dd.1:a_b-c"));
        let long = "x".repeat(MAX_ID + 1);
        for wrong in
            [&[""][..], &["a b"], &["a\tb"], &["{}"], &["ü"], &["a", "a"], &[&long], &["qt_0123456789abcdef"]]
        {
            assert_eq!(given(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn changes_and_refusals_are_logged_without_what_is_secret() {
        let is_logged = |method: Method, path, status: u16| {
            super::is_logged(&method, path, StatusCode::from_u16(status).unwrap())
        };
        assert!(is_logged(Method::POST, "/api/v1/repos", 201) && is_logged(Method::DELETE, "/x", 404 - 1));
        assert!(is_logged(Method::GET, "/api/v1/repos", 401) && is_logged(Method::GET, "/x", 400));
        assert!(!is_logged(Method::GET, "/", 200) && !is_logged(Method::GET, "/x", 404));
        assert!(!is_logged(Method::POST, "/intents", 200));
        let shown = |uri: &str| shown_path(&uri.parse().unwrap());
        assert_eq!(shown("/api/v1/runs?token=hunter2"), "/api/v1/runs");
        assert!(!shown("/login/ql_0123456789abcdef").contains("0123456789abcdef"));
        assert_eq!(shown(&format!("/{}", "x".repeat(5000))).len(), MAX_PATH);
    }
}
