//! Answers to git that are not git's own. What is plain text, the client shows to whoever waits.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::{Caller, Code, Problem};
use crate::http::problem::status_of;
use crate::model::RepoName;

/// The type of answers to git-lfs.
const LFS_TYPE: &str = "application/vnd.git-lfs+json";

/// How git is asked for a password (RFC 7617).
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"quire: the password is a token\", charset=\"UTF-8\"");

/// The answer to a request that is refused: for strangers the same whether the repository is private, missing or only to be
/// read.
pub(super) fn problem(problem: &Problem, caller: &Caller, is_lfs: bool) -> Response {
    if caller.is_nobody() && status_of(problem).is_client_error() {
        let missing = Problem::new(
            Code::CredentialsMissing,
            "this requires a token, as the password of any user",
        )
        .hint("quire token new NAME --scope repos:read makes one; to push, --scope repos:read,repos:write");
        return refusal(&missing, is_lfs);
    }
    refusal(problem, is_lfs)
}

/// The answer to a request whose token does not count.
pub(in crate::http) fn refused(problem: &Problem) -> Response {
    refusal(problem, false)
}

fn refusal(problem: &Problem, is_lfs: bool) -> Response {
    let status = status_of(problem);
    let hint = problem.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let text = format!("error: {}{hint}\n", problem.text);
    let mut response = if is_lfs { lfs(status, &text) } else { (status, text).into_response() };
    if status == StatusCode::UNAUTHORIZED {
        let name = if is_lfs { "lfs-authenticate" } else { "www-authenticate" };
        response.headers_mut().insert(name, CHALLENGE);
    }
    response
}

/// The answer to git-lfs (its batch API, "Response Errors").
pub(super) fn no_lfs() -> Response {
    lfs(
        StatusCode::NOT_IMPLEMENTED,
        "quire does not store files of git-lfs; push them as files of git, or keep them elsewhere",
    )
}

fn lfs(status: StatusCode, message: &str) -> Response {
    let body = json!({ "message": message.trim_end() }).to_string();
    (status, [(header::CONTENT_TYPE, LFS_TYPE)], body).into_response()
}

/// The answer to a client that reads files of the repository.
pub(super) fn dumb() -> Response {
    let text = "error: quire serves git's smart HTTP only: info/refs?service=git-upload-pack\nhint: git clone works\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// The answer for a repository that has another name now. Clients of git follow it once, and say so.
pub(super) fn moved(name: &RepoName, uri: &Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let place = HeaderValue::from_str(&format!("/{name}.git/info/refs{query}"));
    let headers: HeaderMap = place.into_iter().map(|place| (header::LOCATION, place)).collect();
    (StatusCode::MOVED_PERMANENTLY, headers, format!("it is called {name} now\n")).into_response()
}

/// The answer when git could not be run, or has said nothing that can be used.
pub(super) fn broken() -> Response {
    (StatusCode::BAD_GATEWAY, "error: git on the server has failed; its log says why\n").into_response()
}
