//! The outbox: what was sent to whom, and once more.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::runs::Nothing;
use crate::app::{
    AppState, Delivery, NotificationShape, Operation, RetryNotification, page_of_notifications,
};
use crate::http::caller::Known;
use crate::http::input::{OptionalBody, Path, Query, word};
use crate::http::page::Page;
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotificationQuery {
    /// Only those in this state: waiting, sent or given-up
    state: Option<String>,
    /// At most this many
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins, from the Link header of an answer
    cursor: Option<String>,
}

/// Messages, newest first.
#[utoipa::path(get, path = "/notifications", operation_id = "listNotifications", params(NotificationQuery),
    security(("token" = ["admin"])),
    responses((status = 200, description = "The messages; `Link` has the address of the next page", body = [NotificationShape]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    Known(caller): Known,
    uri: axum::extract::OriginalUri,
    Query(query): Query<NotificationQuery>,
) -> Result<Response, Refused> {
    caller.require(Scope::Admin)?;
    let page = Page::new(&app.instance, &uri, (query.limit, query.cursor.as_deref()))?;
    let state = query.state.as_ref();
    let state = state.map(|text| word(("state", text), &Delivery::ALL, Delivery::as_str)).transpose()?;
    let (rows, next) = page_of_notifications(&app, state, (page.before, page.limit)).await?;
    let items = rows.into_iter().map(NotificationShape::of).collect();
    Ok(page.answer(&uri, items, next))
}

/// Sends a message once more.
#[utoipa::path(post, path = "/notifications/{id}/retry", operation_id = "retryNotification", params(("id" = String, Path, description = "The id of the message, or how that begins")),
    security(("token" = ["admin"])),
    responses((status = 202, description = "It is tried now"), Problems))]
pub(super) async fn retry(
    State(app): State<AppState>,
    Known(caller): Known,
    Path(id): Path<String>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<StatusCode, Refused> {
    caller.require(Scope::Admin)?;
    RetryNotification { id }.perform(&app.acting_as(&caller)).await?;
    Ok(StatusCode::ACCEPTED)
}
