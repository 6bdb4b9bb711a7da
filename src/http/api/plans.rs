//! Plans: which jobs an event would start, which not, and why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::jobs::{self, AskedJob};
use crate::app::{AppState, JobPlanShape, PlanRun, plan_run};
use crate::http::caller::Known;
use crate::http::input::{Body, repo_name};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;
use crate::view::PlanShape;

/// What is to be planned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlan {
    /// The repository; absent for a job folder of the server or of a source
    repo: Option<String>,
    /// The root job on `:quire/manual` that somebody would start. Without a repository the id of the job folder
    job: Option<String>,
    /// The source where alone the job folder is looked for
    source: Option<String>,
    /// A branch or tag, with its full or short name; the default branch when absent
    r#ref: Option<String>,
    /// Instead of `ref`: the full id of a commit in the history of a branch or tag
    sha: Option<String>,
    /// `push` or `manual`; when absent, `manual` with a job and otherwise `push`
    event: Option<String>,
    /// The arguments of a manual event
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    args: Option<Map<String, Value>>,
    /// The files that a push would have changed; jobs read them while they run, so they decide nothing here
    files_changed: Option<Vec<String>>,
}

/// A plan: of a pipeline, or of a job folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Planned {
    /// Which jobs an event starts.
    Pipeline(PlanShape),
    /// What a run of a job does.
    Job(JobPlanShape),
}

/// Plans what an event would start at a commit. Nothing is run. It evaluates the pipeline, so it requires the scope of every
/// caller.
#[utoipa::path(post, path = "/plans", operation_id = "plan", request_body = NewPlan, security(("token" = ["runs:read"])),
    responses((status = 200, description = "The plan; a pipeline with mistakes has no jobs", body = Planned), Problems))]
pub(super) async fn plan(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(body): Body<NewPlan>,
) -> Result<Json<Planned>, Refused> {
    let NewPlan { repo, job, source, r#ref, sha, event, args, files_changed } = body;
    let fields = [
        ("ref", r#ref.is_some(), true),
        ("sha", sha.is_some(), true),
        ("event", event.is_some(), true),
        ("files_changed", files_changed.is_some(), true),
        ("source", source.is_some(), false),
    ];
    jobs::expect_one_kind(repo.as_deref(), &fields)?;
    let Some(repo) = repo else {
        let asked = AskedJob { job, source, args: args.unwrap_or_default() };
        return Ok(Json(Planned::Job(jobs::plan(&app, &caller, asked).await?)));
    };
    let name = repo_name(&repo)?;
    let (repo, _) = caller.repo_to_change(&app, Scope::RunsRead, &name).await?;
    let request = PlanRun { repo: repo.name.to_string(), r#ref, sha, job, event, args, files_changed };
    Ok(Json(Planned::Pipeline(PlanShape::of(plan_run(&app, request).await?))))
}
