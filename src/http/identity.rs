//! Who sends a request over TCP: decided here once, before any route.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::credentials::{self, Credentials};
use super::door::Remote;
use super::failed_tokens::FailedTokens;
use super::git;
use super::problem::answer;
use super::same_origin::{self, Sender};
use super::web::{SameForAll, form, wants_html};
use crate::app::{AppState, AuditEntry, Caller, Code, Problem, session_caller, token_caller};
use crate::config::HttpSettings;
use crate::model::{AuditAction, Person, Scope, WebOrigin};

/// The scopes of the users of a proxy who are no admins.
const USER_SCOPES: [Scope; 4] = [Scope::ReposRead, Scope::RunsRead, Scope::LogsRead, Scope::SourcesRead];

/// When a peer that has sent too many wrong tokens may try again, in seconds.
const RETRY_AFTER: &str = "60";

/// What the door knows about who may come in. Clones share it.
#[derive(Clone)]
pub(super) struct Gate(Arc<Known>);

struct Known {
    app: AppState,
    settings: HttpSettings,
    /// The origin of the public address.
    public: Option<WebOrigin>,
    failed: FailedTokens,
}

impl Gate {
    /// What is known when the server starts.
    pub(super) fn new(app: AppState, settings: HttpSettings, public_url: Option<&str>) -> Self {
        let public = public_url.and_then(WebOrigin::of_url);
        Self(Arc::new(Known { app, settings, public, failed: FailedTokens::default() }))
    }

    /// Whether browsers reach the server over TLS.
    pub(super) fn is_behind_https(&self) -> bool {
        self.0.public.as_ref().is_some_and(|origin| origin.as_str().starts_with("https:"))
    }

    /// The problem of a token or link that is none: after many of them, that there were too many. Some are in the audit.
    pub(super) fn failed(&self, remote: Option<Remote>, problem: Problem) -> Problem {
        let Some(remote) = remote else { return problem };
        let is_wrong = matches!(
            problem.code,
            Code::TokenUnknown | Code::TokenExpired | Code::TokenRevoked | Code::LoginOver
        );
        if !is_wrong {
            return problem;
        }
        let counted = self.0.failed.count(remote.peer(), Instant::now());
        if counted.is_noted {
            let entry = AuditEntry::new("nobody", AuditAction::SignInRefused);
            self.0.app.audit(entry.with("code", problem.code.as_str()).with("peer", remote.to_string()));
        }
        counted.wait.map_or(problem, too_many)
    }

    /// Who sends a request over TCP.
    async fn caller(&self, request: &Parts) -> Result<Caller, Problem> {
        let Known { app, settings, public, .. } = &*self.0;
        let remote = request.extensions.get::<Remote>().copied();
        let is_proxied = match remote {
            Some(Remote::Address(address)) => {
                settings.trusted_proxies.iter().any(|proxy| proxy.contains(address))
            }
            Some(Remote::User(_)) | None => false,
        };
        let (method, headers) = (&request.method, &request.headers);
        let sender = same_origin::sender(headers, public.as_ref());
        let is_change = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match credentials::read(&request.uri, headers, is_proxied)
            .map_err(|problem| self.failed(remote, problem))?
        {
            Credentials::None => Ok(Caller::nobody()),
            Credentials::Token(token) => {
                token_caller(app, &token).await.map_err(|problem| self.failed(remote, problem))
            }
            // Programs behind a proxy say nothing; browsers always say where a change comes from.
            Credentials::User(_) if is_change && sender == Sender::Foreign => Err(foreign_origin()),
            Credentials::User(name) => self.user(&name).await,
            Credentials::Session(session) => match session_caller(app, &session).await? {
                None => Ok(Caller::nobody()),
                Some(_) if is_change && sender != Sender::Own => Err(foreign_origin()),
                Some(caller) => Ok(caller),
            },
        }
    }

    /// The user of a proxy: what the rules of `:access` say, when there are some.
    async fn user(&self, name: &str) -> Result<Caller, Problem> {
        let is_admin = self.0.settings.admins.iter().any(|admin| admin == name);
        let settings = self.0.app.settings.get_async().await.map_err(|error| Problem::failed(&error))?;
        if !is_admin && !settings.access.is_empty() {
            let person = Person { name: name.to_owned(), by_key: false, limit: None };
            return Ok(Caller::person(person, settings));
        }
        let scopes = if is_admin { &Scope::ALL[..] } else { &USER_SCOPES };
        Ok(Caller::with_scopes(format!("user:{name}"), scopes.iter().copied(), None))
    }
}

/// The problem of a change that no page of this server has sent.
pub(super) fn foreign_origin() -> Problem {
    Problem::new(Code::OriginForeign, "a browser may change something from a page of this server only")
        .hint("programs send a token: `Authorization: Bearer TOKEN`")
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs().max(1);
    Problem::new(Code::TokenAttempts, "too many tokens of this peer were wrong")
        .hint(format!("try again in {seconds} s; a token that is right works at once"))
}

/// Puts the caller into the request; answers one that says who it is in a way that does not count.
pub(super) async fn identify(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_api = parts.uri.path().starts_with("/api/");
    let site = same_origin::allowed(&parts.headers, &gate.0.settings.cors_origins).filter(|_| is_api);
    let mut response = if site.is_some() && same_origin::is_preflight(&parts.method, &parts.headers) {
        same_origin::preflight()
    } else {
        match gate.caller(&parts).await {
            Ok(caller) => {
                let may_sign_in = caller.is_nobody()
                    && is_browser(&parts.method, &parts.headers)
                    && !git::is_git(&parts.uri);
                parts.extensions.insert(same_origin::sender(&parts.headers, gate.0.public.as_ref()));
                parts.extensions.insert(caller);
                parts.extensions.insert(gate);
                let response = next.run(Request::from_parts(parts, body)).await;
                if may_sign_in && is_closed(&response) { form(response.status(), None) } else { response }
            }
            Err(problem) => refused(&problem, git::is_git(&parts.uri)),
        }
    };
    if let Some(site) = site {
        same_origin::let_read(&mut response, &site);
    }
    response
}

/// The answer to a request that does not count.
fn refused(problem: &Problem, is_git: bool) -> Response {
    let mut response = if is_git { git::refused(problem) } else { answer(problem) };
    if problem.code == Code::TokenAttempts {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

/// Whether a person looks at the answer.
fn is_browser(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::GET && wants_html(headers)
}

/// Whether an answer may be another one for who has signed in: what is private looks as if it did not exist.
fn is_closed(response: &Response) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND)
        && response.extensions().get::<SameForAll>().is_none()
}
