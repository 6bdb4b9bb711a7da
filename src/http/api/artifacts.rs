//! Artifacts of runs.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::app::{AppState, Caller, list_artifacts, open_artifact};
use crate::http::artifact_file::artifact_answer;
use crate::http::input::Path;
use crate::http::problem::{Problems, Refused};
use crate::view::ArtifactShape;

/// The artifacts of a run. What a run has kept is no more visible than what it prints.
#[utoipa::path(get, path = "/runs/{run}/artifacts", operation_id = "listArtifacts", params(("run" = String, Path, description = "Its id, or REPO#NUMBER")),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The artifacts", body = [ArtifactShape]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<Vec<ArtifactShape>>, Refused> {
    let row = caller.run_with_artifacts(&app, &run).await?;
    Ok(Json(list_artifacts(&app, row).await?))
}

/// One artifact: the file. `ETag` is its SHA-256; `Range` and `If-None-Match` are understood.
#[utoipa::path(get, path = "/runs/{run}/artifacts/{path}", operation_id = "getArtifact",
    params(("run" = String, Path, description = "The run's id, or REPO#NUMBER"), ("path" = String, Path, description = "The path of the artifact, percent-encoded")),
    security((), ("token" = ["runs:read"])),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"),
              (status = 206, description = "A part of it", content_type = "application/octet-stream"),
              (status = 304, description = "It is the one that the client has"), Problems))]
pub(super) async fn get(
    State(app): State<AppState>,
    caller: Caller,
    Path((run, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let row = caller.run_with_artifacts(&app, &run).await?;
    let (artifact, file) = open_artifact(&app, row, &path).await?;
    Ok(artifact_answer(&headers, &artifact, file))
}
