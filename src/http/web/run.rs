//! The pages of one run.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::address::number;
use super::ask::{Ask, lead_to};
use super::frame::Frame;
use super::graph::{self, Node};
use super::html::Html;
use super::kept::{self, Kept};
use super::mark::{Mark, When, millis, size, took};
use super::runs::ref_names;
use super::trend::Trend;
use super::waterfall::{self, Line};
use super::why::{Cause, Mistake, causes};
use super::{job, live, no_page, search};
use crate::app::{RunFilter, RunRow, list_run_shapes, run_shape};
use crate::http::api::LogQuery;
use crate::http::problem::Refused;
use crate::model::{RepoName, Scope};
use crate::sys::clock;
use crate::view::{JobShape, RunShape, one_line, reason_line};

/// The most rows of a table of jobs.
const MAX_JOBS: usize = 500;

/// The most decisions that are listed.
const MAX_DECISIONS: usize = 200;

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    path: String,
    repo: String,
    number: u64,
    mark: Mark,
    is_over: bool,
    subject: String,
    ref_name: String,
    sha: String,
    short: String,
    by: String,
    queued: Option<When>,
    waited: String,
    ran: String,
    usual: Option<String>,
    bars: Html,
    reason: Option<String>,
    hints: Vec<String>,
    problem: Option<String>,
    mistakes: Vec<Mistake>,
    causes: Vec<Cause>,
    more_causes: usize,
    may_change: bool,
    has_failed: bool,
    older: Option<u64>,
    newer: Option<u64>,
    attempt_of: Option<u64>,
    reruns: Vec<u64>,
    superseded_by: Option<u64>,
    graph: Html,
    fall: Html,
    jobs: Vec<Row>,
    more_jobs: usize,
    decisions: Vec<Decision>,
    images: Vec<String>,
    kept: Kept,
    shows_logs: bool,
}

/// A job in the table.
struct Row {
    id: String,
    mark: Mark,
    needs: String,
    waited: String,
    ran: String,
    steps: usize,
    log: String,
    reason: Option<String>,
    is_over: bool,
}

/// A decision of policy.
struct Decision {
    job: String,
    verdict: String,
    text: String,
    hint: Option<String>,
}

/// The page at an address below `/{repo}/run`.
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let parts = ask.address.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (first, rest) = parts.split_first().ok_or_else(no_page)?;
    if (*first, rest) == ("latest", &[]) {
        return latest(ask).await;
    }
    let json = first.strip_suffix(".json").filter(|_| rest.is_empty());
    let text = json.unwrap_or(first);
    let row = ask.run(number(text).ok_or_else(no_page)?).await?;
    match rest {
        [] if json.is_some() => Ok(axum::Json(run_shape(&ask.app, row).await?).into_response()),
        [] => overview(ask, row).await,
        ["events"] => live::events(ask, row).await,
        ["search"] => search::page(ask, row).await,
        ["graph.svg"] => Ok(picture(&graph_of(&run_shape(&ask.app, row).await?, &ask.address.repo))),
        ["waterfall.svg"] => Ok(picture(&times_of(&run_shape(&ask.app, row).await?, &ask.address.repo))),
        ["artifact", name @ ..] if !name.is_empty() => kept::download(ask, row, &name.join("/")).await,
        ["job", id] => match job::page(ask, row.clone(), id).await {
            Err(Refused(problem)) if problem.code.status() == 404 && id.ends_with(".log") => {
                raw(ask, row, id).await
            }
            answer => answer,
        },
        _ => Err(no_page()),
    }
}

/// `GET /{repo}/run/{n}/job/{job}.log?follow=1&ansi=1&ts=1`
async fn raw(ask: &Ask, row: RunRow, file: &str) -> Result<Response, Refused> {
    let id = file.strip_suffix(".log").ok_or_else(no_page)?;
    let row = ask.caller.run_to_read(&ask.app, Scope::LogsRead, &row.id.to_string()).await?;
    let is_set = |name: &str| ask.query(name).is_some_and(|value| value != "0");
    let query = LogQuery::of_page((is_set("ansi"), is_set("ts")), is_set("follow"));
    let mut answer =
        query.answer((ask.app.clone(), ask.caller.clone()), (row, id.to_owned()), &ask.parts.headers).await?;
    let headers = answer.headers_mut();
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'"),
    );
    Ok(answer)
}

