//! Watched branches of repositories elsewhere.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::runs::Nothing;
use crate::app::{
    AddWatches, AppState, LookNow, Operation, RemoveWatch, WatchFrame, WatchShape, list_watches,
};
use crate::http::caller::Known;
use crate::http::input::{Body, OptionalBody, Path};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;

/// A branch to be watched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWatch {
    /// Its name; the last part of the address when absent
    name: Option<String>,
    /// The address of the repository
    url: String,
    /// The branch; `main` when absent
    branch: Option<String>,
    /// How often it is looked at; 60 when absent
    every_s: Option<u64>,
}

/// All watches, by name.
#[utoipa::path(get, path = "/watches", operation_id = "listWatches",
    security(("token" = ["sources:read"])),
    responses((status = 200, description = "The watches", body = [WatchShape]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    Known(caller): Known,
) -> Result<Json<Vec<WatchShape>>, Refused> {
    caller.require(Scope::SourcesRead)?;
    Ok(Json(list_watches(&app).await?.iter().map(WatchShape::of).collect()))
}

/// Watches a branch.
#[utoipa::path(post, path = "/watches", operation_id = "addWatch", request_body = NewWatch,
    security(("token" = ["sources:write"])),
    responses((status = 201, description = "The watch", body = WatchShape), Problems))]
pub(super) async fn add(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(new): Body<NewWatch>,
) -> Result<(StatusCode, Json<WatchShape>), Refused> {
    caller.require(Scope::SourcesWrite)?;
    let frame = WatchFrame::plain(new.name, &new.url, new.branch, new.every_s)?;
    if frame.is_on_this_machine() {
        // It would show what the account of the server can read.
        caller.require(Scope::Admin)?;
    }
    let added = AddWatches { watches: vec![frame] }.perform(&app.acting_as(&caller)).await?;
    let views = list_watches(&app).await?;
    let view = views.iter().find(|view| added.names.contains(&view.watch.name.to_string()));
    let gone = || crate::app::Problem::new(crate::app::Code::WatchNotFound, "the watch was removed");
    Ok((StatusCode::CREATED, Json(WatchShape::of(view.ok_or_else(gone)?))))
}

/// Watches a branch no longer.
#[utoipa::path(delete, path = "/watches/{name}", operation_id = "removeWatch", params(("name" = String, Path, description = "The name of the watch")),
    security(("token" = ["sources:write"])),
    responses((status = 204, description = "It is removed"), Problems))]
pub(super) async fn remove(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(name): Path<String>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::SourcesWrite)?;
    RemoveWatch { name }.perform(&app.acting_as(&caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at a branch now. The answer does not wait for it.
#[utoipa::path(post, path = "/watches/{name}/now", operation_id = "lookNow", params(("name" = String, Path, description = "The name of the watch")),
    security(("token" = ["sources:write"])),
    responses((status = 202, description = "It is looked at"), Problems))]
pub(super) async fn now(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(name): Path<String>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::SourcesWrite)?;
    crate::app::expect_watch(&app, &name).await?;
    // A look may take an hour; the watch says what came of it.
    let look = async move {
        if let Err(problem) = (LookNow { name: Some(name) }).perform(&app.acting_as(&caller)).await {
            tracing::debug!(%problem, "a look that was asked for");
        }
    };
    tokio::spawn(look);
    Ok(StatusCode::ACCEPTED)
}
