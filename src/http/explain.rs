//! Pages that explain the codes of problems.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::Code;

/// `GET /problems/{code}`: what a code means.
pub(super) async fn explain(Path(code): Path<String>) -> Response {
    let (status, text) = match Code::parse(&code) {
        Some(code) => (StatusCode::OK, format!("{}: {}\n", code.as_str(), code.meaning())),
        None => (StatusCode::NOT_FOUND, "there is no such code\n".to_owned()),
    };
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
