//! The events of a run as a stream, from any place in it, and as an export.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::FlwdState;
use super::identity::FlwdCaller;
use super::problem::FlwdProblem;
use crate::app::{EventStream, FollowEvents, Problem, RunRow, follow_events};
use crate::compat::flwd::events::{Translator, origin_of};
use crate::http::{BodyParts, OwnPlace, streamed};

/// After this silence a comment is sent, which keeps a connection.
pub(super) const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
pub(super) const KEEP_ALIVE: &[u8] = b":keep-alive\n\n";

/// What a stream begins with: how soon to come again, and something to see.
pub(super) const PREAMBLE: &[u8] = b"retry: 2000\n:connected\n\n";

/// The events of a run, from some place on.
struct RunStream {
    events: EventStream,
    translator: Translator,
    /// The last event that the client has.
    last: u64,
}

/// `GET /runs/{id}/events`.
pub(super) async fn of_run(
    State(flwd): State<FlwdState>,
    Path(id): Path<String>,
    caller: FlwdCaller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, FlwdProblem> {
    stream_of(&flwd, caller, (&id, last_seen(&headers, &uri)?)).await
}

/// A stream of the events of a run behind `last`.
pub(super) async fn stream_of(
    flwd: &FlwdState,
    caller: FlwdCaller,
    (id, last): (&str, u64),
) -> Result<Response, FlwdProblem> {
    let (row, _) = flwd.run(id).await?;
    let opened = flwd.metrics.persisted("journal_read", RunStream::open(flwd, row, last)).await;
    let stream = opened.inspect_err(|_| flwd.metrics.cursor_expired())?;
    if last > 0 {
        flwd.metrics.resumed();
    }
    Ok(event_stream(flwd, caller, move |parts| stream.send(parts)))
}

/// `GET /runs/{id}/events.ndjson`: what has happened until now.
pub(super) async fn export(
    State(flwd): State<FlwdState>,
    Path(id): Path<String>,
) -> Result<Response, FlwdProblem> {
    if !flwd.has_export() {
        let detail = "start the server with --extension export";
        return Err(FlwdProblem::unsupported(detail).with("extension", "export"));
    }
    let (row, _) = flwd.run(&id).await?;
    let mut stream = flwd.metrics.persisted("journal_read", RunStream::open(&flwd, row, 0)).await?;
    let body = streamed(move |parts| async move {
        loop {
            let lines = match stream.events.next_there().await {
                Ok(Some(events)) => {
                    let made = events.iter().flat_map(|event| stream.translator.translate(event));
                    made.map(|event| event.export_line()).collect::<String>()
                }
                Ok(None) => return,
                Err(problem) => return parts.fail(&problem).await,
            };
            if !parts.send(Bytes::from(lines)).await {
                return;
            }
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")], body)
        .into_response())
}

/// The answer with a stream of events, which `send` sends. It breaks off when the caller would be refused.
pub(super) fn event_stream<F: Future<Output = ()> + Send + 'static>(
    flwd: &FlwdState,
    caller: FlwdCaller,
    send: impl FnOnce(BodyParts) -> F + Send + 'static,
) -> Response {
    let (app, counted) = (flwd.app.clone(), flwd.metrics.open_stream());
    let body = streamed(move |parts| async move {
        tokio::select! {
            () = send(parts.clone()) => {}
            problem = caller.until_refused(&app) => parts.fail(&problem).await,
        }
        drop(counted);
    });
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies must not collect what is sent as it comes.
        (HeaderName::from_static("x-accel-buffering"), "no"),
        // It has no place at the door any more.
        (header::CONNECTION, "close"),
    ];
    let mut answer = (head, body).into_response();
    answer.extensions_mut().insert(OwnPlace);
    answer
}

/// The event that a client has seen last, by its header or the query; 0 when it has seen none.
pub(super) fn last_seen(headers: &HeaderMap, uri: &Uri) -> Result<u64, FlwdProblem> {
    let mut parts = uri.query().unwrap_or_default().split('&');
    let of_query = parts.find_map(|part| part.strip_prefix("last_event_id="));
    let of_header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    match of_header.or(of_query).map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => {
            text.parse().map_err(|_| FlwdProblem::invalid_last_event("it is not the number of an event"))
        }
    }
}

