//! Jobs: listed, planned, started.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::FlwdState;
use super::idempotency::{LeftRun, hash_of, key_of, once};
use super::identity::{FlwdCaller, FlwdScope};
use super::job_problem::of_job;
use super::page::FlwdPage;
use super::problem::FlwdProblem;
use crate::app::{AppState, JobError, JobList, ListedJob, PlanJob, StartJob, list_jobs, plan_job, start_job};
use crate::compat::flwd::facts::members;
use crate::compat::flwd::plan::plan_json;

/// How many folders hold no job although they should.
const DISCOVERY_ERRORS: HeaderName = HeaderName::from_static("x-flowd-discovery-errors");

/// The longest name of a tenant, in bytes: it is kept and shown with its run.
const MAX_TENANT: usize = 128;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct JobRequest {
    job_id: String,
    args: Option<Map<String, Value>>,
    source: Option<SourceHint>,
    requested_security_profile: Option<String>,
    tenant: Option<Tenant>,
}

/// What the asker calls itself.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Tenant(String);

impl TryFrom<String> for Tenant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.len() <= MAX_TENANT && !text.chars().any(char::is_control) {
            true => Ok(Self(text)),
            false => Err(format!("tenant must have at most {MAX_TENANT} bytes and no control characters")),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceHint {
    name: String,
}

/// The JSON object in a body.
///
/// # Errors
/// It is none, or has other members.
pub(super) fn read_body<T: DeserializeOwned>(body: &Bytes) -> Result<T, FlwdProblem> {
    // An array of the members would be taken for an object.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(FlwdProblem::invalid_body("the body is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| FlwdProblem::invalid_body(error.to_string()))
}

/// `GET /jobs`.
pub(super) async fn list(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
    page: FlwdPage,
) -> Result<Response, FlwdProblem> {
    let found = list_jobs(&flwd.app, &flwd.app.jobs).await.map_err(|error| of_job(&error))?;
    let errors = found.errors.len() + found.aliases.errors.len();
    let mut items: Vec<(String, String, Value)> = found.jobs.iter().map(item).collect();
    if flwd.shows_aliases(&caller) {
        items.extend(alias_items(&found));
    }
    items.sort_by(|(id, source, _), (other_id, other_source, _)| (id, source).cmp(&(other_id, other_source)));
    let items: Vec<Value> = page.of(items).into_iter().map(|(_, _, item)| item).collect();
    Ok(([(DISCOVERY_ERRORS, errors.to_string())], Json(items)).into_response())
}

/// A job with its id and the name of its source.
fn item(job: &ListedJob) -> (String, String, Value) {
    let source = job.source.as_ref().map(|(name, kind)| json!({"name": name, "type": kind}));
    let item = members([
        ("id", json!(job.id)),
        ("name", json!(job.name)),
        ("description", json!(job.summary)),
        ("source", json!(source)),
    ]);
    let source = job.source.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
    (job.id.clone(), source, Value::Object(item))
}

fn alias_items(found: &JobList) -> impl Iterator<Item = (String, String, Value)> + '_ {
    found.aliases.valid.iter().map(|alias| {
        let is_one_of_many = found.aliases.collisions.contains_key(&alias.name.to_lowercase());
        let detail = if is_one_of_many { "collision" } else { &alias.target_path };
        let description = alias.description.clone();
        let item = json!({
            "id": alias.name,
            "name": alias.name,
            "description": description.unwrap_or_else(|| format!("[alias] {}", alias.target_path)),
            "alias_of": alias.target_path,
            "alias_detail": detail,
        });
        (alias.name.clone(), String::new(), item)
    })
}

/// `POST /plans`.
pub(super) async fn plan(State(flwd): State<FlwdState>, body: Bytes) -> Result<Json<Value>, FlwdProblem> {
    let request: JobRequest = read_body(&body)?;
    let request = PlanJob {
        job: request.job_id,
        source: request.source.map(|source| source.name),
        place: None,
        args: request.args.unwrap_or_default(),
        profile: request.requested_security_profile,
    };
    match plan_job(&flwd.app, request).await {
        Ok(plan) => {
            tracing::info!(job = plan.job, "plan.generated");
            Ok(Json(plan_json(&plan)))
        }
        Err(error) => Err(flwd.refused(&error)),
    }
}

/// `POST /runs`.
pub(super) async fn start(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, FlwdProblem> {
    let key = key_of(&headers, flwd.flags.is_dev)?;
    let request: JobRequest = read_body(&body)?;
    let hash = hash_of(&headers, &body)?;
    // A client that leaves does not leave it half done.
    let started = tokio::spawn(async move {
        let name = caller.name.clone();
        let begun = begin(&flwd, caller, request);
        match key {
            Some(key) => once(&flwd, (&name, &key, hash), begun).await,
            None => begun.await,
        }
    });
    started.await.map_err(|error| crate::app::Problem::failed(&error).into())
}

async fn begin(flwd: &FlwdState, caller: FlwdCaller, request: JobRequest) -> Response {
    let app = AppState { actor: Arc::from(caller.name.as_str()), ..flwd.app.clone() };
    let request = StartJob {
        job: request.job_id,
        source: request.source.map(|source| source.name),
        args: request.args.unwrap_or_default(),
        profile: request.requested_security_profile,
        tenant: request.tenant.map(|Tenant(name)| name),
        by: Some(caller.name),
        ..StartJob::default()
    };
    let started = match start_job(&app, request).await {
        Ok(started) => started,
        Err(error) => {
            let mut answer = flwd.refused(&error).into_response();
            if matches!(error, JobError::Denied { .. }) {
                answer.extensions_mut().insert(LeftRun);
            }
            return answer;
        }
    };
    flwd.accepted.fetch_add(1, Ordering::Relaxed);
    tracing::info!(run = started.id, job = started.job, "run.accepted");
    match flwd.run(&started.id).await {
        Ok((row, facts)) => (StatusCode::CREATED, Json(facts.payload(&row))).into_response(),
        Err(problem) => problem.into_response(),
    }
}

impl FlwdState {
    /// Whether a caller sees aliases in lists.
    pub(super) fn shows_aliases(&self, caller: &FlwdCaller) -> bool {
        self.flags.shows_aliases || caller.has(FlwdScope::SourcesWrite) || caller.has(FlwdScope::JobsWrite)
    }

    /// The problem of a job that is not planned or started; a denial is counted and logged.
    fn refused(&self, error: &JobError) -> FlwdProblem {
        if let JobError::Denied { code, text, run, .. } = error {
            self.metrics.denied(code);
            tracing::warn!(code, run, reason = text, decision = "denied", "policy_decision");
        }
        of_job(error)
    }
}
