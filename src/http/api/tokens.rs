//! Tokens: made, listed, revoked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{AppState, CreateToken, CreatedToken, Operation, RevokeToken, TokenView, list_tokens};
use crate::http::caller::Known;
use crate::http::input::{Body, Path};
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is called in lists
    name: String,
    /// What it may do; who makes it must have these scopes, too
    scopes: Vec<String>,
    /// The repositories that it holds for; all when there are none
    #[serde(default)]
    repos: Vec<String>,
    /// When it expires; never when absent
    expires_at: Option<String>,
}

/// Tokens that were not revoked, oldest first.
#[utoipa::path(get, path = "/tokens", operation_id = "listTokens",
    security(("token" = ["admin"])),
    responses((status = 200, description = "The tokens, without what is secret of them", body = [TokenView]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    Known(caller): Known,
) -> Result<Json<Vec<TokenView>>, Refused> {
    caller.require(Scope::Admin)?;
    Ok(Json(list_tokens(&app).await?))
}

/// Makes a token. It is in this answer and nowhere else: the request takes no Idempotency-Key.
#[utoipa::path(post, path = "/tokens", operation_id = "createToken", request_body = NewToken,
    security(("token" = ["admin"])),
    responses((status = 201, description = "The token", body = CreatedToken), Problems))]
pub(super) async fn create(
    State(app): State<AppState>,
    Known(caller): Known,
    Body(NewToken { name, scopes, repos, expires_at }): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Refused> {
    caller.require(Scope::Admin)?;
    for scope in scopes.iter().filter_map(|word| Scope::parse(word)) {
        caller.require(scope)?;
    }
    let by = caller.actor().to_owned();
    let made = CreateToken { name, scopes, repos, expires_at, by }.perform(&app).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/tokens/{name}", operation_id = "revokeToken", params(("name" = String, Path, description = "The name of the token")),
    security(("token" = ["admin"])),
    responses((status = 204, description = "It cannot be used any more"), Problems))]
pub(super) async fn revoke(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(name): Path<String>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::Admin)?;
    RevokeToken { name, by: caller.actor().to_owned() }.perform(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}
