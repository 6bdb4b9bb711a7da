//! Users and their ssh keys: added, listed, removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{
    AddKey, AddUser, AppState, KeyView, Operation, RemoveKey, RemoveUser, UserView, list_keys, list_users,
};
use crate::http::caller::Known;
use crate::http::input::{Body, Path};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;

/// A user to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    /// The name, as `:access` of config.fnl has it
    name: String,
}

/// A key to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// Whose key it is
    user: String,
    /// The text of a `.pub` file
    key: String,
    /// The repositories that it opens, for git only; those of its user when there are none
    #[serde(default)]
    repos: Vec<String>,
    /// Whether it only reads
    #[serde(default)]
    read: bool,
}

/// Users, by name.
#[utoipa::path(get, path = "/users", operation_id = "listUsers",
    security(("token" = ["admin"])),
    responses((status = 200, description = "The users", body = [UserView]), Problems))]
pub(super) async fn list_all_users(
    State(app): State<AppState>,
    Known(caller): Known,
) -> Result<Json<Vec<UserView>>, Refused> {
    caller.require(Scope::Admin)?;
    Ok(Json(list_users(&app).await?))
}

/// Adds a user. What the user may do is said in the operator's config.
#[utoipa::path(post, path = "/users", operation_id = "addUser", request_body = NewUser,
    security(("token" = ["admin"])),
    responses((status = 201, description = "The user", body = UserView), Problems))]
pub(super) async fn add_user(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(NewUser { name }): Body<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Refused> {
    caller.require(Scope::Admin)?;
    let added = AddUser { name, by: caller.actor().to_owned() }.perform(&app).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Removes a user with all keys, and ends what is open for them.
#[utoipa::path(delete, path = "/users/{name}", operation_id = "removeUser", params(("name" = String, Path, description = "The name of the user")),
    security(("token" = ["admin"])),
    responses((status = 204, description = "The keys open nothing any more"), Problems))]
pub(super) async fn remove_user(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(name): Path<String>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::Admin)?;
    RemoveUser { name, by: caller.actor().to_owned() }.perform(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keys, oldest first.
#[utoipa::path(get, path = "/keys", operation_id = "listKeys",
    security(("token" = ["admin"])),
    responses((status = 200, description = "The keys", body = [KeyView]), Problems))]
pub(super) async fn list_all_keys(
    State(app): State<AppState>,
    Known(caller): Known,
) -> Result<Json<Vec<KeyView>>, Refused> {
    caller.require(Scope::Admin)?;
    Ok(Json(list_keys(&app).await?))
}

/// Adds a key of a user, or a deploy key.
#[utoipa::path(post, path = "/keys", operation_id = "addKey", request_body = NewKey,
    security(("token" = ["admin"])),
    responses((status = 201, description = "The key", body = KeyView), Problems))]
pub(super) async fn add_key(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(NewKey { user, key, repos, read }): Body<NewKey>,
) -> Result<(StatusCode, Json<KeyView>), Refused> {
    caller.require(Scope::Admin)?;
    let added = AddKey { user, key, repos, read, by: caller.actor().to_owned() }.perform(&app).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Removes a key, and ends what is open for it.
#[utoipa::path(delete, path = "/keys/{key}", operation_id = "removeKey", params(("key" = String, Path, description = "Its number, or the beginning of its fingerprint")),
    security(("token" = ["admin"])),
    responses((status = 204, description = "The key opens nothing any more"), Problems))]
pub(super) async fn remove_key(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(key): Path<String>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::Admin)?;
    RemoveKey { key, by: caller.actor().to_owned() }.perform(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}
