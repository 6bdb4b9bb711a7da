//! The page of a job: its steps and its output, from the first line on, also while it grows.

use askama::Template;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::ask::{Ask, head};
use super::frame::Frame;
use super::html::Html;
use super::log_html::LogHtml;
use super::mark::{Mark, When, took};
use super::no_page;
use super::trend::Trend;
use crate::app::{JobLog, Problem, ReadJobLog, RunRow, open_job_log, run_shape};
use crate::http::gzip::{Coding, accepts_gzip};
use crate::http::problem::Refused;
use crate::http::stream::{BodyParts, streamed_to};
use crate::view::{JobShape, RunShape, one_line, reason_line};

/// How many jobs of the run are named on the page of one.
const MAX_CHIPS: usize = 60;

#[derive(Template)]
#[template(path = "job_head.html")]
struct JobHead {
    frame: Frame,
    path: String,
    number: u64,
    id: String,
    mark: Mark,
    is_over: bool,
    subject: String,
    ran: String,
    usual: Option<String>,
    started: Option<When>,
    reason: Option<String>,
    hints: Vec<String>,
    chips: Vec<Chip>,
    more_jobs: usize,
    bars: Html,
    may_change: bool,
    command: String,
    policy: Vec<String>,
    has_times: bool,
    streams: bool,
    shows_log: bool,
}

#[derive(Template)]
#[template(path = "job_foot.html")]
struct JobFoot {
    frame: Frame,
    is_over: bool,
    shows_log: bool,
}

/// Another job of the run.
struct Chip {
    id: String,
    mark: Mark,
    is_current: bool,
}

/// `GET /{repo}/run/{n}/job/{job}`, with `ts=1` for times, `stream=1` for a page that grows until the job has ended, and
/// `log=0` for a page without the log.
pub(super) async fn page(ask: &Ask, row: RunRow, id: &str) -> Result<Response, Refused> {
    let shape = run_shape(&ask.app, row.clone()).await?;
    let job = shape.jobs.iter().find(|job| job.id == id).cloned().ok_or_else(no_page)?;
    let trend = Trend::before(ask, &row).await?;
    let shows_log = ask.may_read_logs(&row).await;
    let streams = ask.query("stream").is_some();
    let has_times = ask.query("ts").is_some();
    let job_head = JobHead {
        may_change: ask.may_change(&row).await,
        streams,
        has_times,
        shows_log,
        ..JobHead::of(ask, (&shape, &job), &trend)
    };
    let is_over = job_head.is_over;
    let foot = JobFoot { frame: job_head.frame.clone(), is_over, shows_log };
    let mut begin = job_head.render().map_err(|error| Problem::failed(&error))?;
    let end = foot.render().map_err(|error| Problem::failed(&error))?;
    let html = LogHtml::new(job.steps.clone().unwrap_or_default(), job.outcome.clone(), has_times);
    let reads = shows_log && ask.query("log").as_deref() != Some("0");
    let log = if reads { open(ask, row, id, streams).await? } else { None };
    if log.is_none() {
        html.clone().finish(&mut begin);
    }
    let coding = if accepts_gzip(&ask.parts.headers) { Coding::Gzip } else { Coding::None };
    let sent = Sent { log, html, begin, end, flush: streams, app: ask.app.clone() };
    let body = streamed_to((ask.app.clone(), ask.caller.clone()), move |parts| sent.send(parts, coding));
    Ok((StatusCode::OK, coding.headers(), head(), body).into_response())
}

/// Opens the output of a job; nothing when it has none.
async fn open(ask: &Ask, row: RunRow, id: &str, follow: bool) -> Result<Option<JobLog>, Problem> {
    let request = ReadJobLog { job: id.to_owned(), step: None, attempt: None, follow };
    match open_job_log(&ask.app, row, request).await {
        Ok(log) => Ok(Some(log)),
        Err(problem) if problem.code.status() == 404 => Ok(None),
        Err(problem) => Err(problem),
    }
}

