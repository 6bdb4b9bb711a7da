//! Events: of a run from any place in it, and of all runs from now on.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::app::{
    AppState, Caller, Code, EventStream, FollowEvents, NewsStream, Problem, follow_events, follow_news,
    run_shape,
};
use crate::http::input::{Path, Query, repo_name};
use crate::http::problem::{Problems, Refused};
use crate::http::stream::{BodyParts, OwnPlace, streamed_to};
use crate::model::Scope;
use crate::run::RunNews;
use crate::view::RunEvent;

/// After this silence a comment is sent, which keeps a connection.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// A comment of an event stream.
const COMMENT: &[u8] = b":\n\n";

const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only events behind this one; the header `Last-Event-ID` goes before it
    after: Option<u64>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NewsQuery {
    /// Only those of this repository
    repo: Option<String>,
}

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// As an event stream.
    Sse,
    /// As lines of JSON.
    Lines,
}

/// An event on its way to one of those who share it.
struct Framed {
    event: Arc<RunEvent>,
    framing: Framing,
}

impl AsRef<[u8]> for Framed {
    fn as_ref(&self) -> &[u8] {
        if self.framing == Framing::Sse { self.event.sse() } else { self.event.line() }
    }
}

/// The events of a run, from the first or from any other on, until the run has ended: as an event stream, or with
/// `Accept: application/x-ndjson` as lines of JSON.
#[utoipa::path(get, path = "/runs/{run}/events", operation_id = "followRun",
    params(("run" = String, Path, description = "Its id, or REPO#NUMBER"), EventQuery,
           ("Last-Event-ID" = Option<String>, Header, description = "Only events behind this one")),
    security((), ("token" = ["runs:read", "logs:read"])),
    responses((status = 200, description = "The events: `{seq, kind, time, run, …}`",
                content((String = "text/event-stream"), (String = "application/x-ndjson"))),
              (status = 204, description = "The run has ended, and nothing follows"), Problems))]
pub(super) async fn of_run(
    State(app): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let row = caller.run_to_read(&app, Scope::RunsRead, &run).await?;
    caller.run_to_read(&app, Scope::LogsRead, &row.id.to_string()).await?;
    let after = last_seen(&headers)?.or(query.after).unwrap_or_default();
    let Some(stream) = follow_events(&app, row, FollowEvents { after }).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let framing = Framing::of(&headers);
    let counted = app.metrics.event_reader();
    let body = streamed_to((app, caller), move |parts| async move {
        send_events(stream, framing, parts).await;
        drop(counted);
    });
    Ok(answer(framing, body))
}

/// What happens to runs, from now on: `run.queued`, `run.started` and `run.finished`, each with the run.
#[utoipa::path(get, path = "/events", operation_id = "followRuns", params(NewsQuery),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The events; the data are runs without their steps",
                body = String, content_type = "text/event-stream"), Problems))]
pub(super) async fn of_all(
    State(app): State<AppState>,
    caller: Caller,
    Query(query): Query<NewsQuery>,
) -> Result<Response, Refused> {
    let repo = match query.repo.as_deref() {
        Some(name) => Some(caller.repo_to_read(&app, Scope::RunsRead, &repo_name(name)?).await?.0.id),
        None => {
            caller.listed_repos(&app, Scope::RunsRead).await?;
            None
        }
    };
    let news = follow_news(&app)?;
    let counted = app.metrics.event_reader();
    let body = streamed_to((app.clone(), caller.clone()), move |parts| async move {
        send_news(app, caller, repo, news, parts).await;
        drop(counted);
    });
    Ok(answer(Framing::Sse, body))
}

/// The event that a client has seen last.
fn last_seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        Problem::new(Code::RequestInvalid, "in the header Last-Event-ID: not the number of an event")
    })
}

impl Framing {
    fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT);
        let is_lines = accepted.iter().any(|value| value.to_str().is_ok_and(|value| value.contains(NDJSON)));
        if is_lines { Self::Lines } else { Self::Sse }
    }
}

fn answer(framing: Framing, body: axum::body::Body) -> Response {
    let media_type = if framing == Framing::Sse { SSE } else { NDJSON };
    // Proxies must not collect what is sent as it comes.
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        // It has no place at the door any more.
        (header::CONNECTION, "close"),
    ];
    let mut answer = (headers, body).into_response();
    answer.extensions_mut().insert(OwnPlace);
    answer
}

async fn send_events(mut stream: EventStream, framing: Framing, parts: BodyParts) {
    loop {
        let next = tokio::select! {
            () = parts.closed() => return,
            next = timeout(COMMENT_EVERY, stream.next()) => next,
        };
        let events = match next {
            Ok(Ok(Some(events))) => events,
            Ok(Ok(None)) => return,
            Ok(Err(problem)) => return parts.fail(&problem).await,
            // Lines have no comments; an empty one is none of the records.
            Err(_) if framing == Framing::Lines => continue,
            Err(_) if parts.send(Bytes::from_static(COMMENT)).await => continue,
            Err(_) => return,
        };
        for event in events {
            if !parts.send(Bytes::from_owner(Framed { event, framing })).await {
                return;
            }
        }
    }
}

async fn send_news(
    app: AppState,
    caller: Caller,
    repo: Option<String>,
    mut news: NewsStream,
    parts: BodyParts,
) {
    let mut is_there = parts.send(Bytes::from_static(COMMENT)).await;
    while is_there {
        let next = tokio::select! {
            () = parts.closed() => return,
            next = timeout(COMMENT_EVERY, news.next()) => next,
        };
        is_there = match next {
            Ok(Some((run, news))) => {
                match shown(&app, &caller, (repo.as_deref(), &run.to_string()), news).await {
                    Ok(Some(bytes)) => parts.send(bytes).await,
                    Ok(None) => true,
                    Err(problem) => return parts.fail(&problem).await,
                }
            }
            // It was too late to hear all: it has to come again.
            Ok(None) => return,
            Err(_) => parts.send(Bytes::from_static(COMMENT)).await,
        };
    }
}

/// What has happened to a run, when the caller may see it.
async fn shown(
    app: &AppState,
    caller: &Caller,
    (repo, run): (Option<&str>, &str),
    news: RunNews,
) -> Result<Option<Bytes>, Problem> {
    let Ok(row) = caller.run_to_read(app, Scope::RunsRead, run).await else { return Ok(None) };
    let is_meant = match repo {
        Some(repo) => repo == row.repo_id,
        None => caller
            .listed_repos(app, Scope::RunsRead)
            .await?
            .is_none_or(|listed| listed.contains(&row.repo_id)),
    };
    if !is_meant {
        return Ok(None);
    }
    let shape = run_shape(app, row).await?.without_steps();
    let data = serde_json::to_string(&shape).map_err(|error| Problem::failed(&error))?;
    let kind = match news {
        RunNews::Queued => "run.queued",
        RunNews::Started => "run.started",
        RunNews::Finished => "run.finished",
    };
    Ok(Some(Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))))
}
