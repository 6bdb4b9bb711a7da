//! What commands ask the server for, over the Unix socket: cancel and rerun.

use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::app::{App, Wake};
use crate::model::{RunId, RunName};
use crate::run::rerun;
use crate::store;

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    by: Option<String>,
}

fn answer(status: StatusCode, value: serde_json::Value) -> Response {
    (status, axum::Json(value)).into_response()
}

fn failed(problem: impl std::fmt::Display) -> Response {
    answer(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": problem.to_string() }))
}

/// `POST /runs/{id}/cancel`: 200 when the run was told to stop, 409 when it has ended, 404 when there is none.
pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(asked): Json<Asked>,
) -> Response {
    let Some(id) = RunId::parse(&id) else {
        return answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" }));
    };
    let (sender, told) = oneshot::channel();
    app.tell(Wake::Cancel { run: id, by: asked.by, answer: sender }).await;
    match told.await {
        Ok(Ok(())) => answer(StatusCode::OK, json!({ "cancelled": id.to_string() })),
        Ok(Err(problem)) => answer(StatusCode::CONFLICT, json!({ "error": problem })),
        Err(_) => failed("the server is on its way out"),
    }
}

/// `POST /runs/{id}/rerun`: 201 with the name of the new run, 404 when there is none.
pub(super) async fn rerun_run(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(asked): Json<Asked>,
) -> Response {
    let Some(id) = RunId::parse(&id) else {
        return answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" }));
    };
    let made = app.store.call(move |connection| {
        let Some(row) = store::find_run(connection, &RunName::Id(id))? else { return Ok(None) };
        rerun(connection, &row, asked.by.as_deref()).map(Some)
    });
    match made.await {
        Ok(Ok(Some((new, row)))) => {
            app.live.open(new);
            app.tell(Wake::Queued).await;
            answer(
                StatusCode::CREATED,
                json!({ "id": new.to_string(), "repo": row.repo.as_str(), "number": row.number }),
            )
        }
        Ok(Ok(None)) => answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" })),
        Ok(Err(error)) => failed(error),
        Err(error) => failed(error),
    }
}

/// `GET /runs/{id}/end`: answers when the run has ended.
pub(super) async fn end(State(app): State<App>, Path(id): Path<String>) -> Response {
    let Some(id) = RunId::parse(&id) else {
        return answer(StatusCode::NOT_FOUND, json!({ "error": "no such run" }));
    };
    if let Some(mut live) = app.live.follow(id) {
        // The channel closes when the end of the run is in the database.
        while live.changed().await.is_ok() {}
    }
    answer(StatusCode::OK, json!({ "ended": id.to_string() }))
}
