//! Plans: which jobs an event would start at a commit, which not, and why. Nothing is run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::planning::{CommitRequest, manual};
use super::problem::{Code, Problem};
use super::state::AppState;
use crate::event::{EventKind, Trigger};
use crate::run::PlanAnswer;

/// The most changed files that a plan takes, as `:files-changed` of a push has.
const MAX_FILES: usize = 3_000;

/// What is to be planned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanRun {
    pub(crate) repo: String,
    /// A branch or tag, with its full or short name; the default branch when neither this nor `sha` is there.
    pub(crate) r#ref: Option<String>,
    /// A commit in the history of a branch or tag.
    pub(crate) sha: Option<String>,
    /// `push` or `manual`; `push` when absent.
    pub(crate) event: Option<String>,
    /// The arguments of a manual event.
    pub(crate) args: Option<Map<String, Value>>,
    /// The files that a push would have changed. Jobs read them while they run, so they decide nothing here.
    pub(crate) files_changed: Option<Vec<String>>,
}

/// Plans what an event would start.
///
/// # Errors
/// The commit is not found, or its pipeline cannot be evaluated. A pipeline with mistakes is an answer.
pub async fn plan_run(app: &AppState, request: PlanRun) -> Result<PlanAnswer, Problem> {
    let kind = kind_of(&request)?;
    let commit = CommitRequest {
        repo: &request.repo,
        ref_name: request.r#ref.as_deref(),
        sha: request.sha.as_deref(),
    };
    let commit = commit.find(app).await?;
    let event = commit.event(kind, None);
    commit.plan(app, &event).await
}

fn kind_of(request: &PlanRun) -> Result<EventKind, Problem> {
    let refused = |text: String| Problem::new(Code::RequestRefused, text);
    if request.files_changed.as_ref().is_some_and(|files| files.len() > MAX_FILES) {
        return Err(refused(format!("`files_changed` has more than {MAX_FILES} paths")));
    }
    match request.event.as_deref().map(|word| (word, Trigger::parse(word))) {
        Some((_, Some(Trigger::Manual))) => manual(None, request.args.clone().unwrap_or_default()),
        None | Some((_, Some(Trigger::Push))) if request.args.is_some() => {
            Err(refused("`args` belong to the event `manual`".to_owned()))
        }
        None | Some((_, Some(Trigger::Push))) => Ok(EventKind::Push),
        Some((word, Some(Trigger::Watch | Trigger::Cron))) => {
            Err(refused(format!("a plan is for the event `push` or `manual`, not `{word}`")))
        }
        Some((_, None)) => Err(Problem::new(Code::RequestInvalid, "`event`: expected `push` or `manual`")),
    }
}
