//! The pages of signing in. They have no script.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::ask::head;
use super::frame::Frame;
use crate::app::Problem;
use crate::http::problem::Refused;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    problem: Option<String>,
    actor: Option<String>,
}

/// The form that takes a token, with what is wrong.
pub(in crate::http) fn form(status: StatusCode, problem: Option<&str>) -> Response {
    let frame = Frame::bare("Sign in");
    page(status, &SignInPage { frame, problem: problem.map(str::to_owned), actor: None })
}

/// Who is signed in, and the way out.
pub(in crate::http) fn signed_in(actor: &str) -> Response {
    let frame = Frame { actor: Some(actor.to_owned()), ..Frame::bare("Signed in") };
    page(StatusCode::OK, &SignInPage { frame, problem: None, actor: Some(actor.to_owned()) })
}

fn page(status: StatusCode, page: &SignInPage) -> Response {
    let made = page.render().map_err(|error| Refused(Problem::failed(&error)));
    let mut answer =
        made.map_or_else(IntoResponse::into_response, |text| (status, head(), text).into_response());
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}
