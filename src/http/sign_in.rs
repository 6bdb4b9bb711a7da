//! `/login` and `/logout`: how a browser gets a session, and ends it.

use axum::Extension;
use axum::extract::{Form, FromRequest, Query, Request, State};
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::credentials::{COOKIE, session};
use super::door::Remote;
use super::identity::{Gate, foreign_origin};
use super::problem::{answer, status_of};
use super::same_origin::Sender;
use super::web::{form, signed_in};
use crate::app::{
    AppState, Caller, MAX_SESSION_LIFE, Problem, sign_in_with_link, sign_in_with_token, sign_out,
};
use crate::secret::Credential;

/// What the address of `/login` says.
#[derive(Debug, Deserialize)]
pub(super) struct LoginQuery {
    link: Option<String>,
}

/// What the form says.
#[derive(Deserialize)]
pub(super) struct LoginForm {
    #[serde(default)]
    token: String,
}

/// `GET /login`: the form; with a link, the session. Only a GET uses a link up: programs that look at links send HEAD.
pub(super) async fn login_page(
    State(app): State<AppState>,
    Extension(gate): Extension<Gate>,
    caller: Caller,
    query: Result<Query<LoginQuery>, axum::extract::rejection::QueryRejection>,
    parts: Parts,
) -> Response {
    let remote = parts.extensions.get::<Remote>().copied();
    let is_prefetch =
        parts.headers.get("sec-purpose").is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch"));
    match query.ok().and_then(|Query(query)| query.link) {
        Some(link) if parts.method == Method::GET && !is_prefetch => {
            match sign_in_with_link(&app, &link).await {
                Ok(session) => welcome(&gate, &session),
                Err(problem) => refused(&gate.failed(remote, problem)),
            }
        }
        Some(_) => form(StatusCode::OK, None),
        None if caller.is_nobody() => form(StatusCode::OK, None),
        None => signed_in(caller.actor()),
    }
}

/// `POST /login`: the session of a token.
pub(super) async fn login(
    State(app): State<AppState>,
    Extension(gate): Extension<Gate>,
    Extension(sender): Extension<Sender>,
    remote: Option<Extension<Remote>>,
    request: Request,
) -> Response {
    if sender == Sender::Foreign {
        return answer(&foreign_origin());
    }
    let Ok(Form(LoginForm { token })) = Form::from_request(request, &app).await else {
        return form(StatusCode::BAD_REQUEST, Some("The form could not be read."));
    };
    let remote = remote.map(|Extension(remote)| remote);
    match sign_in_with_token(&app, token.trim()).await {
        Ok(session) => welcome(&gate, &session),
        Err(problem) => refused(&gate.failed(remote, problem)),
    }
}

/// `POST /logout`.
pub(super) async fn logout(
    State(app): State<AppState>,
    Extension(gate): Extension<Gate>,
    headers: HeaderMap,
) -> Response {
    if let Some(session) = session(&headers)
        && let Err(problem) = sign_out(&app, &session).await
    {
        return answer(&problem);
    }
    with_cookie(Redirect::to("/login").into_response(), &cookie(&gate, "", 0))
}

/// The answer to who has signed in.
fn welcome(gate: &Gate, session: &Credential) -> Response {
    let cookie = cookie(gate, session.reveal(), MAX_SESSION_LIFE.as_secs());
    with_cookie(Redirect::to("/").into_response(), &cookie)
}

fn cookie(gate: &Gate, value: &str, seconds: u64) -> String {
    let secure = if gate.is_behind_https() { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn with_cookie(mut answer: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, value);
    }
    answer
}

/// The form again, with what was wrong.
fn refused(problem: &Problem) -> Response {
    let status = status_of(problem);
    let mut text = problem.text.clone();
    if let Some(hint) = &problem.hint {
        text.push_str(&format!(" ({hint})"));
    }
    form(status, Some(&text))
}
