//! Runs: listed, shown, cancelled.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::FlwdState;
use super::identity::FlwdCaller;
use super::page::FlwdPage;
use super::problem::FlwdProblem;
use crate::app::{CancelRun, Code, Operation, WaitForRun};

/// What is behind the id of a run that is to be cancelled.
const CANCEL: &str = ":cancel";

/// How long an answer waits for the end of a run that is cancelled.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /runs`: newest first.
pub(super) async fn list(
    State(flwd): State<FlwdState>,
    page: FlwdPage,
) -> Result<Json<Vec<Value>>, FlwdProblem> {
    let runs = flwd.page_of_runs(page).await?;
    Ok(Json(runs.iter().map(|(row, facts)| facts.payload(row)).collect()))
}

/// `GET /runs/{id}`.
pub(super) async fn get(
    State(flwd): State<FlwdState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, FlwdProblem> {
    let (row, facts) = flwd.run(&id).await?;
    Ok(Json(facts.payload(&row)))
}

/// `POST /runs/{id}:cancel`: 202 when it is being stopped, 200 when it had ended.
pub(super) async fn cancel(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
    Path(path): Path<String>,
) -> Result<Response, FlwdProblem> {
    let Some(id) = path.strip_suffix(CANCEL) else {
        return Err(FlwdProblem::method_not_allowed("a run is cancelled by POST /runs/{id}:cancel"));
    };
    let (row, facts) = flwd.run(id).await?;
    let run = row.id.to_string();
    let cancelled = CancelRun { run: run.clone(), by: Some(caller.name) }.perform(&flwd.app).await;
    match cancelled {
        Ok(_) => {}
        Err(problem) if problem.code == Code::RunFinished => {
            return Ok(Json(facts.payload(&flwd.run(id).await?.0)).into_response());
        }
        Err(problem) => return Err(problem.into()),
    }
    tracing::info!(run, "run.cancel.request");
    // The run is canceled when its processes are gone: mostly, that is now.
    let waited = tokio::time::timeout(PATIENCE, WaitForRun { run }.perform(&flwd.app)).await;
    if let Ok(Err(problem)) = waited {
        return Err(problem.into());
    }
    let (row, facts) = flwd.run(id).await?;
    Ok((StatusCode::ACCEPTED, Json(facts.payload(&row))).into_response())
}
