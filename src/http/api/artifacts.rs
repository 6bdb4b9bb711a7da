//! Artifacts of runs. The engine has none yet: lists are empty.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{AppState, Caller, Code, Problem};
use crate::http::input::Path;
use crate::http::problem::{Problems, Refused};
use crate::model::{Quoted, Scope};

/// A file that a run has kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Artifact {
    /// Its path in the run.
    path: String,
    /// Its size.
    size_bytes: u64,
    /// The SHA-256 of its content, in hex.
    sha256: String,
    /// The job that has kept it.
    job: String,
    /// When it is removed.
    expires_at: String,
}

/// The artifacts of a run.
#[utoipa::path(get, path = "/runs/{run}/artifacts", operation_id = "listArtifacts", params(("run" = String, Path, description = "Its id, or REPO#NUMBER")),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The artifacts", body = [Artifact]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<Vec<Artifact>>, Refused> {
    caller.run_to_read(&app, Scope::RunsRead, &run).await?;
    Ok(Json(Vec::new()))
}

/// One artifact: the file.
#[utoipa::path(get, path = "/runs/{run}/artifacts/{path}", operation_id = "getArtifact",
    params(("run" = String, Path, description = "The run's id, or REPO#NUMBER"), ("path" = String, Path, description = "The path of the artifact")),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"), Problems))]
pub(super) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path((run, path)): Path<(String, String)>,
) -> Result<(), Refused> {
    caller.run_to_read(&app, Scope::RunsRead, &run).await?;
    let text = format!("run {run} has no artifact {}", Quoted::new(&path));
    Err(Problem::new(Code::ArtifactNotFound, text).into())
}
