//! What browsers may do: pages of this machine may call the API with `--dev`, and no other site's may change anything.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::FlwdProblem;

const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, Idempotency-SHA256, Last-Event-ID";
const ANSWER_HEADERS: &str = "X-Flowd-Discovery-Errors, Idempotent-Replay, Retry-After, WWW-Authenticate";

/// Answers browsers. Without `--dev` a token is needed, which no page of another site has.
pub(super) async fn admit(State(is_dev): State<bool>, request: Request, next: Next) -> Response {
    if !is_dev {
        return next.run(request).await;
    }
    let (method, headers) = (request.method().clone(), request.headers());
    // A name that somebody else owns may lead to this machine: then the page is not one of it.
    if let Some(host) = foreign_host(headers) {
        let detail = format!("with --dev this server answers to addresses and to localhost, not to {host}");
        return FlwdProblem::misdirected(detail).into_response();
    }
    let origin = headers.get(header::ORIGIN).cloned();
    let local = origin.clone().filter(is_local);
    let is_change = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    let mut answer = match (&origin, &local) {
        (Some(_), Some(_)) if method == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        (Some(_), None) if is_change => {
            FlwdProblem::forbidden("a page of another site must not change anything").into_response()
        }
        _ => next.run(request).await,
    };
    if let Some(origin) = local {
        let mut set = |name, value| drop(answer.headers_mut().insert(name, value));
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        set(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
    }
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    answer
}

/// Whether an origin is a page of this machine: `http`, the host `localhost` or `127.0.0.1`, and any port.
fn is_local(origin: &HeaderValue) -> bool {
    let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    host.is_some_and(|host| matches!(without_port(host), Some("localhost" | "127.0.0.1")))
}

/// The host that a request names, when it is a name other than `localhost`.
fn foreign_host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok().unwrap_or("?");
    let name = without_port(host).unwrap_or(host);
    let is_address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let is_own = is_address || name.eq_ignore_ascii_case("localhost");
    (!is_own).then(|| crate::model::Quoted::new(host).to_string())
}

/// A host without its port; nothing when what follows the colon is none.
fn without_port(host: &str) -> Option<&str> {
    if host.ends_with(']') {
        return Some(host);
    }
    let Some((name, port)) = host.rsplit_once(':') else { return Some(host) };
    let is_port =
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_port.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_are_local() {
        let is_local = |origin: &str| is_local(&HeaderValue::from_str(origin).unwrap());
        for origin in
            ["http://localhost", "http://localhost:3000", "http://127.0.0.1:65535", "http://127.0.0.1"]
        {
            assert!(is_local(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil.test",
            "http://localhost:3000.evil.test",
            "http://localhost:",
            "http://localhost:99999",
            "http://127.0.0.1.evil.test:80",
            "https://localhost",
            "http://evil.test",
            "null",
            "",
            "http://localhost@evil.test",
            "http://localhost:3000/",
            "http://localhost:+80",
        ] {
            assert!(!is_local(origin), "{origin}");
        }
    }

    #[test]
    fn a_name_that_others_own_is_foreign() {
        let host = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            foreign_host(&headers)
        };
        for own in ["localhost:8080", "LOCALHOST", "127.0.0.1:1", "192.0.2.1:80", "[::1]:8080", "[::1]"] {
            assert_eq!(host(own), None, "{own}");
        }
        for foreign in ["evil.test", "evil.test:8080", "localhost.evil.test:8080", ""] {
            assert!(host(foreign).is_some(), "{foreign}");
        }
    }
}
