//! From which page a browser sends a request, and which other sites may do so.

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::model::WebOrigin;

/// Where a request comes from, as far as the browser says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A page of this server.
    Own,
    /// A page of another site, or one without an origin.
    Foreign,
    /// It is not said: no browser, or one that shows an address that was typed.
    Unsaid,
}

/// What a browser may ask for from another site, and how long it may remember that, in seconds.
const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE";
const REQUEST_HEADERS: &str =
    "authorization, content-type, idempotency-key, if-none-match, last-event-id, range";
const ANSWER_HEADERS: &str =
    "link, location, etag, idempotent-replay, retry-after, content-range, www-authenticate";
const PREFLIGHT_LIFE: &str = "600";

/// Where a request comes from. `public` is the origin of the public address; the host in `Host` was checked before.
pub(super) fn sender(headers: &HeaderMap, public: Option<&WebOrigin>) -> Sender {
    let site = headers.get_all("sec-fetch-site").iter().map(|site| site == "same-origin");
    let origins = headers.get_all(header::ORIGIN).iter().map(|origin| is_own(origin, headers, public));
    let said: Vec<bool> = site.chain(origins).collect();
    match said.as_slice() {
        [] => Sender::Unsaid,
        said if said.iter().all(|is_own| *is_own) => Sender::Own,
        _ => Sender::Foreign,
    }
}

fn is_own(origin: &HeaderValue, headers: &HeaderMap, public: Option<&WebOrigin>) -> bool {
    let Some(origin) = parse(origin) else { return false };
    if public == Some(&origin) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let of_host = |scheme: &str| WebOrigin::parse(&format!("{scheme}://{host}")).ok();
    // The host of a public address has its scheme, too.
    let is_public = |origin: &Option<WebOrigin>| origin.is_some() && origin.as_ref() == public;
    of_host("http") == Some(origin) && !is_public(&of_host("https"))
}

fn parse(origin: &HeaderValue) -> Option<WebOrigin> {
    origin.to_str().ok().and_then(|origin| WebOrigin::parse(origin).ok())
}

/// The other site that a request comes from, if its pages may call the API.
pub(super) fn allowed(headers: &HeaderMap, sites: &[WebOrigin]) -> Option<WebOrigin> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().and_then(parse).filter(|origin| sites.contains(origin))?;
    origins.next().is_none().then_some(origin)
}

/// Whether a request asks what a browser may ask for.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to such a question.
pub(super) fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets pages of another site read an answer. Cookies are never sent from there.
pub(super) fn let_read(answer: &mut Response, origin: &WebOrigin) {
    let headers = answer.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.as_str());
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_request_comes_from_an_own_page_when_everything_says_so() {
        let public = WebOrigin::parse("https://git.example.org").unwrap();
        let from = |host: &str, pairs: &[(&'static str, &str)]| {
            let mut all = headers(pairs);
            all.insert(header::HOST, host.parse().unwrap());
            sender(&all, Some(&public))
        };
        let local = "127.0.0.1:7878";
        assert_eq!(from(local, &[]), Sender::Unsaid);
        for own in [
            &[("origin", "http://127.0.0.1:7878")][..],
            &[("origin", "https://git.example.org")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:7878")],
        ] {
            assert_eq!(from(local, own), Sender::Own, "{own:?}");
        }
        for foreign in [
            &[("origin", "null")][..],
            &[("origin", "")],
            &[("origin", "http://127.0.0.1")],
            &[("origin", "https://127.0.0.1:7878")],
            &[("origin", "http://127.0.0.1:7878.evil.example")],
            &[("origin", "http://git.example.org")],
            &[("origin", "http://127.0.0.1:7878"), ("origin", "http://127.0.0.1:7878"), ("origin", "null")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:7878")],
        ] {
            assert_eq!(from(local, foreign), Sender::Foreign, "{foreign:?}");
        }
        assert_eq!(from("git.example.org", &[("origin", "https://git.example.org")]), Sender::Own);
        assert_eq!(from("git.example.org", &[("origin", "http://git.example.org")]), Sender::Foreign);
    }

    #[test]
    fn only_a_named_site_may_call() {
        let sites = [WebOrigin::parse("https://pages.example.org").unwrap()];
        let is_allowed = |pairs: &[(&'static str, &str)]| allowed(&headers(pairs), &sites).is_some();
        assert!(is_allowed(&[("origin", "https://pages.example.org")]));
        for other in ["https://pages.example.org.evil.example", "http://pages.example.org", "null", "*", ""] {
            assert!(!is_allowed(&[("origin", other)]), "{other}");
        }
        assert!(!is_allowed(&[]));
        assert!(!is_allowed(&[
            ("origin", "https://pages.example.org"),
            ("origin", "https://pages.example.org")
        ]));
    }
}
