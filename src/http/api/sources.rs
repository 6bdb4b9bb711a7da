//! Sources of jobs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::app::{
    AddSource, AddedSource, AppState, Code, Operation, Problem, RemoveSource, find_source, list_sources,
};
use crate::http::caller::Known;
use crate::http::input::{Body, Path};
use crate::http::problem::{Problems, Refused};
use crate::model::{Quoted, Scope};
use crate::sources::{SourceRecord, SourceRequest};

/// All sources of jobs, by name.
#[utoipa::path(get, path = "/sources", operation_id = "listSources",
    security(("token" = ["sources:read"])),
    responses((status = 200, description = "The sources", body = [SourceRecord]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    Known(caller): Known,
) -> Result<Json<Vec<SourceRecord>>, Refused> {
    caller.require(Scope::SourcesRead)?;
    Ok(Json(list_sources(&app).await?))
}

/// Adds a source of jobs, or fetches it again.
#[utoipa::path(post, path = "/sources", operation_id = "addSource", request_body = SourceRequest,
    security(("token" = ["sources:write"])),
    responses((status = 201, description = "The new source", body = SourceRecord),
        (status = 200, description = "The source, which had been there", body = SourceRecord), Problems))]
pub(super) async fn add(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(source): Body<SourceRequest>,
) -> Result<(StatusCode, Json<SourceRecord>), Refused> {
    caller.require(Scope::SourcesWrite)?;
    let AddedSource { record, is_new } = AddSource { source }.perform(&app.acting_as(&caller)).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(record)))
}

/// A source of jobs.
#[utoipa::path(get, path = "/sources/{name}", operation_id = "getSource", params(("name" = String, Path, description = "The name of the source")),
    security(("token" = ["sources:read"])),
    responses((status = 200, description = "The source", body = SourceRecord), Problems))]
pub(super) async fn get(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(name): Path<String>,
) -> Result<Json<SourceRecord>, Refused> {
    caller.require(Scope::SourcesRead)?;
    let missing = || Problem::new(Code::SourceNotFound, format!("there is no source {}", Quoted::new(&name)));
    Ok(Json(find_source(&app, &name).await?.ok_or_else(missing)?))
}

/// Removes a source of jobs, with what was fetched for it.
#[utoipa::path(delete, path = "/sources/{name}", operation_id = "removeSource", params(("name" = String, Path, description = "The name of the source")),
    security(("token" = ["sources:write"])),
    responses((status = 204, description = "It is removed"), Problems))]
pub(super) async fn remove(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(name): Path<String>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::SourcesWrite)?;
    RemoveSource { name }.perform(&app.acting_as(&caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}