/// A picture as a file of its own, with what the style of the pages would say.
fn picture(svg: &Html) -> Response {
    const STYLE: &str = "<style>text{font:13px monospace;fill:#1f2328}a{text-decoration:none}.box{fill:#fff;stroke:#59636e}.box.ok,.ok{stroke:#18713a}\
        .box.bad{stroke:#c01f2b}.box.run{stroke:#8a5a00}.edges path{fill:none;stroke:#59636e}.wait{fill:#d1d9e0}.bar.ok{fill:#18713a}.bar.bad{fill:#c01f2b}\
        .bar.run{fill:#8a5a00}.bar.off{fill:#59636e}.notch{stroke:#fff}.critical{fill:none;stroke:#1f2328}</style>";
    let svg = svg.0.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    let svg = svg.replacen('>', &format!(">{STYLE}"), 1);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, svg).into_response()
}

/// `GET /{repo}/run/{n}`
async fn overview(ask: &Ask, row: RunRow) -> Result<Response, Refused> {
    let shape = run_shape(&ask.app, row.clone()).await?;
    let trend = Trend::before(ask, &row).await?;
    let shows_logs = ask.may_read_logs(&row).await;
    let shows_kept = ask.may_read_artifacts(&shape, &row).await;
    let (causes, failed) = causes(ask, (&row, &shape), (&trend, shows_logs)).await?;
    let there = async |number: Option<u64>| match number {
        Some(number) => ask.run(number).await.is_ok().then_some(number),
        None => None,
    };
    let page = RunPage {
        may_change: ask.may_change(&row).await,
        older: there(row.number.checked_sub(1).filter(|number| *number > 0)).await,
        newer: there(row.number.checked_add(1)).await,
        more_causes: failed.saturating_sub(causes.len()),
        has_failed: failed > 0,
        causes,
        kept: if shows_kept { Kept::of(&shape, &format!("/{}", ask.address.repo)) } else { Kept::default() },
        shows_logs,
        ..RunPage::of(ask, &shape, &trend)
    };
    ask.html(page).await
}

impl RunPage {
    fn of(ask: &Ask, run: &RunShape, trend: &Trend) -> Self {
        let (path, number, mark) = (format!("/{}", ask.address.repo), run.number, Mark::of_word(run.word()));
        let frame = frame(ask, run);
        let waited = millis(&run.queued_at).zip(run.started_at.as_deref().and_then(millis));
        Self {
            is_over: run.has_ended(),
            subject: run.subject.as_deref().map(one_line).unwrap_or_else(|| run.event.clone()),
            ref_name: run.ref_text(),
            sha: run.sha.clone().unwrap_or_default(),
            short: run.commit_text(),
            by: cause(run),
            queued: When::parse(&run.queued_at),
            waited: took(waited.map(|(start, end)| (end - start) as f64 / 1000.0)),
            ran: took(run.duration_s),
            usual: trend.usual_run().map(|usual| took(Some(usual))),
            bars: trend.run_bars(),
            reason: run.reason.as_ref().map(|reason| reason_line(&reason.text)),
            hints: run.reason.iter().flat_map(|reason| &reason.hints).map(|hint| reason_line(hint)).collect(),
            problem: run.problem.as_deref().map(reason_line),
            mistakes: run.diagnostics.iter().map(Mistake::of).collect(),
            causes: Vec::new(),
            more_causes: 0,
            may_change: false,
            has_failed: false,
            older: None,
            newer: None,
            attempt_of: run.attempt_of,
            reruns: run.reruns.clone(),
            superseded_by: run.superseded_by,
            graph: graph_of(run, &ask.address.repo),
            fall: times_of(run, &ask.address.repo),
            jobs: run.jobs.iter().take(MAX_JOBS).map(|job| Row::of(run, job)).collect(),
            more_jobs: run.jobs.len().saturating_sub(MAX_JOBS),
            decisions: decisions(run),
            images: run
                .images
                .iter()
                .map(|image| one_line(&format!("{} {}", image.image, image.id)))
                .collect(),
            kept: Kept::default(),
            shows_logs: false,
            repo: run.repo.clone(),
            frame,
            path,
            number,
            mark,
        }
    }
}

/// The frame of the page of a run.
fn frame(ask: &Ask, run: &RunShape) -> Frame {
    let (number, mark) = (run.number, Mark::of_word(run.word()));
    let ended = run.jobs.iter().filter(|job| job.outcome.is_some()).count();
    let progress = if mark.class == "run" { format!(" {ended}/{}", run.jobs.len()) } else { String::new() };
    let mut frame = ask.frame_of_run(number, format_args!("{}{progress} #{number}", mark.glyph));
    (frame.icon, frame.kind) = (mark.icon(), Some("run"));
    frame.refresh = (!run.has_ended()).then_some(5);
    frame
}

