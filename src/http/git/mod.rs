//! Smart HTTP: clones and pushes, by git's own `http-backend` (git-http-backend(1)) behind limits of quire. The dumb protocol is not
//! served, and git-lfs gets the answer that it is absent.
//!
//! A repository that a stranger may not see is 401, like one that does not exist: git then asks for a password, which is a token.

mod answers;
mod backend;
mod route;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::door::Remote;
use super::router::busy;
use crate::app::{AppState, Caller, GitUse, Problem, ServedRepo, served_repo};
use backend::{Backend, Call};
use route::{Action, Route};

pub(super) use answers::refused;
pub(super) use route::{is_git, streams_body};

/// Clones and fetches at a time.
const MAX_FETCHES: usize = 8;

/// Pushes at a time: one that waits for its run keeps its place.
const MAX_PUSHES: usize = 32;

/// How long a request waits for a place.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest that a fetch may take, and a push, which may wait for its run.
const FETCH_TIME: Duration = Duration::from_secs(15 * 60);
const PUSH_TIME: Duration = Duration::from_secs(75 * 60);

/// The largest body of a fetch, which lists commits, and of a push, in bytes.
const MAX_FETCH_BODY: u64 = 32 << 20;
const MAX_PUSH_BODY: u64 = 4 << 30;

/// The places of git's processes. Clones share them.
#[derive(Clone)]
pub(super) struct GitDoor {
    app: AppState,
    fetches: Arc<Semaphore>,
    pushes: Arc<Semaphore>,
}

impl GitDoor {
    pub(super) fn new(app: AppState) -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { app, fetches: places(MAX_FETCHES), pushes: places(MAX_PUSHES) }
    }
}

/// Answers what git asks for; everything else is for the other routes.
pub(super) async fn serve(
    State(door): State<GitDoor>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    match Route::of(request.uri()) {
        Some(route) => answer(&door, &caller, route, request).await,
        None => next.run(request).await,
    }
}

async fn answer(door: &GitDoor, caller: &Caller, route: Route, request: Request) -> Response {
    let (git_use, method) = match route.action {
        Action::Advertise(git_use) => (git_use, Method::GET),
        Action::Serve(git_use) => (git_use, Method::POST),
        Action::Lfs => (GitUse::Fetch, request.method().clone()),
        Action::Dumb => return answers::dumb(),
    };
    if *request.method() != method {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, method.as_str().to_owned())])
            .into_response();
    }
    let served = match served(door, caller, &route, git_use).await {
        Ok(served) => served,
        Err(problem) => return answers::problem(&problem, caller, route.action == Action::Lfs),
    };
    match route.action {
        Action::Lfs => answers::no_lfs(),
        Action::Advertise(_) if served.name != route.repo => answers::moved(&served.name, request.uri()),
        Action::Advertise(_) | Action::Serve(_) => run(door, caller, (served, git_use), request).await,
        Action::Dumb => answers::dumb(),
    }
}

/// The repository, if the caller may use it so. Nobody pushes without saying who it is, whatever exists.
async fn served(
    door: &GitDoor,
    caller: &Caller,
    route: &Route,
    git_use: GitUse,
) -> Result<ServedRepo, Problem> {
    if git_use == GitUse::Push {
        caller.expect_known()?;
    }
    served_repo(&door.app.acting_as(caller), caller, (&route.repo, git_use)).await
}

/// Starts git for a request and passes on what it says.
async fn run(
    door: &GitDoor,
    caller: &Caller,
    (served, git_use): (ServedRepo, GitUse),
    request: Request,
) -> Response {
    let (places, time, most) = match git_use {
        GitUse::Fetch => (&door.fetches, FETCH_TIME, MAX_FETCH_BODY),
        GitUse::Push => (&door.pushes, PUSH_TIME, MAX_PUSH_BODY),
    };
    let Ok(Ok(place)) = timeout(PATIENCE, Arc::clone(places).acquire_owned()).await else { return busy() };
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let (parts, body) = request.into_parts();
    let call = Call {
        repo: served.path,
        variables: variables(&door.app, caller, git_use, &parts.method, &parts.headers)
            .into_iter()
            .chain(parts.extensions.get::<Remote>().map(|remote| ("REMOTE_ADDR", remote.to_string())))
            .chain([
                ("QUERY_STRING", parts.uri.query().unwrap_or_default().to_owned()),
                ("PATH_INFO", route::path_info(&parts.uri)),
            ])
            .collect(),
        time,
        max_body: most,
    };
    let mut response = match Backend::start(&door.app, call, place) {
        Ok(backend) => backend.answer(body).await,
        Err(error) => {
            tracing::error!(%error, "git http-backend could not be started");
            answers::broken()
        }
    };
    if is_chunked {
        // What a proxy before the server has understood otherwise must not be read as the next request.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response.map(Body::new)
}

/// The variables that describe the request (RFC 3875). Whoever asks chooses nothing but what is checked here.
fn variables(
    app: &AppState,
    caller: &Caller,
    git_use: GitUse,
    method: &Method,
    headers: &HeaderMap,
) -> Vec<(&'static str, String)> {
    let header = |name: &str, is_fine: fn(&str) -> bool| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .filter(|value| is_fine(value))
            .map(str::to_owned)
    };
    let is_word = |text: &str| {
        text.len() <= 100 && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"=:/-_.+".contains(&c))
    };
    let actor = caller.actor();
    let pusher = actor.strip_prefix("user:").unwrap_or(actor).to_owned();
    let given = [
        ("CONTENT_TYPE", header("content-type", is_word)),
        ("CONTENT_LENGTH", header("content-length", |text| text.bytes().all(|c| c.is_ascii_digit()))),
        ("HTTP_CONTENT_ENCODING", header("content-encoding", |text| text == "gzip" || text == "x-gzip")),
        ("GIT_PROTOCOL", header("git-protocol", is_word)),
        ("REMOTE_USER", (git_use == GitUse::Push).then_some(pusher)),
        ("QUIRE_PUSHED_TO", app.url.clone()),
    ];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let fixed = [
        ("REQUEST_METHOD", method.as_str().to_owned()),
        ("GIT_HTTP_EXPORT_ALL", "1".to_owned()),
        ("SERVER_PROTOCOL", "HTTP/1.1".to_owned()),
    ];
    fixed.into_iter().chain(given).collect()
}
