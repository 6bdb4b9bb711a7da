//! Sources of jobs: added, listed, shown, removed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::FlwdState;
use super::identity::FlwdCaller;
use super::jobs::read_body;
use super::problem::FlwdProblem;
use crate::app::{Problem, add_source, find_source, list_sources, remove_source};
use crate::sources::{Expose, SourceError, SourceRecord, SourceRequest};

/// The address of the problem that a source is not signed.
const SIGNATURE_INVALID: &str = "source-signature-invalid";

/// `GET /sources`.
pub(super) async fn list(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
) -> Result<Json<Vec<Value>>, FlwdProblem> {
    let records = list_sources(&flwd.app).await?;
    let shown: Result<Vec<Value>, Problem> =
        records.iter().map(|record| flwd.shown(record, &caller)).collect();
    Ok(Json(shown?))
}

/// `GET /sources/{name}`.
pub(super) async fn get(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
    Path(name): Path<String>,
) -> Result<Json<Value>, FlwdProblem> {
    let record = find_source(&flwd.app, &name).await?.ok_or_else(missing)?;
    Ok(Json(flwd.shown(&record, &caller)?))
}

/// `POST /sources`: 201 for a new one, 200 for one that was there.
pub(super) async fn add(
    State(flwd): State<FlwdState>,
    caller: FlwdCaller,
    body: Bytes,
) -> Result<Response, FlwdProblem> {
    let request: SourceRequest = read_body(&body)?;
    let added = add_source(&flwd.app, request).await.map_err(|error| {
        if error.code == Some("E_ADDON_MANIFEST") {
            flwd.metrics.manifest_invalid();
        }
        refused(error)
    })?;
    flwd.metrics.source_added(added.record.kind.as_str());
    let status = if added.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(flwd.shown(&added.record, &caller)?)).into_response())
}

/// `DELETE /sources/{name}`.
pub(super) async fn remove(
    State(flwd): State<FlwdState>,
    Path(name): Path<String>,
) -> Result<StatusCode, FlwdProblem> {
    if remove_source(&flwd.app, &name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

fn missing() -> FlwdProblem {
    FlwdProblem::new(StatusCode::NOT_FOUND, "source not found", "there is no source of this name")
}

fn refused(error: SourceError) -> FlwdProblem {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let detail = match &error.hint {
        Some(hint) => format!("{}; {hint}", error.detail),
        None => error.detail,
    };
    let problem = FlwdProblem::new(status, error.title, detail);
    match error.code {
        Some(SIGNATURE_INVALID) => problem
            .with("type", format!("https://flowd.dev/problems/{SIGNATURE_INVALID}"))
            .with("code", SIGNATURE_INVALID),
        Some(code) => problem.with("code", code),
        None => problem,
    }
}

impl FlwdState {
    /// A source as a caller sees it.
    fn shown(&self, record: &SourceRecord, caller: &FlwdCaller) -> Result<Value, Problem> {
        let mut shown = serde_json::to_value(record).map_err(|error| Problem::failed(&error))?;
        let hides_aliases = record.expose == Expose::None || !self.shows_aliases(caller);
        if let Some(members) = shown.as_object_mut().filter(|_| hides_aliases) {
            members.remove("aliases");
        }
        Ok(shown)
    }
}
