//! Who sends a request, and what they may do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use ring::hmac;

use super::jwt;
use super::problem::FlwdProblem;
use crate::app::{AppState, AuditEntry, Caller, Code, Problem, token_caller, until_refused};
use crate::http::{FailedTokens, Remote};
use crate::model::{AuditAction, Scope, Timestamp, escape_controls};
use crate::sys::clock;

/// The token that stands for nobody in particular, with `--dev`.
const DEV_TOKEN: &str = "dev-token";

/// The longest subject of a token that is shown, in bytes.
const MAX_SUBJECT: usize = 128;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlwdScope {
    JobsRead,
    /// Only shows aliases.
    JobsWrite,
    RunsRead,
    RunsWrite,
    EventsRead,
    SourcesRead,
    SourcesWrite,
}

impl FlwdScope {
    const ALL: [Self; 7] = [
        Self::JobsRead,
        Self::JobsWrite,
        Self::RunsRead,
        Self::RunsWrite,
        Self::EventsRead,
        Self::SourcesRead,
        Self::SourcesWrite,
    ];

    /// What `--dev` gives.
    const OF_DEV: [Self; 6] = [
        Self::JobsRead,
        Self::RunsRead,
        Self::RunsWrite,
        Self::EventsRead,
        Self::SourcesRead,
        Self::SourcesWrite,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::RunsRead => "runs:read",
            Self::RunsWrite => "runs:write",
            Self::EventsRead => "events:read",
            Self::SourcesRead => "sources:read",
            Self::SourcesWrite => "sources:write",
        }
    }

    /// The scope of a token of quire's that gives it.
    fn of_quire(self) -> Scope {
        match self {
            Self::JobsRead => Scope::ReposRead,
            Self::JobsWrite => Scope::ReposWrite,
            Self::RunsRead => Scope::RunsRead,
            Self::RunsWrite => Scope::RunsWrite,
            Self::EventsRead => Scope::LogsRead,
            Self::SourcesRead => Scope::SourcesRead,
            Self::SourcesWrite => Scope::SourcesWrite,
        }
    }
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub(super) struct FlwdCaller {
    /// `dev`, `token:deploy`, `jwt:ada`.
    pub(super) name: String,
    scopes: Vec<FlwdScope>,
    life: Life,
}

/// How long a caller counts.
#[derive(Debug, Clone)]
enum Life {
    Endless,
    /// Until this time.
    Until(Timestamp),
    /// As long as its token of quire's counts.
    Token(Box<Caller>),
}

impl FlwdCaller {
    fn dev() -> Self {
        Self { name: "dev".to_owned(), scopes: FlwdScope::OF_DEV.to_vec(), life: Life::Endless }
    }

    fn of_claims(claims: jwt::Claims) -> Self {
        let subject = escape_controls(&claims.subject.unwrap_or_default());
        let name: String = subject.chars().take(MAX_SUBJECT).collect();
        let has = |scope: &FlwdScope| claims.scopes.iter().any(|word| word == scope.word());
        let scopes = FlwdScope::ALL.into_iter().filter(has).collect();
        let life = claims.expires_at.map_or(Life::Endless, Life::Until);
        Self { name: format!("jwt:{name}"), scopes, life }
    }

    /// Who has a token of quire's: one for some repositories has none of these scopes, since jobs are of none.
    fn of_token(caller: Caller) -> Self {
        let has = |scope: &FlwdScope| {
            [scope.of_quire(), Scope::Admin].into_iter().any(|scope| caller.require(scope).is_ok())
        };
        let scopes = FlwdScope::ALL.into_iter().filter(has).collect();
        Self { name: caller.actor().to_owned(), scopes, life: Life::Token(Box::new(caller)) }
    }

