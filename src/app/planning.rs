//! The pipeline of a commit, evaluated by a process of its own before anything is started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::timeout;

use super::known_plans::PlanKey;
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::event::{Event, EventKind, EventRecord, RefUpdate};
use crate::forge::{self, PointError, PointName, ReadError};
use crate::intake::commit_subject;
use crate::model::{CommitId, JobId, RepoName, chain};
use crate::run::{PlanAnswer, PlanError, PlanOrder};
use crate::store::RepoRow;
use crate::sys::clock;

/// How long a request waits for its turn to have a pipeline evaluated.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest arguments of a run, as JSON, in bytes.
const MAX_ARGS: usize = 64 * 1024;

/// A commit of a hosted repository, as a request names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommitRequest<'a> {
    pub(super) repo: &'a str,
    pub(super) ref_name: Option<&'a str>,
    pub(super) sha: Option<&'a str>,
}

/// The commit that was meant.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) repo: RepoRow,
    pub(super) git_dir: PathBuf,
    /// The ref, which does not move: both values are the same.
    pub(super) update: RefUpdate,
    /// The first line of its message.
    pub(super) subject: String,
    pub(super) has_pipeline: bool,
}

impl From<PointError> for Problem {
    fn from(error: PointError) -> Self {
        let code = if error.is_of_request() { Code::RequestRefused } else { Code::RepoUnusable };
        Self::caused_by(code, &error).with_hint(error.hint().map(str::to_owned))
    }
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        let code = match error {
            PlanError::Start(_) => Code::ServerFailed,
            PlanError::TimedOut | PlanError::Ended(_) | PlanError::Answer(_) => Code::PipelineBroken,
        };
        Self::caused_by(code, &error).hint("quire ci check evaluates the pipeline of a working copy")
    }
}

impl CommitRequest<'_> {
    /// Finds the commit.
    pub(super) async fn find(&self, app: &AppState) -> Result<Commit, Problem> {
        let name = self.point()?;
        let repo = RepoName::parse(self.repo);
        let repo = repo.map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))?;
        if app.data.watched_repo(&repo).is_dir() {
            let text = format!("`{repo}` is watched elsewhere: its runs begin when the remote changes");
            return Err(Problem::new(Code::RequestRefused, text)
                .hint(format!("quire watch now {repo}; quire rerun repeats a run")));
        }
        let missing = || {
            Problem::new(Code::RepoNotFound, format!("repository `{repo}` not found"))
                .hint("quire repo list lists them")
        };
        let row = app.repo(repo.clone()).await?.ok_or_else(missing)?;
        let git_dir = app.data.repo(&row.name);
        let (secrets, settings) = (app.known_secrets.clone(), Arc::clone(&app.settings));
        let found = app.read(move || -> Result<Commit, Problem> {
            let point = forge::find_point(&git_dir, &name)?;
            let unusable = |error: &ReadError| Problem::caused_by(Code::RequestRefused, error);
            let git = forge::Repo::open(&git_dir).map_err(|error| unusable(&error))?;
            let commit = git.commit(point.commit).map_err(|error| unusable(&error))?;
            let has_pipeline = git.has_pipeline(commit.id, &point.ref_name);
            let has_pipeline = has_pipeline.map_err(|error| unusable(&error))?;
            let update = RefUpdate { ref_name: point.ref_name, old: point.commit, new: point.commit };
            let subject = commit_subject(&commit.message, &secrets.redactor(&settings.get()));
            Ok(Commit { repo: row, git_dir, update, subject, has_pipeline })
        });
        found
            .await
            .unwrap_or_else(|| Err(Problem::new(Code::RepoUnusable, "the repository could not be read")))
    }

    fn point(&self) -> Result<PointName, Problem> {
        let invalid = |text: String| Problem::new(Code::RequestInvalid, text);
        match (self.ref_name, self.sha) {
            (Some(_), Some(_)) => Err(invalid("`ref` and `sha` exclude each other".to_owned())
                .hint("`sha` names a commit of any branch or tag")),
            (None, None) => Ok(PointName::Default),
            (Some(name), None) => Ok(PointName::Ref(name.to_owned())),
            (None, Some(sha)) => CommitId::parse(sha)
                .map(PointName::Commit)
                .map_err(|error| invalid(format!("`sha`: {}", chain(&error)))),
        }
    }
}

