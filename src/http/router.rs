//! Which door has which routes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use super::door::{AnswerProblem, Remote};
use super::explain::explain;
use super::git::{self, GitDoor};
use super::identity::{Gate, identify};
use super::metrics::{metrics, metrics_on_loopback};
use super::problem::{answer, perform};
use super::request_id::log_request;
use super::{api, hooks, moved, pages, sign_in, web};
use crate::app::{
    AddKey, AddSource, AddUser, AddWatches, AppState, Caller, CancelRun, Code, CreateLoginLink, CreateToken,
    DescribeRepo, IdentifyVisitor, ListRepoJobs, ListRepos, LookNow, Operation, PlanJob, PlanRun, Problem,
    RemoveKey, RemoveSource, RemoveUser, RemoveWatch, RerunRun, ResetCaches, RetryNotification, RevokeToken,
    StartJob, StartRun, VisitRepo, Visitor, WaitForRun, visitor_caller,
};
use crate::model::Quoted;
use crate::sys::user;

/// The largest frame of a hook, in bytes: a push of some hundred thousand refs. Larger ones go to the spool.
pub(crate) const MAX_FRAME: usize = 64 << 20;

/// Headers of every page: nothing of it is active, and nothing of it is kept.
const HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
];

/// The routes of the Unix socket: for hooks, and for commands of the same user, `for_commands` of them at a time.
pub(crate) fn local_router(app: AppState, for_commands: usize) -> (Router, AnswerProblem) {
    let places = Arc::new(Semaphore::new(for_commands));
    let router = Router::new()
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(pages::readyz))
        .route("/metrics", get(metrics))
        .route(CancelRun::ROUTE, post(perform::<CancelRun>))
        .route(RerunRun::ROUTE, post(perform::<RerunRun>))
        .route(StartRun::ROUTE, post(perform::<StartRun>))
        .route(PlanRun::ROUTE, post(perform::<PlanRun>))
        .route(ListRepos::ROUTE, post(perform::<ListRepos>))
        .route(ListRepoJobs::ROUTE, post(perform::<ListRepoJobs>))
        .route(StartJob::ROUTE, post(perform::<StartJob>))
        .route(PlanJob::ROUTE, post(perform::<PlanJob>))
        .route(WaitForRun::ROUTE, post(perform::<WaitForRun>))
        .route(ResetCaches::ROUTE, post(perform::<ResetCaches>))
        .route(AddWatches::ROUTE, post(perform::<AddWatches>))
        .route(RemoveWatch::ROUTE, post(perform::<RemoveWatch>))
        .route(LookNow::ROUTE, post(perform::<LookNow>))
        .route(AddSource::ROUTE, post(perform::<AddSource>))
        .route(RemoveSource::ROUTE, post(perform::<RemoveSource>))
        .route(RetryNotification::ROUTE, post(perform::<RetryNotification>))
        .route(CreateToken::ROUTE, post(perform::<CreateToken>))
        .route(RevokeToken::ROUTE, post(perform::<RevokeToken>))
        .route(CreateLoginLink::ROUTE, post(perform::<CreateLoginLink>))
        .route(AddUser::ROUTE, post(perform::<AddUser>))
        .route(RemoveUser::ROUTE, post(perform::<RemoveUser>))
        .route(AddKey::ROUTE, post(perform::<AddKey>))
        .route(RemoveKey::ROUTE, post(perform::<RemoveKey>))
        .route(IdentifyVisitor::ROUTE, post(perform::<IdentifyVisitor>))
        .route(DescribeRepo::ROUTE, post(perform::<DescribeRepo>))
        .route(VisitRepo::ROUTE, post(perform::<VisitRepo>))
        .route("/problems/{code}", get(explain))
        .route("/", get(pages::welcome))
        .route("/{*path}", get(pages::page))
        .merge(api::router(&app))
        .layer(middleware::from_fn_with_state(places, take_place))
        .layer(middleware::from_fn_with_state(app.clone(), as_local))
        .route("/intents", post(hooks::intents))
        .route("/events", post(hooks::events))
        .layer(DefaultBodyLimit::max(MAX_FRAME))
        .layer(middleware::from_fn(log_request))
        .with_state(app);
    (router, answer)
}

/// What makes the routes of the door over TCP: of the state, the address and the public address.
type MakeRoutes = dyn Fn(AppState, SocketAddr, Option<&str>) -> Router + Send + Sync;

