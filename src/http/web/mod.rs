//! Pages for browsers: HTML from the server, one style, one script, nothing inline and nothing from elsewhere.
//!
//! `address.rs` takes a path apart, `ask.rs` holds one request and answers it, `frame.rs` is what is around a page. A page is a
//! function from an [`Ask`] to an answer, and an arm of [`page_of_repo`]. What a caller may see is decided by [`Ask::repo`] and
//! [`Ask::run`]; templates escape whatever they show.

mod address;
mod admin;
mod ansi;
mod ask;
mod assets;
mod bars;
mod browse;
mod change;
mod ci;
mod frame;
mod front;
mod graph;
mod graph_groups;
mod html;
mod job;
mod kept;
mod live;
mod log_html;
mod mark;
mod queue;
mod run;
mod runs;
mod search;
mod sign_in;
mod start;
mod trend;
mod waterfall;
mod why;

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use self::address::Address;
use self::ask::{Ask, not_found, problem};
use self::change::Form;
use super::pages;
use super::problem::Refused;
use crate::app::{AppState, Caller, Code, Problem};

pub(super) use ask::SameForAll;
pub(super) use sign_in::{form, signed_in};

/// What crawlers may read: the newest state of things, not what costs time and has no end.
const ROBOTS: &str = "User-agent: *\nDisallow: /-/\nDisallow: /api/\nDisallow: /*/raw/\nDisallow: /*/blame/\n\
    Disallow: /*/log/\nDisallow: /*/compare/\nDisallow: /*/archive/\nDisallow: /*/search\nDisallow: /*?\n";

/// What was made of a request, or the page of its problem.
async fn answered(made: Result<Response, Refused>, app: &AppState, parts: &Parts) -> Response {
    match made {
        Ok(answer) => answer,
        Err(Refused(refused)) => problem(app, parts, refused).await,
    }
}

/// `GET /robots.txt`.
pub(super) async fn robots() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], ROBOTS).into_response()
}

/// `GET /`.
pub(super) async fn front(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !wants_html(&parts.headers) {
        return pages::welcome().await;
    }
    answered(front::page(&app, &caller, &parts).await, &app, &parts).await
}

/// `GET /queue`.
pub(super) async fn queue(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    answered(queue::page(&app, &caller, &parts).await, &app, &parts).await
}

/// `GET` of every address that no other route has: an asset, a page, or nothing.
pub(super) async fn page(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Some(asset) = assets::answer(parts.uri.path(), &parts.headers) {
        return asset;
    }
    if let Some(word) = admin::word(parts.uri.path()) {
        return answered(admin::page((&app, &caller), &parts, word).await, &app, &parts).await;
    }
    // Programs read text.
    if !wants_html(&parts.headers)
        && (pages::is_run(parts.uri.path()) || Address::parse(parts.uri.path()).is_none())
    {
        return pages::page(State(app), caller, parts.uri).await;
    }
    let Some(address) = Address::parse(parts.uri.path()) else { return not_found(&app, &parts).await };
    let ask = Ask { app, caller, address, parts };
    answered(page_of_repo(&ask).await, &ask.app, &ask.parts).await
}

/// `POST` of a form of a page.
pub(super) async fn change(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !change::is_action(parts.uri.path()) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let form = match Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await {
        Ok(body) => Form::read(&body),
        Err(rejection) => return rejection.into_response(),
    };
    if let Some(word) = admin::word(parts.uri.path()) {
        return answered(admin::change((&app, &caller), word, &form).await, &app, &parts).await;
    }
    let Some(address) = Address::parse(parts.uri.path()) else { return not_found(&app, &parts).await };
    let ask = Ask { app, caller, address, parts };
    let changed = match ask.address.page {
        "run" if ask.address.rest.is_empty() => start::start(&ask, &form).await,
        "run" => change::run(&ask, &form).await,
        _ => Err(no_page()),
    };
    answered(changed, &ask.app, &ask.parts).await
}

/// The page at an address below a repository.
async fn page_of_repo(ask: &Ask) -> Result<Response, Refused> {
    match ask.address.page {
        "runs" if ask.address.rest.is_empty() => runs::page(ask).await,
        "run" if ask.address.rest.is_empty() => start::page(ask).await,
        "run" => run::page(ask).await,
        "ci" if ask.address.rest.is_empty() => ci::page(ask).await,
        _ => browse::page(ask).await,
    }
}

/// `GET /feed.atom`.
pub(super) async fn feed(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let state = ask::query_value(parts.uri.query().unwrap_or_default(), "state");
    let made = browse::all_runs(&app, &caller, (&parts.uri.to_string(), state.as_deref())).await;
    answered(made, &app, &parts).await
}

/// `GET /cc.xml`.
pub(super) async fn cruise(State(app): State<AppState>, caller: Caller, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    answered(browse::cruise(&app, &caller).await, &app, &parts).await
}

/// The problem that nothing is at an address.
fn no_page() -> Refused {
    Problem::new(Code::RouteNotFound, "there is nothing at this address").into()
}

/// Whether a browser asks: programs do not ask for HTML.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    accept.split(|c| *c == b',' || *c == b';').any(|kind| kind.trim_ascii() == b"text/html")
}