impl RunStream {
    async fn open(flwd: &FlwdState, row: RunRow, last: u64) -> Result<Self, FlwdProblem> {
        let (app, facts) = (&flwd.app, flwd.facts(&row).await?);
        let from = |after| follow_events(app, row.clone(), FollowEvents { after });
        let over = || FlwdProblem::cursor_expired("there is no event with this number");
        if last == 0 {
            let events = from(0).await?.ok_or_else(over)?;
            return Ok(Self { events, translator: Translator::new(facts), last });
        }
        let origin = origin_of(last);
        // What follows the event that the last one was made of: its other lines come again, and are left out.
        let before = origin.checked_sub(1).ok_or_else(over)?;
        let is_newest = match from(origin).await? {
            None => true,
            Some(mut rest) => rest.next_there().await?.is_none(),
        };
        let events = from(before).await?.ok_or_else(over)?;
        let mut stream = Self {
            events,
            translator: Translator::knowing(facts.clone(), &app.view(row.clone()).await),
            last,
        };
        if is_newest && !stream.has_last().await? {
            return Err(over());
        }
        let events = from(before).await?.ok_or_else(over)?;
        stream = Self { events, ..stream };
        Ok(stream)
    }

    /// Whether the event that the client has is one of what comes next.
    async fn has_last(&mut self) -> Result<bool, Problem> {
        let events = self.events.next_there().await?.unwrap_or_default();
        Ok(events
            .iter()
            .any(|event| self.translator.translate(event).iter().any(|made| made.id >= self.last)))
    }

    /// Sends what there is and what comes, until the client leaves. It stays open after the end of the run.
    async fn send(mut self, parts: BodyParts) {
        let mut is_there = parts.send(Bytes::from_static(PREAMBLE)).await;
        let mut is_over = false;
        while is_there {
            let next = tokio::select! {
                () = parts.closed() => return,
                next = timeout(KEEP_ALIVE_EVERY, self.next(is_over)) => next,
            };
            is_there = match next {
                Ok(Ok(Some(bytes))) => parts.send(bytes).await,
                Ok(Ok(None)) => {
                    is_over = true;
                    true
                }
                Ok(Err(problem)) => return parts.fail(&problem).await,
                Err(_) => parts.send(Bytes::from_static(KEEP_ALIVE)).await,
            };
        }
    }

    /// The next events; nothing behind the last one, and behind that it waits for ever.
    async fn next(&mut self, is_over: bool) -> Result<Option<Bytes>, Problem> {
        if is_over {
            return std::future::pending().await;
        }
        loop {
            let Some(events) = self.events.next().await? else { return Ok(None) };
            let made = events.iter().flat_map(|event| self.translator.translate(event));
            let text: String =
                made.filter(|event| event.id > self.last).map(|event| event.sse(event.id)).collect();
            if !text.is_empty() {
                return Ok(Some(Bytes::from(text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_comes_before_the_query_and_must_be_a_number() {
        let last = |header: Option<&str>, uri: &str| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("last-event-id", header.parse().unwrap());
            }
            last_seen(&headers, &uri.parse().unwrap()).ok()
        };
        assert_eq!(last(None, "/runs/x/events"), Some(0));
        assert_eq!(last(None, "/runs/x/events?a=b&last_event_id=7"), Some(7));
        assert_eq!(last(Some("9"), "/runs/x/events?last_event_id=7"), Some(9));
        assert_eq!(last(Some(""), "/runs/x/events"), Some(0));
        for wrong in ["x", "-1", "1.5", "99999999999999999999999", "1 2"] {
            assert_eq!(last(Some(wrong), "/"), None, "{wrong}");
        }
    }
}
