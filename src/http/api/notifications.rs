//! The outbox: what was sent to whom, and once more.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::runs::Nothing;
use crate::app::{AppState, Delivery, Operation, OutboxRow, RetryNotification, page_of_notifications};
use crate::http::caller::Known;
use crate::http::input::{OptionalBody, Path, Query, word};
use crate::http::page::Page;
use crate::http::problem::{Problems, Refused};
use crate::model::Scope;

/// A message to a target.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Notification {
    /// Its id.
    id: String,
    /// The target.
    target: String,
    /// The event that it is about.
    event: String,
    /// A run, or a repository.
    subject: String,
    /// `waiting`, `sent` or `given-up`.
    state: String,
    /// The number of attempts.
    attempts: u32,
    /// When the next attempt is due, while it waits.
    due_at: Option<String>,
    /// The error of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it was sent or given up.
    ended_at: Option<String>,
}

impl Notification {
    fn of(row: OutboxRow) -> Self {
        Self {
            due_at: (row.state == Delivery::Waiting).then(|| row.due_at.to_string()),
            id: row.id,
            target: row.target,
            event: row.event,
            subject: row.subject,
            state: row.state.as_str().to_owned(),
            attempts: row.attempts,
            problem: row.problem,
            created_at: row.created_at.to_string(),
            ended_at: row.ended_at.map(|time| time.to_string()),
        }
    }
}

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
    responses((status = 200, description = "The messages; `Link` has the address of the next page", body = [Notification]), Problems))]
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
    let items: Vec<Notification> = rows.into_iter().map(Notification::of).collect();
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
