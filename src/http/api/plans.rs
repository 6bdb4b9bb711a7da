//! Plans: which jobs an event would start, which not, and why.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::{AppState, PlanRun, plan_run};
use crate::http::caller::Known;
use crate::http::input::{Body, repo_name};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;
use crate::view::PlanShape;

/// What is to be planned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlan {
    /// The repository
    repo: String,
    /// A branch or tag, with its full or short name; the default branch when absent
    r#ref: Option<String>,
    /// Instead of `ref`: the full id of a commit in the history of a branch or tag
    sha: Option<String>,
    /// `push` or `manual`; `push` when absent
    event: Option<String>,
    /// The arguments of a manual event
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    args: Option<Map<String, Value>>,
    /// The files that a push would have changed; jobs read them while they run, so they decide nothing here
    files_changed: Option<Vec<String>>,
}

/// Plans what an event would start at a commit. Nothing is run. It evaluates the pipeline, so it requires the scope of every
/// caller.
#[utoipa::path(post, path = "/plans", operation_id = "plan", request_body = NewPlan, security(("token" = ["runs:read"])),
    responses((status = 200, description = "The plan; a pipeline with mistakes has no jobs", body = PlanShape), Problems))]
pub(super) async fn plan(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(body): Body<NewPlan>,
) -> Result<Json<PlanShape>, Refused> {
    let name = repo_name(&body.repo)?;
    let (repo, _) = caller.repo_to_change(&app, Scope::RunsRead, &name).await?;
    let NewPlan { r#ref, sha, event, args, files_changed, .. } = body;
    let request = PlanRun { repo: repo.name.to_string(), r#ref, sha, event, args, files_changed };
    Ok(Json(PlanShape::of(plan_run(&app, request).await?)))
}
