//! Who did what.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::{AppState, AuditFilter, list_audit};
use crate::http::caller::Known;
use crate::http::input::{Query, time, word};
use crate::http::page::Page;
use crate::http::problem::{Problems, Refused};
use crate::model::{AuditAction, Scope};
use crate::view::AuditShape;

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only those since this time
    since: Option<String>,
    /// Only what this one did: user:NAME, token:NAME or uid:NUMBER
    actor: Option<String>,
    /// Only this: run.cancel, push.refused, …
    action: Option<String>,
    /// At most this many
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins, from the Link header of an answer
    cursor: Option<String>,
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/audit", operation_id = "listAudit", params(AuditQuery),
    security(("token" = ["admin"])),
    responses((status = 200, description = "The entries; `Link` has the address of the next page", body = [AuditShape]), Problems))]
pub(super) async fn list(
    State(app): State<AppState>,
    Known(caller): Known,
    uri: axum::extract::OriginalUri,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Refused> {
    caller.require(Scope::Admin)?;
    let page = Page::new(&app.instance, &uri, (query.limit, query.cursor.as_deref()))?;
    let action = query.action.as_ref();
    let action =
        action.map(|text| word(("action", text), AuditAction::ALL, AuditAction::as_str)).transpose()?;
    let since = query.since.as_deref().map(|text| time("since", text)).transpose()?;
    let (actor, before, limit) = (query.actor, page.before, page.limit + 1);
    let mut rows = list_audit(&app, AuditFilter { since, actor, action, before, limit }).await?;
    let has_more = rows.len() > page.limit;
    rows.truncate(page.limit);
    let next = rows.last().map(|row| row.id).filter(|_| has_more);
    Ok(page.answer(&uri, rows.into_iter().map(AuditShape::new).collect(), next))
}
