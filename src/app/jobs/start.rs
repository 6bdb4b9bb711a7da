//! Starts a run of a job folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::decisions::{findings, lacks_signature};
use super::error::JobError;
use super::found::{Found, find_job};
use super::place::JobPlace;
use super::plan::{policy, provenance};
use super::record::JobRunRecord;
use super::work::{executor, work};
use crate::app::starts::queue_run;
use crate::app::{AppState, Operation, Problem};
use crate::container::Engine;
use crate::event::{Event, EventKind};
use crate::model::{AuditAction, JobId, Outcome, RunName, chain, codes};
use crate::pipeline::argument::{Resolved, resolve};
use crate::pipeline::{FolderWork, OnFailure};
use crate::policy::IMAGE_INVALID;
use crate::store::{self, NewRun, RunRow};
use crate::sys::{clock, random};

/// How long a start waits for what policy says about its containers.
const DECISION_PATIENCE: Duration = Duration::from_secs(20);

/// How long a run whose containers were decided about may take to begin or to end.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// A job is to run.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartJob {
    /// Its id, its path or an alias of it.
    pub(crate) job: String,
    /// The source where alone it is looked for.
    pub(crate) source: Option<String>,
    /// Where job folders are; where the server looks for them when absent.
    pub(crate) place: Option<JobPlace>,
    /// Its arguments, secret ones too.
    pub(crate) args: Map<String, Value>,
    pub(crate) profile: Option<String>,
    /// What follows when a script fails, instead of what the job says.
    pub(crate) on_error: Option<OnFailure>,
    /// What the asker calls itself.
    pub(crate) tenant: Option<String>,
    /// Who asks.
    pub(crate) by: Option<String>,
}

/// A run of a job that was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobStarted {
    pub(crate) id: String,
    /// Its repository, which is that of all runs of job folders.
    pub(crate) repo: String,
    /// Its number there.
    pub(crate) number: u64,
    /// The id of the job.
    pub(crate) job: String,
}

impl std::fmt::Debug for StartJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the arguments: some are secret.
        f.debug_struct("StartJob")
            .field("job", &self.job)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Operation for StartJob {
    type Answer = JobStarted;

    const ROUTE: &'static str = "/jobs/start";
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn perform(self, app: &AppState) -> Result<JobStarted, Problem> {
        Ok(start_job(app, self).await?)
    }
}

/// Queues a run of a job. In a command without a server, the caller leads it.
///
/// # Errors
/// There is no such job, it cannot be run so, or policy denies it.
pub async fn start_job(app: &AppState, request: StartJob) -> Result<JobStarted, JobError> {
    let place = request.place.clone().unwrap_or_else(|| (*app.jobs).clone());
    let found = find_job(app, &place, (&request.job, request.source.as_deref())).await?;
    if !request.args.is_empty() && !found.job.config.has_args {
        return Err(JobError::NoArguments(found.job.id));
    }
    expect_command(&found)?;
    let resolved = resolve(&found.job.config.args, request.args.clone(), place.cwd.as_path());
    let resolved = resolved.map_err(JobError::Arguments)?;
    let policy = policy(app, request.profile.as_deref())?;
    let profile = policy.profile.to_string();
    let mut work = work(&found.job, &resolved, (&place, &app.data)).await?;
    work.failure = request.on_error.unwrap_or(work.failure);
    let has_container = work.jobs.iter().any(|job| job.container.is_some());
    if has_container {
        expect_engine(app).await?;
    }
    let found_by_policy = findings(&policy, &work);
    let (is_denied, granted) = match found_by_policy {
        // No run can come of it.
        Err(error @ JobError::Config { .. }) => return Err(error),
        Err(JobError::Denied { code, point, text, run }) if code == IMAGE_INVALID => {
            return Err(JobError::Denied { code, point, text, run });
        }
        found => (found.is_err(), found.unwrap_or_default()),
    };
    let record = JobRunRecord {
        job: found.job.id.clone(),
        asked: request.job.clone(),
        source: found.source.as_ref().map(|source| source.name.clone()),
        provenance: provenance(&found, &request.job, &granted),
        executor: executor(&found.job).to_owned(),
        image: found.job.config.image().map(str::to_owned),
        profile,
        tenant: request.tenant.clone(),
        args: resolved.shown(&found.job.config.args),
        work,
    };
    let work = record.work.clone();
    let row = queue(app, &found, (record, &resolved), &request).await?;
    if app.local.is_none() && (has_container || is_denied) {
        let environment = Arc::clone(&app.environment);
        let looked = tokio::task::spawn_blocking(move || lacks_signature(&policy, &work, &environment)).await;
        expect_granted(app, &row, is_denied || looked.unwrap_or_default()).await?;
    }
    Ok(JobStarted {
        id: row.id.to_string(),
        repo: row.repo.to_string(),
        number: row.number,
        job: found.job.id,
    })
}