/// The routes of the door over TCP. Another name of the program may have others.
#[derive(Clone)]
pub(crate) struct PublicRoutes {
    make: Arc<MakeRoutes>,
    problems: AnswerProblem,
}

impl PublicRoutes {
    /// The routes that a function makes; `problems` answers what is refused before them.
    pub(crate) fn new(
        make: impl Fn(AppState, SocketAddr, Option<&str>) -> Router + Send + Sync + 'static,
        problems: AnswerProblem,
    ) -> Self {
        Self { make: Arc::new(make), problems }
    }

    /// The routes, and how what is refused before them is answered.
    pub(crate) fn router(
        &self,
        app: AppState,
        bound: SocketAddr,
        url: Option<&str>,
    ) -> (Router, AnswerProblem) {
        ((self.make)(app, bound, url), self.problems)
    }
}

impl Default for PublicRoutes {
    fn default() -> Self {
        Self::new(public_router, answer)
    }
}

impl std::fmt::Debug for PublicRoutes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PublicRoutes")
    }
}

/// The routes over TCP. They answer only to who names a host that is ours, because a name that an attacker points at this
/// machine must not read it (DNS rebinding).
fn public_router(app: AppState, bound: SocketAddr, public_url: Option<&str>) -> Router {
    let hosts = Arc::new(own_hosts(bound, public_url));
    let metrics = if bound.ip().is_loopback() { get(metrics_on_loopback) } else { get(metrics) };
    let gate = Gate::new(app.clone(), app.settings.get().http.clone(), public_url);
    Router::new()
        .route("/healthz", get(pages::healthz))
        .route("/readyz", get(pages::readyz))
        .route("/metrics", metrics)
        .route("/problems/{code}", get(explain))
        .route("/login", get(sign_in::login_page).post(sign_in::login))
        .route("/logout", post(sign_in::logout))
        .route("/robots.txt", get(web::robots))
        .route("/feed.atom", get(web::feed))
        .route("/cc.xml", get(web::cruise))
        .route("/", get(web::front))
        .route("/queue", get(web::queue))
        .route("/{*path}", get(web::page).post(web::change))
        .merge(api::router(&app))
        .layer(middleware::from_fn_with_state(app.clone(), moved::follow))
        .layer(middleware::from_fn_with_state(GitDoor::new(app.clone()), git::serve))
        .layer(middleware::from_fn_with_state(gate, identify))
        .layer(middleware::from_fn_with_state(hosts, check_host))
        .layer(middleware::from_fn(log_request))
        .with_state(app)
}

/// Whoever the Unix socket serves is the account of the server, or root.
async fn as_local(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let uid = match request.extensions().get::<Remote>() {
        Some(Remote::User(uid)) => *uid,
        Some(Remote::Address(_)) | None => user::own_uid(),
    };
    let caller = match request.headers().get(VISITOR) {
        None => Caller::socket(uid),
        Some(visitor) => match visitor_of(&app, visitor).await {
            Ok(caller) => caller,
            Err(problem) => return answer(&problem),
        },
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// For whom the account asks: somebody who has come over ssh, and has less rights.
const VISITOR: &str = "quire-visitor";

async fn visitor_of(app: &AppState, header: &HeaderValue) -> Result<Caller, Problem> {
    let visitor = header.to_str().ok().and_then(Visitor::parse);
    let invalid = || Problem::new(Code::RequestInvalid, format!("the header {VISITOR} names nobody"));
    visitor_caller(app, &visitor.ok_or_else(invalid)?).await
}

/// Answers a request while there is a place for it. Some answers take hours: they must not keep hooks out.
async fn take_place(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) if is_of_program(&request) => {
            let problem = Problem::new(Code::ServerBusy, "this server is busy").hint("try again later");
            ([(header::RETRY_AFTER, "1")], answer(&problem)).into_response()
        }
        Err(_) => busy(),
    }
}

/// Whether a program has sent a request: pages are read by people.
fn is_of_program(request: &Request) -> bool {
    request.uri().path().starts_with("/api/") || request.method() == Method::POST
}

/// The answer to a request for a page when the server is at its limit.
pub(super) fn busy() -> Response {
    let retry = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, "this server is busy; try again later\n").into_response()
}

