//! `Idempotency-Key`: a request that is sent again has the answer of the first, and is not done twice.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use ring::digest::{SHA256, digest};

use super::problem::{Refused, answer};
use crate::app::{AppState, Caller, Code, KeptAnswer, Keyed, Problem, TakenKey, keep_answer, take_key};

/// The header.
const KEY: &str = "idempotency-key";

/// The path whose answers have something secret in them.
const TOKENS: &str = "/api/v1/tokens";

/// Says that an answer is not the first.
const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// The largest body of a request with a key, and of an answer that is kept, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Headers of an answer that are kept.
const KEPT: [HeaderName; 2] = [header::CONTENT_TYPE, header::LOCATION];

/// Answers a POST with a key as it was answered before, or does it and keeps the answer.
pub(super) async fn replay(
    State(app): State<AppState>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let has_key = request.method() == Method::POST && request.headers().contains_key(KEY);
    // Nobody can make anything, and nothing is kept for nobody.
    if !has_key || caller.is_nobody() {
        return Ok(next.run(request).await);
    }
    if request.uri().path() == TOKENS {
        let text = "a new token is shown once, and its answer is not kept: send no Idempotency-Key";
        return Err(Problem::new(Code::IdempotencyInvalid, text).into());
    }
    let key = only_key(request.headers())?;
    let (parts, body) = request.into_parts();
    let too_large =
        |_| Problem::new(Code::RequestTooLarge, format!("the body has more than {MAX_BODY} bytes"));
    let body = to_bytes(body, MAX_BODY).await.map_err(too_large)?;
    let kind = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let whole = [path.as_bytes(), kind, &body].join(&b'\n');
    let request = Request::from_parts(parts, Body::from(body));
    match take_key(&app, (caller.actor(), &key), digest(&SHA256, &whole).as_ref().to_vec()).await? {
        Keyed::Again(kept) => Ok(answer_again(kept)),
        // A client that leaves does not leave it half done.
        Keyed::First(taken) => {
            let done = tokio::spawn(async move {
                let done = next.run(request).await;
                let is_kept = done.status().is_success();
                let kept = keep_first(&app, taken, (done, is_kept), MAX_BODY).await;
                kept.unwrap_or_else(|problem| answer(&problem))
            });
            Ok(done.await.unwrap_or_else(|error| answer(&Problem::failed(&error))))
        }
    }
}

fn only_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut keys = headers.get_all(KEY).iter();
    let wrong = |text: &str| Problem::new(Code::IdempotencyInvalid, text);
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(wrong("there are two Idempotency-Key headers"));
    };
    let key = key.to_str().map_err(|_| wrong("an Idempotency-Key is of visible ASCII characters"))?;
    Ok(key.to_owned())
}

/// Keeps the answer to a request that was done, when it is to be given again, and returns it.
///
/// # Errors
/// It has more than `limit` bytes, or broke off.
pub(crate) async fn keep_first(
    app: &AppState,
    taken: TakenKey,
    (done, is_kept): (Response, bool),
    limit: usize,
) -> Result<Response, Problem> {
    let (parts, body) = done.into_parts();
    let body = to_bytes(body, limit).await.map_err(|error| Problem::failed(&error))?;
    let kept = is_kept.then(|| kept(parts.status, &parts.headers, &body));
    if let Err(problem) = keep_answer(app, taken, kept).await {
        tracing::error!(%problem, "an answer was not kept for its Idempotency-Key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn kept(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> KeptAnswer {
    let text = |name: &HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()));
    KeptAnswer {
        status: status.as_u16(),
        headers: KEPT.iter().filter_map(text).collect(),
        body: body.to_vec(),
    }
}

/// The answer that was kept, which says that it is not the first.
pub(crate) fn answer_again(kept: KeptAnswer) -> Response {
    let mut answer = Response::new(Body::from(kept.body));
    *answer.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    answer
}
