//! Runs that are repeated: all of one, the jobs that failed, or one job.

use serde::{Deserialize, Serialize};

use super::jobs::job_run_record;
use super::operation::Operation;
use super::problem::{Code, Problem};
use super::runs::{NamedRun, expect_readable, find_run, shown_by};
use super::starts::queue_run;
use super::state::AppState;
use crate::event::RerunScope;
use crate::model::{AuditAction, JobId};
use crate::run::{self, EarlierRun, RepeatError};
use crate::store::{self, RunRow};
use crate::view::RunView;

/// The commit of a run is to run once more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RerunRun {
    /// Its name or id.
    pub(crate) run: String,
    /// Only the jobs that failed, and what needs them.
    #[serde(default)]
    pub(crate) failed: bool,
    /// Only this job, and what needs it.
    #[serde(default)]
    pub(crate) job: Option<String>,
    /// Who asks.
    pub(crate) by: Option<String>,
}

impl From<RepeatError> for Problem {
    fn from(error: RepeatError) -> Self {
        let code = match &error {
            RepeatError::NothingFailed => Code::RunNothingFailed,
            RepeatError::NoJob { .. } | RepeatError::OutputLost { .. } | RepeatError::Lost(_) => {
                Code::RequestRefused
            }
        };
        Self::caused_by(code, &error).with_hint(error.hint())
    }
}

impl Operation for RerunRun {
    type Answer = NamedRun;

    const ROUTE: &'static str = "/runs/rerun";

    async fn perform(self, app: &AppState) -> Result<NamedRun, Problem> {
        let what = self.scope()?;
        let of = find_run(app, &self.run).await?;
        let name = format!("{}#{}", of.repo, of.number);
        let view = app.view(of.clone()).await;
        if !view.has_ended() {
            return Err(Problem::new(Code::RunUnfinished, format!("{name} has not ended"))
                .hint(format!("quire wait '{name}'; quire cancel '{name}' stops it")));
        }
        if what != RerunScope::All {
            expect_repeatable(&view, &what)?;
        }
        expect_no_secrets(app, &of).await?;
        let by = shown_by(self.by.as_deref());
        let entry = app.entry(AuditAction::RunRerun).with("of", name.as_str());
        let row = queue_run(app, entry, move |connection| {
            let id = run::rerun(connection, &of, what, self.by.as_deref())?;
            store::copy_job_run(connection, of.id, id).map(|()| id)
        });
        let row = row.await?;
        tracing::info!("run {}#{} is queued: rerun of {name}{by}", row.repo, row.number);
        Ok(NamedRun::new(&row))
    }
}

impl RerunRun {
    fn scope(&self) -> Result<RerunScope, Problem> {
        match (&self.job, self.failed) {
            (None, false) => Ok(RerunScope::All),
            (None, true) => Ok(RerunScope::Failed),
            (Some(job), false) => {
                let job = JobId::parse(job);
                job.map(RerunScope::Job).map_err(|error| Problem::caused_by(Code::RequestInvalid, &error))
            }
            (Some(_), true) => {
                Err(Problem::new(Code::RequestInvalid, "`failed` and `job` exclude each other"))
            }
        }
    }
}

/// Checks that the run had no secret arguments: their values are not kept.
async fn expect_no_secrets(app: &AppState, of: &RunRow) -> Result<(), Problem> {
    let job = if of.is_of_jobs() {
        let record = job_run_record(app, of.id).await?;
        record.filter(|record| !record.work.secrets.is_empty()).map(|record| record.job)
    } else {
        let root = of.event.start().root.map(|root| format!(":{root}")).unwrap_or_default();
        (!of.event.secret_arguments().is_empty()).then(|| format!("{}{root}", of.repo))
    };
    let Some(job) = job else { return Ok(()) };
    let text = format!("the secret arguments of {}#{} are not kept", of.repo, of.number);
    Err(Problem::new(Code::RequestRefused, text).hint(format!("start it again: quire run {job} …")))
}

/// Checks that the journal of a run has what a rerun of a part of it needs.
fn expect_repeatable(view: &RunView, what: &RerunScope) -> Result<(), Problem> {
    expect_readable(view)?;
    let jobs = &view.record.jobs;
    let named: Vec<_> = jobs.iter().map(|job| (job.id.clone(), job.needs.clone())).collect();
    EarlierRun::new(view.row.number, jobs).kept(&named, what)?;
    Ok(())
}