/// The names of a machine for itself. A port behind them is that of a tunnel, and may be any.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The hosts under which the server answers.
fn own_hosts(bound: SocketAddr, public_url: Option<&str>) -> Vec<String> {
    let mut hosts = vec![bound.to_string(), bound.ip().to_string()];
    if bound.ip().is_loopback() || bound.ip().is_unspecified() {
        hosts.extend(LOOPBACK.map(str::to_owned));
    }
    let authority = public_url.and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    hosts.extend(authority.and_then(|rest| rest.split('/').next()).map(str::to_ascii_lowercase));
    hosts
}

async fn check_host(State(hosts): State<Arc<Vec<String>>>, request: Request, next: Next) -> Response {
    let mut response = match foreign_host(&hosts, &request) {
        None => next.run(request).await,
        Some(host) => {
            tracing::warn!("refused a request for the host {host}: set :http :public-url");
            refusal(&hosts, &host, is_of_program(&request))
        }
    };
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn is_own(hosts: &[String], host: &str) -> bool {
    let has = |name: &str| hosts.iter().any(|own| own == name);
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|(name, _)| name);
    has(host) || name.is_some_and(|name| LOOPBACK.contains(&name) && has(name))
}

/// Whether a host is this machine, under a name for itself.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|(name, _)| name);
    LOOPBACK
        .iter()
        .any(|own| host.eq_ignore_ascii_case(own) || name.is_some_and(|name| name.eq_ignore_ascii_case(own)))
}

/// The host that a request names and that is not ours, safe to print: in its header, or in its target when that has one.
/// The two must be the same.
fn foreign_host(hosts: &[String], request: &Request) -> Option<String> {
    let of_header = request.headers().get(header::HOST);
    let header = String::from_utf8_lossy(of_header.map(HeaderValue::as_bytes).unwrap_or_default());
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let is_foreign = |host: &str| !is_own(hosts, &host.to_ascii_lowercase());
    let differs = |target: &&str| is_foreign(target) || !target.eq_ignore_ascii_case(&header);
    let foreign = target.filter(differs).or_else(|| is_foreign(&header).then_some(&header))?;
    Some(Quoted::new(foreign).to_string())
}

/// The answer to a request for a host that is not ours, as somebody meets it who opens a tunnel or sets up a proxy.
fn refusal(hosts: &[String], host: &str, is_of_program: bool) -> Response {
    let own = hosts.first().map(String::as_str).unwrap_or_default();
    let text = format!("this server does not answer to the host {host}");
    let hint = format!(
        "open it as http://{own}/, or name the address that you use in config.fnl: {{:http {{:public-url \"https://HOST\"}}}}"
    );
    match is_of_program {
        true => answer(&Problem::new(Code::HostForeign, text).hint(hint)),
        false => (StatusCode::MISDIRECTED_REQUEST, format!("error: {text}\nhint: {hint}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_people_use() {
        let hosts = own_hosts("127.0.0.1:7878".parse().unwrap(), Some("https://Git.example.org/x"));
        for host in
            ["127.0.0.1:7878", "localhost:7878", "[::1]:7878", "[::1]", "git.example.org", "localhost:8080"]
        {
            assert!(is_own(&hosts, host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7878",
            "git.example.org:8080",
            "localhost:",
            "localhost:x",
            ":1",
            "[::1]:1:2",
        ] {
            assert!(!is_own(&hosts, host), "{host}");
        }
        assert!(!hosts.contains(&"evil.example".to_owned()));
        let foreign = |target: &str, host: &str| {
            let request = Request::builder().uri(target).header("host", host).body(axum::body::Body::empty());
            foreign_host(&hosts, &request.unwrap())
        };
        assert_eq!(foreign("/", "LOCALHOST:7878"), None);
        assert_eq!(foreign("http://localhost:7878/", "localhost:7878"), None);
        assert_eq!(foreign("/", "localhost:9000"), None, "a tunnel");
        for (target, host) in [
            ("/", "evil.example"),
            ("/", ""),
            ("http://evil.example/", "localhost:7878"),
            ("http://127.0.0.1:7878/", "localhost:7878"),
            ("http://u@localhost:7878/", "localhost:7878"),
            ("http://localhost:7878/", "evil.example"),
        ] {
            assert!(foreign(target, host).is_some(), "{target} {host}");
        }
        let public = own_hosts("192.0.2.1:80".parse().unwrap(), None);
        assert!(
            is_own(&public, "192.0.2.1:80")
                && !is_own(&public, "localhost")
                && !is_own(&public, "localhost:80")
        );
    }
}
