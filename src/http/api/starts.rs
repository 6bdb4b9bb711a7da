//! Runs that are started by hand, and runs that are repeated.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::BASE;
use super::jobs::{self, AskedJob};
use crate::app::{AppState, Caller, Operation, RerunRun, StartRun, run_shape};
use crate::http::caller::Known;
use crate::http::input::{Body, OptionalBody, Path, repo_name};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;
use crate::view::RunShape;

/// The answer to a run that was made: its address and itself.
type Made = (StatusCode, [(HeaderName, String); 1], Json<RunShape>);

/// Jobs of a commit that are to run, or a job folder when there is no `repo`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    /// The repository; absent for a job folder of the server or of a source
    repo: Option<String>,
    /// A branch or tag, with its full or short name; the default branch when absent
    r#ref: Option<String>,
    /// Instead of `ref`: the full id of a commit in the history of a branch or tag
    sha: Option<String>,
    /// The root job on `:quire/manual`, which runs with what needs it; all of them when absent. Without a repository the id of
    /// the job folder
    job: Option<String>,
    /// What the jobs get as `:args`: at most 64 KiB
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    args: Option<Map<String, Value>>,
    /// The source where alone the job folder is looked for
    source: Option<String>,
    /// Environment variables of the steps
    vars: Option<BTreeMap<String, String>>,
}

/// Which part of a run is repeated; all of it when the body is absent or empty.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeated {
    /// Only the jobs that failed, and what needs them
    failed: Option<bool>,
    /// Only this job, and what needs it
    job: Option<String>,
}

/// Starts the jobs of a commit that need `:quire/manual`, or a job folder.
#[utoipa::path(post, path = "/runs", operation_id = "startRun", request_body = NewRun, security(("token" = ["runs:write"])),
    responses((status = 201, description = "The run; `Location` is its address", body = RunShape), Problems))]
pub(super) async fn start(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(body): Body<NewRun>,
) -> Result<Made, Refused> {
    let fields = [
        ("ref", body.r#ref.is_some(), true),
        ("sha", body.sha.is_some(), true),
        ("vars", body.vars.is_some(), true),
        ("source", body.source.is_some(), false),
    ];
    jobs::expect_one_kind(body.repo.as_deref(), &fields)?;
    let Some(repo) = &body.repo else {
        let NewRun { job, source, args, .. } = body;
        let asked = AskedJob { job, source, args: args.unwrap_or_default() };
        let id = jobs::start(&app, &caller, asked).await?;
        return made(&app, &caller, &id).await;
    };
    let name = repo_name(repo)?;
    let (repo, _) = caller.repo_to_change(&app, Scope::RunsWrite, &name).await?;
    let request = StartRun {
        repo: repo.name.to_string(),
        r#ref: body.r#ref,
        sha: body.sha,
        job: body.job,
        args: body.args.unwrap_or_default(),
        vars: body.vars.unwrap_or_default(),
        by: Some(caller.actor().to_owned()),
    };
    made(&app, &caller, &request.perform(&app.acting_as(&caller)).await?.id).await
}

/// Runs the commit of a run once more, or a part of its jobs. The other jobs keep their outcomes and outputs.
#[utoipa::path(post, path = "/runs/{run}/rerun", operation_id = "rerunRun", params(("run" = String, Path, description = "Its id, or REPO#NUMBER")),
    request_body(content = Option<Repeated>), security(("token" = ["runs:write"])),
    responses((status = 201, description = "The new run; `Location` is its address", body = RunShape), Problems))]
pub(super) async fn rerun(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(run): Path<String>,
    OptionalBody(body): OptionalBody<Repeated>,
) -> Result<Made, Refused> {
    let row = caller.run_to_change(&app, Scope::RunsWrite, &run).await?;
    let by = Some(caller.actor().to_owned());
    let request =
        RerunRun { run: row.id.to_string(), failed: body.failed.unwrap_or_default(), job: body.job, by };
    made(&app, &caller, &request.perform(&app.acting_as(&caller)).await?.id).await
}

async fn made(app: &AppState, caller: &Caller, run: &str) -> Result<Made, Refused> {
    let row = caller.run_to_change(app, Scope::RunsWrite, run).await?;
    let location = [(header::LOCATION, format!("{BASE}/runs/{run}"))];
    Ok((StatusCode::CREATED, location, Json(run_shape(app, row).await?)))
}
