//! Runs: listed, shown, cancelled, waited for.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::{
    AppState, Caller, CancelRun, Code, Operation, Problem, RunFilter, WaitForRun, list_run_shapes, run_shape,
};
use crate::event::Trigger;
use crate::http::caller::Known;
use crate::http::input::{OptionalBody, Path, Query, repo_name, time, word};
use crate::http::page::Page;
use crate::http::problem::{Problems, Refused};
use crate::model::{CommitId, Outcome, Progress, Quoted, RefName, Scope};
use crate::view::{EventWord, OutcomeWord, RunShape, StateWord};

/// The longest wait of one request, and how long it is when nothing is said, in seconds.
const MAX_WAIT: u64 = 300;
const DEFAULT_WAIT: u64 = 60;

/// A body that says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunQuery {
    /// Only those of this repository
    repo: Option<String>,
    /// Only those of this ref: its full name, or the name of a branch or tag
    #[serde(rename = "ref")]
    #[param(rename = "ref")]
    ref_name: Option<String>,
    /// Only those of this branch
    branch: Option<String>,
    /// Only those of this tag
    tag: Option<String>,
    /// Only those of this commit
    sha: Option<String>,
    /// Only those that such an event started: push, manual or cron
    #[param(inline, value_type = Option<EventWord>)]
    event: Option<String>,
    /// Only those in this state: queued, running or finished
    #[param(inline, value_type = Option<StateWord>)]
    state: Option<String>,
    /// Only those that ended so
    #[param(inline, value_type = Option<OutcomeWord>)]
    outcome: Option<String>,
    /// Only those that have a job with this id
    job: Option<String>,
    /// Only those that were recorded since this time
    since: Option<String>,
    /// Only those that were recorded until this time
    until: Option<String>,
    /// At most this many
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins, from the Link header of an answer
    cursor: Option<String>,
}

impl RunQuery {
    fn filter(&self) -> Result<RunFilter, Problem> {
        let outcome = |text: &String| word(("outcome", text), &Outcome::ALL, Outcome::as_str);
        let state = |text: &String| word(("state", text), &Progress::ALL, Progress::as_str);
        Ok(RunFilter {
            repo: self.repo.as_deref().map(repo_name).transpose()?,
            ref_names: self.ref_names()?,
            sha: self.sha.as_deref().map(sha).transpose()?,
            triggers: self.event.as_deref().map(triggers).transpose()?.unwrap_or_default(),
            outcome: self.outcome.as_ref().map(outcome).transpose()?,
            state: self.state.as_ref().map(state).transpose()?,
            job: self.job.clone(),
            since: self.since.as_deref().map(|text| time("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| time("until", text)).transpose()?,
            ..RunFilter::default()
        })
    }

    /// The refs of `ref`, `branch` and `tag`, of which one may be given.
    fn ref_names(&self) -> Result<Vec<RefName>, Problem> {
        let full = match (&self.ref_name, &self.branch, &self.tag) {
            (None, None, None) => return Ok(Vec::new()),
            (Some(name), None, None) if name.starts_with("refs/") => vec![name.clone()],
            (Some(name), None, None) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
            (None, Some(branch), None) => vec![format!("refs/heads/{branch}")],
            (None, None, Some(tag)) => vec![format!("refs/tags/{tag}")],
            _ => {
                let text = "in the query: ref, branch and tag exclude each other";
                return Err(Problem::new(Code::RequestInvalid, text));
            }
        };
        let parse = |name: &String| {
            let wrong = |error| Problem::caused_by(Code::RequestInvalid, &error);
            RefName::parse(name.as_bytes()).map_err(wrong)
        };
        full.iter().map(parse).collect()
    }
}

fn sha(text: &str) -> Result<CommitId, Problem> {
    CommitId::parse(text).map_err(|_| {
        let text = format!("in the query: sha: {} is not the full id of a commit", Quoted::new(text));
        Problem::new(Code::RequestInvalid, text).hint("git rev-parse REV prints it")
    })
}

/// The kinds of events that are shown under a word.
fn triggers(text: &str) -> Result<Vec<Trigger>, Problem> {
    let shown = word(("event", text), &Trigger::ALL, Trigger::shown)?.shown();
    Ok(Trigger::ALL.into_iter().filter(|trigger| trigger.shown() == shown).collect())
}

/// Runs, newest first, without their steps.
#[utoipa::path(get, path = "/runs", operation_id = "listRuns", params(RunQuery),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The runs; `Link` has the address of the next page", body = [RunShape]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    uri: axum::extract::OriginalUri,
    Query(query): Query<RunQuery>,
) -> Result<Response, Refused> {
    let page = Page::new(&app.instance, &uri, (query.limit, query.cursor.as_deref()))?;
    let filter = query.filter()?;
    if let Some(name) = &filter.repo {
        caller.repo_to_read(&app, Scope::RunsRead, name).await?;
    }
    // A repository that is named may be one that is in no list.
    let visible = match &filter.repo {
        Some(_) => None,
        None => caller.listed_repos(&app, Scope::RunsRead).await?,
    };
    let filter = RunFilter { visible, before: page.before, limit: page.limit, ..filter };
    let found = list_run_shapes(&app, filter).await?;
    Ok(page.answer(&uri, found.runs, found.next))
}

/// A run with its jobs and steps.
#[utoipa::path(get, path = "/runs/{run}", operation_id = "getRun", params(("run" = String, Path, description = "Its id, or REPO#NUMBER")),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The run", body = RunShape), Problems))]
pub(super) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<RunShape>, Refused> {
    let row = caller.run_to_read(&app, Scope::RunsRead, &run).await?;
    Ok(Json(run_shape(&app, row).await?))
}

/// Cancels a run. It ends soon after the answer.
#[utoipa::path(post, path = "/runs/{run}/cancel", operation_id = "cancelRun", params(("run" = String, Path, description = "Its id, or REPO#NUMBER")),
    security(("token" = ["runs:write"])),
    responses((status = 202, description = "The run, which is being stopped", body = RunShape), Problems))]
