//! A request on its way to the routes: it is read whole, except for what git sends, and what can be understood in two ways is refused.

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::limits::{MAX_HEAD, SMALL_BODY};
use super::progress::Progress;
use crate::app::{Code, Problem};
use crate::http::git::streams_body;

/// How the routes of a door answer with a problem.
pub(crate) type AnswerProblem = fn(&Problem) -> Response<Body>;

/// Headers that have one value. Those that say who asks, and `Idempotency-Key`, have problems of their own.
const ONCE: [&str; 7] =
    ["Host", "Content-Type", "Range", "If-Range", "Last-Event-ID", "Origin", "Sec-Fetch-Site"];

/// A whole request.
pub(super) struct Gathered<'a> {
    pub(super) request: Request<Body>,
    /// Held until the request is answered, when its body is large.
    pub(super) _memory: Option<SemaphorePermit<'a>>,
}

/// The memory for the bodies of requests.
pub(super) struct BodyLimits {
    /// The largest body, in bytes.
    pub(super) most: usize,
    /// Taken for each body that is not small.
    pub(super) large: Semaphore,
}

/// Reads the body of a request.
///
/// # Errors
/// Why the request is refused.
pub(super) async fn gather<'a>(
    request: Request<Incoming>,
    progress: &Progress,
    limits: &'a BodyLimits,
) -> Result<Gathered<'a>, Problem> {
    progress.expect_body();
    let gathered = read(request, limits).await;
    progress.begin_answer();
    gathered
}

/// The answer to a request that is refused, after which the connection ends.
pub(super) fn refusal(problem: &Problem, answer: AnswerProblem) -> Response<Body> {
    tracing::warn!("refused a request: {problem}");
    let mut answer = answer(problem);
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

async fn read(request: Request<Incoming>, limits: &BodyLimits) -> Result<Gathered<'_>, Problem> {
    let streams = streams_body(request.method(), request.uri());
    check(request.version(), request.headers(), streams)?;
    if head_length(&request) > MAX_HEAD {
        return Err(Problem::new(Code::RequestHeadTooLarge, "the head of the request is too long"));
    }
    let (head, body) = request.into_parts();
    if streams {
        // Whoever passes it on limits it.
        return Ok(Gathered { request: Request::from_parts(head, Body::new(body)), _memory: None });
    }
    let length = body.size_hint().lower();
    if length > limits.most as u64 {
        let text = format!("the body of the request has {length} bytes, and the limit is {}", limits.most);
        return Err(Problem::new(Code::RequestTooLarge, text));
    }
    let memory = match length > SMALL_BODY {
        true => limits.large.acquire().await.ok(),
        false => None,
    };
    let body = Limited::new(body, limits.most).collect().await;
    let unread = |_| Problem::new(Code::RequestInvalid, "the body of the request could not be read");
    let body = body.map_err(unread)?;
    Ok(Gathered { request: Request::from_parts(head, Body::from(body.to_bytes())), _memory: memory })
}

/// Refuses what a proxy before the server may have understood otherwise (RFC 9112, sections 3.2 and 6.1).
fn check(version: Version, headers: &HeaderMap, streams: bool) -> Result<(), Problem> {
    let bad = |problem: &str| Err(Problem::new(Code::RequestInvalid, problem));
    if let Some(name) = ONCE.iter().find(|name| headers.get_all(**name).iter().count() > 1) {
        return bad(&format!("the request has several {name} headers"));
    }
    if !headers.contains_key(header::HOST) && version != Version::HTTP_10 {
        return bad("the request has no Host header");
    }
    // A Content-Length next to it is not shown by the protocol's parser.
    if headers.contains_key(header::TRANSFER_ENCODING) && !streams {
        return bad("the request has a Transfer-Encoding; send its body with a Content-Length");
    }
    Ok(())
}

/// How long the head of a request is at least: the parser's own limit is that of its buffer, which may be larger.
fn head_length<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    target + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(version: Version, fields: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        check(version, &headers, false).is_err()
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_refused() {
        let host = ("host", "localhost");
        assert!(!is_refused(Version::HTTP_11, &[host]));
        assert!(!is_refused(Version::HTTP_10, &[]));
        assert!(is_refused(Version::HTTP_11, &[]));
        assert!(is_refused(Version::HTTP_11, &[host, host]));
        assert!(is_refused(Version::HTTP_10, &[host, ("host", "other")]));
        for name in ONCE {
            assert!(is_refused(Version::HTTP_11, &[host, (name, "a"), (name, "a")]), "{name}");
            assert!(name == "Host" || !is_refused(Version::HTTP_11, &[host, (name, "a")]), "{name}");
        }
        assert!(is_refused(Version::HTTP_11, &[host, ("transfer-encoding", "chunked")]));
    }
}
