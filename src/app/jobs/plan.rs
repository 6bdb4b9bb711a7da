//! What a run of a job would do; nothing is run.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::decisions::{Finding, findings};
use super::error::JobError;
use super::found::{Found, find_job};
use super::place::JobPlace;
use super::work::{executor, work};
use crate::app::{AppState, Operation, Problem};
use crate::model::Profile;
use crate::pipeline::argument::{ArgSpec, Resolved, resolve};
use crate::pipeline::{FolderWork, WorkContainer, WorkJob, WorkScript};
use crate::policy::{Policy, policy_of_run};
use crate::sources::default_provenance;

/// A job is to be planned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanJob {
    /// Its id, its path or an alias of it.
    pub(crate) job: String,
    /// The source where alone it is looked for.
    pub(crate) source: Option<String>,
    /// Where job folders are; where the server looks for them when absent.
    pub(crate) place: Option<JobPlace>,
    /// Its arguments; not checked when there are none.
    pub(crate) args: Map<String, Value>,
    pub(crate) profile: Option<String>,
}

/// What a run of a job would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobPlan {
    /// The id of the job.
    pub(crate) job: String,
    /// Its path below the folder of job folders.
    pub(crate) path: String,
    pub(crate) name: String,
    /// What it does.
    pub(crate) summary: Option<String>,
    /// What runs its scripts.
    pub(crate) interpreter: Option<String>,
    /// `shell`, `proc` or `container`.
    pub(crate) executor: String,
    /// The image of its container.
    pub(crate) image: Option<String>,
    /// Whether it consists of steps.
    pub(crate) has_steps: bool,
    /// The arguments that it takes.
    pub(crate) args: Vec<ArgSpec>,
    /// Those that it would get, without secrets.
    pub(crate) values: Map<String, Value>,
    /// The profile that holds.
    pub(crate) profile: String,
    /// What is run, in its order.
    pub(crate) steps: Vec<PlannedStep>,
    /// Where the job comes from.
    pub(crate) provenance: Value,
    /// What policy says about its containers.
    pub(crate) findings: Vec<Finding>,
    /// What is odd about its `config.yaml`.
    pub(crate) warnings: Vec<String>,
}

/// A script that would be run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlannedStep {
    pub(crate) name: String,
    /// Its container; without one it runs on the host.
    pub(crate) container: Option<WorkContainer>,
}

impl Operation for PlanJob {
    type Answer = JobPlan;

    const ROUTE: &'static str = "/jobs/plan";
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn perform(self, app: &AppState) -> Result<JobPlan, Problem> {
        Ok(plan_job(app, self).await?)
    }
}

/// What a run of a job would do.
///
/// # Errors
/// There is no such job, or it cannot be run so.
pub async fn plan_job(app: &AppState, request: PlanJob) -> Result<JobPlan, JobError> {
    let place = request.place.clone().unwrap_or_else(|| (*app.jobs).clone());
    let found = find_job(app, &place, (&request.job, request.source.as_deref())).await?;
    let policy = policy(app, request.profile.as_deref())?;
    let resolved = resolved(&found, request.args, &place)?;
    let work = work(&found.job, &resolved, (&place, &app.data)).await?;
    let findings = findings(&policy, &work)?;
    let provenance = provenance(&found, &request.job, &findings);
    let job = found.job;
    Ok(JobPlan {
        values: resolved.shown(&job.config.args),
        interpreter: job.config.interpreter.as_ref().map(ToString::to_string),
        executor: executor(&job).to_owned(),
        image: job.config.image().map(str::to_owned),
        has_steps: !job.config.steps.is_empty(),
        profile: policy.profile.to_string(),
        findings,
        steps: planned(&work),
        provenance,
        warnings: job.problems.iter().map(ToString::to_string).collect(),
        job: job.id,
        path: job.path,
        name: job.name,
        summary: job.summary,
        args: job.config.args.clone(),
    })
}

/// The arguments of a plan: what was not given is not missed when nothing was.
fn resolved(found: &Found, args: Map<String, Value>, place: &JobPlace) -> Result<Resolved, JobError> {
    let mut specs = found.job.config.args.clone();
    if args.is_empty() {
        specs.iter_mut().for_each(|spec| spec.is_required = false);
    } else if !found.job.config.has_args {
        return Err(JobError::NoArguments(found.job.id.clone()));
    }
    resolve(&specs, args, place.cwd.as_path()).map_err(JobError::Arguments)
}

/// The policy that holds when this profile is asked for.
pub(super) fn policy(app: &AppState, asked: Option<&str>) -> Result<Policy, JobError> {
    if let Some(asked) = asked
        && let Err(error) = Profile::parse(asked)
    {
        return Err(JobError::Profile { is_known: false, text: error.to_string() });
    }
    let options: Vec<String> = asked.map(|profile| format!("ci.profile={profile}")).into_iter().collect();
    let settings =
        if app.local.is_some() { app.settings.read().map_err(Problem::from)? } else { app.settings.get() };
    let (policy, denied) = policy_of_run(&settings.policy, app.data.path(), app.profiles, &options);
    match denied {
        Some(denied) => Err(JobError::Profile { is_known: true, text: denied.reason }),
        None => Ok(policy),
    }
}

/// Where a job comes from, and what policy grants it beyond what every container has.
pub(super) fn provenance(found: &Found, asked: &str, findings: &[Finding]) -> Value {
    let folder = &found.job.dir;
    let source = match &found.source {
        Some(source) => source.provenance(),
        None => default_provenance(&found.job.id, folder, folder),
    };
    let mut provenance = serde_json::json!({
        "canonical_id": found.job.id, "canonical_path": found.job.path, "source": source,
    });
    if let (Some(alias), Some(members)) = (&found.alias, provenance.as_object_mut()) {
        members.insert("invoked_path".to_owned(), asked.into());
        members
            .insert("alias".to_owned(), serde_json::json!({ "name": alias, "target_path": found.job.path }));
    }
    let granted = findings.iter().filter(|finding| finding.point.is_override());
    let granted: Vec<Value> = granted
        .map(|Finding { point, code, message, .. }| {
            serde_json::json!({ "subject": point.subject(), "code": code, "reason": message })
        })
        .collect();
    if let Some(members) = provenance.as_object_mut().filter(|_| !granted.is_empty()) {
        members.insert("overrides".to_owned(), granted.into());
    }
    provenance
}

fn planned(work: &FolderWork) -> Vec<PlannedStep> {
    let of_job = |job: &WorkJob| {
        let step =
            |script: &WorkScript| PlannedStep { name: script.name.clone(), container: job.container.clone() };
        job.scripts.iter().map(step).collect::<Vec<_>>()
    };
    work.jobs.iter().flat_map(of_job).collect()
}