    /// Waits until the caller would be refused.
    pub(super) async fn until_refused(&self, app: &AppState) -> Problem {
        match &self.life {
            Life::Endless => std::future::pending().await,
            Life::Until(end) => {
                let left = end.as_millis().saturating_sub(clock::now().as_millis());
                tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or_default())).await;
                Problem::new(Code::TokenExpired, "the token has expired")
            }
            Life::Token(caller) => until_refused(app, caller).await,
        }
    }

    /// Whether it has a scope.
    pub(super) fn has(&self, scope: FlwdScope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// What the door knows about who may come in. Clones share it.
#[derive(Clone)]
pub(super) struct Gate(Arc<Known>);

struct Known {
    app: AppState,
    is_dev: bool,
    key: Option<hmac::Key>,
    failed: FailedTokens,
}

/// Who was found to send the request, or why nobody was.
#[derive(Debug, Clone)]
pub(super) struct Identity(pub(super) Result<FlwdCaller, FlwdProblem>);

impl Gate {
    /// What is known when the server starts; `key` verifies tokens.
    pub(super) fn new(app: AppState, is_dev: bool, key: Option<hmac::Key>) -> Self {
        Self(Arc::new(Known { app, is_dev, key, failed: FailedTokens::default() }))
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<FlwdCaller, FlwdProblem> {
        let known = &*self.0;
        let unauthorized = |detail: &str| Err(FlwdProblem::unauthorized(detail));
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = given.next() else {
            return if known.is_dev { Ok(FlwdCaller::dev()) } else { unauthorized("missing token") };
        };
        let text = value.to_str().unwrap_or_default();
        let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
        let token = token.trim();
        if given.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return unauthorized("the header Authorization must be `Bearer TOKEN`");
        }
        if known.is_dev && token == DEV_TOKEN {
            return Ok(FlwdCaller::dev());
        }
        if jwt::is_jwt(token) {
            let Some(key) = &known.key else { return unauthorized("unsigned token rejected") };
            let claims = jwt::verify(token, key, clock::now()).map_err(FlwdProblem::unauthorized)?;
            return Ok(FlwdCaller::of_claims(claims));
        }
        Ok(FlwdCaller::of_token(token_caller(&known.app, token).await?))
    }

    /// Counts a token that is none.
    fn count(&self, remote: Option<Remote>, problem: FlwdProblem) -> FlwdProblem {
        let Some(remote) = remote.filter(|_| problem.status == StatusCode::UNAUTHORIZED) else {
            return problem;
        };
        let counted = self.0.failed.count(remote.peer(), Instant::now());
        if counted.is_noted {
            let entry = AuditEntry::new("nobody", AuditAction::SignInRefused);
            self.0.app.audit(entry.with("peer", remote.to_string()));
        }
        match counted.wait {
            None => problem,
            Some(wait) => FlwdProblem::too_many_requests(format!(
                "too many tokens of this peer were wrong; try again in {} s",
                wait.as_secs().max(1)
            )),
        }
    }
}

/// Puts into the request who sends it.
pub(super) async fn identify(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let has_token = request.headers().contains_key(header::AUTHORIZATION);
    let remote = request.extensions().get::<Remote>().copied();
    let found = gate.caller(request.headers()).await;
    let found = found.map_err(|problem| if has_token { gate.count(remote, problem) } else { problem });
    request.extensions_mut().insert(Identity(found));
    next.run(request).await
}

/// Lets through who has these scopes.
pub(super) async fn require(
    State(scopes): State<&'static [FlwdScope]>,
    request: Request,
    next: Next,
) -> Result<Response, FlwdProblem> {
    let caller = caller_of(request.extensions().get::<Identity>())?;
    match scopes.iter().find(|scope| !caller.has(**scope)) {
        None => Ok(next.run(request).await),
        Some(scope) => {
            Err(FlwdProblem::forbidden("missing required scope").with("required_scope", scope.word()))
        }
    }
}

fn caller_of(identity: Option<&Identity>) -> Result<FlwdCaller, FlwdProblem> {
    identity.map_or_else(|| Err(FlwdProblem::unauthorized("missing token")), |identity| identity.0.clone())
}

impl<S: Sync> FromRequestParts<S> for FlwdCaller {
    type Rejection = FlwdProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, FlwdProblem> {
        caller_of(parts.extensions.get::<Identity>())
    }
}