pub(super) async fn cancel(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(run): Path<String>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<(StatusCode, Json<RunShape>), Refused> {
    let row = caller.run_to_change(&app, Scope::RunsWrite, &run).await?;
    let id = row.id.to_string();
    CancelRun { run: id.clone(), by: Some(caller.actor().to_owned()) }
        .perform(&app.acting_as(&caller))
        .await?;
    let row = caller.run_to_change(&app, Scope::RunsWrite, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(run_shape(&app, row).await?)))
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// The longest wait, in seconds
    #[param(minimum = 0, maximum = 300, default = 60)]
    timeout_s: Option<u64>,
}

/// Waits until a run has ended.
#[utoipa::path(get, path = "/runs/{run}/wait", operation_id = "waitForRun", params(("run" = String, Path, description = "Its id, or REPO#NUMBER"), WaitQuery),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The run, which has ended", body = RunShape),
              (status = 202, description = "The run, which has not ended yet", body = RunShape), Problems))]
pub(super) async fn wait(
    State(app): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Result<Response, Refused> {
    let seconds = query.timeout_s.unwrap_or(DEFAULT_WAIT);
    if seconds > MAX_WAIT {
        let text = format!("in the query: timeout_s: {seconds} is more than {MAX_WAIT}");
        return Err(Problem::new(Code::RequestInvalid, text)
            .hint("ask again when the run has not ended")
            .into());
    }
    let id = caller.run_to_read(&app, Scope::RunsRead, &run).await?.id.to_string();
    let waiting = WaitForRun { run: id.clone() }.perform(&app);
    // What does not end in time has an answer, too.
    if let Ok(ended) = tokio::time::timeout(Duration::from_secs(seconds), waiting).await {
        ended?;
    }
    let shape = run_shape(&app, caller.run_to_read(&app, Scope::RunsRead, &id).await?).await?;
    let has_ended = shape.state == Progress::Finished.as_str();
    let status = if has_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(shape)).into_response())
}
