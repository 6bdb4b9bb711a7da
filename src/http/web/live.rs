//! What happens to a run, for the script of a page: as an event stream, or, for a page that polls, what there is now.
//!
//! Of a run: `change` whenever its page would be another one. Of a job: `step` with the beginning of a section and `log` with
//! finished lines, from any line on, each once; the id of an event is the last line. At the end: `end`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::ask::Ask;
use super::log_html::LogHtml;
use super::no_page;
use crate::app::{
    AppState, Code, EventStream, FollowEvents, JobLog, Problem, ReadJobLog, RunRow, follow_events,
    open_job_log, run_shape,
};
use crate::http::problem::Refused;
use crate::http::stream::{BodyParts, OwnPlace, streamed_to};
use crate::model::Scope;
use crate::view::LogLine;

/// After this silence a comment is sent, which keeps a connection.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// How soon a browser that has lost the stream comes again, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// `GET /{repo}/run/{n}/events?job=&after=&follow=&ts=`
pub(super) async fn events(ask: &Ask, row: RunRow) -> Result<Response, Refused> {
    ask.caller.run_to_read(&ask.app, Scope::LogsRead, &row.id.to_string()).await?;
    let (app, caller) = (ask.app.clone(), ask.caller.clone());
    let counted = app.metrics.event_reader();
    let Some(job) = ask.query("job") else {
        let Some(stream) = follow_events(&app, row, FollowEvents::FROM_NOW).await? else {
            return Ok(StatusCode::NO_CONTENT.into_response());
        };
        let body = streamed_to((app, caller), move |parts| async move {
            send_changes(stream, parts).await;
            drop(counted);
        });
        return Ok(answer(body));
    };
    let busy =
        || Problem::new(Code::ServerBusy, "too many clients follow runs already").hint("try again later");
    let place = Arc::clone(&app.followers).try_acquire_owned().map_err(|_| busy())?;
    let after = last_line(ask).unwrap_or_default();
    let follow = ask.query("follow").as_deref() != Some("0");
    let log = JobStream::open(ask, row, &job, (after, follow)).await?;
    let body = streamed_to((app, caller), move |parts| async move {
        log.send(parts).await;
        drop((counted, place));
    });
    Ok(answer(body))
}

/// The last line that the page has.
fn last_line(ask: &Ask) -> Option<u64> {
    let header = ask.parts.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| ask.query("after"))?.parse().ok()
}

fn answer(body: axum::body::Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies must not collect what is sent as it comes.
        (HeaderName::from_static("x-accel-buffering"), "no"),
        // It has no place at the door any more.
        (header::CONNECTION, "close"),
    ];
    let mut answer = (headers, body).into_response();
    answer.extensions_mut().insert(OwnPlace);
    answer
}

/// Sends a word for each change of a run that is none of its output.
async fn send_changes(mut stream: EventStream, parts: BodyParts) {
    // What has happened since the page was made is not known: it is to be looked at once.
    let mut is_there = parts.send(Bytes::from(format!("{RETRY}event: change\ndata: now\n\n"))).await;
    while is_there {
        let next = tokio::select! {
            () = parts.closed() => return,
            next = timeout(COMMENT_EVERY, stream.next()) => next,
        };
        is_there = match next {
            Ok(Ok(Some(events))) => match events.iter().any(|event| !event.is_log()) {
                true => parts.send(Bytes::from_static(b"event: change\ndata: now\n\n")).await,
                false => true,
            },
            Ok(Ok(None)) => {
                parts.send(Bytes::from_static(b"event: end\ndata: now\n\n")).await;
                return;
            }
            Ok(Err(problem)) => return parts.fail(&problem).await,
            Err(_) => parts.send(Bytes::from_static(b":\n\n")).await,
        };
    }
}

/// The output of a job for a page that has its first lines.
struct JobStream {
    app: AppState,
    row: RunRow,
    job: String,
    log: JobLog,
    html: LogHtml,
    after: u64,
}

impl JobStream {
    async fn open(ask: &Ask, row: RunRow, job: &str, (after, follow): (u64, bool)) -> Result<Self, Refused> {
        let app = ask.app.clone();
        let shape = run_shape(&app, row.clone()).await?;
        let known = shape.jobs.iter().find(|known| known.id == job).ok_or_else(no_page)?;
        let html = LogHtml::new(known.steps.clone().unwrap_or_default(), None, ask.query("ts").is_some());
        let request = ReadJobLog { job: job.to_owned(), step: None, attempt: None, follow };
        let log = open_job_log(&app, row.clone(), request).await?;
        Ok(Self { app, row, job: job.to_owned(), log, html: html.after(after), after })
    }

    async fn send(mut self, parts: BodyParts) {
        let mut is_there = parts.send(Bytes::from_static(RETRY.as_bytes())).await;
        while is_there {
            let next = tokio::select! {
                () = parts.closed() => return,
                next = timeout(COMMENT_EVERY, self.log.next(&self.app)) => next,
            };
            is_there = match next {
                Ok(Ok(Some(lines))) => match self.events(&lines).await {
                    Ok(events) if events.is_empty() => true,
                    Ok(events) => parts.send(Bytes::from(events)).await,
                    Err(problem) => return parts.fail(&problem).await,
                },
                Ok(Ok(None)) => {
                    let end = if self.log.has_ended() { "event: end\ndata: now\n\n" } else { "" };
                    parts.send(Bytes::from(end)).await;
                    return;
                }
                Ok(Err(problem)) => return parts.fail(&problem).await,
                Err(_) => parts.send(Bytes::from_static(b":\n\n")).await,
            };
        }
    }

    /// The events of some lines.
    async fn events(&mut self, lines: &[LogLine]) -> Result<String, Problem> {
        let mut events = String::new();
        for group in lines.chunk_by(|one, other| one.step == other.step) {
            let Some(first) = group.first() else { continue };
            let section = self.html.section_of(first);
            let is_new = self.html.has_not_begun(section);
            if is_new && section > 0 && self.html.lacks(section) {
                self.refresh().await?;
            }
            let mut text = String::new();
            self.html.push_new(group, &mut text);
            if self.html.count() <= self.after {
                continue;
            }
            if is_new {
                let mut start = String::new();
                self.html.push_section_start(section, &mut start);
                events.push_str(&format!("event: step\ndata: {section}\ndata: {start}</details>\n\n"));
            }
            events.push_str(&format!("id: {}\nevent: log\ndata: {section}\n", self.html.count()));
            for line in text.lines() {
                events.push_str("data: ");
                events.push_str(line);
                events.push('\n');
            }
            events.push('\n');
        }
        Ok(events)
    }

    /// Reads which steps the job has now.
    async fn refresh(&mut self) -> Result<(), Problem> {
        let shape = run_shape(&self.app, self.row.clone()).await?;
        if let Some(job) = shape.jobs.into_iter().find(|job| job.id == self.job) {
            self.html.set_steps(job.steps.unwrap_or_default());
        }
        Ok(())
    }
}
