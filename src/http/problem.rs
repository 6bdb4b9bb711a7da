//! Problems of operations as answers.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use super::guarded::Guarded;
use crate::app::{AppState, Caller, Code, Operation, Problem, ProblemFrame};
use crate::model::Quoted;

/// The media type of problems (RFC 9457).
const PROBLEM_JSON: &str = "application/problem+json";

/// A problem as the answer to a request.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Problem);

impl<P: Into<Problem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        answer(&self.0)
    }
}

/// What every route may answer beside what it is for, in the OpenAPI document.
pub(super) struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let problem = |what: &str| {
            RefOr::T(ResponseBuilder::new().description(what).content(PROBLEM_JSON, content.clone()).build())
        };
        let client = problem("The request was not done; `code` says why");
        let server = problem("The server could not do it, or not now");
        BTreeMap::from([("4XX".to_owned(), client), ("5XX".to_owned(), server)])
    }
}

/// The status of a problem.
pub(super) fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A problem for programs.
pub(super) fn answer(problem: &Problem) -> Response {
    let status = status_of(problem);
    let frame = ProblemFrame::new(problem, status.canonical_reason().unwrap_or_default());
    let mut answer =
        (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], Json(frame).into_response().into_body())
            .into_response();
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    answer
}

/// The handler of an operation.
pub(super) async fn perform<O: Operation>(
    State(app): State<AppState>,
    caller: Caller,
    request: Result<Json<O>, JsonRejection>,
) -> Response {
    let performed = match request {
        Ok(Json(operation)) => operation.perform(&app.acting_as(&caller)).await,
        Err(rejection) => Err(rejected(&rejection)),
    };
    match performed {
        // Until the whole answer was sent: a server that stops waits for it.
        Ok(answer) => {
            Json(answer).into_response().map(|body| Body::new(Guarded::new(body, app.stopping.waiter())))
        }
        Err(problem) => answer(&problem),
    }
}

/// The problem of a body that is not a request.
pub(super) fn rejected(rejection: &JsonRejection) -> Problem {
    let text = rejection.body_text();
    let prefixes = [
        "Failed to deserialize the JSON body into the target type: ",
        "Failed to parse the request body as JSON: ",
    ];
    let text = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(Code::RequestType, "the body is not JSON")
            .hint("send Content-Type: application/json"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::RequestTooLarge, text),
        _ => Problem::new(Code::RequestInvalid, format!("in the body: {text}")),
    }
}

/// The answer to a path that has no route.
pub(super) async fn no_route(uri: Uri) -> Refused {
    Problem::new(Code::RouteNotFound, format!("there is nothing at {}", Quoted::new(uri.path())))
        .hint("GET /api/v1/openapi.json lists the routes")
        .into()
}

/// The answer to a method that a path has not.
pub(super) async fn no_method(method: axum::http::Method, uri: Uri) -> Refused {
    let (method, path) = (Quoted::new(method.as_str()).to_string(), Quoted::new(uri.path()).to_string());
    Problem::new(Code::MethodNotAllowed, format!("{path} has no method {method}"))
        .hint("GET /api/v1/openapi.json lists the routes")
        .into()
}
