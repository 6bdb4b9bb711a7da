//! Plans: which jobs an event would start at a commit, which not, and why. Nothing is run.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::operation::Operation;
use super::planning::{CommitRequest, expect_fitting, root};
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::event::{EventKind, Trigger};
use crate::run::PlanAnswer;

/// The most changed files that a plan takes, as `:files-changed` of a push has.
const MAX_FILES: usize = 3_000;

/// What is to be planned.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanRun {
    pub(crate) repo: String,
    /// A branch or tag, with its full or short name; the default branch when neither this nor `sha` is there.
    pub(crate) r#ref: Option<String>,
    /// A commit in the history of a branch or tag.
    pub(crate) sha: Option<String>,
    /// The root job that somebody would start; all that need `:quire/manual` when absent.
    pub(crate) job: Option<String>,
    /// `push` or `manual`; `manual` with a job, otherwise `push`.
    pub(crate) event: Option<String>,
    /// The arguments of a manual event.
    pub(crate) args: Option<Map<String, Value>>,
    /// The files that a push would have changed. Jobs read them while they run, so they decide nothing here.
    pub(crate) files_changed: Option<Vec<String>>,
}

impl Operation for PlanRun {
    type Answer = PlanAnswer;

    const ROUTE: &'static str = "/runs/plan";
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn perform(self, app: &AppState) -> Result<PlanAnswer, Problem> {
        plan_run(app, self).await
    }
}

/// Plans what an event would start.
///
/// # Errors
/// The commit is not found, or its pipeline cannot be evaluated. A pipeline with mistakes is an answer.
pub async fn plan_run(app: &AppState, request: PlanRun) -> Result<PlanAnswer, Problem> {
    let is_manual = is_manual(&request)?;
    let root = root(request.job.as_deref())?;
    let commit = CommitRequest {
        repo: &request.repo,
        ref_name: request.r#ref.as_deref(),
        sha: request.sha.as_deref(),
    };
    let commit = commit.find(app).await?;
    if !is_manual {
        let event = commit.event(EventKind::Push, None);
        return commit.plan(app, &event).await;
    }
    let mut plan = commit.plan(app, &commit.manual_event(root, None)).await?;
    plan.jobs = commit.plan_arguments(app, plan.jobs, request.args.unwrap_or_default()).await?;
    Ok(plan)
}

/// Whether somebody starts something, and nothing is pushed.
fn is_manual(request: &PlanRun) -> Result<bool, Problem> {
    let refused = |text: String| Problem::new(Code::RequestRefused, text);
    if request.files_changed.as_ref().is_some_and(|files| files.len() > MAX_FILES) {
        return Err(refused(format!("`files_changed` has more than {MAX_FILES} paths")));
    }
    match request.event.as_deref().map(|word| (word, Trigger::parse(word))) {
        Some((_, Some(Trigger::Manual))) => {
            expect_fitting(request.args.as_ref().unwrap_or(&Map::new())).map(|()| true)
        }
        None if request.job.is_some() => {
            expect_fitting(request.args.as_ref().unwrap_or(&Map::new())).map(|()| true)
        }
        Some((_, Some(Trigger::Push))) if request.job.is_some() => {
            Err(refused("`job` belongs to the event `manual`".to_owned()))
        }
        None | Some((_, Some(Trigger::Push))) if request.args.is_some() => {
            Err(refused("`args` belong to the event `manual`".to_owned()))
        }
        None | Some((_, Some(Trigger::Push))) => Ok(false),
        Some((word, Some(Trigger::Watch | Trigger::Cron))) => {
            Err(refused(format!("a plan is for the event `push` or `manual`, not `{word}`")))
        }
        Some((_, None)) => Err(Problem::new(Code::RequestInvalid, "`event`: expected `push` or `manual`")),
    }
}
