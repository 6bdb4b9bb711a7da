//! Problems of operations as answers.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::{AppState, Code, Operation, Problem, ProblemFrame};

/// The status of a problem.
pub(super) fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A problem for programs.
pub(super) fn answer(problem: &Problem) -> Response {
    let status = status_of(problem);
    let frame = ProblemFrame::new(problem, status.canonical_reason().unwrap_or_default());
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(frame).into_response().into_body())
        .into_response()
}

/// The handler of an operation.
pub(super) async fn perform<O: Operation>(
    State(app): State<AppState>,
    request: Result<Json<O>, JsonRejection>,
) -> Response {
    let performed = match request {
        Ok(Json(operation)) => operation.perform(&app).await,
        Err(rejection) => Err(rejected(&rejection)),
    };
    match performed {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => answer(&problem),
    }
}

/// The problem of a body that is not a request.
pub(super) fn rejected(rejection: &JsonRejection) -> Problem {
    let code = match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::RequestType,
        StatusCode::PAYLOAD_TOO_LARGE => Code::RequestTooLarge,
        _ => Code::RequestInvalid,
    };
    Problem::new(code, rejection.body_text())
}
