//! One request for a page: who asks for what, and how it is answered.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::address::Address;
use super::frame::Frame;
use super::no_page;
use crate::app::{AppState, Caller, Code, Problem, RepoRow, RepoSettings, RunRow};
use crate::http::guarded::Guarded;
use crate::http::gzip::{Coding, accepts_gzip};
use crate::http::problem::{Refused, status_of};
use crate::http::router::busy;
use crate::model::Scope;
use crate::view::RunShape;

/// How long a page waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest page that is made in one piece, in bytes.
pub(super) const MAX_PAGE: usize = 4 << 20;

/// Headers of every page. Nothing on it is active but the script of this server, and nothing comes from elsewhere.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// A request for a page of a repository.
pub(super) struct Ask {
    pub(super) app: AppState,
    pub(super) caller: Caller,
    pub(super) address: Address,
    pub(super) parts: Parts,
}

impl Ask {
    /// The repository of the address, if the caller may read of it what the scope says. A private one is like one that does
    /// not exist.
    pub(super) async fn repo(&self, scope: Scope) -> Result<(RepoRow, RepoSettings), Refused> {
        Ok(self.caller.repo_to_read(&self.app, scope, &self.address.repo).await?)
    }

    /// A run of the repository of the address, if the caller may see it.
    pub(super) async fn run(&self, number: u64) -> Result<RunRow, Refused> {
        Ok(self.caller.run_to_read(&self.app, Scope::RunsRead, &self.run_name(number)).await?)
    }

    /// Whether the caller may read the output of a run.
    pub(super) async fn may_read_logs(&self, row: &RunRow) -> bool {
        self.caller.run_to_read(&self.app, Scope::LogsRead, &row.id.to_string()).await.is_ok()
    }

    /// Whether the caller may read what a run has kept, when there is something.
    pub(super) async fn may_read_artifacts(&self, run: &RunShape, row: &RunRow) -> bool {
        let is_there = !run.artifacts.is_empty() || run.tests.is_some();
        is_there && self.caller.run_with_artifacts(&self.app, &row.id.to_string()).await.is_ok()
    }

    /// Whether the caller may start and stop runs like this one.
    pub(super) async fn may_change(&self, row: &RunRow) -> bool {
        self.caller.run_to_change(&self.app, Scope::RunsWrite, &row.id.to_string()).await.is_ok()
    }

    pub(super) fn run_name(&self, number: u64) -> String {
        format!("{}#{number}", self.address.repo)
    }

    /// The frame of a page of the repository; `page` is the word of its tab.
    pub(super) fn frame(&self, page: &str, title: impl std::fmt::Display) -> Frame {
        Frame::of_repo(&self.caller, &self.address.repo, page, title)
    }

    /// The frame of a page of a run, with the way to the run.
    pub(super) fn frame_of_run(&self, number: u64, title: impl std::fmt::Display) -> Frame {
        let path = format!("/{}", self.address.repo);
        self.frame("runs", title)
            .below("runs", format!("{path}/runs"))
            .below(format!("#{number}"), format!("{path}/run/{number}"))
    }

    /// The first value of a parameter in the query, decoded; empty ones are absent.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        query_value(self.parts.uri.query().unwrap_or_default(), name)
    }

    /// A whole page.
    pub(super) async fn html(&self, page: impl Template + Send + 'static) -> Result<Response, Refused> {
        html((&self.app, &self.parts), StatusCode::OK, page).await
    }
}

/// The first value of a parameter in a query, decoded; empty ones are absent.
pub(super) fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_pairs(query);
    pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value)
}

/// The pairs of a query or of a form.
pub(super) fn form_pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |part: &str| crate::model::percent_decoded(&part.replace('+', " "));
        (decoded(key), decoded(value))
    })
}

/// A page with its headers. As long as somebody reads it, it is in memory: there are so many places for pages.
pub(super) async fn html(
    (app, parts): (&AppState, &Parts),
    status: StatusCode,
    page: impl Template + Send + 'static,
) -> Result<Response, Refused> {
    let Ok(Ok(memory)) = timeout(PATIENCE, Arc::clone(&app.pages).acquire_owned()).await else {
        return Ok(busy());
    };
    let coding = if accepts_gzip(&parts.headers) { Coding::Gzip } else { Coding::None };
    let made = app.block(move || {
        let text = page.render().map_err(|error| Problem::failed(&error))?;
        if text.len() > MAX_PAGE {
            return Err(Problem::new(Code::ServerFailed, "this page is too large"));
        }
        let (encoder, mut bytes) = coding.encoder().push(text.into_bytes(), false);
        bytes.extend(encoder.finish());
        Ok(bytes)
    });
    let bytes = made.await?;
    let body = Body::new(Guarded::new(Body::from(bytes), memory));
    Ok((status, coding.headers(), head(), body).into_response())
}

/// Leads to another page of this server.
pub(super) fn lead_to(status: StatusCode, path: &str) -> Response {
    match HeaderValue::from_str(path) {
        Ok(location) => (status, [(header::LOCATION, location)]).into_response(),
        Err(_) => no_page().into_response(),
    }
}

/// The headers of every page.
pub(super) fn head() -> [(HeaderName, &'static str); 6] {
    HEADERS
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    text: String,
    hint: Option<String>,
}

/// The page that a request leads nowhere: the same for what is missing and for what the caller may not see.
pub(super) async fn not_found(app: &AppState, parts: &Parts) -> Response {
    let caller = parts.extensions.get::<Caller>();
    let hint =
        caller.is_none_or(Caller::is_nobody).then_some("It may be private: sign in to see what you may see.");
    missing(app, parts, "There is nothing at this address.".to_owned(), hint).await
}

/// Marks an answer that would be the same after signing in.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct SameForAll;

/// The page that says what is not there.
async fn missing(app: &AppState, parts: &Parts, text: String, hint: Option<&str>) -> Response {
    let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::nobody);
    let page = ProblemPage {
        hint: hint.map(str::to_owned),
        frame: Frame { has_script: false, ..Frame::new(&caller, "Not found") },
        text,
    };
    let made = html((app, parts), StatusCode::NOT_FOUND, page).await;
    made.unwrap_or_else(IntoResponse::into_response)
}

/// The page of a problem.
pub(super) async fn problem(app: &AppState, parts: &Parts, problem: Problem) -> Response {
    let status = status_of(&problem);
    // Only who may read a repository hears that it has no such branch or file.
    if problem.code == Code::RevisionNotFound {
        let mut answer = missing(app, parts, crate::view::one_line(&problem.text), None).await;
        answer.extensions_mut().insert(SameForAll);
        return answer;
    }
    if status == StatusCode::NOT_FOUND {
        return not_found(app, parts).await;
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let page = ProblemPage { frame: Frame::bare(title), text: problem.text, hint: problem.hint };
    let mut answer = html((app, parts), status, page).await.unwrap_or_else(IntoResponse::into_response);
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_forms_are_read_as_browsers_write_them() {
        assert_eq!(query_value("a=1&ref=feat%2Fx+y&b", "ref").as_deref(), Some("feat/x y"));
        assert_eq!(query_value("ref=&ref=x", "ref").as_deref(), Some("x"));
        assert_eq!(query_value("", "ref"), None);
    }
}
