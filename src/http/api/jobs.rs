//! Job folders: listed, planned and started.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::app::{
    AppState, Caller, Code, JobPlanShape, ListRepoJobs, ListedJob, Operation as _, PlanJob, Problem, RepoJob,
    StartJob, list_jobs, plan_job, start_job,
};
use crate::http::caller::Known;
use crate::http::input::{Query, repo_name};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;
use crate::pipeline::argument::ArgSpec;
use crate::run::ManualJob;

/// Which jobs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JobQuery {
    /// Only the jobs on `:quire/manual` of this repository's default branch
    repo: Option<String>,
}

/// A job of a folder, or of a repository.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobFolder)]
pub(super) struct ListedJobFolder {
    /// Its id; that of a repository's job is `REPO:JOB`.
    id: String,
    /// Its name.
    name: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    /// The repository that it is of; absent for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<String>,
    /// Where it comes from; absent for the folder of the server, and for repositories.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceOfJob>,
    /// The arguments that it takes, as `config.yaml` has them; absent when a job of a repository takes any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<BTreeMap<String, Value>>>)]
    args: Option<Vec<ArgSpec>>,
}

/// Where a job comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SourceOfJob {
    /// The name of the source.
    name: String,
    /// `local`, `git` or `oci`.
    #[serde(rename = "type")]
    kind: String,
}

impl ListedJobFolder {
    fn of(job: ListedJob) -> Self {
        let ListedJob { id, name, summary, source, args, .. } = job;
        let source = source.map(|(name, kind)| SourceOfJob { name, kind });
        Self { id, name, summary, repo: None, source, args: Some(args) }
    }

    fn of_repo(job: RepoJob) -> Self {
        let RepoJob { repo, job: ManualJob { id: name, arguments: args } } = job;
        Self { id: format!("{repo}:{name}"), name, summary: None, repo: Some(repo), source: None, args }
    }
}

/// The job folders of the server, the jobs of its sources, and those on `:quire/manual` of its repositories' default branches. Of the
/// latter, a pipeline that is not known yet is left out when too many others are.
#[utoipa::path(get, path = "/jobs", operation_id = "listJobs", params(JobQuery), security(("token" = ["runs:read"])),
    responses((status = 200, description = "The jobs", body = [ListedJobFolder]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    Known(caller): Known,
    Query(query): Query<JobQuery>,
) -> Result<Json<Vec<ListedJobFolder>>, Refused> {
    let repo = match &query.repo {
        Some(repo) => {
            let (row, _) = caller.repo_to_change(&app, Scope::RunsRead, &repo_name(repo)?).await?;
            Some(row.name.to_string())
        }
        None => caller.require(Scope::RunsRead).map(|()| None)?,
    };
    let mut jobs = Vec::new();
    if repo.is_none() {
        let found = list_jobs(&app, &app.jobs).await.map_err(Problem::from)?;
        jobs.extend(found.jobs.into_iter().map(ListedJobFolder::of));
    }
    let of_repos = ListRepoJobs { repo }.perform(&app).await?;
    jobs.extend(of_repos.jobs.into_iter().map(ListedJobFolder::of_repo));
    Ok(Json(jobs))
}

/// Checks that a request says nothing of a commit when it is about a job folder, and the other way round.
///
/// # Errors
/// Names the field.
pub(super) fn expect_one_kind(repo: Option<&str>, fields: &[(&str, bool, bool)]) -> Result<(), Refused> {
    let is_of_commit = repo.is_some();
    match fields.iter().find(|(_, is_given, of_commit)| *is_given && *of_commit != is_of_commit) {
        None => Ok(()),
        Some((name, _, true)) => {
            let text = format!("`{name}` is about a commit, and there is no `repo`");
            Err(Problem::new(Code::RequestInvalid, text).into())
        }
        Some((name, _, false)) => {
            let text = format!("`{name}` is about a job folder, and there is a `repo`");
            Err(Problem::new(Code::RequestInvalid, text).into())
        }
    }
}

/// What a request says of a job.
pub(super) struct AskedJob {
    pub(super) job: Option<String>,
    pub(super) source: Option<String>,
    pub(super) args: Map<String, Value>,
}

/// Starts a job; gives the id of its run.
pub(super) async fn start(app: &AppState, caller: &Caller, asked: AskedJob) -> Result<String, Refused> {
    caller.require(Scope::RunsWrite)?;
    let request = StartJob {
        job: asked.job.unwrap_or_default(),
        source: asked.source,
        args: asked.args,
        by: Some(caller.actor().to_owned()),
        ..StartJob::default()
    };
    Ok(start_job(&app.acting_as(caller), request).await.map_err(Problem::from)?.id)
}

/// Plans a job.
pub(super) async fn plan(app: &AppState, caller: &Caller, asked: AskedJob) -> Result<JobPlanShape, Refused> {
    caller.require(Scope::RunsRead)?;
    let AskedJob { job, source, args } = asked;
    let request = PlanJob { job: job.unwrap_or_default(), source, args, ..PlanJob::default() };
    Ok(JobPlanShape::of(plan_job(app, request).await.map_err(Problem::from)?))
}