impl Commit {
    /// The event of somebody who asks; arguments say nothing about what a pipeline declares.
    pub(super) fn manual_event(&self, job: Option<JobId>, actor: Option<String>) -> Event {
        self.event(EventKind::Manual { job, args: BTreeMap::new(), secrets: Vec::new() }, actor)
    }

    /// The event that starts something at this commit.
    pub(super) fn event(&self, kind: EventKind, actor: Option<String>) -> Event {
        Event { kind, subject: Some(self.update.clone()), actor, at: clock::now() }
    }

    /// Has its pipeline evaluated, as `event` finds it.
    pub(super) async fn plan(&self, app: &AppState, event: &Event) -> Result<PlanAnswer, Problem> {
        let order = self.order(app, event);
        evaluated(app, move || order.plan()).await
    }

    /// The same, as it was found last; the run that follows evaluates the pipeline again.
    pub(super) async fn known_plan(&self, app: &AppState, event: &Event) -> Result<PlanAnswer, Problem> {
        let key = PlanKey {
            git_dir: self.git_dir.clone(),
            update: self.update.clone(),
            start: event.start(),
            vm_memory: app.settings.get().limits.vm_memory,
        };
        if let Some(known) = app.known_plans.find(&key) {
            return Ok(known);
        }
        let plan = self.plan(app, event).await?;
        app.known_plans.keep(key, &plan);
        Ok(plan)
    }

    /// What a process is given that evaluates its pipeline.
    pub(super) fn order(&self, app: &AppState, event: &Event) -> PlanOrder {
        let memory = app.settings.get().limits.vm_memory;
        PlanOrder {
            event: EventRecord::from(event),
            git_dir: self.git_dir.clone(),
            cache_dir: app.data.compiled(),
            vm_memory: usize::try_from(memory).unwrap_or(usize::MAX),
        }
    }
}

/// Has something evaluated when it is its turn. What began is finished, also when nobody waits for it any more.
pub(super) async fn evaluated<T: Send + 'static>(
    app: &AppState,
    work: impl FnOnce() -> Result<T, PlanError> + Send + 'static,
) -> Result<T, Problem> {
    let busy =
        || Problem::new(Code::ServerBusy, "many pipelines are being evaluated").hint("try again in a moment");
    let place = timeout(PATIENCE, Arc::clone(&app.planners).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(busy()) };
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    Ok(done.await.map_err(|error| Problem::failed(&error))??)
}

/// The root job that somebody asks for.
pub(super) fn root(job: Option<&str>) -> Result<Option<JobId>, Problem> {
    let job = job.map(JobId::parse).transpose();
    job.map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))
}

/// Checks that arguments can be given to a pipeline.
pub(super) fn expect_fitting(args: &Map<String, Value>) -> Result<(), Problem> {
    let size = Value::Object(args.clone()).to_string().len();
    if size > MAX_ARGS {
        let text = format!("`args` has {size} bytes as JSON, more than {MAX_ARGS}");
        return Err(Problem::new(Code::RequestRefused, text));
    }
    for (name, value) in args {
        if let Some(place) = null_in_list(value, name) {
            return Err(Problem::new(Code::RequestRefused, format!("`args`: {place} is null in a list"))
                .hint("a list of a pipeline has no holes: leave it out, or write false"));
        }
    }
    Ok(())
}

/// Where a list of a value holds null, which no list of a pipeline can. The parser of requests limits the depth.
fn null_in_list(value: &Value, place: &str) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let place = format!("{place}[{index}]");
            if item.is_null() { Some(place) } else { null_in_list(item, &place) }
        }),
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| null_in_list(member, &format!("{place}.{name}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