impl JobHead {
    fn of(ask: &Ask, (run, job): (&RunShape, &JobShape), trend: &Trend) -> Self {
        let (path, number, id) = (format!("/{}", ask.address.repo), run.number, job.id.clone());
        let mark = Mark::of_word(job.word());
        let is_over = job.outcome.is_some() || run.has_ended();
        let mut frame = ask
            .frame_of_run(number, format_args!("{} {} · #{number}", mark.glyph, id))
            .below(id.clone(), format!("{path}/run/{number}/job/{id}"));
        (frame.icon, frame.kind, frame.is_hidden) = (mark.icon(), Some("job"), true);
        frame.refresh = (!is_over && ask.query("stream").is_none()).then_some(5);
        let chip = |other: &JobShape| Chip {
            id: other.id.clone(),
            mark: Mark::of_word(other.word()),
            is_current: other.id == id,
        };
        let decision = |decision: &crate::view::DecisionShape| {
            let hint = decision.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            one_line(&format!("{} {}: {}{hint}", decision.verdict, decision.code, decision.reason))
        };
        Self {
            mark,
            is_over,
            subject: run.subject.as_deref().map(one_line).unwrap_or_default(),
            ran: took(job.duration_s),
            usual: trend.usual_job(&id).filter(|_| !is_over).map(|usual| took(Some(usual))),
            started: job.started_at.as_deref().and_then(When::parse),
            reason: job.reason.as_ref().map(|reason| reason_line(&reason.text)),
            hints: job.reason.iter().flat_map(|reason| &reason.hints).map(|hint| reason_line(hint)).collect(),
            chips: run.jobs.iter().take(MAX_CHIPS).map(chip).collect(),
            more_jobs: run.jobs.len().saturating_sub(MAX_CHIPS),
            bars: trend.job_bars(&id),
            may_change: false,
            command: format!(
                "quire logs '{}#{number}' {id}{}",
                ask.address.repo,
                if is_over { "" } else { " -f" }
            ),
            policy: job.policy.iter().map(decision).collect(),
            has_times: false,
            streams: false,
            shows_log: false,
            frame,
            path,
            number,
            id,
        }
    }
}

/// A page on its way: its beginning, the log as it is read, its end.
struct Sent {
    app: crate::app::AppState,
    log: Option<JobLog>,
    html: LogHtml,
    begin: String,
    end: String,
    flush: bool,
}

impl Sent {
    async fn send(mut self, parts: BodyParts, coding: Coding) {
        let flush = self.flush;
        let Ok((mut encoder, first)) = self
            .app
            .block({
                let begin = std::mem::take(&mut self.begin).into_bytes();
                move || Ok(coding.encoder().push(begin, true))
            })
            .await
        else {
            return;
        };
        if !parts.send(Bytes::from(first)).await {
            return;
        }
        while let Some(log) = &mut self.log {
            let next = tokio::select! {
                () = parts.closed() => return,
                next = log.next(&self.app) => next,
            };
            let lines = match next {
                Ok(Some(lines)) => lines,
                Ok(None) => break,
                Err(problem) => return parts.fail(&problem).await,
            };
            let mut html = self.html;
            let made = self.app.block(move || {
                let mut text = String::with_capacity(lines.len() * 64);
                html.push(&lines, &mut text);
                Ok((html, encoder.push(text.into_bytes(), flush)))
            });
            let Ok((html, (kept, coded))) = made.await else { return };
            (self.html, encoder) = (html, kept);
            if !coded.is_empty() && !parts.send(Bytes::from(coded)).await {
                return;
            }
        }
        let mut rest = String::new();
        if self.log.is_some() {
            self.html.finish(&mut rest);
        }
        rest.push_str(&self.end);
        let (encoder, mut coded) = encoder.push(rest.into_bytes(), false);
        coded.extend(encoder.finish());
        let _is_there = parts.send(Bytes::from(coded)).await;
    }
}