/// Checks that the job of an add-on names a command.
fn expect_command(found: &Found) -> Result<(), JobError> {
    let Some(source) = &found.source else { return Ok(()) };
    match source.addon().and_then(|addon| addon.find(&found.job.id)) {
        Some(job) if job.command.is_empty() => {
            Err(JobError::NoCommand { source_name: source.name.clone(), job: job.id.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that there is a container engine.
async fn expect_engine(app: &AppState) -> Result<(), JobError> {
    let environment = app.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let found = tokio::task::spawn_blocking(move || Engine::find(&environment)).await;
    let found = found.map_err(|error| Problem::failed(&error))?;
    found.map(drop).map_err(|error| JobError::NoEngine(chain(&error)))
}

/// Records the run, and wakes the queue.
async fn queue(
    app: &AppState,
    found: &Found,
    (record, resolved): (JobRunRecord, &Resolved),
    request: &StartJob,
) -> Result<RunRow, JobError> {
    let id = random::run_id();
    let spec = serde_json::to_string(&record).map_err(|error| Problem::failed(&error))?;
    let profile = request.profile.as_ref().map(|profile| format!("ci.profile={profile}"));
    let run = NewRun {
        id,
        repo: String::new(),
        update: None,
        event: event(&record.work, &record.args, request.by.clone()),
        commit_subject: Some(found.job.id.clone()),
        options: profile.into_iter().collect(),
        queued_at: clock::now(),
        ended: None,
    };
    let entry = app.entry(AuditAction::RunCreate);
    let of_run: BTreeMap<String, SecretString> =
        resolved.secrets.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    app.job_secrets.keep(id, of_run);
    let row = queue_run(app, entry, move |connection| {
        let repo = store::repo_of_jobs(connection)?.id;
        store::insert_run(connection, &NewRun { repo, ..run })?;
        store::insert_job_run(connection, id, &spec).map(|()| id)
    });
    let row = row.await?;
    tracing::info!("run {}#{} is queued: the job {}", row.repo, row.number, record.job);
    Ok(row)
}

/// What starts the run: somebody, with arguments.
fn event(work: &FolderWork, args: &Map<String, Value>, actor: Option<String>) -> Event {
    // Each of several that do not need each other is started.
    let first = work.jobs.first().filter(|_| work.failure != OnFailure::Continue);
    let job = first.and_then(|job| JobId::parse(&job.id).ok());
    let args = args.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let kind = EventKind::Manual { job, args, secrets: Vec::new() };
    Event { kind, subject: None, actor, at: clock::now() }
}

/// Waits until it is known whether policy lets the run start: of one that is known to be denied, until it has ended.
async fn expect_granted(app: &AppState, row: &RunRow, is_denied: bool) -> Result<(), JobError> {
    if let Some(mut live) = app.live.follow(row.id) {
        let decided = async {
            let known =
                live.wait_for(|run| run.is_evaluated || run.has_begun || run.has_ended).await.map(|run| *run);
            // One that is denied has ended in a moment; its channel closes when its row says so.
            if is_denied {
                while live.changed().await.is_ok() {}
            } else if known.is_ok_and(|run| !run.has_begun) {
                let ended = live.wait_for(|run| run.has_begun);
                let _waits_for_a_slot = tokio::time::timeout(END_PATIENCE, ended).await.is_err();
            }
        };
        let _late = tokio::time::timeout(DECISION_PATIENCE, decided).await.is_err();
    }
    let name = RunName::Id(row.id);
    let found = app.store.call(move |connection| store::find_run(connection, &name)).await;
    let found = found.map_err(Problem::from)?.map_err(Problem::from)?;
    let Some(row) = found.filter(|row| row.outcome == Some(Outcome::Denied)) else { return Ok(()) };
    let (run, of_run) = (row.id.to_string(), row.reason.clone());
    let view = app.view(row).await;
    let of_job = view.record.jobs.iter().filter(|job| job.outcome == Some(Outcome::Denied));
    // One that was denied because another one was says so only.
    let mut reasons = of_job.filter_map(|job| job.reason.clone()).filter(|reason| reason.code != codes::JOBS);
    let reason = reasons.next().or(of_run);
    let (code, text) = reason.map(|reason| (reason.code.clone(), reason.to_string())).unwrap_or_default();
    let mut decisions = view.record.jobs.iter().flat_map(|job| &job.policy);
    let point = decisions.find(|decision| decision.is_denial() && decision.code == code);
    Err(JobError::Denied { code, point: point.and_then(|decision| decision.point), text, run })
}