/// The decisions of policy about the jobs of a run.
fn decisions(run: &RunShape) -> Vec<Decision> {
    let decisions = run.jobs.iter().flat_map(|job| {
        job.policy.iter().map(|decision| Decision {
            job: job.id.clone(),
            verdict: decision.verdict.clone(),
            text: one_line(&format!("{}: {}", decision.code, decision.reason)),
            hint: decision.hint.as_deref().map(one_line),
        })
    });
    decisions.take(MAX_DECISIONS).collect()
}

/// When everything that a job needs had ended, in milliseconds; the start of its run when it needs nothing.
fn ready(run: &RunShape, job: &JobShape) -> Option<i64> {
    let needed = run.jobs.iter().filter(|other| job.needs.contains(&other.id));
    let last = needed.filter_map(|other| other.finished_at.as_deref()).filter_map(millis).max();
    last.or_else(|| millis(run.started_at.as_ref().unwrap_or(&run.queued_at)))
}

/// The picture of the jobs of a run.
fn graph_of(run: &RunShape, repo: &RepoName) -> Html {
    let nodes: Vec<Node> = run.jobs.iter().map(Node::of).collect();
    graph::draw(&nodes, &format!("/{repo}/run/{}", run.number))
}

/// The picture of the times of the jobs of a run.
fn times_of(run: &RunShape, repo: &RepoName) -> Html {
    let zero = millis(&run.queued_at).unwrap_or_default();
    let now = clock::now().as_millis();
    let line = |job: &JobShape| {
        let start = millis(job.started_at.as_deref()?)?;
        let end = job.finished_at.as_deref().and_then(millis).unwrap_or(now).max(start);
        let steps = job.steps.iter().flatten().filter_map(|step| millis(&step.started_at));
        Some(Line {
            id: job.id.clone(),
            needs: job.needs.clone(),
            mark: Mark::of_word(job.word()),
            ready: ready(run, job).unwrap_or(start).min(start) - zero,
            start: start - zero,
            end: end - zero,
            steps: steps.map(|at| at - zero).collect(),
        })
    };
    let lines: Vec<Line> = run.jobs.iter().filter_map(line).collect();
    waterfall::draw(&lines, &format!("/{repo}/run/{}", run.number))
}

impl Row {
    fn of(run: &RunShape, job: &JobShape) -> Self {
        let start = job.started_at.as_deref().and_then(millis);
        let waited = start.zip(ready(run, job)).map(|(start, ready)| (start - ready).max(0) as f64 / 1000.0);
        let needs = job.needs.iter().filter(|need| !need.starts_with("quire/")).cloned();
        let bytes = job.steps.iter().flatten().map(|step| step.log_bytes).sum();
        Self {
            id: job.id.clone(),
            mark: Mark::of_word(job.word()),
            needs: needs.collect::<Vec<_>>().join(" "),
            waited: took(waited),
            ran: took(job.duration_s),
            steps: job.steps.as_ref().map_or(0, Vec::len),
            log: if bytes == 0 { String::new() } else { size(bytes) },
            reason: job.reason.as_ref().map(|reason| reason_line(&reason.text)),
            is_over: job.outcome.is_some(),
        }
    }
}

/// `GET /{repo}/run/latest?ref=`: leads to the newest run, of a ref or of all.
async fn latest(ask: &Ask) -> Result<Response, Refused> {
    let (repo, _) = ask.repo(Scope::RunsRead).await?;
    let refs = ask.query("ref").as_deref().map(ref_names).transpose()?.unwrap_or_default();
    let filter =
        RunFilter { visible: Some(vec![repo.id]), ref_names: refs, limit: 1, ..RunFilter::default() };
    let found = list_run_shapes(&ask.app, filter).await?;
    let run = found.runs.first().ok_or_else(no_page)?;
    Ok(lead_to(StatusCode::FOUND, &format!("/{}/run/{}", repo.name, run.number)))
}

/// What started a run, who, whether the push was signed, and which jobs it asked for.
fn cause(run: &RunShape) -> String {
    let by = run.pusher.iter().map(|by| format!(" by {}", one_line(by)));
    let signed = run.signed.iter().map(|signed| format!(", signed {}", one_line(&signed.text())));
    let only = (!run.only.is_empty()).then(|| format!(", only {}", one_line(&run.only.join(", "))));
    [run.event.clone()].into_iter().chain(by).chain(signed).chain(only).collect()
}
