//! Runs that somebody starts: the jobs on `:quire/manual` of a commit, with arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::arguments::CheckedArguments;
use super::operation::Operation;
use super::planning::{Commit, CommitRequest, expect_fitting, root};
use super::problem::{Code, Problem};
use super::runs::{NamedRun, shown_by};
use super::state::{AppState, Wake};
use crate::event::{Event, EventKind, RunVars};
use crate::journal::DiagnosticFact;
use crate::model::{AuditAction, JobId, RunId, RunName, suggest};
use crate::run::{PlanAnswer, PlannedDecision};
use crate::store::{self, AuditEntry, NewRun, RunRow};
use crate::sys::{clock, random};

/// Jobs of a commit are to run.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartRun {
    pub(crate) repo: String,
    /// A branch or tag, with its full or short name; the default branch when neither this nor `sha` is there.
    pub(crate) r#ref: Option<String>,
    /// A commit in the history of a branch or tag.
    pub(crate) sha: Option<String>,
    /// The root job; all that need `:quire/manual` when absent.
    pub(crate) job: Option<String>,
    /// What the jobs get as `:args`, secret arguments too.
    pub(crate) args: Map<String, Value>,
    /// Environment variables of the steps.
    pub(crate) vars: BTreeMap<String, String>,
    /// Who asks.
    pub(crate) by: Option<String>,
}

impl std::fmt::Debug for StartRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the arguments: some are secret.
        f.debug_struct("StartRun").field("repo", &self.repo).field("job", &self.job).finish_non_exhaustive()
    }
}

impl Operation for StartRun {
    type Answer = NamedRun;

    const ROUTE: &'static str = "/runs/start";

    /// The pipeline is evaluated first.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn perform(self, app: &AppState) -> Result<NamedRun, Problem> {
        // Without a server, everything is done in the database that is written.
        let app = &AppState { store: app.writer()?, ..app.clone() };
        let vars = variables(&self.vars)?;
        let root = root(self.job.as_deref())?;
        expect_fitting(&self.args)?;
        let request =
            CommitRequest { repo: &self.repo, ref_name: self.r#ref.as_deref(), sha: self.sha.as_deref() };
        let commit = request.find(app).await?;
        if !commit.has_pipeline {
            let text = format!("the commit {} has no pipeline", commit.update.new.short());
            return Err(Problem::new(Code::RunNothingToStart, text).hint("a pipeline is .quire/ci.fnl"));
        }
        let event = commit.manual_event(root.clone(), self.by.clone());
        let plan = commit.known_plan(app, &event).await?;
        expect_jobs(root.as_ref(), &plan)?;
        let CheckedArguments { args, secrets } = commit.check_arguments(app, plan.jobs, self.args).await?;
        if app.local.is_some() && !secrets.is_empty() {
            let text = "secret arguments are only in the memory of a server, and no server is running";
            return Err(Problem::new(Code::RequestRefused, text).hint("start one with  quire serve"));
        }
        let kind = EventKind::Manual { job: root, args, secrets: secrets.keys().cloned().collect() };
        let named = queue(app, commit, (Event { kind, ..event }, secrets), &vars).await?;
        tracing::info!(
            "run {}#{} is queued: started{}",
            named.repo,
            named.number,
            shown_by(self.by.as_deref())
        );
        Ok(named)
    }
}

fn variables(given: &BTreeMap<String, String>) -> Result<RunVars, Problem> {
    let mut vars = RunVars::default();
    for (name, value) in given {
        vars.set(name, value).map_err(|error| Problem::caused_by(Code::RequestRefused, &error))?;
    }
    Ok(vars)
}

/// Checks that somebody who asks for this job, or for all, starts something.
///
/// # Errors
/// The pipeline has mistakes, or no job is started.
pub(crate) fn expect_jobs(root: Option<&JobId>, plan: &PlanAnswer) -> Result<(), Problem> {
    if plan.is_broken {
        let mistakes = plan.diagnostics.iter().map(DiagnosticFact::to_diagnostic).collect();
        return Err(Problem::broken_pipeline(mistakes));
    }
    if plan.jobs.iter().any(|job| job.decision != PlannedDecision::Skip) {
        return Ok(());
    }
    let nothing = |text: String| Problem::new(Code::RunNothingToStart, text);
    Err(match root {
        Some(root) if plan.jobs.iter().any(|job| job.id == root.as_str()) => {
            nothing(format!("the job `{root}` does not start with `:quire/manual`"))
                .hint("add `:quire/manual` to its inputs, or start a job that has it")
        }
        Some(root) => {
            let near = suggest(root.as_str(), plan.jobs.iter().map(|job| job.id.as_str()));
            nothing(format!("the pipeline has no job `{root}`"))
                .with_hint(near.map(|near| format!("did you mean `{near}`?")))
        }
        None => nothing("no job needs `:quire/manual`".to_owned())
            .hint("(ci:job :deploy [:quire/manual] (fn [] …)) is a job that is started so"),
    })
}

/// Queues the run.
async fn queue(
    app: &AppState,
    commit: Commit,
    (event, secrets): (Event, BTreeMap<String, SecretString>),
    vars: &RunVars,
) -> Result<NamedRun, Problem> {
    let id = random::run_id();
    app.job_secrets.keep(id, secrets);
    let run = NewRun {
        id,
        repo: commit.repo.id,
        update: None,
        event,
        commit_subject: Some(commit.subject),
        options: vars.to_options(),
        queued_at: clock::now(),
        ended: None,
    };
    let entry = app.entry(AuditAction::RunCreate);
    let row = queue_run(app, entry, move |connection| store::insert_run(connection, &run).map(|_| id));
    Ok(NamedRun::new(&row.await?))
}

/// Records the run that `insert` makes, together with the entry about it, and wakes the queue.
///
/// # Errors
/// Nothing could be recorded.
pub(in crate::app) async fn queue_run(
    app: &AppState,
    entry: AuditEntry,
    insert: impl FnOnce(&Connection) -> rusqlite::Result<RunId> + Send + 'static,
) -> Result<RunRow, Problem> {
    let store = app.writer()?;
    let row = store.call(move |connection| {
        let transaction = connection.transaction()?;
        let id = insert(&transaction)?;
        let row = store::find_run(&transaction, &RunName::Id(id))?;
        let row = row.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        entry.on(format_args!("{}#{}", row.repo, row.number)).insert(&transaction)?;
        transaction.commit().map(|()| row)
    });
    let row = row.await??;
    app.live.open(row.id);
    app.wake(Wake::Queued).await;
    Ok(row)
}
