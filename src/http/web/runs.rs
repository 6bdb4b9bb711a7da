//! The runs of a repository, newest first, with filters.

use askama::Template;
use axum::response::Response;

use super::ask::Ask;
use super::bars::{Bar, links};
use super::frame::Frame;
use super::html::Html;
use super::mark::{Mark, When, millis, took};
use crate::app::{Code, Problem, RunFilter, list_run_shapes};
use crate::http::page::Page;
use crate::http::problem::Refused;
use crate::model::{JobId, Outcome, Progress, Quoted, RefName, Scope};
use crate::view::{JobShape, RunShape, one_line};

/// How many jobs of a run have a sign of their own.
const MAX_DOTS: usize = 16;

/// How many bars there are above the list.
const MAX_BARS: usize = 50;

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    path: String,
    ref_name: String,
    state: String,
    job: String,
    states: Vec<&'static str>,
    bars: Html,
    runs: Vec<Row>,
    next: Option<String>,
    is_filtered: bool,
}

/// A run in the list.
struct Row {
    number: u64,
    mark: Mark,
    subject: String,
    ref_name: String,
    sha: String,
    by: String,
    queued: Option<When>,
    waited: String,
    ran: String,
    dots: Vec<Dot>,
    more_jobs: usize,
}

/// A job of a run.
struct Dot {
    id: String,
    mark: Mark,
}

/// `GET /{repo}/runs?ref=&state=&job=`
pub(super) async fn page(ask: &Ask) -> Result<Response, Refused> {
    let (repo, _) = ask.repo(Scope::RunsRead).await?;
    let uri = &ask.parts.uri;
    let page = Page::new(&ask.app.instance, uri, (None, ask.query("cursor").as_deref()))?;
    let (ref_name, state, job) = (ask.query("ref"), ask.query("state"), ask.query("job"));
    let is_filtered = ref_name.is_some() || state.is_some() || job.is_some();
    let filter = RunFilter {
        visible: Some(vec![repo.id]),
        ref_names: ref_name.as_deref().map(ref_names).transpose()?.unwrap_or_default(),
        outcome: state.as_deref().and_then(Outcome::parse),
        state: state.as_deref().map(progress).transpose()?.flatten(),
        job: job
            .as_deref()
            .map(JobId::parse)
            .transpose()
            .map_err(|error| invalid(&error))?
            .map(|job| job.to_string()),
        before: page.before,
        limit: page.limit,
        ..RunFilter::default()
    };
    let found = list_run_shapes(&ask.app, filter).await?;
    let bars: Vec<Bar> = found.runs.iter().take(MAX_BARS).rev().map(Bar::of_shape).collect();
    let path = format!("/{}", ask.address.repo);
    let states = Progress::ALL.map(Progress::as_str).into_iter().filter(|word| *word != "finished");
    let has_unfinished = found.runs.iter().any(|run| !run.has_ended());
    let newest = found.runs.iter().find(|run| run.has_ended()).map(|run| Mark::of_word(run.word()).icon());
    let mut frame = ask.frame("runs", "Runs");
    frame.icon = newest.unwrap_or(frame.icon);
    frame.refresh = has_unfinished.then_some(10);
    frame.kind = Some("runs");
    ask.html(RunsPage {
        frame,
        bars: links(&bars, &path),
        path,
        ref_name: ref_name.unwrap_or_default(),
        state: state.unwrap_or_default(),
        job: job.unwrap_or_default(),
        states: states.chain(Outcome::ALL.map(Outcome::as_str)).collect(),
        runs: found.runs.iter().map(Row::of).collect(),
        next: found.next.map(|next| page.next_address(uri, next)),
        is_filtered,
    })
    .await
}

/// The full names that a ref may be meant by.
pub(super) fn ref_names(text: &str) -> Result<Vec<RefName>, Problem> {
    let full = match text.starts_with("refs/") {
        true => vec![text.to_owned()],
        false => vec![format!("refs/heads/{text}"), format!("refs/tags/{text}")],
    };
    full.iter().map(|name| RefName::parse(name.as_bytes()).map_err(|error| invalid(&error))).collect()
}

fn invalid(error: &(dyn std::error::Error + 'static)) -> Problem {
    Problem::new(Code::RequestInvalid, error)
}

/// The state that a word names; nothing for the word of an outcome.
fn progress(text: &str) -> Result<Option<Progress>, Problem> {
    let state = Progress::ALL.into_iter().find(|state| state.as_str() == text);
    match state.is_some() || Outcome::parse(text).is_some() {
        true => Ok(state),
        false => {
            Err(Problem::new(Code::RequestInvalid, format!("no run has the state {}", Quoted::new(text))))
        }
    }
}

impl Row {
    fn of(run: &RunShape) -> Self {
        let waited = millis(&run.queued_at).zip(run.started_at.as_deref().and_then(millis));
        Self {
            number: run.number,
            mark: Mark::of_word(run.word()),
            subject: run.subject.as_deref().map(one_line).unwrap_or_else(|| "–".to_owned()),
            ref_name: run.ref_text(),
            sha: run.commit_text(),
            by: run.pusher.as_deref().map(one_line).unwrap_or_else(|| run.event.clone()),
            queued: When::parse(&run.queued_at),
            waited: took(waited.map(|(start, end)| (end - start) as f64 / 1000.0)),
            ran: took(run.duration_s),
            dots: run.jobs.iter().take(MAX_DOTS).map(Dot::of).collect(),
            more_jobs: run.jobs.len().saturating_sub(MAX_DOTS),
        }
    }
}

impl Dot {
    fn of(job: &JobShape) -> Self {
        Self { id: job.id.clone(), mark: Mark::of_word(job.word()) }
    }
}
